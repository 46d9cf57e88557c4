import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Principal } from '../../workers/policy/principal.ts';
import { NO_SCOPES } from '../../workers/policy/scope-set.ts';
import { TokenCache } from '../../workers/policy/token-cache.ts';
import { AuthRig, authPlan, jwtMethod, mint, nameOf, RSA } from './fixture.ts';

function principal(subject: string): Principal {
  const identity = {
    issuer: 'i',
    subject,
    clientId: 'c',
    scopes: [],
    expiresAtMs: Infinity,
    method: 'm',
  };
  return new Principal(identity, NO_SCOPES, null, false);
}

/** The token somewhere in larger memory that other threads see as well. */
function placed(token: Buffer, at: number): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.from(new SharedArrayBuffer(at + token.length + 64));
  bytes.fill(0x2e);
  token.copy(bytes, at);
  return { bytes, start: at, end: at + token.length };
}

function find(cache: TokenCache, source: number, token: Buffer, nowMs = 0): Principal | null {
  const { bytes, start, end } = placed(token, 13);
  return cache.find(source, bytes, start, end, nowMs);
}

describe('the memory of verified credentials', () => {
  it('finds a token by its bytes wherever they lie, and only under its source', () => {
    const cache = new TokenCache(10);
    const alice = principal('alice');
    const token = Buffer.from('some-token-of-the-usual-length');
    cache.add(0, 3, Buffer.from(token), alice, 100);
    expect(find(cache, 0, token)).toBe(alice);
    expect(cache.foundMethod).toBe(3);
    expect(find(cache, 1, token)).toBeNull();
  });

  it('forgets a token at the very millisecond it expires', () => {
    const cache = new TokenCache(10);
    const token = Buffer.from('some-token-of-the-usual-length');
    cache.add(0, 0, Buffer.from(token), principal('a'), 100);
    expect(find(cache, 0, token, 99)).not.toBeNull();
    expect(find(cache, 0, token, 100)).toBeNull();
    expect(cache.size).toBe(0);
  });

  it('finds no token that differs in any one byte, or in length', () => {
    const lengths = fc.integer({ min: 1, max: 700 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 255 }), (length, bits) => {
        const cache = new TokenCache(10);
        const token = randomBytes(length);
        cache.add(0, 0, Buffer.from(token), principal('a'), 100);
        for (let at = 0; at < length; at += 1) {
          const changed = Buffer.from(token);
          changed[at]! ^= bits;
          if (find(cache, 0, changed) !== null) return false;
        }
        const longer = find(cache, 0, Buffer.concat([token, Buffer.from([0x2e])]));
        const shorter = length > 1 ? find(cache, 0, token.subarray(1)) : null;
        return longer === null && shorter === null && find(cache, 0, token) !== null;
      }),
      { numRuns: 60 },
    );
  });

  it('tells tokens apart that share every byte the probe looks at', () => {
    const cache = new TokenCache(1_000);
    const tokens = Array.from({ length: 200 }, (_, i) =>
      Buffer.from(`${1000 + i}${'x'.repeat(80)}`),
    );
    tokens.forEach((token, i) => cache.add(0, 0, Buffer.from(token), principal(`p${i}`), 1));
    tokens.forEach((token, i) => expect(find(cache, 0, token)?.subject).toBe(`p${i}`));
  });

  it('stays within its bound and keeps what is used', () => {
    const cache = new TokenCache(300);
    const used = Buffer.from('the-token-that-is-in-use-all-the-time');
    cache.add(0, 0, Buffer.from(used), principal('used'), 100);
    for (let i = 0; i < 3_000; i += 1) {
      cache.add(0, 0, Buffer.from(`another-token-${i}-of-many`), principal('x'), 100);
      expect(find(cache, 0, used), `after ${i}`).not.toBeNull();
    }
    expect(cache.size).toBe(300);
  });

  it('agrees with a plain map over any series of additions, expiries and clears', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('add' as const),
        token: fc.integer({ min: 0, max: 40 }),
        life: fc.integer({ min: 1, max: 20 }),
      }),
      fc.record({ kind: fc.constant('find' as const), token: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 10 }) }),
      fc.record({ kind: fc.constant('clear' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
        const cache = new TokenCache(1_000, seed);
        const model = new Map<number, number>();
        const bytesOf = (token: number): Buffer =>
          Buffer.from(`token-number-${token}-in-this-model`);
        let nowMs = 0;
        for (const one of steps) {
          if (one.kind === 'wait') nowMs += one.ms;
          else if (one.kind === 'clear') {
            cache.clear();
            model.clear();
          } else {
            const isKnown = (model.get(one.token) ?? 0) > nowMs;
            const found = find(cache, 0, bytesOf(one.token), nowMs);
            if ((found !== null) !== isKnown) return false;
            if (one.kind === 'add' && !isKnown) {
              cache.add(0, 0, bytesOf(one.token), principal('x'), nowMs + one.life);
              model.set(one.token, nowMs + one.life);
            }
          }
        }
        return true;
      }),
    );
  });

  it('keeps nothing where the settings say so', () => {
    const cache = new TokenCache(0);
    cache.add(0, 0, Buffer.from('some-token-of-the-usual-length'), principal('a'), 100);
    expect(cache.size).toBe(0);
  });
});

describe('a remembered token', () => {
  const rig = (): AuthRig => {
    const flood = { failures: 0, windowMs: 1, blockMs: 1 };
    return new AuthRig(
      authPlan([jwtMethod(['RS256'], { source: 'pem', pem: RSA.publicPem })], { flood }),
    );
  };

  it('is answered with the same principal and no second check', () => {
    const auth = rig();
    const token = mint();
    const first = auth.bearer(token);
    expect(auth.bearer(token)).toBe(first);
    expect(auth.ask({ authorization: `bEARER  ${token}` })).toBe(first);
    expect(auth.counters).toMatchObject({ firstSeen: 1, accepted: 1, remembered: 2 });
  });

  it('is refused with any bit of any byte flipped', () => {
    const auth = rig();
    const token = Buffer.from(mint());
    expect(nameOf(auth.bearer(token.toString('latin1')))).toBe('alice/cli');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7 }), (bit) => {
        for (let at = 0; at < token.length; at += 1) {
          const changed = Buffer.from(token);
          changed[at]! ^= 1 << bit;
          if (nameOf(auth.bearer(changed.toString('latin1'))) !== 'CREDENTIAL_INVALID')
            return false;
        }
        return true;
      }),
      { numRuns: 8, examples: [[0], [1], [2], [3], [4], [5], [6], [7]] },
    );
    expect(auth.authenticator.remembered).toBe(1);
  });

  it('is refused once it is expired', () => {
    const auth = rig();
    const token = mint();
    expect(nameOf(auth.bearer(token))).toBe('alice/cli');
    auth.clock.advance(3_604_999);
    expect(nameOf(auth.bearer(token))).toBe('alice/cli');
    auth.clock.advance(1);
    expect(nameOf(auth.bearer(token))).toBe('CREDENTIAL_INVALID');
  });

  it('is checked anew after everything was forgotten', () => {
    const auth = rig();
    const token = mint();
    const first = auth.bearer(token);
    auth.authenticator.forget();
    expect(auth.bearer(token)).not.toBe(first);
    expect(auth.counters.accepted).toBe(2);
  });
});
