/**
 * Every method of every revision, by number. Sources: `schema.ts` of 2024-11-05, 2025-03-26,
 * 2025-06-18, 2025-11-25 and 2026-07-28, ext-tasks (SEP-2663) and skills (SEP-2640).
 *
 * Numbers index tables and metrics and cross threads: append, never renumber. A method is looked up
 * from bytes, without a string.
 */
import { asciiBytes, KeySet } from './jsonrpc/key-set.ts';

export const METHOD_UNKNOWN = 0;
export const METHOD_INITIALIZE = 1;
export const METHOD_PING = 2;
export const METHOD_DISCOVER = 3;
export const METHOD_TOOLS_LIST = 4;
export const METHOD_TOOLS_CALL = 5;
export const METHOD_RESOURCES_LIST = 6;
export const METHOD_RESOURCE_TEMPLATES_LIST = 7;
export const METHOD_RESOURCES_READ = 8;
export const METHOD_RESOURCES_SUBSCRIBE = 9;
export const METHOD_RESOURCES_UNSUBSCRIBE = 10;
export const METHOD_PROMPTS_LIST = 11;
export const METHOD_PROMPTS_GET = 12;
export const METHOD_COMPLETE = 13;
export const METHOD_SET_LEVEL = 14;
export const METHOD_LISTEN = 15;
export const METHOD_TASKS_GET = 16;
export const METHOD_TASKS_CANCEL = 17;
export const METHOD_TASKS_LIST = 18;
export const METHOD_TASKS_RESULT = 19;
export const METHOD_TASKS_UPDATE = 20;
export const METHOD_SKILLS_LIST = 21;
export const METHOD_SKILLS_GET = 22;
export const METHOD_RESOURCE_DIRECTORY_READ = 23;
export const METHOD_ROOTS_LIST = 24;
export const METHOD_SAMPLING = 25;
export const METHOD_ELICITATION = 26;
export const METHOD_INITIALIZED = 27;
export const METHOD_CANCELLED = 28;
export const METHOD_PROGRESS = 29;
export const METHOD_LOG_MESSAGE = 30;
export const METHOD_TOOLS_CHANGED = 31;
export const METHOD_PROMPTS_CHANGED = 32;
export const METHOD_RESOURCES_CHANGED = 33;
export const METHOD_RESOURCE_UPDATED = 34;
export const METHOD_ROOTS_CHANGED = 35;
export const METHOD_ELICITATION_COMPLETE = 36;
export const METHOD_TASK_STATUS = 37;
export const METHOD_TASK_CHANGED = 38;
export const METHOD_SUBSCRIPTION_ACKNOWLEDGED = 39;

/** Which member of `params` the `Mcp-Name` header mirrors (2026-07-28, Streamable HTTP; SEP-2663). */
export const TARGET_NONE = 0;
export const TARGET_NAME = 1;
export const TARGET_URI = 2;
export const TARGET_TASK_ID = 3;
/** No header, but routed by `params.ref` (completion) or `params.uri` (legacy subscriptions). */
export const TARGET_REF = 4;
export const TARGET_URI_UNMIRRORED = 5;
/** As `TARGET_TASK_ID` in the modern era, where the extension asks for the header; else only routed. */
export const TARGET_TASK_ID_UNMIRRORED = 6;

/** Revisions as bits, in order of date; `eras/era.ts` has their names. */
export const IN_2024_11_05 = 1;
export const IN_2025_03_26 = 2;
export const IN_2025_06_18 = 4;
export const IN_2025_11_25 = 8;
export const IN_2026_07_28 = 16;

/** Who sends it. */
export const FROM_CLIENT = 1;
export const FROM_SERVER = 2;

/** Server capabilities that a method needs (bits; 0 = none). */
export const SERVER_TOOLS = 1;
export const SERVER_RESOURCES = 2;
export const SERVER_PROMPTS = 4;
export const SERVER_COMPLETIONS = 8;
export const SERVER_LOGGING = 16;
export const SERVER_TASKS = 32;
export const SERVER_RESOURCES_SUBSCRIBE = 64;
export const SERVER_TOOLS_LIST_CHANGED = 128;
export const SERVER_RESOURCES_LIST_CHANGED = 256;
export const SERVER_PROMPTS_LIST_CHANGED = 512;
export const SERVER_SKILLS = 1024;

export interface MethodRow {
  readonly id: number;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** A request, which has an id and an answer; otherwise a notification. */
  readonly isRequest: boolean;
  /** IN_* bits of the revisions that have the method. */
  readonly revisions: number;
  /** FROM_* bits. In the modern era a server sends no requests. */
  readonly senders: number;
  /** TARGET_*. */
  readonly target: number;
  /** The modern result must have `ttlMs` and `cacheScope` (SEP-2549). */
  readonly isCacheable: boolean;
  /** Sending it twice does what sending it once does, so it may be resent after a lost connection. */
  readonly isIdempotent: boolean;
  /** SERVER_* bit of the capability without which a server answers -32601. */
  readonly capability: number;
  /** Part of an extension in the modern era, and so only served where the extension was declared. */
  readonly isExtension: boolean;
}

const LEGACY = IN_2024_11_05 | IN_2025_03_26 | IN_2025_06_18 | IN_2025_11_25;
const ALL = LEGACY | IN_2026_07_28;
const FROM_BOTH = FROM_CLIENT | FROM_SERVER;

interface MethodTraits {
  readonly target?: number;
  readonly isCacheable?: boolean;
  readonly isIdempotent?: boolean;
  readonly capability?: number;
  readonly isExtension?: boolean;
}

const METHOD_NAMES: string[] = [''];
const ROWS: MethodRow[] = [row(0, '', false, 0, 0, {})];

function row(
  id: number,
  name: string,
  isRequest: boolean,
  revisions: number,
  senders: number,
  traits: MethodTraits,
): MethodRow {
  return {
    id,
    name,
    bytes: asciiBytes(name),
    isRequest,
    revisions,
    senders,
    target: traits.target ?? TARGET_NONE,
    isCacheable: traits.isCacheable ?? false,
    isIdempotent: traits.isIdempotent ?? false,
    capability: traits.capability ?? 0,
    isExtension: traits.isExtension ?? false,
  };
}

function request(
  id: number,
  name: string,
  revisions: number,
  senders: number,
  traits: MethodTraits,
): void {
  METHOD_NAMES[id] = name;
  ROWS[id] = row(id, name, true, revisions, senders, traits);
}

function notification(
  id: number,
  name: string,
  revisions: number,
  senders: number,
  traits: MethodTraits = {},
): void {
  METHOD_NAMES[id] = name;
  ROWS[id] = row(id, name, false, revisions, senders, traits);
}

const LIST: MethodTraits = { isCacheable: true, isIdempotent: true };
const SAFE: MethodTraits = { isIdempotent: true };
const TOOLS: MethodTraits = { capability: SERVER_TOOLS };
const RESOURCES: MethodTraits = { capability: SERVER_RESOURCES };
const PROMPTS: MethodTraits = { capability: SERVER_PROMPTS };
const TASKS: MethodTraits = { capability: SERVER_TASKS, isExtension: true };
const SKILLS: MethodTraits = { capability: SERVER_SKILLS, isExtension: true, isIdempotent: true };
const URI_ONLY: MethodTraits = { target: TARGET_URI_UNMIRRORED };
const SUBSCRIBE: MethodTraits = {
  ...URI_ONLY,
  isIdempotent: true,
  capability: SERVER_RESOURCES_SUBSCRIBE,
};
const TASK_ID: MethodTraits = { ...TASKS, target: TARGET_TASK_ID };
const RESULT_OF_TASK: MethodTraits = { ...TASKS, ...SAFE, target: TARGET_TASK_ID_UNMIRRORED };

request(METHOD_INITIALIZE, 'initialize', LEGACY, FROM_CLIENT, {});
request(METHOD_PING, 'ping', LEGACY, FROM_BOTH, SAFE);
request(METHOD_DISCOVER, 'server/discover', IN_2026_07_28, FROM_CLIENT, LIST);
request(METHOD_TOOLS_LIST, 'tools/list', ALL, FROM_CLIENT, { ...LIST, ...TOOLS });
request(METHOD_TOOLS_CALL, 'tools/call', ALL, FROM_CLIENT, { ...TOOLS, target: TARGET_NAME });
request(METHOD_RESOURCES_LIST, 'resources/list', ALL, FROM_CLIENT, { ...LIST, ...RESOURCES });
request(METHOD_RESOURCE_TEMPLATES_LIST, 'resources/templates/list', ALL, FROM_CLIENT, {
  ...LIST,
  ...RESOURCES,
});
request(METHOD_RESOURCES_READ, 'resources/read', ALL, FROM_CLIENT, {
  ...LIST,
  ...RESOURCES,
  target: TARGET_URI,
});
request(METHOD_RESOURCES_SUBSCRIBE, 'resources/subscribe', LEGACY, FROM_CLIENT, SUBSCRIBE);
request(METHOD_RESOURCES_UNSUBSCRIBE, 'resources/unsubscribe', LEGACY, FROM_CLIENT, SUBSCRIBE);
request(METHOD_PROMPTS_LIST, 'prompts/list', ALL, FROM_CLIENT, { ...LIST, ...PROMPTS });
request(METHOD_PROMPTS_GET, 'prompts/get', ALL, FROM_CLIENT, {
  ...SAFE,
  ...PROMPTS,
  target: TARGET_NAME,
});
request(METHOD_COMPLETE, 'completion/complete', ALL, FROM_CLIENT, {
  ...SAFE,
  capability: SERVER_COMPLETIONS,
  target: TARGET_REF,
});
request(METHOD_SET_LEVEL, 'logging/setLevel', LEGACY, FROM_CLIENT, {
  ...SAFE,
  capability: SERVER_LOGGING,
});
request(METHOD_LISTEN, 'subscriptions/listen', IN_2026_07_28, FROM_CLIENT, SAFE);
request(METHOD_TASKS_GET, 'tasks/get', IN_2025_11_25 | IN_2026_07_28, FROM_BOTH, {
  ...TASK_ID,
  ...SAFE,
});
request(METHOD_TASKS_CANCEL, 'tasks/cancel', IN_2025_11_25 | IN_2026_07_28, FROM_BOTH, TASK_ID);
request(METHOD_TASKS_LIST, 'tasks/list', IN_2025_11_25, FROM_BOTH, { ...TASKS, ...SAFE });
request(METHOD_TASKS_RESULT, 'tasks/result', IN_2025_11_25, FROM_BOTH, RESULT_OF_TASK);
request(METHOD_TASKS_UPDATE, 'tasks/update', IN_2026_07_28, FROM_CLIENT, TASK_ID);
request(METHOD_SKILLS_LIST, 'skills/list', IN_2026_07_28, FROM_CLIENT, SKILLS);
request(METHOD_SKILLS_GET, 'skills/get', IN_2026_07_28, FROM_CLIENT, SKILLS);
request(METHOD_RESOURCE_DIRECTORY_READ, 'resources/directory/read', IN_2026_07_28, FROM_CLIENT, {
  ...SKILLS,
  ...URI_ONLY,
});
request(METHOD_ROOTS_LIST, 'roots/list', LEGACY, FROM_SERVER, SAFE);
request(METHOD_SAMPLING, 'sampling/createMessage', LEGACY, FROM_SERVER, {});
request(METHOD_ELICITATION, 'elicitation/create', IN_2025_06_18 | IN_2025_11_25, FROM_SERVER, {});

notification(METHOD_INITIALIZED, 'notifications/initialized', LEGACY, FROM_CLIENT);
notification(METHOD_CANCELLED, 'notifications/cancelled', ALL, FROM_BOTH);
notification(METHOD_PROGRESS, 'notifications/progress', ALL, FROM_BOTH);
notification(METHOD_LOG_MESSAGE, 'notifications/message', ALL, FROM_SERVER);
notification(METHOD_TOOLS_CHANGED, 'notifications/tools/list_changed', ALL, FROM_SERVER);
notification(METHOD_PROMPTS_CHANGED, 'notifications/prompts/list_changed', ALL, FROM_SERVER);
notification(METHOD_RESOURCES_CHANGED, 'notifications/resources/list_changed', ALL, FROM_SERVER);
notification(
  METHOD_RESOURCE_UPDATED,
  'notifications/resources/updated',
  ALL,
  FROM_SERVER,
  URI_ONLY,
);
notification(METHOD_ROOTS_CHANGED, 'notifications/roots/list_changed', LEGACY, FROM_CLIENT);
notification(
  METHOD_ELICITATION_COMPLETE,
  'notifications/elicitation/complete',
  IN_2025_11_25,
  FROM_SERVER,
);
notification(METHOD_TASK_STATUS, 'notifications/tasks/status', IN_2025_11_25, FROM_BOTH);
notification(METHOD_TASK_CHANGED, 'notifications/tasks', IN_2026_07_28, FROM_SERVER, {
  isExtension: true,
});
notification(
  METHOD_SUBSCRIPTION_ACKNOWLEDGED,
  'notifications/subscriptions/acknowledged',
  IN_2026_07_28,
  FROM_SERVER,
);

/** Rows by method number; row 0 stands for every method that is not in the table. */
export const METHODS: readonly MethodRow[] = ROWS;
export const METHODS_COUNT: number = ROWS.length;

const NAMES = new KeySet(METHOD_NAMES);

/** The number of the method named in `bytes[start, end)`, or METHOD_UNKNOWN. */
export function methodFromBytes(bytes: Uint8Array, start: number, end: number): number {
  return NAMES.find(bytes, start, end);
}

/** The same for a method name that a quote ends. */
export function methodFromString(bytes: Uint8Array, start: number, end: number): number {
  return NAMES.match(bytes, start, end);
}

/** The number of the method named so, or METHOD_UNKNOWN. */
export function methodFromName(name: string): number {
  const id = METHOD_NAMES.indexOf(name);
  return id < 0 ? METHOD_UNKNOWN : id;
}
