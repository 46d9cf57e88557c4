// One shard's share of a load on the rate limits. Runs the phases it is told to, beginning each together
// with its likes, and says what it was let through.
import { parentPort, workerData } from 'node:worker_threads';

const { shared, region, offset, memory, scratch, gate, shard, counts } = workerData;
const { RateLimitTable, LIMIT_NO_ROOM, LIMIT_TAKEN } = await import(`${shared}rate-limit-table.js`);
const { RateLimitRule } = await import(`${shared}rate-limit-rule.js`);
const { openKernel } = await import(`${shared}kernel/byte-kernel.js`);

openKernel(memory, scratch.start, scratch.bytes);
const table = new RateLimitTable(region, offset, shard);
let rules = [];
const clientWords = new Uint32Array(2);
const gateWords = new Int32Array(gate);

/** Waits until all who were told to begin are there: threads start one after another. */
function begin(phase) {
  Atomics.add(gateWords, 0, 1);
  Atomics.notify(gateWords, 0);
  for (let seen = Atomics.load(gateWords, 0); seen < phase.gate;) {
    Atomics.wait(gateWords, 0, seen);
    seen = Atomics.load(gateWords, 0);
  }
}

function takeOne(client, tool, nowMs) {
  clientWords[0] = client;
  clientWords[1] = 0x8000_0000;
  return table.take(rules, clientWords, tool, nowMs);
}

/** Every client in turn, on a clock that stands still. */
function standing(phase) {
  const taken = new Array(phase.clients.length).fill(0);
  let noRoom = 0;
  let refused = 0;
  const tools = Array.from({ length: phase.tools ?? 1 }, (_, tool) => table.toolOf(tool, 1));
  for (let round = 0; round < phase.rounds; round += 1) {
    for (const [index, client] of phase.clients.entries()) {
      const verdict = takeOne(client, tools[round % tools.length], phase.nowMs);
      if (verdict === LIMIT_TAKEN) taken[index] += 1;
      else if (verdict === LIMIT_NO_ROOM) noRoom += 1;
      else refused += 1;
    }
  }
  return { taken, noRoom, refused };
}

/**
 * For a time, on a clock that runs: the milliseconds at which calls were let through. A call that was
 * held up for long between the clock and its answer is left out: it may count as of when it went on.
 */
function running(phase) {
  const start = performance.now() + performance.timeOrigin - phase.baseMs;
  const tool = table.toolOf(0, 1);
  const at = [];
  for (;;) {
    const nowMs = performance.now() + performance.timeOrigin - phase.baseMs;
    if (nowMs - start > phase.forMs) return { at };
    // Time as a fast clock would tell it: windows of a second pass within milliseconds.
    const isTaken = takeOne(phase.clients[0], tool, nowMs * phase.speed) === LIMIT_TAKEN;
    const heldMs = performance.now() + performance.timeOrigin - phase.baseMs - nowMs;
    if (isTaken && heldMs * phase.speed < phase.heldMsMax) at.push(nowMs * phase.speed);
  }
}

/** Until the budget is used up; counts where others see it, as this thread may be killed meanwhile. */
function untilRefused(phase) {
  const countWords = new Int32Array(counts);
  const tool = table.toolOf(0, 1);
  while (takeOne(phase.clients[0], tool, phase.nowMs) === LIMIT_TAKEN) {
    Atomics.add(countWords, shard, 1);
  }
  return {};
}

const PHASES = { standing, running, untilRefused };
parentPort.on('message', (phase) => {
  rules = phase.limits.map((limit) => new RateLimitRule(limit));
  begin(phase);
  parentPort.postMessage(PHASES[phase.kind](phase));
});
parentPort.postMessage('ready');
