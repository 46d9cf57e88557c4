/**
 * The built command on two shards with everything logged, and a witness: what it wrote, what it measured and
 * what it answered is searched for every secret of the tests when it stops.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

import type { ConfigInput } from '../../../src/config/schema.ts';
import { TestProcess } from '../../interop/support/process.ts';
import { modern, send, type Fields, type RawAnswer } from '../../interop/support/raw.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const running = new Set<SecureGateway>();
const secrets = new Set<string>();

/** From here on this text must be seen in nothing that the gateway says. */
export function confidential(text: string): string {
  secrets.add(text);
  return text;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export class SecureGateway {
  readonly process: TestProcess;
  readonly #folder: string;
  readonly #answers: string[] = [];
  url = '';
  adminUrl = '';

  private constructor(settings: ConfigInput | string, env: NodeJS.ProcessEnv) {
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-secure-'));
    this.write(settings);
    this.process = new TestProcess(
      [join(ROOT, 'bin/sluice.js'), 'serve', this.#file],
      env,
      this.#folder,
    );
    running.add(this);
  }

  /** @param settings YAML as it is, or an object that gets two shards, free ports and a talkative log */
  static async start(
    settings: ConfigInput | string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<SecureGateway> {
    const gateway = new SecureGateway(settings, env);
    gateway.url = (await gateway.process.said(/endpoint +(http:\S+)/))[1]!;
    await gateway.process.said(/Try it:/);
    gateway.adminUrl = /admin +(http:\S+)\/metrics/.exec(gateway.process.out)?.[1] ?? '';
    return gateway;
  }

  get #file(): string {
    return join(this.#folder, 'sluice.yaml');
  }

  get log(): LogLine[] {
    return this.process.err
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  write(settings: ConfigInput | string): void {
    const text = typeof settings === 'string' ? settings : JSON.stringify(complete(settings));
    writeFileSync(this.#file, text);
  }

  /** New settings, by signal; resolves when they are in force. */
  async reload(settings: ConfigInput | string): Promise<string> {
    this.write(settings);
    const before = this.process.err.length;
    this.process.child.kill('SIGHUP');
    const expected = /"message":"((?:new settings|settings|reloaded)[^"]*)"/;
    for (;;) {
      const match = expected.exec(this.process.err.slice(before));
      if (match !== null) return match[1]!;
      await new Promise((resolve) => this.process.child.stderr.once('data', resolve));
    }
  }

  /** A request of the modern era. */
  async modern(
    method: string,
    params: Record<string, unknown> = {},
    fields: Fields = {},
    path = '',
  ): Promise<RawAnswer> {
    return this.#note(await modern(this.url + path, method, params, fields));
  }

  /** A modern `tools/call`. */
  call(name: string, args: unknown = {}, fields: Fields = {}): Promise<RawAnswer> {
    return this.modern('tools/call', { name, arguments: args }, fields);
  }

  async send(
    body: unknown,
    fields: Fields = {},
    method = 'POST',
    url?: string,
  ): Promise<RawAnswer> {
    return this.#note(await send(url ?? this.url, body, fields, method));
  }

  /** A GET of the same listener. */
  get(path: string, fields: Fields = {}): Promise<RawAnswer> {
    return this.send(null, fields, 'GET', new URL(path, this.url).href);
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.adminUrl}/metrics`)).text();
  }

  /** One counter, all its labels and threads added up. */
  async counter(name: string): Promise<number> {
    const lines = (await this.metrics()).matchAll(
      new RegExp(`^sluice_${name}(?:{[^\n]*})? (\\S+)$`, 'gm'),
    );
    return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** What each shard has counted, by its number. */
  async perShard(name: string): Promise<number[]> {
    const counts: number[] = [];
    const pattern = new RegExp(`^sluice_${name}{[^\n]*thread="shard-(\\d+)"[^\n]*} (\\S+)$`, 'gm');
    for (const [, shard, value] of (await this.metrics()).matchAll(pattern))
      counts[Number(shard)] = (counts[Number(shard)] ?? 0) + Number(value);
    return counts;
  }

  /** Ends it, and fails if it let a secret slip. */
  async stop(): Promise<void> {
    running.delete(this);
    const metrics = await this.metrics().catch(() => '');
    await this.process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    const said: Record<string, string> = {
      stdout: this.process.out,
      log: this.process.err,
      metrics,
      answers: this.#answers.join('\n'),
    };
    for (const [where, text] of Object.entries(said)) {
      const found = [...secrets].filter((secret) => text.includes(secret));
      expect(found, `secrets in ${where}`).toEqual([]);
    }
  }

  #note(answer: RawAnswer): RawAnswer {
    this.#answers.push(JSON.stringify(answer.headers), answer.text);
    return answer;
  }
}

function complete(settings: ConfigInput): ConfigInput {
  return {
    shards: 2,
    listen: { host: '127.0.0.1', port: 0 },
    admin: { port: 0 },
    log: { level: 'debug' },
    ...settings,
  };
}

/** Ends every gateway that was started here. */
export async function stopGateways(): Promise<void> {
  const results = await Promise.allSettled([...running].map((gateway) => gateway.stop()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Status and JSON-RPC code of an answer. */
export function outcome({ status, message }: RawAnswer): [number, number | null] {
  return [status, message?.error?.code ?? null];
}

export const OK: [number, null] = [200, null];

/** The field of a token. */
export function bearer(token: string): Fields {
  return { authorization: `Bearer ${token}` };
}
