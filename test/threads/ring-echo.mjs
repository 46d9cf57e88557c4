// Two of these play ping-pong: each frame is answered with one of the next number, and each side
// sleeps in between. A single lost wake-up ends the game.
import { parentPort, workerData } from 'node:worker_threads';

const { shared, region, ringIn, ringOut, capacity, ownBell, otherBell, rounds, serves } =
  workerData;
const { RingReader } = await import(`${shared}ring-reader.js`);
const { RingWriter } = await import(`${shared}ring-writer.js`);
const { Doorbell, DoorbellWaiter } = await import(`${shared}doorbell.js`);

const reader = new RingReader(region, ringIn, capacity);
const writer = new RingWriter(region, ringOut, capacity);
const bell = new Doorbell(region, otherBell);
const waiter = new DoorbellWaiter(region, ownBell, () => !reader.isEmpty(), turn);
const none = new Uint8Array(0);
let last = 0;
let wakes = 0;
parentPort.on('message', () => {});

const handler = {
  onFrame(kind, flags, exchange) {
    last = exchange;
    if (exchange < rounds) send(exchange + 1);
  },
};
if (serves) send(1);
waiter.park();

function send(exchange) {
  if (!writer.tryWrite(2, 0, exchange, 0, none, 0, 0)) throw new Error('ring is full');
  bell.ring();
}

function turn() {
  wakes += 1;
  reader.read(handler, 16);
  if (last >= rounds - 1) {
    parentPort.postMessage({ last, wakes });
    parentPort.removeAllListeners('message');
    waiter.stop();
    return;
  }
  waiter.park();
}
