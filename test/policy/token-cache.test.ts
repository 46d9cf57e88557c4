import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKernelMemory, openKernel } from '../../shared/kernel/byte-kernel.ts';
import { CREDENTIAL_BYTES_MAX, TOKEN_FRONT_BYTES } from '../../workers/policy/policy-limits.ts';
import { Principal } from '../../workers/policy/principal.ts';
import { NO_SCOPES } from '../../workers/policy/scope-set.ts';
import { TokenCache } from '../../workers/policy/token-cache.ts';
import { TokenFront } from '../../workers/policy/token-front.ts';
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

const PLACE_BYTES = 64 * 1024;
const memory = createKernelMemory(4 * 1024 * 1024)!;
const inKernel = Buffer.from(memory.buffer, 0, PLACE_BYTES);
openKernel(memory, PLACE_BYTES, memory.buffer.byteLength - PLACE_BYTES);

/** As `find`, with the token in memory that the kernel works on, as that of a ring is. */
function findInKernel(cache: TokenCache, source: number, token: Buffer, nowMs = 0): string | null {
  const at = 13 + (token.length % 5);
  inKernel.fill(0x2e, 0, at + token.length + 64);
  token.copy(inKernel, at);
  return cache.find(source, inKernel, at, at + token.length, nowMs)?.subject ?? null;
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

  it('agrees with a plain map for tokens of all lengths, wherever they are compared', () => {
    const lengths = [
      1,
      2,
      3,
      4,
      5,
      15,
      16,
      17,
      64,
      65,
      290,
      900,
      3_072,
      3_073,
      CREDENTIAL_BYTES_MAX,
    ];
    const sources = 3;
    const kinds = ['find', 'find', 'find', 'find', 'find', 'find', 'add', 'add', 'wait'];
    const step = fc.record({
      // Few clears, so that something is there to be found.
      kind: fc
        .integer({ min: 0, max: 99 })
        .map((n) => (n === 0 ? 'clear' : kinds[n % kinds.length]!)),
      token: fc.integer({ min: 0, max: 4 * lengths.length - 1 }),
      source: fc.integer({ min: 0, max: sources - 1 }),
      ms: fc.integer({ min: 0, max: 60 }),
      isInKernel: fc.boolean(),
      repeats: fc.constantFrom(1, 1, 20),
    });
    const bytesOf = (token: number): Buffer =>
      Buffer.alloc(lengths[token % lengths.length]!, `${Math.floor(token / lengths.length)}token`);
    const bound = fc.constantFrom(1, 7, 300);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer(), bound, (steps, seed, max) => {
        const cache = new TokenCache(max, seed, new TokenFront());
        const model = new Map<number, { subject: string; untilMs: number; method: number }>();
        let nowMs = 0;
        for (const [number, one] of steps.entries()) {
          if (one.kind === 'wait') nowMs += one.ms;
          if (one.kind === 'clear') {
            cache.clear();
            model.clear();
          }
          const key = one.token * sources + one.source;
          const known = model.get(key);
          const isAlive = known !== undefined && known.untilMs > nowMs;
          if (!isAlive) model.delete(key);
          for (let repeat = 0; repeat < one.repeats; repeat += 1) {
            const found = one.isInKernel
              ? findInKernel(cache, one.source, bytesOf(one.token), nowMs)
              : (find(cache, one.source, bytesOf(one.token), nowMs)?.subject ?? null);
            // What was evicted is gone: in a small table anything may be.
            if (found === null && max < 300) model.delete(key);
            else if (found !== (isAlive ? known.subject : null)) return false;
            else if (found !== null && cache.foundMethod !== known!.method) return false;
          }
          if (one.kind === 'add' && !model.has(key)) {
            const entry = {
              subject: `p${number}`,
              untilMs: nowMs + one.ms + 1,
              method: number % 16,
            };
            const { subject, method, untilMs } = entry;
            cache.add(one.source, method, bytesOf(one.token), principal(subject), untilMs);
            model.set(key, entry);
            if (findInKernel(cache, one.source, bytesOf(one.token), nowMs) !== subject)
              return false;
          }
          if (cache.size > max) return false;
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

describe('the memory of credentials that the kernel compares', () => {
  /** Enough for each to be copied to the front, were there room. */
  const LAPS = 16;
  const tokensOf = (count: number, length: number): Buffer[] =>
    Array.from({ length: count }, (_, i) => Buffer.from(`${10_000 + i}`.padEnd(length, 'x')));

  it('finds each of more tokens than the front has room for, and whose they are', () => {
    const length = 290;
    const tokens = tokensOf(2 * Math.ceil(TOKEN_FRONT_BYTES / length), length);
    const cache = new TokenCache(10_000, 1, new TokenFront());
    tokens.forEach((token, i) => cache.add(0, 0, token, principal(`p${i}`), 1));
    for (let lap = 0; lap < LAPS; lap += 1) {
      tokens.forEach((token, i) => {
        if (findInKernel(cache, 0, token) !== `p${i}`) expect.fail(`token ${i}, lap ${lap}`);
      });
    }
  });

  it('finds no token that differs in any one byte from one it has found many times', () => {
    for (const length of [1, 3, 4, 5, 15, 16, 17, 63, 64, 65, 290, 1_000, CREDENTIAL_BYTES_MAX]) {
      const cache = new TokenCache(10, 1, new TokenFront());
      const token = randomBytes(length);
      cache.add(0, 0, token, principal('a'), 100);
      for (let lap = 0; lap < LAPS; lap += 1) expect(findInKernel(cache, 0, token)).toBe('a');
      for (let at = 0; at < length; at += length > 1_000 ? 61 : 1) {
        const changed = Buffer.from(token);
        changed[at]! ^= 0x40;
        if (findInKernel(cache, 0, changed) !== null) expect.fail(`byte ${at} of ${length}`);
      }
      expect(findInKernel(cache, 1, token)).toBeNull();
      expect(findInKernel(cache, 0, token)).toBe('a');
    }
  });

  it('finds the same wherever a token lies, with a kernel at hand or none', () => {
    const cache = new TokenCache(10, 1, new TokenFront());
    const token = Buffer.from('t'.repeat(290));
    cache.add(0, 0, token, principal('a'), 100);
    for (let lap = 0; lap < LAPS; lap += 1) {
      expect(findInKernel(cache, 0, token)).toBe('a');
      expect(find(cache, 0, token)?.subject).toBe('a');
    }
  });

  it('gives a token nothing of the one that had its slot before, nor of another cache', () => {
    const front = new TokenFront();
    const [old, fresh] = [new TokenCache(1, 1, front), new TokenCache(1, 1, front)];
    const [first, second] = [Buffer.from('1'.repeat(290)), Buffer.from('2'.repeat(290))];
    old.add(0, 0, first, principal('first'), 100);
    fresh.add(0, 0, first, principal('first of the fresh'), 100);
    for (let lap = 0; lap < LAPS; lap += 1) {
      expect(findInKernel(old, 0, first)).toBe('first');
      expect(findInKernel(fresh, 0, first)).toBe('first of the fresh');
    }
    old.add(0, 0, second, principal('second'), 100);
    expect(findInKernel(old, 0, second)).toBe('second');
    expect(findInKernel(old, 0, first)).toBeNull();
    old.clear();
    for (let lap = 0; lap < LAPS; lap += 1) {
      expect(findInKernel(old, 0, second)).toBeNull();
      expect(findInKernel(fresh, 0, first)).toBe('first of the fresh');
    }
  });

  it('takes scratch once, whatever number of caches use it', () => {
    const room = createKernelMemory(TOKEN_FRONT_BYTES + PLACE_BYTES)!;
    openKernel(room, PLACE_BYTES, room.buffer.byteLength - PLACE_BYTES);
    const scratch = new Uint8Array(room.buffer, PLACE_BYTES);
    const bytes = Buffer.from(room.buffer, 0, PLACE_BYTES);
    const front = new TokenFront();
    for (let plan = 0; plan < 5; plan += 1) {
      const token = Buffer.from(`${plan}`.repeat(290));
      token.copy(bytes, 7);
      const cache = new TokenCache(10, plan, front);
      cache.add(0, 0, token, principal(`p${plan}`), 1);
      for (let lap = 0; lap < LAPS; lap += 1) {
        expect(cache.find(0, bytes, 7, 7 + token.length, 0)?.subject).toBe(`p${plan}`);
      }
      expect(Buffer.from(scratch).indexOf(token), 'its copy lies in scratch').toBeGreaterThan(-1);
    }
  });
});

describe('the memory that credentials take', () => {
  it('is in proportion to those that are remembered, and is used again', () => {
    const cache = new TokenCache(1_000_000, 1, new TokenFront());
    expect(cache.bytes).toBeLessThan(16 * 1024);
    const lengths = [1, 40, 290, 850, 3_000, CREDENTIAL_BYTES_MAX];
    const fill = (count: number): number => {
      let sum = 0;
      for (let i = 0; i < count; i += 1) {
        const token = Buffer.alloc(lengths[i % lengths.length]!, `${i}-`);
        sum += token.length;
        const one = principal(`p${i}`);
        if (find(cache, i, token, 0) === null) cache.add(i, 0, token, one, 10);
      }
      return sum;
    };
    const sum = fill(3_000);
    const { bytes } = cache;
    expect(cache.size).toBe(3_000);
    // A power of two for the bytes, at worst a chunk for each size, records and buckets grown by doubling.
    expect(bytes).toBeLessThan(2 * sum + 8 * 64 * 1024 + 3_000 * (64 + 2 * 56));

    // In another order than they came in.
    for (let n = 0; n < 3_000; n += 1) {
      const i = (n * 1_789) % 3_000;
      const token = Buffer.alloc(lengths[i % lengths.length]!, `${i}-`);
      expect(find(cache, i, token, 10)).toBeNull();
    }
    expect(cache.size).toBe(0);
    fill(3_000);
    expect(cache.bytes).toBe(bytes);
    cache.clear();
    expect(cache.bytes).toBeLessThan(16 * 1024);
  });

  it('is not taken for what is too long to be a credential', () => {
    const cache = new TokenCache(10, 1, new TokenFront());
    const token = Buffer.alloc(CREDENTIAL_BYTES_MAX + 1, 'x');
    cache.add(0, 0, token, principal('a'), 100);
    expect(cache.size).toBe(0);
    expect(findInKernel(cache, 0, token)).toBeNull();
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
