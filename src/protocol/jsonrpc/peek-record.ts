/**
 * What `peek` finds in one message: numbers only, -1 for absent. Offsets index the buffer that was
 * peeked. A pair without `Token` in its comment spans the content of a string that has no escapes,
 * without its quotes; a token spans the value as written. `…Key` is the index of the opening quote
 * of the member's key. One record is made per thread and filled again for every message.
 *
 * A record is words that lie where the byte kernel can write them, as it fills in whole records
 * (`shape-outline.ts`); the members that code reads and writes are accessors over them.
 */
import { takeBytes, kernelOf, type ByteKernel } from '../../../shared/kernel/byte-kernel.ts';

export const KIND_NONE = 0;
export const KIND_REQUEST = 1;
export const KIND_NOTIFICATION = 2;
/** A response with `result`. */
export const KIND_RESPONSE = 3;
/** A response with `error`. */
export const KIND_ERROR = 4;
/** An array of messages; see `batch.ts`. */
export const KIND_BATCH = 5;

/** Every member, by its word. The kernel counts on the first ten (`assembly/fields.ts`). */
export const PEEK_FIELDS = [
  // No places.
  'kind',
  /** 1: it must go through `toSingleLine` before it is written to a wire that is read by lines. */
  'hasLineBreak',
  'methodId',
  /** 1 where the result says `"isError": true`. */
  'isError',
  // Places.
  'methodStart',
  'methodEnd',
  'nameStart',
  'nameEnd',
  /**
   * The key may be there (a claim of the modern era) though the value is no string: then this is -1. The
   * end is one before that of the token in any case.
   */
  'metaVersionStart',
  'metaVersionEnd',
  /** Token, quotes included; -1 where an error response has `null` or no id. */
  'idStart',
  'idEnd',
  /** Token: an object. */
  'paramsStart',
  'paramsEnd',
  'uriStart',
  'uriEnd',
  'taskIdStart',
  'taskIdEnd',
  /** Token, of any type. */
  'argumentsStart',
  'argumentsEnd',
  /** Token. */
  'cursorStart',
  'cursorEnd',
  /** Token, of `notifications/cancelled`; a valid id. */
  'requestIdStart',
  'requestIdEnd',
  /** Token, of `notifications/progress`: a string or an integer. */
  'progressTokenStart',
  'progressTokenEnd',
  'levelStart',
  'levelEnd',
  /** Token: an object. */
  'refStart',
  'refEnd',
  'refTypeStart',
  'refTypeEnd',
  'refNameStart',
  'refNameEnd',
  'refUriStart',
  'refUriEnd',
  'protocolVersionParamStart',
  'protocolVersionParamEnd',
  /** Tokens, of `initialize`. */
  'initCapabilitiesStart',
  'initCapabilitiesEnd',
  'clientInfoStart',
  'clientInfoEnd',
  /** Tokens. */
  'taskStart',
  'taskEnd',
  'taskKey',
  'inputResponsesStart',
  'inputResponsesEnd',
  'requestStateStart',
  'requestStateEnd',
  'notificationsStart',
  'notificationsEnd',
  /** Token: an object. */
  'metaStart',
  'metaEnd',
  'metaKey',
  'metaVersionKey',
  /** Token. */
  'metaCapabilitiesKey',
  'metaCapabilitiesStart',
  'metaCapabilitiesEnd',
  /** Token. */
  'metaClientInfoKey',
  'metaClientInfoStart',
  'metaClientInfoEnd',
  /** Token. */
  'metaLogLevelKey',
  'metaLogLevelStart',
  'metaLogLevelEnd',
  /** Token: a string or an integer. */
  'metaProgressTokenKey',
  'metaProgressTokenStart',
  'metaProgressTokenEnd',
  'traceparentStart',
  'traceparentEnd',
  'tracestateStart',
  'tracestateEnd',
  'baggageStart',
  'baggageEnd',
  /** Token, in a notification's or a result's `_meta`. */
  'subscriptionIdStart',
  'subscriptionIdEnd',
  /** Token: an object. */
  'resultStart',
  'resultEnd',
  /** Token: an object. */
  'errorStart',
  'errorEnd',
  /** Token: an integer. */
  'errorCodeStart',
  'errorCodeEnd',
  /** Token: a string. */
  'errorMessageStart',
  'errorMessageEnd',
  /** Token. */
  'errorDataStart',
  'errorDataEnd',
  /** As with `metaVersion`. */
  'resultTypeKey',
  'resultTypeStart',
  'resultTypeEnd',
  /** Token. */
  'ttlMsKey',
  'ttlMsStart',
  'ttlMsEnd',
  /** Token. */
  'cacheScopeKey',
  'cacheScopeStart',
  'cacheScopeEnd',
  /** Token: an object. */
  'resultMetaStart',
  'resultMetaEnd',
  /** Token, in the result's `_meta`. */
  'serverInfoStart',
  'serverInfoEnd',
  /** Tokens. */
  'nextCursorStart',
  'nextCursorEnd',
  'inputRequestsStart',
  'inputRequestsEnd',
  'resultStateStart',
  'resultStateEnd',
] as const;

export type PeekField = (typeof PEEK_FIELDS)[number];

/** Members before this one are numbers; from it on they are places, and -1 stands for none. */
export const PEEK_FIRST_PLACE = 4;

export const PEEK_WORDS: number = PEEK_FIELDS.length;

/** A record without its members. */
class PeekMemory {
  readonly words: Int32Array;
  /** The kernel that can fill it in, and where it lies there. */
  readonly kernel: ByteKernel | null;
  readonly address: number;

  constructor() {
    const bytes = takeBytes(PEEK_WORDS * 4);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, PEEK_WORDS);
    this.kernel = kernelOf(bytes.buffer);
    this.address = bytes.byteOffset;
    this.reset();
  }

  /** Forgets the message before. */
  reset(): void {
    const { words } = this;
    for (let word = 0; word < PEEK_FIRST_PLACE; word += 1) words[word] = 0;
    for (let word = PEEK_FIRST_PLACE; word < PEEK_WORDS; word += 1) words[word] = -1;
  }
}

PEEK_FIELDS.forEach((field, word) => {
  Object.defineProperty(PeekMemory.prototype, field, {
    get(this: PeekMemory): number {
      return this.words[word]!;
    },
    set(this: PeekMemory, value: number) {
      this.words[word] = value;
    },
  });
});

export type Peek = PeekMemory & Record<PeekField, number>;
export const Peek = PeekMemory as new () => Peek;
