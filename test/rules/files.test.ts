/** How files are named, how long they are, and what must not stand in them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { listFiles, readSources, ROOT } from './source-tree.ts';

const PRODUCT = ['shared', 'src', 'workers'];
const EVERYTHING = [...PRODUCT, 'bin', 'test', 'perf', 'scripts', 'examples'];
const CODE = /\.(ts|js|mjs|cjs|json|yaml|yml|svg|html|css)$/;

const LINES_MAX = 400;

describe('files', () => {
  it('are named in kebab-case, folders too, and eras by their date', () => {
    const word = '[a-z0-9]+(?:-[a-z0-9]+)*';
    const usual = new RegExp(
      `^(?:${word}/)*${word}(?:\\.(?:test|bench|d|plan|schema|config))*\\.[a-z]+$`,
    );
    const wrong = listFiles(EVERYTHING, CODE).filter(
      (path) => !usual.test(path) && !/^perf\/results\//.test(path),
    );
    expect(wrong).toEqual([]);
  });

  it('have no name that could hold anything', () => {
    const vague = /(^|[/-])(utils?|helpers?|commons?|managers?|misc|stuff)([.-]|\/|$)/;
    expect(listFiles(EVERYTHING, CODE).filter((path) => vague.test(path))).toEqual([]);
  });

  it(`of the product and its examples have at most ${LINES_MAX} lines`, () => {
    const long = listFiles([...PRODUCT, 'scripts', 'examples'], /\.(ts|js|mjs)$/)
      .map((path) => ({
        path,
        lines: readFileSync(join(ROOT, path), 'utf8').trimEnd().split('\n').length,
      }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  it('leave nothing for later, and silence no check', () => {
    // Put together, so that this file does not find itself.
    const later = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`,
    );
    const silenced = new RegExp(
      `@ts-${'ignore'}|@ts-${'nocheck'}|eslint-${'disable'}|\\bas ${'any'}\\b`,
    );
    const wrong = readSources([...PRODUCT, 'test', 'perf']).filter(
      ({ text }) => later.test(text) || silenced.test(text),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});
