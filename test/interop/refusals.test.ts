/** Refusals as a client sees them, each by its row in the table of faults: status, code and text. */
import { afterAll, beforeAll, expect, it } from 'vitest';

import { FAULTS, type FaultCode } from '../../shared/fault.ts';
import { TestGateway } from './support/gateway.ts';
import {
  envelope,
  legacy,
  modern,
  openSession,
  send,
  type Fields,
  type RawAnswer,
} from './support/raw.ts';
import { v1Stdio } from './support/servers.ts';

let gateway: TestGateway;
let url: string;
let session: Fields;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: { v1: v1Stdio() },
    limits: { bodyBytesMax: 64 * 1024 },
  });
  ({ url } = gateway);
  session = (await openSession(url, '2025-11-25')).fields;
});
afterAll(() => gateway?.stop());

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'raw', version: '1' },
};
const deep = `${'['.repeat(2000)}${']'.repeat(2000)}`;
const without = (key: string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(envelope()).filter(([name]) => !name.endsWith(key)));

async function secondStream(): Promise<RawAnswer> {
  const fields: Fields = {
    ...(await openSession(url, '2025-11-25')).fields,
    accept: 'text/event-stream',
  };
  const controller = new AbortController();
  const headers = {
    accept: 'text/event-stream',
    'mcp-session-id': String(fields['mcp-session-id']),
  };
  await fetch(url, { headers, signal: controller.signal });
  const second = await send(url, null, fields, 'GET');
  controller.abort();
  return second;
}

// A row a line: a table is read by its columns.
// prettier-ignore
const ROWS: [FaultCode, string, () => Promise<RawAnswer>][] = [
  ['PARSE_ERROR', 'half a message', () => send(url, '{"jsonrpc":', session)],
  ['INVALID_REQUEST', 'no message', () => send(url, '{}', session)],
  ['TOO_DEEP', 'a deep message', () => send(url, `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${deep}}}`, session)],
  ['AMBIGUOUS_MEMBER', 'a name that some parsers read', () => legacy(url, session, 'tools/call', { name: 'v1_echo', Name: 'v1_fail' })],
  ['BATCH_REFUSED', 'a batch after 2025-03-26', () => send(url, [PING], session)],
  ['METHOD_NOT_FOUND', 'an unknown method', () => modern(url, 'nothing/at-all')],
  ['INVALID_PARAMS', 'a tool without a name', () => modern(url, 'tools/call')],
  ['ENVELOPE_INVALID', 'half an envelope', () => modern(url, 'tools/list', {}, {}, without('clientCapabilities'))],
  ['HEADER_MISMATCH', 'a header that says something else', () => modern(url, 'tools/list', {}, { 'mcp-method': 'ping' })],
  ['VERSION_UNSUPPORTED', 'another revision', () => modern(url, 'tools/list', {}, { 'mcp-protocol-version': '2099-01-01' }, envelope({ protocolVersion: '2099-01-01' }))],
  ['SESSION_REQUIRED', 'no session', () => send(url, PING)],
  ['SESSION_NOT_FOUND', 'a session of nobody', () => send(url, PING, { ...session, 'mcp-session-id': 'x' })],
  ['SESSION_VERSION_BAD', 'an unknown version in a session', () => send(url, PING, { ...session, 'mcp-protocol-version': '1999-01-01' })],
  ['SESSION_STREAM_TAKEN', 'a second stream', secondStream],
  ['SESSION_INITIALIZED', 'a second initialize', () => legacy(url, session, 'initialize', INITIALIZE)],
  ['PATH_NOT_FOUND', 'another path', () => send(`${url}/nobody`, PING, session)],
  ['METHOD_NOT_ALLOWED', 'another HTTP method', () => send(url, PING, session, 'PUT')],
  ['HOST_REFUSED', 'another host', () => send(url, PING, { ...session, host: 'evil.example' })],
  ['ORIGIN_REFUSED', 'another origin', () => send(url, PING, { ...session, origin: 'https://evil.example' })],
  ['BODY_TOO_LARGE', 'a large body', () => send(url, ' '.repeat(65 * 1024), session)],
  ['NOT_ACCEPTABLE', 'a client that takes no events', () => send(url, PING, { ...session, accept: 'application/json' })],
  ['MEDIA_TYPE_UNSUPPORTED', 'a body that is no JSON', () => send(url, PING, { ...session, 'content-type': 'text/plain' })],
  ['CURSOR_INVALID', 'a cursor of nobody', () => modern(url, 'tools/list', { cursor: 'x' })],
  ['RESOURCE_NOT_FOUND', 'an unknown resource', () => legacy(url, session, 'resources/read', { uri: 'none://x' })],
];

it.each(ROWS)('answers %s to %s', async (fault, _what, ask) => {
  const { rpc, http, message } = FAULTS[fault];
  const answer = await ask();
  expect([answer.status, answer.message?.error?.code]).toEqual([http, rpc]);
  // The part before the colon is what the row says; the rest may be more precise.
  expect(answer.message?.error?.message).toContain(message.split(':')[0]);
});
