/**
 * Every way an exchange can fail: who caused it, what the client sees, may we send it again.
 * `id` crosses threads, so it is never reused. Codes of our own stay above -32000, because the
 * protocol keeps -32768 to -32000 for itself (MCP 2026-07-28, error codes).
 *
 * `http` is the status of a plain answer; within an event stream that has begun, the same error is
 * an event. `message` is all that a client reads; detail goes to the log.
 */
export type FaultCause = 'downstream' | 'gateway' | 'upstream';
export type FaultResend = 'never' | 'always' | 'if-idempotent';

export interface FaultRow {
  readonly id: number;
  readonly cause: FaultCause;
  readonly rpc: number;
  readonly http: number;
  readonly resend: FaultResend;
  readonly message: string;
}

// A row a line: a table is read by its columns.
// prettier-ignore
export const FAULTS = {
  // The message itself (JSON-RPC 2.0 §5.1; MCP basic protocol).
  PARSE_ERROR: { id: 1, cause: 'downstream', rpc: -32700, http: 400, resend: 'never', message: 'parse error: the body is not valid JSON' },
  INVALID_REQUEST: { id: 2, cause: 'downstream', rpc: -32600, http: 400, resend: 'never', message: 'invalid request: expected one JSON-RPC 2.0 message' },
  METHOD_NOT_FOUND: { id: 3, cause: 'downstream', rpc: -32601, http: 404, resend: 'never', message: 'method not found' },
  INVALID_PARAMS: { id: 4, cause: 'downstream', rpc: -32602, http: 200, resend: 'never', message: 'invalid params' },
  INTERNAL_ERROR: { id: 5, cause: 'gateway', rpc: -32603, http: 500, resend: 'never', message: 'internal error' },
  TOO_DEEP: { id: 6, cause: 'downstream', rpc: -32600, http: 400, resend: 'never', message: 'invalid request: nested too deeply' },
  AMBIGUOUS_MEMBER: { id: 7, cause: 'downstream', rpc: -32600, http: 400, resend: 'never', message: 'invalid request: a member name that parsers read differently' },
  BATCH_REFUSED: { id: 8, cause: 'downstream', rpc: -32600, http: 400, resend: 'never', message: 'invalid request: batches exist in revision 2025-03-26 only' },

  // The modern envelope (MCP 2026-07-28, per-request metadata and SEP-2243).
  ENVELOPE_INVALID: { id: 10, cause: 'downstream', rpc: -32602, http: 400, resend: 'never', message: 'invalid params: the request envelope in _meta is incomplete' },
  HEADER_MISMATCH: { id: 11, cause: 'downstream', rpc: -32020, http: 400, resend: 'never', message: 'header mismatch' },
  CAPABILITY_MISSING: { id: 12, cause: 'downstream', rpc: -32021, http: 400, resend: 'never', message: 'missing required client capability' },
  VERSION_UNSUPPORTED: { id: 13, cause: 'downstream', rpc: -32022, http: 400, resend: 'never', message: 'unsupported protocol version' },

  // Legacy sessions (Streamable HTTP up to 2025-11-25; codes as the official SDK uses them).
  SESSION_REQUIRED: { id: 20, cause: 'downstream', rpc: -32000, http: 400, resend: 'never', message: 'bad request: Mcp-Session-Id header is required' },
  SESSION_NOT_FOUND: { id: 21, cause: 'downstream', rpc: -32001, http: 404, resend: 'never', message: 'session not found' },
  SESSION_VERSION_BAD: { id: 22, cause: 'downstream', rpc: -32000, http: 400, resend: 'never', message: 'bad request: unsupported MCP-Protocol-Version' },
  SESSION_STREAM_TAKEN: { id: 23, cause: 'downstream', rpc: -32000, http: 409, resend: 'never', message: 'conflict: the session already has an event stream' },
  SESSION_INITIALIZED: { id: 24, cause: 'downstream', rpc: -32600, http: 400, resend: 'never', message: 'invalid request: the session is initialized already' },

  // HTTP (RFC 9110).
  PATH_NOT_FOUND: { id: 30, cause: 'downstream', rpc: -32000, http: 404, resend: 'never', message: 'not found: no MCP endpoint at this path' },
  METHOD_NOT_ALLOWED: { id: 31, cause: 'downstream', rpc: -32000, http: 405, resend: 'never', message: 'method not allowed' },
  HOST_REFUSED: { id: 32, cause: 'downstream', rpc: -32000, http: 403, resend: 'never', message: 'forbidden: Host is not allowed' },
  ORIGIN_REFUSED: { id: 33, cause: 'downstream', rpc: -32000, http: 403, resend: 'never', message: 'forbidden: Origin is not allowed' },
  BODY_TOO_LARGE: { id: 34, cause: 'downstream', rpc: -32000, http: 413, resend: 'never', message: 'payload too large' },
  FRAMING_REFUSED: { id: 35, cause: 'downstream', rpc: -32000, http: 400, resend: 'never', message: 'bad request: ambiguous message framing' },
  NOT_ACCEPTABLE: { id: 36, cause: 'downstream', rpc: -32000, http: 406, resend: 'never', message: 'not acceptable: Accept must list application/json and text/event-stream' },
  MEDIA_TYPE_UNSUPPORTED: { id: 37, cause: 'downstream', rpc: -32000, http: 415, resend: 'never', message: 'unsupported media type: Content-Type must be application/json' },
  HEADER_REFUSED: { id: 38, cause: 'downstream', rpc: -32000, http: 400, resend: 'never', message: 'bad request: a header field is malformed or repeated' },
  BODY_TIMEOUT: { id: 39, cause: 'downstream', rpc: -32000, http: 408, resend: 'never', message: 'request timeout: the body did not arrive in time' },

  // Who may call what, how often.
  UNAUTHENTICATED: { id: 40, cause: 'downstream', rpc: -31010, http: 401, resend: 'never', message: 'unauthorized: credentials are required' },
  CREDENTIAL_INVALID: { id: 41, cause: 'downstream', rpc: -31011, http: 401, resend: 'never', message: 'unauthorized: the credential is not valid' },
  SCOPE_INSUFFICIENT: { id: 42, cause: 'downstream', rpc: -31012, http: 403, resend: 'never', message: 'forbidden: insufficient scope' },
  ARGUMENTS_REFUSED: { id: 43, cause: 'downstream', rpc: -31013, http: 403, resend: 'never', message: 'forbidden: an argument is not allowed' },
  RATE_LIMITED: { id: 44, cause: 'downstream', rpc: -31001, http: 429, resend: 'never', message: 'rate limit exceeded' },
  LIMIT_TABLE_FULL: { id: 45, cause: 'gateway', rpc: -31014, http: 429, resend: 'never', message: 'rate limit exceeded: too many clients' },
  AUTH_UNAVAILABLE: { id: 46, cause: 'gateway', rpc: -31015, http: 503, resend: 'never', message: 'authentication is unavailable' },
  AUTH_FLOOD: { id: 47, cause: 'downstream', rpc: -31016, http: 429, resend: 'never', message: 'too many requests with invalid credentials' },

  // Routing.
  NAME_UNKNOWN: { id: 50, cause: 'downstream', rpc: -32602, http: 200, resend: 'never', message: 'invalid params: unknown name' },
  CURSOR_INVALID: { id: 51, cause: 'downstream', rpc: -32602, http: 200, resend: 'never', message: 'invalid params: invalid cursor' },
  NAME_AMBIGUOUS: { id: 52, cause: 'downstream', rpc: -32602, http: 200, resend: 'never', message: 'invalid params: several upstreams have this name' },
  RESOURCE_NOT_FOUND: { id: 53, cause: 'downstream', rpc: -32002, http: 200, resend: 'never', message: 'resource not found' },

  // The gateway's own bounds and accidents.
  BUSY: { id: 60, cause: 'gateway', rpc: -31020, http: 503, resend: 'always', message: 'busy: try again later' },
  SHARD_LOST: { id: 61, cause: 'gateway', rpc: -31021, http: 503, resend: 'if-idempotent', message: 'the worker that carried this call stopped' },
  DRAINING: { id: 62, cause: 'gateway', rpc: -31022, http: 503, resend: 'always', message: 'shutting down: try again later' },
  CLIENT_TOO_SLOW: { id: 63, cause: 'downstream', rpc: -31023, http: 503, resend: 'never', message: 'the client reads too slowly' },

  // Upstreams.
  UPSTREAM_REFUSED: { id: 70, cause: 'upstream', rpc: -31002, http: 502, resend: 'always', message: 'upstream is unavailable' },
  UPSTREAM_TIMEOUT: { id: 71, cause: 'upstream', rpc: -31003, http: 504, resend: 'if-idempotent', message: 'upstream did not answer in time' },
  UPSTREAM_CLOSED: { id: 72, cause: 'upstream', rpc: -31004, http: 502, resend: 'if-idempotent', message: 'upstream closed the connection before it answered' },
  UPSTREAM_INVALID: { id: 73, cause: 'upstream', rpc: -31005, http: 502, resend: 'never', message: 'upstream sent an invalid answer' },
  UPSTREAM_STATUS: { id: 74, cause: 'upstream', rpc: -31006, http: 502, resend: 'never', message: 'upstream answered with an HTTP error' },
  UPSTREAM_TOO_LARGE: { id: 75, cause: 'upstream', rpc: -31007, http: 502, resend: 'never', message: 'upstream answer is too large' },
  UPSTREAM_AUTH: { id: 76, cause: 'upstream', rpc: -31008, http: 502, resend: 'never', message: 'upstream refused the gateway credential' },
  CANCELLED: { id: 77, cause: 'downstream', rpc: -31009, http: 499, resend: 'never', message: 'cancelled by the client' },
} as const satisfies Record<string, FaultRow>;

export type FaultCode = keyof typeof FAULTS;

/** An expected failure, thrown by code that awaits. `detail` is for our log, never the client. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  constructor(code: FaultCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}

const CODE_BY_ID: (FaultCode | undefined)[] = [];
for (const [code, row] of Object.entries(FAULTS)) CODE_BY_ID[row.id] = code as FaultCode;

/** The fault that a frame names. An unknown id is a bug of ours, answered as an internal error. */
export function faultById(id: number): FaultCode {
  return CODE_BY_ID[id] ?? 'INTERNAL_ERROR';
}
