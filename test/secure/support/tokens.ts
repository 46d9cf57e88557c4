/** Tokens that are valid now, unless a test asks for others. */
import { mint, type TokenOptions } from '../../policy/fixture.ts';
import { confidential } from './secure-gateway.ts';

export const ISSUER = 'https://issuer.test';

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** As `mint`, with dates around now; no part of it may be seen again. */
export function token(options: TokenOptions = {}): string {
  const now = nowSeconds();
  const made = mint({ ...options, claims: { iat: now, exp: now + 3600, ...options.claims } });
  confidential(made);
  const signature = made.split('.')[2]!;
  if (signature.length > 20) confidential(signature);
  return made;
}
