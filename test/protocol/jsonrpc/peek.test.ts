import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_BYTES_MAX, JSON_DEPTH_MAX } from '../../../shared/limits.ts';
import { MEMBER_NAMES } from '../../../src/protocol/jsonrpc/member.ts';
import {
  KIND_BATCH,
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_REQUEST,
  KIND_RESPONSE,
  Peek,
} from '../../../src/protocol/jsonrpc/peek-record.ts';
import { NAME_BYTES_MAX, URI_BYTES_MAX } from '../../../src/protocol/jsonrpc/peek-params.ts';
import { METHOD_BYTES_MAX } from '../../../src/protocol/jsonrpc/peek.ts';
import { rewriteMessage } from '../../../src/protocol/jsonrpc/rewrite.ts';
import {
  PEEK_AMBIGUOUS,
  PEEK_INVALID_PARAMS,
  PEEK_INVALID_REQUEST,
  PEEK_OK,
  PEEK_PARSE_ERROR,
  PEEK_REWRITE,
  PEEK_TOO_DEEP,
} from '../../../src/protocol/jsonrpc/verdict.ts';
import {
  METHOD_PROGRESS,
  METHOD_TOOLS_CALL,
  METHOD_UNKNOWN,
} from '../../../src/protocol/methods.ts';
import { foldKey, messageText, peekText, textOf } from '../support/messages.ts';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const member = (value: unknown, key: string): unknown =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;

/** What the record says must be what `JSON.parse` reads, member by member. */
function expectAgreement(bytes: Buffer, record: Peek, message: Json): void {
  const text = (start: number, end: number) => textOf(bytes, start, end);
  const token = (start: number, end: number) =>
    start < 0 ? undefined : JSON.parse(text(start, end)!);
  const string = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const { params, result, error } = message;
  const meta = member(params, '_meta');
  const ref = member(params, 'ref');
  const reserved = (key: string) => member(meta, `io.modelcontextprotocol/${key}`);

  expect(text(record.methodStart, record.methodEnd)).toBe(message.method);
  expect(token(record.idStart, record.idEnd)).toEqual(message.id ?? undefined);
  expect(token(record.paramsStart, record.paramsEnd)).toEqual(params);
  expect(text(record.nameStart, record.nameEnd)).toBe(string(member(params, 'name')));
  expect(text(record.uriStart, record.uriEnd)).toBe(string(member(params, 'uri')));
  expect(text(record.taskIdStart, record.taskIdEnd)).toBe(string(member(params, 'taskId')));
  expect(token(record.argumentsStart, record.argumentsEnd)).toEqual(member(params, 'arguments'));
  expect(token(record.cursorStart, record.cursorEnd)).toEqual(member(params, 'cursor'));
  expect(token(record.requestIdStart, record.requestIdEnd)).toEqual(member(params, 'requestId'));
  expect(token(record.progressTokenStart, record.progressTokenEnd)).toEqual(
    member(params, 'progressToken'),
  );
  expect(text(record.levelStart, record.levelEnd)).toBe(string(member(params, 'level')));
  expect(token(record.refStart, record.refEnd)).toEqual(isObject(ref) ? ref : undefined);
  expect(text(record.refTypeStart, record.refTypeEnd)).toBe(string(member(ref, 'type')));
  expect(text(record.refNameStart, record.refNameEnd)).toBe(string(member(ref, 'name')));
  expect(text(record.refUriStart, record.refUriEnd)).toBe(string(member(ref, 'uri')));
  expect(text(record.protocolVersionParamStart, record.protocolVersionParamEnd)).toBe(
    string(member(params, 'protocolVersion')),
  );
  expect(token(record.initCapabilitiesStart, record.initCapabilitiesEnd)).toEqual(
    member(params, 'capabilities'),
  );
  expect(token(record.clientInfoStart, record.clientInfoEnd)).toEqual(member(params, 'clientInfo'));
  expect(token(record.taskStart, record.taskEnd)).toEqual(member(params, 'task'));
  expect(token(record.inputResponsesStart, record.inputResponsesEnd)).toEqual(
    member(params, 'inputResponses'),
  );
  expect(token(record.requestStateStart, record.requestStateEnd)).toEqual(
    member(params, 'requestState'),
  );
  expect(token(record.notificationsStart, record.notificationsEnd)).toEqual(
    member(params, 'notifications'),
  );

  expect(token(record.metaStart, record.metaEnd)).toEqual(meta);
  expect(text(record.metaVersionStart, record.metaVersionEnd)).toBe(
    string(reserved('protocolVersion')),
  );
  expect(record.metaVersionKey >= 0).toBe(reserved('protocolVersion') !== undefined);
  expect(token(record.metaCapabilitiesStart, record.metaCapabilitiesEnd)).toEqual(
    reserved('clientCapabilities'),
  );
  expect(token(record.metaClientInfoStart, record.metaClientInfoEnd)).toEqual(
    reserved('clientInfo'),
  );
  expect(token(record.metaLogLevelStart, record.metaLogLevelEnd)).toEqual(reserved('logLevel'));
  expect(token(record.metaProgressTokenStart, record.metaProgressTokenEnd)).toEqual(
    member(meta, 'progressToken'),
  );
  for (const key of ['traceparent', 'tracestate', 'baggage'] as const) {
    const read = text(record[`${key}Start`], record[`${key}End`]);
    if (read !== undefined) expect(read).toBe(member(meta, key));
  }

  expect(token(record.resultStart, record.resultEnd)).toEqual(result);
  expect(record.isError).toBe(member(result, 'isError') === true ? 1 : 0);
  expect(text(record.resultTypeStart, record.resultTypeEnd)).toBe(
    string(member(result, 'resultType')),
  );
  expect(token(record.ttlMsStart, record.ttlMsEnd)).toEqual(member(result, 'ttlMs'));
  expect(token(record.cacheScopeStart, record.cacheScopeEnd)).toEqual(member(result, 'cacheScope'));
  expect(token(record.nextCursorStart, record.nextCursorEnd)).toEqual(member(result, 'nextCursor'));
  expect(token(record.inputRequestsStart, record.inputRequestsEnd)).toEqual(
    member(result, 'inputRequests'),
  );
  expect(token(record.resultStateStart, record.resultStateEnd)).toEqual(
    member(result, 'requestState'),
  );
  expect(token(record.serverInfoStart, record.serverInfoEnd)).toEqual(
    member(member(result, '_meta'), 'io.modelcontextprotocol/serverInfo'),
  );
  expect(token(record.errorStart, record.errorEnd)).toEqual(error);
  expect(token(record.errorCodeStart, record.errorCodeEnd)).toEqual(member(error, 'code'));
  expect(token(record.errorMessageStart, record.errorMessageEnd)).toEqual(member(error, 'message'));
  expect(token(record.errorDataStart, record.errorDataEnd)).toEqual(member(error, 'data'));
}

/** No key may be left that a lenient parser takes for one that we read. */
function expectNoLookalikes(message: Json): void {
  const levels: [number, unknown][] = [
    [1, message.params],
    [2, member(message.params, '_meta')],
    [3, member(message.params, 'ref')],
  ];
  for (const [level, value] of levels) {
    if (!isObject(value)) continue;
    // In `_meta` the envelope alone is guarded.
    const names = MEMBER_NAMES[level].slice(1, level === 2 ? 5 : undefined);
    for (const key of Object.keys(value)) {
      if (!names.includes(key)) expect(names.map(foldKey)).not.toContain(foldKey(key));
    }
  }
}

const call = (params: string) =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
const verdictOf = (text: string | Uint8Array) => peekText(text).verdict;

describe('peek', () => {
  it('reads a call', () => {
    const { verdict, record, bytes } = peekText(call('{"name":"add","arguments":{"a":1}}'));
    expect(verdict).toBe(PEEK_OK);
    expect([record.kind, record.methodId, record.hasLineBreak]).toEqual([
      KIND_REQUEST,
      METHOD_TOOLS_CALL,
      0,
    ]);
    expect(textOf(bytes, record.idStart, record.idEnd)).toBe('1');
    expect(textOf(bytes, record.argumentsStart, record.argumentsEnd)).toBe('{"a":1}');
  });

  it.each([
    [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p1","progress":50}}',
      KIND_NOTIFICATION,
    ],
    ['{"result":{"content":[]},"jsonrpc":"2.0","id":7}', KIND_RESPONSE],
    ['{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"m"}}', KIND_ERROR],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}', KIND_ERROR],
    ['{"jsonrpc":"2.0","error":{"code":-32700,"message":"m","data":[1]}}', KIND_ERROR],
    [' [ {"jsonrpc":"2.0","id":1,"method":"ping"} ] ', KIND_BATCH],
    ['[]', KIND_BATCH],
  ])('names the kind of %s', (text, kind) => {
    const { verdict, record } = peekText(text);
    expect([verdict, record.kind]).toEqual([PEEK_OK, kind]);
  });

  it('forgets the message before', () => {
    const record = new Peek();
    const texts = [
      call('{"name":"a","_meta":{"progressToken":1,"traceparent":"t"},"ref":{"name":"n"}}'),
      '{"jsonrpc":"2.0","id":1,"result":{"isError":true,"resultType":"x","_meta":{}}}',
      '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":1}}',
      '{"jsonrpc":"2.0","id":1,"result":["no object"]}',
      '{"jsonrpc":"2.0","method":"x"}',
      '{"jsonrpc":"2.0","id":1,"error":"no object"}',
      '{"jsonrpc":"2.0","method":"x"}',
    ];
    for (const text of texts) {
      const fresh = peekText(text).record;
      const reused = peekText(text, record).record;
      expect({ ...reused }).toEqual({ ...fresh });
    }
  });

  it('reads no method where the kind does not fit the name', () => {
    const withoutId = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"add"}}';
    expect(peekText(withoutId).record.methodId).toBe(METHOD_UNKNOWN);
    const withId = '{"jsonrpc":"2.0","id":1,"method":"notifications/progress"}';
    expect(peekText(withId).record.methodId).toBe(METHOD_UNKNOWN);
    const fitting = '{"jsonrpc":"2.0","method":"notifications/progress"}';
    expect(peekText(fitting).record.methodId).toBe(METHOD_PROGRESS);
  });

  const invalid = [
    '1',
    '"x"',
    'null',
    '{}',
    '{"jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","id":1}',
    '{"id":1,"method":"ping"}',
    '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    '{"jsonrpc":2.0,"id":1,"method":"ping"}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1e3,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1.0,"method":"ping"}',
    '{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}',
    '{"jsonrpc":"2.0","id":-9007199254740993,"method":"ping"}',
    '{"jsonrpc":"2.0","id":true,"method":"ping"}',
    '{"jsonrpc":"2.0","id":{},"method":"ping"}',
    '{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"method":5}',
    '{"jsonrpc":"2.0","id":1,"method":""}',
    '{"jsonrpc":"2.0","id":1,"method":"é"}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":5}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":{}}}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":""}}',
    '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
    '{"jsonrpc":"2.0","result":{}}',
    '{"jsonrpc":"2.0","id":null,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"result":null}',
    '{"jsonrpc":"2.0","id":1,"result":[]}',
    '{"jsonrpc":"2.0","id":1,"result":{},"params":{}}',
    '{"jsonrpc":"2.0","id":1,"error":{}}',
    '{"jsonrpc":"2.0","id":1,"error":"x"}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"x"}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"x"}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":null}}',
  ];
  it.each(invalid)('refuses the request %s', (text) => {
    expect(verdictOf(text)).toBe(PEEK_INVALID_REQUEST);
  });

  it('keeps a valid id to answer with when it refuses', () => {
    const { verdict, record, bytes } = peekText('{"method":7,"jsonrpc":"2.0","id":"abc"}');
    expect([verdict, textOf(bytes, record.idStart, record.idEnd)]).toEqual([
      PEEK_INVALID_REQUEST,
      '"abc"',
    ]);
    expect(peekText('{"jsonrpc":"2.0","id":1,"method":"ping"').record.idStart).toBe(-1);
  });

  it.each([
    '',
    ' ',
    '{',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}x',
    '\ufeff{"jsonrpc":"2.0"}',
    '{"a":1}{"b":2}',
    '[1,]',
  ])('finds no JSON in %j', (text) => {
    expect(verdictOf(text)).toBe(PEEK_PARSE_ERROR);
  });

  it('finds every cut of a message incomplete', () => {
    const text = call(
      '{"name":"ä","arguments":{"a":[1,2.5e3,null,"x\\n"]},"_meta":{"progressToken":1}}',
    );
    const bytes = Buffer.from(text);
    for (let end = 0; end < bytes.length; end += 1) {
      expect(verdictOf(bytes.subarray(0, end))).toBe(PEEK_PARSE_ERROR);
    }
    expect(verdictOf(bytes)).toBe(PEEK_OK);
  });

  it('bounds depth, ids, methods, names and URIs', () => {
    const nested = (depth: number) =>
      call(`{"name":"a","arguments":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(verdictOf(nested(JSON_DEPTH_MAX - 2))).toBe(PEEK_OK);
    expect(verdictOf(nested(JSON_DEPTH_MAX - 1))).toBe(PEEK_TOO_DEEP);
    const withId = (length: number) =>
      `{"jsonrpc":"2.0","id":"${'i'.repeat(length)}","method":"ping"}`;
    expect(verdictOf(withId(ID_BYTES_MAX - 2))).toBe(PEEK_OK);
    expect(verdictOf(withId(ID_BYTES_MAX - 1))).toBe(PEEK_INVALID_REQUEST);
    const withMethod = (length: number) =>
      `{"jsonrpc":"2.0","id":1,"method":"${'m'.repeat(length)}"}`;
    expect(verdictOf(withMethod(METHOD_BYTES_MAX))).toBe(PEEK_OK);
    expect(verdictOf(withMethod(METHOD_BYTES_MAX + 1))).toBe(PEEK_INVALID_REQUEST);
    const withParam = (key: string, length: number) => call(`{"${key}":"${'n'.repeat(length)}"}`);
    expect(verdictOf(withParam('name', NAME_BYTES_MAX))).toBe(PEEK_OK);
    expect(verdictOf(withParam('name', NAME_BYTES_MAX + 1))).toBe(PEEK_INVALID_PARAMS);
    expect(verdictOf(withParam('uri', URI_BYTES_MAX))).toBe(PEEK_OK);
    expect(verdictOf(withParam('uri', URI_BYTES_MAX + 1))).toBe(PEEK_INVALID_PARAMS);
  });

  it.each(['\u007f', '\u0085', '\u009f', '\u2028', '\u2029'])(
    'refuses a name with %j',
    (character) => {
      expect(verdictOf(call(`{"name":"a${character}"}`))).toBe(PEEK_INVALID_PARAMS);
    },
  );

  it.each([
    '{"name":"a","Name":"b"}',
    '{"NAME":"b"}',
    '{"name":"a","n\\u0041me":"b"}',
    '{"name\\u0000":"b"}',
    '{"name":"a","taſkId":"b"}',
    '{"_META":{}}',
    '{"Uri":"x"}',
    '{"requestId":1,"to\u212aen":1,"tas\u212a":1}',
    '{"ref":{"Type":"x"}}',
    '{"requestID":1}',
    '{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}}',
  ])('refuses the lookalike in %j', (params) => {
    expect(verdictOf(call(params))).toBe(PEEK_AMBIGUOUS);
  });

  it.each([
    '{"name":"a","name":"b"}',
    '{"n\\u0061me":"b"}',
    '{"name":"\\u0061dd"}',
    '{"uri":"file:\\/\\/\\/a"}',
    '{"_meta":{},"_meta":{}}',
    '{"arguments":{},"arguments":{}}',
    '{"_meta":{"progressToken":1,"progressToken":2}}',
  ])('asks to write %s anew', (params) => {
    expect(verdictOf(call(params))).toBe(PEEK_REWRITE);
  });

  it('takes vendor spellings of what decides nothing', () => {
    expect(verdictOf(call('{"_meta":{"traceParent":"x","progress_token":1,"Baggage":""}}'))).toBe(
      PEEK_OK,
    );
  });

  it('leaves alone what nobody reads', () => {
    const params =
      '{"name":"a","title":"x","title":"y","Extra":{"name":1,"name":2},"arguments":{"a":1,"A":2,"a":"\\ud800"}}';
    expect(verdictOf(call(params))).toBe(PEEK_OK);
  });

  it('agrees with JSON.parse on every message it takes, or has it written anew', () => {
    const seen = new Map<number, number>();
    fc.assert(
      fc.property(messageText, (text) => {
        const { verdict, record, bytes } = peekText(text);
        const message = JSON.parse(text) as Json;
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
        if (verdict === PEEK_OK) {
          expectAgreement(bytes, record, message);
          expectNoLookalikes(message);
        } else if (verdict === PEEK_REWRITE) {
          expectRewritten(text, message);
        }
      }),
      { numRuns: 2500 },
    );
    // The generator reaches every verdict that valid JSON can get.
    for (const verdict of [
      PEEK_OK,
      PEEK_REWRITE,
      PEEK_INVALID_REQUEST,
      PEEK_INVALID_PARAMS,
      PEEK_AMBIGUOUS,
    ]) {
      expect(seen.get(verdict) ?? 0).toBeGreaterThan(5);
    }
  });

  it.each([
    ['{"name":"a\\"b"}', PEEK_INVALID_PARAMS],
    ['{"name":"a\\u0001"}', PEEK_INVALID_PARAMS],
    ['{"uri":"\\ud800"}', PEEK_INVALID_PARAMS],
    ['{"name":"a","name":"b","N\\u0061me":"c"}', PEEK_AMBIGUOUS],
  ])('keeps the id of %s, which no rewriting puts right', (params, expected) => {
    const raw = Buffer.from(call(params).replace('"id":1', '"id":"\\u0061-7"'));
    const record = new Peek();
    const { verdict, bytes } = rewriteMessage(raw, 0, raw.length, record);
    expect(verdict).toBe(expected);
    expect(textOf(bytes, record.idStart, record.idEnd)).toBe('"\\u0061-7"');
  });

  it('takes every plain message as it is', () => {
    const plain = fc
      .string({ unit: 'grapheme-ascii', maxLength: 8 })
      .filter((text) => !/["\\\u007f]/.test(text));
    const message = fc.record({
      id: fc.oneof(fc.maxSafeInteger(), plain),
      name: plain,
      uri: plain,
      args: fc.object({ maxDepth: 3 }),
      version: plain,
    });
    fc.assert(
      fc.property(message, ({ id, name, uri, args, version }) => {
        const _meta = {
          'io.modelcontextprotocol/protocolVersion': version,
          progressToken: id,
          other: args,
        };
        const params = { arguments: args, name, uri, _meta };
        const text = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
        const { verdict, record, bytes } = peekText(text);
        expect(verdict).toBe(PEEK_OK);
        expectAgreement(bytes, record, JSON.parse(text) as Json);
      }),
      { numRuns: 1000 },
    );
  });

  it('reads mutated messages as JSON.parse does, or refuses them', () => {
    fc.assert(
      fc.property(
        messageText,
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.constantFrom(...Buffer.from('{}[]",:\\u0e-1nt \n'), 0xc2, 0x80, 0xff, 0),
          ),
          { maxLength: 2 },
        ),
        (text, edits) => {
          const raw = Buffer.from(text);
          for (const [place, byte] of edits) raw[place % raw.length] = byte;
          const { verdict, record, bytes } = peekText(raw);
          let message: unknown;
          try {
            message = isUtf8(raw) ? JSON.parse(raw.toString()) : undefined;
          } catch {
            message = undefined;
          }
          expect(verdict === PEEK_PARSE_ERROR).toBe(message === undefined);
          if (verdict === PEEK_OK && record.kind !== KIND_BATCH)
            expectAgreement(bytes, record, message as Json);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

/** Writes the message anew and compares; messages that cannot be put right are refused. */
function expectRewritten(text: string, message: Json): void {
  const raw = Buffer.from(text);
  const record = new Peek();
  const { verdict, bytes } = rewriteMessage(raw, 0, raw.length, record);
  if (verdict !== PEEK_OK) {
    expect([PEEK_INVALID_REQUEST, PEEK_INVALID_PARAMS, PEEK_AMBIGUOUS]).toContain(verdict);
    return;
  }
  const written = JSON.parse(bytes.toString()) as Json;
  const known = Object.entries(message).filter(([key]) => MEMBER_NAMES[0].includes(key));
  expect(written).toEqual(Object.fromEntries(known));
  expectAgreement(bytes, record, written);
  expectNoLookalikes(written);
  expect(record.hasLineBreak).toBe(0);
  expect(bytes.toString()).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
}
