/** The official clients, with one face: what differs between the packages is hidden here. */
import {
  Client as ModernClient,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { shardOf } from './gateway.ts';

const INFO = { name: 'interop', version: '1.2.3' };
const CAPABILITIES = {
  sampling: {},
  elicitation: { form: {} },
  roots: { listChanged: true },
};

export interface CallOptions {
  readonly onprogress?: (progress: { progress: number; message?: string }) => void;
  readonly signal?: AbortSignal;
}

/** The requests and notifications that tests use, as both packages have them. */
export interface AnyClient {
  readonly sessionId: string | undefined;
  readonly revision: string | undefined;
  readonly sdk: Pick<
    ModernClient,
    | 'listTools'
    | 'listPrompts'
    | 'listResources'
    | 'listResourceTemplates'
    | 'readResource'
    | 'getPrompt'
    | 'complete'
    | 'getServerCapabilities'
    | 'getInstructions'
    | 'setRequestHandler'
    | 'setNotificationHandler'
  >;
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<CallResult>;
  close(): Promise<void>;
}

export interface CallResult {
  readonly isError?: boolean;
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
}

export interface ClientKind {
  readonly name: string;
  readonly era: 'legacy' | 'modern';
  connect(url: string): Promise<AnyClient>;
}

const open: { close(): Promise<void> }[] = [];

/** The first text of a result. */
export const textOf = (result: CallResult): string => result.content[0]?.text ?? '';

type Mode = 'legacy' | 'auto' | { pin: string };

/** `@modelcontextprotocol/client` 2.x. */
export async function connectModern(
  url: string,
  mode: Mode,
): Promise<AnyClient & { readonly sdk: ModernClient }> {
  const client = new ModernClient(INFO, {
    versionNegotiation: { mode },
    capabilities: CAPABILITIES,
  });
  const transport = new StreamableHTTPClientTransport(new URL(url));
  open.push(client);
  await client.connect(transport);
  return {
    sdk: client,
    get sessionId() {
      return transport.sessionId;
    },
    revision: client.getNegotiatedProtocolVersion(),
    call: (name, args = {}, options = {}) =>
      client.callTool({ name, arguments: args }, options as object) as Promise<CallResult>,
    close: () => client.close(),
  };
}

/** `@modelcontextprotocol/sdk` 1.x. */
export async function connectLegacy(
  url: string,
): Promise<AnyClient & { readonly v1: LegacyClient; readonly transport: LegacyTransport }> {
  const client = new LegacyClient(INFO, { capabilities: CAPABILITIES });
  const transport = new LegacyTransport(new URL(url));
  open.push(client);
  // The package was not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<LegacyClient['connect']>[0]);
  return {
    v1: client,
    transport,
    sdk: client as unknown as AnyClient['sdk'],
    get sessionId() {
      return transport.sessionId;
    },
    revision: transport.protocolVersion,
    call: (name, args = {}, options = {}) =>
      client.callTool(
        { name, arguments: args },
        undefined,
        options as object,
      ) as Promise<CallResult>,
    close: () => client.close(),
  };
}

export const CLIENTS: readonly ClientKind[] = [
  { name: 'sdk 1.x', era: 'legacy', connect: connectLegacy },
  { name: 'client 2.x legacy', era: 'legacy', connect: (url) => connectModern(url, 'legacy') },
  { name: 'client 2.x auto', era: 'modern', connect: (url) => connectModern(url, 'auto') },
  {
    name: 'client 2.x pinned',
    era: 'modern',
    connect: (url) => connectModern(url, { pin: '2026-07-28' }),
  },
];

/** A client whose session lies on that shard: the gateway deals sessions out in turn. */
export async function connectOn<C extends AnyClient>(
  shard: number,
  connect: () => Promise<C>,
): Promise<C> {
  for (let attempts = 0; attempts < 32; attempts += 1) {
    const client = await connect();
    if (shardOf(client.sessionId) === shard) return client;
    await client.close();
  }
  throw new Error(`no session came to shard ${shard}`);
}

/** Ends every client that was connected here. */
export async function closeClients(): Promise<void> {
  await Promise.allSettled(open.splice(0).map((client) => client.close()));
}
