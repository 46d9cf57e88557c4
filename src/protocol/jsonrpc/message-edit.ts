/**
 * What changes between a message as it came and as it goes on: ids, names and tokens of the other
 * side's, and the members that only one era has.
 *
 * All edits work on a message for which `peek` said PEEK_OK and are written by a `Splice`. Texts are
 * put in as they are: ids and tokens as JSON tokens, names as string content that needs no escapes,
 * members as `"key":value,"key":value` without braces.
 */
import { asciiBytes } from './key-set.ts';
import { MemberCursor } from './member-cursor.ts';
import type { Peek } from './peek-record.ts';
import type { Splice } from './splice.ts';

const BRACE_CLOSE = 0x7d;
const META_OPEN = asciiBytes('"_meta":{');
const META_CLOSE = asciiBytes('}');
const META_CLOSE_COMMA = asciiBytes('},');
const PARAMS_OPEN = asciiBytes(',"params":{"_meta":{');
const PARAMS_CLOSE = asciiBytes('}}');
const COMMA = asciiBytes(',');

/** A finished answer of the modern era. */
export const RESULT_COMPLETE: Uint8Array = asciiBytes('"resultType":"complete"');
/** The same for the results that must say how long they may be kept: not at all. */
export const RESULT_COMPLETE_UNCACHED: Uint8Array = asciiBytes(
  '"resultType":"complete","ttlMs":0,"cacheScope":"private"',
);

/** The message gets another id: `id[idStart, idEnd)`, a token. */
export function replaceId(
  splice: Splice,
  peek: Peek,
  id: Uint8Array,
  idStart: number,
  idEnd: number,
): void {
  splice.replace(peek.idStart, peek.idEnd, id, idStart, idEnd);
}

/** Another name in `params.name`, or in `params.ref.name` of a completion. */
export function replaceName(splice: Splice, peek: Peek, name: Uint8Array): void {
  if (peek.nameStart >= 0) {
    splice.replace(peek.nameStart, peek.nameEnd, name, 0, name.length);
  } else if (peek.refNameStart >= 0) {
    splice.replace(peek.refNameStart, peek.refNameEnd, name, 0, name.length);
  }
}

/** Another URI in `params.uri`, or in `params.ref.uri` of a completion. */
export function replaceUri(splice: Splice, peek: Peek, uri: Uint8Array): void {
  if (peek.uriStart >= 0) {
    splice.replace(peek.uriStart, peek.uriEnd, uri, 0, uri.length);
  } else if (peek.refUriStart >= 0) {
    splice.replace(peek.refUriStart, peek.refUriEnd, uri, 0, uri.length);
  }
}

/** Another token in `params._meta.progressToken` of a request, if it has one. */
export function replaceMetaProgressToken(splice: Splice, peek: Peek, token: Uint8Array): void {
  if (peek.metaProgressTokenStart < 0) return;
  splice.replace(peek.metaProgressTokenStart, peek.metaProgressTokenEnd, token, 0, token.length);
}

/** Another token in `notifications/progress`, if it has one. */
export function replaceProgressToken(splice: Splice, peek: Peek, token: Uint8Array): void {
  if (peek.progressTokenStart < 0) return;
  splice.replace(peek.progressTokenStart, peek.progressTokenEnd, token, 0, token.length);
}

/** Another id in `notifications/cancelled`, if it has one. */
export function replaceRequestId(splice: Splice, peek: Peek, id: Uint8Array): void {
  if (peek.requestIdStart < 0) return;
  splice.replace(peek.requestIdStart, peek.requestIdEnd, id, 0, id.length);
}

/** Another id in `_meta…/subscriptionId` of a notification or a result, if it has one. */
export function replaceSubscriptionId(splice: Splice, peek: Peek, id: Uint8Array): void {
  if (peek.subscriptionIdStart < 0) return;
  splice.replace(peek.subscriptionIdStart, peek.subscriptionIdEnd, id, 0, id.length);
}

/** Takes `params.task`, which asks for a task (2025-11-25), out of a call. */
export function cutTask(splice: Splice, bytes: Uint8Array, peek: Peek): void {
  // Beside a name, so that the object does not become empty under an `addEnvelope` of the same list.
  if (peek.taskKey >= 0 && peek.nameStart >= 0) splice.cutMember(bytes, peek.taskKey, peek.taskEnd);
}

/** From modern to legacy: takes the envelope out of `params._meta` and leaves the rest of it. */
export function cutEnvelope(splice: Splice, bytes: Uint8Array, peek: Peek): void {
  noteEnvelope(peek);
  cutNoted(splice, bytes);
}

/**
 * From legacy to modern: puts the envelope's members into `params._meta`, which is made where there is
 * none. Members of the same names that a legacy client sent are taken out.
 */
export function addEnvelope(
  splice: Splice,
  bytes: Uint8Array,
  peek: Peek,
  members: Uint8Array,
): void {
  if (peek.paramsStart < 0) {
    splice.insert(peek.methodEnd + 1, PARAMS_OPEN);
    splice.insert(peek.methodEnd + 1, members);
    splice.insert(peek.methodEnd + 1, PARAMS_CLOSE);
  } else if (peek.metaStart < 0) {
    const at = peek.paramsStart + 1;
    splice.insert(at, META_OPEN);
    splice.insert(at, members);
    splice.insert(at, hasMembers(bytes, at, 0) ? META_CLOSE_COMMA : META_CLOSE);
  } else {
    noteEnvelope(peek);
    const hasOthers = hasMembers(bytes, peek.metaStart + 1, notedCount);
    splice.insert(peek.metaStart + 1, members);
    if (hasOthers) splice.insert(peek.metaStart + 1, COMMA);
    cutNoted(splice, bytes);
  }
}

/** From modern to legacy: takes `resultType`, `ttlMs` and `cacheScope` out of a result. */
export function cutResultHints(splice: Splice, bytes: Uint8Array, peek: Peek): void {
  noteResultHints(peek);
  cutNoted(splice, bytes);
}

/**
 * From legacy to modern: puts `members` (RESULT_COMPLETE, or RESULT_COMPLETE_UNCACHED for cacheable
 * methods) at the start of a result, in the place of what stood there under their names.
 */
export function addResultHints(
  splice: Splice,
  bytes: Uint8Array,
  peek: Peek,
  members: Uint8Array,
): void {
  noteResultHints(peek);
  const hasOthers = hasMembers(bytes, peek.resultStart + 1, notedCount);
  splice.insert(peek.resultStart + 1, members);
  if (hasOthers) splice.insert(peek.resultStart + 1, COMMA);
  cutNoted(splice, bytes);
}

/** Members of one object to cut, in the order of the source. */
const notedKeys = new Int32Array(4);
const notedEnds = new Int32Array(4);
let notedCount = 0;

function noteEnvelope(peek: Peek): void {
  notedCount = 0;
  // The version's span leaves its quotes out.
  note(peek.metaVersionKey, peek.metaVersionEnd + 1);
  note(peek.metaCapabilitiesKey, peek.metaCapabilitiesEnd);
  note(peek.metaClientInfoKey, peek.metaClientInfoEnd);
  note(peek.metaLogLevelKey, peek.metaLogLevelEnd);
}

function noteResultHints(peek: Peek): void {
  notedCount = 0;
  note(peek.resultTypeKey, peek.resultTypeEnd + 1);
  note(peek.ttlMsKey, peek.ttlMsEnd);
  note(peek.cacheScopeKey, peek.cacheScopeEnd);
}

function note(key: number, end: number): void {
  if (key < 0) return;
  let slot = notedCount;
  while (slot > 0 && notedKeys[slot - 1]! > key) {
    notedKeys[slot] = notedKeys[slot - 1]!;
    notedEnds[slot] = notedEnds[slot - 1]!;
    slot -= 1;
  }
  notedKeys[slot] = key;
  notedEnds[slot] = end;
  notedCount += 1;
}

function cutNoted(splice: Splice, bytes: Uint8Array): void {
  for (let i = 0; i < notedCount; i += 1) splice.cutMember(bytes, notedKeys[i]!, notedEnds[i]!);
}

/** Whether the object whose inside begins at `at` has more than `cutCount` members. */
function hasMembers(bytes: Uint8Array, at: number, cutCount: number): boolean {
  if (cutCount > 0) {
    cursor.open(bytes, at - 1, bytes.length);
    for (let i = 0; i <= cutCount; i += 1) {
      if (!cursor.next()) return false;
    }
    return true;
  }
  while (bytes[at]! <= 0x20) at += 1;
  return bytes[at] !== BRACE_CLOSE;
}

const cursor = new MemberCursor();
