/**
 * What one pass has found out so far; shared by the files that make up `peek`, which never runs
 * twice at a time on one thread.
 */
import { PEEK_INVALID_PARAMS } from './verdict.ts';
import { scan, STRING_CONTROL, STRING_ESCAPE } from './token.ts';

const QUOTE = 0x22;

class PeekState {
  /** The first fault met, as its verdict; 0 = none. Scanning goes on, for the id may follow. */
  problem = 0;
  needsRewrite = 0;
  /** Bits `1 << TOP_…` of the members there are. */
  top = 0;
  hasVersion = 0;
  isNullId = 0;
  /** The error object has an integer as its code and a string as its message (bits 1 and 2). */
  errorParts = 0;

  reset(): void {
    this.problem = 0;
    this.needsRewrite = 0;
    this.top = 0;
    this.hasVersion = 0;
    this.isNullId = 0;
    this.errorParts = 0;
  }

  fail(verdict: number): void {
    if (this.problem === 0) this.problem = verdict;
  }
}

export const peekState: PeekState = new PeekState();

/**
 * Whether the value scanned just now is a string whose bytes are its characters. One with escapes
 * asks for a rewrite; what is no string is as good as absent.
 */
export function isPlainString(bytes: Uint8Array, start: number): boolean {
  if (bytes[start] !== QUOTE) return false;
  if ((scan.string & STRING_ESCAPE) === 0) return true;
  peekState.needsRewrite = 1;
  return false;
}

/** As `isPlainString`, for what is routed by: no control characters, at most `bytesMax` bytes. */
export function isPlainName(
  bytes: Uint8Array,
  start: number,
  end: number,
  bytesMax: number,
): boolean {
  if (!isPlainString(bytes, start)) return false;
  if (end - start - 2 <= bytesMax && (scan.string & STRING_CONTROL) === 0) return true;
  peekState.fail(PEEK_INVALID_PARAMS);
  return false;
}
