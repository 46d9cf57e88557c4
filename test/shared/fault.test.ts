import { expect, it } from 'vitest';
import { FAULTS, Fault, faultById, type FaultRow } from '../../shared/fault.ts';

const rows: [string, FaultRow][] = Object.entries(FAULTS);

it('gives each fault an id of its own, by which it is found', () => {
  expect(new Set(rows.map(([, row]) => row.id)).size).toBe(rows.length);
  for (const [code, row] of rows) expect(faultById(row.id)).toBe(code);
  expect([faultById(0), faultById(9999), faultById(-1)]).toEqual(Array(3).fill('INTERNAL_ERROR'));
});

it('uses codes that JSON-RPC and MCP define, or own codes outside of the reserved range', () => {
  const defined = [
    -32700, -32600, -32601, -32602, -32603, -32000, -32001, -32002, -32020, -32021, -32022,
  ];
  for (const [code, row] of rows) {
    const isOwn = row.rpc > -32000 && row.rpc <= -31000;
    expect([code, isOwn || defined.includes(row.rpc)]).toEqual([code, true]);
    expect(row.http).toBeGreaterThanOrEqual(200);
    expect(row.message).toMatch(/^[a-z]/);
  }
});

it('keeps the detail of a thrown fault for the log', () => {
  const fault = new Fault('UPSTREAM_CLOSED', 'socket reset: upstream=math', { cause: 'x' });
  expect([fault.code, fault.message, fault.cause]).toEqual([
    'UPSTREAM_CLOSED',
    'UPSTREAM_CLOSED: socket reset: upstream=math',
    'x',
  ]);
});
