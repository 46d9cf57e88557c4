/**
 * The members that the gateway reads, by the object they stand in. Whatever is read anywhere in the
 * gateway must be listed here: only listed members are checked to be unambiguous, and only they are
 * rewritten canonically. All others travel as they came and are nobody's business.
 */
import { KeySet } from './key-set.ts';

export const LEVEL_TOP = 0;
export const LEVEL_PARAMS = 1;
export const LEVEL_META = 2;
export const LEVEL_REF = 3;
export const LEVEL_RESULT = 4;
export const LEVEL_ERROR = 5;
export const LEVEL_RESULT_META = 6;
export const LEVELS_COUNT = 7;

export const TOP_JSONRPC = 1;
export const TOP_ID = 2;
export const TOP_METHOD = 3;
export const TOP_PARAMS = 4;
export const TOP_RESULT = 5;
export const TOP_ERROR = 6;

export const PARAM_NAME = 1;
export const PARAM_URI = 2;
export const PARAM_ARGUMENTS = 3;
export const PARAM_META = 4;
export const PARAM_CURSOR = 5;
export const PARAM_TASK_ID = 6;
export const PARAM_REQUEST_ID = 7;
export const PARAM_PROGRESS_TOKEN = 8;
export const PARAM_LEVEL = 9;
export const PARAM_REF = 10;
export const PARAM_PROTOCOL_VERSION = 11;
export const PARAM_CAPABILITIES = 12;
export const PARAM_CLIENT_INFO = 13;
export const PARAM_TASK = 14;
export const PARAM_INPUT_RESPONSES = 15;
export const PARAM_REQUEST_STATE = 16;
export const PARAM_NOTIFICATIONS = 17;

export const META_VERSION = 1;
export const META_CAPABILITIES = 2;
export const META_CLIENT_INFO = 3;
export const META_LOG_LEVEL = 4;
export const META_PROGRESS_TOKEN = 5;
export const META_TRACEPARENT = 6;
export const META_TRACESTATE = 7;
export const META_BAGGAGE = 8;
export const META_SUBSCRIPTION_ID = 9;
export const META_RELATED_TASK = 10;

export const REF_TYPE = 1;
export const REF_NAME = 2;
export const REF_URI = 3;

export const RESULT_IS_ERROR = 1;
export const RESULT_TYPE = 2;
export const RESULT_TTL = 3;
export const RESULT_CACHE_SCOPE = 4;
export const RESULT_META = 5;
export const RESULT_NEXT_CURSOR = 6;
export const RESULT_INPUT_REQUESTS = 7;
export const RESULT_REQUEST_STATE = 8;

export const ERROR_CODE = 1;
export const ERROR_MESSAGE = 2;
export const ERROR_DATA = 3;

export const RESULT_META_SERVER_INFO = 1;
export const RESULT_META_SUBSCRIPTION_ID = 2;
export const RESULT_META_RELATED_TASK = 3;

const RESERVED = 'io.modelcontextprotocol/';

/** Names by level, then by member number; number 0 is "none". */
export const MEMBER_NAMES: readonly (readonly string[])[] = [
  ['', 'jsonrpc', 'id', 'method', 'params', 'result', 'error'],
  [
    '',
    'name',
    'uri',
    'arguments',
    '_meta',
    'cursor',
    'taskId',
    'requestId',
    'progressToken',
    'level',
    'ref',
    'protocolVersion',
    'capabilities',
    'clientInfo',
    'task',
    'inputResponses',
    'requestState',
    'notifications',
  ],
  [
    '',
    `${RESERVED}protocolVersion`,
    `${RESERVED}clientCapabilities`,
    `${RESERVED}clientInfo`,
    `${RESERVED}logLevel`,
    'progressToken',
    'traceparent',
    'tracestate',
    'baggage',
    `${RESERVED}subscriptionId`,
    `${RESERVED}related-task`,
  ],
  ['', 'type', 'name', 'uri'],
  [
    '',
    'isError',
    'resultType',
    'ttlMs',
    'cacheScope',
    '_meta',
    'nextCursor',
    'inputRequests',
    'requestState',
  ],
  ['', 'code', 'message', 'data'],
  ['', `${RESERVED}serverInfo`, `${RESERVED}subscriptionId`, `${RESERVED}related-task`],
];

export const MEMBERS: readonly KeySet[] = MEMBER_NAMES.map((names) => new KeySet(names));

/** Containers open around a value of this level, the level's own object included. */
export const LEVEL_DEPTH: readonly number[] = [1, 2, 3, 3, 2, 2, 3];

/** Members per level, as a stride for tables that are indexed by level and member. */
export const MEMBER_STRIDE = 32;

/** The level of a member's own members, by `level * MEMBER_STRIDE + member`; 0 = not looked into. */
export const NESTED_LEVEL = new Uint8Array(LEVELS_COUNT * MEMBER_STRIDE);
NESTED_LEVEL[LEVEL_TOP * MEMBER_STRIDE + TOP_PARAMS] = LEVEL_PARAMS;
NESTED_LEVEL[LEVEL_TOP * MEMBER_STRIDE + TOP_RESULT] = LEVEL_RESULT;
NESTED_LEVEL[LEVEL_TOP * MEMBER_STRIDE + TOP_ERROR] = LEVEL_ERROR;
NESTED_LEVEL[LEVEL_PARAMS * MEMBER_STRIDE + PARAM_META] = LEVEL_META;
NESTED_LEVEL[LEVEL_PARAMS * MEMBER_STRIDE + PARAM_REF] = LEVEL_REF;
NESTED_LEVEL[LEVEL_RESULT * MEMBER_STRIDE + RESULT_META] = LEVEL_RESULT_META;

/**
 * Bits `1 << member` of the members whose lookalikes, names that only a lenient parser takes for them,
 * are refused. Upstreams act on what requests ask for, so all that decides about a request is guarded.
 * Trace context and tokens in `_meta` decide nothing, and what an answer holds is its reader's.
 */
export const LEVEL_GUARDED: readonly number[] = [
  0,
  -1,
  (1 << META_VERSION) | (1 << META_CAPABILITIES) | (1 << META_CLIENT_INFO) | (1 << META_LOG_LEVEL),
  -1,
  0,
  0,
  0,
];

/** The key of each reserved envelope member, quoted, with its colon. */
export function quotedKey(level: number, member: number): string {
  return `${JSON.stringify(MEMBER_NAMES[level]?.[member])}:`;
}
