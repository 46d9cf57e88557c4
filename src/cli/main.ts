/** The command line: flags in, exit code out. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SHARDS_MAX } from '../../shared/limits.ts';
import type { ConfigOverrides } from '../config/load.ts';
import type { PlanLogLevel } from '../config/plan.ts';
import { VERSION } from '../version.ts';
import {
  CommandError,
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  processOutput,
  type CommandOutput,
} from './command-result.ts';
import type { BenchOptions } from './commands/bench.ts';
import { check } from './commands/check.ts';
import type { SignalSource } from './commands/serve.ts';
import { token, type TokenOptions } from './commands/token.ts';
import { configFile } from './config-argument.ts';

const LOG_LEVELS: readonly PlanLogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/**
 * Runs one command.
 *
 * @param args without program and script
 * @returns 0, 1 if it failed, 2 if it was called wrongly
 */
export async function main(
  args: readonly string[],
  output: CommandOutput = processOutput(),
): Promise<number> {
  let exitCode = EXIT_OK;
  const program = makeProgram(output, (code) => (exitCode = code));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    output.err(`sluice: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof CommandError) return error.exitCode;
    if (error instanceof Error && error.stack !== undefined) output.err(`${error.stack}\n`);
    return EXIT_FAILED;
  }
}

interface ServeFlags {
  readonly host?: string;
  readonly port?: number;
  readonly shards?: number;
  readonly logLevel?: PlanLogLevel;
  readonly watch?: true;
}

function makeProgram(output: CommandOutput, end: (exitCode: number) => void): Command {
  const program = new Command('sluice')
    .description('An MCP gateway for multicore hosts: one endpoint in front of many MCP servers.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureOutput({ writeOut: (text) => output.out(text), writeErr: (text) => output.err(text) })
    .showHelpAfterError('(sluice --help tells more)')
    .exitOverride()
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 called wrongly.');
  program
    .command('serve')
    .description('run the gateway until SIGTERM or SIGINT; SIGHUP reads the settings again')
    .argument(
      '[file]',
      'settings (YAML or JSON) or an mcpServers file; default: sluice.yaml, sluice.yml, sluice.json',
    )
    .option('--host <host>', 'address to listen on')
    .option('--port <port>', 'port to listen on, 0 picks a free one', wholeNumber(0, 65_535))
    .option('--shards <count>', 'worker threads', wholeNumber(1, SHARDS_MAX))
    .addOption(new Option('--log-level <level>', 'least severe log line').choices(LOG_LEVELS))
    .option('--watch', 'reload when the settings file changes')
    .action(async (file: string | undefined, flags: ServeFlags) => {
      const overrides: ConfigOverrides = flags;
      const { serve } = await import('./commands/serve.ts'); // the other commands need no edge
      const context = { version: VERSION, output, signals: processSignals() };
      end(await serve(configFile(file, process.cwd()), overrides, context));
    });
  program
    .command('check')
    .description('check settings and list every problem')
    .argument('[file]', 'as for serve')
    .action((file: string | undefined) => {
      end(check(configFile(file, process.cwd()), process.env, output));
    });
  addToken(program, output, end);
  addBench(program, output, end);
  return program;
}

function addBench(program: Command, output: CommandOutput, end: (exitCode: number) => void): void {
  const many = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  const none: readonly string[] = [];
  program
    .command('bench')
    .description('put a measured load on an MCP endpoint; without --tool it asks for the tool list')
    .argument('<url>', 'the endpoint, e.g. http://127.0.0.1:8080/mcp')
    .addOption(
      new Option('--era <era>', 'protocol revisions to speak')
        .choices(['auto', 'legacy', 'modern'])
        .default('auto'),
    )
    .option('--tool <name=json>', 'tool to call, with arguments; again for a mix', many, none)
    .option('--concurrency <count>', 'calls at once', wholeNumber(1, 10_000), 8)
    .option(
      '--rate <count>',
      'calls a second, however long answers take',
      wholeNumber(1, 1_000_000),
    ) // prettier-ignore
    .option('--duration <seconds>', 'how long', wholeNumber(1, 86_400), 10)
    .option('--warm-up <seconds>', 'load before that, not measured', wholeNumber(0, 3600), 0)
    .option('--timeout <seconds>', 'longest a call may take', wholeNumber(1, 600), 10)
    .option('--sessions <count>', 'sessions of a legacy endpoint', wholeNumber(1, 100_000), 1)
    .option('--header <field>', 'header field to send, "name: value"; again for more', many, none)
    .option('--token <token>', 'bearer token to send')
    .option('--token-file <file>', 'file with bearer tokens, one per line; calls take turns')
    .option('--json', 'print the report as JSON')
    .action(async (url: string, options: BenchOptions) => {
      const { bench } = await import('./commands/bench.ts');
      end(await bench(url, options, { output, signals: processSignals() }));
    });
}

function addToken(program: Command, output: CommandOutput, end: (exitCode: number) => void): void {
  program
    .command('token')
    .description('make a signed token to try a gateway with')
    .requiredOption('--sub <subject>', 'whom it stands for (sub)')
    .option('--scope <scopes>', 'scopes, separated by spaces (scope)')
    .option('--iss <issuer>', 'issuer (iss)')
    .option('--aud <audience>', 'audience (aud)')
    .option('--client-id <id>', 'client (client_id)')
    .option('--kid <id>', 'key id, for a set of keys')
    .option('--expires <time>', 'how long it is valid: 90s, 15m, 1h, 7d', '1h')
    .option('--secret <secret>', 'shared secret, for HS256, HS384, HS512')
    .option('--key <file>', 'private key (PEM), for RS*, PS*, ES*, EdDSA')
    .option('--alg <algorithm>', 'signature algorithm; default: HS256, or what the key can do')
    .action((options: TokenOptions) => {
      end(token(options, output));
    });
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

function processSignals(): SignalSource {
  return {
    on: (signal, listener) => process.on(signal, listener),
    off: (signal, listener) => process.off(signal, listener),
    exit: (code) => process.exit(code),
  };
}
