/**
 * `sluice serve`: runs a gateway until it is told to stop. Text for people on stdout, log lines on
 * stderr. SIGTERM and SIGINT drain and end with 0, a second one ends at once with 1; SIGHUP reloads.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ConfigOverrides } from '../../config/load.ts';
import { ConfigError, describeProblems } from '../../config/problem.ts';
import type { GatewayAddress, GatewayStatus } from '../../gateway.ts';
import { createGateway } from '../../index.ts';
import { CommandError, EXIT_FAILED, EXIT_OK, type CommandOutput } from '../command-result.ts';
import { addressText, curlText, upstreamsText } from '../start-text.ts';

/** How long the start text waits for upstreams that are still connecting. */
const UPSTREAMS_WAIT_MS = 5000;
const UPSTREAMS_LOOK_MS = 100;

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** The part of a gateway that this command uses. */
export interface ServedGateway {
  readonly plan: { readonly auth: { readonly mode: string; readonly required: boolean } };
  start(): Promise<GatewayAddress>;
  status(): Promise<GatewayStatus>;
  reload(): Promise<unknown>;
  close(): Promise<void>;
}

/** Signals of the process, or of a test. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
  /** Ends the process now. */
  exit(code: number): void;
}

export interface ServeContext {
  readonly version: string;
  readonly output: CommandOutput;
  readonly signals: SignalSource;
  /** Default: `createGateway`. @throws ConfigError */
  readonly create?: (file: string, overrides: ConfigOverrides) => ServedGateway;
}

/** @returns the exit code, once the gateway has stopped */
export async function serve(
  file: string,
  overrides: ConfigOverrides,
  context: ServeContext,
): Promise<number> {
  const { output, version } = context;
  const create =
    context.create ??
    ((path: string, over: ConfigOverrides) => createGateway(path, { overrides: over }));
  let gateway: ServedGateway;
  try {
    gateway = create(file, overrides);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    output.err(`${describeProblems(error.file, error.problems)}\n`);
    return EXIT_FAILED;
  }
  const stop = new StopSignal(context.signals);
  try {
    const address = await startOr(gateway, stop);
    if (address !== null) {
      stop.onReload(() => void gateway.reload().catch(() => undefined)); // logged by the gateway
      output.out(addressText(version, address, file));
      await describeUpstreams(gateway, address, stop, output);
      await stop.wanted;
      output.out('Stopping: calls under way may finish.\n');
    }
    await gateway.close();
    return EXIT_OK;
  } finally {
    stop.release();
  }
}

/** Null if told to stop meanwhile. */
async function startOr(gateway: ServedGateway, stop: StopSignal): Promise<GatewayAddress | null> {
  try {
    const address = await gateway.start();
    return stop.isWanted ? null : address;
  } catch (error) {
    if (stop.isWanted) return null;
    throw new CommandError(startFailure(error));
  }
}

function startFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'cannot start';
  const { code, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  const at = port === undefined ? '' : `: ${address === undefined ? '' : `${address}:`}${port}`;
  if (code === 'EADDRINUSE') return `cannot listen, the port is in use${at}`;
  if (code === 'EACCES') return `cannot listen, permission denied${at}`;
  if (code === 'EADDRNOTAVAIL') return `cannot listen, this machine has no such address${at}`;
  return `cannot start: ${error.message}`;
}

/** Says what the upstreams offer, once they are there; a slow one is not waited for for long. */
async function describeUpstreams(
  gateway: ServedGateway,
  { url }: GatewayAddress,
  stop: StopSignal,
  output: CommandOutput,
): Promise<void> {
  const looksMax = UPSTREAMS_WAIT_MS / UPSTREAMS_LOOK_MS;
  let status = await gateway.status();
  for (let looks = 1; looks < looksMax && !stop.isWanted && !isSettled(status); looks += 1) {
    await Promise.race([pause(UPSTREAMS_LOOK_MS, undefined, { ref: false }), stop.wanted]);
    status = await gateway.status();
  }
  if (stop.isWanted) return;
  const { auth } = gateway.plan;
  output.out(upstreamsText(status.upstreams));
  output.out(curlText(url, auth.mode === 'methods' && auth.required));
}

function isSettled({ upstreams }: GatewayStatus): boolean {
  return upstreams.every(
    ({ state, tools }) => state === 'down' || (state === 'up' && tools !== null),
  );
}

/** The wish to stop, from the first SIGTERM or SIGINT. */
class StopSignal {
  readonly wanted: Promise<void>;
  isWanted = false;
  readonly #signals: SignalSource;
  readonly #onStop: () => void;
  #onReload: (() => void) | null = null;

  constructor(signals: SignalSource) {
    this.#signals = signals;
    let tell: () => void = () => undefined;
    this.wanted = new Promise((resolve) => (tell = resolve));
    this.#onStop = () => {
      if (this.isWanted) signals.exit(EXIT_FAILED);
      this.isWanted = true;
      tell();
    };
    for (const signal of STOP_SIGNALS) signals.on(signal, this.#onStop);
  }

  onReload(listener: () => void): void {
    this.#onReload = listener;
    this.#signals.on('SIGHUP', listener);
  }

  release(): void {
    for (const signal of STOP_SIGNALS) this.#signals.off(signal, this.#onStop);
    if (this.#onReload !== null) this.#signals.off('SIGHUP', this.#onReload);
  }
}
