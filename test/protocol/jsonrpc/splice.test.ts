import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addEnvelope,
  addResultHints,
  cutEnvelope,
  cutResultHints,
  cutTask,
  replaceId,
  replaceMetaProgressToken,
  replaceName,
  replaceProgressToken,
  replaceRequestId,
  replaceSubscriptionId,
  replaceUri,
  RESULT_COMPLETE,
  RESULT_COMPLETE_UNCACHED,
} from '../../../src/protocol/jsonrpc/message-edit.ts';
import { Splice } from '../../../src/protocol/jsonrpc/splice.ts';
import { PEEK_OK } from '../../../src/protocol/jsonrpc/verdict.ts';
import { peekText, type Peeked } from '../support/messages.ts';

type Json = Record<string, unknown>;

const RESERVED = 'io.modelcontextprotocol/';
const ENVELOPE_KEYS = ['protocolVersion', 'clientCapabilities', 'clientInfo', 'logLevel'].map(
  (key) => RESERVED + key,
);
const envelope = {
  [`${RESERVED}protocolVersion`]: '2026-07-28',
  [`${RESERVED}clientCapabilities`]: { roots: {} },
  [`${RESERVED}clientInfo`]: { name: 'gateway', version: '1' },
};
const envelopeMembers = Buffer.from(JSON.stringify(envelope).slice(1, -1));

/** Applies edits to text and gives back what it parses to; the size must have been exact. */
function edited(text: string, edit: (splice: Splice, peeked: Peeked) => void): Json {
  const peeked = peekText(text);
  expect(peeked.verdict).toBe(PEEK_OK);
  const splice = new Splice();
  edit(splice, peeked);
  const end = peeked.bytes.length - 8;
  const size = splice.size(8, end);
  const out = Buffer.alloc(size + 8, '#');
  expect(splice.write(peeked.bytes, 8, end, out, 4)).toBe(size + 4);
  expect([out.toString('latin1', 0, 4), out.toString('latin1', size + 4)]).toEqual([
    '####',
    '####',
  ]);
  return JSON.parse(out.toString('utf8', 4, size + 4)) as Json;
}

/** JSON text of an object with white space in all the places where it may stand. */
function spaced(value: unknown, gap: string): string {
  if (Array.isArray(value))
    return `[${gap}${value.map((item) => spaced(item, gap)).join(`${gap},${gap}`)}${gap}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}${gap}:${gap}${spaced(item, gap)}`,
  );
  return `{${gap}${members.join(`${gap},${gap}`)}${gap}}`;
}

const gap = fc.constantFrom('', ' ', ' \n\t');
const without = (value: Json, keys: readonly string[]): Json =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));

/** An object with some of the members, in any order. */
function shuffled(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Json> {
  return fc
    .record(members)
    .chain((object) => fc.shuffledSubarray(Object.entries(object)))
    .map((entries) => Object.fromEntries(entries));
}

const meta = shuffled({
  [ENVELOPE_KEYS[0]]: fc.constantFrom('2026-07-28', ''),
  [ENVELOPE_KEYS[1]]: fc.constantFrom({}, { roots: {} }),
  [ENVELOPE_KEYS[2]]: fc.constant({ name: 'c', version: '1' }),
  [ENVELOPE_KEYS[3]]: fc.constantFrom('info', 'error'),
  progressToken: fc.constantFrom(1, 'p'),
  traceparent: fc.constant('00-01'),
  other: fc.constantFrom(null, [1], { progressToken: 2 }),
});
const params = shuffled({
  name: fc.constantFrom('add', 'ä'),
  arguments: fc.constantFrom({}, { name: 'x', task: 1 }),
  _meta: meta,
  task: fc.constantFrom({}, { ttl: 1 }),
});

describe('a spliced message', () => {
  it('gets another id, name and progress token', () => {
    fc.assert(
      fc.property(params, gap, fc.constantFrom(1, 'client-1'), (params, gap, id) => {
        const message = { jsonrpc: '2.0', id, method: 'tools/call', params };
        const token = Buffer.from('xx"g-17"xx');
        const result = edited(spaced(message, gap), (splice, { record }) => {
          replaceName(splice, record, Buffer.from('math_add'));
          replaceId(splice, record, token, 2, 8);
          replaceMetaProgressToken(splice, record, Buffer.from('99'));
        });
        const expected = structuredClone({ ...message, id: 'g-17' }) as Json & { params: Json };
        if ('name' in params) expected.params.name = 'math_add';
        const expectedMeta = expected.params._meta as Json | undefined;
        if (expectedMeta && 'progressToken' in expectedMeta) expectedMeta.progressToken = 99;
        expect(result).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('gets an envelope whatever `params` and `_meta` it came with', () => {
    fc.assert(
      fc.property(fc.option(params, { nil: undefined }), gap, (params, gap) => {
        const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', ...(params && { params }) };
        const result = edited(spaced(message, gap), (splice, { bytes, record }) => {
          addEnvelope(splice, bytes, record, envelopeMembers);
          cutTask(splice, bytes, record);
          replaceMetaProgressToken(splice, record, Buffer.from('99'));
        });
        const meta = without((params?._meta ?? {}) as Json, ENVELOPE_KEYS);
        if ('progressToken' in meta) meta.progressToken = 99;
        const kept = without(params ?? {}, params && 'name' in params ? ['task'] : []);
        expect(result).toEqual({
          ...message,
          params: { ...kept, _meta: { ...meta, ...envelope } },
        });
      }),
      { numRuns: 300 },
    );
  });

  it('loses its envelope and keeps the rest of `_meta`', () => {
    fc.assert(
      fc.property(meta, gap, (meta, gap) => {
        const message = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } };
        const result = edited(spaced(message, gap), (splice, { bytes, record }) =>
          cutEnvelope(splice, bytes, record),
        );
        expect(result).toEqual({ ...message, params: { _meta: without(meta, ENVELOPE_KEYS) } });
      }),
      { numRuns: 300 },
    );
  });

  it('gets and loses what only modern results have', () => {
    const hints = ['resultType', 'ttlMs', 'cacheScope'];
    const result = shuffled({
      content: fc.constantFrom([], [{ type: 'text', text: 'x' }]),
      resultType: fc.constantFrom<unknown>('complete', 'task', 7, null),
      ttlMs: fc.constantFrom(0, 5),
      cacheScope: fc.constant('public'),
      isError: fc.boolean(),
    });
    fc.assert(
      fc.property(result, gap, fc.boolean(), (result, gap, isCacheable) => {
        const text = spaced({ result, jsonrpc: '2.0', id: 7 }, gap);
        const cut = edited(text, (splice, { bytes, record }) => {
          cutResultHints(splice, bytes, record);
          replaceId(splice, record, Buffer.from('"c"'), 0, 3);
        });
        expect(cut).toEqual({ jsonrpc: '2.0', id: 'c', result: without(result, hints) });
        const added = edited(text, (splice, { bytes, record }) => {
          addResultHints(
            splice,
            bytes,
            record,
            isCacheable ? RESULT_COMPLETE_UNCACHED : RESULT_COMPLETE,
          );
        });
        const expected = {
          ...without(result, hints),
          resultType: 'complete',
          ...(isCacheable && { ttlMs: 0, cacheScope: 'private' }),
        };
        expect(added).toEqual({ jsonrpc: '2.0', id: 7, result: expected });
      }),
      { numRuns: 300 },
    );
  });

  it('gets other tokens in notifications', () => {
    const notify = (method: string, params: object) =>
      JSON.stringify({ jsonrpc: '2.0', method, params });
    const token = Buffer.from('"mine"');
    const progress = notify('notifications/progress', { progressToken: 4, progress: 1 });
    expect(
      edited(progress, (splice, { record }) => replaceProgressToken(splice, record, token)).params,
    ).toEqual({
      progressToken: 'mine',
      progress: 1,
    });
    const cancelled = notify('notifications/cancelled', { requestId: 'a', reason: 'r' });
    expect(
      edited(cancelled, (splice, { record }) => replaceRequestId(splice, record, token)).params,
    ).toEqual({
      requestId: 'mine',
      reason: 'r',
    });
    const changed = notify('notifications/tools/list_changed', {
      _meta: { [`${RESERVED}subscriptionId`]: 5 },
    });
    expect(
      edited(changed, (splice, { record }) => replaceSubscriptionId(splice, record, token)).params,
    ).toEqual({
      _meta: { [`${RESERVED}subscriptionId`]: 'mine' },
    });
  });

  it('gets another URI, also where a completion refers to it', () => {
    const uri = Buffer.from('data://b');
    const read = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'resources/read',
      params: { uri: 'a:' },
    });
    expect(edited(read, (splice, { record }) => replaceUri(splice, record, uri)).params).toEqual({
      uri: 'data://b',
    });
    const complete = (ref: object) =>
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'completion/complete', params: { ref } });
    const byUri = complete({ type: 'ref/resource', uri: 'a:{x}' });
    expect(edited(byUri, (splice, { record }) => replaceUri(splice, record, uri)).params).toEqual({
      ref: { type: 'ref/resource', uri: 'data://b' },
    });
    const byName = complete({ type: 'ref/prompt', name: 'p' });
    expect(
      edited(byName, (splice, { record }) => replaceName(splice, record, Buffer.from('q'))).params,
    ).toEqual({
      ref: { type: 'ref/prompt', name: 'q' },
    });
  });
});
