/**
 * Which era is this message, and do header and body say the same: the front door of every POST.
 *
 * The body decides (2026-07-28, versioning: `params._meta` claims the modern era); header fields are
 * a cross-check. No text fixes the order of the checks, so it is the official SDK's
 * (`classifyInboundRequest`, then the standard headers), and a test compares the two:
 *
 *   initialize without a valid modern envelope → legacy; a modern version field beside it is -32020
 *   claim → envelope -32602 → version and method fields differ -32020 → version unknown -32022
 *         → version, method, name field missing, name field differs -32020 → method unknown -32601
 *   no claim → modern version field: -32602 (requests), modern (notifications); else legacy
 */
import type { ByteRange } from '../../../shared/byte-words.ts';
import { KIND_BATCH, KIND_NOTIFICATION, KIND_REQUEST, type Peek } from '../jsonrpc/peek-record.ts';
import {
  FROM_CLIENT,
  IN_2026_07_28,
  METHOD_INITIALIZE,
  METHODS,
  TARGET_NAME,
  TARGET_REF,
  TARGET_TASK_ID,
  TARGET_TASK_ID_UNMIRRORED,
  TARGET_URI,
  TARGET_URI_UNMIRRORED,
} from '../methods.ts';
import {
  type Classification,
  failEnvelope,
  failMismatch,
  failRevision,
  failWithoutClaim,
  META_CAPABILITIES_NAME,
  META_CLIENT_INFO_NAME,
  META_LOG_LEVEL_NAME,
  META_VERSION_NAME,
  quotedText,
} from './classification.ts';
import {
  ERA_MODERN,
  isLegacyRevision,
  isNewestRevision,
  LATEST_MODERN,
  logLevelFromBytes,
  namesModern,
  REVISION_2025_03_26,
  REVISION_UNKNOWN,
  revisionFromBytes,
} from './era.ts';
import {
  decodeMirrored,
  isPlainField,
  type McpHeaders,
  sameBytes,
  trimEnd,
  trimStart,
} from './mcp-headers.ts';

/** The member behind each TARGET_*. */
const TARGET_MEMBERS: readonly string[] = ['', 'name', 'uri', 'taskId', 'ref', 'uri', 'taskId'];

const BRACE_OPEN = 0x7b;
const QUOTE = 0x22;

/**
 * Decides the era of a message that `peek` has passed, and validates what that era asks of headers and
 * envelope.
 *
 * @returns whether the message may go on; if not, `out.fault` says why.
 */
export function classify(
  bytes: Uint8Array,
  peek: Peek,
  headers: McpHeaders,
  out: Classification,
): boolean {
  out.reset();
  const field = headers.bytes;
  const start =
    headers.versionStart < 0 ? -1 : trimStart(field, headers.versionStart, headers.versionEnd);
  const end = start < 0 ? -1 : trimEnd(field, start, headers.versionEnd);
  if (peek.kind === KIND_REQUEST && peek.metaVersionKey >= 0 && peek.methodId !== METHOD_INITIALIZE)
    return classifyModern(bytes, peek, headers, start, end, out);
  const isModernField = start >= 0 && namesModern(field, start, end);

  if (peek.kind === KIND_BATCH) return classifyBatch(field, start, end, out);
  if (peek.kind === KIND_REQUEST) {
    if (peek.methodId === METHOD_INITIALIZE && !hasModernEnvelope(bytes, peek)) {
      return classifyInitialize(field, start, end, isModernField, out);
    }
    if (peek.metaVersionKey >= 0) return classifyModern(bytes, peek, headers, start, end, out);
    if (isModernField) return failWithoutClaim(peek, out);
  } else if (peek.kind === KIND_NOTIFICATION) {
    if (peek.metaVersionKey >= 0 || isModernField) {
      return classifyModernNotification(bytes, peek, headers, start, end, out);
    }
  }
  return classifyLegacy(field, start, end, out);
}

function classifyLegacy(
  field: Uint8Array,
  start: number,
  end: number,
  out: Classification,
): boolean {
  if (start < 0) return true;
  out.revision = revisionFromBytes(field, start, end);
  if (isLegacyRevision(out.revision)) return true;
  out.revision = REVISION_UNKNOWN;
  return out.fail('SESSION_VERSION_BAD');
}

/** Batches exist in 2025-03-26 alone, which is also what a missing version field stands for. */
function classifyBatch(
  field: Uint8Array,
  start: number,
  end: number,
  out: Classification,
): boolean {
  out.revision = start < 0 ? REVISION_UNKNOWN : revisionFromBytes(field, start, end);
  if (start < 0 || out.revision === REVISION_2025_03_26) return true;
  return out.fail('BATCH_REFUSED');
}

/** `initialize` names its revision in the body; only a modern version field contradicts it. */
function classifyInitialize(
  field: Uint8Array,
  start: number,
  end: number,
  isModernField: boolean,
  out: Classification,
): boolean {
  if (!isModernField) return true;
  return failMismatch(
    out,
    quotedText(field, start, end),
    'an initialize request (legacy handshake) was sent with a modern MCP-Protocol-Version header',
  );
}

const ENVELOPE_OK = 0;
const ENVELOPE_NO_CAPABILITIES = 1;
const ENVELOPE_VERSION_TYPE = 2;
const ENVELOPE_CLIENT_INFO_TYPE = 3;
const ENVELOPE_CAPABILITIES_TYPE = 4;
const ENVELOPE_LOG_LEVEL = 5;

/** Key and problem of each ENVELOPE_* verdict, for `data.envelope`. */
const ENVELOPE_ISSUES: readonly (readonly [string, string])[] = [
  ['', ''],
  [META_CAPABILITIES_NAME, 'missing'],
  [META_VERSION_NAME, 'expected a string'],
  [META_CLIENT_INFO_NAME, 'expected an object'],
  [META_CAPABILITIES_NAME, 'expected an object'],
  [META_LOG_LEVEL_NAME, 'expected a log level'],
];

function failIssue(issue: number, out: Classification): false {
  const [key, problem] = ENVELOPE_ISSUES[issue]!;
  return failEnvelope(key, problem, out);
}

/** Checks an envelope whose version key is there. What its objects hold is for their readers. */
function checkEnvelope(bytes: Uint8Array, peek: Peek): number {
  if (peek.metaCapabilitiesKey < 0) return ENVELOPE_NO_CAPABILITIES;
  if (peek.metaVersionStart < 0) return ENVELOPE_VERSION_TYPE;
  if (peek.metaClientInfoKey >= 0 && bytes[peek.metaClientInfoStart] !== BRACE_OPEN) {
    return ENVELOPE_CLIENT_INFO_TYPE;
  }
  if (bytes[peek.metaCapabilitiesStart] !== BRACE_OPEN) return ENVELOPE_CAPABILITIES_TYPE;
  if (peek.metaLogLevelKey < 0) return ENVELOPE_OK;
  const isLevel =
    bytes[peek.metaLogLevelStart] === QUOTE &&
    logLevelFromBytes(bytes, peek.metaLogLevelStart + 1, peek.metaLogLevelEnd - 1) >= 0;
  return isLevel ? ENVELOPE_OK : ENVELOPE_LOG_LEVEL;
}

function hasModernEnvelope(bytes: Uint8Array, peek: Peek): boolean {
  return (
    peek.metaVersionStart >= 0 &&
    namesModern(bytes, peek.metaVersionStart, peek.metaVersionEnd) &&
    checkEnvelope(bytes, peek) === ENVELOPE_OK
  );
}

/** A request with a claim. `start` and `end` span the trimmed version field, -1 where absent. */
function classifyModern(
  bytes: Uint8Array,
  peek: Peek,
  headers: McpHeaders,
  start: number,
  end: number,
  out: Classification,
): boolean {
  out.era = ERA_MODERN;
  const issue = checkEnvelope(bytes, peek);
  if (issue !== ENVELOPE_OK) return failIssue(issue, out);
  if (start >= 0 && !sameVersion(bytes, peek, headers.bytes, start, end)) {
    return failVersionField(bytes, peek, headers.bytes, start, end, out);
  }
  if (headers.methodStart >= 0 && !sameMethod(bytes, peek, headers)) {
    return failMethodField(bytes, peek, headers, out);
  }
  if (!checkRevision(bytes, peek, out)) return false;
  if (start < 0) {
    return failMismatch(out, '(missing)', 'the required MCP-Protocol-Version header is absent');
  }
  if (headers.methodStart < 0) {
    return failMismatch(out, '(missing)', 'the required Mcp-Method header is absent');
  }
  const { target } = METHODS[peek.methodId]!;
  return checkNameField(bytes, peek, headers, target, out) && checkMethod(peek, out);
}

/** A client may call it in the revision, and says what for. */
function checkMethod(peek: Peek, out: Classification): boolean {
  const { revisions, senders, target } = METHODS[peek.methodId]!;
  if ((revisions & IN_2026_07_28) === 0 || (senders & FROM_CLIENT) === 0) {
    return out.fail('METHOD_NOT_FOUND');
  }
  return hasTarget(peek, target) || failTarget(target, out);
}

/** Whether it is a request with a claim whose name has to stand in a header field. */
export function isNamedClaim(peek: Peek): boolean {
  return (
    peek.kind === KIND_REQUEST &&
    peek.metaVersionKey >= 0 &&
    peek.methodId !== METHOD_INITIALIZE &&
    METHODS[peek.methodId]!.target === TARGET_NAME
  );
}

/** As `classify`, for a named claim of which version, method and name fields are known to say the same. */
export function classifyMirrored(range: ByteRange, peek: Peek, out: Classification): boolean {
  const { bytes, view } = range;
  out.reset();
  out.era = ERA_MODERN;
  const issue = checkEnvelope(bytes, peek);
  if (issue !== ENVELOPE_OK) return failIssue(issue, out);
  if (isNewestRevision(view, peek.metaVersionStart, peek.metaVersionEnd)) {
    out.revision = LATEST_MODERN;
  } else if (!checkRevision(bytes, peek, out)) return false;
  return checkMethod(peek, out);
}

/** Header rules for posted notifications are not defined; as the SDK, what is there must agree. */
function classifyModernNotification(
  bytes: Uint8Array,
  peek: Peek,
  headers: McpHeaders,
  start: number,
  end: number,
  out: Classification,
): boolean {
  out.era = ERA_MODERN;
  if (peek.metaVersionKey >= 0) {
    if (peek.metaVersionStart < 0) return failIssue(ENVELOPE_VERSION_TYPE, out);
    if (start >= 0 && !sameVersion(bytes, peek, headers.bytes, start, end)) {
      return failVersionField(bytes, peek, headers.bytes, start, end, out);
    }
  }
  const isModern =
    peek.metaVersionStart < 0 || namesModern(bytes, peek.metaVersionStart, peek.metaVersionEnd);
  if (isModern && headers.methodStart >= 0 && !sameMethod(bytes, peek, headers)) {
    return failMethodField(bytes, peek, headers, out);
  }
  if (peek.metaVersionStart >= 0) return checkRevision(bytes, peek, out);
  out.revision = revisionFromBytes(headers.bytes, start, end);
  if (out.revision !== REVISION_UNKNOWN) return true;
  return failRevision(quotedText(headers.bytes, start, end), out);
}

function sameVersion(
  bytes: Uint8Array,
  peek: Peek,
  field: Uint8Array,
  start: number,
  end: number,
): boolean {
  return sameBytes(bytes, peek.metaVersionStart, peek.metaVersionEnd, field, start, end);
}

function sameMethod(bytes: Uint8Array, peek: Peek, headers: McpHeaders): boolean {
  const field = headers.bytes;
  const start = trimStart(field, headers.methodStart, headers.methodEnd);
  const end = trimEnd(field, start, headers.methodEnd);
  return sameBytes(bytes, peek.methodStart, peek.methodEnd, field, start, end);
}

/** The claimed revision must be one we serve in the modern way. */
function checkRevision(bytes: Uint8Array, peek: Peek, out: Classification): boolean {
  out.revision = revisionFromBytes(bytes, peek.metaVersionStart, peek.metaVersionEnd);
  if (out.revision !== REVISION_UNKNOWN && !isLegacyRevision(out.revision)) return true;
  return failRevision(quotedText(bytes, peek.metaVersionStart, peek.metaVersionEnd), out);
}

/** `Mcp-Name` against the member it mirrors. Where the body has none, the method's own rules speak. */
function checkNameField(
  bytes: Uint8Array,
  peek: Peek,
  headers: McpHeaders,
  target: number,
  out: Classification,
): boolean {
  if (target !== TARGET_NAME && target !== TARGET_URI && target !== TARGET_TASK_ID) return true;
  const bodyStart = targetStart(peek, target);
  const bodyEnd = targetEnd(peek, target);
  if (headers.nameStart < 0) {
    if (bodyStart < 0) return true;
    return failMismatch(out, '(missing)', 'the required Mcp-Name header is absent');
  }
  const field = headers.bytes;
  const start = trimStart(field, headers.nameStart, headers.nameEnd);
  const end = trimEnd(field, start, headers.nameEnd);
  // The usual case first, which builds nothing: the name as it is.
  if (bodyStart >= 0 && isPlainField(field, start, end)) {
    if (sameBytes(bytes, bodyStart, bodyEnd, field, start, end)) return true;
  }
  const decoded = decodeMirrored(field, start, end);
  if (decoded === null) {
    const text = quotedText(field, start, end);
    return failMismatch(out, text, 'the Mcp-Name header has an invalid value');
  }
  if (bodyStart < 0) return true;
  if (sameBytes(bytes, bodyStart, bodyEnd, decoded, 0, decoded.length)) return true;
  return failMismatch(out, quotedText(field, start, end), quotedText(bytes, bodyStart, bodyEnd));
}

function targetStart(peek: Peek, target: number): number {
  if (target === TARGET_NAME) return peek.nameStart;
  return target === TARGET_URI ? peek.uriStart : peek.taskIdStart;
}

function targetEnd(peek: Peek, target: number): number {
  if (target === TARGET_NAME) return peek.nameEnd;
  return target === TARGET_URI ? peek.uriEnd : peek.taskIdEnd;
}

/** Whether the member that the method is routed by is there, and a string. */
export function hasTarget(peek: Peek, target: number): boolean {
  switch (target) {
    case TARGET_NAME:
      return peek.nameStart >= 0;
    case TARGET_URI:
    case TARGET_URI_UNMIRRORED:
      return peek.uriStart >= 0;
    case TARGET_TASK_ID:
    case TARGET_TASK_ID_UNMIRRORED:
      return peek.taskIdStart >= 0;
    case TARGET_REF:
      return peek.refNameStart >= 0 || peek.refUriStart >= 0;
    default:
      return true;
  }
}

/** Names the member that is missing or of the wrong type. */
export function failTarget(target: number, out: Classification): false {
  return out.fail('INVALID_PARAMS', `missing ${TARGET_MEMBERS[target]!}`);
}

function failVersionField(
  bytes: Uint8Array,
  peek: Peek,
  field: Uint8Array,
  start: number,
  end: number,
  out: Classification,
): false {
  const body = quotedText(bytes, peek.metaVersionStart, peek.metaVersionEnd);
  return failMismatch(out, quotedText(field, start, end), body);
}

function failMethodField(
  bytes: Uint8Array,
  peek: Peek,
  headers: McpHeaders,
  out: Classification,
): false {
  const field = quotedText(headers.bytes, headers.methodStart, headers.methodEnd);
  return failMismatch(out, field, quotedText(bytes, peek.methodStart, peek.methodEnd));
}
