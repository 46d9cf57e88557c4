// Writes numbered frames into a ring until it has written `frames` of them, as fast as the reader
// makes room. Sleeps at its doorbell while there is none.
import { parentPort, workerData } from 'node:worker_threads';
import { fillPayload, nextRandom, payloadSize } from './ring-payload.mjs';

const { shared, region, ring, capacity, ownBell, otherBell, frames, first, payloadMax, seed } =
  workerData;
const { RingWriter } = await import(`${shared}ring-writer.js`);
const { Doorbell, DoorbellWaiter } = await import(`${shared}doorbell.js`);

const writer = new RingWriter(region, ring, capacity);
const bell = new Doorbell(region, otherBell);
const waiter = new DoorbellWaiter(region, ownBell, () => !writer.isStarved, turn);
parentPort.on('message', () => {}); // waitAsync alone keeps no thread alive

let sent = 0;
let random = seed;
let parks = 0;
turn();

function turn() {
  while (sent < frames) {
    const size = payloadSize(random, payloadMax);
    const at = writer.tryClaim(2, 0, (first + sent) | 0, size, size);
    if (at < 0) {
      bell.ring();
      parks += 1;
      waiter.park();
      return;
    }
    fillPayload(writer.bytes, at, size, random);
    writer.commit();
    if ((sent & 15) === 0) bell.ring();
    random = nextRandom(random);
    sent += 1;
  }
  bell.ring();
  parentPort.postMessage({ sent, parks });
  parentPort.removeAllListeners('message');
}
