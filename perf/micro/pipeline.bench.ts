/**
 * The whole of a shard's work for one call but its sockets: JWT, route, scopes, three rate limits and
 * metrics on. From bytes in the ring to the upstream's request, from the upstream's answer to the reply
 * frame. Goal: p50 < 2 µs, p99 < 5 µs (docs/performance.md).
 */
import { bench } from '../bench.ts';
import { LoopBackClient } from './loop-back-client.ts';
import { ShardBench } from './shard-bench.ts';

/** Calls that are put into the ring at a time; what lies in it is below its megabyte. */
const BATCH = 256;

bench('clock: read twice', ({ size, timeEach, digest }) => {
  timeEach(size('rounds', { smoke: 10, full: 200_000 }), () => {});
  digest(0);
});

bench('pipeline: one call, all on', async ({ size, timeEach, digest }) => {
  const rounds = size('rounds', { smoke: 32, full: 200_000 });
  await ShardBench.run((shard) => {
    let ready = 0;
    // The one operation in 256 that refills the ring and empties the other is beyond the p99.
    timeEach(rounds, () => {
      if (ready === 0) {
        shard.drain();
        ready = shard.fill(BATCH);
      }
      ready -= 1;
      shard.step();
    });
    shard.drain();
    const { ok, count } = shard.replies;
    if (ok !== 2 * rounds) throw new Error(`calls failed: ${ok} of ${count} are well`);
    digest(ok);
  });
});

bench('pipeline: calls in a row', async ({ size, time, digest }) => {
  const batches = size('batches', { smoke: 1, full: 64 });
  await ShardBench.run((shard) => {
    time(batches * BATCH, () => {
      for (let batch = 0; batch < batches; batch += 1) {
        shard.fill(BATCH);
        for (let call = 0; call < BATCH; call += 1) shard.step();
        shard.drain();
      }
    });
    digest(shard.replies.ok > 0 ? 1 : 0);
  });
});

bench('pipeline: the upstream alone', ({ size, timeEach, digest }) => {
  const client = new LoopBackClient();
  client.isHeld = true;
  const listener = {
    onHead: () => undefined,
    onBody: () => true,
    onEnd: () => undefined,
    onFailure: () => undefined,
  };
  const request = Buffer.from(
    `POST /mcp HTTP/1.1\r\n${'x: y\r\n'.repeat(30)}\r\n{"jsonrpc":"2.0","id":1234567890,"method":"tools/call"}`,
  );
  timeEach(size('rounds', { smoke: 10, full: 200_000 }), () => {
    client.send(request, 0, request.length, listener);
    client.answer();
  });
  digest(client.bytesSent > 0 ? 1 : 0);
});
