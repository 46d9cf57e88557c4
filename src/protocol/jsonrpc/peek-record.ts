/**
 * What `peek` finds in one message: numbers only, -1 for absent. Offsets index the buffer that was
 * peeked. A pair without `Token` in its comment spans the content of a string that has no escapes,
 * without its quotes; a token spans the value as written. `…Key` is the index of the opening quote
 * of the member's key. One record is made per thread and filled again for every message.
 */
import { LEVEL_ERROR, LEVEL_META, LEVEL_RESULT } from './member.ts';

export const KIND_NONE = 0;
export const KIND_REQUEST = 1;
export const KIND_NOTIFICATION = 2;
/** A response with `result`. */
export const KIND_RESPONSE = 3;
/** A response with `error`. */
export const KIND_ERROR = 4;
/** An array of messages; see `batch.ts`. */
export const KIND_BATCH = 5;

/** How a record was filled: by `peek`, or by a shape, which then has set all that one of its kind can. */
export const FILLED_FREELY = 0;
export const FILLED_REQUEST = 1;
export const FILLED_RESPONSE = 2;

const ANSWER_LEVELS = (1 << LEVEL_RESULT) | (1 << LEVEL_ERROR);

export class Peek {
  kind: number = KIND_NONE;
  /** 1: it must go through `toSingleLine` before it is written to a wire that is read by lines. */
  hasLineBreak = 0;
  methodId = 0;
  methodStart = -1;
  methodEnd = -1;
  /** Token, quotes included; -1 where an error response has `null` or no id. */
  idStart = -1;
  idEnd = -1;
  /** Token: an object. */
  paramsStart = -1;
  paramsEnd = -1;
  nameStart = -1;
  nameEnd = -1;
  uriStart = -1;
  uriEnd = -1;
  taskIdStart = -1;
  taskIdEnd = -1;
  /** Token, of any type. */
  argumentsStart = -1;
  argumentsEnd = -1;
  /** Token. */
  cursorStart = -1;
  cursorEnd = -1;
  /** Token, of `notifications/cancelled`; a valid id. */
  requestIdStart = -1;
  requestIdEnd = -1;
  /** Token, of `notifications/progress`: a string or an integer. */
  progressTokenStart = -1;
  progressTokenEnd = -1;
  levelStart = -1;
  levelEnd = -1;
  /** Token: an object. */
  refStart = -1;
  refEnd = -1;
  refTypeStart = -1;
  refTypeEnd = -1;
  refNameStart = -1;
  refNameEnd = -1;
  refUriStart = -1;
  refUriEnd = -1;
  protocolVersionParamStart = -1;
  protocolVersionParamEnd = -1;
  /** Tokens, of `initialize`. */
  initCapabilitiesStart = -1;
  initCapabilitiesEnd = -1;
  clientInfoStart = -1;
  clientInfoEnd = -1;
  /** Tokens. */
  taskStart = -1;
  taskEnd = -1;
  taskKey = -1;
  inputResponsesStart = -1;
  inputResponsesEnd = -1;
  requestStateStart = -1;
  requestStateEnd = -1;
  notificationsStart = -1;
  notificationsEnd = -1;
  /** Token: an object. */
  metaStart = -1;
  metaEnd = -1;
  metaKey = -1;
  /**
   * The key is there (a claim of the modern era) though the value is no string: then the start is -1.
   * The end is one before that of the token in any case.
   */
  metaVersionKey = -1;
  metaVersionStart = -1;
  metaVersionEnd = -1;
  /** Token. */
  metaCapabilitiesKey = -1;
  metaCapabilitiesStart = -1;
  metaCapabilitiesEnd = -1;
  /** Token. */
  metaClientInfoKey = -1;
  metaClientInfoStart = -1;
  metaClientInfoEnd = -1;
  /** Token. */
  metaLogLevelKey = -1;
  metaLogLevelStart = -1;
  metaLogLevelEnd = -1;
  /** Token: a string or an integer. */
  metaProgressTokenKey = -1;
  metaProgressTokenStart = -1;
  metaProgressTokenEnd = -1;
  traceparentStart = -1;
  traceparentEnd = -1;
  tracestateStart = -1;
  tracestateEnd = -1;
  baggageStart = -1;
  baggageEnd = -1;
  /** Token, in a notification's or a result's `_meta`. */
  subscriptionIdStart = -1;
  subscriptionIdEnd = -1;
  /** Token: an object. */
  resultStart = -1;
  resultEnd = -1;
  /** Token: an object. */
  errorStart = -1;
  errorEnd = -1;
  /** Token: an integer. */
  errorCodeStart = -1;
  errorCodeEnd = -1;
  /** Token: a string. */
  errorMessageStart = -1;
  errorMessageEnd = -1;
  /** Token. */
  errorDataStart = -1;
  errorDataEnd = -1;
  /** 1 where the result says `"isError": true`. */
  isError = 0;
  /** As with `metaVersion`. */
  resultTypeKey = -1;
  resultTypeStart = -1;
  resultTypeEnd = -1;
  /** Token. */
  ttlMsKey = -1;
  ttlMsStart = -1;
  ttlMsEnd = -1;
  /** Token. */
  cacheScopeKey = -1;
  cacheScopeStart = -1;
  cacheScopeEnd = -1;
  /** Token: an object. */
  resultMetaStart = -1;
  resultMetaEnd = -1;
  /** Token, in the result's `_meta`. */
  serverInfoStart = -1;
  serverInfoEnd = -1;
  /** Tokens. */
  nextCursorStart = -1;
  nextCursorEnd = -1;
  inputRequestsStart = -1;
  inputRequestsEnd = -1;
  resultStateStart = -1;
  resultStateEnd = -1;
  /** Bits `1 << level` of the objects entered: what the next reset has to clear. */
  touched = 0;
  /** FILLED_*: what `shape-fields.ts` need not clear. */
  filledBy: number = FILLED_FREELY;

  /** Forgets the message before. */
  reset(): void {
    this.#clearTop();
    this.#clearParams();
    if ((this.touched & (1 << LEVEL_META)) !== 0) this.#clearMeta();
    if ((this.touched & ANSWER_LEVELS) !== 0) this.#clearAnswer();
    this.touched = 0;
    this.filledBy = FILLED_FREELY;
  }

  #clearTop(): void {
    this.kind = KIND_NONE;
    this.hasLineBreak = 0;
    this.methodId = 0;
    this.methodStart = -1;
    this.methodEnd = -1;
    this.idStart = -1;
    this.idEnd = -1;
    this.paramsStart = -1;
    this.paramsEnd = -1;
    this.nameStart = -1;
    this.nameEnd = -1;
    this.uriStart = -1;
    this.uriEnd = -1;
    this.taskIdStart = -1;
    this.taskIdEnd = -1;
    this.argumentsStart = -1;
    this.argumentsEnd = -1;
    this.cursorStart = -1;
    this.cursorEnd = -1;
    this.requestIdStart = -1;
    this.requestIdEnd = -1;
    this.progressTokenStart = -1;
    this.progressTokenEnd = -1;
    this.levelStart = -1;
    this.levelEnd = -1;
  }

  #clearParams(): void {
    this.refStart = -1;
    this.refEnd = -1;
    this.refTypeStart = -1;
    this.refTypeEnd = -1;
    this.refNameStart = -1;
    this.refNameEnd = -1;
    this.refUriStart = -1;
    this.refUriEnd = -1;
    this.protocolVersionParamStart = -1;
    this.protocolVersionParamEnd = -1;
    this.initCapabilitiesStart = -1;
    this.initCapabilitiesEnd = -1;
    this.clientInfoStart = -1;
    this.clientInfoEnd = -1;
    this.taskStart = -1;
    this.taskEnd = -1;
    this.taskKey = -1;
    this.inputResponsesStart = -1;
    this.inputResponsesEnd = -1;
    this.requestStateStart = -1;
    this.requestStateEnd = -1;
    this.notificationsStart = -1;
    this.notificationsEnd = -1;
    this.metaStart = -1;
    this.metaEnd = -1;
    this.metaKey = -1;
    this.subscriptionIdStart = -1;
    this.subscriptionIdEnd = -1;
  }

  #clearMeta(): void {
    this.metaVersionKey = -1;
    this.metaVersionStart = -1;
    this.metaVersionEnd = -1;
    this.metaCapabilitiesKey = -1;
    this.metaCapabilitiesStart = -1;
    this.metaCapabilitiesEnd = -1;
    this.metaClientInfoKey = -1;
    this.metaClientInfoStart = -1;
    this.metaClientInfoEnd = -1;
    this.metaLogLevelKey = -1;
    this.metaLogLevelStart = -1;
    this.metaLogLevelEnd = -1;
    this.metaProgressTokenKey = -1;
    this.metaProgressTokenStart = -1;
    this.metaProgressTokenEnd = -1;
    this.traceparentStart = -1;
    this.traceparentEnd = -1;
    this.tracestateStart = -1;
    this.tracestateEnd = -1;
    this.baggageStart = -1;
    this.baggageEnd = -1;
  }

  #clearAnswer(): void {
    this.resultStart = -1;
    this.resultEnd = -1;
    this.errorStart = -1;
    this.errorEnd = -1;
    this.errorCodeStart = -1;
    this.errorCodeEnd = -1;
    this.errorMessageStart = -1;
    this.errorMessageEnd = -1;
    this.errorDataStart = -1;
    this.errorDataEnd = -1;
    this.isError = 0;
    this.resultTypeKey = -1;
    this.resultTypeStart = -1;
    this.resultTypeEnd = -1;
    this.ttlMsKey = -1;
    this.ttlMsStart = -1;
    this.ttlMsEnd = -1;
    this.cacheScopeKey = -1;
    this.cacheScopeStart = -1;
    this.cacheScopeEnd = -1;
    this.resultMetaStart = -1;
    this.resultMetaEnd = -1;
    this.serverInfoStart = -1;
    this.serverInfoEnd = -1;
    this.nextCursorStart = -1;
    this.nextCursorEnd = -1;
    this.inputRequestsStart = -1;
    this.inputRequestsEnd = -1;
    this.resultStateStart = -1;
    this.resultStateEnd = -1;
  }
}
