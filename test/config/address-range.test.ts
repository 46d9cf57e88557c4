import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLoopbackHost, parseAddressRange } from '../../src/config/address-range.ts';

describe('address ranges', () => {
  it.each([
    ['10.0.0.0/8', 4, [10, 0, 0, 0], 8],
    ['127.0.0.1/8', 4, [127, 0, 0, 0], 8],
    ['192.168.1.77/25', 4, [192, 168, 1, 0], 25],
    ['1.2.3.4', 4, [1, 2, 3, 4], 32],
    ['0.0.0.0/0', 4, [0, 0, 0, 0], 0],
    ['::ffff:10.1.2.3/104', 4, [10, 0, 0, 0], 8],
    ['::ffff:a01:203', 4, [10, 1, 2, 3], 32],
    ['::1', 6, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128],
    ['fd00:1::/8', 6, [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8],
    ['2001:db8::ff/127', 6, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe], 127],
    ['::/0', 6, new Array<number>(16).fill(0), 0],
  ])('reads %s', (text, family, bytes, prefixBits) => {
    expect(parseAddressRange(text)).toEqual({ family, bytes, prefixBits });
  });

  it.each([
    '',
    '/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::/129',
    'fe80::1%eth0',
    'a',
    '1.2.3.4/',
    '1.2.3.4/ 8',
    '01.2.3.4',
  ])('refuses %j', (text) => {
    expect(parseAddressRange(text)).toBeNull();
  });

  it('covers the addresses that the platform says it covers', () => {
    const ipv4 = fc.ipV4();
    fc.assert(
      fc.property(ipv4, fc.integer({ min: 0, max: 32 }), ipv4, (base, bits, address) => {
        const range = parseAddressRange(`${base}/${bits}`);
        const list = new BlockList();
        list.addSubnet(base, bits, 'ipv4');
        expect(covers(range?.bytes ?? [], bits, parseAddressRange(address)?.bytes ?? [])).toBe(
          list.check(address),
        );
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.ipV6(), (base, bits, address) => {
        const range = parseAddressRange(`${base}/${bits}`);
        const parsed = parseAddressRange(address);
        if (range?.family !== 6 || parsed?.family !== 6) return; // IPv4 in IPv6 notation
        const list = new BlockList();
        list.addSubnet(base, bits, 'ipv6');
        expect(covers(range.bytes, bits, parsed.bytes)).toBe(list.check(address, 'ipv6'));
      }),
    );
  });

  it.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['[::1]', true],
    ['localhost', true],
    ['LOCALHOST', true],
    ['::ffff:127.0.0.1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['128.0.0.1', false],
    ['localhost.example', false],
    ['127.0.0.1/8', false],
  ])('knows whether %s is this machine', (host, expected) => {
    expect(isLoopbackHost(host)).toBe(expected);
  });
});

function covers(range: readonly number[], bits: number, address: readonly number[]): boolean {
  const binary = (bytes: readonly number[]): string =>
    bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return binary(range).slice(0, bits) === binary(address).slice(0, bits);
}
