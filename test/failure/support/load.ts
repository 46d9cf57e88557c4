/** Calls that go on until told to stop; what was answered otherwise than it should is kept. */
import type { Client, RpcMessage } from './client.ts';
import { settled } from './settled.ts';

export class Load {
  answered = 0;
  readonly wrong: unknown[] = [];
  #isOver = false;
  readonly #lanes: Promise<void>[];

  /** @param tools echoes; each lane calls them in turn, and the next call when it has its answer */
  constructor(client: Client, lanes: number, tools: readonly string[]) {
    this.#lanes = Array.from({ length: lanes }, async (_, lane) => {
      for (let n = 0; !this.#isOver; n += 1) {
        const id = `${lane}/${n}`;
        const tool = tools[(lane + n) % tools.length]!;
        const answer = await call(client, tool, id).catch((error: unknown) => ({
          id: null,
          result: null,
          error,
        }));
        if (answer.id !== id || answer.result?.content?.[0]?.text !== JSON.stringify({ id }))
          this.wrong.push(answer);
        this.answered += 1;
      }
    });
  }

  /** Resolves when so many more calls were answered. */
  async more(count: number): Promise<void> {
    const wanted = this.answered + count;
    await settled(() => this.answered >= wanted, `${count} more calls`, 30_000);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
  }
}

function call(client: Client, tool: string, id: string): Promise<RpcMessage> {
  return client.sessionId === null
    ? client.call(tool, { id }, id)
    : client.legacyCall(tool, { id }, id);
}
