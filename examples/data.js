#!/usr/bin/env node
/**
 * A tiny user directory over Streamable HTTP: a resource, a resource template, two prompts, one
 * query tool, and completion of user ids.
 *
 *   node examples/data.js [--port 9001] [--host 127.0.0.1] [--until-stdin-ends]
 */
import { parseArgs } from 'node:util';

import { serveHttp } from './lib/http.js';
import { createServer } from './lib/server.js';

const USERS = [
  { id: '1', name: 'Ada Lovelace', role: 'analyst', city: 'London' },
  { id: '2', name: 'Grace Hopper', role: 'admiral', city: 'New York' },
  { id: '3', name: 'Alan Turing', role: 'analyst', city: 'Manchester' },
  { id: '4', name: 'Katherine Johnson', role: 'navigator', city: 'Hampton' },
  { id: '5', name: 'Emmy Noether', role: 'professor', city: 'Göttingen' },
];

const USER_URI = /^data:\/\/users\/([^/]+)$/;
const ids = () => USERS.map(({ id }) => id);

function readUser(uri) {
  const id = USER_URI.exec(uri)?.[1];
  return USERS.find((user) => user.id === id) ?? null;
}

function question(text) {
  return [{ role: 'user', content: { type: 'text', text } }];
}

const server = createServer({
  name: 'data',
  version: '1.0.0',
  tools: [
    {
      name: 'query',
      title: 'Query users',
      description: 'Finds users whose field contains a text, ignoring case.',
      inputSchema: {
        type: 'object',
        properties: {
          field: { type: 'string', enum: ['id', 'name', 'role', 'city'] },
          contains: { type: 'string' },
          limit: { type: 'integer', minimum: 1, maximum: 100 },
        },
        required: ['field', 'contains'],
      },
      outputSchema: {
        type: 'object',
        properties: {
          users: { type: 'array', items: { type: 'object' } },
          total: { type: 'integer' },
        },
        required: ['users', 'total'],
      },
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
      call({ field, contains, limit = 10 }) {
        const found = USERS.filter((user) =>
          user[field].toLowerCase().includes(contains.toLowerCase()),
        );
        return { users: found.slice(0, limit), total: found.length };
      },
    },
  ],
  resources: [
    {
      uri: 'data://users',
      name: 'users',
      title: 'All users',
      mimeType: 'application/json',
      read: () => USERS,
    },
  ],
  templates: [
    {
      uriTemplate: 'data://users/{id}',
      name: 'user',
      title: 'One user',
      mimeType: 'application/json',
      read: readUser,
      complete: { id: ids },
    },
  ],
  prompts: [
    {
      name: 'introduce_user',
      description: 'Asks for an introduction of one user.',
      arguments: [{ name: 'id', description: 'User id', required: true }],
      complete: { id: ids },
      get: ({ id }) =>
        question(
          `Introduce this user in one sentence: ${JSON.stringify(readUser(`data://users/${id}`))}`,
        ),
    },
    {
      name: 'summarize_users',
      description: 'Asks for a summary of all users.',
      arguments: [{ name: 'style', description: 'How to write', required: false }],
      complete: { style: () => ['brief', 'detailed', 'rhyming'] },
      get: ({ style = 'brief' }) =>
        question(`Summarize these users, ${style}: ${JSON.stringify(USERS)}`),
    },
  ],
});

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9001' },
    host: { type: 'string', default: '127.0.0.1' },
    'until-stdin-ends': { type: 'boolean', default: false },
  },
});

try {
  const { port, close } = await serveHttp(server, { host: values.host, port: Number(values.port) });
  process.stdout.write(`data server listens on http://${values.host}:${port}/mcp\n`);
  process.once('SIGTERM', close);
  process.once('SIGINT', close);
  // Whoever starts it as a child holds its stdin, and takes it along however it ends.
  if (values['until-stdin-ends']) process.stdin.once('end', close).resume();
} catch (error) {
  process.stderr.write(
    `data server cannot listen on port ${values.port}: ${error.code ?? error.message}\n`,
  );
  process.exitCode = 1;
}
