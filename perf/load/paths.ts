/** Where things lie, seen from the built files in `dist/perf/load/`. */
import { fileURLToPath } from 'node:url';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The repository. */
export const ROOT: string = at('../../..');
/** Files of this room that are not compiled: settings, templates, wrk's scripts. */
export const LOAD_FOLDER: string = at('../../../perf/load');
export const RESULTS_FOLDER: string = at('../../../perf/results');
export const QUICK_RESULTS_FOLDER: string = at('../../../dist/perf-results');
/** The built files of this room. */
export const BUILT_FOLDER: string = at('.');
