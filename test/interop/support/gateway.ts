/** The built command on a settings file of its own, in front of what a test puts behind it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { ConfigInput } from '../../../src/config/schema.ts';
import { shardOfSessionId } from '../../../src/edge/shard-picker.ts';
import { TestProcess } from './process.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const SHARDS = 2;

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly shard?: number;
  readonly upstream?: string;
  readonly fault?: string;
}

export class TestGateway {
  readonly process: TestProcess;
  readonly url: string;
  readonly adminUrl: string;
  readonly #folder: string;

  private constructor(process: TestProcess, folder: string, url: string, adminUrl: string) {
    this.process = process;
    this.#folder = folder;
    this.url = url;
    this.adminUrl = adminUrl;
  }

  /** Starts `sluice serve` and waits until it has said what its upstreams offer. */
  static async start(config: ConfigInput): Promise<TestGateway> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-interop-'));
    const file = join(folder, 'sluice.json');
    const whole: ConfigInput = {
      shards: SHARDS,
      listen: { host: '127.0.0.1', port: 0 },
      admin: { port: 0 },
      ...config,
    };
    writeFileSync(file, JSON.stringify(whole));
    const process = new TestProcess([join(ROOT, 'bin/sluice.js'), 'serve', file], {}, folder);
    try {
      const url = (await process.said(/endpoint +(http:\S+)/))[1]!;
      await process.said(/Try it:/);
      const adminUrl = /admin +(http:\S+)\/metrics/.exec(process.out)?.[1] ?? '';
      return new TestGateway(process, folder, url, adminUrl);
    } catch (error) {
      await process.stop('SIGKILL');
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  get log(): LogLine[] {
    return this.process.err
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** The shard that runs the process of a stdio upstream. */
  ownerOf(upstream: string): number {
    const started = this.log.find(
      (line) => line.message === 'process started' && line.upstream === upstream,
    );
    if (started?.shard === undefined) throw new Error(`no process of ${upstream}`);
    return started.shard;
  }

  /** One counter, all its labels and threads added up. */
  async counter(name: string): Promise<number> {
    const response = await fetch(`${this.adminUrl}/metrics`);
    const text = await response.text();
    const lines = [...text.matchAll(new RegExp(`^sluice_${name}(?:{[^\n]*})? (\\S+)$`, 'gm'))];
    if (lines.length === 0) throw new Error(`no such counter: ${name}`);
    return lines.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async stop(): Promise<number | null> {
    const code = await this.process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    return code;
  }
}

/** The shard that holds a session. */
export function shardOf(sessionId: string | undefined): number {
  const shard = shardOfSessionId(sessionId ?? '');
  if (shard < 0) throw new Error('not a session id of the gateway');
  return shard;
}
