import { describe, expect, it } from 'vitest';
import { createKernelMemory, openKernel } from '../../shared/kernel/byte-kernel.ts';
import { RequestBuffer } from '../../workers/upstream/request-buffer.ts';

const memory = createKernelMemory(64 * 1024);
/** Scratch for two usual requests. */
openKernel(memory, 0, 2 * 2048);

const isScratch = ({ bytes }: RequestBuffer): boolean => bytes.buffer === memory!.buffer;

describe('the memory of a request', () => {
  it('is scratch for calls that serve many clients, and goes to the next one when it is let go', () => {
    for (let reload = 0; reload < 20; reload += 1) {
      const calls = [new RequestBuffer(true), new RequestBuffer(true), new RequestBuffer(true)];
      for (const call of calls) call.reserve(500);
      expect(calls.map(isScratch)).toEqual([true, true, false]);
      for (const call of calls) call.release();
    }
  });

  it('is none of it for a call that serves one', () => {
    const own = new RequestBuffer(false);
    own.reserve(500);
    expect(isScratch(own)).toBe(false);
  });

  it('is the same from request to request, unless it is too small or was large', () => {
    const call = new RequestBuffer(true);
    const first = call.reserve(500);
    call.headBlock = Buffer.from('POST');
    call.recycle();
    expect(call.reserve(2048)).toBe(first);
    expect(call.headBlock).not.toBeNull();
    const larger = call.reserve(2049);
    expect(larger.bytes.length).toBe(2049);
    expect(call.headBlock).toBeNull();
    call.reserve(100_000);
    call.recycle();
    expect(call.bytes.length).toBe(0);
    expect(isScratch(call)).toBe(false);
    call.reserve(1);
    expect(isScratch(call)).toBe(true);
  });

  it('is let go of once: two never share it', () => {
    const one = new RequestBuffer(true);
    one.reserve(500);
    one.release();
    one.release();
    const others = [new RequestBuffer(true), new RequestBuffer(true)];
    for (const other of others) other.reserve(500);
    expect(others[0]!.range.address).not.toBe(others[1]!.range.address);
  });
});
