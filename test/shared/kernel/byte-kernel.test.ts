import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  createKernelMemory,
  kernelOf,
  openKernel,
  takeBytes,
} from '../../../shared/kernel/byte-kernel.ts';

const memory = createKernelMemory(128 * 1024)!;
openKernel(memory, 64 * 1024, 1024);
const kernel = kernelOf(memory.buffer)!;
const bytes = new Uint8Array(memory.buffer);

describe('the byte kernel', () => {
  it('is what its source compiles to', { timeout: 120_000 }, async () => {
    const script = fileURLToPath(new URL('../../../scripts/kernel.mjs', import.meta.url));
    // Exits with 1, and so rejects, if it is not.
    const { stderr } = await promisify(execFile)(process.execPath, [script, '--check']);
    expect(stderr).toBe('');
  });

  it('finds two ranges alike exactly if all their bytes are', () => {
    for (let length = 0; length < 100; length += 1) {
      const text = randomBytes(length);
      bytes.set(text, 5);
      bytes.set(text, 1031);
      expect(kernel.equal(5, 1031, length)).toBe(1);
      for (let at = 0; at < length; at += 1) {
        bytes[1031 + at]! ^= 1 << (at & 7);
        expect(kernel.equal(5, 1031, length)).toBe(0);
        bytes[1031 + at]! ^= 1 << (at & 7);
      }
    }
  });

  it('finds the first byte that a plain JSON string does not have, each of 256', () => {
    for (let byte = 0; byte < 256; byte += 1) {
      const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
      for (const at of [0, 1, 15, 16, 17, 31, 32, 40]) {
        bytes.fill(0x61, 200, 241);
        bytes[200 + at] = byte;
        expect(kernel.plainEnd(200, 241)).toBe(isPlain ? 241 : 200 + at);
      }
    }
  });
});

describe('scratch', () => {
  it('is handed out once, aligned, and then ordinary memory is', () => {
    const first = takeBytes(100);
    const second = takeBytes(800);
    const third = takeBytes(200);
    expect([first, second, third].map(({ length }) => length)).toEqual([100, 800, 200]);
    expect(first.buffer).toBe(memory.buffer);
    expect(second.buffer).toBe(memory.buffer);
    expect(second.byteOffset - first.byteOffset).toBe(128);
    expect(second.byteOffset + 800).toBeLessThanOrEqual(64 * 1024 + 1024);
    expect(third.buffer).not.toBe(memory.buffer);
  });
});
