/** The wire examples of the specification and of the official SDK, byte for byte. */
import { describe, expect, it } from 'vitest';
import { Classification } from '../../src/protocol/eras/classification.ts';
import { classify } from '../../src/protocol/eras/classify.ts';
import { ERA_LEGACY, ERA_MODERN } from '../../src/protocol/eras/era.ts';
import { McpHeaders } from '../../src/protocol/eras/mcp-headers.ts';
import {
  checkMirroredParams,
  compileMirroredParams,
} from '../../src/protocol/eras/mirrored-param.ts';
import {
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_REQUEST,
  KIND_RESPONSE,
} from '../../src/protocol/jsonrpc/peek-record.ts';
import { PEEK_OK } from '../../src/protocol/jsonrpc/verdict.ts';
import { METHODS } from '../../src/protocol/methods.ts';
import { peekText, textOf } from './support/messages.ts';

const MODERN_CALL =
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"execute_sql","arguments":{"region":"us-west1","query":"SELECT 1"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}';

describe('the example', () => {
  it.each([
    [MODERN_CALL, KIND_REQUEST, 'tools/call'],
    [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p1","progress":50,"total":100}}',
      KIND_NOTIFICATION,
      'notifications/progress',
    ],
    [
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"done"}]}}',
      KIND_RESPONSE,
      '',
    ],
    [
      '{"jsonrpc":"2.0","id":900,"method":"elicitation/create","params":{"mode":"form","message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}',
      KIND_REQUEST,
      'elicitation/create',
    ],
    [
      '{"jsonrpc":"2.0","id":900,"result":{"action":"accept","content":{"name":"octocat"}}}',
      KIND_RESPONSE,
      '',
    ],
    [
      '{"jsonrpc":"2.0","error":{"code":-32022,"message":"Unsupported protocol version: 2025-06-18","data":{"supported":["2026-07-28"],"requested":"2025-06-18"}},"id":1}',
      KIND_ERROR,
      '',
    ],
    [
      '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Session ID required"},"id":null}',
      KIND_ERROR,
      '',
    ],
    [
      '{"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"…","data":{"elicitations":[{"mode":"url","elicitationId":"550e","url":"https://x","message":"…"}]}}}',
      KIND_ERROR,
      '',
    ],
    [
      '{"jsonrpc":"2.0","id":"discover-1","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}',
      KIND_REQUEST,
      'server/discover',
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"c","version":"1"}}}',
      KIND_REQUEST,
      'initialize',
    ],
    [
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      KIND_NOTIFICATION,
      'notifications/initialized',
    ],
    [
      '{"result":{"content":[{"type":"text","text":"…"}],"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"…","version":"1.0.0"}}},"jsonrpc":"2.0","id":7}',
      KIND_RESPONSE,
      '',
    ],
    [
      '{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","inputRequests":{"github_login":{"method":"elicitation/create","params":{"mode":"form","message":"…"}}},"requestState":"opaque"}}',
      KIND_RESPONSE,
      '',
    ],
    [
      '{"jsonrpc":"2.0","id":"sub-1","method":"subscriptions/listen","params":{"_meta":{},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]}}}',
      KIND_REQUEST,
      'subscriptions/listen',
    ],
    [
      '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub-1"}}}',
      KIND_NOTIFICATION,
      'notifications/tools/list_changed',
    ],
    [
      '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub-1"},"notifications":{"toolsListChanged":true}}}',
      KIND_NOTIFICATION,
      'notifications/subscriptions/acknowledged',
    ],
  ])('%s is taken as it is', (text, kind, method) => {
    const { verdict, record } = peekText(text);
    expect([verdict, record.kind, METHODS[record.methodId].name, record.hasLineBreak]).toEqual([
      PEEK_OK,
      kind,
      method,
      0,
    ]);
  });

  it('of a modern call over HTTP passes with its headers, mirrored parameter included', () => {
    const { record, bytes } = peekText(MODERN_CALL);
    const headers = new McpHeaders();
    headers.reset(Buffer.from('2026-07-28tools/callexecute_sql'));
    Object.assign(headers, {
      versionStart: 0,
      versionEnd: 10,
      methodStart: 10,
      methodEnd: 20,
      nameStart: 20,
      nameEnd: 31,
    });
    const out = new Classification();
    expect(classify(bytes, record, headers, out)).toBe(true);
    expect(out.era).toBe(ERA_MODERN);
    const { params } = compileMirroredParams({
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        query: { type: 'string' },
      },
    });
    const args = JSON.parse(textOf(bytes, record.argumentsStart, record.argumentsEnd)!) as unknown;
    expect(checkMirroredParams(params, args, new Map([['mcp-param-region', 'us-west1']]))).toBe(
      null,
    );
    expect(checkMirroredParams(params, args, new Map())).not.toBe(null);
  });

  it('of an answer to a server is legacy, for modern clients send none', () => {
    const { record, bytes } = peekText('{"jsonrpc":"2.0","id":900,"result":{"action":"accept"}}');
    const out = new Classification();
    expect(classify(bytes, record, new McpHeaders(), out)).toBe(true);
    expect(out.era).toBe(ERA_LEGACY);
  });
});
