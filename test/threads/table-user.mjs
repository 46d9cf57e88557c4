// Fights with its likes for the places of a table, when told to begin, and reports what it got.
import { parentPort, workerData } from 'node:worker_threads';

const { shared, region, layout, shard, takes, max } = workerData;
const { InflightTable } = await import(`${shared}inflight-table.js`);
const { ProcessTable } = await import(`${shared}process-table.js`);

const UPSTREAM = 3;
const holders = new Int32Array(region, layout.tables.holders.offset, 1);

function fightForCalls() {
  const threadsOffset = layout.threadCells[layout.edges];
  const table = new InflightTable(region, layout.inflight, layout.shards, threadsOffset);
  table.open(shard, 1);
  const report = { taken: 0, tooMany: 0 };
  // Until it got its share, not for a number of tries: one that holds the place may lose its core.
  while (report.taken < takes) {
    if (!table.tryAdd(shard, UPSTREAM, max)) continue;
    report.taken += 1;
    if (Atomics.add(holders, 0, 1) + 1 > max) report.tooMany += 1;
    Atomics.sub(holders, 0, 1);
    table.remove(shard, UPSTREAM);
  }
  return report;
}

function fightForEntries() {
  const table = new ProcessTable(region, layout.processes);
  const report = { taken: 0, tooMany: 0 };
  while (report.taken < takes) {
    const entry = table.claim(shard, 1, shard);
    if (entry < 0) continue;
    report.taken += 1;
    if (Atomics.add(holders, 0, 1) + 1 > max) report.tooMany += 1;
    table.setPid(entry, 1000 + shard);
    if (table.pid(entry) !== 1000 + shard || table.upstream(entry) !== shard) report.tooMany += 1;
    Atomics.sub(holders, 0, 1);
    table.release(entry);
  }
  return report;
}

parentPort.once('message', (what) => {
  parentPort.postMessage(what === 'calls' ? fightForCalls() : fightForEntries());
});
parentPort.postMessage('ready');
