/** Reads the Prometheus text format (0.0.4), and refuses what a scraper would not take. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** @throws Error naming the line that breaks the format */
export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let family: Family | null = null;
  let help: { name: string; text: string } | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (families.has(name)) throw new Error(`told twice: ${line}`);
      help = { name, text: rest };
    } else if (word === 'TYPE') {
      if (help?.name !== name || !TYPES.includes(rest)) throw new Error(`odd type: ${line}`);
      family = { name, type: rest, help: help.text, samples: [] };
      families.set(name, family);
    } else {
      const sample = parseSample(line);
      if (family === null || !belongs(sample.name, family)) throw new Error(`stray: ${line}`);
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(key)) throw new Error(`twice: ${line}`);
      seen.add(key);
      family.samples.push(sample);
    }
  }
  for (const each of families.values()) if (each.type === 'histogram') checkHistogram(each);
  return families;
}

/** Sum of the samples of a name whose labels include these. */
export function sumOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  if (family === undefined) throw new Error(`no metric ${name}`);
  return family.samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, of]) => sample.labels[key] === of))
    .reduce((sum, { value }) => sum + value, 0);
}

function parseSample(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  const labels: Record<string, string> = {};
  let rest = line.slice(name.length);
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [whole, key, value] = LABEL.exec(rest) ?? [];
      if (whole === undefined || key! in labels) throw new Error(`odd labels: ${line}`);
      labels[key!] = value!.replace(/\\(["\\n])/g, (_, of: string) => (of === 'n' ? '\n' : of));
      rest = rest.slice(whole.length);
      if (rest.startsWith(',')) rest = rest.slice(1);
      else if (!rest.startsWith('}')) throw new Error(`odd labels: ${line}`);
    }
    rest = rest.slice(1);
  }
  const value = Number(rest.trim());
  if (!/^ \S+$/.test(rest) || Number.isNaN(value)) throw new Error(`odd value: ${line}`);
  return { name, labels, value };
}

function belongs(name: string, { name: family, type }: Family): boolean {
  if (type !== 'histogram') return name === family;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family + suffix);
}

/** Buckets never fall, and the last one is the count. */
function checkHistogram({ name, samples }: Family): void {
  const counts = new Map<string, number>();
  const bounds = new Map<string, number>();
  for (const { name: sample, labels, value } of samples) {
    const { le, ...own } = labels;
    const key = JSON.stringify(own);
    if (sample === `${name}_bucket`) {
      const bound = le === '+Inf' ? Infinity : Number(le);
      if (!(bound > (bounds.get(key) ?? -Infinity)) || value < (counts.get(key) ?? 0)) {
        throw new Error(`buckets fall: ${name}${key}`);
      }
      bounds.set(key, bound);
      counts.set(key, value);
    } else if (sample === `${name}_count`) {
      if (bounds.get(key) !== Infinity || counts.get(key) !== value) {
        throw new Error(`the last bucket is not the count: ${name}${key}`);
      }
    }
  }
}
