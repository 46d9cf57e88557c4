import { ByteRange } from '../../shared/byte-words.ts';
import { ERA_LEGACY, ERA_MODERN } from '../../src/protocol/eras/era.ts';
import {
  addEnvelope,
  cutEnvelope,
  replaceId,
  replaceMetaProgressToken,
  replaceName,
} from '../../src/protocol/jsonrpc/message-edit.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { singleLineBytes, toSingleLine } from '../../src/protocol/jsonrpc/single-line.ts';
import { Splice } from '../../src/protocol/jsonrpc/splice.ts';
import { METHODS } from '../../src/protocol/methods.ts';
import type { Exchange } from '../exchange.ts';
import type { NameRoute } from '../routing/name-route.ts';

/**
 * One client message on its way to an upstream: the client's bytes with our id and progress token, the
 * upstream's own name, and the envelope of its era. One object per shard, filled for each call and
 * written within the same turn.
 */
export class Outgoing {
  exchange: Exchange | null = null;
  methodId = 0;
  idToken: Buffer = EMPTY;
  /** Of `idToken`, where it serves many calls. */
  idRange: ByteRange | null = null;
  timeoutMs = 0;
  /** May be sent twice: lists, reads, prompts (never `tools/call`). */
  isResendable = false;
  /** `Mcp-Name: …` CR LF, empty for methods without. */
  nameLine: ByteRange = NO_LINE;
  /** `Mcp-Param-…` lines. */
  paramLines: Buffer = EMPTY;
  /** A whole Authorization (or other) header line of the gateway's own, or empty. */
  credential: Buffer = EMPTY;
  /** Members of the modern envelope for a legacy client's message; null leaves `_meta` alone. */
  envelope: Buffer | null = null;

  #bytes: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  #peek: Peek | null = null;
  #ownName: Buffer | null = null;
  #cutsEnvelope = false;
  readonly #splice = new Splice();

  /** A call of an exchange. */
  of(exchange: Exchange, peek: Peek, route: NameRoute | null, upstreamEra: number): void {
    this.exchange = exchange;
    this.methodId = peek.methodId;
    this.isResendable = METHODS[peek.methodId]?.isIdempotent ?? false;
    this.nameLine = route === null ? NO_LINE : route.nameLine;
    this.paramLines = EMPTY;
    this.credential = EMPTY;
    this.idRange = null;
    this.envelope = null;
    this.#set(exchange.bytes, exchange.messageStart, exchange.messageEnd, peek);
    this.#ownName = route?.ownBytes ?? null;
    this.#cutsEnvelope = exchange.era === ERA_MODERN && upstreamEra === ERA_LEGACY;
  }

  /** A message that only gets another id and progress token. */
  plain(bytes: Buffer, start: number, end: number, peek: Peek, idToken: Buffer): void {
    this.exchange = null;
    this.methodId = peek.methodId;
    this.idToken = idToken;
    this.idRange = null;
    this.envelope = null;
    this.#set(bytes, start, end, peek);
    this.#ownName = null;
    this.#cutsEnvelope = false;
  }

  /** Room that `write` and `writeLine` need at most. */
  bytesMax(): number {
    // Ids have at most 16 digits, a name replaces another one, the envelope is what it is.
    const grown = 64 + (this.#ownName?.length ?? 0) + (this.envelope?.length ?? 0);
    const size = this.#end - this.#start + grown;
    return this.#peek?.hasLineBreak === 1 ? singleLineBytes(size) + size : size;
  }

  /** Decides all edits; returns exactly how many bytes `writePrepared` will write. */
  prepare(): number {
    const splice = this.#splice;
    const peek = this.#peek;
    splice.reset();
    if (peek === null) return 0;
    const { idToken, idRange } = this;
    if (idRange === null) replaceId(splice, peek, idToken, 0, idToken.length);
    else splice.replaceByRange(peek.idStart, peek.idEnd, idRange, 0, idToken.length);
    replaceMetaProgressToken(splice, peek, this.idToken);
    if (this.#ownName !== null) replaceName(splice, peek, this.#ownName);
    if (this.#cutsEnvelope) cutEnvelope(splice, this.#bytes, peek);
    if (this.envelope !== null) addEnvelope(splice, this.#bytes, peek, this.envelope);
    return splice.size(this.#start, this.#end);
  }

  /** Writes what `prepare` has measured; returns the index after it. */
  writePrepared(out: ByteRange, at: number): number {
    return this.#splice.write(this.#bytes, this.#start, this.#end, out.bytes, at, out);
  }

  /** Writes the message; returns the index after it. */
  write(out: Buffer, at: number): number {
    this.prepare();
    return this.#splice.write(this.#bytes, this.#start, this.#end, out, at);
  }

  /** The same as one line, for wires that are read by lines. */
  writeLine(out: Buffer, at: number): number {
    const end = this.write(out, at);
    if (this.#peek?.hasLineBreak !== 1) return end;
    const line = Buffer.allocUnsafe(singleLineBytes(end - at));
    const length = toSingleLine(out, at, end, line, 0);
    return at + line.copy(out, at, 0, length);
  }

  #set(bytes: Buffer, start: number, end: number, peek: Peek): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#peek = peek;
  }
}

const EMPTY = Buffer.alloc(0);
const NO_LINE = new ByteRange(EMPTY);
