/** What the gateway says of itself where it is the client. */
import type { PlanUpstream } from '../../src/config/plan.ts';
import { VERSION } from '../../src/version.ts';
import type { JsonObject } from './upstream.ts';

const CLIENT_INFO = JSON.stringify({ name: 'sluice', version: VERSION });
const ENVELOPE = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":${CLIENT_INFO},"io.modelcontextprotocol/clientCapabilities":{}}`;

export function ownClientInfo(): string {
  return CLIENT_INFO;
}

/** `_meta` of a modern request of our own (2026-07-28, per-request metadata). */
export function ownEnvelope(): string {
  return ENVELOPE;
}

export function withEnvelope(params: JsonObject): JsonObject {
  return { ...params, _meta: JSON.parse(ENVELOPE) as JsonObject };
}

/**
 * Capabilities for a link that several clients share: all that the gateway can relay and the plan
 * allows. A client that lacks one of them answers with an error through us.
 */
export function ownCapabilities(plan: PlanUpstream): string {
  const { sampling, elicitation, roots } = plan.capabilities;
  return JSON.stringify({
    ...(sampling ? { sampling: {} } : {}),
    ...(elicitation ? { elicitation: {} } : {}),
    ...(roots ? { roots: { listChanged: true } } : {}),
  });
}

/** Whether a `server/discover` result is one: it names a modern revision. */
export function isModernAnswer(result: JsonObject): boolean {
  const versions = result['supportedVersions'];
  return Array.isArray(versions) && versions.includes('2026-07-28');
}

const BARE = Buffer.from(ENVELOPE.slice(1, -1));

/** The members of `ownEnvelope` without braces, as `addEnvelope` takes them. */
export function bareEnvelope(): Buffer {
  return BARE;
}
