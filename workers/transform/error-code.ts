/**
 * Error codes of upstreams as a modern client may see them (2026-07-28, errors): -32002 and -32042 are
 * not sent any more, and -32020 to -32099 only mean what the protocol gives them a meaning for.
 */
const HEADER_MISMATCH = -32020;
const CAPABILITY_MISSING = -32021;
const VERSION_UNSUPPORTED = -32022;
const RESERVED_LAST = -32099;
const RESOURCE_NOT_FOUND = -32002;
const URL_ELICITATION_REQUIRED = -32042;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;

/** Our own envelope or headers were refused: that is between the upstream and us. */
export function isBetweenUs(code: number): boolean {
  return code === HEADER_MISMATCH || code === VERSION_UNSUPPORTED;
}

/** The upstream wants its user to open an address, in the way of 2025-11-25. */
export function asksForUrl(code: number): boolean {
  return code === URL_ELICITATION_REQUIRED;
}

/** What stands in the place of an upstream's code. */
export function modernErrorCode(code: number, isModernUpstream: boolean): number {
  if (code === RESOURCE_NOT_FOUND) return INVALID_PARAMS;
  if (code > HEADER_MISMATCH || code < RESERVED_LAST) return code;
  return code === CAPABILITY_MISSING && isModernUpstream ? code : INTERNAL_ERROR;
}
