/**
 * Which `Host` and `Origin` a request may carry. A page in a browser can reach a gateway on the same
 * machine or network: directly (then its `Origin` tells), or by DNS rebinding, where its own name
 * resolves to the gateway's address (then `Host` tells). MCP 2025-11-25, Streamable HTTP, security.
 *
 * Host. Allowed are the names in `allowedHosts`, the host of `publicUrl`, and
 * - listening on loopback: `localhost`, `127.0.0.1`, `[::1]` and the address listened on, at any port;
 * - listening elsewhere without `allowedHosts`: the name or address listened on, `localhost`, and any
 *   IP address. A rebinding page comes under a name, never under an address, so nobody gets in that
 *   way, and whoever uses names has to write them down.
 *
 * Origin. Absent is fine: only browsers send one. Allowed are `allowedOrigins`, the origin of
 * `publicUrl`, and, listening on loopback, http and https origins of the loopback names at any port.
 *
 * `*` allows everything, and only where it is written. All comparisons are exact after lower-casing.
 */
import { parseAddress } from './peer-address.ts';

export interface OriginSettings {
  /** What is listened on, as configured. */
  readonly listenHost: string;
  /** Whether only this machine reaches it. */
  readonly isLoopback: boolean;
  /** `name` (any port), `name:port`, or `*`. Null: not configured. */
  readonly allowedHosts: readonly string[] | null;
  /** `scheme://host[:port]`, or `*`. Null: not configured. */
  readonly allowedOrigins: readonly string[] | null;
  /** Where clients reach the gateway, if not where it listens. */
  readonly publicUrl: { readonly host: string; readonly origin: string } | null;
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];
/** RFC 1035 §2.3.4 and a port. Longer ones are not compared at all. */
const HOST_CHARS_MAX = 262;

const scratch = new Uint8Array(16);

export class OriginRules {
  readonly #hosts = new Set<string>();
  readonly #origins = new Set<string>();
  /** Compared without their port. */
  readonly #originsAnyPort = new Set<string>();
  readonly #isAnyHost: boolean;
  readonly #isAnyOrigin: boolean;
  readonly #areAddressesAllowed: boolean;
  // Clients send the same Host over and over; so the last one is not looked up again.
  #lastHost = '';
  #wasHostAllowed = false;
  #lastOrigin = '';
  #wasOriginAllowed = false;

  constructor(settings: OriginSettings) {
    const { allowedHosts, allowedOrigins, publicUrl, isLoopback } = settings;
    this.#isAnyHost = allowedHosts?.includes('*') ?? false;
    this.#isAnyOrigin = allowedOrigins?.includes('*') ?? false;
    this.#areAddressesAllowed = !isLoopback && allowedHosts === null;
    for (const host of allowedHosts ?? []) this.#hosts.add(host.toLowerCase());
    for (const origin of allowedOrigins ?? []) this.#origins.add(normalOrigin(origin));
    if (publicUrl !== null) {
      this.#hosts.add(publicUrl.host.toLowerCase());
      this.#origins.add(normalOrigin(publicUrl.origin));
    }
    const listenName = hostName(settings.listenHost);
    if (isLoopback) {
      for (const name of [...LOOPBACK_NAMES, listenName]) {
        this.#hosts.add(name);
        this.#originsAnyPort.add(`http://${name}`).add(`https://${name}`);
      }
    } else if (allowedHosts === null) {
      this.#hosts.add('localhost').add(listenName);
    }
  }

  /** @param host the Host field's value; empty is refused */
  isHostAllowed(host: string): boolean {
    if (host === this.#lastHost) return this.#wasHostAllowed;
    this.#wasHostAllowed = this.#judgeHost(host);
    this.#lastHost = host;
    return this.#wasHostAllowed;
  }

  /** @param origin the Origin field's value; empty for none */
  isOriginAllowed(origin: string): boolean {
    if (origin === '') return true;
    if (origin === this.#lastOrigin) return this.#wasOriginAllowed;
    this.#wasOriginAllowed = this.#judgeOrigin(origin);
    this.#lastOrigin = origin;
    return this.#wasOriginAllowed;
  }

  #judgeHost(text: string): boolean {
    if (text === '') return false;
    if (this.#isAnyHost) return true;
    if (text.length > HOST_CHARS_MAX) return false;
    const host = inLowerCase(text);
    if (this.#hosts.has(host)) return true;
    const name = withoutPort(host);
    if (this.#hosts.has(name)) return true;
    return this.#areAddressesAllowed && isAddress(name);
  }

  #judgeOrigin(text: string): boolean {
    if (this.#isAnyOrigin) return true;
    if (text.length > HOST_CHARS_MAX) return false;
    const origin = inLowerCase(text);
    return this.#origins.has(origin) || this.#originsAnyPort.has(withoutPort(origin));
  }
}

/**
 * For what a peer sent: hosts are compared by the letters of ASCII alone (RFC 3986 §6.2.2.1). In Unicode the
 * Kelvin sign has a lower case too, and it is a `k`.
 */
function inLowerCase(text: string): string {
  return NOT_ASCII.test(text) ? text : text.toLowerCase();
}

const NOT_ASCII = /[^\0-\x7f]/;

/** As it stands in a URL: lower case, IPv6 in brackets. */
function hostName(listenHost: string): string {
  const name = listenHost.toLowerCase();
  return name.includes(':') && !name.startsWith('[') ? `[${name}]` : name;
}

/** As browsers write it (RFC 6454 §6.2): without the scheme's own port and without a path. */
function normalOrigin(text: string): string {
  const lower = text.toLowerCase();
  if (!lower.startsWith('http://') && !lower.startsWith('https://')) return lower;
  return URL.canParse(lower) ? new URL(lower).origin : lower;
}

/** Cuts off a colon and 1 to 5 digits at the end. */
function withoutPort(text: string): string {
  const colon = text.lastIndexOf(':');
  const digits = text.length - colon - 1;
  if (colon < 0 || digits < 1 || digits > 5) return text;
  for (let at = colon + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return text;
  }
  return text.slice(0, colon);
}

/** IPv4, or IPv6 in brackets (RFC 3986 §3.2.2). */
function isAddress(name: string): boolean {
  if (name.startsWith('[') && name.endsWith(']')) {
    return name.includes(':') && parseAddress(name, 1, name.length - 1, scratch, 0) !== 0;
  }
  return !name.includes(':') && parseAddress(name, 0, name.length, scratch, 0) === 4;
}
