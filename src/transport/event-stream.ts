/**
 * Server-sent events over bytes (WHATWG HTML 9.2.6): a parser that builds no strings on its way, and a
 * writer.
 *
 * The parser points into its input where an event with one line of data came in one piece, which is the
 * rule; else it gathers the data. Data beyond `heldBytesMax` is not gathered: if it is one line, it is
 * passed on in chunks as it comes, so a result of any size takes constant memory; several lines of that
 * size are refused, because their line breaks would have to travel as well.
 *
 *   LINE  ──"data:"──▶ DATA      rest of a line of data, passed on or gathered
 *     └──":", unknown, long──▶ SKIP    rest of a line that nobody reads
 */
import {
  DATA_PREFIX_BYTES,
  FIELD_EVENT,
  FIELD_ID,
  FIELD_NONE,
  FIELD_RETRY,
  fieldOf,
  fieldValueStart,
  findLineEnd,
  grown,
  isDataLine,
  valueStart,
} from './event-line.ts';

export {
  EVENT_END,
  eventBytes,
  eventStartBytes,
  KEEP_ALIVE_COMMENT,
  primingBytes,
  writeEvent,
  writeEventData,
  writeEventStart,
  writePriming,
} from './event-stream-writer.ts';

/** Place of a chunk in its event. */
export const CHUNK_FIRST = 1;
export const CHUNK_MIDDLE = 2;
/** The event is complete; this chunk has no bytes. */
export const CHUNK_LAST = 3;
export type EventChunkPlace = typeof CHUNK_FIRST | typeof CHUNK_MIDDLE | typeof CHUNK_LAST;

/** Receives the events of one stream. Bytes are valid during the call only. */
export interface EventStreamListener {
  /**
   * One event; `data` lines are joined by LF. May be empty: servers open streams with an event that
   * carries only an id. False asks to be sent no more (see `push`).
   */
  onEvent(bytes: Buffer, start: number, end: number): boolean;
  /** A piece of an event too large to be held. False as above. */
  onEventChunk(bytes: Buffer, start: number, end: number, place: EventChunkPlace): boolean;
  /** An event of several lines, or an id or event name, is beyond its bound. Nothing more comes. */
  onEventTooLarge(): void;
}

/** Longest line of a field other than data. Ids are keys, some servers put a whole cursor in. */
const FIELD_BYTES_MAX = 4096;
/** A gathering buffer up to this size stays with its stream; ten thousand streams must stay cheap. */
const KEPT_BYTES_MAX = 4096;
const GATHER_BYTES_MIN = 1024;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const BOM = [0xef, 0xbb, 0xbf];

/** Digits of a reconnection time; more would be over eleven days. */
const RETRY_DIGITS_MAX = 9;

const LINE = 0;
const DATA = 1;
const SKIP = 2;

const EMPTY = Buffer.alloc(0);
const MESSAGE = Buffer.from('message', 'latin1');

export class EventStreamParser {
  /** Name of the event at hand, `message` if it has none. Read it during `onEvent` or CHUNK_FIRST. */
  eventName = 'message';
  /** What `Last-Event-ID` would be: the last id that came, also by an event without data. */
  lastEventId = '';
  /** Reconnection time as the server wishes it, in ms; -1 if it did not say. */
  retryMs = -1;

  readonly #listener: EventStreamListener;
  readonly #heldBytesMax: number;
  #state = LINE;
  /** BOM bytes seen, while only those came; 3 from then on. */
  #bomBytes = 0;
  /** The last line ended by CR with nothing after it yet: an LF would belong to it. */
  #skipsLf = false;
  /** Start of a line that is not understood yet. */
  #line: Buffer = EMPTY;
  #lineBytes = 0;
  /** Data of the event at hand that is gathered, several lines joined. */
  #gathered: Buffer = EMPTY;
  #gatheredBytes = 0;
  /** Data of the event at hand that still lies in the input: its one line. */
  #spanStart = -1;
  #spanEnd = -1;
  #dataLines = 0;
  /** The event at hand is passed on in chunks. */
  #isChunked = false;
  #pendingId: string | null = null;
  #isFailed = false;
  #wantsMore = true;

  constructor(listener: EventStreamListener, heldBytesMax: number) {
    this.#listener = listener;
    this.#heldBytesMax = heldBytesMax;
  }

  /**
   * Takes a piece of the stream. The whole piece is worked through, whatever the listener answers.
   *
   * @returns false if the listener answered false to any of it
   */
  push(bytes: Buffer, start: number, end: number): boolean {
    this.#wantsMore = true;
    let at = this.#bomBytes < BOM.length ? this.#skipBom(bytes, start, end) : start;
    while (at < end && !this.#isFailed) {
      if (this.#skipsLf) {
        this.#skipsLf = false;
        if (bytes[at] === LF) {
          at += 1;
          continue;
        }
      }
      at = this.#lineBytes > 0 ? this.#growLine(bytes, at) : this.#readLine(bytes, at, end);
    }
    if (this.#spanStart >= 0) this.#gatherSpan(bytes);
    return this.#wantsMore;
  }

  /**
   * The stream has ended. An event without its empty line does not count.
   *
   * @returns false if chunks of an event were passed on that will never have a last one
   */
  end(): boolean {
    return !this.#isChunked;
  }

  #skipBom(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#bomBytes < BOM.length) {
      if (bytes[at] !== BOM[this.#bomBytes]) {
        // No BOM after all: what looked like one begins a line.
        for (let i = 0; i < this.#bomBytes; i += 1) this.#appendLine(BOM[i] as number);
        this.#bomBytes = BOM.length;
        return at;
      }
      this.#bomBytes += 1;
      at += 1;
    }
    return at;
  }

  /** Reads from the start of a line, or within one in states DATA and SKIP. */
  #readLine(bytes: Buffer, start: number, end: number): number {
    const lineEnd = findLineEnd(bytes, start, end);
    if (this.#state === LINE) {
      if (lineEnd >= 0) this.#takeLine(bytes, start, lineEnd);
      else this.#beginLine(bytes, start, end);
    } else if (this.#state === DATA) {
      this.#appendData(bytes, start, lineEnd < 0 ? end : lineEnd);
      if (lineEnd >= 0) this.#state = LINE;
    } else if (lineEnd >= 0) {
      this.#state = LINE;
    }
    return lineEnd < 0 ? end : this.#afterLine(bytes, lineEnd, end);
  }

  /** Offset after the line end at `at`. A CR at the end of the input may have its LF still to come. */
  #afterLine(bytes: Buffer, at: number, end: number): number {
    if (bytes[at] === LF) return at + 1;
    if (at + 1 === end) this.#skipsLf = true;
    return bytes[at + 1] === LF && at + 1 < end ? at + 2 : at + 1;
  }

  /** A line whose end has not come. */
  #beginLine(bytes: Buffer, start: number, end: number): void {
    if (isDataLine(bytes, start, end) && end - start >= DATA_PREFIX_BYTES) {
      this.#gatherSpan(bytes);
      this.#beginData();
      this.#appendData(bytes, valueStart(bytes, start + 5, end), end);
    } else if (bytes[start] === COLON) {
      this.#state = SKIP;
    } else if (end - start > FIELD_BYTES_MAX) {
      this.#overflowLine(bytes, start);
    } else {
      this.#line = Buffer.allocUnsafe(Math.max(end - start, 64));
      bytes.copy(this.#line, 0, start, end);
      this.#lineBytes = end - start;
    }
  }

  /** Goes on with a line of which the start is kept, one byte at a time until it is understood. */
  #growLine(bytes: Buffer, at: number): number {
    const byte = bytes[at] as number;
    if (byte === LF || byte === CR) {
      const line = this.#line;
      const length = this.#lineBytes;
      this.#dropLine();
      this.#takeLine(line, 0, length);
      // The data of a line that began in an earlier piece does not lie in this one.
      if (this.#spanStart >= 0) this.#gatherSpan(line);
      this.#skipsLf = byte === CR;
      return at + 1;
    }
    this.#appendLine(byte);
    const line = this.#line;
    if (this.#lineBytes === DATA_PREFIX_BYTES && isDataLine(line, 0, DATA_PREFIX_BYTES)) {
      this.#dropLine();
      this.#beginData();
      const from = valueStart(line, 5, DATA_PREFIX_BYTES);
      if (from < DATA_PREFIX_BYTES) this.#appendData(line, from, DATA_PREFIX_BYTES);
    } else if (this.#lineBytes > FIELD_BYTES_MAX) {
      this.#dropLine();
      this.#overflowLine(line, 0);
    }
    return at + 1;
  }

  #appendLine(byte: number): void {
    if (this.#lineBytes === this.#line.length) {
      this.#line = grown(this.#line, this.#lineBytes, this.#lineBytes * 2 + 64);
    }
    this.#line[this.#lineBytes] = byte;
    this.#lineBytes += 1;
  }

  #dropLine(): void {
    this.#line = EMPTY;
    this.#lineBytes = 0;
  }

  /** A line beyond its bound: skipped if nobody reads it, else the stream cannot be followed. */
  #overflowLine(bytes: Buffer, start: number): void {
    const field = fieldOf(bytes, start, start + DATA_PREFIX_BYTES);
    if (field === FIELD_ID || field === FIELD_EVENT) this.#fail();
    else this.#state = SKIP;
  }

  /** A complete line without its end. */
  #takeLine(bytes: Buffer, start: number, end: number): void {
    if (start === end) {
      this.#dispatch(bytes);
    } else if (isDataLine(bytes, start, end)) {
      const from = Math.min(end, valueStart(bytes, start + 5, end));
      if (this.#dataLines === 0) {
        this.#dataLines = 1;
        this.#spanStart = from;
        this.#spanEnd = end;
      } else {
        this.#gatherSpan(bytes);
        this.#beginData();
        this.#appendData(bytes, from, end);
        this.#state = LINE;
      }
    } else if (bytes[start] !== COLON) {
      this.#takeField(bytes, start, end);
    }
  }

  #takeField(bytes: Buffer, start: number, end: number): void {
    const field = fieldOf(bytes, start, end);
    if (field === FIELD_NONE) return;
    const from = fieldValueStart(field, bytes, start, end);
    if (field === FIELD_RETRY) {
      const digits = bytes.toString('latin1', from, Math.min(end, from + RETRY_DIGITS_MAX + 1));
      if (/^\d+$/.test(digits) && digits.length <= RETRY_DIGITS_MAX) this.retryMs = Number(digits);
      return;
    }
    if (end - from > FIELD_BYTES_MAX) {
      this.#fail();
    } else if (field === FIELD_EVENT) {
      this.eventName = isMessage(bytes, from, end) ? 'message' : bytes.toString('utf8', from, end);
    } else {
      const id = bytes.toString('utf8', from, end);
      if (!id.includes('\0')) this.#pendingId = id;
    }
  }

  /** Another line of data begins. */
  #beginData(): void {
    this.#state = DATA;
    this.#dataLines += 1;
    if (this.#dataLines === 1) return;
    if (this.#isChunked) this.#fail();
    else this.#appendData(NEWLINE, 0, 1);
  }

  #appendData(bytes: Buffer, start: number, end: number): void {
    if (this.#isFailed) return;
    if (this.#isChunked) {
      this.#passChunk(bytes, start, end, CHUNK_MIDDLE);
      return;
    }
    const needed = this.#gatheredBytes + (end - start);
    if (needed > this.#heldBytesMax) {
      if (this.#dataLines > 1) this.#fail();
      else this.#startChunks(bytes, start, end);
      return;
    }
    if (needed > this.#gathered.length) {
      const size = Math.min(Math.max(needed, needed * 2, GATHER_BYTES_MIN), this.#heldBytesMax);
      this.#gathered = grown(this.#gathered, this.#gatheredBytes, Math.max(size, needed));
    }
    bytes.copy(this.#gathered, this.#gatheredBytes, start, end);
    this.#gatheredBytes = needed;
  }

  #startChunks(bytes: Buffer, start: number, end: number): void {
    const held = this.#gathered;
    const heldBytes = this.#gatheredBytes;
    this.#isChunked = true;
    this.#gathered = EMPTY;
    this.#gatheredBytes = 0;
    if (heldBytes === 0) {
      this.#passChunk(bytes, start, end, CHUNK_FIRST);
    } else {
      this.#passChunk(held, 0, heldBytes, CHUNK_FIRST);
      this.#passChunk(bytes, start, end, CHUNK_MIDDLE);
    }
  }

  #passChunk(bytes: Buffer, start: number, end: number, place: EventChunkPlace): void {
    if (start === end && place === CHUNK_MIDDLE) return;
    if (!this.#listener.onEventChunk(bytes, start, end, place)) this.#wantsMore = false;
  }

  /** Moves the data that lies in the input to where it stays. */
  #gatherSpan(bytes: Buffer): void {
    if (this.#spanStart < 0) return;
    const start = this.#spanStart;
    const end = this.#spanEnd;
    this.#spanStart = -1;
    this.#appendData(bytes, start, end);
  }

  /** An empty line ends the event. */
  #dispatch(bytes: Buffer): void {
    if (this.#pendingId !== null) this.lastEventId = this.#pendingId;
    this.#pendingId = null;
    if (this.#isChunked) {
      this.#isChunked = false;
      this.#passChunk(EMPTY, 0, 0, CHUNK_LAST);
    } else if (this.#spanStart >= 0) {
      const start = this.#spanStart;
      this.#spanStart = -1;
      if (!this.#listener.onEvent(bytes, start, this.#spanEnd)) this.#wantsMore = false;
    } else if (this.#dataLines > 0) {
      const { length } = this.#gathered;
      if (!this.#listener.onEvent(this.#gathered, 0, this.#gatheredBytes)) this.#wantsMore = false;
      this.#gatheredBytes = 0;
      if (length > KEPT_BYTES_MAX) this.#gathered = EMPTY;
    }
    this.#dataLines = 0;
    this.eventName = 'message';
  }

  #fail(): void {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#gathered = EMPTY;
    this.#spanStart = -1;
    this.#listener.onEventTooLarge();
  }
}

const NEWLINE = Buffer.from('\n', 'latin1');

/** The usual event name, or none, which is the same. */
function isMessage(bytes: Buffer, start: number, end: number): boolean {
  if (start === end) return true;
  if (end - start !== MESSAGE.length) return false;
  for (let i = 0; i < MESSAGE.length; i += 1) if (bytes[start + i] !== MESSAGE[i]) return false;
  return true;
}
