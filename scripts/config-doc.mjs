#!/usr/bin/env node
/**
 * Writes sluice.schema.json and docs/configuration.md from the schema, and the table of metrics in
 * docs/operations.md. Needs a build (`npm run build`).
 *
 *   node scripts/config-doc.mjs            writes them
 *   node scripts/config-doc.mjs --check    writes nothing, exits 1 if one of them is stale
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = new URL('../dist/src/config/', import.meta.url);
if (!existsSync(built)) {
  console.error('config-doc: dist is missing, run `npm run build` first');
  process.exit(1);
}
const { jsonSchemaText } = await import(new URL('json-schema.js', built).href);
const { configDocText } = await import(new URL('config-doc.js', built).href);

const { withMetricTable } = await import(new URL('../observe/metric-doc.js', built).href);

const operations = new URL('../docs/operations.md', import.meta.url);
const check = process.argv.includes('--check');
let stale = 0;
for (const [file, text] of [
  ['../sluice.schema.json', jsonSchemaText()],
  ['../docs/configuration.md', configDocText()],
  ['../docs/operations.md', withMetricTable(readFileSync(operations, 'utf8'))],
]) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  stale += 1;
  if (check) console.error(`config-doc: stale: ${path}`);
  else writeFileSync(path, text);
}
process.exitCode = check && stale > 0 ? 1 : 0;
