/** The one table of errors: no number twice, nothing in it that nobody uses, nothing untested. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { FAULTS, faultById, type FaultCode, type FaultRow } from '../../shared/fault.ts';
import { readSources, ROOT } from './source-tree.ts';

const rows = Object.entries(FAULTS) as [FaultCode, FaultRow][];

/** The parts that are put in last: without them, rows may wait for the room that uses them. */
const isComplete = ['workers/pipeline.ts', 'workers/stages/limit.ts', 'src/edge/edge.ts'].every(
  (path) => existsSync(join(ROOT, path)),
);

/** All of some folders in one text, without the table itself and this file. */
function textOf(folders: readonly string[]): string {
  return readSources(folders)
    .filter(({ path }) => path !== 'shared/fault.ts' && path !== 'test/rules/faults.test.ts')
    .map((file) => file.text)
    .join('\n');
}

/** Named as a string or as a member of the table. */
function isNamed(code: FaultCode, text: string): boolean {
  return new RegExp(`['"\`]${code}['"\`]|FAULTS\\.${code}\\b`).test(text);
}

/** What a client sees of it, where no other fault looks the same. */
function isSeen({ rpc, message }: FaultRow, text: string): boolean {
  const isUnique = rows.filter(([, row]) => row.rpc === rpc).length === 1;
  return text.includes(message) || (isUnique && text.includes(String(rpc)));
}

describe('the table of faults', () => {
  it('gives every fault a number of its own, by which it is found', () => {
    expect(new Set(rows.map(([, { id }]) => id)).size).toBe(rows.length);
    for (const [code, { id }] of rows) expect(faultById(id)).toBe(code);
  });

  it('answers with codes of our own only outside the range that JSON-RPC keeps for itself', () => {
    const ours = rows.filter(([, { rpc }]) => rpc > -32000 || rpc < -32768);
    expect(ours.length).toBeGreaterThan(0);
    // Within it: those of JSON-RPC, those of the protocol, and the one that SDKs use for transports.
    const known = new Set([
      -32700, -32600, -32601, -32602, -32603, -32000, -32001, -32002, -32020, -32021, -32022,
    ]);
    const invented = rows.filter(
      ([, { rpc }]) => rpc <= -32000 && rpc >= -32768 && !known.has(rpc),
    );
    expect(invented.map(([code]) => code)).toEqual([]);
  });

  it('has one code per kind of refusal where the code is ours', () => {
    const ours = rows.map(([, { rpc }]) => rpc).filter((rpc) => rpc > -32000);
    expect(ours.length).toBe(new Set(ours).size);
  });

  it('has statuses of errors, and 200 only for what is answered in band', () => {
    for (const [code, { http }] of rows) {
      expect(http === 200 || (http >= 400 && http <= 599), `${code}: ${http}`).toBe(true);
    }
  });

  it('lets nobody resend what a client caused', () => {
    const wrong = rows.filter(
      ([, { cause, resend }]) => cause === 'downstream' && resend !== 'never',
    );
    expect(wrong.map(([code]) => code)).toEqual([]);
  });

  it('says what is wrong in lower case, and no more than a client may know', () => {
    for (const [code, { message }] of rows) {
      expect(message, code).toMatch(/^[a-z]/);
      expect(message, code).not.toMatch(/\$\{|undefined|\.$/);
    }
  });

  it.runIf(isComplete)('has no row that the code does not use', () => {
    const text = textOf(['shared', 'src', 'workers']);
    expect(rows.filter(([code]) => !isNamed(code, text)).map(([code]) => code)).toEqual([]);
  });

  it.runIf(isComplete)(
    'has no row that no test expects, by its name or by what a client sees',
    () => {
      const text = textOf(['test']);
      const unseen = rows.filter(([code, row]) => !isNamed(code, text) && !isSeen(row, text));
      expect(unseen.map(([code]) => code)).toEqual([]);
    },
  );
});
