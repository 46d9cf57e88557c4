/** A gateway with real threads and the edge's fake shards: for what lies around them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigOverrides } from '../../src/config/load.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { Edge } from '../../src/edge/edge.ts';
import type { EdgeStats } from '../../src/edge/edge-state.ts';
import { Gateway, type GatewayAdmin } from '../../src/gateway.ts';
import { createLogger } from '../../src/observe/log.ts';
import { FAKE_SHARD } from '../edge/support/edge-harness.ts';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Everything one test needs, and nothing left of it after `close`. */
export class GatewayBench {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'sluice-gateway-'));
  readonly log: LogLine[] = [];
  readonly #gateways: Gateway<EdgeStats>[] = [];

  /** Writes a settings file; returns its path. */
  write(settings: ConfigInput | string, name = 'sluice.yaml'): string {
    const file = join(this.folder, name);
    writeFileSync(file, typeof settings === 'string' ? settings : JSON.stringify(settings));
    return file;
  }

  gateway(
    config: string | ConfigInput,
    overrides: ConfigOverrides = {},
    admin: () => GatewayAdmin | null = () => null,
  ): Gateway<EdgeStats> {
    const write = (line: string): void => void this.log.push(JSON.parse(line) as LogLine);
    const logger = createLogger('info', { write });
    const made = new Gateway<EdgeStats>(
      config,
      { logger, overrides, environment: {} },
      {
        edge: (plan) => new Edge(plan, { logger, shardUrl: FAKE_SHARD }),
        admin,
      },
    );
    this.#gateways.push(made);
    return made;
  }

  messages(level: string): string[] {
    return this.log.filter((line) => line.level === level).map((line) => line.message);
  }

  async close(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.close(0)));
    rmSync(this.folder, { recursive: true });
  }
}

/** Settings that fake shards are content with. */
export function benchSettings(changes: Partial<ConfigInput> = {}): ConfigInput {
  return {
    listen: { port: 0 },
    shards: 1,
    upstreams: { math: { stdio: { command: 'node' } } },
    ...changes,
  };
}
