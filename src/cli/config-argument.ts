/** Which settings file a command means. */
import { DEFAULT_FILES, findConfigFile } from '../config/load.ts';
import { CommandError, EXIT_USAGE } from './command-result.ts';

/** @throws CommandError if none was named and none is there */
export function configFile(named: string | undefined, folder: string): string {
  const file = named ?? findConfigFile(folder);
  if (file !== null) return file;
  throw new CommandError(
    `no settings file: name one, or put ${DEFAULT_FILES.join(', ')} into this folder`,
    EXIT_USAGE,
  );
}
