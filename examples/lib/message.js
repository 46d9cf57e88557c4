/**
 * What a message looks like: revisions, errors, and how to tell the eras apart.
 */
export const MODERN_REVISION = '2026-07-28';
export const LEGACY_REVISIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

/** A message larger than this is refused, as the official SDK's servers do. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** How keys of the protocol's own begin in `_meta`. */
export const META = 'io.modelcontextprotocol/';

export const LOG_LEVELS = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];

/** Ends a request with a JSON-RPC error; `status` is what HTTP says in the modern era. */
export class RpcError extends Error {
  constructor(code, message, { data, status = 200 } = {}) {
    super(message);
    this.code = code;
    this.data = data;
    this.status = status;
  }
}

export function errorBody(id, code, message, data) {
  return {
    jsonrpc: '2.0',
    id,
    error: data === undefined ? { code, message } : { code, message, data },
  };
}

/** The revision that a message of the modern era names. Its body alone decides the era. */
export function modernClaim(message) {
  return message?.params?._meta?.[`${META}protocolVersion`];
}

export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
