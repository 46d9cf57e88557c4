/** Addresses that secrets are sent to or keys come from. */
import { isLoopbackHost } from './address-range.ts';

/** Null if the connection is protected: https, or this machine. `httpUrl` has checked the rest. */
export function secureUrlProblem(text: string): string | null {
  const url = new URL(text);
  if (url.protocol === 'https:' || isLoopbackHost(url.hostname)) return null;
  return 'must be https: (http: only on loopback)';
}

/** A URL without slashes at its end, to put paths behind. */
export function withoutSlash(text: string): string {
  return text.replace(/\/+$/, '');
}
