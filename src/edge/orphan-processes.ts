/**
 * Ends child processes whose shard is gone. Shards start each in a process group of its own, so a kill
 * of the group takes what the child itself started. The dead owner never reaped them: until this
 * process ends their pids are taken, so no stranger can be hit.
 */
import type { ProcessTable } from '../../shared/process-table.ts';

/** Kills the process groups a dead life of a shard had registered. @returns how many there were */
export function killOwned(table: ProcessTable, shard: number, generation: number): number {
  let count = 0;
  let entry = table.nextOwned(shard, generation, 0);
  while (entry >= 0) {
    if (killGroup(table.pid(entry))) count += 1;
    table.release(entry);
    entry = table.nextOwned(shard, generation, entry + 1);
  }
  return count;
}

/** Kills what anyone left behind; for the gateway's own end. @returns how many there were */
export function killAll(table: ProcessTable): number {
  let count = 0;
  for (let entry = table.nextTaken(0); entry >= 0; entry = table.nextTaken(entry + 1)) {
    if (killGroup(table.pid(entry))) count += 1;
    table.release(entry);
  }
  return count;
}

function killGroup(pid: number): boolean {
  if (pid <= 1) return false; // claimed, never started
  try {
    // Windows knows no groups; there the child alone is ended.
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
    return true;
  } catch {
    return false; // gone already
  }
}
