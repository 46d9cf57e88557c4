import { forEachBatchItem, BATCH_TOO_LONG } from '../src/protocol/jsonrpc/batch.ts';
import { REPLY_DONE } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { Replier } from './reply.ts';

const OPEN = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']');

/** Makes the exchange of one member: pooled, with its message in `bytes[start, end)`. */
export type MemberSource = (
  parent: Exchange,
  bytes: Buffer,
  start: number,
  end: number,
) => Exchange;

/**
 * A 2025-03-26 batch: each member is an exchange of its own through the pipeline; what they are
 * answered is collected and sent as one array when the last is there, or as events of one stream when
 * something else had to be said before (JSON-RPC 2.0 §6; MCP 2025-03-26, Streamable HTTP).
 */
export class Batch {
  readonly parent: Exchange;
  readonly members: Exchange[] = [];
  readonly #replier: Replier;
  readonly #onMemberDone: (member: Exchange) => void;
  #responses: Buffer[] = [];
  #open = 0;
  #isRunning = false;

  constructor(parent: Exchange, replier: Replier, onMemberDone: (member: Exchange) => void) {
    this.parent = parent;
    this.#replier = replier;
    this.#onMemberDone = onMemberDone;
  }

  /**
   * Takes the batch apart and runs its members.
   * @param run sends one member through the pipeline
   * @returns false if it is empty or too long: nothing was run
   */
  start(source: MemberSource, run: (member: Exchange) => void): boolean {
    const { parent } = this;
    parent.retain();
    const { bytes, messageStart, messageEnd } = parent;
    const count = forEachBatchItem(bytes, messageStart, messageEnd, (start, end) => {
      const member = source(parent, bytes, start, end);
      member.batch = this;
      this.members.push(member);
    });
    if (count === 0 || count === BATCH_TOO_LONG) return false;
    this.#open = this.members.length;
    this.#isRunning = true;
    for (const member of [...this.members]) run(member);
    this.#isRunning = false;
    this.#finishIfDone();
    return true;
  }

  /** The parent has ended (its client went away): what members still say goes nowhere. */
  close(): void {
    this.#isClosed = true;
  }

  /** Members whose answer is still to come. */
  get open(): readonly Exchange[] {
    return this.members.filter(({ replyState }) => replyState !== REPLY_DONE);
  }

  onResponse(member: Exchange, response: Buffer): void {
    if (this.#isClosed) {
      this.#done(member);
      return;
    }
    // Within an event stream each response goes out at once.
    if (this.#hasEvents) this.#replier.event(this.parent, response, 0, response.length);
    else this.#responses.push(response);
    this.#done(member);
  }

  /** A notification or response in the batch was taken. */
  onAccepted(member: Exchange): void {
    this.#done(member);
  }

  /** Something that is no response. The batch becomes an event stream. */
  onEvent(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isClosed) return false;
    if (!this.#hasEvents) {
      if (!this.#replier.beginEvents(this.parent)) return false;
      this.#hasEvents = true;
      for (const response of this.#responses) {
        this.#replier.event(this.parent, response, 0, response.length);
      }
      this.#responses = [];
    }
    return this.#replier.event(this.parent, bytes, start, end);
  }

  #hasEvents = false;
  #isClosed = false;

  #done(member: Exchange): void {
    member.replyState = REPLY_DONE;
    this.#open -= 1;
    this.#onMemberDone(member);
    if (!this.#isRunning) this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#open > 0 || this.#isClosed) return;
    // The parent's object may serve another exchange as soon as it is answered.
    this.#isClosed = true;
    if (this.#hasEvents) {
      this.#replier.end(this.parent);
      return;
    }
    if (this.#responses.length === 0) {
      this.#replier.accepted(this.parent);
      return;
    }
    const parts: Buffer[] = [OPEN];
    this.#responses.forEach((response, index) => {
      if (index > 0) parts.push(COMMA);
      parts.push(response);
    });
    parts.push(CLOSE);
    const whole = Buffer.concat(parts);
    this.#replier.message(this.parent, whole, 0, whole.length);
  }
}
