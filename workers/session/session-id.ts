/**
 * The `Mcp-Session-Id` that this gateway mints.
 *
 *      0         1        2           4          8        20              53         69
 *      +---------+--------+-----------+----------+--------+---------------+----------+
 *      | version | key id | shard u16 | slot u32 | nonce  | sealed body   | tag      |
 *      +---------+--------+-----------+----------+--------+---------------+----------+
 *       clear text, authenticated (AAD)           AES-256-GCM
 *
 *      body: instance 8 · generation u32 · principal digest 16 · revision u8 · serial u32
 *
 * in base64url, 92 characters. The clear part lets the edge find the shard, and the shard the slot,
 * without any cryptography: the shard then compares the whole id with the one it minted. Only an id
 * of another instance or generation (none is accepted yet, replicas will) needs to be opened. What
 * does not open is answered 404, whatever it is.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

export const SESSION_ID_VERSION = 1;
const CLEAR_BYTES = 8;
const NONCE_BYTES = 12;
const BODY_BYTES = 33;
const TAG_BYTES = 16;
const ID_BYTES = CLEAR_BYTES + NONCE_BYTES + BODY_BYTES + TAG_BYTES;
/** Characters of an id in base64url: 69 bytes are 23 groups of three. */
export const SESSION_ID_CHARACTERS = (ID_BYTES / 3) * 4;

/** What an id says. `principal` is a digest: the id never carries who somebody is. */
export interface SessionClaims {
  readonly shard: number;
  readonly slot: number;
  readonly instance: Buffer;
  readonly generation: number;
  readonly principal: Buffer;
  readonly revision: number;
  readonly serial: number;
}

/** One sealing key. The first of a list seals, all of them open: that is how keys rotate. */
export interface SessionKey {
  readonly id: number;
  readonly secret: Uint8Array;
}

/** 16 bytes that name a principal inside an id. */
export function principalDigest(key: string): Buffer {
  return createHash('sha256').update(key).digest().subarray(0, 16);
}

/** Seals and opens session ids. One per shard; keys are derived once. */
export class SessionSealer {
  readonly #keys = new Map<number, Buffer>();
  readonly #sealWith: number;

  constructor(keys: readonly SessionKey[]) {
    const first = keys[0];
    if (first === undefined) throw new RangeError('session keys: expected at least one');
    for (const key of keys) {
      const derived = hkdfSync('sha256', key.secret, new Uint8Array(0), 'sluice session id v1', 32);
      this.#keys.set(key.id, Buffer.from(derived));
    }
    this.#sealWith = first.id;
  }

  /** A new id, as ASCII bytes of base64url. */
  seal(claims: SessionClaims): Buffer {
    const id = Buffer.alloc(ID_BYTES);
    id[0] = SESSION_ID_VERSION;
    id[1] = this.#sealWith;
    id.writeUInt16BE(claims.shard, 2);
    id.writeUInt32BE(claims.slot, 4);
    const nonce = randomBytes(NONCE_BYTES);
    nonce.copy(id, CLEAR_BYTES);
    const body = Buffer.alloc(BODY_BYTES);
    claims.instance.copy(body, 0, 0, 8);
    body.writeUInt32BE(claims.generation >>> 0, 8);
    claims.principal.copy(body, 12, 0, 16);
    body[28] = claims.revision;
    body.writeUInt32BE(claims.serial >>> 0, 29);
    const key = this.#keys.get(this.#sealWith) as Buffer;
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(id.subarray(0, CLEAR_BYTES));
    const sealed = Buffer.concat([cipher.update(body), cipher.final(), cipher.getAuthTag()]);
    sealed.copy(id, CLEAR_BYTES + NONCE_BYTES);
    return Buffer.from(id.toString('base64url'), 'latin1');
  }

  /** What an id says, or null for anything that no key of ours has sealed. */
  open(ascii: Uint8Array): SessionClaims | null {
    if (ascii.length !== SESSION_ID_CHARACTERS) return null;
    const id = Buffer.from(Buffer.from(ascii).toString('latin1'), 'base64url');
    if (id.length !== ID_BYTES || id[0] !== SESSION_ID_VERSION) return null;
    const key = this.#keys.get(id[1] as number);
    if (key === undefined) return null;
    const sealedAt = CLEAR_BYTES + NONCE_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, id.subarray(CLEAR_BYTES, sealedAt));
    decipher.setAAD(id.subarray(0, CLEAR_BYTES));
    decipher.setAuthTag(id.subarray(sealedAt + BODY_BYTES));
    let body: Buffer;
    try {
      body = Buffer.concat([
        decipher.update(id.subarray(sealedAt, sealedAt + BODY_BYTES)),
        decipher.final(),
      ]);
    } catch {
      return null;
    }
    return {
      shard: id.readUInt16BE(2),
      slot: id.readUInt32BE(4),
      instance: body.subarray(0, 8),
      generation: body.readUInt32BE(8),
      principal: body.subarray(12, 28),
      revision: body[28] as number,
      serial: body.readUInt32BE(29),
    };
  }
}

/** Slot number in the clear part of an id, or -1. Reads 12 characters and allocates nothing. */
export function sessionSlot(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== SESSION_ID_CHARACTERS) return -1;
  // Bytes 4 to 7 lie in characters 5 to 10: byte n starts at bit 8n, character m at bit 6m.
  let bits = 0;
  let slot = 0;
  let held = 0;
  for (let i = 5; i <= 10; i += 1) {
    const value = base64urlValue(bytes[start + i] as number);
    if (value < 0) return -1;
    bits = (bits << 6) | value;
    held += 6;
    if (i === 5) {
      // Character 5 holds the last two bits of byte 3 and the first four of byte 4.
      bits = value & 0x0f;
      held = 4;
    }
    if (held >= 8) {
      held -= 8;
      slot = ((slot << 8) | ((bits >>> held) & 0xff)) >>> 0;
      bits &= (1 << held) - 1;
    }
  }
  return slot;
}

function base64urlValue(code: number): number {
  if (code >= 65 && code <= 90) return code - 65;
  if (code >= 97 && code <= 122) return code - 71;
  if (code >= 48 && code <= 57) return code + 4;
  if (code === 45) return 62;
  return code === 95 ? 63 : -1;
}
