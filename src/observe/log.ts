/**
 * The gateway's log: one JSON object per line. Quiet per call: what is written is starts, stops,
 * reloads, restarts and failures of our own. Members that could hold a credential are replaced
 * wherever they stand within three levels; nobody should log them, and this is the net below.
 */
import pino from 'pino';
import type { DestinationStream, Logger } from 'pino';
import type { PlanLogLevel } from '../config/plan.ts';

export type { Logger } from 'pino';

const SECRET_MEMBERS = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'clientSecret',
  'token',
  'apiKey',
  '["x-api-key"]',
  '["mcp-session-id"]',
  '["proxy-authorization"]',
  '["set-cookie"]',
];

const STDERR = 2;

/**
 * @param destination where lines go; left out, the process's stderr, written at once so that the last
 *   lines of a process that goes down are not lost
 */
export function createLogger(level: PlanLogLevel, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      errorKey: 'error',
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths(), censor: '[redacted]' },
    },
    destination ?? pino.destination({ fd: STDERR, sync: true }),
  );
}

function redactedPaths(): string[] {
  const below = (prefix: string): string[] =>
    SECRET_MEMBERS.map((member) =>
      member.startsWith('[') ? prefix + member : `${prefix}.${member}`,
    );
  const top = SECRET_MEMBERS.map((member) => member);
  return [...top, ...below('*'), ...below('*.*')];
}
