import { classifyInboundRequest, createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../../shared/fault.ts';
import { Classification } from '../../../src/protocol/eras/classification.ts';
import { classify } from '../../../src/protocol/eras/classify.ts';
import { ERA_LEGACY, ERA_MODERN, REVISIONS } from '../../../src/protocol/eras/era.ts';
import { McpHeaders } from '../../../src/protocol/eras/mcp-headers.ts';
import { Peek } from '../../../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../../../src/protocol/jsonrpc/peek.ts';
import { PEEK_OK } from '../../../src/protocol/jsonrpc/verdict.ts';

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo';
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

interface Fields {
  version?: string;
  method?: string;
  name?: string;
}

/** Field values as the edge hands them over: bytes in one block. */
function toHeaders(fields: Fields): McpHeaders {
  const headers = new McpHeaders();
  const { version = '', method = '', name = '' } = fields;
  headers.reset(Buffer.from(`>${version}>${method}>${name}>`, 'latin1'));
  if (fields.version !== undefined) {
    headers.versionStart = 1;
    headers.versionEnd = 1 + version.length;
  }
  if (fields.method !== undefined) {
    headers.methodStart = version.length + 2;
    headers.methodEnd = headers.methodStart + method.length;
  }
  if (fields.name !== undefined) {
    headers.nameStart = version.length + method.length + 3;
    headers.nameEnd = headers.nameStart + name.length;
  }
  return headers;
}

function classifyText(text: string, fields: Fields): Classification {
  const bytes = Buffer.from(text);
  const record = new Peek();
  expect(peek(bytes, 0, bytes.length, record)).toBe(PEEK_OK);
  const out = new Classification();
  expect(classify(bytes, record, toHeaders(fields), out)).toBe(out.fault === null);
  return out;
}

const envelope = { [VERSION]: '2026-07-28', [CAPABILITIES]: {} };
const call = (meta: unknown, params: object = { name: 'add' }) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: meta === undefined ? params : { ...params, _meta: meta },
});
const agreeing: Fields = { version: '2026-07-28', method: 'tools/call', name: 'add' };
const classifyCall = (meta: unknown, fields: Fields, params?: object) =>
  classifyText(JSON.stringify(call(meta, params)), fields);

describe('the front door', () => {
  it('lets a modern call pass whose headers agree with its body', () => {
    const { era, revision, fault } = classifyCall(envelope, agreeing);
    expect([era, REVISIONS[revision], fault]).toEqual([ERA_MODERN, '2026-07-28', null]);
  });

  it('strips white space around field values, and compares them with case', () => {
    const padded = { version: ' 2026-07-28\t', method: '\t tools/call', name: ' add  ' };
    expect(classifyCall(envelope, padded).fault).toBe(null);
    const shouting = { ...agreeing, method: 'TOOLS/CALL' };
    expect(classifyCall(envelope, shouting).fault).toBe('HEADER_MISMATCH');
  });

  it('says which header differs from what', () => {
    const { fault, data } = classifyCall(envelope, { ...agreeing, name: 'other' });
    expect(fault).toBe('HEADER_MISMATCH');
    expect(JSON.parse(data!)).toEqual({ mismatch: { header: 'other', body: 'add' } });
  });

  it.each(['version', 'method', 'name'] as const)('misses the %s header', (field) => {
    const fields: Fields = { ...agreeing };
    delete fields[field];
    expect(classifyCall(envelope, fields).fault).toBe('HEADER_MISMATCH');
  });

  it('names the revisions it serves when asked for another', () => {
    const { fault, data } = classifyCall(
      { ...envelope, [VERSION]: '2099-01-01' },
      { ...agreeing, version: '2099-01-01' },
    );
    expect(fault).toBe('VERSION_UNSUPPORTED');
    expect(JSON.parse(data!)).toEqual({ supported: ['2026-07-28'], requested: '2099-01-01' });
  });

  it('names what the envelope lacks', () => {
    const missing = (meta: unknown) => {
      const { fault, data } = classifyCall(meta, agreeing);
      expect(fault).toBe('ENVELOPE_INVALID');
      return JSON.parse(data!).envelope;
    };
    expect(missing(undefined)).toEqual({ missing: ['_meta'] });
    expect(missing({})).toEqual({ missing: [VERSION, CAPABILITIES] });
    expect(missing({ [VERSION]: '2026-07-28' })).toEqual({ key: CAPABILITIES, problem: 'missing' });
  });

  it('refuses a modern call without a name, after the headers were checked', () => {
    const params = { arguments: {} };
    expect(classifyCall(envelope, { ...agreeing, method: 'x' }, params).fault).toBe(
      'HEADER_MISMATCH',
    );
    expect(classifyCall(envelope, agreeing, params).fault).toBe('INVALID_PARAMS');
    expect(classifyCall(envelope, agreeing, { name: 7 }).fault).toBe('INVALID_PARAMS');
  });

  it.each([
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'no/such',
    'roots/list',
  ])('knows no modern method %s', (method) => {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta: envelope } });
    const { fault } = classifyText(text, { version: '2026-07-28', method });
    expect(fault).toBe('METHOD_NOT_FOUND');
  });

  it('takes a request without a claim for legacy, by the revision its header names', () => {
    const bare = classifyCall(undefined, {});
    expect([bare.era, bare.revision, bare.fault]).toEqual([ERA_LEGACY, -1, null]);
    const named = classifyCall(undefined, { version: '2025-06-18' });
    expect([named.era, REVISIONS[named.revision], named.fault]).toEqual([
      ERA_LEGACY,
      '2025-06-18',
      null,
    ]);
    expect(classifyCall(undefined, { version: '2025-01-01' }).fault).toBe('SESSION_VERSION_BAD');
  });

  it('takes arrays from 2025-03-26 clients alone', () => {
    expect(classifyText('[]', {}).fault).toBe(null);
    expect(classifyText('[]', { version: '2025-03-26' }).fault).toBe(null);
    expect(classifyText('[]', { version: '2025-06-18' }).fault).toBe('BATCH_REFUSED');
    expect(classifyText('[]', { version: '2026-07-28' }).fault).toBe('BATCH_REFUSED');
  });

  it.each([
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
    ['us west 1', 'us west 1'],
    ['add', '=?base64?YWRk?='],
    ['', ''],
    ['', '=?base64??='],
    ['=?BASE64?YWRk?=', '=?BASE64?YWRk?='],
    ['=?base64?YWRk', '=?base64?YWRk'],
  ])('reads the name %j in the field %j', (name, field) => {
    expect(classifyCall(envelope, { ...agreeing, name: field }, { name }).fault).toBe(null);
  });

  it.each([
    ['add', '=?base64?YWR?='],
    ['add', '=?base64?YW Rk?='],
    ['add', '=?base64?YWRk=?='],
    ['add', '=?base64?YW=k?='],
    ['add', '=?base64?_-__?='],
    ['=?base64?literal?=', '=?base64?literal?='],
    ['é', '\u00c3\u00a9'],
    ['add', 'Add'],
  ])('does not read the name %j in the field %j', (name, field) => {
    const { fault } = classifyCall(envelope, { ...agreeing, name: field }, { name });
    expect(fault).toBe('HEADER_MISMATCH');
  });
});

describe('beside the official SDK', () => {
  const version = fc.constantFrom(
    undefined,
    '2026-07-28',
    '2025-11-25',
    '2025-06-18',
    '2099-01-01',
    '1',
    ' 2026-07-28 ',
  );
  const meta = fc.option(
    fc.record(
      {
        [VERSION]: fc.constantFrom<unknown>(
          '2026-07-28',
          '2025-11-25',
          '2099-01-01',
          '',
          7,
          null,
          {},
        ),
        [CAPABILITIES]: fc.constantFrom<unknown>({}, { roots: {} }, [], 'x', null),
        [CLIENT_INFO]: fc.constantFrom<unknown>({ name: 'c', version: '1' }, 'c', []),
        [LOG_LEVEL]: fc.constantFrom<unknown>('info', 'loud', 3),
      },
      { requiredKeys: [] },
    ),
    { nil: undefined },
  );
  const usualMeta = fc.oneof(
    { weight: 2, arbitrary: fc.constant(envelope) },
    { weight: 1, arbitrary: meta },
  );
  const name = fc.constantFrom<unknown>('add', 'ä', undefined, 5);
  const method = fc.constantFrom(
    'tools/call',
    'tools/list',
    'initialize',
    'ping',
    'no/such',
    'resources/read',
  );
  const message = fc.record({ method, meta: usualMeta, name, isRequest: fc.boolean() });
  const fields = fc.record({
    version,
    method: fc.constantFrom(undefined, 'same', 'same', 'tools/call', ' tools/list'),
    name: fc.constantFrom(undefined, 'add', 'add', 'other', '=?base64?YWRk?=', '=?base64?YWR?='),
  });

  interface Case {
    text: string;
    body: { method: string };
    fields: Fields;
  }

  const cases = fc.record({ message, fields }).map(({ message, fields }): Case => {
    const { method, isRequest } = message;
    const params = {
      name: message.name,
      uri: message.name,
      ...(message.meta && { _meta: message.meta }),
    };
    const body = { jsonrpc: '2.0', ...(isRequest && { id: 1 }), method, params };
    const given: Fields = {};
    if (fields.version !== undefined) given.version = fields.version;
    if (fields.method !== undefined)
      given.method = fields.method === 'same' ? method : fields.method;
    if (fields.name !== undefined) given.name = fields.name;
    const text = JSON.stringify(body);
    return { text, body: JSON.parse(text), fields: given };
  });

  it('routes as its classifier does', () => {
    fc.assert(
      fc.property(cases, ({ text, body, fields }) => {
        const theirs = classifyInboundRequest({
          httpMethod: 'POST',
          body,
          ...(fields.version !== undefined && { protocolVersionHeader: fields.version }),
          ...(fields.method !== undefined && { mcpMethodHeader: fields.method }),
          ...(fields.name !== undefined && { mcpNameHeader: fields.name }),
        });
        const ours = classifyText(text, fields);
        if (theirs.kind === 'reject') {
          expect(ours.fault && FAULTS[ours.fault].rpc).toBe(theirs.code);
          expect(FAULTS[ours.fault!].http).toBe(theirs.httpStatus);
          expect(keysOf(ours.data && JSON.parse(ours.data))).toEqual(keysOf(theirs.data));
        } else {
          expect(ours.era).toBe(theirs.kind === 'modern' ? ERA_MODERN : ERA_LEGACY);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('answers modern requests with the status and code of its server', async () => {
    const handler = createMcpHandler(
      () => {
        const server = new McpServer({ name: 's', version: '1' }, { capabilities: { tools: {} } });
        server.registerTool('add', {}, () => ({ content: [] }));
        server.registerResource('add', 'add', {}, () => ({ contents: [] }));
        return server;
      },
      { legacy: 'reject' },
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ text, body, fields }) => {
        const ours = classifyText(text, fields);
        fc.pre(ours.era === ERA_MODERN && 'id' in body);
        const headers = new Headers({
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        });
        if (fields.version !== undefined) headers.set('mcp-protocol-version', fields.version);
        if (fields.method !== undefined) headers.set('mcp-method', fields.method);
        if (fields.name !== undefined) headers.set('mcp-name', fields.name);
        const reply = await handler.fetch(
          new Request('http://localhost/mcp', { method: 'POST', headers, body: text }),
        );
        const answer = (await reply.text()).replace(/^[^{]*/, '');
        const theirs = JSON.parse(answer).error;
        if (ours.fault === null) {
          // What is left is the server's own: which tools and resources there are.
          expect([200, 404]).toContain(reply.status);
        } else if (ours.fault === 'INVALID_PARAMS') {
          // Its check of a method's params says -32603 for some of them.
          expect(reply.status).toBe(200);
          expect([-32602, -32603]).toContain(theirs.code);
        } else {
          expect([reply.status, theirs.code]).toEqual([
            FAULTS[ours.fault].http,
            FAULTS[ours.fault].rpc,
          ]);
        }
      }),
      { numRuns: 150 },
    );
    await handler.close();
  });

  function keysOf(data: unknown): unknown {
    if (data === null || typeof data !== 'object') return null;
    return Object.entries(data).map(([key, value]) => [key, Object.keys(value as object)]);
  }
});
