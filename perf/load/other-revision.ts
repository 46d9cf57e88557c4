/** Another revision of this repository, built in a folder of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from './child.ts';
import { ROOT } from './paths.ts';

export interface OtherRevision {
  readonly root: string;
  /** Short hash. */
  readonly hash: string;
  /** Its packages are not the installed ones; it runs on ours all the same. */
  readonly hasOtherPackages: boolean;
  remove(): void;
}

/**
 * Files come out of git's store, so the working tree, the index and git's own records stay as they
 * are, whatever happens here.
 *
 * @throws Error if there is no such revision or it does not build
 */
export async function buildRevision(name: string): Promise<OtherRevision> {
  const hash = git('rev-parse', '--short', '--verify', '--end-of-options', `${name}^{commit}`);
  const root = mkdtempSync(join(tmpdir(), 'sluice-revision-'));
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  try {
    const archive = join(root, 'files.tar');
    git('archive', '--format=tar', `--output=${archive}`, hash);
    execFileSync('tar', ['-xf', archive, '-C', root]);
    rmSync(archive);
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    await runToEnd(process.execPath, [compiler, '-b', 'shared', 'src', 'workers'], {}, root);
    const lock = (folder: string): string =>
      readFileSync(join(folder, 'package-lock.json'), 'utf8');
    return { root, hash, hasOtherPackages: lock(root) !== lock(ROOT), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim(); // prettier-ignore
}
