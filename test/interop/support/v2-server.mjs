/**
 * A server built with `@modelcontextprotocol/server` 2.x: `v2-server.mjs stdio | http [reject]`. It is
 * modern; with `reject` nothing else, otherwise also legacy (over HTTP without sessions). `http` listens
 * on a free port and prints the URL.
 */
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  acceptedContent,
  completable,
  createMcpHandler,
  inputRequired,
  McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod/v4';
import { countSteps, journal, namesFrom, noteText, text, waitForAbort } from './offer.mjs';

const mode = process.argv[2] ?? 'stdio';
const legacy = process.argv[3] === 'reject' ? 'reject' : mode === 'stdio' ? 'serve' : 'stateless';
const grown = [];
let current = null;
let handler = null;

function grow(server, name) {
  server.registerTool(name, { description: 'came later' }, () => text(`${name} is here`));
}

function offerTools(server) {
  server.registerTool(
    'echo',
    { description: 'says it back', inputSchema: z.object({ say: z.string() }) },
    ({ say }) => text(say),
  );
  server.registerTool(
    'count',
    { inputSchema: z.object({ steps: z.number() }) },
    ({ steps }, { mcpReq }) =>
      countSteps(steps, async (progress) => {
        const progressToken = mcpReq._meta?.progressToken;
        if (progressToken === undefined) return;
        await mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken, ...progress },
        });
      }),
  );
  server.registerTool(
    'wait',
    { inputSchema: z.object({ tag: z.string() }) },
    ({ tag }, { mcpReq }) => waitForAbort(tag, mcpReq.signal),
  );
  server.registerTool('journal', {}, () =>
    text(JSON.stringify({ ...journal, waits: [...journal.waits] })),
  );
  server.registerTool(
    'log',
    { inputSchema: z.object({ level: z.string(), data: z.string() }) },
    async ({ level, data }, { mcpReq }) => {
      await mcpReq.log(level, data);
      return text('logged');
    },
  );
  server.registerTool('fail', {}, () => {
    throw new Error('as asked');
  });
  server.registerTool('ask_user', {}, (_context) => {
    const answer = acceptedContent(_context.mcpReq.inputResponses, 'who');
    if (answer !== undefined)
      return text(`hello ${answer.name}, round ${_context.mcpReq.requestState()}`);
    const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
    const who = inputRequired.elicit({ message: 'your name?', requestedSchema });
    return inputRequired({ inputRequests: { who }, requestState: 'one' });
  });
  const place = z.string().meta({ 'x-mcp-header': 'Place' });
  server.registerTool('locate', { inputSchema: z.object({ place }) }, ({ place: where }) =>
    text(where),
  );
}

function offerChanges(server) {
  server.registerTool('announce', {}, async () => {
    if (handler === null) await current.server.sendToolListChanged();
    else handler.notify.toolsChanged();
    return text('announced');
  });
  server.registerTool('grow', { inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    grown.push(name);
    if (handler === null) grow(current, name);
    else handler.notify.toolsChanged();
    return text('grown');
  });
  server.registerTool('touch', { inputSchema: z.object({ uri: z.string() }) }, async ({ uri }) => {
    if (handler === null) await current.server.sendResourceUpdated({ uri });
    else handler.notify.resourceUpdated(uri);
    return text('touched');
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
    if (name === 'nobody') throw new ResourceNotFoundError(href);
    return { contents: [{ uri: href, text: noteText(name) }] };
  });
  const argsSchema = z.object({ name: completable(z.string(), namesFrom) });
  server.registerPrompt('greet', { argsSchema }, ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${name}.` } }],
  }));
}

function create() {
  const capabilities = {
    logging: {},
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
  };
  const server = new McpServer({ name: 'v2', version: '2.0.0' }, { capabilities });
  offerTools(server);
  offerChanges(server);
  offerReading(server);
  for (const name of grown) grow(server, name);
  current = server;
  return server;
}

if (mode === 'stdio') serveStdio(create, { legacy });
else {
  handler = createMcpHandler(create, { legacy });
  const http = createServer(toNodeHandler(handler));
  http.listen(0, '127.0.0.1', () => {
    process.stdout.write(`http://127.0.0.1:${http.address().port}/mcp\n`);
  });
  process.stdin.resume().on('end', () => process.exit(0));
}
