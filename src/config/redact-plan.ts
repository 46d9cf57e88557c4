/** A plan for logs: everything in it but what could be a secret. */
import type { Plan } from './plan.ts';

const REDACTED = '[redacted]';

/** Members whose texts are secrets, or may be. A public key is none, but long. */
const SECRET_MEMBERS = new Set(['secret', 'clientSecret', 'value', 'sha256', 'pem', 'jwks']);
/** Lists of name and value; the names stay. */
const PAIR_MEMBERS = new Set(['env', 'headers']);

/** A copy without secrets: tokens, passwords, values of headers and environment, arguments, queries of URLs. */
export function redactPlan(plan: Plan): Plan {
  return redact(plan, '') as Plan;
}

function redact(value: unknown, member: string): unknown {
  if (typeof value === 'string') return redactText(value, member);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (PAIR_MEMBERS.has(member)) return value.map(redactPair);
    return value.map((item) => redact(item, member));
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redact(item, key)]));
}

function redactPair(pair: unknown): unknown {
  return Array.isArray(pair) ? [pair[0], REDACTED] : REDACTED;
}

function redactText(text: string, member: string): string {
  if (SECRET_MEMBERS.has(member)) return REDACTED;
  // Programs take keys as arguments (`--token`), and servers in the query of their address.
  if (member === 'args') return REDACTED;
  if (/url$/i.test(member)) return text.replace(/\?.*$/s, `?${REDACTED}`);
  return text;
}
