/**
 * The requests of a measurement. Tokens, tools, arguments and ids vary, so that remembering one value
 * wins nothing; the chance is seeded, so that two runs send the same.
 */
import { randomBytes } from 'node:crypto';
import { createSigner } from 'fast-jwt';
import { TOOL_NAMES } from './stub-reply.ts';

/** Signs the tokens of this run; the gateway gets it through its environment. */
export const PERF_SECRET: string = randomBytes(32).toString('hex');

const CLIENTS = 256;
const POOL_REQUESTS = 4096;
const REVISION = '2026-07-28';

export interface PooledRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const tokens: string[] = [];

/** One per client, made on first use. */
export function clientTokens(): readonly string[] {
  if (tokens.length > 0) return tokens;
  const sign = createSigner({ key: PERF_SECRET, algorithm: 'HS256', expiresIn: 86_400_000 });
  for (let index = 0; index < CLIENTS; index += 1) {
    tokens.push(
      sign({
        iss: 'sluice-perf',
        aud: 'sluice',
        sub: `client-${index}`,
        scope: 'tools:call profile',
        jti: `token-${index}-${'x'.repeat(index % 32)}`,
      }),
    );
  }
  return tokens;
}

/** `tools/call` of the modern era over all tools, or of one. */
export function callPool(toolName: string | null = null): PooledRequest[] {
  const random = new Mulberry(20_260_728);
  const known = clientTokens();
  return Array.from({ length: POOL_REQUESTS }, (_, index) => {
    const tool = toolName ?? (TOOL_NAMES[random.below(TOOL_NAMES.length)] as string);
    return {
      headers: {
        Accept: 'application/json, text/event-stream',
        Authorization: `Bearer ${known[random.below(known.length)] as string}`,
        'MCP-Protocol-Version': REVISION,
        'Mcp-Method': 'tools/call',
        'Mcp-Name': tool,
      },
      body: callBody(tool, callId(index, random), random),
    };
  });
}

/** `initialize` of the legacy era: each answer opens a session. */
export function initializePool(): PooledRequest[] {
  const random = new Mulberry(20_251_125);
  const known = clientTokens();
  return Array.from({ length: POOL_REQUESTS }, (_, index) => ({
    headers: {
      Accept: 'application/json, text/event-stream',
      Authorization: `Bearer ${known[random.below(known.length)] as string}`,
    },
    body: `{"jsonrpc":"2.0","id":${index},"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"perf-${index}","version":"1.0.0"}}}`,
  }));
}

/** Half numbers, half strings of several lengths, as SDKs of several languages make them. */
function callId(index: number, random: Mulberry): string {
  if (random.below(2) === 0) return String(random.below(1_000_000_000));
  return `"${'call-'.repeat(1 + random.below(3))}${index}"`;
}

function callBody(tool: string, id: string, random: Mulberry): string {
  const words = 'lorem ipsum dolor sit amet '.repeat(random.below(6));
  const args = JSON.stringify({
    a: random.below(1000),
    b: random.below(1000) / 8,
    ...(words === '' ? {} : { text: `"${words}" \\ ü` }),
  });
  const progress = tool === 'stream' ? `"progressToken":${random.below(1000)},` : '';
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}","arguments":${args},"_meta":{${progress}"io.modelcontextprotocol/protocolVersion":"${REVISION}","io.modelcontextprotocol/clientInfo":{"name":"perf","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}}}`;
}

/** A small seeded generator (mulberry32). */
class Mulberry {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit);
  }
}
