/** Floods of wrong credentials are refused by address before a signature is verified. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { settled } from '../failure/support/settled.ts';
import type { Fields, RawAnswer } from '../interop/support/raw.ts';
import { RSA, RSA_OTHER } from '../policy/fixture.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import { bearer, OK, outcome, SecureGateway, stopGateways } from './support/secure-gateway.ts';
import { ISSUER, token } from './support/tokens.ts';

const SHARDS = 2;
const FAILURES = 5;
const FLOODED = [429, -31016];
const INVALID = [401, -31011];

let upstream: RecordingUpstream;
let behind: SecureGateway;
let bare: SecureGateway;

beforeAll(async () => {
  upstream = await RecordingUpstream.start(['add']);
  const jwt = {
    algorithms: ['RS256' as const],
    publicKey: RSA.publicPem,
    issuer: ISSUER,
    audience: 'sluice',
  };
  const settings = {
    upstreams: { math: { http: { url: upstream.url } } },
    auth: {
      methods: [{ jwt }],
      flood: { failures: FAILURES, windowSeconds: 3600, blockSeconds: 600 },
    },
  };
  [behind, bare] = await Promise.all([
    SecureGateway.start({ ...settings, trustedProxies: ['127.0.0.1/8'] }),
    SecureGateway.start(settings),
  ]);
});
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
});

/** Signed well, by somebody else: it costs a whole verification. */
const forged = (): Fields => bearer(token({ key: RSA_OTHER.privatePem }));

async function flood(
  gateway: SecureGateway,
  count: number,
  address: () => string,
): Promise<RawAnswer[]> {
  const answers: RawAnswer[] = [];
  while (answers.length < count) {
    const round = Array.from({ length: 8 }, () =>
      gateway.call('math_add', {}, { ...forged(), 'x-forwarded-for': address() }),
    );
    answers.push(...(await Promise.all(round)));
  }
  return answers;
}

function expectFlooded(answers: readonly RawAnswer[]): void {
  const invalid = answers.filter(({ status }) => status === 401);
  const refused = answers.filter(({ status }) => status !== 401);
  expect(invalid.length).toBeGreaterThanOrEqual(FAILURES);
  expect(invalid.length).toBeLessThanOrEqual(FAILURES * SHARDS);
  for (const answer of invalid) expect(outcome(answer)).toEqual(INVALID);
  for (const answer of refused) {
    expect(outcome(answer)).toEqual(FLOODED);
    expect(answer.headers['retry-after']).toBe('600');
    expect(answer.headers['www-authenticate']).toBeUndefined();
  }
}

describe('an address that sends wrong credentials', () => {
  it('is refused before a signature is verified, and nobody else is', async () => {
    const good = bearer(token());
    const here = (address: string, fields: Fields): Promise<RawAnswer> =>
      behind.call('math_add', {}, { ...fields, 'x-forwarded-for': address });
    // Both shards know this caller before the flood begins.
    const known = Array.from({ length: 8 }, () => here('198.51.100.7', good));
    for (const answer of await Promise.all(known)) expect(outcome(answer)).toEqual(OK);

    const answers = await flood(behind, 80, () => '198.51.100.7');
    expectFlooded(answers);
    const verified = answers.filter(({ status }) => status === 401).length + SHARDS;
    await settled(
      async () => (await behind.counter('auth_refused_total')) >= answers.length,
      'refusals to be counted',
    );
    expect(await behind.counter('auth_cache_misses_total')).toBeLessThanOrEqual(verified);

    // Who is remembered still passes, also from there; who is not has to wait, but not elsewhere.
    expect(outcome(await here('198.51.100.7', good))).toEqual(OK);
    const another = bearer(token({ claims: { sub: 'bob' } }));
    expect(outcome(await here('198.51.100.7', another))).toEqual(FLOODED);
    expect(outcome(await here('198.51.100.8', another))).toEqual(OK);
    expect(outcome(await here('198.51.100.8', forged()))).toEqual(INVALID);
    // No credential is no wrong one.
    expect(outcome(await here('198.51.100.7', {}))).toEqual([401, -31010]);
  });

  it('is not helped by what it writes into X-Forwarded-For itself', async () => {
    let count = 0;
    const spoof = (): string => `203.0.113.${(count += 1) % 250}`;
    expectFlooded(await flood(behind, 48, () => `${spoof()}, 198.51.100.9`));
    expectFlooded(await flood(bare, 48, spoof));
  });

  it('of IPv6 is its /64', async () => {
    let count = 0;
    const neighbour = (): string => `2001:db8:7:7::${(count += 1).toString(16)}`;
    expectFlooded(await flood(behind, 48, neighbour));
    const next = await flood(behind, 8, () => '2001:db8:7:8::1');
    expect(outcome(next[0]!)).toEqual(INVALID);
  });
});
