/**
 * The envelope of modern requests (2026-07-28, per-request metadata), as bytes. Built once per session
 * or upstream and put into messages by `addEnvelope`.
 */
import {
  META_CAPABILITIES_NAME,
  META_CLIENT_INFO_NAME,
  META_LOG_LEVEL_NAME,
  META_VERSION_NAME,
} from './classification.ts';
import { REVISIONS } from './era.ts';

/**
 * The envelope's members without braces: `"…/protocolVersion":"…","…/clientCapabilities":{…},…`
 *
 * @param capabilities JSON text of an object
 * @param clientInfo JSON text of an object, or null to say nothing of the client
 * @param logLevel one of LOG_LEVELS, or null: then the server must not send log messages
 */
export function envelopeMembers(
  revision: number,
  capabilities: string,
  clientInfo: string | null,
  logLevel: string | null = null,
): Buffer {
  const members = [
    `"${META_VERSION_NAME}":"${REVISIONS[revision]!}"`,
    `"${META_CAPABILITIES_NAME}":${capabilities}`,
  ];
  if (clientInfo !== null) members.push(`"${META_CLIENT_INFO_NAME}":${clientInfo}`);
  if (logLevel !== null) members.push(`"${META_LOG_LEVEL_NAME}":${JSON.stringify(logLevel)}`);
  return Buffer.from(members.join(','), 'utf8');
}

/** `params` of a modern request of the gateway's own: the envelope, and members like `"cursor":"x"`. */
export function envelopeParams(envelope: Uint8Array, members = ''): Buffer {
  const rest = members === '' ? '}' : `,${members}}`;
  return Buffer.concat([
    Buffer.from('{"_meta":{'),
    envelope,
    Buffer.from('}'),
    Buffer.from(rest, 'utf8'),
  ]);
}
