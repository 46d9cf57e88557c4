/**
 * What `classify` answers: the era, or the fault with the `data` that the protocol or the official SDK
 * puts beside it. Refusing is off the hot path, so text is built freely here; what a client wrote is
 * cut short before it is repeated.
 */
import type { FaultCode } from '../../../shared/fault.ts';
import type { Peek } from '../jsonrpc/peek-record.ts';
import { ERA_LEGACY, REVISION_UNKNOWN, SUPPORTED_MODERN } from './era.ts';

/** Bytes of a client's text that an error repeats. */
const QUOTED_BYTES_MAX = 256;

export const META_VERSION_NAME = 'io.modelcontextprotocol/protocolVersion';
export const META_CAPABILITIES_NAME = 'io.modelcontextprotocol/clientCapabilities';
export const META_CLIENT_INFO_NAME = 'io.modelcontextprotocol/clientInfo';
export const META_LOG_LEVEL_NAME = 'io.modelcontextprotocol/logLevel';

export class Classification {
  era: number = ERA_LEGACY;
  /**
   * Modern: the revision claimed. Legacy: the one the header names, REVISION_UNKNOWN where there is no
   * header, and then the session knows or ASSUMED_LEGACY holds.
   */
  revision: number = REVISION_UNKNOWN;
  /** Null where the message may go on. */
  fault: FaultCode | null = null;
  /** What the fault's message is to say more, or empty. */
  detail = '';
  /** JSON text for the error's `data`, or null. */
  data: string | null = null;

  reset(): void {
    this.era = ERA_LEGACY;
    this.revision = REVISION_UNKNOWN;
    this.fault = null;
    this.detail = '';
    this.data = null;
  }

  fail(fault: FaultCode, detail = '', data: unknown = null): false {
    this.fault = fault;
    this.detail = detail;
    this.data = data === null ? null : JSON.stringify(data);
    return false;
  }
}

/** Header text or body text for an error: bytes as Latin-1, cut to a bound. */
export function quotedText(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  const last = Math.min(end, start + QUOTED_BYTES_MAX);
  for (let i = start; i < last; i += 1) text += String.fromCharCode(bytes[i]!);
  return last < end ? `${text}...` : text;
}

/** -32020 (2026-07-28, Streamable HTTP): a field is missing, malformed, or not what the body says. */
export function failMismatch(out: Classification, header: string, body: string): false {
  return out.fail('HEADER_MISMATCH', body, { mismatch: { header, body } });
}

/** -32022 with the revisions we serve (2026-07-28, versioning). */
export function failRevision(requested: string, out: Classification): false {
  return out.fail('VERSION_UNSUPPORTED', requested, { supported: SUPPORTED_MODERN, requested });
}

/** -32602 for an envelope with a claim but with a member missing or of the wrong type. */
export function failEnvelope(key: string, problem: string, out: Classification): false {
  return out.fail('ENVELOPE_INVALID', `${key}: ${problem}`, { envelope: { key, problem } });
}

/** -32602 for a request without a claim under a modern version field. */
export function failWithoutClaim(peek: Peek, out: Classification): false {
  const missing = ['_meta'];
  if (peek.metaStart >= 0) {
    missing[0] = META_VERSION_NAME;
    if (peek.metaCapabilitiesKey < 0) missing.push(META_CAPABILITIES_NAME);
  }
  return out.fail('ENVELOPE_INVALID', `missing ${missing.join(', ')}`, { envelope: { missing } });
}
