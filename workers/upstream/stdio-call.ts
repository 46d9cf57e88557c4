import { UpstreamCall } from './call.ts';
import type { CallListener } from './call.ts';
import type { StdioHost } from './stdio-host.ts';

/** One request that a child process works on. */
export class StdioCall extends UpstreamCall {
  readonly host: StdioHost;
  readonly counter: number;
  /** Client capability bits (CLIENT_*) of whoever stands behind the call. */
  clientCapabilities = 0;
  /** Names the downstream session across shards: shard and slot; 0 for none. */
  sessionKey = 0;

  constructor(host: StdioHost, counter: number, idToken: Buffer) {
    super();
    this.host = host;
    this.counter = counter;
    this.idToken = idToken;
  }

  override giveUp(reason: number): void {
    this.host.giveUp(this, reason);
  }

  override respond(bytes: Buffer, start: number, end: number): void {
    this.host.write(bytes, start, end);
  }

  /** A pipe that many calls share cannot be paused for one of them. */
  override resume(): void {}

  settle(): CallListener | null {
    const { listener } = this;
    this.listener = null;
    return listener;
  }
}
