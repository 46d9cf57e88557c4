/**
 * One generation of one shard: a thread with one long task. Each generation gets a pool of its own with
 * exactly one thread, so that whatever a failed task leaves behind (timers, sockets, a parked doorbell)
 * ends with its thread and can never touch the memory of the generation after it.
 *
 * `onEnded` is called exactly once, whatever ends it first: the task returned or threw, an uncaught
 * error, the thread exited, `kill`. After it, `kill` still has to be awaited: only then is the thread
 * certain to have stopped.
 */
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { FromShardMessage, ShardTask, ToShardMessage } from '../../shared/control-message.ts';

/** Upper bounds for one shard's heap (see `worker_threads`, `resourceLimits`). */
export interface ShardResourceLimits {
  readonly maxOldGenerationSizeMb?: number;
  readonly maxYoungGenerationSizeMb?: number;
  readonly stackSizeMb?: number;
}

export interface ShardRunListener<Status> {
  onMessage(run: object, message: FromShardMessage<Status>): void;
  /** @param error why; null if the task returned */
  onEnded(run: object, error: Error | null): void;
}

export class ShardRun<Plan, Status> {
  readonly shard: number;
  readonly generation: number;
  readonly #pool: Piscina;
  readonly #port: MessagePort;
  readonly #listener: ShardRunListener<Status>;
  readonly #exited: Promise<void>;
  /** Resolves when the task is over, whatever ended it. */
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => undefined;
  #hasEnded = false;
  #killed: Promise<void> | null = null;

  /**
   * Starts the thread.
   *
   * @param url the built `workers/shard.js`; its default export takes the task
   */
  constructor(
    url: URL,
    task: Omit<ShardTask<Plan>, 'controlPort'>,
    listener: ShardRunListener<Status>,
    resourceLimits?: ShardResourceLimits,
  ) {
    this.shard = task.shardIndex;
    this.generation = task.generation;
    this.#listener = listener;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (message: FromShardMessage<Status>) => {
      if (!this.#hasEnded) this.#listener.onMessage(this, message);
    });
    this.#pool = new Piscina({
      filename: url.href,
      name: 'default',
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      atomics: 'disabled',
      recordTiming: false,
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    });
    // A thread that cannot even load its file fails without a task: the pool says so in an event.
    this.#pool.on('error', (error: Error) => this.#end(error));
    const full: ShardTask<Plan> = { ...task, controlPort: port2 };
    this.#pool.run(full, { transferList: [port2] }).then(
      () => this.#end(null),
      (error: unknown) => this.#end(error instanceof Error ? error : new Error(String(error))),
    );
    const [worker] = this.#pool.threads;
    this.#exited = new Promise((resolve) => {
      if (worker === undefined) resolve();
      else worker.once('exit', () => resolve());
    });
  }

  post(message: ToShardMessage<Plan>): void {
    if (!this.#hasEnded) this.#port.postMessage(message);
  }

  /** Ends the thread, even one that spins. @returns when it has stopped */
  kill(): Promise<void> {
    this.#killed ??= this.#kill();
    return this.#killed;
  }

  async #kill(): Promise<void> {
    this.#end(new Error('ended by the supervisor'));
    this.#port.close();
    await this.#pool.destroy();
    await this.#exited;
  }

  #end(error: Error | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#resolveEnded();
    this.#listener.onEnded(this, error);
  }
}
