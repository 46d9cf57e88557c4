/** The one table of errors: no number twice, nothing in it that nobody uses, nothing untested. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { FAULTS, faultById, type FaultCode, type FaultRow } from '../../shared/fault.ts';
import { readSources, ROOT } from './source-tree.ts';

const rows = Object.entries(FAULTS) as [FaultCode, FaultRow][];

/** The last part that is put in: without it, rows may wait for the room that uses them. */
const isComplete =
  existsSync(join(ROOT, 'workers', 'shard.ts')) && existsSync(join(ROOT, 'src', 'edge', 'edge.ts'));

/** Codes that no file names, as a string or as a member of the table. */
function unnamed(folders: readonly string[], except: string): FaultCode[] {
  const text = readSources(folders)
    .filter(({ path }) => path !== except)
    .map((file) => file.text)
    .join('\n');
  return rows
    .map(([code]) => code)
    .filter((code) => !new RegExp(`['"\`]${code}['"\`]|FAULTS\\.${code}\\b`).test(text));
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
    expect(unnamed(['shared', 'src', 'workers'], 'shared/fault.ts')).toEqual([]);
  });

  it.runIf(isComplete)('has no row that no test reaches', () => {
    expect(unnamed(['test'], 'test/rules/faults.test.ts')).toEqual([]);
  });
});
