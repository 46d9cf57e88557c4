import { expect, it } from 'vitest';
import {
  FROM_CLIENT,
  FROM_SERVER,
  IN_2026_07_28,
  METHOD_UNKNOWN,
  methodFromBytes,
  methodFromName,
  methodFromString,
  METHODS,
  METHODS_COUNT,
  TARGET_NAME,
  TARGET_TASK_ID,
  TARGET_URI,
} from '../../src/protocol/methods.ts';
import { REVISIONS } from '../../src/protocol/eras/era.ts';

const rows = METHODS.slice(1);

it('every method is found by its name, and no part of it', () => {
  rows.forEach(({ name, bytes }, index) => {
    const text = Buffer.from(`"${name}"`);
    expect(METHODS[index + 1].id).toBe(index + 1);
    expect(Buffer.from(bytes).toString()).toBe(name);
    expect(methodFromBytes(text, 1, text.length - 1)).toBe(index + 1);
    expect(methodFromString(text, 1, text.length)).toBe(index + 1);
    expect(methodFromBytes(text, 1, text.length - 2)).toBe(METHOD_UNKNOWN);
    expect(methodFromName(name)).toBe(index + 1);
  });
  expect(METHODS_COUNT).toBe(rows.length + 1);
  for (const name of ['', 'tools', 'TOOLS/CALL', 'tools/calls', 'constructor']) {
    expect(methodFromName(name)).toBe(METHOD_UNKNOWN);
    expect(methodFromBytes(Buffer.from(name), 0, name.length)).toBe(METHOD_UNKNOWN);
  }
});

it('the modern era has exactly its requests from clients, and none from servers', () => {
  const modern = rows.filter((row) => row.isRequest && (row.revisions & IN_2026_07_28) !== 0);
  const core = modern.filter((row) => !row.isExtension).map((row) => row.name);
  expect(core.sort()).toEqual([
    'completion/complete',
    'prompts/get',
    'prompts/list',
    'resources/list',
    'resources/read',
    'resources/templates/list',
    'server/discover',
    'subscriptions/listen',
    'tools/call',
    'tools/list',
  ]);
  const names = modern.map((row) => row.name);
  for (const legacy of [
    'initialize',
    'ping',
    'logging/setLevel',
    'roots/list',
    'tasks/list',
    'tasks/result',
  ]) {
    expect(names).not.toContain(legacy);
  }
  // `tasks/get` and `tasks/cancel` go either way in 2025-11-25 alone.
  expect(modern.every((row) => (row.senders & FROM_CLIENT) !== 0)).toBe(true);
});

it('six results say how long they may be kept, and Mcp-Name mirrors what the specification names', () => {
  const named = (test: (row: (typeof rows)[number]) => boolean) =>
    rows
      .filter(test)
      .map((row) => row.name)
      .sort();
  expect(named((row) => row.isCacheable)).toEqual([
    'prompts/list',
    'resources/list',
    'resources/read',
    'resources/templates/list',
    'server/discover',
    'tools/list',
  ]);
  expect(named((row) => row.target === TARGET_NAME)).toEqual(['prompts/get', 'tools/call']);
  expect(named((row) => row.target === TARGET_URI)).toEqual(['resources/read']);
  expect(named((row) => row.target === TARGET_TASK_ID)).toEqual([
    'tasks/cancel',
    'tasks/get',
    'tasks/update',
  ]);
});

it('what may change something is not sent twice', () => {
  const safe = rows.filter((row) => row.isIdempotent).map((row) => row.name);
  for (const name of [
    'tools/call',
    'initialize',
    'tasks/cancel',
    'tasks/update',
    'sampling/createMessage',
    'elicitation/create',
  ]) {
    expect(safe).not.toContain(name);
  }
  expect(rows.every((row) => row.isRequest || !row.isIdempotent)).toBe(true);
});

it('notifications are named as such, and every method belongs to a revision and a sender', () => {
  for (const row of rows) {
    expect(row.name.startsWith('notifications/')).toBe(!row.isRequest);
    expect(row.revisions).toBeGreaterThan(0);
    expect(row.revisions).toBeLessThan(1 << REVISIONS.length);
    expect(row.senders & (FROM_CLIENT | FROM_SERVER)).toBe(row.senders);
    expect(row.senders).toBeGreaterThan(0);
  }
});
