/**
 * What a server offers: tools, resources, prompts and completion. The same in both eras, but for
 * one error code.
 */
import { isObject, RpcError } from './message.js';

/** What a list shows of a tool, resource or prompt: its data, without its functions. */
export function describe(entry) {
  return Object.fromEntries(
    Object.entries(entry).filter(
      ([key, value]) => typeof value !== 'function' && key !== 'complete',
    ),
  );
}

export async function callTool(server, params, context) {
  const tool = server.tools.find(({ name }) => name === params.name);
  if (tool === undefined) throw new RpcError(-32602, 'invalid params: unknown tool');
  const args = params.arguments ?? {};
  try {
    const problem = argumentProblem(tool.inputSchema, args);
    if (problem !== null) throw new Error(problem);
    const output = await tool.call(args, context);
    if (typeof output === 'string') return { content: [{ type: 'text', text: output }] };
    return { content: [{ type: 'text', text: JSON.stringify(output) }], structuredContent: output };
  } catch (error) {
    // What goes wrong inside a tool is a result: the model reads it, and may try again.
    return { content: [{ type: 'text', text: error.message }], isError: true };
  }
}

export function readResource(server, { uri }, context) {
  const resource = server.resources.find((one) => one.uri === uri);
  const found =
    resource ?? server.templates.find((one) => typeof uri === 'string' && one.read(uri) !== null);
  if (found === undefined) {
    throw new RpcError(context.isModern ? -32602 : -32002, 'resource not found', { data: { uri } });
  }
  const text = JSON.stringify(found.read(uri));
  return { contents: [{ uri, mimeType: found.mimeType ?? 'application/json', text }] };
}

export function getPrompt(server, { name, arguments: given = {} }) {
  const prompt = server.prompts.find((one) => one.name === name);
  if (prompt === undefined) throw new RpcError(-32602, 'invalid params: unknown prompt');
  for (const { name: argument, required } of prompt.arguments ?? []) {
    if (typeof given[argument] !== 'string' && (required || given[argument] !== undefined)) {
      throw new RpcError(-32602, `invalid params: argument is missing or no string: ${argument}`);
    }
  }
  return { description: prompt.description, messages: prompt.get(given) };
}

export function complete(server, { ref, argument }) {
  const owner =
    ref?.type === 'ref/prompt'
      ? server.prompts.find(({ name }) => name === ref.name)
      : server.templates.find(({ uriTemplate }) => uriTemplate === ref?.uri);
  if (owner === undefined || !isObject(argument)) {
    throw new RpcError(-32602, 'invalid params: unknown reference');
  }
  const all = owner.complete?.[argument.name]?.() ?? [];
  const values = all.filter((value) => value.startsWith(String(argument.value)));
  return {
    completion: {
      values: values.slice(0, 100),
      total: values.length,
      hasMore: values.length > 100,
    },
  };
}

/** Checks the few words of JSON Schema that the example tools use; null when all is well. */
function argumentProblem({ properties = {}, required = [] }, args) {
  if (!isObject(args)) return 'arguments must be an object';
  for (const name of required) if (args[name] === undefined) return `argument is missing: ${name}`;
  for (const [name, value] of Object.entries(args)) {
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (schema === undefined) return `unknown argument: ${name}`;
    const isRight =
      schema.type === 'integer' ? Number.isSafeInteger(value) : typeof value === schema.type;
    if (!isRight) return `argument must be of type ${schema.type}: ${name}`;
    if (value < schema.minimum || value > schema.maximum) {
      return `argument is out of range: ${name}`;
    }
    if (schema.enum !== undefined && !schema.enum.includes(value)) {
      return `argument must be one of ${schema.enum}: ${name}`;
    }
  }
  return null;
}
