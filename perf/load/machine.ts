/** The machine of a run, and whether all it takes is there. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Machine } from '../report/result.ts';
import { ROOT } from './paths.ts';

export function describeMachine(): Machine {
  return {
    cores: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
    system: `${type()} ${release()}`,
    loadBefore: loadavg()[0] ?? 0,
    tools: [versionOf('nginx', ['-v']), versionOf('wrk', ['-v'])].join(', '),
  };
}

export function revision(): string {
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim(); // prettier-ignore
    const isDirty = git('status', '--porcelain', '--', 'src', 'workers', 'shared') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isDirty ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

/** What to install before anything can be measured; empty if nothing is missing. */
export function missingTools(): string[] {
  if (process.platform !== 'linux') return ['Linux: CPU time per thread is read from /proc'];
  const missing = (['wrk', 'nginx'] as const).filter((name) => !isThere(name));
  return missing.map(
    (name) => `${name}: install it from the system's packages (apt-get install ${name})`,
  );
}

function isThere(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Both write their version to one of the streams, and one ends with 1 when asked for it. */
function versionOf(name: string, args: readonly string[]): string {
  const text = execFileSync('sh', ['-c', `${name} ${args.join(' ')} 2>&1 || true`], { encoding: 'utf8' }); // prettier-ignore
  return /(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1] === undefined
    ? name
    : `${name} ${/(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1] ?? ''}`;
}
