/**
 * What a thread puts off to the end of a turn of its event loop, when all sockets have been read: then what
 * belongs together leaves together. One `setImmediate` for all of it.
 *
 * Where a thread has one thing to do at all, nothing will come to join it, and the way to the end of the turn
 * is a part of the answer's time: `runEarly` does at once what was put off.
 */

/** @param isEarly sockets may have something to say that the end of the turn would have known */
export type TurnTask = (isEarly: boolean) => void;

export class TurnEnd {
  #tasks: TurnTask[] = [];
  #spare: TurnTask[] = [];
  #isScheduled = false;
  readonly #onImmediate = (): void => {
    this.#isScheduled = false;
    this.#run(false);
  };

  /** Puts a task off. It is run once, with those before it in their order, and told whether that is early. */
  add(task: TurnTask): void {
    this.#tasks.push(task);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#onImmediate);
  }

  /** Runs what was put off until now. What that puts off itself waits for the end of the turn again. */
  runEarly(): void {
    this.#run(true);
  }

  #run(isEarly: boolean): void {
    const tasks = this.#tasks;
    if (tasks.length === 0) return;
    this.#tasks = this.#spare;
    this.#spare = tasks;
    for (const task of tasks) task(isEarly);
    tasks.length = 0;
  }
}

/** Of this thread. */
export const turnEnd: TurnEnd = new TurnEnd();
