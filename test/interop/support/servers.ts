/** Servers that nobody here wrote the protocol of, as upstreams: each a real process on a real wire. */
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import type { ConfigInput } from '../../../src/config/schema.ts';
import { TestProcess } from './process.ts';

export type UpstreamConfig = ConfigInput['upstreams'][string];

const fixture = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const V1 = fixture('./v1-server.mjs');
const V2 = fixture('./v2-server.mjs');
const EVERYTHING = fixture(
  '../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js',
);

const running: TestProcess[] = [];

const stdio = (...args: string[]): UpstreamConfig => ({
  stdio: { command: process.execPath, args },
});

async function http(...args: string[]): Promise<UpstreamConfig> {
  const server = new TestProcess(args);
  running.push(server);
  return { http: { url: (await server.said(/http:\S+/))[0] } };
}

export const v1Stdio = (): UpstreamConfig => stdio(V1, 'stdio');
export const v1Json = (): Promise<UpstreamConfig> => http(V1, 'json');
export const v1Events = (): Promise<UpstreamConfig> => http(V1, 'sse');
export const v2Stdio = (): UpstreamConfig => stdio(V2, 'stdio');
export const v2StdioModernOnly = (): UpstreamConfig => stdio(V2, 'stdio', 'reject');
export const v2Http = (): Promise<UpstreamConfig> => http(V2, 'http');
export const v2HttpModernOnly = (): Promise<UpstreamConfig> => http(V2, 'http', 'reject');
export const everythingStdio = (): UpstreamConfig => stdio(EVERYTHING, 'stdio');

/** It takes its port from the environment only, so a free one is looked for first. */
export async function everythingHttp(): Promise<UpstreamConfig> {
  const port = await freePort();
  const server = new TestProcess([EVERYTHING, 'streamableHttp'], { PORT: String(port) });
  running.push(server);
  await server.said(/listening on port/, 'err');
  return { http: { url: `http://127.0.0.1:${port}/mcp` } };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Ends every server that was started here. */
export async function stopServers(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
}
