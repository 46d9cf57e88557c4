/**
 * One strict pass over one JSON-RPC message: is it JSON to the last byte, what kind of message is it,
 * and where are the members that the gateway reads.
 *
 * What is checked is what is executed: a record filled under PEEK_OK names values that every JSON
 * parser reads at the same place and in the same way, because anything that parsers are known to
 * disagree on is not OK:
 *
 * - PEEK_REWRITE: what RFC 8259 gives one reading that lenient parsers miss. A listed member twice
 *   (the last counts, as in JavaScript), a listed key or a routed value with escapes, and members at
 *   the top level that JSON-RPC does not know. `rewriteMessage` drops or respells these.
 * - PEEK_AMBIGUOUS: a key in `params`, `params._meta` or `params.ref` that some parser takes for a
 *   listed one: other letter case, cut at NUL. No honest client sends these, so they are refused.
 * - Names, URIs and task ids with control characters or of undue length, ids that are no string and
 *   no safe integer: refused.
 *
 * Members that are not listed in `member.ts`, and everything inside of `arguments`, are checked to be
 * valid JSON and are else left alone: `isUnambiguous` is for those who look into `arguments`.
 */
import { METHODS, METHOD_UNKNOWN, methodFromString } from '../methods.ts';
import { isIdToken } from './id.ts';
import {
  LEVEL_DEPTH,
  LEVEL_ERROR,
  LEVEL_GUARDED,
  LEVEL_META,
  LEVEL_PARAMS,
  LEVEL_REF,
  LEVEL_RESULT,
  LEVEL_TOP,
  MEMBERS,
  MEMBER_STRIDE,
  NESTED_LEVEL,
  TOP_ERROR,
  TOP_ID,
  TOP_JSONRPC,
  TOP_METHOD,
  TOP_PARAMS,
  TOP_RESULT,
} from './member.ts';
import {
  ERROR_HAS_CODE,
  ERROR_HAS_MESSAGE,
  storeError,
  storeResult,
  storeResultMeta,
} from './peek-answer.ts';
import { storeMeta, storeParam, storeRef } from './peek-params.ts';
import {
  KIND_BATCH,
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_REQUEST,
  KIND_RESPONSE,
  type Peek,
} from './peek-record.ts';
import { peekState } from './peek-state.ts';
import {
  FAIL_DEPTH,
  FAIL_PARSE,
  scan,
  skipColon,
  skipSpace,
  skipString,
  skipValue,
  STRING_CONTROL,
  STRING_ESCAPE,
  STRING_WIDE,
} from './token.ts';
import {
  PEEK_AMBIGUOUS,
  PEEK_INVALID_REQUEST,
  PEEK_OK,
  PEEK_PARSE_ERROR,
  PEEK_REWRITE,
  PEEK_TOO_DEEP,
} from './verdict.ts';

export * from './peek-record.ts';
export * from './verdict.ts';

/** Longest method name, in bytes. The longest in use has 46. */
export const METHOD_BYTES_MAX = 128;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;

const HAS_ID = 1 << TOP_ID;
const HAS_METHOD = 1 << TOP_METHOD;
const HAS_PARAMS = 1 << TOP_PARAMS;
const HAS_RESULT = 1 << TOP_RESULT;
const HAS_ERROR = 1 << TOP_ERROR;

/**
 * Reads the message in `bytes[start, end)` into `out`.
 *
 * @returns PEEK_OK, PEEK_REWRITE or a fault id. Under OK and REWRITE all bytes are valid JSON. Under
 *   INVALID_REQUEST, INVALID_PARAMS and AMBIGUOUS `out` still has the id, if that was valid, to
 *   answer with; after PARSE_ERROR and TOO_DEEP it has nothing.
 */
export function peek(bytes: Uint8Array, start: number, end: number, out: Peek): number {
  out.reset();
  peekState.reset();
  scan.lineBreak = 0;
  let at = skipSpace(bytes, start, end);
  const isObject = at < end && bytes[at] === BRACE_OPEN;
  if (isObject) at = readObject(bytes, at, end, LEVEL_TOP, out);
  else at = readOther(bytes, at, end, out);
  if (at >= 0 && skipSpace(bytes, at, end) !== end) at = FAIL_PARSE;
  out.hasLineBreak = scan.lineBreak;
  if (at < 0) {
    out.reset();
    return at === FAIL_DEPTH ? PEEK_TOO_DEEP : PEEK_PARSE_ERROR;
  }
  return isObject ? settle(bytes, out) : peekState.problem;
}

/** A batch is only checked to be JSON; its messages are peeked one by one. All else is no message. */
function readOther(bytes: Uint8Array, at: number, end: number, out: Peek): number {
  if (at < end && bytes[at] === BRACKET_OPEN) out.kind = KIND_BATCH;
  else peekState.problem = PEEK_INVALID_REQUEST;
  return skipValue(bytes, at, end, 0);
}

/** One object whose members matter. `at` is its opening brace. */
function readObject(bytes: Uint8Array, at: number, end: number, level: number, out: Peek): number {
  const keys = MEMBERS[level]!;
  const depth = LEVEL_DEPTH[level]!;
  let seen = 0;
  at = skipSpace(bytes, at + 1, end);
  if (at < end && bytes[at] === BRACE_CLOSE) return at + 1;
  for (;;) {
    if (at >= end || bytes[at] !== QUOTE) return FAIL_PARSE;
    const key = at;
    const member = keys.match(bytes, key + 1, end);
    if (member !== 0) {
      at += 1 + keys.sizeOf(member);
    } else {
      at = skipString(bytes, at + 1, end);
      if (at < 0) return FAIL_PARSE;
      noteOddKey(bytes, key + 1, at - 1, level);
    }
    const value = skipColon(bytes, at, end);
    if (value < 0 || value >= end) return FAIL_PARSE;
    const first = bytes[value]!;
    if (first === QUOTE) {
      at = skipString(bytes, value + 1, end);
    } else {
      const nested = NESTED_LEVEL[level * MEMBER_STRIDE + member]!;
      at =
        nested !== 0 && first === BRACE_OPEN
          ? readObject(bytes, value, end, nested, out)
          : skipValue(bytes, value, end, depth);
    }
    if (at < 0) return at;
    if (member !== 0) {
      if ((seen & (1 << member)) !== 0) peekState.needsRewrite = 1;
      seen |= 1 << member;
      store(bytes, level, member, key, value, at, out);
    }
    if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end);
    if (at >= end) return FAIL_PARSE;
    if (bytes[at] === BRACE_CLOSE) break;
    if (bytes[at] !== COMMA) return FAIL_PARSE;
    at += 1;
    if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end);
  }
  if (level === LEVEL_TOP) peekState.top = seen;
  return at + 1;
}

/** A key that is not plainly a listed one; its value is not read. */
function noteOddKey(bytes: Uint8Array, start: number, end: number, level: number): void {
  if (level === LEVEL_TOP) {
    peekState.needsRewrite = 1;
    return;
  }
  const hasEscape = (scan.string & STRING_ESCAPE) !== 0;
  const guarded = LEVEL_GUARDED[level]!;
  if (!hasEscape && guarded === 0) return;
  const member = MEMBERS[level]!.findLoosely(bytes, start, end);
  if (member > 0) peekState.needsRewrite = 1;
  else if (member < 0 && (guarded & (1 << -member)) !== 0) peekState.fail(PEEK_AMBIGUOUS);
}

function store(
  bytes: Uint8Array,
  level: number,
  member: number,
  key: number,
  start: number,
  end: number,
  out: Peek,
): void {
  switch (level) {
    case LEVEL_TOP:
      return storeTop(bytes, member, start, end, out);
    case LEVEL_PARAMS:
      return storeParam(bytes, member, key, start, end, out);
    case LEVEL_META:
      return storeMeta(bytes, member, key, start, end, out);
    case LEVEL_REF:
      return storeRef(bytes, member, start, end, out);
    case LEVEL_RESULT:
      return storeResult(bytes, member, key, start, end, out);
    case LEVEL_ERROR:
      return storeError(bytes, member, start, end, out);
    default:
      return storeResultMeta(member, start, end, out);
  }
}

function storeTop(bytes: Uint8Array, member: number, start: number, end: number, out: Peek): void {
  switch (member) {
    case TOP_JSONRPC:
      peekState.hasVersion = isVersion(bytes, start, end) ? 1 : 0;
      return;
    case TOP_ID:
      return storeId(bytes, start, end, out);
    case TOP_METHOD:
      return storeMethod(bytes, start, end, out);
    case TOP_PARAMS:
      out.paramsStart = start;
      out.paramsEnd = end;
      break;
    case TOP_RESULT:
      out.resultStart = start;
      out.resultEnd = end;
      break;
    default:
      out.errorStart = start;
      out.errorEnd = end;
  }
  if (bytes[start] !== BRACE_OPEN) peekState.fail(PEEK_INVALID_REQUEST);
}

/** Exactly `"2.0"`: nobody has a good reason to escape that. */
function isVersion(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start === 5 &&
    bytes[start] === QUOTE &&
    bytes[start + 1] === 0x32 &&
    bytes[start + 2] === 0x2e &&
    bytes[start + 3] === 0x30
  );
}

function storeId(bytes: Uint8Array, start: number, end: number, out: Peek): void {
  peekState.isNullId = bytes[start] === 0x6e ? 1 : 0;
  if (isIdToken(bytes, start, end)) {
    out.idStart = start;
    out.idEnd = end;
  } else {
    out.idStart = -1;
    out.idEnd = -1;
    if (peekState.isNullId === 0) peekState.fail(PEEK_INVALID_REQUEST);
  }
}

function storeMethod(bytes: Uint8Array, start: number, end: number, out: Peek): void {
  if (bytes[start] !== QUOTE) {
    peekState.fail(PEEK_INVALID_REQUEST);
  } else if ((scan.string & STRING_ESCAPE) !== 0) {
    peekState.needsRewrite = 1;
  } else if (
    end - start - 2 > METHOD_BYTES_MAX ||
    end - start === 2 ||
    (scan.string & (STRING_CONTROL | STRING_WIDE)) !== 0
  ) {
    peekState.fail(PEEK_INVALID_REQUEST);
  } else {
    out.methodStart = start + 1;
    out.methodEnd = end - 1;
  }
}

/** Names the kind of a message that is valid JSON, and checks that its members make one message. */
function settle(bytes: Uint8Array, out: Peek): number {
  const top = peekState.top;
  if (peekState.hasVersion === 0) peekState.fail(PEEK_INVALID_REQUEST);
  if ((top & HAS_METHOD) !== 0) {
    out.kind = (top & HAS_ID) !== 0 ? KIND_REQUEST : KIND_NOTIFICATION;
    if ((top & (HAS_RESULT | HAS_ERROR)) !== 0 || peekState.isNullId !== 0) {
      peekState.fail(PEEK_INVALID_REQUEST);
    }
    if (out.methodStart >= 0) out.methodId = methodOf(bytes, out);
  } else if ((top & HAS_PARAMS) !== 0) {
    peekState.fail(PEEK_INVALID_REQUEST);
  } else if ((top & HAS_RESULT) !== 0) {
    out.kind = KIND_RESPONSE;
    if ((top & HAS_ERROR) !== 0 || out.idStart < 0) peekState.fail(PEEK_INVALID_REQUEST);
  } else {
    // The id is missing or null where the other side could not read it (JSON-RPC 2.0, section 5).
    if ((top & HAS_ERROR) !== 0) out.kind = KIND_ERROR;
    if (peekState.errorParts !== (ERROR_HAS_CODE | ERROR_HAS_MESSAGE)) {
      peekState.fail(PEEK_INVALID_REQUEST);
    }
  }
  if (peekState.problem !== 0) return peekState.problem;
  return peekState.needsRewrite !== 0 ? PEEK_REWRITE : PEEK_OK;
}

/**
 * The method's number. A request by a notification's name is an unknown request, and the other way
 * round: `tools/call` without an id is not a call.
 */
function methodOf(bytes: Uint8Array, out: Peek): number {
  const method = methodFromString(bytes, out.methodStart, out.methodEnd + 1);
  const isRequest = out.kind === KIND_REQUEST;
  return METHODS[method]!.isRequest === isRequest ? method : METHOD_UNKNOWN;
}
