/**
 * A credential on its way through the methods, once it was not found in memory. A copy: the bytes it
 * came in are gone after the call, and judging it may take longer. Decoding is done when a method
 * asks, and once for all of them.
 */
import { createHash } from 'node:crypto';
import { KEY_ID_CHARS_MAX } from './policy-limits.ts';
import { isClaims } from './claims.ts';
import type { Claims } from './claims.ts';

/** Bearer token of the Authorization field; API key headers are `SOURCE_HEADER + index`. */
export const SOURCE_BEARER = 0;
export const SOURCE_HEADER = 1;

/** The outside of a JWT: read before any signature was checked, good for choosing a method only. */
export interface SignedToken {
  readonly algorithm: string;
  readonly keyId: string | null;
  /** Unverified `iss`; null: none. */
  readonly issuer: string | null;
  /** In a word why it must be refused whatever its signature; null: nothing. */
  readonly defect: string | null;
}

export class Credential {
  readonly source: number;
  readonly bytes: Buffer;
  /** One character per byte. */
  readonly text: string;
  /** For our log: why a method refused it, in a word. */
  reason: string;
  #signed: SignedToken | null | undefined;
  #digest: Buffer | null;

  constructor(source: number, bytes: Buffer) {
    this.source = source;
    this.bytes = bytes;
    this.text = bytes.toString('latin1');
    this.reason = '';
    this.#signed = undefined;
    this.#digest = null;
  }

  /** The outside of the JWT that this is; null: it is not of that form. */
  signed(): SignedToken | null {
    this.#signed ??= readSignedToken(this.text);
    return this.#signed;
  }

  /** SHA-256 of the bytes. */
  digest(): Buffer {
    this.#digest ??= createHash('sha256').update(this.bytes).digest();
    return this.#digest;
  }
}

/** Compact serialisation (RFC 7515 §7.1) in base64url without padding (§2). Five parts are a JWE. */
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;

/**
 * `typ` of access tokens (RFC 9068 §2.1) and of the many that state none. Others were signed for
 * something else: an id-jag, a logout token or a DPoP proof must not pass as one (RFC 8725 §3.11).
 */
const TYPES: readonly string[] = ['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'];

function readSignedToken(text: string): SignedToken | null {
  const parts = COMPACT.exec(text);
  if (parts === null) return null;
  const header = readPart(parts[1] ?? '');
  const claims = readPart(parts[2] ?? '');
  if (header === null || claims === null) return null;
  const { alg, kid } = header;
  if (typeof alg !== 'string') return null;
  const keyId = typeof kid === 'string' && kid.length <= KEY_ID_CHARS_MAX ? kid : null;
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'] : null;
  return { algorithm: alg, keyId, issuer, defect: defectOf(header, keyId, parts[3] ?? '') };
}

function defectOf(header: Claims, keyId: string | null, signature: string): string | null {
  // The last character has bits that decode to nothing: a token must not have several spellings.
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) return 'encoding';
  // No extension is understood here, so any `crit` must be refused (RFC 7515 §4.1.11).
  if (header['crit'] !== undefined || header['b64'] !== undefined) return 'crit';
  if (header['kid'] !== undefined && keyId === null) return 'kid';
  const { typ } = header;
  if (typ === undefined) return null;
  return typeof typ === 'string' && TYPES.includes(typ.toLowerCase()) ? null : 'typ';
}

function readPart(part: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isClaims(value) ? value : null;
  } catch {
    return null;
  }
}
