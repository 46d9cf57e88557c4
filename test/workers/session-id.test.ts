import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  SESSION_ID_CHARACTERS,
  SessionSealer,
  principalDigest,
  sessionSlot,
} from '../../workers/session/session-id.ts';
import type { SessionClaims } from '../../workers/session/session-id.ts';

const OLD = { id: 1, secret: Buffer.alloc(32, 1) };
const NEW = { id: 2, secret: Buffer.alloc(32, 2) };

function claims(changes: Partial<SessionClaims> = {}): SessionClaims {
  return {
    shard: 3,
    slot: 77,
    instance: Buffer.from('12345678'),
    generation: 9,
    principal: principalDigest('issuer\u0000subject\u0000client'),
    revision: 2,
    serial: 41,
    ...changes,
  };
}

describe('a session id', () => {
  it('says what was sealed, to whoever has the key', () => {
    const sealer = new SessionSealer([OLD]);
    const id = sealer.seal(claims());
    expect(id).toHaveLength(SESSION_ID_CHARACTERS);
    expect(sealer.open(id)).toEqual(claims());
  });

  it('consists of characters that a header may hold', () => {
    const id = new SessionSealer([OLD]).seal(claims()).toString('latin1');
    expect(id).toMatch(/^[\x21-\x7e]+$/);
  });

  it('shows its slot without any cryptography, for every slot', () => {
    const sealer = new SessionSealer([OLD]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(31), (slot, shard) => {
        const id = sealer.seal(claims({ slot, shard }));
        const padded = Buffer.concat([Buffer.from('xx'), id, Buffer.from('yy')]);
        expect(sessionSlot(padded, 2, 2 + id.length)).toBe(slot);
      }),
      { numRuns: 200 },
    );
  });

  it('opens under an older key after a rotation, and is sealed with the newer one', () => {
    const before = new SessionSealer([OLD]).seal(claims());
    const rotated = new SessionSealer([NEW, OLD]);
    expect(rotated.open(before)).toEqual(claims());
    expect(new SessionSealer([OLD]).open(rotated.seal(claims()))).toBeNull();
  });

  it('is nothing once any of its characters was changed', () => {
    const sealer = new SessionSealer([OLD]);
    const id = sealer.seal(claims());
    for (let at = 0; at < id.length; at += 1) {
      const forged = Buffer.from(id);
      forged[at] = forged[at] === 0x41 ? 0x42 : 0x41;
      expect(sealer.open(forged), `character ${at}`).toBeNull();
    }
  });

  it('is nothing for any other text', () => {
    const sealer = new SessionSealer([OLD]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(sealer.open(bytes)).toBeNull();
      }),
    );
    expect(sessionSlot(Buffer.from('short'), 0, 5)).toBe(-1);
    expect(sessionSlot(Buffer.alloc(SESSION_ID_CHARACTERS, 0x2e), 0, SESSION_ID_CHARACTERS)).toBe(
      -1,
    );
  });

  it('never carries who its principal is', () => {
    const id = new SessionSealer([OLD]).seal(claims());
    expect(Buffer.from(id.toString('latin1'), 'base64url').includes('subject')).toBe(false);
  });
});
