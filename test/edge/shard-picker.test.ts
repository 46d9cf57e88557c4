import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShardPicker, shardOfSessionId } from '../../src/edge/shard-picker.ts';
import { SessionSealer } from '../../workers/session/session-id.ts';

const shard = (openCount: number, isRunning = true) => ({ openCount, isRunning });
const idFor = (index: number): string => {
  const bytes = Buffer.from(randomBytes(69));
  bytes[0] = 1;
  bytes.writeUInt16BE(index, 2);
  return bytes.toString('base64url');
};

describe('the shard of a session id', () => {
  it('is read from its clear text', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), (index) => {
        expect(shardOfSessionId(idFor(index))).toBe(index);
      }),
    );
  });

  it('is the one that a sealed id was made for', () => {
    const sealer = new SessionSealer([{ id: 7, secret: randomBytes(32) }]);
    const claims = {
      slot: 3,
      instance: Buffer.alloc(8),
      generation: 1,
      principal: Buffer.alloc(16),
      revision: 1,
      serial: 9,
    };
    for (const index of [0, 1, 31]) {
      expect(shardOfSessionId(String(sealer.seal({ ...claims, shard: index })))).toBe(index);
    }
  });

  it('is none for what is no id of ours, whatever the client sends', () => {
    for (const id of ['', 'AQ', 'not-an-id', 'AAEAAQ', 'AQEA*Q', '\u{1f600}\u{1f600}\u{1f600}']) {
      expect([id, shardOfSessionId(id)]).toEqual([id, -1]);
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (id) => {
        const index = shardOfSessionId(id);
        expect(index).toBeGreaterThanOrEqual(-1);
        expect(index).toBeLessThanOrEqual(0xffff);
      }),
    );
  });
});

describe('the picker', () => {
  it('takes the shard with the fewest open exchanges, and turns on ties', () => {
    const picker = new ShardPicker([shard(2), shard(1), shard(1)]);
    expect([picker.pick(''), picker.pick(''), picker.pick('')]).toEqual([1, 2, 1]);
  });

  it('passes over shards that do not run, and says when none does', () => {
    const shards = [shard(0, false), shard(9), shard(0, false)];
    expect(new ShardPicker(shards).pick('')).toBe(1);
    expect(new ShardPicker([shard(0, false)]).pick('')).toBe(-1);
  });

  it('takes the shard of the session, however busy, unless it is down or was never there', () => {
    const shards = [shard(0), shard(900), shard(0, false)];
    const picker = new ShardPicker(shards);
    expect(picker.pick(idFor(1))).toBe(1);
    expect(picker.pick(idFor(2))).toBe(0);
    expect(picker.pick(idFor(40_000))).toBe(0);
  });
});
