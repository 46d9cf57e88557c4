/**
 * Serves over Streamable HTTP, without sessions: every request stands alone, in both eras. An
 * answer is plain JSON, or an event stream if the tool has something to say before its result.
 */
import { createServer as createHttpServer } from 'node:http';

import {
  errorBody,
  isObject,
  LEGACY_REVISIONS,
  MESSAGE_BYTES_MAX,
  MODERN_REVISION,
  modernClaim,
} from './message.js';
import { createSession } from './server.js';

const LOCAL_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);
const BODY_TIMEOUT_MS = 10_000;
const BATCH_MAX = 64;

/** Where `Mcp-Name` comes from (2026-07-28, header rules). */
const NAME_SOURCE = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };

/** @returns a promise of `{ port, close }` once it listens; rejects when the port is taken */
export function serveHttp(server, { host = '127.0.0.1', port = 0, path = '/mcp' } = {}) {
  const http = createHttpServer({ requestTimeout: BODY_TIMEOUT_MS }, (request, response) => {
    answer(server, path, request, response).catch((error) => {
      if (!request.destroyed) process.stderr.write(`${error.stack}\n`);
      response.destroy();
    });
  });
  return new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, host, () => {
      const close = () => {
        http.close();
        http.closeAllConnections();
      };
      resolve({ port: http.address().port, close });
    });
  });
}

async function answer(server, path, request, response) {
  const refusal = refuseEarly(path, request);
  if (refusal !== null) return refuse(response, ...refusal);
  const body = await readBody(request);
  if (body === null) return refuse(response, 413, -32000, 'payload too large');

  let message;
  try {
    message = JSON.parse(body);
  } catch {
    return refuse(response, 400, -32700, 'parse error');
  }
  const problem = headerProblem(message, request.headers);
  if (problem !== null) return refuse(response, 400, ...problem, message.id ?? null);
  if (Array.isArray(message)) return answerBatch(server, message, request, response);
  return answerOne(server, message, request, response);
}

/** What is decided before a body is read: path, method, who asks from where, and media type. */
function refuseEarly(path, { url, method, headers }) {
  const name = (headers.host ?? '').replace(/:\d+$/, '');
  if (!LOCAL_NAMES.has(name)) return [403, -32000, 'forbidden: Host is not allowed'];
  if (headers.origin !== undefined && !isLocalOrigin(headers.origin)) {
    return [403, -32000, 'forbidden: Origin is not allowed'];
  }
  if (url.split('?')[0] !== path) return [404, -32000, 'not found'];
  // No event stream of its own and no sessions to delete, hence neither GET nor DELETE.
  if (method !== 'POST') return [405, -32000, 'method not allowed'];
  if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) {
    return [415, -32000, 'unsupported media type'];
  }
  if (Number(headers['content-length'] ?? 0) > MESSAGE_BYTES_MAX) {
    return [413, -32000, 'payload too large'];
  }
  return null;
}

function isLocalOrigin(origin) {
  return URL.canParse(origin) && LOCAL_NAMES.has(new URL(origin).hostname);
}

/** @returns the body as text, or null when it is too large */
async function readBody(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    bytes += part.length;
    if (bytes > MESSAGE_BYTES_MAX) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** A modern request repeats revision, method and name in header fields, and they must agree. */
function headerProblem(message, headers) {
  const claim = modernClaim(message);
  const revision = headers['mcp-protocol-version'];
  if (claim === undefined) {
    if (revision === undefined || LEGACY_REVISIONS.includes(revision)) return null;
    if (revision === MODERN_REVISION) {
      return message?.id === undefined
        ? null
        : [-32602, 'invalid params: the request envelope in _meta is missing'];
    }
    return message?.method === 'initialize'
      ? null
      : [-32000, 'bad request: unsupported MCP-Protocol-Version'];
  }
  if (message.id === undefined) return null;
  if (revision !== claim) return [-32020, 'header mismatch: MCP-Protocol-Version'];
  if (claim !== MODERN_REVISION) return null;
  if (headers['mcp-method'] !== message.method) return [-32020, 'header mismatch: Mcp-Method'];
  const source = NAME_SOURCE[message.method];
  if (source !== undefined && decodeField(headers['mcp-name']) !== message.params[source]) {
    return [-32020, 'header mismatch: Mcp-Name'];
  }
  return null;
}

/** Undoes `=?base64?…?=`, in which names travel that a header field cannot hold as they are. */
function decodeField(value) {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value ?? '');
  return encoded === null ? value : Buffer.from(encoded[1], 'base64').toString('utf8');
}

async function answerOne(server, message, request, response) {
  const isModern = modernClaim(message) !== undefined;
  const mayStream = (request.headers.accept ?? '').includes('text/event-stream');
  const aborter = new AbortController();
  // In the modern era a client cancels by hanging up; before, that meant nothing.
  if (isModern) response.once('close', () => aborter.abort());
  const notify = (notification) => {
    if (!mayStream || response.destroyed) return;
    if (!response.headersSent) openStream(response);
    response.write(`event: message\ndata: ${JSON.stringify(notification)}\n\n`);
  };
  const reply = await server.handle(
    message,
    createSession(legacyRevision(request)),
    notify,
    aborter.signal,
  );
  if (reply === null) {
    response.writeHead(202).end();
  } else if (response.headersSent) {
    response.end(`event: message\ndata: ${JSON.stringify(reply.body)}\n\n`);
  } else {
    sendJson(response, reply.status, reply.body);
  }
}

/** Revision 2025-03-26 alone knows batches; no other client sends them. */
async function answerBatch(server, messages, request, response) {
  const isUsual = messages.length > 0 && messages.length <= BATCH_MAX;
  const isLegacy = messages.every(
    (one) => isObject(one) && modernClaim(one) === undefined && one.method !== 'initialize',
  );
  if (!isUsual || !isLegacy || legacyRevision(request) !== '2025-03-26') {
    return refuse(
      response,
      400,
      -32600,
      'invalid request: batches exist in revision 2025-03-26 only',
    );
  }
  const session = createSession('2025-03-26');
  const replies = await Promise.all(messages.map((one) => server.handle(one, session, () => {})));
  const bodies = replies.filter((reply) => reply !== null).map((reply) => reply.body);
  if (bodies.length === 0) response.writeHead(202).end();
  else sendJson(response, 200, bodies);
}

/** Before 2025-06-18 clients did not name the revision; absent means 2025-03-26. */
function legacyRevision({ headers }) {
  const revision = headers['mcp-protocol-version'];
  return LEGACY_REVISIONS.includes(revision) ? revision : '2025-03-26';
}

function openStream(response) {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
}

function refuse(response, status, code, message, id = null) {
  if (status === 405) response.setHeader('allow', 'POST');
  // What was not read of the body must not be taken for the next request.
  if (status !== 400) response.setHeader('connection', 'close');
  sendJson(response, status, errorBody(id, code, message));
}

function sendJson(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
