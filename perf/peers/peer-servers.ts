/**
 * Starts the programs that people use today for the same work. They are installed, at the versions
 * pinned here, into a folder of their own: never into this package.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Child, runToEnd } from '../load/child.ts';
import { BUILT_FOLDER, ROOT } from '../load/paths.ts';
import { freePort, type Server } from '../load/servers.ts';

/** Exact versions, so that two runs compare the same programs. */
export const PEER_VERSIONS: Readonly<Record<string, string>> = {
  'mcp-proxy': '6.7.19',
  supergateway: '4.0.0',
};

const FOLDER = join(ROOT, 'dist', 'perf-peers');
const LOOK_MS = 50;
const LOOKS_MAX = 400;

const STDIO_STUB = join(BUILT_FOLDER, 'stdio-stub.js');

export function arePeersInstalled(): boolean {
  return Object.keys(PEER_VERSIONS).every((name) => existsSync(binary(name)));
}

/** Without their install scripts: none of them needs one. */
export async function installPeers(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const names = Object.entries(PEER_VERSIONS).map(([name, version]) => `${name}@${version}`);
  const flags = ['--prefix', FOLDER, '--no-audit', '--no-fund', '--ignore-scripts'];
  await runToEnd('npm', ['install', ...flags, ...names], {}, FOLDER);
}

export async function startMcpProxy(): Promise<Server> {
  const port = await freePort();
  const options = ['--port', String(port), '--host', '127.0.0.1', '--server', 'stream'];
  const args = [binary('mcp-proxy'), ...options, '--', process.execPath, STDIO_STUB];
  return startPeer(args, port);
}

export async function startSupergateway(): Promise<Server> {
  const port = await freePort();
  const args = [
    binary('supergateway'),
    ...['--stdio', `"${process.execPath}" "${STDIO_STUB}"`],
    ...['--outputTransport', 'streamableHttp', '--stateful'],
    ...['--port', String(port), '--logLevel', 'info'],
  ];
  return startPeer(args, port);
}

export async function startSdkProxy(): Promise<Server> {
  const script = join(BUILT_FOLDER, '..', 'peers', 'sdk-proxy.js');
  const child = await Child.start({
    command: process.execPath,
    args: [script, process.execPath, STDIO_STUB],
    ready: /listening on (\d+)/,
  });
  return serverOf(child, Number(child.match[1]));
}

async function startPeer(args: readonly string[], port: number): Promise<Server> {
  const child = await Child.start({ command: process.execPath, args, ready: /./ });
  try {
    await untilListening(port);
  } catch (error) {
    await child.stop();
    throw new Error(`${args[0]} does not listen:\n${child.output}`, { cause: error });
  }
  return serverOf(child, port);
}

function serverOf(child: Child, port: number): Server {
  return { url: `http://127.0.0.1:${port}/mcp`, pid: child.pid, stop: () => child.stop() };
}

async function untilListening(port: number): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    if (await isListening(port)) return;
    await pause(LOOK_MS);
  }
  throw new Error(`nobody listens: port=${port}`);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

/** The script itself, so that the process we start is the one we measure. */
function binary(name: string): string {
  return join(FOLDER, 'node_modules', '.bin', name);
}
