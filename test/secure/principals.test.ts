/** One caller's sessions, lists and upstream sessions are nobody else's. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { legacy, send, type Fields } from '../interop/support/raw.ts';
import { PAIRS, RSA } from '../policy/fixture.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import { bearer, OK, outcome, SecureGateway, stopGateways } from './support/secure-gateway.ts';
import { token } from './support/tokens.ts';

const REVISION = '2025-11-25';
const NOT_FOUND = [404, -32001];

let upstream: RecordingUpstream;
let gateway: SecureGateway;

const jwt = (issuer: string, algorithm: 'RS256' | 'ES256'): object => ({
  jwt: {
    algorithms: [algorithm],
    publicKey: PAIRS[algorithm]!.publicPem,
    issuer,
    audience: 'sluice',
  },
});

beforeAll(async () => {
  upstream = await RecordingUpstream.start(['add', 'root'], 'legacy');
  gateway = await SecureGateway.start({
    upstreams: { math: { http: { url: upstream.url } } },
    routes: [
      { tools: 'math_root', upstream: 'math', requiredScopes: ['admin'] },
      { tools: 'math_*', upstream: 'math' },
    ],
    auth: { required: false, methods: [jwt('one', 'RS256'), jwt('two', 'ES256')] },
  });
});
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
});

interface Who {
  readonly issuer?: 'one' | 'two';
  readonly sub?: string;
  readonly client?: string;
  readonly scope?: string;
}

function as({ issuer = 'one', sub = 'alice', client = 'cli', scope = '' }: Who): Fields {
  const claims = { iss: issuer, sub, client_id: client, scope };
  return bearer(token({ algorithm: issuer === 'one' ? 'RS256' : 'ES256', claims }));
}

const OTHERS: Record<string, Fields> = {
  anonymous: {},
  'another subject': as({ sub: 'bob' }),
  'another client of the same subject': as({ client: 'web' }),
  'the same subject of another issuer': as({ issuer: 'two' }),
};

async function open(fields: Fields): Promise<Fields> {
  const params = {
    protocolVersion: REVISION,
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  };
  const answer = await send(
    gateway.url,
    { jsonrpc: '2.0', id: 0, method: 'initialize', params },
    fields,
  );
  const id = answer.headers['mcp-session-id'];
  if (typeof id !== 'string') throw new Error(`no session: ${answer.text}`);
  const session = { 'mcp-session-id': id, 'mcp-protocol-version': REVISION };
  await send(
    gateway.url,
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { ...fields, ...session },
  );
  return session;
}

const call = (fields: Fields, name = 'math_add'): ReturnType<typeof legacy> =>
  legacy(gateway.url, fields, 'tools/call', { name, arguments: {} });

describe('a legacy session', () => {
  it.each(Object.keys(OTHERS))('is not found by %s, whatever is asked of it', async (who) => {
    const session = await open(as({}));
    const fields = { ...OTHERS[who], ...session };
    expect(outcome(await call(fields))).toEqual(NOT_FOUND);
    const events = { ...fields, accept: 'text/event-stream' };
    expect((await gateway.send(null, events, 'GET')).status).toBe(404);
    expect((await gateway.send(null, fields, 'DELETE')).status).toBe(404);
    const cancelled = {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    };
    expect((await gateway.send(cancelled, fields)).status).toBe(404);
    // All of that has left it as it was, also for another token of the same caller.
    expect(outcome(await call({ ...as({ scope: 'more' }), ...session }))).toEqual(OK);
  });

  it('of an anonymous caller is not found by one who has a name', async () => {
    const session = await open({});
    expect(outcome(await call({ ...as({}), ...session }))).toEqual(NOT_FOUND);
    expect(outcome(await call(session))).toEqual(OK);
  });

  it('needs a good credential with every request', async () => {
    const session = await open(as({}));
    expect(outcome(await call({ ...session, ...bearer('nonsense') }))).toEqual([401, -31011]);
  });
});

describe('sessions at an upstream', () => {
  it('are each one caller’s own, in both eras', async () => {
    const seen = new Map<string, string>();
    const callers = { self: as({}), ...OTHERS };
    for (const [who, fields] of Object.entries(callers)) {
      const session = await open(fields);
      for (const era of ['legacy', 'modern'] as const) {
        const before = upstream.requests.length;
        const answer =
          era === 'legacy'
            ? await call({ ...fields, ...session })
            : await gateway.call('math_add', {}, fields);
        expect(outcome(answer)).toEqual(OK);
        // The last request of all is the call: what opened its session came before.
        const id = upstream.requests.slice(before).at(-1)?.['mcp-session-id'];
        expect(typeof id).toBe('string');
        const owner = seen.get(id as string);
        expect(owner === undefined || owner === who, `${who} and ${String(owner)}`).toBe(true);
        seen.set(id as string, who);
      }
    }
    expect(seen.size).toBeGreaterThanOrEqual(Object.keys(callers).length);
  });
});

describe('lists', () => {
  it('show each caller its own, however they take turns', async () => {
    const narrow = as({ scope: 'calc' });
    const broad = as({ scope: 'admin' });
    const names = async (fields: Fields): Promise<string[]> => {
      const answer = await gateway.modern('tools/list', {}, fields);
      return (answer.message?.result?.['tools'] as { name: string }[]).map(({ name }) => name);
    };
    const rounds = Array.from({ length: 24 }, (_, index) => index);
    await Promise.all(
      rounds.map(async (index) => {
        const isBroad = index % 3 === 0;
        const fields = index % 3 === 2 ? {} : isBroad ? broad : narrow;
        expect(await names(fields)).toEqual(isBroad ? ['math_add', 'math_root'] : ['math_add']);
      }),
    );
    const answer = await gateway.modern('tools/list', {}, broad);
    expect(answer.message?.result?.['cacheScope']).toBe('private');
  });

  it('and calls agree', async () => {
    expect(outcome(await gateway.call('math_root', {}, as({ scope: 'admin' })))).toEqual(OK);
    expect(outcome(await gateway.call('math_root', {}, as({ scope: 'calc' })))).toEqual([
      403, -31012,
    ]);
    const anonymous = await gateway.call('math_root');
    expect(outcome(anonymous)).toEqual([401, -31010]);
    expect(anonymous.text + String(anonymous.headers['www-authenticate'])).not.toContain(
      'requiredScopes',
    );
  });
});

it('a wrong credential is never let in as anonymous', async () => {
  for (const fields of [bearer('x'), { authorization: 'Basic YTpi' }, { authorization: '' }])
    expect((await gateway.modern('tools/list', {}, fields)).status).toBe(401);
  expect(RSA.publicPem).toContain('PUBLIC KEY');
  expect(outcome(await gateway.modern('tools/list'))).toEqual(OK);
});
