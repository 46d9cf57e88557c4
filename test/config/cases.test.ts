/**
 * Settings in, plan or problems out: `cases/NAME.yaml` beside `NAME.plan.json` or `NAME.problems.txt`.
 * Run with UPDATE_CASES=1 to write what comes out, then read the difference.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PlanSlots } from '../../src/config/compile.ts';
import { loadFile } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';

const FOLDER = fileURLToPath(new URL('cases/', import.meta.url));
const ENVIRONMENT = { A: 'one', PORT: '8443', SECRET: 's3cret-'.repeat(6), KEY: 'key-of-batch' };
const SETTINGS = readdirSync(FOLDER).filter((name) => /(?<!\.plan)\.(?:yaml|json)$/.test(name));

/** The folder differs from machine to machine, and hashes with it. */
function portable(text: string): string {
  return text
    .replaceAll(FOLDER.replace(/\/$/, ''), 'FOLDER')
    .replace(/"configHash": "[0-9a-f]{64}"/g, '"configHash": "HASH"');
}

function outcome(file: string): { readonly extension: string; readonly text: string } {
  try {
    const { plan, notices } = loadFile(file, {
      number: 1,
      slots: new PlanSlots(),
      environment: ENVIRONMENT,
    });
    return {
      extension: '.plan.json',
      text: portable(`${JSON.stringify({ plan, notices }, null, 2)}\n`),
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { extension: '.problems.txt', text: portable(`${error.message}\n`) };
  }
}

describe('settings', () => {
  it.each(SETTINGS)('%s gives what stands beside it', (name) => {
    const { extension, text } = outcome(join(FOLDER, name));
    const expected = join(FOLDER, basename(name, extname(name)) + extension);
    if (process.env['UPDATE_CASES'] === '1') writeFileSync(expected, text);
    expect(existsSync(expected), `${expected} is missing`).toBe(true);
    expect(text).toBe(readFileSync(expected, 'utf8'));
  });

  it.each(SETTINGS)('%s lets no secret into a problem', (name) => {
    const { extension, text } = outcome(join(FOLDER, name));
    if (extension === '.plan.json') return;
    expect(text).not.toContain(ENVIRONMENT.SECRET);
    expect(text).not.toContain('u:p');
  });
});
