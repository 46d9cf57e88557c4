/**
 * Loops over bytes in WebAssembly, for bytes that lie in the region (docs/decisions/0021). The region
 * is the kernel's memory, so nothing is copied to get there, and a call costs some five nanoseconds:
 *
 *      region  ├ rings ┤├ tables ┤ … ├ scratch of thread 0 ┤├ scratch of thread 1 ┤
 *                                      read buffer, heads, answers before they are written …
 *
 * A thread opens its kernel once, before it makes its buffers. Where there is none (a region of another
 * kind, an engine without WebAssembly), `kernelOf` is null, `takeBytes` gives ordinary memory, and the
 * callers do in JavaScript what the kernel would have done: `byte-words.ts` has both.
 *
 * The kernel checks no bounds. Whoever calls it has checked them.
 */
import { KERNEL_CODE } from './code.ts';

/** Addresses are byte offsets into the region. See `assembly/`. */
export interface ByteKernel {
  /** As `Atomics.store`, which is no part of compiled code but a call three times as long. */
  publish(at: number, word: number): void;
  copy(from: number, to: number, length: number): void;
  equal(one: number, other: number, length: number): number;
  visibleEnd(start: number, end: number): number;
  plainEnd(start: number, end: number): number;
  /** See `shared/header-field.ts`. */
  readFields(base: number, start: number, end: number, count: number, out: number): number;
  /** Whether the fields found there mirror the message of that record. */
  fieldsAgree(base: number, found: number, record: number): number;
  /** See `src/edge/head-shape.ts`. */
  fitHead(
    shape: number,
    start: number,
    end: number,
    payload: number,
    payloadEnd: number,
    arrivalUs: number,
  ): number;
  /** See `shared/rate-limit-desk.ts`. */
  takeLimits(
    desk: number,
    count: number,
    clientLow: number,
    clientHigh: number,
    toolLow: number,
    toolHigh: number,
    toolHash: number,
    nowMs: number,
  ): number;
  /** See `src/protocol/jsonrpc/shape-outline.ts`. */
  fitMessage(outline: number, origin: number, start: number, end: number, record: number): number;
}

/** A shared `WebAssembly.Memory`; it can be posted to other threads. */
export interface KernelMemory {
  readonly buffer: SharedArrayBuffer;
}

/** What is used here of the global, which the language's own library does not declare. */
interface Engine {
  readonly Memory: new (shape: { initial: number; maximum: number; shared: true }) => KernelMemory;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: KernelMemory } },
  ) => { readonly exports: ByteKernel };
}

const PAGE_BYTES = 65_536;
const SCRATCH_ALIGNMENT = 64;

const { WebAssembly: engine, atob } = globalThis as unknown as {
  readonly WebAssembly?: Engine;
  readonly atob: (text: string) => string;
};

const kernels = new WeakMap<SharedArrayBuffer, ByteKernel>();

/** Scratch of the kernel that this thread opened last. */
let scratch: SharedArrayBuffer | null = null;
let scratchAt = 0;
let scratchEnd = 0;
/** What was given back of it, by length. */
const given = new Map<number, Uint8Array[]>();

/** Memory for a region that a kernel can work on; null where the engine gives none. */
export function createKernelMemory(bytes: number): KernelMemory | null {
  if (engine === undefined) return null;
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new engine.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    // It wants gigabytes of address space, of which nothing is used; some hosts limit that.
    return null;
  }
}

/**
 * Opens this thread's kernel.
 *
 * @param memory of the region; null: there will be none
 * @param start of the thread's scratch in it, `bytes` long
 */
export function openKernel(memory: KernelMemory | null, start: number, bytes: number): void {
  if (memory === null || engine === undefined) return;
  const code = Uint8Array.from(atob(KERNEL_CODE), (letter) => letter.charCodeAt(0));
  const instance = new engine.Instance(new engine.Module(code), { env: { memory } });
  kernels.set(memory.buffer, instance.exports);
  scratch = memory.buffer;
  scratchAt = start;
  scratchEnd = start + bytes;
  given.clear();
}

/** The kernel that works on this buffer, if this thread has opened one. */
export function kernelOf(buffer: ArrayBufferLike): ByteKernel | null {
  return buffer instanceof SharedArrayBuffer ? (kernels.get(buffer) ?? null) : null;
}

/**
 * Memory for a buffer that is used for long: scratch while there is some, so that the kernel can work on it,
 * else memory of its own. It holds whatever was there before.
 */
export function takeBytes(bytes: number): Uint8Array {
  const again = given.get(bytes)?.pop();
  if (again !== undefined) return again;
  const end = scratchAt + Math.ceil(bytes / SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT;
  if (scratch === null || end > scratchEnd) return new Uint8Array(bytes);
  const taken = new Uint8Array(scratch, scratchAt, bytes);
  scratchAt = end;
  return taken;
}

/** All of what `takeBytes` gave is free again: nobody reads or writes it from here on, and no socket has it. */
export function giveBytes(taken: Uint8Array): void {
  if (taken.buffer !== scratch) return;
  const others = given.get(taken.length);
  if (others === undefined) given.set(taken.length, [taken]);
  else others.push(taken);
}
