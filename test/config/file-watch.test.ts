import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { FileWatch } from '../../src/config/file-watch.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A watched file, and a promise of its next change. */
function watched(
  prepare: (folder: string) => void = (folder) => writeFileSync(join(folder, 'a.yaml'), '1'),
) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-watch-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  prepare(folder);
  const file = join(folder, 'a.yaml');
  let count = 0;
  let tell: () => void = () => undefined;
  const watch = new FileWatch(
    file,
    () => {
      count += 1;
      tell();
    },
    (error) => {
      throw error;
    },
  );
  cleanups.push(() => watch.close());
  const next = (): Promise<void> => new Promise((resolve) => (tell = resolve));
  return { folder, file, next, changes: () => count };
}

describe('watching a file', () => {
  it('sees it written, several times', async () => {
    const { file, next, changes } = watched();
    for (const content of ['2', '3']) {
      const change = next();
      writeFileSync(file, content);
      await change;
    }
    expect(changes()).toBe(2);
  });

  it('sees it replaced by another, as editors do', async () => {
    const { folder, file, next } = watched();
    for (const content of ['2', '3']) {
      const change = next();
      writeFileSync(join(folder, '.a.yaml.swp'), content);
      renameSync(join(folder, '.a.yaml.swp'), file);
      await change;
    }
  });

  it('sees it gone and come back', async () => {
    const { file, next, changes } = watched();
    const change = next();
    unlinkSync(file);
    writeFileSync(file, '2');
    await change;
    expect(changes()).toBe(1);
  });

  it('sees the folder behind a link exchanged, as mounts of settings do', async () => {
    const { folder, next } = watched((at) => {
      for (const version of ['v1', 'v2']) {
        mkdirSync(join(at, version));
        writeFileSync(join(at, version, 'a.yaml'), version);
      }
      symlinkSync('v1', join(at, 'data'));
      symlinkSync('data/a.yaml', join(at, 'a.yaml'));
    });
    const change = next();
    symlinkSync('v2', join(folder, 'data.new'));
    renameSync(join(folder, 'data.new'), join(folder, 'data'));
    await change;
  });

  it('sees the file that a link leads to written in its own folder, also after the link has moved', async () => {
    const { folder, next } = watched((at) => {
      for (const version of ['v1', 'v2']) {
        mkdirSync(join(at, version));
        writeFileSync(join(at, version, 'a.yaml'), version);
      }
      symlinkSync('v1/a.yaml', join(at, 'a.yaml'));
    });
    const first = next();
    writeFileSync(join(folder, 'v1', 'a.yaml'), 'new');
    await first;
    const second = next();
    symlinkSync('v2/a.yaml', join(folder, 'new'));
    renameSync(join(folder, 'new'), join(folder, 'a.yaml'));
    await second;
    const third = next();
    writeFileSync(join(folder, 'v2', 'a.yaml'), 'newer');
    await third;
  });

  it('says nothing of an equal file and of other files', async () => {
    const { folder, file, next, changes } = watched();
    writeFileSync(file, '1');
    writeFileSync(join(folder, 'b.yaml'), '2');
    const change = next();
    writeFileSync(file, '2');
    await change;
    expect(changes()).toBe(1);
  });
});
