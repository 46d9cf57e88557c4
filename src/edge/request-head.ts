/**
 * The head of the request at hand, encoded as an OPEN payload while its fields arrive: one scratch
 * block for all requests, since the server hands each head over in one turn.
 *
 *      0            40                      end
 *      +------------+-----------------------+
 *      | open head  |  header block         |
 *      +------------+-----------------------+
 *
 * Only fields that a shard needs get in: those with a request code, `mcp-param-*`, names the plan asks
 * for, and the Host, which the edge vouches for by writing it once it was checked. They carry visible ASCII, blanks and tabs alone (what RFC 9110 §5.5 recommends; MCP wraps
 * anything else in Base64), so that no two readers of them can disagree.
 */
import {
  HEADER_ACCEPT,
  HEADER_BAGGAGE,
  HEADER_CLIENT_CERT,
  HEADER_HOST,
  HEADER_MCP_SESSION_ID,
  HEADER_ORIGIN,
  HEADER_OTHER,
  HEADER_TRACESTATE,
  headerCode,
} from '../../shared/header-code.ts';
import { HEADER_BYTES_MAX } from '../../shared/limits.ts';
import {
  OPEN_HEAD_BYTES,
  OpenHead,
  writeHeaderLatin1,
  writeOpenHead,
} from '../../shared/open-codec.ts';
import type { PlanAddressRange } from '../config/plan.ts';
import type { HttpExchange } from './http-server.ts';
import { ADDRESS_BYTES, resolveClient } from './peer-address.ts';

/** Fields whose lists may be split over several lines (RFC 9110 §5.3); others are refused when repeated. */
const REPEATABLE: number = (1 << HEADER_ACCEPT) | (1 << HEADER_TRACESTATE) | (1 << HEADER_BAGGAGE);

/** The header limit counts `: ` and line ends, four bytes a field; a field's own head here is four too. */
const SCRATCH_BYTES: number = OPEN_HEAD_BYTES + HEADER_BYTES_MAX;

const PARAM_PREFIX = 'mcp-param-';
const LETTER_M = 0x6d;

export class RequestHead {
  /** `bytes[0, end)` is the payload, once `finish` was called. */
  readonly bytes = new Uint8Array(SCRATCH_BYTES);
  end = OPEN_HEAD_BYTES;
  /** A field that a shard needs was malformed or repeated. */
  isRefused = false;
  sessionId = '';
  origin = '';
  host = '';
  /** X-Forwarded-For, several lines joined as RFC 9110 §5.3 says. */
  forwardedFor = '';
  /** Content-Length, -1 for none. */
  contentLength = -1;
  /** Access-Control-Request-Method and -Headers of a preflight. */
  corsMethod = '';
  corsHeaders = '';
  #count = 0;
  #seen = 0;
  #otherNames: string[] = [];
  readonly #open = new OpenHead();
  readonly #peer = new Uint8Array(ADDRESS_BYTES);

  /** A new request begins. */
  reset(): void {
    this.end = OPEN_HEAD_BYTES;
    this.isRefused = false;
    this.sessionId = '';
    this.origin = '';
    this.host = '';
    this.forwardedFor = '';
    this.contentLength = -1;
    this.corsMethod = '';
    this.corsHeaders = '';
    this.#count = 0;
    this.#seen = 0;
    if (this.#otherNames.length > 0) this.#otherNames = [];
  }

  /**
   * @param name lower case
   * @param asked names beyond the known ones that the plan wants passed on, lower case
   */
  addField(name: string, value: string, asked: readonly string[]): void {
    const code = headerCode(name);
    if (code !== HEADER_OTHER) {
      if (code < HEADER_CLIENT_CERT) this.#addKnown(code, value);
      return; // a field of answers says nothing in a request
    }
    this.#noteOwn(name, value);
    if (name.charCodeAt(0) === LETTER_M && name.startsWith(PARAM_PREFIX))
      this.#addOther(name, value);
    else if (asked.length > 0 && asked.includes(name)) this.#addOther(name, value);
  }

  /** All fields are there and were checked: writes the open head before them, with the client that trusted proxies name. */
  finish(
    exchange: HttpExchange,
    method: number,
    endpoint: number,
    planNumber: number,
    arrivalUs: number,
    trustedProxies: readonly PlanAddressRange[],
  ): void {
    this.#write(HEADER_HOST, null, this.host);
    const open = this.#open;
    open.method = method;
    open.endpoint = endpoint;
    open.planNumber = planNumber;
    open.arrivalUs = arrivalUs;
    const peerFamily = exchange.peerFamily();
    open.headerCount = this.#count;
    open.headerBytes = this.end - OPEN_HEAD_BYTES;
    exchange.peerBytes(this.#peer, 0);
    open.peerFamily =
      trustedProxies.length === 0
        ? peerFamily
        : resolveClient(trustedProxies, this.forwardedFor, peerFamily, this.#peer, 0);
    writeOpenHead(this.bytes, 0, open, this.#peer);
  }

  #addKnown(code: number, value: string): void {
    const bit = 1 << code;
    if ((this.#seen & bit) !== 0 && (REPEATABLE & bit) === 0) this.isRefused = true;
    this.#seen |= bit;
    if (code === HEADER_MCP_SESSION_ID) this.sessionId = value;
    else if (code === HEADER_ORIGIN) this.origin = value;
    this.#write(code, null, value);
  }

  #addOther(name: string, value: string): void {
    if (this.#otherNames.includes(name)) this.isRefused = true;
    this.#otherNames.push(name);
    this.#write(HEADER_OTHER, name, value);
  }

  #write(code: number, name: string | null, value: string): void {
    const next = writeHeaderLatin1(this.bytes, this.end, code, name, value);
    if (next < 0) {
      this.isRefused = true;
      return;
    }
    for (let at = next - value.length; at < next; at += 1) {
      if (this.bytes[at]! >= 0x80) this.isRefused = true;
    }
    this.end = next;
    this.#count += 1;
  }

  /** Fields that the edge itself reads. */
  #noteOwn(name: string, value: string): void {
    switch (name.length) {
      case 4:
        if (name === 'host') this.host = value;
        return;
      case 14:
        if (name === 'content-length') this.contentLength = declaredBytes(value);
        return;
      case 15:
        if (name !== 'x-forwarded-for') return;
        this.forwardedFor = this.forwardedFor === '' ? value : `${this.forwardedFor}, ${value}`;
        return;
      case 29:
        if (name === 'access-control-request-method') this.corsMethod = value;
        return;
      case 30:
        if (name === 'access-control-request-headers') this.corsHeaders = value;
        return;
      default:
    }
  }
}

/** The server has checked the framing; anything but digits is a bug and counts as unknown. */
function declaredBytes(value: string): number {
  const bytes = Number(value);
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : -1;
}
