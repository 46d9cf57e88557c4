/** Header names that settings must not use, because the gateway or HTTP itself decides them. */

/** RFC 9110 §7.6.1 and what frames a message. */
const FRAMING = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What an MCP request carries by itself (Streamable HTTP) and what traces set. */
const OWN = new Set([
  'accept',
  'content-type',
  'content-encoding',
  'accept-encoding',
  'last-event-id',
]);

/** What browsers and libraries set by themselves; lines of user-agent are remembered for other connections. */
const NO_KEYS = new Set(['cookie', 'origin', 'user-agent']);

/** What is wrong with a fixed header on requests to an upstream, or null. `name` is lower case. */
export function headerNameProblem(name: string): string | null {
  if (FRAMING.has(name)) return 'is set by HTTP itself';
  if (name.startsWith('mcp-'))
    return 'is set by the protocol: names that begin with mcp- must match the message';
  if (OWN.has(name)) return 'is set by the gateway';
  return null;
}

/** What is wrong with a header as the place of an API key, or null. `name` is lower case. */
export function keyHeaderProblem(name: string): string | null {
  if (name === 'authorization') return 'is for bearer tokens; use `bearer`';
  if (NO_KEYS.has(name) || name.startsWith('x-forwarded-')) return 'cannot carry a key';
  return headerNameProblem(name);
}
