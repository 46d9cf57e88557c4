/** The `upstreams` section to the plan's upstreams, and what is wrong beyond their form. */
import { createHash } from 'node:crypto';
import { isAbsolute, resolve } from 'node:path';
import type { Compilation } from './compilation.ts';
import { headerNameProblem } from './header-rules.ts';
import type {
  PlanHttp,
  PlanStdio,
  PlanUpstream,
  PlanUpstreamAuth,
  PlanUpstreamBase,
} from './plan.ts';
import type { ConfigPath } from './problem.ts';
import type { Config } from './schema.ts';
import type { UpstreamAuthConfig, UpstreamConfig } from './schema-upstream.ts';
import { secureUrlProblem } from './url-rules.ts';

/** An upstream before it has its slot. */
export type UnplacedUpstream = PlanUpstream extends infer U
  ? U extends unknown
    ? Omit<U, 'slot'>
    : never
  : never;

/** In the order of the file. */
export function compileUpstreams(config: Config, compilation: Compilation): UnplacedUpstream[] {
  const upstreams = Object.entries(config.upstreams).map(([name, upstream], index) =>
    compileUpstream(name, index, upstream, config, compilation),
  );
  if (config.names.conflict === 'prefix') checkPrefixes(upstreams, compilation);
  return upstreams;
}

function compileUpstream(
  name: string,
  index: number,
  upstream: UpstreamConfig,
  config: Config,
  compilation: Compilation,
): UnplacedUpstream {
  const path: ConfigPath = ['upstreams', name];
  checkRename(path, upstream, compilation);
  const { era, messageBytesMax, priority, capabilities } = upstream;
  const base: Omit<PlanUpstreamBase, 'slot' | 'configHash'> = {
    index,
    name,
    era,
    requestTimeoutMs: upstream.requestTimeoutMs ?? config.timeouts.requestTimeoutMs,
    listTimeoutMs: upstream.listTimeoutMs ?? config.timeouts.listTimeoutMs,
    messageBytesMax,
    prefix: upstream.prefix ?? name,
    rename: {
      tools: Object.entries(upstream.rename.tools),
      prompts: Object.entries(upstream.rename.prompts),
    },
    priority,
    capabilities,
  };
  const { stdio, http } = upstream;
  if ((stdio === undefined) === (http === undefined)) {
    compilation.report(path, 'must have exactly one of stdio and http');
  }
  if (http === undefined) {
    if (upstream.auth !== 'none')
      compilation.report(
        [...path, 'auth'],
        'is for http upstreams only; give a stdio one its secret by env',
      );
    return hashed({
      ...base,
      kind: 'stdio',
      stdio: compileStdio(stdio, compilation.checked.source.folder),
    });
  }
  return hashed({
    ...base,
    kind: 'http',
    http: compileHttp(http, path, compilation),
    auth: compileUpstreamAuth(upstream.auth, [...path, 'auth'], config, http.headers, compilation),
  });
}

type Unhashed = UnplacedUpstream extends infer U
  ? U extends unknown
    ? Omit<U, 'configHash'>
    : never
  : never;

/** Place in the file and slot are left out: moving an upstream is no change to it. */
function hashed(upstream: Unhashed): UnplacedUpstream {
  const text = JSON.stringify({ ...upstream, index: 0 });
  return { ...upstream, configHash: createHash('sha256').update(text).digest('hex') };
}

function compileStdio(stdio: UpstreamConfig['stdio'], folder: string): PlanStdio {
  const { command, args, env, cwd, processes, shutdownMs } = stdio ?? {
    command: '',
    args: [],
    env: {},
    cwd: undefined,
    processes: 1,
    shutdownMs: 0,
  };
  // As a shell does: a bare name is looked for in PATH, a name with a slash is a file.
  const isFile = /[/\\]/.test(command) && !isAbsolute(command);
  return {
    command: isFile ? resolve(folder, command) : command,
    args,
    env: Object.entries(env),
    cwd: cwd === undefined ? folder : resolve(folder, cwd),
    processes,
    shutdownMs,
  };
}

function compileHttp(
  http: NonNullable<UpstreamConfig['http']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanHttp {
  const headers: [string, string][] = [];
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(http.headers)) {
    const lower = name.toLowerCase();
    const problem = seen.has(lower) ? 'is there twice' : headerNameProblem(lower);
    if (problem !== null) compilation.report([...path, 'http', 'headers', name], problem);
    seen.add(lower);
    headers.push([lower, value]);
  }
  return {
    url: new URL(http.url).href,
    headers,
    pipelining: http.pipelining,
    connectionsMax: http.maxConnections,
    connectTimeoutMs: http.connectTimeoutMs,
    idleTimeoutMs: http.idleTimeoutMs,
  };
}

function compileUpstreamAuth(
  auth: UpstreamAuthConfig,
  path: ConfigPath,
  config: Config,
  headers: Readonly<Record<string, string>>,
  compilation: Compilation,
): PlanUpstreamAuth {
  if (auth === 'none') return { kind: 'none' };
  const { header, clientCredentials, tokenExchange } = auth;
  const kinds = [header, clientCredentials, tokenExchange].filter((kind) => kind !== undefined);
  if (kinds.length !== 1) {
    compilation.report(
      path,
      'must have exactly one of header, clientCredentials and tokenExchange',
    );
  }
  const sent = header?.name.toLowerCase() ?? 'authorization';
  if (Object.keys(headers).some((name) => name.toLowerCase() === sent)) {
    compilation.report(path, `sends ${sent}, which http.headers sets already`);
  }
  if (header !== undefined) {
    const problem = headerNameProblem(sent);
    if (problem !== null) compilation.report([...path, 'header', 'name'], problem);
    return { kind: 'header', name: sent, value: header.value };
  }
  if (clientCredentials !== undefined) {
    checkTokenUrl(
      clientCredentials.tokenUrl,
      [...path, 'clientCredentials', 'tokenUrl'],
      compilation,
    );
    return { kind: 'clientCredentials', ...tokenEndpoint(clientCredentials) };
  }
  if (tokenExchange === undefined) return { kind: 'none' };
  checkTokenUrl(tokenExchange.tokenUrl, [...path, 'tokenExchange', 'tokenUrl'], compilation);
  if (!compilation.isRemoved(['auth']) && (config.auth === undefined || config.auth === 'none')) {
    compilation.report(
      [...path, 'tokenExchange'],
      'needs callers with tokens: there is no auth section with methods',
    );
  }
  const { subjectTokenType, requestedTokenType } = tokenExchange;
  return {
    kind: 'tokenExchange',
    ...tokenEndpoint(tokenExchange),
    subjectTokenType,
    requestedTokenType,
  };
}

type TokenEndpointConfig = NonNullable<Exclude<UpstreamAuthConfig, 'none'>['clientCredentials']>;

function tokenEndpoint(config: TokenEndpointConfig) {
  return {
    tokenUrl: config.tokenUrl,
    clientId: config.clientId,
    clientSecret: config.clientSecret,
    clientAuthentication: config.clientAuthentication,
    scopes: config.scopes,
    audience: config.audience ?? null,
    resource: config.resource ?? null,
    requestTimeoutMs: config.requestTimeoutMs,
  };
}

function checkTokenUrl(url: string, path: ConfigPath, compilation: Compilation): void {
  const problem = secureUrlProblem(url);
  if (problem !== null) compilation.report(path, problem);
}

function checkRename(path: ConfigPath, upstream: UpstreamConfig, compilation: Compilation): void {
  for (const kind of ['tools', 'prompts'] as const) {
    const seen = new Map<string, string>();
    for (const [from, to] of Object.entries(upstream.rename[kind])) {
      const other = seen.get(to);
      if (other !== undefined)
        compilation.report(
          [...path, 'rename', kind, from],
          `gives the same name as ${JSON.stringify(other)}`,
        );
      seen.set(to, from);
    }
  }
}

function checkPrefixes(upstreams: readonly UnplacedUpstream[], compilation: Compilation): void {
  const seen = new Map<string, string>();
  for (const { name, prefix } of upstreams) {
    const other = prefix === '' ? undefined : seen.get(prefix);
    if (other !== undefined) {
      compilation.report(
        ['upstreams', name, 'prefix'],
        `is the prefix of ${compilation.name(['upstreams', other])} too`,
      );
    }
    seen.set(prefix, name);
  }
}
