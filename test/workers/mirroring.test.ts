import { describe, expect, it } from 'vitest';
import type { PlanUpstream } from '../../src/config/plan.ts';
import { ERA_LEGACY, ERA_MODERN } from '../../src/protocol/eras/era.ts';
import { compileMirroredParams } from '../../src/protocol/eras/mirrored-param.ts';
import { peek, Peek } from '../../src/protocol/jsonrpc/peek.ts';
import type { Exchange } from '../../workers/exchange.ts';
import { Mirroring } from '../../workers/mirroring.ts';
import type { RequestView } from '../../workers/request-view.ts';
import { NAME_TOOL, NameRoute } from '../../workers/routing/name-route.ts';
import { Catalog } from '../../workers/upstream/catalog.ts';
import { Outgoing } from '../../workers/upstream/outgoing.ts';
import type { Upstream } from '../../workers/upstream/upstream.ts';

const MESSAGE = Buffer.from(
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"region":"eu"}}}',
);

function listOf(inputSchema: Readonly<Record<string, unknown>>) {
  const mirrored = compileMirroredParams(inputSchema)?.params ?? null;
  const item = { key: 't', value: { inputSchema }, mirrored, isHiddenFromHttp: false };
  return { items: [item], byKey: new Map([['t', item]]), loadedAtMs: 0, ttlMs: 0, isPublic: true };
}

describe('mirroring the arguments of a tool', () => {
  it('goes by the list that the upstream gave last, also on a route that was used before', () => {
    const record = new Peek();
    peek(MESSAGE, 0, MESSAGE.length, record);
    const exchange = { bytes: MESSAGE, era: ERA_LEGACY } as unknown as Exchange;
    const view = { peek: record } as unknown as RequestView;
    const catalog = new Catalog();
    const upstream = { catalog } as unknown as Upstream;
    const plan = { name: 'u', slot: 0 } as unknown as PlanUpstream;
    const route = new NameRoute(NAME_TOOL, plan, 0, 't', 't');
    const mirroring = new Mirroring();
    const sent = (): string => {
      const outgoing = new Outgoing();
      expect(mirroring.apply(exchange, view, upstream, route, ERA_MODERN, outgoing)).toBeNull();
      return outgoing.paramLines.toString();
    };

    expect(sent()).toBe('');
    const region = { type: 'string', 'x-mcp-header': 'Region' };
    catalog.put('tools', listOf({ type: 'object', properties: { region } }));
    expect([sent(), sent()]).toEqual(['Mcp-Param-Region: eu\r\n', 'Mcp-Param-Region: eu\r\n']);
    catalog.put('tools', listOf({ type: 'object', properties: {} }));
    expect(sent()).toBe('');
  });
});
