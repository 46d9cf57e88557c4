/**
 * `mcpServers` files as MCP clients keep them, turned into settings:
 *
 *     {"mcpServers": {"name": {"command", "args", "env", "cwd"} | {"url", "headers", "type"}}}
 *
 * Keys that only a client needs (`autoApprove`, `alwaysAllow`, `timeout` and so on) are passed over,
 * `disabled: true` leaves a server out. Names become upstream names: lower case, `-` for what is not
 * allowed. Sluice's own keys may stand beside `mcpServers`; other keys belong to the client.
 */
import type { ConfigPath } from './problem.ts';
import { configSchema } from './schema.ts';
import type { ConfigSource } from './source.ts';

const NAME_LENGTH_MAX = 32;
/** What clients call the address. */
const URL_KEYS = ['url', 'serverUrl', 'httpUrl'] as const;
const HTTP_TYPES: readonly unknown[] = [
  undefined,
  'http',
  'streamable-http',
  'streamableHttp',
  'streamable_http',
];

type Mapping = Readonly<Record<string, unknown>>;

/** Whether a value is such a file rather than settings of our own. */
export function isMcpServers(value: unknown): value is Mapping {
  return isMapping(value) && isMapping(value['mcpServers']) && !Object.hasOwn(value, 'upstreams');
}

/** The same settings in our own format; places and paths still lead to the file as it is written. */
export function fromMcpServers(source: ConfigSource): ConfigSource {
  if (!isMcpServers(source.value)) return source;
  const servers = source.value['mcpServers'] as Mapping;
  const notices: string[] = [];
  const complaints: { path: ConfigPath; message: string }[] = [];
  const originals = new Map<string, string>();
  const upstreams: Record<string, unknown> = {};
  for (const [original, server] of Object.entries(servers)) {
    if (isMapping(server) && server['disabled'] === true) {
      notices.push(`server is disabled and left out: ${original}`);
      continue;
    }
    const name = upstreamName(original, originals);
    if (name !== original) notices.push(`server is named differently here: ${original} is ${name}`);
    originals.set(name, original);
    upstreams[name] = fromServer(server);
    const problem = typeProblem(server);
    if (problem !== null)
      complaints.push({ path: ['upstreams', name, 'http', 'type'], message: problem });
  }
  const known = Object.entries(source.value).filter(([key]) =>
    Object.hasOwn(configSchema.shape, key),
  );
  return {
    ...source,
    value: { ...Object.fromEntries(known), upstreams },
    notices: [...source.notices, ...notices],
    complaints: [...source.complaints, ...complaints],
    written: (path) => source.written(written(path, originals)),
    place: (path) => source.place(written(path, originals)),
  };
}

/** What is no mapping is handed on as it is, for the schema to say so. */
function fromServer(server: unknown): unknown {
  if (!isMapping(server)) return server;
  const urlKey = urlKeyOf(server);
  if (urlKey === null) return { stdio: pick(server, ['command', 'args', 'env', 'cwd']) };
  return { http: { ...pick(server, ['headers']), url: server[urlKey] } };
}

function urlKeyOf(server: Mapping): string | null {
  if (Object.hasOwn(server, 'command')) return null;
  return URL_KEYS.find((key) => Object.hasOwn(server, key)) ?? null;
}

function typeProblem(server: unknown): string | null {
  if (!isMapping(server) || urlKeyOf(server) === null) return null;
  const type = server['type'] ?? server['transport'];
  if (HTTP_TYPES.includes(type)) return null;
  return type === 'sse'
    ? 'is the transport of 2024-11-05 (HTTP+SSE), which is not supported; use the Streamable HTTP address of this server'
    : 'must be http, streamable-http or stdio';
}

function pick(server: Mapping, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    keys.filter((key) => Object.hasOwn(server, key)).map((key) => [key, server[key]]),
  );
}

function upstreamName(original: string, taken: ReadonlyMap<string, string>): string {
  const base =
    original
      .toLowerCase()
      .replace(/[^a-z0-9_-]+/g, '-')
      .replace(/^[-_]+|-+$/g, '')
      .slice(0, NAME_LENGTH_MAX) || 'server';
  let name = base;
  for (let count = 2; taken.has(name); count += 1) {
    const suffix = `-${count}`;
    name = base.slice(0, NAME_LENGTH_MAX - suffix.length) + suffix;
  }
  return name;
}

function written(path: ConfigPath, originals: ReadonlyMap<string, string>): ConfigPath {
  const [section, name, , ...rest] = path;
  if (section !== 'upstreams') return path;
  if (name === undefined) return ['mcpServers'];
  return ['mcpServers', originals.get(String(name)) ?? name, ...rest];
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
