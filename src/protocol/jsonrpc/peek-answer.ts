/**
 * What `peek` keeps of `result`, its `_meta`, and `error`.
 */
import { isSafeInteger } from './id.ts';
import {
  ERROR_CODE,
  ERROR_MESSAGE,
  RESULT_CACHE_SCOPE,
  RESULT_INPUT_REQUESTS,
  RESULT_IS_ERROR,
  RESULT_META,
  RESULT_META_SERVER_INFO,
  RESULT_META_SUBSCRIPTION_ID,
  RESULT_NEXT_CURSOR,
  RESULT_REQUEST_STATE,
  RESULT_TTL,
  RESULT_TYPE,
} from './member.ts';
import type { Peek } from './peek-record.ts';
import { isPlainString, peekState } from './peek-state.ts';
import { PEEK_INVALID_REQUEST } from './verdict.ts';

const QUOTE = 0x22;
const BRACE_OPEN = 0x7b;

export const ERROR_HAS_CODE = 1;
export const ERROR_HAS_MESSAGE = 2;

export function storeResult(
  bytes: Uint8Array,
  member: number,
  key: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case RESULT_IS_ERROR:
      out.isError = bytes[start] === 0x74 ? 1 : 0; // `true` is the only value that begins with t
      return;
    case RESULT_TYPE: {
      out.resultTypeKey = key;
      const isString = isPlainString(bytes, start);
      out.resultTypeStart = isString ? start + 1 : -1;
      out.resultTypeEnd = end - 1;
      return;
    }
    case RESULT_TTL:
      out.ttlMsKey = key;
      out.ttlMsStart = start;
      out.ttlMsEnd = end;
      return;
    case RESULT_CACHE_SCOPE:
      isPlainString(bytes, start);
      out.cacheScopeKey = key;
      out.cacheScopeStart = start;
      out.cacheScopeEnd = end;
      return;
    case RESULT_META:
      if (bytes[start] !== BRACE_OPEN) return peekState.fail(PEEK_INVALID_REQUEST);
      out.resultMetaStart = start;
      out.resultMetaEnd = end;
      return;
    case RESULT_NEXT_CURSOR:
      out.nextCursorStart = start;
      out.nextCursorEnd = end;
      return;
    case RESULT_INPUT_REQUESTS:
      out.inputRequestsStart = start;
      out.inputRequestsEnd = end;
      return;
    case RESULT_REQUEST_STATE:
      out.resultStateStart = start;
      out.resultStateEnd = end;
  }
}

export function storeResultMeta(member: number, start: number, end: number, out: Peek): void {
  switch (member) {
    case RESULT_META_SERVER_INFO:
      out.serverInfoStart = start;
      out.serverInfoEnd = end;
      return;
    case RESULT_META_SUBSCRIPTION_ID:
      out.subscriptionIdStart = start;
      out.subscriptionIdEnd = end;
  }
}

export function storeError(
  bytes: Uint8Array,
  member: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (member) {
    case ERROR_CODE:
      if (!isSafeInteger(bytes, start, end)) return;
      peekState.errorParts |= ERROR_HAS_CODE;
      out.errorCodeStart = start;
      out.errorCodeEnd = end;
      return;
    case ERROR_MESSAGE:
      if (bytes[start] !== QUOTE) return;
      peekState.errorParts |= ERROR_HAS_MESSAGE;
      out.errorMessageStart = start;
      out.errorMessageEnd = end;
      return;
    default:
      out.errorDataStart = start;
      out.errorDataEnd = end;
  }
}
