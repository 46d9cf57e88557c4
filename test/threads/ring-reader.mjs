// Reads frames until it has read `frames` of them; sleeps at its doorbell while there are none.
// Reports how many were out of order, torn or of another length than announced.
import { parentPort, workerData } from 'node:worker_threads';
import { isWhole } from './ring-payload.mjs';

const { shared, region, ring, capacity, ownBell, otherBell, frames, first, reportEach } =
  workerData;
const { RingReader } = await import(`${shared}ring-reader.js`);
const { Doorbell, DoorbellWaiter } = await import(`${shared}doorbell.js`);

/** Frames per turn: the event loop gets its share between two. */
const TURN_FRAMES = 256;

const reader = new RingReader(region, ring, capacity);
const bell = new Doorbell(region, otherBell);
const waiter = new DoorbellWaiter(region, ownBell, () => !reader.isEmpty(), turn);
parentPort.on('message', () => {});

const report = { read: 0, disordered: 0, torn: 0, parks: 0, bytes: 0 };
const handler = {
  onFrame(kind, flags, exchange, aux, bytes, start, end) {
    if (exchange !== ((first + report.read) | 0)) report.disordered += 1;
    if (kind !== 2 || aux !== end - start || !isWhole(bytes, start, end)) report.torn += 1;
    report.read += 1;
    report.bytes += end - start;
  },
};
turn();

function turn() {
  const read = reader.read(handler, TURN_FRAMES);
  if (read > 0 && reader.takeStarved()) bell.ring();
  if (
    reportEach > 0 &&
    Math.floor(report.read / reportEach) > Math.floor((report.read - read) / reportEach)
  ) {
    parentPort.postMessage(report);
  }
  if (report.read >= frames) {
    parentPort.postMessage(report);
    parentPort.removeAllListeners('message');
  } else if (read === 0) {
    report.parks += 1;
    waiter.park();
  } else {
    setImmediate(turn);
  }
}
