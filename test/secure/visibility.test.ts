/** Scopes guard all that a server offers, not tools alone; and what was granted ends with a reload. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ConfigInput } from '../../src/config/schema.ts';
import { envelope, MODERN, type Fields } from '../interop/support/raw.ts';
import { stopServers, type UpstreamConfig, v2HttpModernOnly } from '../interop/support/servers.ts';
import {
  bearer,
  confidential,
  OK,
  outcome,
  SecureGateway,
  stopGateways,
} from './support/secure-gateway.ts';

const FULL = confidential('token-of-all-scopes-0123456789');
const NONE = confidential('token-of-no-scopes-0123456789');
const full = bearer(FULL);
const none = bearer(NONE);
const DENIED = [403, -31012];

let notes: UpstreamConfig;
let gateway: SecureGateway;

function settings(tokens: Record<string, string[]>): ConfigInput {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: { notes },
    routes: [
      { tools: 'notes_*', upstream: 'notes', requiredScopes: ['notes:call'] },
      { resources: 'note://*', upstream: 'notes', requiredScopes: ['notes:read'] },
      { prompts: 'notes_*', upstream: 'notes', requiredScopes: ['notes:ask'] },
    ],
    auth: {
      methods: [
        {
          bearer: {
            tokens: Object.entries(tokens).map(([value, scopes], index) => ({
              value,
              scopes,
              clientId: `client-${index}`,
            })),
          },
        },
      ],
    },
  };
}

beforeAll(async () => {
  notes = await v2HttpModernOnly();
  gateway = await SecureGateway.start(settings({ [FULL]: ['notes:*'], [NONE]: [] }));
});
afterAll(async () => {
  await stopGateways();
  await stopServers();
});

const LISTS = {
  'tools/list': 'tools',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'prompts/list': 'prompts',
};

describe('what a scope guards', () => {
  it.each(Object.entries(LISTS))('%s shows to nobody else', async (method, member) => {
    const shown = await gateway.modern(method, {}, full);
    expect((shown.message?.result?.[member] as unknown[]).length).toBeGreaterThan(0);
    const hidden = await gateway.modern(method, {}, none);
    expect(hidden.message?.result?.[member]).toEqual([]);
  });

  it.each([
    ['tools/call', { name: 'notes_echo', arguments: { say: 'x' } }, 'notes:call'],
    ['resources/read', { uri: 'note://one' }, 'notes:read'],
    ['resources/read', { uri: 'note://by/anybody' }, 'notes:read'],
    ['prompts/get', { name: 'notes_greet', arguments: { name: 'Ada' } }, 'notes:ask'],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'notes_greet' }, argument: { name: 'name', value: 'A' } },
      'notes:ask',
    ],
    [
      'completion/complete',
      {
        ref: { type: 'ref/resource', uri: 'note://by/{name}' },
        argument: { name: 'name', value: 'A' },
      },
      'notes:read',
    ],
  ])('%s of it is denied with the scope that is missing', async (method, params, scope) => {
    expect(outcome(await gateway.modern(method, params, full))).toEqual(OK);
    const denied = await gateway.modern(method, params, none);
    expect(outcome(denied)).toEqual(DENIED);
    expect(denied.message?.error?.data).toEqual({ requiredScopes: [scope] });
  });

  /** What a listen stream grants is in its first event. */
  async function granted(fields: Fields): Promise<unknown> {
    const notifications = { toolsListChanged: true, resourceSubscriptions: ['note://one'] };
    const method = 'subscriptions/listen';
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': MODERN,
        'mcp-method': method,
        ...(fields as Record<string, string>),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method,
        params: { notifications, _meta: envelope() },
      }),
    });
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    let text = '';
    while (!text.includes('\n\n')) {
      const { value, done } = await reader.read();
      if (done) break;
      text += Buffer.from(value).toString();
    }
    await reader.cancel();
    const message = JSON.parse(/^data: (.+)$/m.exec(text)![1]!) as {
      params: { notifications: unknown };
    };
    return message.params.notifications;
  }

  it('cannot be subscribed to without it', async () => {
    expect(await granted(full)).toEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['note://one'],
    });
    expect(await granted(none)).toEqual({ toolsListChanged: true });
  });
});

it('a reload withdraws tokens and scopes from callers that are remembered', async () => {
  const call = (fields: Fields): ReturnType<SecureGateway['call']> =>
    gateway.call('notes_echo', { say: 'x' }, fields);
  for (let round = 0; round < 4; round += 1) expect(outcome(await call(full))).toEqual(OK);
  expect(await gateway.reload(settings({ [FULL]: [], [NONE]: ['notes:call'] }))).toMatch(
    /reloaded|new settings/,
  );
  for (let round = 0; round < 4; round += 1) {
    expect(outcome(await call(full))).toEqual(DENIED);
    expect(outcome(await call(none))).toEqual(OK);
  }
  await gateway.reload(settings({ [NONE]: ['notes:call'] }));
  for (let round = 0; round < 4; round += 1)
    expect(outcome(await call(full))).toEqual([401, -31011]);
});
