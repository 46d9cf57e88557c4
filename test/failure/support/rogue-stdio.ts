import { fileURLToPath } from 'node:url';
import type { ConfigInput } from '../../../src/config/schema.ts';

type UpstreamInput = ConfigInput['upstreams'][string];

const SCRIPT = fileURLToPath(new URL('./rogue-stdio.mjs', import.meta.url));

/** An upstream of `rogue-stdio.mjs` in one of its modes. */
export function rogueStdio(
  mode = 'legacy',
  more: Partial<UpstreamInput> = {},
  processes = 1,
): UpstreamInput {
  return {
    stdio: { command: process.execPath, args: [SCRIPT, mode], processes, shutdownMs: 500 },
    ...more,
  };
}
