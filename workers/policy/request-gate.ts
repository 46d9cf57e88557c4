/** Lets a fixed number of requests run at once; the others wait their turn. Callers bound how many. */
export class RequestGate {
  readonly #max: number;
  #running = 0;
  #queue: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  async run<Result>(request: () => Promise<Result>): Promise<Result> {
    // Whoever leaves hands its place over, so the number never rises above the maximum.
    if (this.#running < this.#max) this.#running += 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await request();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
