import {
  FRAME_ABORT,
  FRAME_CANCEL,
  FRAME_DATA,
  FRAME_EVENT,
  FRAME_MESSAGE,
  FRAME_OPEN,
} from '../shared/frame-kind.ts';
import type { FrameHandler, RingReader } from '../shared/ring-reader.ts';
import { RELAY_TO_OWNER } from './relay-codec.ts';
import type { ShardParts } from './shard-parts.ts';

/** Reads one peer's ring. */
export class PeerFrames implements FrameHandler {
  readonly reader: RingReader;
  readonly #parts: ShardParts;
  readonly #from: number;

  constructor(parts: ShardParts, from: number, reader: RingReader) {
    this.#parts = parts;
    this.#from = from;
    this.reader = reader;
  }

  onFrame(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    raw: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { peers, relay, news } = this.#parts;
    const bytes = raw as Buffer;
    switch (kind) {
      case FRAME_OPEN:
        relay.onOpen(this.#from, exchange, flags, aux, bytes, start, end);
        break;
      case FRAME_DATA:
        relay.onData(this.#from, exchange, flags, bytes, start, end);
        break;
      case FRAME_CANCEL:
        relay.onCancel(this.#from, exchange);
        break;
      case FRAME_MESSAGE:
        if ((aux & RELAY_TO_OWNER) !== 0)
          relay.onResponse(this.#from, exchange, aux, bytes, start, end);
        else peers.onMessage(exchange, flags, aux, bytes, start, end);
        break;
      case FRAME_ABORT:
        peers.onAbort(exchange, aux, flags);
        break;
      case FRAME_EVENT:
        news.onEvent(this.#from, aux, bytes, start, end);
        break;
      default:
        break;
    }
  }
}
