/**
 * The harness of all micro benches. A bench file calls `bench` some times and is run by itself, built:
 *
 *     node dist/perf/micro/ring.bench.js [--smoke] [--json] [--only=TEXT]
 *
 * `--smoke` runs everything once at its smallest size, to see that it works; its times mean nothing.
 * One row per bench: nanoseconds per operation over the samples, CPU time of the process (all its
 * threads) per operation, and the digest. Two runs compare only if their digests agree.
 */
export interface Bench {
  /** Names a size and picks it by mode. Sizes are printed with the result. */
  readonly size: (name: string, sizes: { readonly smoke: number; readonly full: number }) => number;
  /**
   * Times a body that does `rounds` operations in a loop of its own: once to warm up, then once per
   * sample. A sample is the mean of its rounds.
   */
  readonly time: (rounds: number, body: () => void) => void;
  /** As `time`, for a body that ends later, as one between threads does. */
  readonly timeAsync: (rounds: number, body: () => Promise<void>) => Promise<void>;
  /**
   * Times each of `rounds` operations by itself, for percentiles of single operations. Reading the
   * clock twice is in each time: see the bench "clock: read twice" for how much that is.
   */
  readonly timeEach: (rounds: number, operation: (round: number) => void) => void;
  /** Folds a result into the digest; it also keeps the loop from being optimised away. */
  readonly digest: (value: number) => void;
}

export interface BenchResult {
  readonly name: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly min: number;
  /** Nanoseconds. */
  readonly cpuPerOperation: number;
  readonly digest: string;
}

type BenchBody = (bench: Bench) => void | Promise<void>;

/** Enough for a p50 that stands still; the p99 of means is nearly their worst. */
const SAMPLES = 25;

const isSmoke = process.argv.includes('--smoke');
const isJson = process.argv.includes('--json');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice(7) ?? '';

const queue: { name: string; body: BenchBody }[] = [];

/** Registers a bench. All run in order when the file has been evaluated. */
export function bench(name: string, body: BenchBody): void {
  if (queue.length === 0) setImmediate(() => void runAll());
  queue.push({ name, body });
}

async function runAll(): Promise<void> {
  try {
    for (const { name, body } of queue) {
      if (name.includes(only)) print(await runOne(name, body));
    }
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}

/** What one bench collects while it runs. */
class BenchRun implements Bench {
  readonly sizes: Record<string, number> = {};
  times = new Float64Array(0);
  digested = 0x811c9dc5;
  operations = 0;
  cpuNs = 0;

  readonly size = (name: string, sizes: { readonly smoke: number; readonly full: number }) =>
    (this.sizes[name] = isSmoke ? sizes.smoke : sizes.full);

  readonly time = (rounds: number, body: () => void): void => {
    const samples = this.#begin();
    body();
    const cpu = process.cpuUsage();
    for (let sample = 0; sample < samples; sample += 1) {
      const start = performance.now();
      body();
      this.times[sample] = ((performance.now() - start) * 1e6) / rounds;
    }
    this.#end(cpu, samples * rounds);
  };

  readonly timeAsync = async (rounds: number, body: () => Promise<void>): Promise<void> => {
    const samples = this.#begin();
    await body();
    const cpu = process.cpuUsage();
    for (let sample = 0; sample < samples; sample += 1) {
      const start = performance.now();
      await body();
      this.times[sample] = ((performance.now() - start) * 1e6) / rounds;
    }
    this.#end(cpu, samples * rounds);
  };

  readonly timeEach = (rounds: number, operation: (round: number) => void): void => {
    this.times = new Float64Array(rounds);
    for (let round = 0; round < rounds; round += 1) operation(round); // warm up
    const cpu = process.cpuUsage();
    for (let round = 0; round < rounds; round += 1) {
      const start = performance.now();
      operation(round);
      this.times[round] = (performance.now() - start) * 1e6;
    }
    this.#end(cpu, rounds);
  };

  readonly digest = (value: number): void => {
    this.digested = Math.imul(this.digested ^ (value | 0), 0x01000193);
  };

  #begin(): number {
    const samples = isSmoke ? 1 : SAMPLES;
    this.times = new Float64Array(samples);
    return samples;
  }

  #end(cpu: NodeJS.CpuUsage, operations: number): void {
    const used = process.cpuUsage(cpu);
    this.cpuNs = (used.user + used.system) * 1000;
    this.operations = operations;
  }
}

async function runOne(name: string, body: BenchBody): Promise<BenchResult> {
  const run = new BenchRun();
  await body(run);
  const sorted = run.times.sort();
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    name,
    sizes: run.sizes,
    samples: sorted.length,
    p50: at(0.5),
    p99: at(0.99),
    min: at(0),
    cpuPerOperation: run.operations === 0 ? 0 : run.cpuNs / run.operations,
    digest: (run.digested >>> 0).toString(16).padStart(8, '0'),
  };
}

let hasHeading = false;

function print(result: BenchResult): void {
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ smoke: isSmoke, ...result })}\n`);
    return;
  }
  if (!hasHeading) {
    hasHeading = true;
    process.stdout.write(
      row('', ['p50', 'p99', 'min', 'cpu'], isSmoke ? 'smoke size' : 'ns per operation'),
    );
  }
  const { name, sizes, p50, p99, min, cpuPerOperation, digest } = result;
  const times = [p50, p99, min, cpuPerOperation].map((ns) => ns.toFixed(ns < 100 ? 1 : 0));
  const sizeText = Object.entries(sizes).map(([key, value]) => `${key}=${value}`);
  process.stdout.write(row(name, times, `${digest} ${sizeText.join(' ')}`));
}

function row(name: string, numbers: readonly string[], rest: string): string {
  return `${name.padEnd(52)}${numbers.map((text) => text.padStart(10)).join('')}  ${rest}\n`;
}
