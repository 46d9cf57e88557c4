/**
 * What is wrong with the settings: always all of it, each with its path and, where the settings come
 * from a file, its place. A problem names keys and types, never the value: it may be a secret.
 */
export type ConfigPath = readonly (string | number)[];

export interface ConfigProblem {
  /** e.g. `upstreams.math.stdio.command` or `routes[2].tools`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  /** From 1; null where there is no file. */
  readonly line: number | null;
  readonly column: number | null;
}

/** Thrown by everything that turns settings into a plan, and by nothing else. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Null: settings given from code. */
  readonly file: string | null;
  readonly problems: readonly ConfigProblem[];
  constructor(file: string | null, problems: readonly ConfigProblem[]) {
    super(describeProblems(file, problems));
    this.file = file;
    this.problems = problems;
  }
}

/** One line per problem, `FILE:LINE:COLUMN: PATH: MESSAGE`, as compilers write it. */
export function describeProblems(file: string | null, problems: readonly ConfigProblem[]): string {
  return problems.map((problem) => describeProblem(file, problem)).join('\n');
}

function describeProblem(
  file: string | null,
  { path, message, line, column }: ConfigProblem,
): string {
  const place = line === null ? (file ?? '') : `${file ?? ''}:${line}:${column ?? 1}`;
  return [place, path, message].filter((part) => part !== '').join(': ');
}

/** `['routes', 2, 'tools']` becomes `routes[2].tools`; names that are no plain word are quoted. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part.length > 80 ? `${part.slice(0, 80)}…` : part)}]`;
  }
  return text;
}
