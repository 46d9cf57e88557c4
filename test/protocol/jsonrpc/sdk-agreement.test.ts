import { parseJSONRPCMessage } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KIND_BATCH } from '../../../src/protocol/jsonrpc/peek-record.ts';
import { PEEK_INVALID_REQUEST, PEEK_OK } from '../../../src/protocol/jsonrpc/verdict.ts';
import { messageText, peekText } from '../support/messages.ts';

function isMessage(value: unknown): boolean {
  try {
    parseJSONRPCMessage(value);
    return true;
  } catch {
    return false;
  }
}

it('what peek takes, the official SDK takes as a message', () => {
  fc.assert(
    fc.property(messageText, (text) => {
      const { verdict, record } = peekText(text);
      fc.pre(record.kind !== KIND_BATCH);
      const message = JSON.parse(text) as Record<string, unknown>;
      // It refuses a null id, which JSON-RPC 2.0 asks for in errors about unreadable requests.
      if (message.id === null) delete message.id;
      // It checks members of every `_meta` that mean something in some of them only.
      for (const part of [message.params, message.result]) {
        const meta = (part as { _meta?: Record<string, unknown> } | undefined)?._meta;
        delete meta?.['io.modelcontextprotocol/related-task'];
        if (part === message.result) delete meta?.progressToken;
      }
      expect(verdict !== PEEK_OK || isMessage(message)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

it('what the official SDK refuses in shape, peek refuses', () => {
  const value = fc.constantFrom<unknown>(
    1,
    '2.0',
    'a',
    null,
    {},
    [],
    { code: 1, message: 'm' },
    1.5,
    true,
    { _meta: {} },
  );
  const shape = fc.record(
    {
      jsonrpc: fc.constantFrom<unknown>('2.0', '2.0', '2.0', 2),
      id: value,
      method: value,
      params: value,
      result: value,
      error: value,
    },
    { requiredKeys: ['jsonrpc'] },
  );
  fc.assert(
    fc.property(shape, (message) => {
      const { verdict } = peekText(JSON.stringify(message));
      const isOurs = verdict === PEEK_OK;
      const hasNullId = message.id === null;
      if (!hasNullId)
        expect([JSON.stringify(message), isOurs]).toEqual([
          JSON.stringify(message),
          isMessage(message),
        ]);
      if (!isOurs) expect(verdict).toBe(PEEK_INVALID_REQUEST);
    }),
    { numRuns: 1000 },
  );
});
