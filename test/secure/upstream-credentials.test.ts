/** The gateway's own credentials at upstreams that let nobody in without one: what arrives there, byte by byte. */
import { afterAll, afterEach, describe, expect, it } from 'vitest';

import type { ConfigInput } from '../../src/config/schema.ts';
import { settled } from '../failure/support/settled.ts';
import { RSA, sendJson, standIn, type StandIn } from '../policy/fixture.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import {
  bearer,
  confidential,
  OK,
  outcome,
  SecureGateway,
  stopGateways,
} from './support/secure-gateway.ts';
import { ISSUER, token } from './support/tokens.ts';

const SHARDS = 2;
const CLIENT_SECRET = confidential('upstream-client-secret-0123456789');
const FIXED = confidential('Bearer fixed-upstream-token-0123456789');

interface Issued {
  readonly grant: string;
  readonly subject: string | null;
  readonly diesAtMs: number;
}

/** What the token endpoint gave out, by token. */
const issued = new Map<string, Issued>();
let issuer: StandIn | null = null;

afterEach(async () => {
  await stopGateways();
  await stopUpstreams();
  await issuer?.close();
  issuer = null;
  issued.clear();
});
afterAll(stopGateways);

async function startIssuer(lifeSeconds = 3600): Promise<StandIn> {
  issuer = await standIn(({ body, headers }, response) => {
    const form = new URLSearchParams(body);
    const basic = `Basic ${Buffer.from(`gateway:${CLIENT_SECRET}`).toString('base64')}`;
    if (headers.authorization !== basic) {
      sendJson(response, 401, { error: 'invalid_client' });
      return;
    }
    const access = confidential(`issued-token-${issued.size}-${'x'.repeat(20)}`);
    issued.set(access, {
      grant: (form.get('grant_type') ?? '').replace(/^.*:/, ''),
      subject: form.get('subject_token'),
      diesAtMs: performance.now() + lifeSeconds * 1000,
    });
    const answer = { access_token: access, token_type: 'Bearer', expires_in: lifeSeconds };
    sendJson(response, 200, answer);
  });
  return issuer;
}

/** An upstream that answers 401 to whoever does not bring what `isGood` likes, whatever is asked. */
async function guarded(
  era: 'modern' | 'legacy',
  isGood: (authorization: string) => boolean,
): Promise<RecordingUpstream> {
  const upstream = await RecordingUpstream.start(['add'], era);
  upstream.before = ({ headers }, response) => {
    if (isGood(headers.authorization ?? '')) return false;
    const error = { code: -32001, message: 'unauthorized' };
    sendJson(response, 401, { jsonrpc: '2.0', id: null, error });
    return true;
  };
  return upstream;
}

const isAlive = (authorization: string): boolean =>
  (issued.get(authorization.replace('Bearer ', ''))?.diesAtMs ?? 0) > performance.now();

type UpstreamAuth = NonNullable<ConfigInput['upstreams'][string]['auth']>;

function start(upstream: RecordingUpstream, auth: UpstreamAuth): Promise<SecureGateway> {
  const jwt = {
    algorithms: ['RS256' as const],
    publicKey: RSA.publicPem,
    issuer: ISSUER,
    audience: 'sluice',
  };
  return SecureGateway.start({
    upstreams: { math: { http: { url: upstream.url, headers: { 'x-team': 'blue' } }, auth } },
    auth: { methods: [{ jwt }] },
  });
}

function endpoint(): { tokenUrl: string; clientId: string; clientSecret: string } {
  return { tokenUrl: `${issuer!.url}/token`, clientId: 'gateway', clientSecret: CLIENT_SECRET };
}

const ALICE = token({ claims: { sub: 'alice' } });
const BOB = token({ claims: { sub: 'bob' } });

/** A hundred calls unless told otherwise, of two callers, ten at once. */
async function callMany(gateway: SecureGateway, rounds = 10): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const calls = Array.from({ length: 10 }, (_, index) =>
      gateway.call('math_add', { round }, bearer(index % 2 === 0 ? ALICE : BOB)),
    );
    for (const answer of await Promise.all(calls)) expect(outcome(answer)).toEqual(OK);
  }
}

/** Nothing of a client's credential came over the wire to the upstream. */
function expectNoClientToken(upstream: RecordingUpstream): void {
  for (const credential of [ALICE, BOB]) {
    for (const part of credential.split('.').slice(1)) expect(upstream.bytes).not.toContain(part);
  }
}

describe.each(['modern', 'legacy'] as const)('a %s upstream', (era) => {
  it('gets no credential where none is configured', async () => {
    const upstream = await guarded(era, (value) => value === '');
    const gateway = await start(upstream, 'none');
    await callMany(gateway, 2);
    expect(upstream.valuesOf('authorization')).toEqual([]);
    expect(upstream.valuesOf('x-team')).toEqual(['blue']);
    expectNoClientToken(upstream);
  });

  it('gets the fixed header with everything, also with handshakes and lists', async () => {
    const upstream = await guarded(era, (value) => value === FIXED);
    const gateway = await start(upstream, { header: { value: FIXED } });
    await callMany(gateway, 2);
    expect(upstream.valuesOf('authorization')).toEqual([FIXED]);
    expect(upstream.requests.every(({ authorization }) => authorization === FIXED)).toBe(true);
    expectNoClientToken(upstream);
  });

  it('gets a token of the gateway’s own, asked for once by each shard', async () => {
    await startIssuer();
    const upstream = await guarded(era, isAlive);
    const gateway = await start(upstream, { clientCredentials: endpoint() });
    await callMany(gateway);
    expect(issuer?.requests).toHaveLength(SHARDS);
    expect([...issued.values()].map(({ grant }) => grant)).toEqual(
      Array.from({ length: SHARDS }, () => 'client_credentials'),
    );
    expect(upstream.requests.every(({ authorization }) => isAlive(authorization ?? ''))).toBe(true);
    expectNoClientToken(upstream);
  });

  it('gets one token for each caller by exchange, and another for handshakes', async () => {
    await startIssuer();
    const upstream = await guarded(era, isAlive);
    const gateway = await start(upstream, { tokenExchange: endpoint() });
    await callMany(gateway);
    const exchanged = [...issued.values()].filter(({ grant }) => grant === 'token-exchange');
    expect(new Set(exchanged.map(({ subject }) => subject))).toEqual(new Set([ALICE, BOB]));
    expect(exchanged.length).toBeLessThanOrEqual(2 * SHARDS);
    expect(issued.size - exchanged.length).toBe(SHARDS);
    expect(upstream.requests.every(({ authorization }) => isAlive(authorization ?? ''))).toBe(true);
    expectNoClientToken(upstream);
    // A token with other scopes is exchanged anew, though its holder is the same.
    const before = issued.size;
    const narrow = token({ claims: { sub: 'alice', scope: 'less' } });
    expect(outcome(await gateway.call('math_add', {}, bearer(narrow)))).toEqual(OK);
    expect([...issued.values()].slice(before).map(({ subject }) => subject)).toEqual([narrow]);
  });
});

describe('a token for an upstream', () => {
  it('is replaced before it expires, and no call notices', async () => {
    await startIssuer(1);
    // It never says 401, so that nothing but the token's age can be why there is another.
    const isOurs = (value: string): boolean => issued.has(value.replace('Bearer ', ''));
    const upstream = await guarded('modern', isOurs);
    const gateway = await start(upstream, { clientCredentials: endpoint() });
    await settled(async () => {
      expect(outcome(await gateway.call('math_add', {}, bearer(ALICE)))).toEqual(OK);
      return issued.size >= 3 * SHARDS;
    }, 'tokens to be renewed');
    expect(upstream.requests.every(({ authorization }) => isOurs(authorization ?? ''))).toBe(true);
  });

  it('that the upstream refuses is replaced by the next call, once it is not brand new', async () => {
    await startIssuer();
    const revoked = new Set<string>();
    const upstream = await guarded(
      'modern',
      (value) => isAlive(value) && !revoked.has(value.replace('Bearer ', '')),
    );
    const gateway = await start(upstream, { clientCredentials: endpoint() });
    expect(outcome(await gateway.call('math_add', {}, bearer(ALICE)))).toEqual(OK);
    for (const known of issued.keys()) revoked.add(known);
    const first = await gateway.call('math_add', {}, bearer(ALICE));
    expect(outcome(first)).toEqual([502, -31008]);
    expect(first.headers['www-authenticate']).toBeUndefined();
    const isRenewed = async (): Promise<boolean> => {
      const answer = await gateway.call('math_add', {}, bearer(ALICE));
      expect([200, 502]).toContain(answer.status);
      return answer.status === 200;
    };
    await settled(isRenewed, 'another token');
    expect(issued.size).toBeGreaterThan(SHARDS);
    expect(issued.size).toBeLessThanOrEqual(2 * SHARDS);
  });

  it('that cannot be had fails the call, not the gateway, and is asked for with pauses', async () => {
    const refusing = await standIn((_request, response) =>
      sendJson(response, 401, { error: 'invalid_client', error_description: CLIENT_SECRET }),
    );
    issuer = refusing;
    const upstream = await guarded('modern', () => true);
    const gateway = await start(upstream, { clientCredentials: endpoint() });
    for (let call = 0; call < 20; call += 1) {
      const answer = await gateway.call('math_add', {}, bearer(ALICE));
      // Its tools are not known, as it was never reached; at its own endpoint the call finds it.
      expect(answer.message?.error).toBeDefined();
      const params = { name: 'add', arguments: {} };
      const direct = await gateway.modern('tools/call', params, bearer(ALICE), '/math');
      expect(direct.message?.error).toBeDefined();
    }
    expect(refusing.requests.length).toBeLessThan(20);
    expect(upstream.requests).toEqual([]);
  });
});
