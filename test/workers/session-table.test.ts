import { describe, expect, it } from 'vitest';
import { SESSION_ID_CHARACTERS, SessionSealer } from '../../workers/session/session-id.ts';
import { SessionTable } from '../../workers/session/session-table.ts';
import { Session } from '../../workers/session/session.ts';

const sealer = new SessionSealer([{ id: 1, secret: Buffer.alloc(32, 7) }]);

function open(
  table: SessionTable,
  limit: number,
  nowMs: number,
  evicted: Session[] = [],
): Session | null {
  const slot = table.claimSlot(limit, (session) => evicted.push(session));
  if (slot < 0) return null;
  const id = sealer.seal({
    shard: 0,
    slot,
    instance: Buffer.alloc(8),
    generation: 1,
    principal: Buffer.alloc(16),
    revision: 3,
    serial: nowMs,
  });
  const session = new Session(slot, id, 'caller', '/mcp', 3, 0, '{}', '{}', nowMs);
  table.put(session);
  return session;
}

const found = (table: SessionTable, { id }: Session): Session | null =>
  table.find(id, 0, id.length);

describe('a session table', () => {
  it('finds a session by its whole id only', () => {
    const table = new SessionTable(8);
    const session = open(table, 8, 1)!;
    expect(found(table, session)).toBe(session);
    const forged = Buffer.from(session.id);
    forged[SESSION_ID_CHARACTERS - 1] = forged[SESSION_ID_CHARACTERS - 1] === 0x41 ? 0x42 : 0x41;
    expect(table.find(forged, 0, forged.length)).toBeNull();
  });

  it('does not find a session that was removed, nor by its id whoever has its slot', () => {
    const table = new SessionTable(8);
    const first = open(table, 8, 1)!;
    table.remove(first);
    const second = open(table, 8, 2)!;
    expect(second.slot).toBe(first.slot);
    expect(found(table, first)).toBeNull();
    expect(found(table, second)).toBe(second);
  });

  it('makes room at the limit of the plan by letting an idle session go, the oldest in reach', () => {
    const table = new SessionTable(100);
    const sessions = [5, 3, 9].map((nowMs) => open(table, 3, nowMs)!);
    const evicted: Session[] = [];
    expect(open(table, 3, 10, evicted)).not.toBeNull();
    expect(evicted).toEqual([sessions[1]]);
    expect(table.count).toBe(3);
  });

  it('refuses a newcomer rather than end a session that is in use', () => {
    const table = new SessionTable(2);
    for (const session of [open(table, 2, 1)!, open(table, 2, 2)!]) {
      session.stream = {} as Session['stream'];
    }
    expect(open(table, 2, 3)).toBeNull();
  });

  it('expires what nobody used, and keeps what somebody listens to', () => {
    const table = new SessionTable(8);
    const old = open(table, 8, 1)!;
    const heard = open(table, 8, 1)!;
    heard.stream = {} as Session['stream'];
    const fresh = open(table, 8, 50)!;
    const gone: Session[] = [];
    table.expire(10, (session) => gone.push(session));
    expect(gone).toEqual([old]);
    expect([found(table, old), found(table, heard), found(table, fresh)]).toEqual([
      null,
      heard,
      fresh,
    ]);
  });
});
