/**
 * The endpoint under load: finds out its era, opens the sessions that a legacy one wants, and has the
 * requests ready. One caller per session, or per token where there are no sessions.
 */
import type { HttpClient } from '../transport/http/http-client.ts';
import { BenchAnswer } from './bench-answer.ts';
import { BenchError, type BenchPlan, type BenchTool } from './bench-plan.ts';
import {
  BenchIds,
  deleteTemplate,
  initializedTemplate,
  initializeTemplate,
  legacyTemplate,
  modernTemplate,
  type HeaderPairs,
  type RequestTemplate,
} from './bench-request.ts';

/** Sessions opened or closed at once. */
const SETUP_CONCURRENCY = 32;
const MODERN_MARK = '"supportedVersions"';

interface SetupAnswer {
  readonly error: string;
  readonly status: number;
  readonly sessionId: string | null;
  readonly message: string;
}

export class BenchTarget {
  readonly ids = new BenchIds();
  era: 'legacy' | 'modern' = 'modern';
  /** Every kind of call for every caller; calls take them in turn. */
  templates: readonly RequestTemplate[] = [];
  sessions = 0;
  readonly #plan: BenchPlan;
  readonly #client: HttpClient;
  readonly #ends: RequestTemplate[] = [];

  constructor(plan: BenchPlan, client: HttpClient) {
    this.#plan = plan;
    this.#client = client;
  }

  /** @throws BenchError if the endpoint refuses or speaks something else */
  async open(): Promise<void> {
    this.era = await this.#findEra();
    if (this.era === 'modern') {
      this.templates = this.#mix((tool, token) => {
        const method = tool === null ? 'tools/list' : 'tools/call';
        return modernTemplate(this.#plan.url, this.#headers(token), method, tool);
      });
      return;
    }
    const templates: RequestTemplate[] = [];
    await inBatches(this.#plan.sessions, SETUP_CONCURRENCY, async (index) => {
      templates.push(...(await this.#openSession(index)));
    });
    this.templates = templates;
  }

  /** Ends the sessions. A server may refuse that, which is not looked at. */
  async close(): Promise<void> {
    await inBatches(this.#ends.length, SETUP_CONCURRENCY, async (index) => {
      await this.#ask(this.#ends[index] as RequestTemplate, false);
    });
    this.#ends.length = 0;
  }

  async #findEra(): Promise<'legacy' | 'modern'> {
    const { era, url } = this.#plan;
    if (era !== 'auto') return era;
    const probe = modernTemplate(url, this.#headers(0), 'server/discover', null);
    const answer = await this.#ask(probe, true);
    if (answer.status === 401 || answer.status === 403)
      throw new BenchError(`the endpoint wants a token: status=${answer.status}`);
    if (answer.status === 0) throw new BenchError(`no answer: ${answer.error}`);
    return answer.error === '' && answer.message.includes(MODERN_MARK) ? 'modern' : 'legacy';
  }

  async #openSession(index: number): Promise<RequestTemplate[]> {
    const { url, tools } = this.#plan;
    const headers = this.#headers(index);
    const answer = await this.#ask(initializeTemplate(url, headers), true);
    if (answer.error !== '') throw new BenchError(`initialize failed: ${answer.error}`);
    const version = /"protocolVersion"\s*:\s*"([\d-]{1,32})"/.exec(answer.message)?.[1];
    if (version === undefined) throw new BenchError('initialize answered without a version');
    const session: HeaderPairs = [
      ...headers,
      ['mcp-protocol-version', version],
      ...(answer.sessionId === null ? [] : ([['mcp-session-id', answer.sessionId]] as const)),
    ];
    if (answer.sessionId !== null) this.#ends.push(deleteTemplate(url, session));
    const greeted = await this.#ask(initializedTemplate(url, session), false);
    if (greeted.error !== '') throw new BenchError(`initialized failed: ${greeted.error}`);
    this.sessions += 1;
    const kinds: readonly (BenchTool | null)[] = tools.length === 0 ? [null] : tools;
    return kinds.map((tool) =>
      legacyTemplate(url, session, tool === null ? 'tools/list' : 'tools/call', tool),
    );
  }

  #mix(make: (tool: BenchTool | null, token: number) => RequestTemplate): RequestTemplate[] {
    const { tools, tokens } = this.#plan;
    const kinds: readonly (BenchTool | null)[] = tools.length === 0 ? [null] : tools;
    return Array.from({ length: Math.max(1, tokens.length) }, (_, token) =>
      kinds.map((tool) => make(tool, token)),
    ).flat();
  }

  #headers(caller: number): HeaderPairs {
    const { headers, tokens } = this.#plan;
    if (tokens.length === 0) return headers;
    return [...headers, ['authorization', `Bearer ${tokens[caller % tokens.length] as string}`]];
  }

  /** One request of our own, outside the measurement. */
  #ask(template: RequestTemplate, expectsAnswer: boolean): Promise<SetupAnswer> {
    return new Promise((resolve) => {
      const owner = {
        onAnswered: (answer: BenchAnswer, error: string): void => {
          const { status, sessionId, message } = answer;
          resolve({ error, status, sessionId, message });
        },
      };
      const answer = new BenchAnswer(owner, template.bytes.length, true);
      if (
        !sendTemplate(this.#client, answer, template, this.ids, this.#plan.timeoutMs, expectsAnswer)
      )
        resolve({ error: 'queue full', status: 0, sessionId: null, message: '' });
    });
  }
}

/** Copies the template into the call's own request, gives it an id, and sends it. */
export function sendTemplate(
  client: HttpClient,
  answer: BenchAnswer,
  { bytes, idOffset }: RequestTemplate,
  ids: BenchIds,
  timeoutMs: number,
  expectsAnswer = true,
): boolean {
  const id = ids.next();
  if (answer.request.length < bytes.length) answer.request = Buffer.allocUnsafe(bytes.length);
  bytes.copy(answer.request);
  if (idOffset !== -1) answer.request.write(id, idOffset, 'latin1');
  answer.reset(id, answer.dueMs, expectsAnswer);
  answer.call = client.send(answer.request, 0, bytes.length, answer, timeoutMs, false);
  return answer.call !== null;
}

/** Runs `work` for 0 to `count`, so many at once. The first failure ends it. */
async function inBatches(
  count: number,
  concurrency: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, run));
}
