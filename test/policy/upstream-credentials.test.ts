import { afterEach, describe, expect, it } from 'vitest';
import type { PlanTokenExchange, PlanUpstreamAuth } from '../../src/config/plan.ts';
import { createHttpFetch } from '../../src/transport/http-fetch.ts';
import type { FetchAnswer } from '../../src/transport/http-fetch.ts';
import { PolicyCounters } from '../../workers/policy/policy-log.ts';
import { ANONYMOUS, Principal } from '../../workers/policy/principal.ts';
import { ScopeSet } from '../../workers/policy/scope-set.ts';
import {
  PendingCredential,
  UpstreamCredentials,
} from '../../workers/policy/upstream-credentials.ts';
import type { CredentialVerdict } from '../../workers/policy/upstream-credentials.ts';
import { FetchBook, HandClock, jsonAnswer, LogBook, sendJson, standIn } from './fixture.ts';

const ENDPOINT = {
  tokenUrl: 'https://as.test/token',
  clientId: 'gw',
  clientSecret: 'gw-secret',
  clientAuthentication: 'client_secret_basic',
  scopes: ['math', 'more'],
  audience: null,
  resource: 'https://math.test/mcp',
  requestTimeoutMs: 5_000,
} as const;
const CLIENT: PlanUpstreamAuth = { kind: 'clientCredentials', ...ENDPOINT };
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const EXCHANGE: PlanTokenExchange = {
  kind: 'tokenExchange',
  ...ENDPOINT,
  subjectTokenType: TOKEN_TYPE,
  requestedTokenType: TOKEN_TYPE,
};

function caller(
  subject: string,
  scopes: string[] = [],
  token: string | null = `token-of-${subject}`,
): Principal {
  const identity = {
    issuer: 'i',
    subject,
    clientId: 'c',
    scopes,
    expiresAtMs: Infinity,
    method: 'm',
  };
  return new Principal(
    identity,
    new ScopeSet(scopes),
    token === null ? null : Buffer.from(token),
    false,
  );
}

class Rig {
  readonly clock = new HandClock();
  readonly log = new LogBook();
  readonly counters = new PolicyCounters();
  readonly book: FetchBook;
  readonly credentials: UpstreamCredentials;
  issued = 0;

  constructor(auth: PlanUpstreamAuth, answer?: FetchBook['answer'], fetch?: FetchBook['fetch']) {
    this.book = new FetchBook(answer ?? (() => this.token()));
    const upstreams = [{ kind: 'http', name: 'math', auth }] as never;
    const { log, counters, clock } = this;
    const deps = { fetch: fetch ?? this.book.fetch, log, counters, nowMs: clock.nowMs };
    this.credentials = new UpstreamCredentials({ upstreams }, deps);
  }

  token(changes: object = {}): FetchAnswer {
    this.issued += 1;
    return jsonAnswer({
      access_token: `issued-${this.issued}`,
      token_type: 'Bearer',
      expires_in: 600,
      ...changes,
    });
  }

  ask(principal: Principal = caller('alice')): Promise<string> {
    return lineOf(this.credentials.headerFor(0, principal));
  }

  form(index: number): Record<string, string> {
    return Object.fromEntries(new URLSearchParams(this.book.requests[index]?.body ?? ''));
  }
}

function lineOf(verdict: CredentialVerdict): Promise<string> {
  if (!(verdict instanceof PendingCredential)) return Promise.resolve(verdict.toString());
  return new Promise((resolve) => verdict.whenReady((header) => resolve(header.toString())));
}

describe('credentials that never change', () => {
  it('are nothing, or a header line', async () => {
    expect(await new Rig({ kind: 'none' }).ask()).toBe('');
    const header: PlanUpstreamAuth = { kind: 'header', name: 'x-key', value: 'abc def' };
    expect(await new Rig(header).ask(ANONYMOUS)).toBe('x-key: abc def\r\n');
  });

  it.each([
    ['x-key', 'a\r\nhost: evil'],
    ['x key', 'a'],
    ['x-key', 'ä'],
  ])('are refused if they could end a line: %j %j', (name, value) => {
    expect(() => new Rig({ kind: 'header', name, value })).toThrow('not a header field');
  });

  it('are a fault for an upstream that does not exist', () => {
    expect(new Rig({ kind: 'none' }).credentials.headerFor(7, ANONYMOUS)).toBe('UPSTREAM_AUTH');
  });
});

describe('client credentials (RFC 6749 §4.4)', () => {
  it('are asked for once and used by all callers until shortly before they expire', async () => {
    const rig: Rig = new Rig(CLIENT);
    const lines = await Promise.all([rig.ask(), rig.ask(caller('bob')), rig.ask(ANONYMOUS)]);
    expect(lines).toEqual(Array.from({ length: 3 }, () => 'authorization: Bearer issued-1\r\n'));
    expect(rig.form(0)).toEqual({
      grant_type: 'client_credentials',
      scope: 'math more',
      resource: 'https://math.test/mcp',
    });
    expect(rig.book.requests[0]?.headers['authorization']).toBe(
      `Basic ${Buffer.from('gw:gw-secret').toString('base64')}`,
    );
    rig.clock.advance(539_999);
    expect(await rig.ask()).toContain('issued-1');
    rig.clock.advance(1);
    expect(await rig.ask()).toContain('issued-2');
    expect(rig.book.requests).toHaveLength(2);
  });

  it('go into the body where the settings say so', async () => {
    const rig: Rig = new Rig({
      ...CLIENT,
      clientAuthentication: 'client_secret_post',
    } as PlanUpstreamAuth);
    await rig.ask();
    expect(rig.form(0)).toMatchObject({ client_id: 'gw', client_secret: 'gw-secret' });
    expect(rig.book.requests[0]?.headers['authorization']).toBeUndefined();
  });

  it.each([
    ['no expires_in', { expires_in: undefined }, 270_000],
    ['expires_in in text', { expires_in: '100' }, 90_000],
    ['a very short life', { expires_in: 1 }, 900],
    ['nonsense', { expires_in: 'soon' }, 270_000],
  ])('are kept for as long as is said: %s', async (_, changes, keptMs) => {
    const rig: Rig = new Rig(CLIENT, () => rig.token(changes));
    await rig.ask();
    rig.clock.advance(keptMs - 1);
    await rig.ask();
    expect(rig.book.requests).toHaveLength(1);
    rig.clock.advance(1);
    await rig.ask();
    expect(rig.book.requests).toHaveLength(2);
  });

  it.each([
    [
      'refuses us',
      () =>
        jsonAnswer(
          { error: 'invalid_client', error_description: 'secret gw-secret is wrong' },
          401,
        ),
    ],
    ['is broken', () => jsonAnswer({}, 500)],
    ['sends no token', () => jsonAnswer({ token_type: 'Bearer' })],
    [
      'sends a token that ends the line',
      () => jsonAnswer({ access_token: 'a\r\nhost: evil', token_type: 'Bearer' }),
    ],
    ['sends a token of two words', () => jsonAnswer({ access_token: 'a b', token_type: 'Bearer' })],
    ['sends a token of another type', () => jsonAnswer({ access_token: 'a', token_type: 'DPoP' })],
    ['sends a list', () => jsonAnswer([])],
    ['is down', () => Promise.reject(new Error('down'))],
  ] as [string, FetchBook['answer']][])(
    'fail with UPSTREAM_AUTH when the server %s, and are tried again later and later',
    async (_, answer) => {
      const rig: Rig = new Rig(CLIENT, answer);
      expect(await rig.ask()).toBe('UPSTREAM_AUTH');
      expect(rig.log.text()).not.toContain('gw-secret');
      expect(rig.credentials.headerFor(0, ANONYMOUS)).toBe('UPSTREAM_AUTH');
      for (const waitMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
        rig.clock.advance(waitMs - 1);
        expect(rig.credentials.headerFor(0, ANONYMOUS)).toBe('UPSTREAM_AUTH');
        rig.clock.advance(1);
        expect(rig.credentials.headerFor(0, ANONYMOUS)).toBeInstanceOf(PendingCredential);
        await rig.ask();
      }
      rig.clock.advance(30_000);
      rig.book.answer = () => rig.token();
      expect(await rig.ask()).toContain('issued-1');
    },
  );

  it('are renewed when the upstream refuses them, but not for every call', async () => {
    const rig: Rig = new Rig(CLIENT);
    await rig.ask();
    rig.credentials.invalidate(0, ANONYMOUS);
    expect(await rig.ask()).toContain('issued-1');
    rig.clock.advance(5_000);
    rig.credentials.invalidate(0, ANONYMOUS);
    expect(await rig.ask()).toContain('issued-2');
  });

  it('bound how many calls wait, and let a cancelled one go', async () => {
    let release: (answer: FetchAnswer) => void = () => undefined;
    const rig: Rig = new Rig(CLIENT, () => new Promise((resolve) => (release = resolve)));
    const waiting = Array.from({ length: 4_096 }, () => rig.credentials.headerFor(0, ANONYMOUS));
    expect(rig.credentials.headerFor(0, ANONYMOUS)).toBe('BUSY');
    const [first] = waiting;
    if (!(first instanceof PendingCredential)) throw new Error('not pending');
    let resumed = 0;
    first.whenReady(() => (resumed += 1));
    first.cancel();
    const last = rig.credentials.headerFor(0, ANONYMOUS);
    await new Promise((resolve) => setImmediate(resolve));
    release(rig.token());
    expect(await lineOf(last)).toContain('issued-1');
    expect(resumed).toBe(0);
  });

  it('tell who waits when the plan is gone', async () => {
    const rig: Rig = new Rig(CLIENT, () => new Promise(() => undefined));
    const line = rig.ask();
    rig.credentials.close();
    expect(await line).toBe('UPSTREAM_AUTH');
  });
});

describe('token exchange (RFC 8693)', () => {
  it("sends the caller's token to the authorization server alone, once per caller", async () => {
    const rig: Rig = new Rig(EXCHANGE);
    const alice = caller('alice');
    expect(await rig.ask(alice)).toBe('authorization: Bearer issued-1\r\n');
    expect(rig.form(0)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'token-of-alice',
      subject_token_type: TOKEN_TYPE,
      requested_token_type: TOKEN_TYPE,
      scope: 'math more',
      resource: 'https://math.test/mcp',
    });
    expect(await rig.ask(caller('alice', [], 'a-newer-token'))).toContain('issued-1');
    expect(await rig.ask(caller('bob'))).toContain('issued-2');
    expect(await rig.ask(alice)).toContain('issued-1');
  });

  it('gives a caller with fewer scopes nothing that was made for more', async () => {
    const rig: Rig = new Rig(EXCHANGE);
    expect(await rig.ask(caller('alice', ['a', 'b']))).toContain('issued-1');
    expect(await rig.ask(caller('alice', ['a']))).toContain('issued-2');
    expect(await rig.ask(caller('alice', ['b', 'a']))).toContain('issued-1');
  });

  it('is impossible for callers without a token of an issuer', () => {
    const rig: Rig = new Rig(EXCHANGE);
    expect(rig.credentials.headerFor(0, ANONYMOUS)).toBe('UPSTREAM_AUTH');
    expect(rig.credentials.headerFor(0, caller('ci', [], null))).toBe('UPSTREAM_AUTH');
    expect(rig.book.requests).toHaveLength(0);
  });

  it('fails for one caller alone', async () => {
    const rig: Rig = new Rig(EXCHANGE, (request) =>
      request.body?.includes('mallory') === true
        ? jsonAnswer({ error: 'invalid_request' }, 400)
        : rig.token(),
    );
    expect(await rig.ask(caller('mallory'))).toBe('UPSTREAM_AUTH');
    expect(await rig.ask(caller('alice'))).toContain('issued-1');
    expect(rig.credentials.headerFor(0, caller('mallory'))).toBe('UPSTREAM_AUTH');
    expect(rig.log.text()).toContain('error=invalid_request');
    expect(rig.log.text()).not.toContain('token-of-mallory');
  });

  it('makes few requests at once and keeps a bounded number of tokens', async () => {
    let running = 0;
    let most = 0;
    const rig: Rig = new Rig(EXCHANGE, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return rig.token();
    });
    const callers = Array.from({ length: 300 }, (_, i) => caller(`user-${i}`));
    const lines = await Promise.all(callers.map((one) => rig.ask(one)));
    expect(new Set(lines).size).toBe(300);
    expect(most).toBe(16);
  });
});

describe('a real authorization server on loopback', () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  it('exchanges a token over HTTP', async () => {
    const server = await standIn((request, response) => {
      const form = new URLSearchParams(request.body);
      const isGood =
        form.get('subject_token') === 'token-of-alice' &&
        request.headers.authorization?.startsWith('Basic ');
      if (isGood === true)
        sendJson(response, 200, {
          access_token: 'for-math',
          issued_token_type: TOKEN_TYPE,
          token_type: 'bearer',
          expires_in: 60,
        });
      else sendJson(response, 400, { error: 'invalid_request' });
    });
    const port = createHttpFetch({ connectionsMax: 2 });
    open.push(port, server);
    const rig: Rig = new Rig(
      { ...EXCHANGE, tokenUrl: `${server.url}/token` },
      undefined,
      port.fetch,
    );
    expect(await rig.ask(caller('alice'))).toBe('authorization: Bearer for-math\r\n');
    expect(await rig.ask(caller('bob'))).toBe('UPSTREAM_AUTH');
    expect(rig.counters).toMatchObject({ upstreamTokens: 1, upstreamTokenFailures: 1 });
  });
});
