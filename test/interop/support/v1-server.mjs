/**
 * A server built with `@modelcontextprotocol/sdk` 1.x: `v1-server.mjs stdio | json | sse`. The last two
 * listen on a free port, with one session and one server object per client, and print the URL.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CreateMessageResultSchema,
  ElicitResultSchema,
  ListRootsResultSchema,
  McpError,
  RootsListChangedNotificationSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod/v4';
import { countSteps, journal, namesFrom, noteText, text, waitForAbort } from './offer.mjs';

const mode = process.argv[2] ?? 'stdio';
const servers = new Set();
const grown = [];

function grow(server, name) {
  server.registerTool(name, { description: 'came later' }, () => text(`${name} is here`));
}

function offerTools(server) {
  server.registerTool(
    'echo',
    { description: 'says it back', inputSchema: { say: z.string() } },
    ({ say }) => text(say),
  );
  server.registerTool(
    'count',
    { inputSchema: { steps: z.number() } },
    ({ steps }, { _meta, sendNotification }) =>
      countSteps(steps, async (progress) => {
        if (_meta?.progressToken === undefined) return;
        const params = { progressToken: _meta.progressToken, ...progress };
        await sendNotification({ method: 'notifications/progress', params });
      }),
  );
  server.registerTool('wait', { inputSchema: { tag: z.string() } }, ({ tag }, { signal }) =>
    waitForAbort(tag, signal),
  );
  server.registerTool('journal', {}, () =>
    text(JSON.stringify({ ...journal, waits: [...journal.waits] })),
  );
  server.registerTool(
    'log',
    { inputSchema: { level: z.string(), data: z.string() } },
    async ({ level, data }, { sendNotification }) => {
      await server.server.sendLoggingMessage({ level, data }, undefined);
      await sendNotification({
        method: 'notifications/message',
        params: { level, data: `${data}, of the call` },
      });
      return text('logged');
    },
  );
  server.registerTool('pause', {}, async (_extra) => {
    // Ends the stream of this call; the client has to come back for the answer.
    _extra.closeSSEStream?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return text(_extra.closeSSEStream === undefined ? 'no need' : 'after a pause');
  });
  server.registerTool('fail', {}, () => {
    throw new Error('as asked');
  });
}

function offerQuestions(server) {
  server.registerTool('ask_model', {}, async (_extra) => {
    const params = {
      maxTokens: 9,
      messages: [{ role: 'user', content: { type: 'text', text: 'why?' } }],
    };
    const answer = await _extra.sendRequest(
      { method: 'sampling/createMessage', params },
      CreateMessageResultSchema,
    );
    return text(answer.content.text);
  });
  server.registerTool('ask_user', {}, async (_extra) => {
    const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
    const params = { message: 'your name?', requestedSchema };
    const answer = await _extra.sendRequest(
      { method: 'elicitation/create', params },
      ElicitResultSchema,
    );
    return text(`${answer.action} ${answer.content?.name}`);
  });
  server.registerTool('ask_roots', {}, async (_extra) => {
    const answer = await _extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema);
    return text(answer.roots.map(({ uri }) => uri).join(' '));
  });
  server.registerTool('ask_alive', {}, async (_extra) => {
    await _extra.sendRequest({ method: 'ping' }, z.object({}).loose());
    return text('alive');
  });
  server.server.setNotificationHandler(RootsListChangedNotificationSchema, () => {
    journal.roots += 1;
  });
}

function offerChanges(server) {
  server.registerTool('grow', { inputSchema: { name: z.string() } }, ({ name }) => {
    grown.push(name);
    for (const each of servers) grow(each, name);
    return text('grown');
  });
  server.registerTool('touch', { inputSchema: { uri: z.string() } }, async ({ uri }) => {
    for (const each of servers) {
      if (each.subscribed.has(uri)) await each.server.sendResourceUpdated({ uri });
    }
    return text('touched');
  });
  server.subscribed = new Set();
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    server.subscribed.add(params.uri);
    return {};
  });
  server.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    server.subscribed.delete(params.uri);
    return {};
  });
}

function offerReading(server) {
  server.registerResource('one', 'note://one', { mimeType: 'text/plain' }, ({ href }) => ({
    contents: [{ uri: href, text: noteText('one') }],
  }));
  const template = new ResourceTemplate('note://by/{name}', {
    list: undefined,
    complete: { name: namesFrom },
  });
  server.registerResource('by', template, {}, ({ href }, { name }) => {
    if (name === 'nobody') throw new McpError(-32002, 'no such note', { uri: href });
    if (/^-\d+$/.test(name)) throw new McpError(Number(name), 'as asked');
    return { contents: [{ uri: href, text: noteText(name) }] };
  });
  const argsSchema = { name: completable(z.string(), namesFrom) };
  server.registerPrompt('greet', { argsSchema }, ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${name}.` } }],
  }));
}

function create() {
  const capabilities = { logging: {}, tools: {}, resources: { subscribe: true } };
  const server = new McpServer(
    { name: 'v1', version: '1.0.0' },
    { capabilities, instructions: 'be kind' },
  );
  offerTools(server);
  offerQuestions(server);
  offerChanges(server);
  offerReading(server);
  for (const name of grown) grow(server, name);
  servers.add(server);
  server.server.onclose = () => servers.delete(server);
  return server;
}

const sessions = new Map();

/** Keeps events, so that a broken stream can be resumed. Fixtures do not live long. */
class EventLog {
  #events = [];

  async storeEvent(streamId, message) {
    this.#events.push({ streamId, message });
    return `ä${this.#events.length}`;
  }

  async replayEventsAfter(lastEventId, { send }) {
    const from = Number(Buffer.from(lastEventId, 'latin1').toString().slice(1));
    const { streamId } = this.#events[from - 1];
    for (const [index, event] of this.#events.entries()) {
      if (index >= from && event.streamId === streamId) await send(`ä${index + 1}`, event.message);
    }
    return streamId;
  }
}

async function onRequest(request, response) {
  const id = request.headers['mcp-session-id'];
  if (request.url !== '/mcp') {
    response.writeHead(404).end();
    return;
  }
  if (id !== undefined && !sessions.has(id)) {
    const error = { code: -32001, message: 'Session not found' };
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', error, id: null }));
    return;
  }
  let transport = sessions.get(id);
  if (transport === undefined) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: mode === 'json',
      ...(mode === 'sse' ? { eventStore: new EventLog(), retryInterval: 200 } : {}),
      onsessioninitialized: (fresh) => sessions.set(fresh, transport),
      onsessionclosed: (gone) => sessions.delete(gone),
    });
    await create().connect(transport);
  }
  await transport.handleRequest(request, response);
}

if (mode === 'stdio') await create().connect(new StdioServerTransport());
else {
  const http = createServer((request, response) => void onRequest(request, response));
  http.listen(0, '127.0.0.1', () => {
    process.stdout.write(`http://127.0.0.1:${http.address().port}/mcp\n`);
  });
  process.stdin.resume().on('end', () => process.exit(0));
}
