import type { FaultCode } from '../../shared/fault.ts';
import type { HttpExecuted } from '../../src/transport/http/http-client.ts';
import type { PeerSet } from '../peer-set.ts';
import { GIVEN_UP_BY_CLIENT, UpstreamCall } from './call.ts';
import type { CallListener } from './call.ts';

/** A call that another shard makes for this one, because it owns the process. */
export class RelayCall extends UpstreamCall {
  readonly owner: number;
  readonly #peers: PeerSet;
  /** Number on the peer ring; set by `PeerSet.open`. */
  number = 0;
  /** Pieces of a message that came in several frames. */
  pieces: Buffer[] = [];
  piecesBytes = 0;

  constructor(peers: PeerSet, owner: number) {
    super();
    this.#peers = peers;
    this.owner = owner;
  }

  override giveUp(reason: number): void {
    const listener = this.settle();
    this.#peers.cancel(this);
    if (listener !== null && reason !== GIVEN_UP_BY_CLIENT) {
      listener.onFault(this, 'UPSTREAM_TIMEOUT', 1, 'deadline');
    }
  }

  override respond(bytes: Buffer, start: number, end: number): void {
    this.#peers.respond(this, bytes, start, end);
  }

  override resume(): void {}

  settle(): CallListener | null {
    const { listener } = this;
    this.listener = null;
    return listener;
  }

  fault(code: FaultCode, executed: HttpExecuted, detail: string): void {
    this.settle()?.onFault(this, code, executed, detail);
  }
}
