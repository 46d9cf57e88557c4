/**
 * Capabilities as bits: what a gateway has to know of them, comparable and cheap to keep.
 * Sources: `ClientCapabilities` and `ServerCapabilities` in `schema.ts` of each revision.
 */
import {
  SERVER_COMPLETIONS,
  SERVER_LOGGING,
  SERVER_PROMPTS,
  SERVER_PROMPTS_LIST_CHANGED,
  SERVER_RESOURCES,
  SERVER_RESOURCES_LIST_CHANGED,
  SERVER_RESOURCES_SUBSCRIBE,
  SERVER_SKILLS,
  SERVER_TASKS,
  SERVER_TOOLS,
  SERVER_TOOLS_LIST_CHANGED,
} from '../methods.ts';
import {
  REVISION_2024_11_05,
  REVISION_2025_06_18,
  REVISION_2025_11_25,
  REVISION_2026_07_28,
} from './era.ts';

export const CLIENT_ROOTS = 1;
export const CLIENT_ROOTS_LIST_CHANGED = 2;
export const CLIENT_SAMPLING = 4;
export const CLIENT_SAMPLING_CONTEXT = 8;
export const CLIENT_SAMPLING_TOOLS = 16;
export const CLIENT_ELICITATION_FORM = 32;
export const CLIENT_ELICITATION_URL = 64;
/** Core tasks of 2025-11-25. */
export const CLIENT_TASKS = 128;
/** The extension `io.modelcontextprotocol/tasks`. */
export const CLIENT_TASKS_EXTENSION = 256;

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
export const SKILLS_EXTENSION = 'io.modelcontextprotocol/skills';

/** A capabilities object longer than this is read as empty. */
export const CAPABILITIES_BYTES_MAX = 65_536;

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectAt(value: Json, key: string): Json | null {
  const found = Object.hasOwn(value, key) ? value[key] : undefined;
  return isObject(found) ? found : null;
}

/** CLIENT_* bits of a client's capabilities object; what is no object has none. */
export function clientCapabilities(value: unknown): number {
  if (!isObject(value)) return 0;
  let bits = 0;
  const roots = objectAt(value, 'roots');
  if (roots) bits |= CLIENT_ROOTS | (roots.listChanged === true ? CLIENT_ROOTS_LIST_CHANGED : 0);
  const sampling = objectAt(value, 'sampling');
  if (sampling) {
    bits |= CLIENT_SAMPLING;
    if (objectAt(sampling, 'context')) bits |= CLIENT_SAMPLING_CONTEXT;
    if (objectAt(sampling, 'tools')) bits |= CLIENT_SAMPLING_TOOLS;
  }
  const elicitation = objectAt(value, 'elicitation');
  if (elicitation) {
    const hasUrl = objectAt(elicitation, 'url') !== null;
    // An empty object means forms (2025-11-25, elicitation).
    if (!hasUrl || objectAt(elicitation, 'form')) bits |= CLIENT_ELICITATION_FORM;
    if (hasUrl) bits |= CLIENT_ELICITATION_URL;
  }
  if (objectAt(value, 'tasks')) bits |= CLIENT_TASKS;
  const extensions = objectAt(value, 'extensions');
  if (extensions && objectAt(extensions, TASKS_EXTENSION)) bits |= CLIENT_TASKS_EXTENSION;
  return bits;
}

/** The same from the bytes of the object, which `peek` has found to be valid JSON. */
export function clientCapabilitiesFromBytes(bytes: Uint8Array, start: number, end: number): number {
  if (start < 0 || end - start > CAPABILITIES_BYTES_MAX) return 0;
  const token = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  return clientCapabilities(JSON.parse(token.toString('utf8')));
}

/**
 * Writes client capabilities as the given revision has them. URL elicitation is left out below
 * 2025-11-25, and elicitation altogether where nothing but URLs is left of it: such a server would
 * take it for forms.
 */
export function clientCapabilitiesText(bits: number, revision: number): string {
  const has = (bit: number) => (bits & bit) !== 0;
  const value: Json = {};
  if (has(CLIENT_ROOTS)) {
    const tellsChanges = has(CLIENT_ROOTS_LIST_CHANGED) && revision < REVISION_2026_07_28;
    value.roots = tellsChanges ? { listChanged: true } : {};
  }
  if (has(CLIENT_SAMPLING)) {
    const sampling: Json = {};
    if (revision >= REVISION_2025_11_25 && has(CLIENT_SAMPLING_CONTEXT)) sampling.context = {};
    if (revision >= REVISION_2025_11_25 && has(CLIENT_SAMPLING_TOOLS)) sampling.tools = {};
    value.sampling = sampling;
  }
  if (revision >= REVISION_2025_11_25) {
    const elicitation: Json = {};
    if (has(CLIENT_ELICITATION_FORM)) elicitation.form = {};
    if (has(CLIENT_ELICITATION_URL)) elicitation.url = {};
    if (Object.keys(elicitation).length > 0) value.elicitation = elicitation;
  } else if (revision === REVISION_2025_06_18 && has(CLIENT_ELICITATION_FORM)) {
    value.elicitation = {};
  }
  if (revision === REVISION_2026_07_28 && has(CLIENT_TASKS_EXTENSION)) {
    value.extensions = { [TASKS_EXTENSION]: {} };
  }
  return JSON.stringify(value);
}

/** SERVER_* bits of a server's capabilities object, as its revision means it. */
export function serverCapabilities(value: unknown, revision: number): number {
  if (!isObject(value)) return 0;
  let bits = 0;
  const tools = objectAt(value, 'tools');
  if (tools) bits |= SERVER_TOOLS | (tools.listChanged === true ? SERVER_TOOLS_LIST_CHANGED : 0);
  const prompts = objectAt(value, 'prompts');
  if (prompts) {
    bits |= SERVER_PROMPTS | (prompts.listChanged === true ? SERVER_PROMPTS_LIST_CHANGED : 0);
  }
  const resources = objectAt(value, 'resources');
  if (resources) {
    bits |= SERVER_RESOURCES;
    if (resources.subscribe === true) bits |= SERVER_RESOURCES_SUBSCRIBE;
    if (resources.listChanged === true) bits |= SERVER_RESOURCES_LIST_CHANGED;
  }
  if (objectAt(value, 'logging')) bits |= SERVER_LOGGING;
  // 2024-11-05 has completion, but no capability for it.
  if (objectAt(value, 'completions') || revision === REVISION_2024_11_05)
    bits |= SERVER_COMPLETIONS;
  const extensions = objectAt(value, 'extensions');
  if (objectAt(value, 'tasks') || (extensions && objectAt(extensions, TASKS_EXTENSION))) {
    bits |= SERVER_TASKS;
  }
  if (extensions && objectAt(extensions, SKILLS_EXTENSION)) bits |= SERVER_SKILLS;
  return bits;
}

/** Writes server capabilities; tasks and extensions are never offered by the gateway itself. */
export function serverCapabilitiesText(bits: number, revision: number): string {
  const flags = (pairs: readonly (readonly [string, number])[]): Json =>
    Object.fromEntries(pairs.filter(([, bit]) => (bits & bit) !== 0).map(([key]) => [key, true]));
  const value: Json = {};
  if ((bits & SERVER_LOGGING) !== 0) value.logging = {};
  if ((bits & SERVER_COMPLETIONS) !== 0 && revision !== REVISION_2024_11_05) value.completions = {};
  if ((bits & SERVER_PROMPTS) !== 0) {
    value.prompts = flags([['listChanged', SERVER_PROMPTS_LIST_CHANGED]]);
  }
  if ((bits & SERVER_RESOURCES) !== 0) {
    value.resources = flags([
      ['subscribe', SERVER_RESOURCES_SUBSCRIBE],
      ['listChanged', SERVER_RESOURCES_LIST_CHANGED],
    ]);
  }
  if ((bits & SERVER_TOOLS) !== 0)
    value.tools = flags([['listChanged', SERVER_TOOLS_LIST_CHANGED]]);
  return JSON.stringify(value);
}
