import { describe, expect, it } from 'vitest';
import type { PlanJwtKeys } from '../../src/config/plan.ts';
import type { FetchAnswer } from '../../src/transport/http-fetch.ts';
import { createHttpFetch } from '../../src/transport/http-fetch.ts';
import { Authenticator } from '../../workers/policy/authenticator.ts';
import { AUTH_PENDING } from '../../workers/policy/auth-verdict.ts';
import { AUTH_WAITING_MAX } from '../../workers/policy/policy-limits.ts';
import {
  AuthRig,
  authPlan,
  compact,
  FetchBook,
  jsonAnswer,
  jwtMethod,
  mint,
  nameOf,
  RSA,
  RSA_OTHER,
  sendJson,
  settled,
  settledName,
  standIn,
} from './fixture.ts';

const KEYS: PlanJwtKeys = {
  source: 'jwksUrl',
  url: 'https://issuer.test/jwks',
  requestTimeoutMs: 5_000,
};
const METHOD = jwtMethod(['RS256'], KEYS);
const NO_FLOOD = { flood: { failures: 0, windowMs: 1, blockMs: 1 } };
const keySet = (...keys: unknown[]): FetchAnswer => jsonAnswer({ keys });
const goodToken = (): string => mint({ kid: 'a' });

function rigWith(answer: FetchBook['answer']): { rig: AuthRig; book: FetchBook } {
  const book = new FetchBook(answer);
  return { rig: new AuthRig(authPlan([METHOD], NO_FLOOD), book.fetch), book };
}

/** Lets fetches that were begun come to an end. */
function turns(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

async function ready(answer: FetchBook['answer']): Promise<{ rig: AuthRig; book: FetchBook }> {
  const made = rigWith(answer);
  await turns();
  return made;
}

describe('keys behind a URL', () => {
  it('are fetched in the background at start, so that no call waits', async () => {
    const { rig, book } = await ready(() => keySet(RSA.jwk('a')));
    expect(book.requests).toHaveLength(1);
    expect(nameOf(rig.bearer(goodToken()))).toBe('alice/cli');
    expect(book.requests[0]).toMatchObject({ url: 'https://issuer.test/jwks', timeoutMs: 5_000 });
  });

  it('cost one fetch for thousands of tokens with unknown keys', async () => {
    const { rig, book } = await ready(() => keySet(RSA.jwk('a')));
    const claims = { iss: 'https://issuer.test' };
    const strangers = Array.from({ length: 3_000 }, (_, i) =>
      compact({ alg: 'RS256', kid: `unknown-${i}` }, claims, 'AAAA'),
    );
    const verdicts = strangers.map((token) => rig.bearer(token));
    expect(verdicts.every((verdict) => verdict.kind === AUTH_PENDING)).toBe(true);
    expect(rig.counters.waiting).toBe(3_000);
    const names = new Set(await Promise.all(verdicts.map(settledName)));
    expect([...names]).toEqual(['CREDENTIAL_INVALID']);
    expect(rig.counters.waiting).toBe(0);
    for (const token of strangers) expect(nameOf(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
    expect(book.requests).toHaveLength(2);
    rig.clock.advance(59_999);
    expect(nameOf(rig.bearer(mint({ kid: 'unknown' })))).toBe('CREDENTIAL_INVALID');
    rig.clock.advance(1);
    expect(await settledName(rig.bearer(mint({ kid: 'unknown' })))).toBe('CREDENTIAL_INVALID');
    expect(book.requests).toHaveLength(3);
  });

  it('bound how many exchanges wait, and let a cancelled one go', async () => {
    let release: (answer: FetchAnswer) => void = () => undefined;
    const { rig } = rigWith(() => new Promise((resolve) => (release = resolve)));
    await turns();
    const token = goodToken();
    const verdicts = Array.from({ length: AUTH_WAITING_MAX }, () => rig.bearer(token));
    expect(nameOf(rig.bearer(token))).toBe('AUTH_UNAVAILABLE');
    const [first, second] = verdicts;
    if (first?.kind !== AUTH_PENDING || second?.kind !== AUTH_PENDING)
      throw new Error('not pending');
    let resumed = 0;
    first.whenReady(() => (resumed += 1));
    first.cancel();
    first.cancel();
    expect(rig.counters.waiting).toBe(AUTH_WAITING_MAX - 1);
    release(keySet(RSA.jwk('a')));
    expect(await settledName(second)).toBe('alice/cli');
    await Promise.all(verdicts.slice(2).map(settled));
    expect([resumed, rig.counters.waiting]).toEqual([0, 0]);
  });

  it('give everyone who waited for one token the same principal', async () => {
    const { rig } = rigWith(() => keySet(RSA.jwk('a')));
    const token = goodToken();
    const [one, two] = await Promise.all([settled(rig.bearer(token)), settled(rig.bearer(token))]);
    expect(one).toBe(two);
    expect(rig.authenticator.remembered).toBe(1);
  });

  it('follow a rotation: the new key is fetched when it is first seen', async () => {
    let current = [RSA.jwk('a')];
    const { rig } = await ready(() => keySet(...current));
    expect(nameOf(rig.bearer(goodToken()))).toBe('alice/cli');
    current = [RSA.jwk('a'), RSA_OTHER.jwk('b')];
    const rotated = mint({ key: RSA_OTHER.privatePem, kid: 'b' });
    expect(await settledName(rig.bearer(rotated))).toBe('alice/cli');
    expect(nameOf(rig.bearer(goodToken()))).toBe('alice/cli');
    expect(rig.counters.remembered).toBe(1);
  });

  it('make everything forgotten when one of them is withdrawn', async () => {
    let current = [RSA.jwk('a'), RSA_OTHER.jwk('b')];
    const { rig } = await ready(() => keySet(...current));
    const token = goodToken();
    expect(nameOf(rig.bearer(token))).toBe('alice/cli');
    current = [RSA_OTHER.jwk('b')];
    rig.clock.advance(480_000);
    rig.remoteKeys.tick();
    await turns();
    expect(rig.authenticator.remembered).toBe(0);
    expect(await settledName(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
  });

  it('count as withdrawn when a kid stands for another key', async () => {
    let current = [RSA.jwk('a')];
    const { rig } = await ready(() => keySet(...current));
    rig.bearer(goodToken());
    current = [RSA_OTHER.jwk('a')];
    rig.clock.advance(480_000);
    rig.remoteKeys.tick();
    await turns();
    expect(nameOf(rig.bearer(goodToken()))).toBe('CREDENTIAL_INVALID');
  });

  it('are still served while the issuer is down', async () => {
    let isDown = false;
    const { rig } = await ready(() => {
      if (isDown) throw new Error('connect ECONNREFUSED');
      return keySet(RSA.jwk('a'));
    });
    isDown = true;
    for (let i = 0; i < 48; i += 1) {
      rig.clock.advance(60_000);
      rig.remoteKeys.tick();
      await turns();
    }
    expect(rig.counters.keyFetchFailures).toBeGreaterThan(5);
    expect(
      nameOf(rig.bearer(mint({ kid: 'a', claims: { exp: rig.clock.wall / 1000 + 60 } }))),
    ).toBe('alice/cli');
  });

  it('that were never there make a token unavailable, not wrong, and are asked for again with patience', async () => {
    let isDown = true;
    const { rig, book } = rigWith(() => {
      if (isDown) throw new Error('down');
      return keySet(RSA.jwk('a'));
    });
    expect(await settledName(rig.bearer(goodToken()))).toBe('AUTH_UNAVAILABLE');
    for (let i = 0; i < 100; i += 1)
      expect(nameOf(rig.bearer(goodToken()))).toBe('AUTH_UNAVAILABLE');
    expect(book.requests).toHaveLength(1);
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const before = book.requests.length;
      let waited = 0;
      while (book.requests.length === before) {
        rig.clock.advance(1_000);
        waited += 1;
        rig.remoteKeys.tick();
        await turns();
      }
      waits.push(waited);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    isDown = false;
    rig.clock.advance(60_000);
    expect(await settledName(rig.bearer(mint({ kid: 'a' })))).toBe('alice/cli');
    expect(rig.counters.refused).toBe(0);
  });

  it.each([
    ['max-age less age', { 'cache-control': 'public, max-age=1000', age: '200' }, 640],
    ['an hour', { 'cache-control': 'max-age=3600' }, 2_880],
    ['nothing said', {}, 480],
    ['not to be kept', { 'cache-control': 'no-store' }, 48],
    ['too short', { 'cache-control': 'max-age=1' }, 48],
    ['stale already', { 'cache-control': 'max-age=100', age: '5000' }, 48],
    ['too long', { 'cache-control': 'max-age=99999999' }, 69_120],
    ['nonsense', { 'cache-control': 'max-age=soon' }, 480],
  ])('are fetched again ahead of their end: %s', async (_, headers, seconds) => {
    const { rig, book } = await ready(() => jsonAnswer({ keys: [RSA.jwk('a')] }, 200, headers));
    rig.clock.advance(seconds * 1000 - 1);
    rig.remoteKeys.tick();
    await turns();
    expect(book.requests).toHaveLength(1);
    rig.clock.advance(1);
    rig.remoteKeys.tick();
    rig.remoteKeys.tick();
    await turns();
    expect(book.requests).toHaveLength(2);
  });

  it('are kept on 304 and on answers that are none', async () => {
    const answers: FetchAnswer[] = [
      jsonAnswer({ keys: [RSA.jwk('a')] }, 200, { etag: '"v1"' }),
      jsonAnswer(null, 304),
      jsonAnswer({ keys: [] }),
      jsonAnswer({ keys: 'no' }),
      jsonAnswer({ keys: [RSA.jwk('a', { use: 'enc' })] }),
      jsonAnswer({}, 500),
      { status: 200, header: () => null, body: Buffer.from('<html>') },
    ];
    let next = 0;
    const { rig, book } = await ready(() => answers[Math.min(next++, answers.length - 1)]!);
    rig.bearer(goodToken());
    for (let i = 1; i < answers.length; i += 1) {
      rig.clock.advance(480_000);
      rig.remoteKeys.tick();
      await turns();
      expect(book.requests[i]?.headers['if-none-match']).toBe('"v1"');
    }
    expect(rig.authenticator.remembered).toBe(1);
    expect(rig.counters).toMatchObject({ keyFetches: 7, keyFetchFailures: 5 });
  });

  it('pass on to the plan after a reload, so that an issuer that is down locks nobody out', async () => {
    let isDown = false;
    const { rig, book } = await ready(() => {
      if (isDown) throw new Error('down');
      return keySet(RSA.jwk('a'));
    });
    isDown = true;
    const old = rig.authenticator;
    rig.bearer(goodToken());
    rig.authenticator = new Authenticator(authPlan([METHOD]), rig.deps);
    old.close();
    expect(rig.authenticator.remembered).toBe(0);
    expect(nameOf(rig.bearer(goodToken()))).toBe('alice/cli');
    expect(book.requests).toHaveLength(1);
    rig.authenticator.close();
    rig.clock.advance(10_000_000);
    rig.remoteKeys.tick();
    expect(book.requests).toHaveLength(1);
  });

  it('tell who waits when the plan is gone', async () => {
    const { rig } = rigWith(() => new Promise(() => undefined));
    const verdict = rig.bearer(goodToken());
    rig.authenticator.close();
    expect(await settledName(verdict)).toBe('AUTH_UNAVAILABLE');
  });

  it.each([
    'http://issuer.test/jwks',
    'ftp://issuer.test/jwks',
    'https://user:word@issuer.test/',
    'jwks',
  ])('are not taken from %s', (url) => {
    expect(() => rigOfUrl(url)).toThrow('not an https URL');
  });
});

function rigOfUrl(url: string): AuthRig {
  return new AuthRig(
    authPlan([jwtMethod(['RS256'], { source: 'jwksUrl', url, requestTimeoutMs: 5_000 })]),
  );
}

describe('keys found through the metadata', () => {
  const urls = ['https://issuer.test/one', 'https://issuer.test/two'];
  const source = {
    source: 'discovery' as const,
    issuer: 'https://issuer.test',
    urls,
    requestTimeoutMs: 5_000,
  };
  const rigFor = (answer: FetchBook['answer']): AuthRig =>
    new AuthRig(authPlan([jwtMethod(['RS256'], source)]), new FetchBook(answer).fetch);

  it('try the next place if one has nothing', async () => {
    const rig = rigFor(({ url }) => {
      if (url.endsWith('/one')) return jsonAnswer({}, 404);
      if (url.endsWith('/two'))
        return jsonAnswer({ issuer: 'https://issuer.test', jwks_uri: 'https://k.test/k' });
      return keySet(RSA.jwk('a'));
    });
    expect(await settledName(rig.bearer(goodToken()))).toBe('alice/cli');
  });

  it.each([
    ['of another issuer', { issuer: 'https://issuer.test/', jwks_uri: 'https://k.test/k' }],
    ['without an issuer', { jwks_uri: 'https://k.test/k' }],
    ['without keys', { issuer: 'https://issuer.test' }],
    ['with keys in clear text', { issuer: 'https://issuer.test', jwks_uri: 'http://k.test/k' }],
    ['that are a list', []],
  ])('refuse metadata %s', async (_, metadata) => {
    const rig = rigFor(({ url }) =>
      url === 'https://k.test/k' ? keySet(RSA.jwk('a')) : jsonAnswer(metadata),
    );
    expect(await settledName(rig.bearer(goodToken()))).toBe('AUTH_UNAVAILABLE');
  });
});

describe('a real issuer on loopback', () => {
  it('is asked with its ETag, by a client that takes no redirect and no endless answer', async () => {
    let mode = 'keys';
    const server = await standIn((request, response) => {
      if (mode === 'redirect') response.writeHead(302, { location: '/elsewhere' }).end();
      else if (mode === 'endless') {
        response.writeHead(200);
        const write = (): boolean =>
          response.write(' '.repeat(65_536), () => response.destroyed || write());
        write();
      } else if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
      else sendJson(response, 200, { keys: [RSA.jwk('a')] }, { etag: '"1"' });
    });
    const port = createHttpFetch({ connectionsMax: 2 });
    const keys: PlanJwtKeys = {
      source: 'jwksUrl',
      url: `${server.url}/jwks`,
      requestTimeoutMs: 5_000,
    };
    const rig = new AuthRig(authPlan([jwtMethod(['RS256'], keys)]), port.fetch);
    expect(await settledName(rig.bearer(goodToken()))).toBe('alice/cli');
    for (const next of ['keys', 'redirect', 'endless']) {
      mode = next;
      rig.clock.advance(480_000);
      const verdict = rig.bearer(mint({ kid: `new-${next}` }));
      expect(await settledName(verdict)).toBe('CREDENTIAL_INVALID');
    }
    expect(server.requests.map((request) => request.path)).toEqual([
      '/jwks',
      '/jwks',
      '/jwks',
      '/jwks',
    ]);
    expect(rig.counters).toMatchObject({ keyFetches: 4, keyFetchFailures: 2 });
    expect(nameOf(rig.bearer(goodToken()))).toBe('alice/cli');
    await port.close();
    await server.close();
  });
});
