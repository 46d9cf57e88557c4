#!/usr/bin/env node
// The command `sluice`. Says what is missing before anything that needs it is loaded.
import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const entry = new URL('../dist/src/cli/main.js', import.meta.url);

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`sluice: Node 20.19 or newer is needed, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else if (!existsSync(entry)) {
  process.stderr.write('sluice: not built yet: run `npm run build` in the folder of the package\n');
  process.exitCode = 1;
} else {
  // Twice the bytecode that the compiler inlines by itself, in all and of one function: a call passes some sixty
  // small functions. Here, as it holds for the process: not for one that uses the gateway as a library.
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=2000');
  setFlagsFromString('--max-inlined-bytecode-size=1000');
  const { main } = await import(entry.href);
  process.exitCode = await main(process.argv.slice(2));
  // Nothing should be left that keeps the process; if something is, it does not get to.
  setTimeout(() => process.exit(), 1000).unref();
}
