/**
 * Bounds of this room, per shard, with their sums. What happens at each stands with its owner.
 */

/**
 * A credential as sent. Entra tokens with many groups reach 4 KiB; the whole header block may have
 * 16 KiB (HEADER_BYTES_MAX). Longer ones are refused before a byte of them is decoded.
 */
export const CREDENTIAL_BYTES_MAX: number = 8 * 1024;

/**
 * Of the shard's scratch: copies of credentials for its kernel to compare with. A JWT signed by ES256 or
 * HS256 has some 290 bytes, five lines: 307 of these, or 109 signed by RS256, 850 bytes.
 */
export const TOKEN_FRONT_BYTES: number = 96 * 1024;

/** `kid` of a token. Real ones have 8 to 64 characters. */
export const KEY_ID_CHARS_MAX = 256;
/** Keys of one JWK set: issuers publish 1 to 10. */
export const KEYS_MAX = 100;
/** Keys tried for a token that names none. */
export const KEYS_TRIED_MAX = 4;
/** A JWK set or issuer metadata as fetched. 100 RSA keys with certificate chains stay below. */
export const KEY_SET_BYTES_MAX: number = 256 * 1024;
/** RFC 7518 §3.3 asks for 2048; checking a signature of a longer modulus than 8192 is a burden a peer should not choose. */
export const RSA_BITS_MIN = 2048;
export const RSA_BITS_MAX = 8192;

/** Answer of an introspection, check-token or token endpoint. */
export const TOKEN_ANSWER_BYTES_MAX: number = 64 * 1024;

/** Issuer, subject and client id of a principal, each. */
export const IDENTITY_CHARS_MAX = 1024;
/** Scopes of a principal: 8 KiB of token hold about 1,000 short ones. */
export const SCOPES_MAX = 512;
export const SCOPE_CHARS_MAX = 256;
/** Segments between colons in a scope that wildcards are compared over; a scope with more matches only itself. */
export const SCOPE_SEGMENTS_MAX = 16;
/** Distinct sets of scopes kept once for all principals that have them; more are simply not shared. */
export const SCOPE_SETS_MAX = 4096;

/** Exchanges that wait for a key set or a remote check at once; the next is refused as AUTH_UNAVAILABLE. */
export const AUTH_WAITING_MAX = 4096;
/** Waiting exchanges resumed in one go: 32 × 40 µs (RS256) is about one millisecond of a shard's turn. */
export const AUTH_RESUMED_PER_TURN = 32;
/** Remote checks of one method under way at once; more wait their turn. */
export const REMOTE_CHECKS_MAX = 16;
/** Refused tokens of one remote method remembered, and for how long: a client that insists asks the issuer once. */
export const REMOTE_REFUSED_MAX = 1024;
export const REMOTE_REFUSED_MS = 10_000;

/** Addresses whose failures are counted: 8,192 × 28 bytes = 224 KiB. */
export const FLOOD_ADDRESSES_MAX = 8192;

/** Upstream tokens kept per upstream (token exchange: one per caller); the oldest makes room. */
export const UPSTREAM_TOKENS_MAX = 10_000;
/** Exchanges that wait for an upstream token at once; the next is refused as BUSY. */
export const UPSTREAM_WAITING_MAX = 4096;
/** Token requests of one upstream under way at once; more wait their turn. */
export const TOKEN_REQUESTS_MAX = 16;

/** Depth of a dotted path into arguments or claims. */
export const PATH_DEPTH_MAX = 16;
/** A string argument longer than this satisfies no startsWith, glob or pattern. */
export const ARGUMENT_CHARS_MAX = 4096;
