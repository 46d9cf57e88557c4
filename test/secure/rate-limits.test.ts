/** Budgets in shared memory, spent through two shards at once: never more than allowed, counted to the call. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { ConfigInput } from '../../src/config/schema.ts';
import { settled } from '../failure/support/settled.ts';
import { legacy, type Fields, type RawAnswer } from '../interop/support/raw.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import {
  bearer,
  confidential,
  OK,
  outcome,
  SecureGateway,
  stopGateways,
} from './support/secure-gateway.ts';

const DAY = 86_400;
const LIMITED = [429, -31001];
const ALGORITHMS = ['tokenBucket', 'slidingWindow', 'fixedWindow'] as const;
const SCOPES = ['global', 'client', 'tool', 'client+tool'] as const;
const CLIENTS = ['ada', 'bob'].map((name) => bearer(confidential(`token-of-${name}-0123456789`)));
const TOOLS = ALGORITHMS.flatMap((algorithm) =>
  SCOPES.flatMap((per) =>
    ['x', 'y'].map((tool) => `${algorithm}_${per.replace('+', '-')}_${tool}`),
  ),
);
const bearerMethod = {
  bearer: {
    tokens: ['ada', 'bob'].map((name) => ({
      value: `token-of-${name}-0123456789`,
      clientId: name,
    })),
  },
};

type Limit = NonNullable<ConfigInput['rateLimits']>[number];

let upstream: RecordingUpstream;

beforeAll(async () => {
  upstream = await RecordingUpstream.start([...TOOLS, 'plain', 'other']);
});
afterEach(stopGateways);
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
});

function start(rateLimits: Limit[], more: Partial<ConfigInput> = {}): Promise<SecureGateway> {
  return SecureGateway.start({
    upstreams: { m: { http: { url: upstream.url } } },
    auth: { required: false, methods: [bearerMethod] },
    rateLimits,
    ...more,
  });
}

const passed = (answers: readonly RawAnswer[]): number =>
  answers.filter(({ status }) => status === 200).length;

/** Calls at once, spread over the shards. */
function many(count: number, call: () => Promise<RawAnswer>): Promise<RawAnswer[]> {
  return Promise.all(Array.from({ length: count }, call));
}

const from = (address: string): Fields => ({ 'x-forwarded-for': address });

/** How many keys of two clients and two tools have a budget of their own. */
const KEYS = { global: 1, client: 2, tool: 2, 'client+tool': 4 };

describe.each(ALGORITHMS)('%s over two shards', (algorithm) => {
  const N = 10;

  it('lets exactly as many through as allowed, for every scope', async () => {
    const limits = SCOPES.map((per) => ({
      per,
      algorithm,
      match: `m_${algorithm}_${per.replace('+', '-')}_*`,
      requests: N,
      windowSeconds: DAY,
    }));
    const gateway = await start(limits);
    for (const per of SCOPES) {
      const answers = await Promise.all(
        CLIENTS.flatMap((fields) =>
          ['x', 'y'].map((tool) => {
            const name = `m_${algorithm}_${per.replace('+', '-')}_${tool}`;
            return many(N + 5, () => gateway.call(name, {}, fields));
          }),
        ),
      );
      const refused = answers.flat().filter(({ status }) => status !== 200);
      expect(new Set(refused.map((answer) => JSON.stringify(outcome(answer))))).toEqual(
        new Set([JSON.stringify(LIMITED)]),
      );
      expect(passed(answers.flat()), per).toBe(N * KEYS[per]);
      if (per === 'client+tool') expect(answers.map(passed)).toEqual([N, N, N, N]);
    }
    await settled(async () => {
      const counts = await gateway.perShard('requests_total');
      return counts.length === 2 && Math.min(...counts) >= 50;
    }, 'both shards to have had their part');
  });
});

it('one of four shards with all the load lets exactly as many through, by every algorithm', async () => {
  const N = 10;
  const limits = ALGORITHMS.map((algorithm) => ({
    per: 'client' as const,
    algorithm,
    match: `m_${algorithm}_*`,
    requests: N,
    windowSeconds: DAY,
  }));
  const gateway = await start(limits, { shards: 4 });
  const init = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  };
  const open = await gateway.send({ jsonrpc: '2.0', id: 0, method: 'initialize', params: init });
  const session = { 'mcp-session-id': open.headers['mcp-session-id'] as string };
  await gateway.send({ jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  for (const algorithm of ALGORITHMS) {
    const name = `m_${algorithm}_global_x`;
    const params = { name, arguments: {} };
    const pinned = many(N + 5, () => legacy(gateway.url, session, 'tools/call', params));
    expect(passed(await pinned), algorithm).toBe(N);
  }
  await settled(async () => {
    const counts = await gateway.perShard('requests_total');
    return counts.filter((count) => count >= 3 * (N + 5)).length === 1;
  }, 'one shard to have had it all');
  // The budget is one: what one shard spent, the others do not have.
  for (const algorithm of ALGORITHMS)
    expect(passed(await many(8, () => gateway.call(`m_${algorithm}_global_y`)))).toBe(0);
});

describe('a refusal', () => {
  it('says when to come back, in header fields and in the error', async () => {
    const gateway = await start([
      { per: 'client', algorithm: 'fixedWindow', requests: 1, windowSeconds: 600 },
    ]);
    expect(outcome(await gateway.call('m_plain'))).toEqual(OK);
    const answer = await gateway.call('m_plain');
    expect(outcome(answer)).toEqual(LIMITED);
    const { retryAfterMs } = answer.message?.error?.data as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(600_000);
    const seconds = Math.ceil(retryAfterMs / 1000);
    expect(answer.headers['retry-after']).toBe(String(seconds));
    expect(answer.headers['ratelimit']).toBe(`"client";r=0;t=${seconds}`);
    expect(answer.headers['ratelimit-policy']).toBe('"client";q=1;w=600');
    expect(answer.message?.id).toBe(1);
  });

  it('ends when the time it names is over', async () => {
    const gateway = await start([
      { per: 'client', algorithm: 'slidingWindow', requests: 2, windowSeconds: 1 },
    ]);
    const until = performance.now() + 1000;
    expect(passed(await many(4, () => gateway.call('m_plain')))).toBe(2);
    await settled(
      async () => (await gateway.call('m_plain')).status === 200,
      'the window to move on',
    );
    expect(performance.now()).toBeGreaterThan(until);
  });
});

describe('what counts', () => {
  it('is every request but initialize, ping and discover', async () => {
    const gateway = await start([
      { per: 'global', algorithm: 'fixedWindow', requests: 3, windowSeconds: DAY },
    ]);
    const init = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1' },
    };
    const initialize = (): Promise<RawAnswer> =>
      gateway.send({ jsonrpc: '2.0', id: 0, method: 'initialize', params: init });
    expect(passed(await many(6, initialize))).toBe(6);
    expect(passed(await many(6, () => gateway.modern('server/discover')))).toBe(6);
    const session = { 'mcp-session-id': (await initialize()).headers['mcp-session-id'] as string };
    const notification = { jsonrpc: '2.0', method: 'notifications/initialized' };
    expect((await gateway.send(notification, session)).status).toBe(202);
    expect(passed(await many(6, () => legacy(gateway.url, session, 'ping')))).toBe(6);
    expect(passed(await many(4, () => gateway.modern('tools/list')))).toBe(3);
    expect(passed(await many(4, () => gateway.modern('server/discover')))).toBe(4);
  });

  it('is narrowed by methods', async () => {
    const gateway = await start([
      {
        per: 'client',
        algorithm: 'tokenBucket',
        requests: 2,
        windowSeconds: DAY,
        methods: ['tools/call'],
      },
    ]);
    expect(passed(await many(5, () => gateway.modern('tools/list')))).toBe(5);
    expect(passed(await many(5, () => gateway.call('m_plain')))).toBe(2);
    expect(passed(await many(5, () => gateway.modern('tools/list')))).toBe(5);
  });

  it('is not what another limit refuses: one refusal takes nothing from the others', async () => {
    const gateway = await start([
      { per: 'client', algorithm: 'slidingWindow', requests: 20, windowSeconds: DAY },
      {
        per: 'tool',
        match: 'm_plain',
        algorithm: 'fixedWindow',
        requests: 5,
        windowSeconds: DAY,
      },
    ]);
    // One after the other: what is refused at the same moment may take from others for that moment.
    const answers: RawAnswer[] = [];
    for (let call = 0; call < 15; call += 1) answers.push(await gateway.call('m_plain'));
    expect(passed(answers)).toBe(5);
    expect(passed(await many(20, () => gateway.call('m_other')))).toBe(15);
  });

  it('is not what was denied', async () => {
    const gateway = await start(
      [{ per: 'global', algorithm: 'fixedWindow', requests: 2, windowSeconds: DAY }],
      {
        routes: [
          { tools: 'm_plain', upstream: 'm', requiredScopes: ['no'] },
          { tools: 'm_*', upstream: 'm' },
        ],
      },
    );
    for (let call = 0; call < 5; call += 1)
      expect((await gateway.call('m_plain', {}, CLIENTS[0])).status).toBe(403);
    for (let call = 0; call < 5; call += 1)
      expect((await gateway.call('m_other', {}, bearer('wrong'))).status).toBe(401);
    expect(passed(await many(4, () => gateway.call('m_other')))).toBe(2);
  });

  it('is by a route’s own limit in place of the common one of that kind', async () => {
    const gateway = await start(
      [{ per: 'client', algorithm: 'fixedWindow', requests: 2, windowSeconds: DAY }],
      {
        routes: [
          {
            tools: 'm_plain',
            upstream: 'm',
            rateLimit: { per: 'client', requests: 6, windowSeconds: DAY, burst: 4 },
          },
          { tools: 'm_*', upstream: 'm' },
        ],
      },
    );
    expect(passed(await many(9, () => gateway.call('m_plain')))).toBe(4);
    expect(passed(await many(4, () => gateway.call('m_other')))).toBe(2);
  });
});

describe('an anonymous caller', () => {
  const perClient: Limit[] = [
    { per: 'client', algorithm: 'slidingWindow', requests: 2, windowSeconds: DAY },
  ];

  it('is its address, as a trusted proxy tells it: IPv4 whole, IPv6 by its /64', async () => {
    const gateway = await start(perClient, { trustedProxies: ['127.0.0.1/8'] });
    const rows: [string, number][] = [
      ['198.51.100.1', 2],
      ['198.51.100.2', 2],
      ['2001:db8:1:2::1', 2],
      ['2001:db8:1:2:ffff::9', 0],
      ['2001:db8:1:3::1', 2],
      ['::ffff:198.51.100.1', 0],
      // What the client itself wrote stands to the left, and says nothing.
      ['203.0.113.9, 198.51.100.2', 0],
      ['203.0.113.10, 198.51.100.3, 127.0.0.1', 2],
    ];
    for (const [address, allowed] of rows) {
      const answers = await many(4, () => gateway.call('m_plain', {}, from(address)));
      expect([address, passed(answers)]).toEqual([address, allowed]);
    }
    const named = (): Promise<RawAnswer> =>
      gateway.call('m_plain', {}, { ...CLIENTS[0], ...from('198.51.100.1') });
    expect(passed(await many(4, named))).toBe(2);
  });

  it('cannot choose it where no proxy is trusted', async () => {
    const gateway = await start(perClient);
    let address = 0;
    const spoofed = (): Promise<RawAnswer> =>
      gateway.call('m_plain', {}, from(`198.51.100.${(address += 1)}`));
    expect(passed(await many(8, spoofed))).toBe(2);
  });

  it('in a flood of new ones evicts nobody, and is refused when the table is full', async () => {
    const gateway = await start(perClient, {
      trustedProxies: ['127.0.0.1/8'],
      limits: { rateLimitKeysMax: 64 },
    });
    const call = (address: string): Promise<RawAnswer> =>
      gateway.call('m_plain', {}, from(address));
    const early = Array.from({ length: 8 }, (_, index) => `198.51.100.${index}`);
    for (const address of early) expect(outcome(await call(address))).toEqual(OK);
    let full = 0;
    for (let round = 0; round < 16; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => call(`10.0.${round}.${index}`)),
      );
      for (const answer of answers) {
        if (answer.status === 200) continue;
        expect(outcome(answer)).toEqual([429, -31014]); // LIMIT_TABLE_FULL
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
        full += 1;
      }
    }
    expect(full).toBeGreaterThan(0);
    for (const address of early) {
      expect(outcome(await call(address))).toEqual(OK);
      expect(outcome(await call(address))).toEqual(LIMITED);
    }
    await settled(
      async () => (await gateway.counter('rate_limit_table_full_total')) === full,
      'refusals to be counted',
    );
  });
});

it('a reload leaves budgets of limits that stay the same, and starts changed ones afresh', async () => {
  const limits = (requests: number): Limit[] => [
    {
      per: 'client',
      match: 'm_plain',
      algorithm: 'slidingWindow',
      requests: 3,
      windowSeconds: DAY,
    },
    { per: 'client', match: 'm_other', algorithm: 'fixedWindow', requests, windowSeconds: DAY },
  ];
  const settings = (requests: number): ConfigInput => ({
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: { m: { http: { url: upstream.url } } },
    auth: { required: false, methods: [bearerMethod] },
    rateLimits: limits(requests),
  });
  const gateway = await SecureGateway.start(settings(2));
  expect(passed(await many(2, () => gateway.call('m_plain')))).toBe(2);
  expect(passed(await many(4, () => gateway.call('m_other')))).toBe(2);
  expect(await gateway.reload(settings(5))).toMatch(/reloaded|new settings/);
  expect(passed(await many(4, () => gateway.call('m_plain')))).toBe(1);
  expect(passed(await many(9, () => gateway.call('m_other')))).toBe(5);
});
