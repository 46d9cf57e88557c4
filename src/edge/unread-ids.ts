/**
 * Reads, for a shard that has died, the messages it never took from its ring, so that their clients are
 * answered under their own ids. The one place where the edge looks into a body: off every path that a
 * living shard serves. What cannot be read here is answered without an id.
 */
import { FLAG_FIN, FRAME_DATA, FRAME_OPEN } from '../../shared/frame-kind.ts';
import { OpenView } from '../../shared/open-codec.ts';
import type { FrameHandler, RingReader } from '../../shared/ring-reader.ts';
import { forEachBatchItem } from '../protocol/jsonrpc/batch.ts';
import { KIND_BATCH, KIND_REQUEST } from '../protocol/jsonrpc/peek-record.ts';
import { PEEK_OK, Peek, peek } from '../protocol/jsonrpc/peek.ts';
import type { ConnectionTable } from './connection-table.ts';

/** Frames of one ring: it holds no more than its bytes allow, this only bounds a loop. */
const FRAMES_MAX = 1 << 20;

class UnreadIds implements FrameHandler {
  readonly #table: ConnectionTable;
  readonly #view = new OpenView();
  readonly #peek = new Peek();
  /** Bodies that follow their OPEN in frames of their own. */
  readonly #bodies = new Map<number, Uint8Array[]>();

  constructor(table: ConnectionTable) {
    this.#table = table;
  }

  onFrame(
    kind: number,
    flags: number,
    number: number,
    _aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const isLast = (flags & FLAG_FIN) !== 0;
    if (kind === FRAME_OPEN && this.#view.reset(bytes, start, end)) {
      const body = bytes.slice(this.#view.bodyStart, end);
      if (isLast) this.#tell(number, body);
      else this.#bodies.set(number, [body]);
    } else if (kind === FRAME_DATA) {
      const pieces = this.#bodies.get(number);
      pieces?.push(bytes.slice(start, end));
      if (isLast && pieces !== undefined) this.#tell(number, Buffer.concat(pieces));
    }
  }

  /** Bodies that the ring had no room for lie with their exchanges, whole. */
  tellQueued(): void {
    for (const { number, pendingBody } of this.#table.openExchanges()) {
      if (pendingBody !== null) this.#tell(number, pendingBody);
    }
  }

  #tell(number: number, body: Uint8Array): void {
    const exchange = this.#table.find(number);
    if (exchange === undefined || exchange.ids !== null) return;
    const ids = this.#idsOf(Buffer.from(body.buffer, body.byteOffset, body.length));
    if (ids.length > 0) exchange.ids = Buffer.from(`[${ids.join(',')}]`, 'latin1');
  }

  #idsOf(body: Buffer): string[] {
    const record = this.#peek;
    if (peek(body, 0, body.length, record) !== PEEK_OK) return [];
    const ids: string[] = [];
    const keep = (): void => {
      if (record.kind !== KIND_REQUEST) return;
      ids.push(body.toString('latin1', record.idStart, record.idEnd));
    };
    if (record.kind !== KIND_BATCH) keep();
    else {
      forEachBatchItem(body, 0, body.length, (from, to) => {
        if (peek(body, from, to, record) === PEEK_OK) keep();
      });
    }
    return ids;
  }
}

/**
 * Writes the ids of unread messages to their exchanges. Only once the shard's thread has ended, and
 * before what waits for it is dropped.
 *
 * @param reader of the ring that the shard read
 */
export function tellUnreadIds(reader: RingReader, table: ConnectionTable): void {
  const unread = new UnreadIds(table);
  unread.tellQueued();
  reader.read(unread, FRAMES_MAX);
}
