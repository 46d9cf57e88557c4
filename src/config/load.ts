/** From a settings file, or an object in code, to a plan in one call. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkConfig, type CheckedConfig } from './check.ts';
import { compileConfig, PlanSlots, type CompiledConfig, type CompileOptions } from './compile.ts';
import type { Environment } from './environment.ts';
import { fromMcpServers } from './mcp-servers.ts';
import type { Plan, PlanLogLevel } from './plan.ts';
import { objectSource, readSource, type ConfigSource } from './source.ts';
import type { ConfigInput } from './schema.ts';

/** Looked for in this order. */
export const DEFAULT_FILES = ['sluice.yaml', 'sluice.yml', 'sluice.json'] as const;

/** The first default file that is in a folder, or null. */
export function findConfigFile(folder: string): string | null {
  return DEFAULT_FILES.map((name) => join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** What the command line puts in place of the file's settings. */
export interface ConfigOverrides {
  readonly host?: string;
  readonly port?: number;
  readonly shards?: number;
  readonly logLevel?: PlanLogLevel;
  readonly watch?: boolean;
}

export interface LoadOptions extends CompileOptions {
  /** Default: that of the process. */
  readonly environment?: Environment;
  readonly overrides?: ConfigOverrides;
}

/**
 * Reads, checks and compiles a file: YAML, JSON, or an `mcpServers` file. Relative paths in it start
 * from its folder.
 *
 * @throws ConfigError with every problem.
 */
export function loadFile(file: string, options: LoadOptions): CompiledConfig {
  return compileConfig(checkFile(file, options), options);
}

/** As far as the schema goes. @throws ConfigError if the file cannot be read or parsed. */
export function checkFile(
  file: string,
  options: Pick<LoadOptions, 'environment' | 'overrides'>,
): CheckedConfig {
  const source = overridden(fromMcpServers(readSource(file)), options.overrides ?? {});
  return checkConfig(source, options.environment ?? process.env);
}

/**
 * The same for settings from code. They are taken as they are: `${NAME}` is not replaced, as code has
 * the environment at hand. Relative paths start from `folder`, by default the working directory.
 *
 * @throws ConfigError with every problem.
 */
export function loadObject(
  config: unknown,
  options: LoadOptions,
  folder: string = process.cwd(),
): CompiledConfig {
  const source = overridden(fromMcpServers(objectSource(config, folder)), options.overrides ?? {});
  return compileConfig(checkConfig(source, null), options);
}

/** A first plan with slots of its own, for tests and tools. @throws ConfigError with every problem. */
export function planOf(config: ConfigInput, folder?: string): Plan {
  return loadObject(config, { number: 1, slots: new PlanSlots() }, folder).plan;
}

/** Overrides are put in before the check, so that they are checked like the rest. */
function overridden(source: ConfigSource, overrides: ConfigOverrides): ConfigSource {
  const { value } = source;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return source;
  const { host, port, shards, logLevel, watch } = overrides;
  const raw: Record<string, unknown> = { ...value };
  const put = (section: string, key: string, setting: unknown): void => {
    if (setting === undefined) return;
    const before = raw[section];
    if (before !== undefined && (typeof before !== 'object' || before === null)) return;
    raw[section] = { ...before, [key]: setting };
  };
  put('listen', 'host', host);
  put('listen', 'port', port);
  put('log', 'level', logLevel);
  put('reload', 'watch', watch);
  if (shards !== undefined) raw['shards'] = shards;
  return { ...source, value: raw };
}
