import { describe, expect, it } from 'vitest';
import { AuthFlood } from '../../workers/policy/auth-flood.ts';
import { FLOOD_ADDRESSES_MAX } from '../../workers/policy/policy-limits.ts';
import { writeAddressKey } from '../../workers/policy/principal.ts';
import { AuthRig, authPlan, jwtMethod, mint, nameOf, RSA, RSA_OTHER } from './fixture.ts';

const OPTIONS = { failures: 3, windowMs: 10_000, blockMs: 30_000 };

function address(low: number, high = 4): Uint32Array {
  return Uint32Array.of(low, high);
}

describe('the table of addresses that fail', () => {
  it('refuses an address after so many failures within the window, for the time of the block', () => {
    const flood = new AuthFlood(OPTIONS);
    const a = address(1);
    expect([flood.fail(a, 0), flood.fail(a, 1), flood.blockedMs(a, 1)]).toEqual([false, false, 0]);
    expect(flood.fail(a, 2)).toBe(true);
    expect(flood.blockedMs(a, 3)).toBe(29_999);
    expect(flood.blockedMs(address(2), 3)).toBe(0);
    expect(flood.blockedMs(a, 30_002)).toBe(0);
    expect(flood.fail(a, 30_002)).toBe(false);
  });

  it('starts counting anew with each window', () => {
    const flood = new AuthFlood(OPTIONS);
    const a = address(1);
    flood.fail(a, 0);
    flood.fail(a, 9_999);
    expect(flood.fail(a, 10_000)).toBe(false);
    expect(flood.fail(a, 10_001)).toBe(false);
    expect(flood.fail(a, 10_002)).toBe(true);
  });

  it('never refuses where the settings say 0', () => {
    const flood = new AuthFlood({ ...OPTIONS, failures: 0 });
    for (let i = 0; i < 100; i += 1) flood.fail(address(1), i);
    expect(flood.blockedMs(address(1), 100)).toBe(0);
  });

  it('keeps an address refused while a flood from a hundred thousand others passes through', () => {
    const flood = new AuthFlood(OPTIONS, 7);
    const blocked = Array.from({ length: 100 }, (_, i) => address(i + 1));
    for (const one of blocked) for (let i = 0; i < 3; i += 1) flood.fail(one, 0);
    for (let i = 0; i < 100_000; i += 1) flood.fail(address(i + 1_000_000), i / 100);
    expect(blocked.filter((one) => flood.blockedMs(one, 1_000) > 0)).toHaveLength(100);
    expect(FLOOD_ADDRESSES_MAX).toBeLessThan(100_000);
  });
});

describe('the key of an address', () => {
  const keyOf = (family: number, bytes: number[]): string => {
    const out = new Uint32Array(2);
    writeAddressKey(family, Uint8Array.from([0, ...bytes]), 1, out);
    return `${out[1]!.toString(16)}:${out[0]!.toString(16)}`;
  };

  it('is all of an IPv4 address', () => {
    expect(keyOf(4, [192, 0, 2, 1])).toBe('4:c0000201');
    expect(keyOf(4, [255, 255, 255, 255])).toBe('4:ffffffff');
  });

  it('is the first 64 bits of an IPv6 address', () => {
    const network = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2];
    expect(keyOf(6, [...network, 1, 2, 3, 4, 5, 6, 7, 8])).toBe('20010db8:10002');
    expect(keyOf(6, [...network, 8, 7, 6, 5, 4, 3, 2, 1])).toBe('20010db8:10002');
  });
});

describe('a flood of wrong tokens', () => {
  const wrong = mint({ key: RSA_OTHER.privatePem });
  const rig = (): AuthRig =>
    new AuthRig(authPlan([jwtMethod(['RS256'], { source: 'pem', pem: RSA.publicPem })]));

  it('is refused by address before any signature is verified', () => {
    const auth = rig();
    for (let i = 0; i < 20; i += 1) expect(nameOf(auth.bearer(wrong))).toBe('CREDENTIAL_INVALID');
    expect(auth.bearer(wrong)).toMatchObject({ fault: 'AUTH_FLOOD', retryAfterMs: 30_000 });
    expect(nameOf(auth.bearer(mint()))).toBe('AUTH_FLOOD');
    expect(auth.counters).toMatchObject({ refused: 20, flooded: 2, firstSeen: 20 });
    expect(nameOf(auth.bearer(mint(), '192.0.2.2'))).toBe('alice/cli');
    auth.clock.advance(30_000);
    expect(nameOf(auth.bearer(mint()))).toBe('alice/cli');
  });

  it('shuts out no one at that address who was known before', () => {
    const auth = rig();
    const known = mint();
    expect(nameOf(auth.bearer(known))).toBe('alice/cli');
    for (let i = 0; i < 30; i += 1) auth.bearer(wrong);
    expect(nameOf(auth.bearer(wrong))).toBe('AUTH_FLOOD');
    expect(nameOf(auth.bearer(known))).toBe('alice/cli');
  });

  it('is not made of good tokens or of requests without one', () => {
    const auth = rig();
    for (let i = 0; i < 50; i += 1) {
      expect(nameOf(auth.bearer(mint({ claims: { jti: String(i) } })))).toBe('alice/cli');
      expect(nameOf(auth.ask({}))).toBe('UNAUTHENTICATED');
    }
  });

  it('writes a few lines to the log and no token', () => {
    const auth = rig();
    for (let i = 0; i < 100; i += 1) auth.bearer(wrong, `192.0.2.${i}`);
    expect(auth.log.lines).toHaveLength(10);
    expect(auth.log.lines[0]).toMatchObject({
      fields: { method: 'jwt', reason: 'invalid-signature' },
    });
    for (const part of wrong.split('.')) expect(auth.log.text()).not.toContain(part);
  });
});
