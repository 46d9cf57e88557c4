/** The other thread of the ring bench: answers each frame with an empty one, asleep in between. */
import { parentPort, workerData } from 'node:worker_threads';
import { Doorbell, DoorbellWaiter } from '../../shared/doorbell.ts';
import { FRAME_DATA } from '../../shared/frame-kind.ts';
import { ringBytes } from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';

const { region, capacity } = workerData as { region: SharedArrayBuffer; capacity: number };
const reader = new RingReader(region, 256, capacity);
const writer = new RingWriter(region, 256 + ringBytes(capacity), capacity);
const bell = new Doorbell(region, 0);
const none = new Uint8Array(0);

const handler: FrameHandler = {
  onFrame(_kind, _flags, exchange) {
    writer.tryWrite(FRAME_DATA, 0, exchange, 0, none, 0, 0);
  },
};
const waiter: DoorbellWaiter = new DoorbellWaiter(
  region,
  128,
  () => !reader.isEmpty(),
  () => {
    if (reader.read(handler, 64) > 0) bell.ring();
    waiter.park();
  },
);
parentPort?.on('message', () => {}); // a wait alone keeps no thread alive
waiter.park();
