/** What the `compile-` files share: where problems go, and what the plan is made with. */
import { pathKey } from './environment.ts';
import type { CheckedConfig } from './check.ts';
import { formatPath, type ConfigPath, type ConfigProblem } from './problem.ts';

export class Compilation {
  readonly checked: CheckedConfig;
  readonly problems: ConfigProblem[];
  readonly notices: string[];

  constructor(checked: CheckedConfig) {
    this.checked = checked;
    this.problems = [...checked.problems];
    this.notices = [...checked.source.notices];
  }

  /** Adds a problem. Indexes of lists are those of the checked settings; items taken out are put back in. */
  report(path: ConfigPath, message: string): void {
    const { source } = this.checked;
    const original = this.#original(path);
    const place = source.place(original);
    this.problems.push({
      path: formatPath(source.written(original)),
      message,
      line: place?.line ?? null,
      column: place?.column ?? null,
    });
  }

  /** How a place reads in a message. */
  name(path: ConfigPath): string {
    return formatPath(this.checked.source.written(this.#original(path)));
  }

  /** Whether a section was there but had problems, so that it must not be missed. */
  isRemoved(path: ConfigPath): boolean {
    return this.checked.removed.has(pathKey(path));
  }

  /** Whether a section, or a part of it, was there but had problems. */
  hasRemoved(section: string): boolean {
    const start = pathKey([section]).slice(0, -1);
    return [...this.checked.removed].some((key) => key.startsWith(start));
  }

  #original(path: ConfigPath): ConfigPath {
    for (let length = 1; length < path.length; length += 1) {
      const index = path[length];
      const places = this.checked.places.get(pathKey(path.slice(0, length)));
      if (places === undefined || typeof index !== 'number') continue;
      return [...path.slice(0, length), places[index] ?? index, ...path.slice(length + 1)];
    }
    return path;
  }
}
