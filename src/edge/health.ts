/** What both listeners answer to probes: is the process there, may it be sent calls. */
import type { EdgeDocument } from './http-acceptor.ts';

const encoder = new TextEncoder();
const HEALTHY = encoder.encode('ok\n');

/** @returns null for a path that is none of a probe's */
export function healthDocument(
  path: string,
  readiness: () => { readonly ready: boolean },
): EdgeDocument | null {
  if (path === '/healthz') return { status: 200, contentType: 'text/plain', body: HEALTHY };
  if (path !== '/readyz') return null;
  const state = readiness();
  const body = encoder.encode(`${JSON.stringify(state)}\n`);
  return { status: state.ready ? 200 : 503, contentType: 'application/json', body };
}
