/**
 * Request heads recognised by heads that came before. A client sends the same head again and again, but
 * for a few values: a head that is equal to an earlier one in every byte outside of those values says the
 * same, so that it is compared by the kernel in one call, and not read, judged and encoded line by line.
 *
 *      POST /mcp HTTP/1.1 CRLF Host: h CRLF Authorization: ‹1› CRLF Content-Length: ‹2› CRLF Mcp-Name: ‹3› CRLF CRLF
 *      ├──────────── literal 0 ───────────────────────────┤   ├──── literal 1 ───────┤  ├ literal 2 ┤  ├ literal 3
 *
 * - A shape is made only of a head that passed all of `request-parser.ts` and `http-acceptor.ts`, under
 *   the plan in force, and is forgotten with that plan. What those checks look at (request line, Host,
 *   Origin, framing but for the length) lies in literals, so that it is the same bytes.
 * - A hole takes less than the parser does: visible ASCII and blanks, not empty, no blank at either end; a
 *   length of nine digits at most, not zero. What it does not take is no error: the parser reads that head.
 * - Secrets are holes. They are copied and never kept, and nothing is compared with them.
 * - One table for all connections: what a head says depends on nothing but its bytes and the plan.
 *
 * A shape lies in the kernel's memory (`shared/kernel/assembly/heads.ts` reads it), 32-bit words first:
 *
 *       0 holes       4 template bytes     8 ‹Content-Length›   12 ‹payload bytes›
 *      16 … lengths of the literals       68 … kinds of the holes
 *     116 ‹session id: start, end in the payload›
 *     128 … literals, one behind the other
 *     768 … template: the OPEN payload of such a head without what is in the holes
 *
 * Words in ‹› are of the head that was recognised last. Its fields in holes stand behind the template.
 */
import {
  HEADER_ACCEPT,
  HEADER_AUTHORIZATION,
  HEADER_BAGGAGE,
  HEADER_CODES,
  HEADER_CONTENT_TYPE,
  HEADER_HOST,
  HEADER_LAST_EVENT_ID,
  HEADER_MCP_METHOD,
  HEADER_MCP_NAME,
  HEADER_MCP_PROTOCOL_VERSION,
  HEADER_MCP_SESSION_ID,
  HEADER_ORIGIN,
  HEADER_TRACEPARENT,
  HEADER_TRACESTATE,
} from '../../shared/header-code.ts';
import { ByteRange, copyRange } from '../../shared/byte-words.ts';
import { writeFieldStart } from '../../shared/header-field.ts';
import { takeBytes } from '../../shared/kernel/byte-kernel.ts';
import { OPEN_FAMILY_OFFSET, OPEN_HEAD_BYTES, OPEN_PEER_OFFSET } from '../../shared/open-codec.ts';
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_PLAIN,
} from './field-kind.ts';
import type { RequestParser } from './request-parser.ts';

/** Methods of several kinds of clients; each has some. */
const SHAPES = 16;
const SHAPE_BYTES = 1280;
const HOLES_MAX = 12;
const LITERALS_AT = 128;
const TEMPLATE_AT = 768;
const TEMPLATE_BYTES_MAX: number = SHAPE_BYTES - TEMPLATE_AT;

const HOLES_WORD = 0;
const TEMPLATE_WORD = 1;
const LENGTH_WORD = 2;
const PAYLOAD_WORD = 3;
const LITERAL_WORDS = 4;
const KIND_WORDS = 17;
const SESSION_START_WORD = 29;
const SESSION_END_WORD = 30;

/** Kinds of holes that are not header codes. */
const HOLE_UNREAD = 0;
const HOLE_LENGTH = 32;

/** `match` tries them all. */
export const ANY_SHAPE = -1;

/** By kind of field: nothing here, part of a literal, or the value is a hole. */
const NOT_KNOWN = 0;
const LITERAL = 1;
const HOLE = 2;
const ROLES = new Uint8Array(64);
for (const kind of [
  ...[HEADER_ACCEPT, HEADER_CONTENT_TYPE, HEADER_MCP_PROTOCOL_VERSION, HEADER_MCP_METHOD],
  ...[HEADER_ORIGIN, FIELD_HOST, FIELD_CONNECTION, FIELD_PLAIN],
]) {
  ROLES[kind] = LITERAL;
}
for (const kind of [
  ...[HEADER_AUTHORIZATION, HEADER_MCP_NAME, HEADER_MCP_SESSION_ID, HEADER_LAST_EVENT_ID],
  ...[HEADER_TRACEPARENT, HEADER_TRACESTATE, HEADER_BAGGAGE, FIELD_CONTENT_LENGTH, FIELD_OTHER],
]) {
  ROLES[kind] = HOLE;
}

/** What the acceptor knows of all heads of one shape. */
export interface ShapeFacts {
  readonly path: string;
  /** Empty for none. */
  readonly corsOrigin: string;
}

export class HeadShapes {
  /** Of the head that `match` recognised. */
  facts: ShapeFacts | null = null;
  contentLength = 0;
  payloadBytes = 0;
  /** Where the session id lies in the payload; -1: there is none. */
  sessionStart = -1;
  sessionEnd = -1;
  /** The shape that was recognised or learned last; ANY_SHAPE for none. */
  last: number = ANY_SHAPE;
  readonly #payload: ByteRange;
  readonly #place: ByteRange;
  readonly #words: Int32Array;
  readonly #facts: (ShapeFacts | null)[] = new Array<ShapeFacts | null>(SHAPES).fill(null);
  /** All shapes were tried on the head at hand. */
  #isUnknown = false;
  /** Since the hand came by. */
  readonly #wasUsed = new Uint8Array(SHAPES);
  #hand = 0;

  /** @param payload where payloads are put together */
  constructor(payload: Uint8Array) {
    this.#payload = new ByteRange(payload);
    const place = takeBytes(SHAPES * SHAPE_BYTES);
    this.#place = new ByteRange(place);
    this.#words = new Int32Array(place.buffer, place.byteOffset, place.length >> 2);
  }

  /** Forgets all shapes: another plan is in force. */
  clear(): void {
    this.#facts.fill(null);
    this.last = ANY_SHAPE;
  }

  /**
   * Recognises the head that begins at `start`, and puts its OPEN payload together, with a client's
   * address of family 0.
   *
   * @param hint the shape to try first, ANY_SHAPE for none
   * @param all whether the others are tried as well; only then `learn` learns the head
   * @returns the offset behind the head; 0: it is to be parsed, and the payload is in an undefined state
   */
  match(
    range: ByteRange,
    start: number,
    end: number,
    hint: number,
    all: boolean,
    arrivalUs: number,
  ): number {
    let after = hint === ANY_SHAPE ? 0 : this.#try(range, start, end, hint, arrivalUs);
    for (let shape = 0; all && after === 0 && shape < SHAPES; shape += 1) {
      if (shape !== hint) after = this.#try(range, start, end, shape, arrivalUs);
    }
    this.#isUnknown = all && after === 0;
    return after;
  }

  #try(range: ByteRange, start: number, end: number, shape: number, arrivalUs: number): number {
    const facts = this.#facts[shape] ?? null;
    const { kernel, address, bytes } = range;
    const payload = this.#payload;
    if (facts === null || kernel === null || kernel !== payload.kernel) return 0;
    if (start < 0 || end > bytes.length) return 0;
    const words = this.#words;
    const word = shape * (SHAPE_BYTES >> 2);
    words[word + SESSION_START_WORD] = -1;
    const after = kernel.fitHead(
      this.#place.address + shape * SHAPE_BYTES,
      address + start,
      address + end,
      payload.address,
      payload.address + payload.bytes.length,
      arrivalUs,
    );
    if (after === 0) return 0;
    // Mostly the same as before; a store costs more than a look, as the collector has to hear of it.
    if (this.facts !== facts) this.facts = facts;
    this.contentLength = words[word + LENGTH_WORD]!;
    this.payloadBytes = words[word + PAYLOAD_WORD]!;
    this.sessionStart = words[word + SESSION_START_WORD]!;
    this.sessionEnd = words[word + SESSION_END_WORD]!;
    this.last = shape;
    this.#wasUsed[shape] = 1;
    return after - address;
  }

  /**
   * Remembers the head that the parser has read, if heads like it can have a shape.
   *
   * @param head of a POST with a body by length, which passed all checks
   * @param open its OPEN payload, of which the first bytes count
   * @param asked names beyond the known ones that the plan wants passed on: secrets, mostly
   */
  learn(head: RequestParser, open: Uint8Array, facts: ShapeFacts, asked: readonly string[]): void {
    this.last = ANY_SHAPE;
    const isUnknown = this.#isUnknown;
    this.#isUnknown = false;
    const { kernel } = this.#place;
    if (!isUnknown || kernel === null || head.range.kernel !== kernel) return;
    if (head.contentLength <= 0 || head.isChunked || head.hasClose || head.expectsContinue) return;
    const shape = this.#leastUsed();
    this.#facts[shape] = null;
    if (!this.#write(shape, head, open, asked)) return;
    this.#facts[shape] = facts;
    this.last = shape;
  }

  /** Second chance: the first that was not recognised since the hand came by. */
  #leastUsed(): number {
    while (this.#wasUsed[this.#hand] === 1) {
      this.#wasUsed[this.#hand] = 0;
      this.#hand = (this.#hand + 1) % SHAPES;
    }
    const shape = this.#hand;
    this.#hand = (shape + 1) % SHAPES;
    return shape;
  }

  #write(shape: number, head: RequestParser, open: Uint8Array, asked: readonly string[]): boolean {
    const { range, bytes, headStart, headEnd } = head;
    const words = this.#words;
    const word = shape * (SHAPE_BYTES >> 2);
    let holes = 0;
    let literalAt = headStart;
    let at = shape * SHAPE_BYTES + LITERALS_AT;
    for (let index = 0; index < head.count; index += 1) {
      const kind = head.kindAt(index);
      const role = ROLES[kind]!;
      if (role === NOT_KNOWN) return false;
      if (kind === FIELD_OTHER && asked.includes(head.nameAt(index))) return false;
      if (role === LITERAL) continue;
      const start = head.valueStartAt(index);
      const end = head.valueEndAt(index);
      // The parser cut blanks off behind it, or there was nothing: the next one would not fit either.
      if (start >= end || bytes[end] !== 0x0d || holes === HOLES_MAX) return false;
      words[word + KIND_WORDS + holes] = holeKind(kind);
      at = this.#literal(shape, holes, range, literalAt, start, at);
      if (at < 0) return false;
      holes += 1;
      literalAt = end;
    }
    if (this.#literal(shape, holes, range, literalAt, headEnd, at) < 0) return false;
    words[word + HOLES_WORD] = holes;
    return this.#writeTemplate(shape, head, open);
  }

  /** @returns where the next literal goes; -1: there is no room */
  #literal(
    shape: number,
    index: number,
    range: ByteRange,
    start: number,
    end: number,
    at: number,
  ): number {
    if (at + end - start > shape * SHAPE_BYTES + TEMPLATE_AT) return -1;
    this.#words[shape * (SHAPE_BYTES >> 2) + LITERAL_WORDS + index] = end - start;
    return copyRange(range, start, end, this.#place, at);
  }

  /** Open head and those fields that are not in holes. */
  #writeTemplate(shape: number, head: RequestParser, open: Uint8Array): boolean {
    const place = this.#place;
    const start = shape * SHAPE_BYTES + TEMPLATE_AT;
    const template = place.bytes.subarray(start, start + TEMPLATE_BYTES_MAX);
    template.set(open.subarray(0, OPEN_HEAD_BYTES));
    template[OPEN_FAMILY_OFFSET] = 0;
    template.fill(0, OPEN_PEER_OFFSET, OPEN_HEAD_BYTES);
    let at = OPEN_HEAD_BYTES;
    for (let index = 0; index < head.count; index += 1) {
      const kind = head.kindAt(index);
      const code = kind === FIELD_HOST ? HEADER_HOST : kind;
      if (ROLES[kind] !== LITERAL || code >= HEADER_CODES) continue;
      const from = head.valueStartAt(index);
      const to = head.valueEndAt(index);
      const valueAt = writeFieldStart(template, at, code, '', to - from);
      if (valueAt < 0) return false;
      at = copyRange(head.range, from, to, place, start + valueAt) - start;
    }
    this.#words[shape * (SHAPE_BYTES >> 2) + TEMPLATE_WORD] = at;
    return true;
  }
}

function holeKind(kind: number): number {
  if (kind === FIELD_CONTENT_LENGTH) return HOLE_LENGTH;
  return kind === FIELD_OTHER ? HOLE_UNREAD : kind;
}
