/**
 * Every bound, with its sum. The file that owns a queue says what happens when it is full.
 * Settings may lower most of these (see the configuration reference); none may be raised at run time.
 */
import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Shards in one region. The peer rings grow with its square: 32 shards make 992 of them. */
export const SHARDS_MAX = 32;

/**
 * Exchanges one shard holds at once, open event streams included: 10,000 streams on one shard and
 * some thousand calls beside them. The edge answers BUSY to the next one.
 * 14 bits of an exchange number are the slot, the other 18 its generation.
 */
export const EXCHANGES_MAX = 16_384;
export const EXCHANGE_SLOT_BITS = 14;

/** Longer messages travel as several frames. 64 KiB takes all but the largest tool results. */
export const FRAME_BYTES_MAX: number = 64 * KIB;

/** Edge to shard: some 1,000 calls of 1 KiB may wait while a shard is in one long turn. */
export const RING_IN_BYTES: number = 1 * MIB;
/** Shard to edge: results are larger than calls. */
export const RING_OUT_BYTES: number = 2 * MIB;
/** Between two shards: only stdio calls that meet the wrong shard, and events. */
export const RING_PEER_BYTES: number = 512 * KIB;
/** Of a thread, for what the byte kernel works on beside the rings: read buffers, heads, requests. */
export const SCRATCH_BYTES: number = 1024 * KIB;

/**
 * Bytes of a reply that may be under way between a shard and a client's socket. With the ring and
 * the socket's own buffer a slow reader holds less than 1 MiB in the gateway.
 */
export const CREDIT_BYTES: number = 256 * KIB;

/** JSON-RPC ids longer than this many bytes (as written) are refused: an id is a name, not a payload. */
export const ID_BYTES_MAX = 256;
/**
 * Ids up to this length are kept in the exchange's shared cell, longer ones travel as an IDS frame.
 * A cell is one cache line: 64 bytes less 8 for the exchange number and the length.
 */
export const ID_CELL_BYTES = 56;

/** Nesting of arrays and objects in a message. Parsers written by recursion die at some 1,000. */
export const JSON_DEPTH_MAX = 128;

/** A request body. The official SDK's servers refuse more than 4 MiB as well. */
export const BODY_BYTES_MAX: number = 4 * MIB;
/** Request bodies the edge buffers at once over all connections; past it a request gets 503. */
export const BODY_BUDGET_BYTES: number = 256 * MIB;
/** A message from an upstream that has to be held whole (lists, bridged results, stdio lines). */
export const MESSAGE_BYTES_MAX: number = 16 * MIB;
/** A message from an upstream up to this size is held whole, checked and spliced; a longer one streams. */
export const MESSAGE_HELD_BYTES: number = 256 * KIB;
/** Messages in one 2025-03-26 batch. */
export const BATCH_MESSAGES_MAX = 64;

/** Header block of a request; also the value of UWS_HTTP_MAX_HEADERS_SIZE. */
export const HEADER_BYTES_MAX: number = 16 * KIB;

/** Upstreams in one plan, and so slots in the tables that are indexed by upstream. */
export const UPSTREAMS_MAX = 256;
/** Child processes the whole gateway may own at once. */
export const PROCESSES_MAX = 1024;
/** Distinct (upstream, tool) pairs with metrics of their own per shard; later ones share one. */
export const METRIC_LABELS_MAX = 512;

/** Legacy sessions one shard holds; the least recently used idle one makes room. */
export const SESSIONS_MAX = 131_072;

/** Items one upstream may list per kind, and pages it may take for that. */
export const LIST_ITEMS_MAX = 20_000;
export const LIST_PAGES_MAX = 200;

assert(EXCHANGES_MAX === 1 << EXCHANGE_SLOT_BITS, 'an exchange slot fits its bits');
assert(FRAME_BYTES_MAX * 2 <= RING_PEER_BYTES, 'a frame that skips the end of a ring still fits');
assert(CREDIT_BYTES * 2 <= RING_OUT_BYTES, 'one exchange never fills the ring');
