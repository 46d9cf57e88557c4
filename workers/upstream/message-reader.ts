import { KIND_BATCH, KIND_NOTIFICATION, Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { PeekMemo } from '../../src/protocol/jsonrpc/peek-memo.ts';
import { PEEK_OK, PEEK_REWRITE, peek } from '../../src/protocol/jsonrpc/peek.ts';
import { rewriteMessage } from '../../src/protocol/jsonrpc/rewrite.ts';
import { forEachBatchItem } from '../../src/protocol/jsonrpc/batch.ts';
import {
  METHOD_PROMPTS_CHANGED,
  METHOD_RESOURCES_CHANGED,
  METHOD_RESOURCE_UPDATED,
  METHOD_TOOLS_CHANGED,
} from '../../src/protocol/methods.ts';
import type { Session } from '../session/session.ts';
import type { Upstream } from './upstream.ts';
import type { UpstreamEvents } from './upstream-event.ts';

/** `record` is null for what is no JSON-RPC message. */
export type MessageVisitor = (
  bytes: Buffer,
  start: number,
  end: number,
  record: Peek | null,
) => void;

/**
 * Reads messages of upstreams: one, or a 2025-03-26 batch of them, checked to the last byte. What an
 * upstream wrote in a way that parsers read differently is written anew before anyone relies on it.
 */
export class MessageReader {
  readonly #peek = new Peek();
  readonly #memo: PeekMemo;

  /** @param isBusy see `PeekMemo` */
  constructor(isBusy = false) {
    this.#memo = new PeekMemo(isBusy);
  }

  /** Gives its memory back. It can be used again, and starts anew then. */
  close(): void {
    this.#memo.close();
  }

  /** The record of bytes that are one message, to be used as they are; null where `read` is needed. */
  readSingle(bytes: Buffer, start: number, end: number): Peek | null {
    const record = this.#peek;
    return this.#memo.peek(bytes, start, end, record) === PEEK_OK && record.kind !== KIND_BATCH
      ? record
      : null;
  }

  read(bytes: Buffer, start: number, end: number, visit: MessageVisitor): void {
    const record = this.#peek;
    const verdict = peek(bytes, start, end, record);
    if (verdict === PEEK_OK) {
      if (record.kind !== KIND_BATCH) visit(bytes, start, end, record);
      else {
        forEachBatchItem(bytes, start, end, (from, to) => this.#readOne(bytes, from, to, visit));
      }
      return;
    }
    if (verdict === PEEK_REWRITE) this.#readRewritten(bytes, start, end, visit);
    else visit(bytes, start, end, null);
  }

  #readOne(bytes: Buffer, start: number, end: number, visit: MessageVisitor): void {
    const verdict = peek(bytes, start, end, this.#peek);
    if (verdict === PEEK_OK)
      visit(bytes, start, end, this.#peek.kind === KIND_BATCH ? null : this.#peek);
    else if (verdict === PEEK_REWRITE) this.#readRewritten(bytes, start, end, visit);
    else visit(bytes, start, end, null);
  }

  #readRewritten(bytes: Buffer, start: number, end: number, visit: MessageVisitor): void {
    const { verdict, bytes: anew } = rewriteMessage(bytes, start, end, this.#peek);
    if (verdict === PEEK_OK) visit(anew, 0, anew.length, this.#peek);
    else visit(bytes, start, end, null);
  }

  /**
   * Hands list changes and resource updates to the news desk; they belong to no call wherever they
   * come. True if it was one.
   */
  isNews(
    upstream: Upstream,
    record: Peek,
    bytes: Buffer,
    session: Session | null,
    events: UpstreamEvents,
  ): boolean {
    if (record.kind !== KIND_NOTIFICATION) return false;
    switch (record.methodId) {
      case METHOD_TOOLS_CHANGED:
        events.onListChanged(upstream, 'tools', session === null);
        return true;
      case METHOD_PROMPTS_CHANGED:
        events.onListChanged(upstream, 'prompts', session === null);
        return true;
      case METHOD_RESOURCES_CHANGED:
        events.onListChanged(upstream, 'resources', session === null);
        events.onListChanged(upstream, 'templates', session === null);
        return true;
      case METHOD_RESOURCE_UPDATED:
        if (record.uriStart >= 0) {
          events.onResourceUpdated(
            upstream,
            bytes.toString('utf8', record.uriStart, record.uriEnd),
            session,
          );
        }
        return true;
      default:
        return false;
    }
  }
}
