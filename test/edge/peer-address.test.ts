import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddressRange } from '../../src/config/address-range.ts';
import type { PlanAddressRange } from '../../src/config/plan.ts';
import {
  addressFamily,
  FORWARDED_HOPS_MAX,
  isInRanges,
  parseAddress,
  resolveClient,
  writeAddress,
} from '../../src/edge/peer-address.ts';

const out = new Uint8Array(24);

/** `family/hex` as parsed, or `0`. */
function parse(text: string): string {
  out.fill(0xee);
  const family = parseAddress(text, 0, text.length, out, 4);
  expect([...out.subarray(0, 4), ...out.subarray(20)]).toEqual(new Array(8).fill(0xee));
  return family === 0 ? '0' : `${family}/${Buffer.from(out.subarray(4, 20)).toString('hex')}`;
}

function ranges(...texts: string[]): PlanAddressRange[] {
  return texts.map((text) => {
    const range = parseAddressRange(text);
    if (range === null) throw new Error(`not a range: ${text}`);
    return range;
  });
}

/** What the platform and the configuration make of the same text. */
function expected(text: string): string {
  const range = text.includes('/') || text.includes('%') ? null : parseAddressRange(text);
  if (range === null || isIP(text) === 0) return '0';
  const bytes = Buffer.alloc(16);
  bytes.set(range.bytes);
  return `${range.family}/${bytes.toString('hex')}`;
}

describe('an address', () => {
  it.each([
    ['1.2.3.4', '4/01020304000000000000000000000000'],
    ['255.255.255.255', '4/ffffffff000000000000000000000000'],
    ['::', '6/00000000000000000000000000000000'],
    ['::1', '6/00000000000000000000000000000001'],
    ['2001:DB8::a:0', '6/20010db80000000000000000000a0000'],
    ['1:2:3:4:5:6:7:8', '6/00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '6/00010002000300040005000600070000'],
    ['64:ff9b::1.2.3.4', '6/0064ff9b000000000000000001020304'],
    ['::ffff:1.2.3.4', '4/01020304000000000000000000000000'],
    ['::ffff:102:304', '4/01020304000000000000000000000000'],
    ['0:0:0:0:0:ffff:1.2.3.4', '4/01020304000000000000000000000000'],
  ])('%s is read', (text, bytes) => {
    expect(parse(text)).toBe(bytes);
  });

  it.each([
    ...['', '1', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '256.1.1.1', '01.2.3.4'],
    ...['1.2.3.4 ', ' 1.2.3.4', '1.2.3.0x4', '1,2,3,4', '127.1', '2130706433', 'localhost'],
    ...[
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      '12345::',
      '1:2:3:4:5:6:7:8::',
    ],
    ...['::1:', ':1::', 'g::', '::1.2.3', '::1.2.3.4.5', '1.2.3.4::', '::1.2.3.4:5', '[::1]'],
    ...['1:2:3:4:5:6:7:1.2.3.4', 'fe80::1%eth0', '::ffff:1.2.3.4/96', '::\u0661'],
  ])('%j is none', (text) => {
    expect(parse(text)).toBe('0');
  });

  it('is read as the platform reads it, whatever the text', () => {
    const piece = fc.constantFrom(
      '::',
      ':',
      '.',
      '0',
      'ffff',
      '1',
      '255',
      '256',
      'a',
      '00',
      ' ',
      '%',
    );
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc.tuple(fc.ipV6(), fc.nat(40), piece).map(([ip, at, extra]) => {
        return ip.slice(0, at) + extra + ip.slice(at);
      }),
    );
    fc.assert(
      fc.property(text, (address) => {
        expect(parse(address)).toBe(expected(address));
      }),
      { numRuns: 3000 },
    );
  });

  it('of a socket is written as 16 bytes, mapped ones as the IPv4 address they are', () => {
    const mapped = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 7]);
    const plain = new Uint8Array([10, 0, 0, 7]);
    const other = new Uint8Array(16).fill(9);
    expect([mapped, plain, other].map((bytes) => addressFamily(bytes))).toEqual([4, 4, 6]);
    for (const bytes of [mapped, plain]) {
      out.fill(0xee);
      writeAddress(bytes, out, 2);
      expect([...out.subarray(2, 18)]).toEqual([10, 0, 0, 7, ...new Array<number>(12).fill(0)]);
    }
    writeAddress(other, out, 2);
    expect([...out.subarray(2, 18)]).toEqual([...other]);
  });
});

describe('a range', () => {
  function isIn(address: string, ...texts: string[]): boolean {
    const family = parseAddress(address, 0, address.length, out, 0);
    if (family === 0) throw new Error(`not an address: ${address}`);
    return isInRanges(ranges(...texts), family, out, 0);
  }

  it.each([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.0.0.0', '10.0.0.0/8', false],
    ['172.31.255.255', '172.16.0.0/12', true],
    ['172.32.0.0', '172.16.0.0/12', false],
    ['127.0.0.1', '127.0.0.1/8', true],
    ['1.2.3.4', '1.2.3.4', true],
    ['1.2.3.5', '1.2.3.4', false],
    ['1.2.3.5', '0.0.0.0/0', true],
    ['::1', '0.0.0.0/0', false],
    ['1.2.3.4', '::/0', false],
    ['2001:db8::1', '2001:db8::/33', true],
    ['2001:db8:8000::1', '2001:db8::/33', false],
    ['::ffff:10.0.0.1', '10.0.0.0/8', true],
    ['10.0.0.1', '::ffff:10.0.0.0/104', true],
  ])('%s in %s: %s', (address, range, answer) => {
    expect(isIn(address, range)).toBe(answer);
  });

  it('has the addresses that agree with it in its first bits', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, base, bits) => {
        const value = (text: string): bigint =>
          text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
        const shift = BigInt(32 - bits);
        const answer = value(address) >> shift === value(base) >> shift;
        expect(isIn(address, `${base}/${bits}`)).toBe(answer);
      }),
    );
  });
});

describe('the client behind proxies', () => {
  const trusted = ranges('127.0.0.0/8', '10.0.0.0/8', 'fd00::/8');

  /** The client for a peer and a field. */
  function client(peer: string, forwardedFor: string, proxies = trusted): string {
    const peerFamily = parseAddress(peer, 0, peer.length, out, 0);
    const family = resolveClient(proxies, forwardedFor, peerFamily === 6 ? 6 : 4, out, 0);
    const bytes = out.subarray(0, 16);
    if (family === 4) {
      expect([...bytes.subarray(4)]).toEqual(new Array(12).fill(0));
      return bytes.subarray(0, 4).join('.');
    }
    return Buffer.from(bytes).toString('hex');
  }

  it('is the peer itself, if that is no proxy of ours', () => {
    expect(client('8.8.8.8', '1.1.1.1')).toBe('8.8.8.8');
    expect(client('127.0.0.1', '1.1.1.1', [])).toBe('127.0.0.1');
    expect(client('127.0.0.1', '')).toBe('127.0.0.1');
  });

  it('is what the last trusted proxy saw, not what the client claims', () => {
    expect(client('127.0.0.1', '8.8.8.8')).toBe('8.8.8.8');
    expect(client('127.0.0.1', '10.0.0.1, 8.8.8.8')).toBe('8.8.8.8');
    expect(client('127.0.0.1', '6.6.6.6, 8.8.8.8,10.0.0.9 ,\t10.0.0.1')).toBe('8.8.8.8');
    expect(client('127.0.0.1', 'junk, 8.8.8.8, 10.0.0.1')).toBe('8.8.8.8');
  });

  it('is the leftmost if all are trusted', () => {
    expect(client('127.0.0.1', '10.0.0.3,10.0.0.2,10.0.0.1')).toBe('10.0.0.3');
    expect(client('127.0.0.1', '10.0.0.3')).toBe('10.0.0.3');
  });

  it('may be an IPv6 address, in brackets or not, with a port or not', () => {
    const bytes = '20010db8000000000000000000000001';
    for (const entry of ['2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:443']) {
      expect(client('fd00::1', entry)).toBe(bytes);
    }
    expect(client('::1', '8.8.8.8', ranges('::1'))).toBe('8.8.8.8');
    expect(client('127.0.0.1', '8.8.8.8:1234')).toBe('8.8.8.8');
    expect(client('127.0.0.1', '::ffff:8.8.8.8')).toBe('8.8.8.8');
  });

  it.each([
    ...['unknown', '_hidden', '8.8.8', '8.8.8.8:', '8.8.8.8:x', '8.8.8.8:123456', '[8.8.8.8]', '['],
    ...[
      '[::1',
      '[::1]x',
      '[::1]:',
      '"8.8.8.8"',
      'for=8.8.8.8',
      '8.8.8.8 9.9.9.9',
      '',
      ' ',
      '1'.repeat(99),
    ],
  ])('is the proxy that wrote %j', (entry) => {
    expect(client('127.0.0.1', `6.6.6.6, ${entry}`)).toBe('127.0.0.1');
    expect(client('127.0.0.1', `6.6.6.6, ${entry}, 10.0.0.2`)).toBe('10.0.0.2');
  });

  it('is looked for through so many proxies and no more', () => {
    const hops = Array.from({ length: 100_000 }, (_, index) => `10.0.0.${index % 250}`);
    expect(client('127.0.0.1', hops.join(','))).toBe(hops.at(-FORWARDED_HOPS_MAX));
  });

  it('is found for any text without harm', () => {
    const entry = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string(),
      fc.constantFrom(',', ' ', '[', ']:1'),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
        client('127.0.0.1', entries.join(','));
      }),
    );
  });
});
