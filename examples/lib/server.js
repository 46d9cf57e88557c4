/**
 * The protocol core of the example servers: one small MCP server without dependencies that speaks
 * both eras, `initialize` sessions (up to 2025-11-25) and the self-contained requests of 2026-07-28.
 * `stdio.js` and `http.js` carry its messages.
 *
 * It is made for reading. What it leaves out (subscriptions, list changes, questions to the client)
 * it does not advertise either.
 */
import { callTool, complete, describe, getPrompt, readResource } from './features.js';
import {
  errorBody,
  isObject,
  LEGACY_REVISIONS,
  LOG_LEVELS,
  META,
  MODERN_REVISION,
  modernClaim,
  RpcError,
} from './message.js';

/** What a server remembers about one client: a stdio process has one, an HTTP request its own. */
export function createSession(revision = LEGACY_REVISIONS[0]) {
  return { revision, clientInfo: null, logLevel: 'info', running: new Map() };
}

/**
 * @param definition `{ name, version, instructions?, tools?, resources?, templates?, prompts? }`
 * @returns `handle(message, session, notify, signal?)`, which answers one parsed message:
 *   `{ status, body }`, or null for a notification. `notify` is called with notifications that
 *   belong to the request. It never throws.
 */
export function createServer(definition) {
  const server = {
    info: { name: definition.name, version: definition.version },
    instructions: definition.instructions,
    tools: definition.tools ?? [],
    resources: definition.resources ?? [],
    templates: definition.templates ?? [],
    prompts: definition.prompts ?? [],
  };
  server.capabilities = capabilitiesOf(server);
  return {
    handle: (message, session, notify, signal) => handle(server, message, session, notify, signal),
  };
}

async function handle(server, message, session, notify, signal) {
  if (!isObject(message) || message.jsonrpc !== '2.0' || typeof message.method !== 'string') {
    // Answers to questions that were never asked are dropped, as notifications are.
    if (isObject(message) && ('result' in message || 'error' in message)) return null;
    return { status: 400, body: errorBody(null, -32600, 'invalid request') };
  }
  const { id } = message;
  const params = isObject(message.params) ? message.params : {};
  if (id === undefined) {
    if (message.method === 'notifications/cancelled') {
      session.running.get(params.requestId)?.abort();
    }
    return null;
  }
  if (typeof id !== 'string' && !Number.isInteger(id)) {
    return { status: 400, body: errorBody(null, -32600, 'invalid request: bad id') };
  }
  const aborter = new AbortController();
  signal?.addEventListener('abort', () => aborter.abort(), { once: true });
  session.running.set(id, aborter);
  try {
    const context = createContext(message, params, session, notify, aborter.signal);
    const result = await dispatch(server, message.method, params, context, session);
    return { status: 200, body: { jsonrpc: '2.0', id, result } };
  } catch (error) {
    const known =
      error instanceof RpcError ? error : new RpcError(-32603, 'internal error', { status: 500 });
    if (known !== error) process.stderr.write(`${server.info.name}: ${error.stack}\n`);
    return { status: known.status, body: errorBody(id, known.code, known.message, known.data) };
  } finally {
    session.running.delete(id);
  }
}

/** What a tool gets beside its arguments. */
function createContext(message, params, session, notify, signal) {
  const isModern = checkEnvelope(message);
  const meta = params._meta ?? {};
  const token = meta.progressToken;
  const logLevel = isModern ? meta[`${META}logLevel`] : session.logLevel;
  if (logLevel !== undefined && !LOG_LEVELS.includes(logLevel)) {
    throw new RpcError(-32602, 'invalid params: bad log level');
  }
  return {
    isModern,
    signal,
    revision: isModern ? MODERN_REVISION : session.revision,
    clientInfo: isModern ? (meta[`${META}clientInfo`] ?? null) : session.clientInfo,
    progress(progress, total, text) {
      if (token === undefined) return;
      notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress, total, message: text } }); // prettier-ignore
    },
    log(level, data) {
      if (logLevel === undefined || LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(logLevel)) {
        return;
      }
      notify({
        jsonrpc: '2.0',
        method: 'notifications/message',
        params: { level, logger: 'example', data },
      });
    },
  };
}

/** A modern request brings its revision and the client's capabilities along, every time. */
function checkEnvelope(message) {
  const claim = modernClaim(message);
  if (claim === undefined) return false;
  if (typeof claim !== 'string') {
    throw new RpcError(-32602, 'invalid params: bad protocol version', { status: 400 });
  }
  if (claim !== MODERN_REVISION) {
    throw new RpcError(-32022, 'unsupported protocol version', {
      status: 400,
      data: { supported: [MODERN_REVISION], requested: claim },
    });
  }
  if (!isObject(message.params._meta[`${META}clientCapabilities`])) {
    throw new RpcError(-32602, 'invalid params: _meta lacks the client capabilities', {
      status: 400,
    });
  }
  return true;
}

async function dispatch(server, method, params, context, session) {
  const own = context.isModern ? MODERN_METHODS[method] : LEGACY_METHODS[method];
  const run = own ?? METHODS[method];
  const isOffered =
    run !== undefined && (run.needs === undefined || server.capabilities[run.needs] !== undefined);
  if (!isOffered) {
    throw new RpcError(-32601, 'method not found', { status: context.isModern ? 404 : 200 });
  }
  if (run.isList && params.cursor !== undefined) {
    throw new RpcError(-32602, 'invalid params: bad cursor');
  }
  const result = await run.call(server, params, context, session);
  if (!context.isModern) return result;
  const cache = run.ttlMs === undefined ? {} : { ttlMs: run.ttlMs, cacheScope: 'public' };
  return {
    ...result,
    resultType: 'complete',
    ...cache,
    _meta: { [`${META}serverInfo`]: server.info },
  };
}

const list = (kind, needs = kind) => ({
  needs,
  isList: true,
  ttlMs: 60_000,
  call: (server) => ({ [LISTED_AS[kind] ?? kind]: server[kind].map(describe) }),
});

const LISTED_AS = { templates: 'resourceTemplates' };

/** Methods that both eras have. */
const METHODS = {
  'tools/list': list('tools'),
  'tools/call': { needs: 'tools', call: callTool },
  'resources/list': list('resources'),
  'resources/templates/list': list('templates', 'resources'),
  'resources/read': { needs: 'resources', ttlMs: 0, call: readResource },
  'prompts/list': list('prompts'),
  'prompts/get': { needs: 'prompts', call: getPrompt },
  'completion/complete': { needs: 'completions', call: complete },
};

const MODERN_METHODS = {
  'server/discover': {
    ttlMs: 60_000,
    call: ({ capabilities, instructions }) => ({
      supportedVersions: [MODERN_REVISION],
      capabilities,
      instructions,
    }),
  },
};

const LEGACY_METHODS = {
  initialize: {
    call({ capabilities, info, instructions }, params, context, session) {
      const asked = params.protocolVersion;
      session.revision = LEGACY_REVISIONS.includes(asked) ? asked : LEGACY_REVISIONS[0];
      session.clientInfo = params.clientInfo ?? null;
      return { protocolVersion: session.revision, capabilities, serverInfo: info, instructions };
    },
  },
  ping: { call: () => ({}) },
  'logging/setLevel': {
    needs: 'logging',
    call(server, { level }, context, session) {
      if (!LOG_LEVELS.includes(level)) throw new RpcError(-32602, 'invalid params: bad log level');
      session.logLevel = level;
      return {};
    },
  },
};

function capabilitiesOf({ tools, resources, templates, prompts }) {
  return {
    ...(tools.length > 0 && { tools: {}, logging: {} }),
    ...(resources.length + templates.length > 0 && { resources: {} }),
    ...(prompts.length > 0 && { prompts: {} }),
    ...([...templates, ...prompts].some((one) => one.complete) && { completions: {} }),
  };
}
