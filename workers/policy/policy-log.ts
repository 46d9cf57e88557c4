/**
 * Where this room writes what an operator should know. The shard puts its own log behind it. Nothing
 * here ever holds a token, a key, a secret or a URL's query.
 */
export type PolicyLogFields = Readonly<Record<string, string | number | boolean>>;

export interface PolicyLog {
  write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: PolicyLogFields): void;
}

/** Counted since start, as plain numbers that the shard carries over into its cells once a second. */
export class PolicyCounters {
  /** Credentials found in memory, and those that were not. */
  remembered = 0;
  firstSeen = 0;
  accepted = 0;
  refused = 0;
  /** Refused by address before any check. */
  flooded = 0;
  /** Refused because an issuer did not answer, or too many waited for it. */
  unavailable = 0;
  /** Exchanges that wait now. */
  waiting = 0;
  keyFetches = 0;
  keyFetchFailures = 0;
  remoteChecks = 0;
  remoteCheckFailures = 0;
  upstreamTokens = 0;
  upstreamTokenFailures = 0;
}
