/** The built shard with a fuse: a message on the channel ends it, as a bug of its own would. */
import { BroadcastChannel } from 'node:worker_threads';
import runShard from '../../../dist/workers/shard.js';

export default function runFusedShard(task) {
  const fuse = new BroadcastChannel('sluice-fuse');
  fuse.unref();
  fuse.onmessage = ({ data: { shard, way } }) => {
    if (shard !== task.shardIndex) return;
    if (way === 'exit') process.exit(1);
    if (way === 'hang') for (;;);
    setImmediate(() => {
      throw new Error('fuse');
    });
  };
  return runShard(task);
}
