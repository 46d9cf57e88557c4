/**
 * Every counter. Each thread has one block of cells and counts what happened on it; a scrape adds the
 * blocks up. `id` is the index of the cell (for `labels`, of the first of `cells` cells) and crosses
 * threads: never reused. `name` goes out with the prefix `sluice_`.
 *
 * A counter with `label` is a row of cells: count cell `COUNTERS.X.id + index`, where `index` is the
 * position in `values`, or the fault id where `values` is FAULT_IDS.
 */
import { assert } from './assert.ts';
import { FAULTS } from './fault.ts';

export interface CounterRow {
  readonly id: number;
  /** Which kind of thread counts it. */
  readonly thread: 'edge' | 'shard' | 'any';
  readonly name: string;
  readonly unit: 'count' | 'bytes';
  readonly help: string;
  readonly label?: string;
  readonly values?: readonly string[];
}

/** Cells of one thread's block. */
export const COUNTER_CELLS = 384;

/** Fault ids stay below this; a fault's cell is its id. */
export const FAULT_IDS_MAX = 96;

/** Values of the label `fault`, by fault id; empty where no fault has that id. */
export const FAULT_IDS: readonly string[] = faultLabels();

/** Positions in the values of EDGE_REFUSED. */
export const EDGE_REFUSAL = {
  BUSY: 0,
  DRAINING: 1,
  HOST: 2,
  ORIGIN: 3,
  PATH: 4,
  METHOD: 5,
  FRAMING: 6,
  HEADER: 7,
  SIZE: 8,
  BODY_BUDGET: 9,
  BODY_TIMEOUT: 10,
  PIPELINED: 11,
  CONNECTIONS: 12,
  SHARD_DOWN: 13,
} as const;

const EDGE_REFUSALS: readonly string[] = Object.keys(EDGE_REFUSAL).map((key) => key.toLowerCase());

/** Positions in the values of counters that tell eras apart. */
export const ERA_LEGACY_CELL = 0;
export const ERA_MODERN_CELL = 1;
const ERAS: readonly string[] = ['legacy', 'modern'];

/** Positions in the values of RING_FULL. */
export const RING_FULL_IN = 0;
export const RING_FULL_OUT = 1;
export const RING_FULL_PEER = 2;
const RINGS: readonly string[] = ['in', 'out', 'peer'];

/** Positions in the values of UPSTREAM_RETRIES. */
export const RETRY_CONNECTION_LOST = 0;
export const RETRY_SESSION_LOST = 1;
export const RETRY_REFUSED = 2;
const RETRIES: readonly string[] = ['connection_lost', 'session_lost', 'refused'];

// A row a line: a table is read by its columns.
// prettier-ignore
export const COUNTERS = {
  // Edge: connections and requests.
  CONNECTIONS_ACCEPTED: { id: 0, thread: 'edge', name: 'connections_accepted_total', unit: 'count', help: 'Client connections accepted.' },
  REQUESTS: { id: 2, thread: 'edge', name: 'http_requests_total', unit: 'count', help: 'HTTP requests whose head was read.' },
  EDGE_BYTES_IN: { id: 3, thread: 'edge', name: 'http_received_bytes_total', unit: 'bytes', help: 'Request body bytes received from clients.' },
  EDGE_BYTES_OUT: { id: 4, thread: 'edge', name: 'http_sent_bytes_total', unit: 'bytes', help: 'Response body bytes handed to client sockets.' },
  EDGE_CREDITS: { id: 5, thread: 'edge', name: 'credit_frames_total', unit: 'count', help: 'Credit frames returned to shards.' },
  EDGE_ABORTED: { id: 6, thread: 'edge', name: 'client_aborts_total', unit: 'count', help: 'Requests whose client went away before the answer was complete.' },
  EDGE_RESPONSES: { id: 7, thread: 'edge', name: 'http_responses_total', unit: 'count', help: 'Responses completed.' },
  EDGE_STREAMS: { id: 8, thread: 'edge', name: 'event_streams_opened_total', unit: 'count', help: 'Responses that were event streams.' },
  EDGE_SLOW_CLIENTS: { id: 9, thread: 'edge', name: 'slow_client_pauses_total', unit: 'count', help: 'Times a client socket was full and its exchange had to wait.' },
  EDGE_PIPELINED: { id: 10, thread: 'edge', name: 'pipelined_disconnects_total', unit: 'count', help: 'Connections closed because the client pipelined behind a running call.' },
  EDGE_QUEUED: { id: 11, thread: 'edge', name: 'frames_queued_total', unit: 'count', help: 'Frames of accepted exchanges that waited for room in a ring.' },
  SHARD_DEATHS: { id: 12, thread: 'edge', name: 'shard_deaths_total', unit: 'count', help: 'Shards that ended unasked or were given up.' },
  SHARD_STARTS: { id: 13, thread: 'edge', name: 'shard_starts_total', unit: 'count', help: 'Shards started.' },
  EXCHANGES_ORPHANED: { id: 14, thread: 'edge', name: 'orphaned_exchanges_total', unit: 'count', help: 'Exchanges the edge answered because their shard died.' },
  PROCESSES_KILLED: { id: 15, thread: 'edge', name: 'orphaned_processes_killed_total', unit: 'count', help: 'Child processes killed because their shard died.' },
  RELOADS: { id: 16, thread: 'edge', name: 'reloads_total', unit: 'count', help: 'Settings reloaded.' },
  RELOADS_FAILED: { id: 17, thread: 'edge', name: 'reloads_failed_total', unit: 'count', help: 'Reloads refused because the new settings are wrong.' },
  ADMIN_REQUESTS: { id: 18, thread: 'edge', name: 'admin_requests_total', unit: 'count', help: 'Requests to metrics and health addresses.' },
  EDGE_REFUSED: { id: 32, thread: 'edge', name: 'edge_refused_total', unit: 'count', help: 'Requests refused by the edge, by reason.', label: 'reason', values: EDGE_REFUSALS },

  // Both: doorbells.
  DOORBELLS: { id: 64, thread: 'any', name: 'doorbells_total', unit: 'count', help: 'Parked threads woken by this one.' },
  WAKEUPS: { id: 65, thread: 'any', name: 'wakeups_total', unit: 'count', help: 'Times this thread was woken from a park.' },
  TURNS: { id: 66, thread: 'any', name: 'turns_total', unit: 'count', help: 'Turns of the loop that read the rings.' },
  FRAMES_READ: { id: 67, thread: 'any', name: 'frames_read_total', unit: 'count', help: 'Frames read from rings.' },
  RING_FULL: { id: 68, thread: 'any', name: 'ring_full_total', unit: 'count', help: 'Writes that found their ring full.', label: 'ring', values: RINGS },

  // Shard: messages from clients.
  SHARD_REQUESTS: { id: 80, thread: 'shard', name: 'requests_total', unit: 'count', help: 'JSON-RPC requests from clients, by era.', label: 'era', values: ERAS },
  SHARD_NOTIFICATIONS: { id: 82, thread: 'shard', name: 'notifications_total', unit: 'count', help: 'JSON-RPC notifications from clients, by era.', label: 'era', values: ERAS },
  SHARD_RESPONSES: { id: 84, thread: 'shard', name: 'client_responses_total', unit: 'count', help: 'JSON-RPC responses from clients to requests of servers.' },
  SHARD_BATCHES: { id: 85, thread: 'shard', name: 'batches_total', unit: 'count', help: 'JSON-RPC batches from clients.' },
  REWRITTEN: { id: 86, thread: 'shard', name: 'rewritten_total', unit: 'count', help: 'Messages parsed and written anew, because splicing bytes was not certain to be right.' },
  RELAYED_OUT: { id: 88, thread: 'shard', name: 'relayed_out_total', unit: 'count', help: 'Calls handed over to the shard that owns their upstream process.' },
  RELAYED_IN: { id: 89, thread: 'shard', name: 'relayed_in_total', unit: 'count', help: 'Calls taken over from another shard.' },
  CANCELLED: { id: 90, thread: 'shard', name: 'cancelled_total', unit: 'count', help: 'Exchanges cancelled before their answer.' },
  LISTS_MERGED: { id: 91, thread: 'shard', name: 'lists_merged_total', unit: 'count', help: 'Lists of several upstreams merged into one.' },
  LIST_UPSTREAMS_SKIPPED: { id: 92, thread: 'shard', name: 'list_upstreams_skipped_total', unit: 'count', help: 'Upstreams left out of a merged list because they were late or failed.' },
  CREDIT_STALLS: { id: 93, thread: 'shard', name: 'credit_stalls_total', unit: 'count', help: 'Times an upstream was paused until its client had taken more: large results, slow readers.' },
  BRIDGED: { id: 94, thread: 'shard', name: 'bridged_total', unit: 'count', help: 'Calls whose client and upstream speak different eras.' },

  // Shard: sessions with clients.
  SESSIONS_OPENED: { id: 100, thread: 'shard', name: 'sessions_opened_total', unit: 'count', help: 'Legacy sessions opened by clients.' },
  SESSIONS_CLOSED: { id: 101, thread: 'shard', name: 'sessions_closed_total', unit: 'count', help: 'Legacy sessions closed by clients.' },
  SESSIONS_EXPIRED: { id: 102, thread: 'shard', name: 'sessions_expired_total', unit: 'count', help: 'Legacy sessions dropped: idle too long, or making room.' },
  SESSIONS_REFUSED: { id: 103, thread: 'shard', name: 'sessions_refused_total', unit: 'count', help: 'Session ids that were unknown, forged or of another caller.' },
  SUBSCRIPTIONS: { id: 104, thread: 'shard', name: 'subscriptions_opened_total', unit: 'count', help: 'Subscriptions and listen streams opened.' },

  // Shard: upstreams.
  UPSTREAM_REQUESTS: { id: 110, thread: 'shard', name: 'upstream_requests_total', unit: 'count', help: 'Messages sent to upstreams that expect an answer.' },
  UPSTREAM_NOTIFICATIONS: { id: 111, thread: 'shard', name: 'upstream_notifications_total', unit: 'count', help: 'Notifications from upstreams.' },
  UPSTREAM_SERVER_REQUESTS: { id: 112, thread: 'shard', name: 'upstream_server_requests_total', unit: 'count', help: 'Requests from upstreams to clients.' },
  UPSTREAM_CONNECTIONS: { id: 113, thread: 'shard', name: 'upstream_connections_opened_total', unit: 'count', help: 'Connections opened to upstreams.' },
  UPSTREAM_REUSED: { id: 114, thread: 'shard', name: 'upstream_connections_reused_total', unit: 'count', help: 'Messages that went out on a connection that was open already.' },
  UPSTREAM_RECONNECTS: { id: 115, thread: 'shard', name: 'upstream_reconnects_total', unit: 'count', help: 'Upstream streams and processes begun again after a loss.' },
  UPSTREAM_SESSIONS: { id: 116, thread: 'shard', name: 'upstream_sessions_opened_total', unit: 'count', help: 'Sessions opened with legacy upstreams.' },
  STDIO_STARTS: { id: 119, thread: 'shard', name: 'stdio_starts_total', unit: 'count', help: 'Child processes started.' },
  STDIO_EXITS: { id: 120, thread: 'shard', name: 'stdio_exits_total', unit: 'count', help: 'Child processes that ended, asked or unasked.' },
  STDIO_NOISE: { id: 121, thread: 'shard', name: 'stdio_noise_lines_total', unit: 'count', help: 'Lines of child processes that were no JSON-RPC message.' },
  REQUESTS_UNATTRIBUTED: { id: 122, thread: 'shard', name: 'unattributed_server_requests_total', unit: 'count', help: 'Requests from upstreams answered with an error because no client could be told to be meant.' },
  NOTIFICATIONS_UNATTRIBUTED: { id: 123, thread: 'shard', name: 'unattributed_notifications_total', unit: 'count', help: 'Notifications from upstreams dropped because no client could be told to be meant.' },
  ANSWERS_LATE: { id: 124, thread: 'shard', name: 'late_answers_total', unit: 'count', help: 'Answers from upstreams to calls that had ended already.' },
  EVENTS_SENT: { id: 125, thread: 'shard', name: 'events_sent_total', unit: 'count', help: 'Events told to other shards.' },
  EVENTS_DROPPED: { id: 126, thread: 'shard', name: 'events_dropped_total', unit: 'count', help: 'Events not told because the ring of the other shard was full.' },
  UPSTREAM_RETRIES: { id: 128, thread: 'shard', name: 'upstream_retries_total', unit: 'count', help: 'Calls sent again, by reason.', label: 'reason', values: RETRIES },

  // Shard: policy.
  AUTH_HITS: { id: 140, thread: 'shard', name: 'auth_cache_hits_total', unit: 'count', help: 'Credentials that were verified before.' },
  AUTH_MISSES: { id: 141, thread: 'shard', name: 'auth_cache_misses_total', unit: 'count', help: 'Credentials verified anew.' },
  AUTH_REFUSED: { id: 142, thread: 'shard', name: 'auth_refused_total', unit: 'count', help: 'Credentials found invalid.' },
  AUTH_KEYS_FETCHED: { id: 143, thread: 'shard', name: 'auth_key_fetches_total', unit: 'count', help: 'Key sets fetched.' },
  AUTH_KEYS_FAILED: { id: 144, thread: 'shard', name: 'auth_key_fetches_failed_total', unit: 'count', help: 'Key sets that could not be fetched.' },
  ACCESS_DENIED: { id: 145, thread: 'shard', name: 'access_denied_total', unit: 'count', help: 'Calls denied by scope or argument rules.' },
  RATE_LIMITED: { id: 146, thread: 'shard', name: 'rate_limited_total', unit: 'count', help: 'Calls refused by a rate limit.' },
  RATE_TABLE_FULL: { id: 147, thread: 'shard', name: 'rate_limit_table_full_total', unit: 'count', help: 'Calls refused because the rate limit table holds only active keys.' },
  RATE_EVICTED: { id: 148, thread: 'shard', name: 'rate_limit_evictions_total', unit: 'count', help: 'Keys with a full budget that made room in the rate limit table.' },
  UPSTREAM_TOKENS: { id: 149, thread: 'shard', name: 'upstream_tokens_fetched_total', unit: 'count', help: 'Access tokens fetched for upstreams.' },

  // Shard: refusals, one cell per fault.
  REFUSED: { id: 256, thread: 'shard', name: 'refused_total', unit: 'count', help: 'Exchanges that ended with a fault of the gateway, by fault.', label: 'fault', values: FAULT_IDS },
} as const satisfies Record<string, CounterRow>;

export type CounterName = keyof typeof COUNTERS;

/** Cells of a counter: one, or one per label value. */
export function counterCells(row: CounterRow): number {
  return row.values === undefined ? 1 : row.values.length;
}

/** All rows by id, checked: no two share a cell, all lie within a block. */
export const COUNTER_ROWS: readonly CounterRow[] = checkedRows();

function checkedRows(): CounterRow[] {
  const rows: CounterRow[] = Object.values(COUNTERS);
  rows.sort((a, b) => a.id - b.id);
  let end = 0;
  for (const row of rows) {
    assert(row.id >= end, 'counters share no cell', row.name);
    end = row.id + counterCells(row);
  }
  assert(end <= COUNTER_CELLS, 'the counters fit their block', end);
  return rows;
}

function faultLabels(): string[] {
  const labels: string[] = new Array<string>(FAULT_IDS_MAX).fill('');
  for (const [code, row] of Object.entries(FAULTS)) {
    assert(row.id < FAULT_IDS_MAX, 'a fault id has a cell', code);
    labels[row.id] = code.toLowerCase();
  }
  return labels;
}
