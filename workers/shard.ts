/**
 * Entry of a shard: piscina runs the default export once per thread, and its promise resolves when the
 * shard has been stopped. Builds the parts in order; `shard-loop.ts` runs them.
 */
import { performance } from 'node:perf_hooks';
import { createClock } from '../shared/clock.ts';
import type { FromShardMessage, ShardTask, ToShardMessage } from '../shared/control-message.ts';
import { openKernel } from '../shared/kernel/byte-kernel.ts';
import { SCRATCH_BYTES } from '../shared/limits.ts';
import { shardThread } from '../shared/region-descriptor.ts';
import type { Plan } from '../src/config/plan.ts';
import type { ShardStatus } from '../src/observe/gateway-status.ts';
import { ShardParts } from './shard-parts.ts';
import { ShardLoop } from './shard-loop.ts';
import { ShardLog } from './shard-log.ts';

export default function runShard(task: ShardTask<Plan>): Promise<void> {
  const { controlPort, layout, memory, shardIndex } = task;
  openKernel(memory, layout.scratch[shardThread(layout, shardIndex)]!, SCRATCH_BYTES);
  const post = (message: FromShardMessage<ShardStatus>): void => controlPort.postMessage(message);
  const log = new ShardLog(task.logLevel, (level, message, fields) =>
    post({ kind: 'log', level, message, fields: { ...fields, shard: task.shardIndex } }),
  );
  const clock = createClock(performance, task.clockBaseMs);
  const parts = new ShardParts(task, clock, log, post);
  return new Promise((resolve) => {
    const loop = new ShardLoop(task, parts, log, post, resolve);
    controlPort.on('message', (message) => loop.onControl(message as ToShardMessage<Plan>));
    // waitAsync does not keep a thread alive; the port does.
    controlPort.ref();
    loop.start();
  });
}
