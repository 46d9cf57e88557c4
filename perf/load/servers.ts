/** Starts what is measured and what it is measured against, each in a process of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { BUILT_FOLDER, LOAD_FOLDER, ROOT } from './paths.ts';
import { childrenOf } from './process-probe.ts';
import { PERF_SECRET } from './request-pool.ts';

/** Something that answers at a URL, and the process whose work counts. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** The upstream, which is also the yardstick "direct". */
export const startStub = (): Promise<Server> => startAnyStub();

/** The same for those who take their time, at the cost of speed. */
export const startPatientStub = (): Promise<Server> => startAnyStub('patient');

async function startAnyStub(...kind: readonly string[]): Promise<Server> {
  const child = await Child.start({
    command: process.execPath,
    args: [join(BUILT_FOLDER, 'stub.js'), ...kind],
    ready: /stub on (\d+)/,
  });
  return {
    url: `http://127.0.0.1:${child.match[1]}/mcp`,
    pid: child.pid,
    stop: () => child.stop(),
  };
}

/** nginx as a plain reverse proxy with one worker; the worker's work counts. */
export async function startNginx(upstreamUrl: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nginx-'));
  const port = await freePort();
  const config = readFileSync(join(LOAD_FOLDER, 'nginx.conf'), 'utf8')
    .replaceAll('FOLDER', folder)
    .replaceAll('UPSTREAM', new URL(upstreamUrl).host)
    .replaceAll('PORT', String(port));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, config);
  const child = await Child.start({
    command: 'nginx',
    // Its first words go to stderr until the settings are read, and at this level say when it runs.
    args: ['-p', folder, '-c', file, '-g', 'error_log stderr notice;'],
    ready: /start worker process (\d+)/,
  });
  const worker = childrenOf(child.pid)[0] ?? Number(child.match[1]);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    pid: worker,
    stop: async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Forwards bytes, in one thread or two, and knows nothing of what they say. */
export async function startForwarder(upstreamUrl: string, threads: 'one' | 'two'): Promise<Server> {
  const child = await Child.start({
    command: process.execPath,
    args: [join(BUILT_FOLDER, 'forwarder.js'), new URL(upstreamUrl).port, threads],
    ready: /forwarder on (\d+)/,
  });
  return {
    url: `http://127.0.0.1:${child.match[1]}/mcp`,
    pid: child.pid,
    stop: () => child.stop(),
  };
}

export interface GatewayOptions {
  readonly upstreamUrl: string;
  readonly shards?: number;
  readonly pipelining?: number;
  /** What accepts clients; default: what the gateway takes by itself. */
  readonly server?: 'lean' | 'uws' | 'node';
  /** The stdio stub in place of the HTTP one. */
  readonly stdio?: boolean;
  /** A built repository; default: what `useGatewayFrom` said, else this one. */
  readonly root?: string;
}

let defaultRoot = ROOT;

/** Measures the gateway of another built repository. */
export function useGatewayFrom(root: string): void {
  defaultRoot = root;
}

export interface GatewayServer extends Server {
  readonly metricsUrl: string;
}

/** The built command, with `gateway.yaml`. */
export async function startGateway(options: GatewayOptions): Promise<GatewayServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-gateway-'));
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, gatewaySettings(options));
  const child = await Child.start({
    command: process.execPath,
    args: [
      join(options.root ?? defaultRoot, 'bin', 'sluice.js'),
      'serve',
      file,
      '--shards',
      String(options.shards ?? 1),
      '--log-level',
      'error',
    ],
    env: { STUB_URL: options.upstreamUrl, PERF_SECRET },
    ready: /endpoint\s+(http:\S+)[\s\S]*^\s+stub\s/m,
  });
  return {
    url: child.match[1] as string,
    metricsUrl: /admin\s+(http:\S+)/.exec(child.output)?.[1] ?? '',
    pid: child.pid,
    stop: async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function gatewaySettings({ pipelining = 1, stdio = false, server }: GatewayOptions): string {
  const file = readFileSync(join(LOAD_FOLDER, 'gateway.yaml'), 'utf8');
  const settings =
    server === undefined ? file : file.replace('path: /mcp }', `path: /mcp, server: ${server} }`);
  const http = /^ {4}http: .*$/m;
  if (!http.test(settings)) throw new Error('gateway.yaml has no http line to change');
  if (stdio) {
    const script = JSON.stringify(join(BUILT_FOLDER, 'stdio-stub.js'));
    const command = JSON.stringify(process.execPath);
    return settings.replace(http, `    stdio: { command: ${command}, args: [${script}] }`);
  }
  return settings.replace(/pipelining: 1/, `pipelining: ${pipelining}`);
}

/** A port that was free a moment ago, for programs that cannot pick one and say so. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
