/** The reference page, made from the schema: one table per section, one row per key. */
import { plainJsonSchema, type JsonSchema } from './json-schema.ts';

const INTRODUCTION = `# Configuration

<!-- Made by scripts/config-doc.mjs from src/config/schema*.ts. Do not edit by hand. -->

\`sluice serve [file]\` reads YAML, JSON or an existing \`mcpServers\` file. Without a file it looks for \`sluice.yaml\`,
\`sluice.yml\` and \`sluice.json\` in the working directory. \`sluice check [file]\` lists every problem with path, line and
column and exits 1 if there is one.

\`\`\`yaml
# yaml-language-server: $schema=./node_modules/mcp-sluice/sluice.schema.json
listen: { port: 8080 }
upstreams:
  math: { stdio: { command: node, args: [math.js] } }
  data: { http: { url: "http://127.0.0.1:9001/mcp" } }
\`\`\`

The first line makes editors with YAML support complete and check the file. In JSON, \`"$schema"\` does the same.

**Unknown keys are errors**, with the nearest known key. Names end in their unit: \`Ms\`, \`Seconds\`, \`Bytes\`.

**Environment.** \`\${NAME}\` in any text is replaced by that variable, \`\${NAME:-default}\` by the default if it is unset or
empty. A variable that is not set and has no default is an error. \`$\${\` stands for the characters \`\${\`. Replacing happens
after the file was parsed, so a value never adds keys; a text that is nothing but one reference becomes a number or a
boolean where one is wanted (\`port: \${PORT}\`).

**Relative paths** (\`command\` with a slash, \`cwd\`, key files) start from the folder of the settings file, and a child
process runs in that folder unless \`cwd\` says otherwise.

**mcpServers.** A file as MCP clients keep it works as it is: \`{"mcpServers": {"name": {"command", "args", "env", "cwd"} |
{"url", "headers", "type"}}}\`. \`disabled: true\` leaves a server out, other keys of the client are passed over. Names become
lower case with \`-\` for what is not allowed. Keys of this page may stand beside \`mcpServers\`.

**Globs** are picomatch's over exposed names and URIs. \`*\` matches anything, also nothing and \`/\`; \`?\` one character other
than \`/\`; \`{a,b}\` and \`[a-z]\` as usual; \`\\\` takes the next character as it is.

**Reload** on SIGHUP, and on change with \`reload.watch\`. Calls under way finish under the settings they began with.
Upstreams whose settings did not change keep their connections and processes. A file with problems, or one that changes
what needs a restart (\`listen.host\`, \`listen.port\`, \`listen.server\`, \`shards\`, \`admin\`, \`limits.rateLimitKeysMax\`, \`limits.sessionsMax\`),
changes nothing and is reported.

**Without \`auth\`** the gateway is open and listens on loopback only. To listen elsewhere, add \`auth\`, or write \`auth: none\`
if everyone who can connect may call everything.
`;

interface Row {
  readonly path: string;
  readonly type: string;
  readonly fallback: string;
  readonly text: string;
}

/** The page's content. */
export function configDocText(): string {
  const sections = properties(plainJsonSchema()).filter(([key]) => key !== '$schema');
  return `${INTRODUCTION}${sections.map(([key, schema]) => section(key, schema)).join('')}`;
}

function section(key: string, schema: JsonSchema): string {
  const rows = rowsBelow(key, schema);
  const head = `\n## ${key}\n\n${text(schema)}`;
  const simple = rows.length === 0 ? ` ${typeLine(schema)}` : '';
  return `${head}${simple}\n${rows.length === 0 ? '' : table(rows)}`;
}

function typeLine(schema: JsonSchema): string {
  const fallback = fallbackText(schema);
  return `Type: ${typeText(schema)}${fallback === '' ? '' : `, default ${fallback}`}.`;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ path, type, fallback, text }) => `| \`${path}\` | ${type} | ${fallback} | ${text} |`,
  );
  return `\n| key | type | default | |\n|---|---|---|---|\n${lines.join('\n')}\n`;
}

/** Every key below a section, deepest last, in the order of the schema. */
function rowsBelow(path: string, schema: JsonSchema): Row[] {
  return branches(schema).flatMap((branch) => {
    const { items, additionalProperties } = branch;
    const own = properties(branch).flatMap(([key, inner]) => {
      const at = `${path}.${key}`;
      return [rowOf(at, inner, isRequired(branch, key)), ...rowsBelow(at, inner)];
    });
    const named = isSchema(additionalProperties)
      ? rowsBelow(`${path}.NAME`, additionalProperties)
      : [];
    const listed = isSchema(items) ? rowsBelow(`${path}[]`, items) : [];
    return [...own, ...named, ...listed];
  });
}

function rowOf(path: string, schema: JsonSchema, required: boolean): Row {
  const fallback = required ? 'required' : fallbackText(schema);
  return { path, type: typeText(schema), fallback, text: text(schema).replaceAll('|', '\\|') };
}

function isRequired({ required }: JsonSchema, key: string): boolean {
  return Array.isArray(required) && required.includes(key);
}

/** A default that is an empty mapping says nothing: its keys have their own. */
function fallbackText({ default: value }: JsonSchema): string {
  if (value === undefined || JSON.stringify(value) === '{}') return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function typeText(schema: JsonSchema): string {
  const all = branches(schema);
  if (all.length > 1) return [...new Set(all.map(typeText))].join(' or ');
  const { type, enum: values, const: constant, items, minimum, maximum } = schema;
  if (constant !== undefined) return `\`${String(constant)}\``;
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(' ');
  if (type === 'array') return isSchema(items) ? `list of ${typeText(items)}` : 'list';
  if (type === 'object') return 'mapping';
  if (type === 'integer') return bounded('whole number', minimum, maximum);
  if (type === 'number') return bounded('number', minimum, maximum);
  if (type === 'boolean') return '`true` `false`';
  return type === 'null' ? 'null' : 'text';
}

function bounded(word: string, minimum: unknown, maximum: unknown): string {
  return typeof minimum === 'number' && typeof maximum === 'number'
    ? `${word}, ${minimum} to ${maximum}`
    : word;
}

function branches(schema: JsonSchema): readonly JsonSchema[] {
  const { anyOf } = schema;
  return Array.isArray(anyOf) ? anyOf.filter(isSchema) : [schema];
}

function properties(schema: JsonSchema): [string, JsonSchema][] {
  const { properties: found } = schema;
  if (!isSchema(found)) return [];
  return Object.entries(found).filter((entry): entry is [string, JsonSchema] => isSchema(entry[1]));
}

function text({ description }: JsonSchema): string {
  return typeof description === 'string' ? description : '';
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
