/**
 * What `peek` keeps of `params`, `params._meta` and `params.ref`, and what it refuses there.
 *
 * A value of the wrong type is left out rather than refused, because it is for the method's own rules
 * to say what is missing; only what JSON-RPC or every method of MCP fixes is refused here.
 */
import { isIdToken } from './id.ts';
import {
  META_BAGGAGE,
  META_CAPABILITIES,
  META_CLIENT_INFO,
  META_LOG_LEVEL,
  META_PROGRESS_TOKEN,
  META_SUBSCRIPTION_ID,
  META_TRACEPARENT,
  META_TRACESTATE,
  META_VERSION,
  PARAM_ARGUMENTS,
  PARAM_CAPABILITIES,
  PARAM_CLIENT_INFO,
  PARAM_CURSOR,
  PARAM_INPUT_RESPONSES,
  PARAM_LEVEL,
  PARAM_META,
  PARAM_NAME,
  PARAM_NOTIFICATIONS,
  PARAM_PROGRESS_TOKEN,
  PARAM_PROTOCOL_VERSION,
  PARAM_REF,
  PARAM_REQUEST_ID,
  PARAM_REQUEST_STATE,
  PARAM_TASK,
  PARAM_TASK_ID,
  PARAM_URI,
  REF_NAME,
  REF_TYPE,
  REF_URI,
} from './member.ts';
import type { Peek } from './peek-record.ts';
import { isPlainName, isPlainString, peekState } from './peek-state.ts';
import { scan, STRING_ESCAPE } from './token.ts';
import { PEEK_INVALID_PARAMS, PEEK_INVALID_REQUEST } from './verdict.ts';

/** Longest name of a tool or prompt. The specification asks for 128; prefixes need room as well. */
export const NAME_BYTES_MAX = 256;
/** Longest URI, as most HTTP servers have it. */
export const URI_BYTES_MAX = 8192;

const QUOTE = 0x22;
const BRACE_OPEN = 0x7b;

/** A member of `params`: what routing looks at. */
export function storeParam(
  bytes: Uint8Array,
  member: number,
  key: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case PARAM_NAME:
      if (!isPlainName(bytes, start, end, NAME_BYTES_MAX)) return;
      out.nameStart = start + 1;
      out.nameEnd = end - 1;
      return;
    case PARAM_ARGUMENTS:
      out.argumentsStart = start;
      out.argumentsEnd = end;
      return;
    case PARAM_META:
      if (bytes[start] !== BRACE_OPEN) return peekState.fail(PEEK_INVALID_REQUEST);
      out.metaKey = key;
      out.metaStart = start;
      out.metaEnd = end;
      return;
    case PARAM_URI:
      if (!isPlainName(bytes, start, end, URI_BYTES_MAX)) return;
      out.uriStart = start + 1;
      out.uriEnd = end - 1;
      return;
    case PARAM_TASK_ID:
      if (!isPlainName(bytes, start, end, NAME_BYTES_MAX)) return;
      out.taskIdStart = start + 1;
      out.taskIdEnd = end - 1;
      return;
    case PARAM_REF:
      if (bytes[start] !== BRACE_OPEN) return;
      out.refStart = start;
      out.refEnd = end;
      return;
    default:
      storeOtherParam(bytes, member, key, start, end, out);
  }
}

function storeOtherParam(
  bytes: Uint8Array,
  member: number,
  key: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case PARAM_CURSOR:
      out.cursorStart = start;
      out.cursorEnd = end;
      return;
    case PARAM_REQUEST_ID:
      if (!isIdToken(bytes, start, end)) return peekState.fail(PEEK_INVALID_PARAMS);
      out.requestIdStart = start;
      out.requestIdEnd = end;
      return;
    case PARAM_PROGRESS_TOKEN:
      if (!isIdToken(bytes, start, end)) return peekState.fail(PEEK_INVALID_PARAMS);
      out.progressTokenStart = start;
      out.progressTokenEnd = end;
      return;
    case PARAM_LEVEL:
      if (!isPlainString(bytes, start)) return;
      out.levelStart = start + 1;
      out.levelEnd = end - 1;
      return;
    case PARAM_TASK:
      out.taskKey = key;
      out.taskStart = start;
      out.taskEnd = end;
      return;
    case PARAM_INPUT_RESPONSES:
      out.inputResponsesStart = start;
      out.inputResponsesEnd = end;
      return;
    case PARAM_REQUEST_STATE:
      out.requestStateStart = start;
      out.requestStateEnd = end;
      return;
    case PARAM_NOTIFICATIONS:
      out.notificationsStart = start;
      out.notificationsEnd = end;
      return;
    default:
      storeInitializeParam(bytes, member, start, end, out);
  }
}

function storeInitializeParam(
  bytes: Uint8Array,
  member: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case PARAM_PROTOCOL_VERSION:
      if (!isPlainString(bytes, start)) return;
      out.protocolVersionParamStart = start + 1;
      out.protocolVersionParamEnd = end - 1;
      return;
    case PARAM_CAPABILITIES:
      out.initCapabilitiesStart = start;
      out.initCapabilitiesEnd = end;
      return;
    case PARAM_CLIENT_INFO:
      out.clientInfoStart = start;
      out.clientInfoEnd = end;
  }
}

/** A member of `params._meta`. The envelope's own rules are `classify`'s. */
export function storeMeta(
  bytes: Uint8Array,
  member: number,
  key: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case META_VERSION: {
      out.metaVersionKey = key;
      const isString = isPlainString(bytes, start);
      out.metaVersionStart = isString ? start + 1 : -1;
      out.metaVersionEnd = end - 1;
      return;
    }
    case META_CAPABILITIES:
      out.metaCapabilitiesKey = key;
      out.metaCapabilitiesStart = start;
      out.metaCapabilitiesEnd = end;
      return;
    case META_CLIENT_INFO:
      out.metaClientInfoKey = key;
      out.metaClientInfoStart = start;
      out.metaClientInfoEnd = end;
      return;
    case META_LOG_LEVEL:
      isPlainString(bytes, start);
      out.metaLogLevelKey = key;
      out.metaLogLevelStart = start;
      out.metaLogLevelEnd = end;
      return;
    case META_PROGRESS_TOKEN:
      if (!isIdToken(bytes, start, end)) return peekState.fail(PEEK_INVALID_REQUEST);
      out.metaProgressTokenKey = key;
      out.metaProgressTokenStart = start;
      out.metaProgressTokenEnd = end;
      return;
    default:
      storeTraceMeta(bytes, member, start, end, out);
  }
}

/**
 * Trace context is read for our own spans alone and may well hold quotes (W3C Trace Context, 3.3.1.3),
 * so an escaped one is left unread rather than rewritten.
 */
function storeTraceMeta(
  bytes: Uint8Array,
  member: number,
  start: number,
  end: number,
  out: Peek,
): void {
  if (member === META_SUBSCRIPTION_ID) {
    out.subscriptionIdStart = start;
    out.subscriptionIdEnd = end;
    return;
  }
  if (bytes[start] !== QUOTE || (scan.string & STRING_ESCAPE) !== 0) return;
  switch (member) {
    case META_TRACEPARENT:
      out.traceparentStart = start + 1;
      out.traceparentEnd = end - 1;
      return;
    case META_TRACESTATE:
      out.tracestateStart = start + 1;
      out.tracestateEnd = end - 1;
      return;
    case META_BAGGAGE:
      out.baggageStart = start + 1;
      out.baggageEnd = end - 1;
  }
}

/** A member of `params.ref` (completion). */
export function storeRef(
  bytes: Uint8Array,
  member: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case REF_TYPE:
      if (!isPlainString(bytes, start)) return;
      out.refTypeStart = start + 1;
      out.refTypeEnd = end - 1;
      return;
    case REF_NAME:
      if (!isPlainName(bytes, start, end, NAME_BYTES_MAX)) return;
      out.refNameStart = start + 1;
      out.refNameEnd = end - 1;
      return;
    case REF_URI:
      if (!isPlainName(bytes, start, end, URI_BYTES_MAX)) return;
      out.refUriStart = start + 1;
      out.refUriEnd = end - 1;
  }
}
