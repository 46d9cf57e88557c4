/**
 * The gateway's own credential for an upstream. Never the client's: MCP forbids to pass a client's
 * token on (authorization, "token passthrough"). With token exchange the client's verified token goes
 * to the authorization server alone, and what comes back is made for the upstream.
 *
 * Tokens are kept per upstream and, exchanged ones, per caller and its scopes: a caller with a
 * narrower token must not get what was exchanged for a broader one. One request per missing token,
 * whoever waits for it. A token is used until shortly before it expires. After a failure the next
 * request is made 1 s, 2 s, 4 s … 30 s later; until then calls fail at once with UPSTREAM_AUTH.
 *
 * Full, the oldest token of that upstream makes room.
 */
import type { Plan, PlanUpstreamAuth } from '../../src/config/plan.ts';
import type { HttpFetch } from '../../src/transport/http-fetch.ts';
import { TOKEN_REQUESTS_MAX, UPSTREAM_TOKENS_MAX, UPSTREAM_WAITING_MAX } from './policy-limits.ts';
import type { PolicyCounters, PolicyLog } from './policy-log.ts';
import type { Principal } from './principal.ts';
import { RequestGate } from './request-gate.ts';
import { requestToken } from './token-request.ts';
import type { IssuedToken } from './token-request.ts';
import { releaseInTurns } from './turn-release.ts';

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** A token younger than this is not given up: an upstream that refuses every token would cause a request per call. */
const INVALIDATE_AGE_MS = 5_000;

export type CredentialFault = 'UPSTREAM_AUTH' | 'BUSY';
/** Takes a header line, or why there is none. */
export type CredentialResume = (header: Buffer | CredentialFault) => void;

/** The token is being fetched. */
export class PendingCredential {
  readonly #onOver: () => void;
  #resume: CredentialResume | null = null;
  #isOver = false;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Calls `resume` once, in a later turn, unless `cancel` came first. Register in the same turn. */
  whenReady(resume: CredentialResume): void {
    this.#resume = resume;
  }

  /** The exchange is gone: `resume` will not be called. */
  cancel(): void {
    this.#resume = null;
    this.finish('UPSTREAM_AUTH');
  }

  /** For the table that made it. */
  finish(header: Buffer | CredentialFault): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver();
    this.#resume?.(header);
  }
}

/** A whole header line with its CR LF, empty for none; or why there is none; or wait. */
export type CredentialVerdict = Buffer | CredentialFault | PendingCredential;

export interface UpstreamCredentialsDeps {
  readonly fetch: HttpFetch;
  readonly log: PolicyLog;
  readonly counters: PolicyCounters;
  /** Monotonic ms. */
  nowMs(): number;
}

class TokenEntry {
  header: Buffer | null = null;
  /** Monotonic ms until which `header` may be used. */
  untilMs = -Infinity;
  /** Monotonic ms of the answer that brought `header`. */
  issuedAtMs = -Infinity;
  /** No request before this. */
  retryAtMs = -Infinity;
  failures = 0;
  isFetching = false;
  waiters: PendingCredential[] = [];
}

interface UpstreamEntry {
  readonly name: string;
  readonly auth: PlanUpstreamAuth;
  /** Header line that never changes; null: a token is needed. */
  readonly fixed: Buffer | null;
  /** By `Principal.grantKey`; the gateway's own under `''`. Oldest first. */
  readonly tokens: Map<string, TokenEntry>;
  readonly gate: RequestGate;
}

const NO_HEADER = Buffer.alloc(0);

export class UpstreamCredentials {
  readonly #upstreams: readonly UpstreamEntry[];
  readonly #deps: UpstreamCredentialsDeps;
  #waiting = 0;

  /** One per plan. @throws Error for a header that HTTP does not allow */
  constructor(plan: Pick<Plan, 'upstreams'>, deps: UpstreamCredentialsDeps) {
    this.#deps = deps;
    this.#upstreams = plan.upstreams.map((upstream) => {
      const auth: PlanUpstreamAuth = upstream.kind === 'http' ? upstream.auth : { kind: 'none' };
      return {
        name: upstream.name,
        auth,
        fixed: fixedHeader(auth),
        tokens: new Map(),
        gate: new RequestGate(TOKEN_REQUESTS_MAX),
      };
    });
  }

  /**
   * The credential for one call.
   * @param upstream index in the plan
   * @param principal who calls; token exchange is done in its name. null: the gateway itself, for its
   *   handshakes and lists; nobody's token can be exchanged then, so it asks for one of its own
   */
  headerFor(upstream: number, principal: Principal | null): CredentialVerdict {
    const entry = this.#upstreams[upstream];
    if (entry === undefined) return 'UPSTREAM_AUTH';
    if (entry.fixed !== null) return entry.fixed;
    const nowMs = this.#deps.nowMs();
    const known = entry.tokens.get(nameOf(entry, principal));
    if (known !== undefined && known.header !== null && nowMs < known.untilMs) return known.header;
    const mayExchange = principal === null || principal.exchangeableToken() !== null;
    if (entry.auth.kind === 'tokenExchange' && !mayExchange) return 'UPSTREAM_AUTH';
    const token = known ?? addToken(entry, principal);
    if (!token.isFetching && nowMs < token.retryAtMs) return 'UPSTREAM_AUTH';
    if (this.#waiting >= UPSTREAM_WAITING_MAX) return 'BUSY';
    this.#waiting += 1;
    const pending = new PendingCredential(() => {
      this.#waiting -= 1;
    });
    token.waiters.push(pending);
    if (!token.isFetching) void this.#fetch(entry, token, principal);
    return pending;
  }

  /** The upstream refused the credential (401): the next call gets a new one, if there can be one. */
  invalidate(upstream: number, principal: Principal | null): void {
    const entry = this.#upstreams[upstream];
    if (entry === undefined || entry.fixed !== null) return;
    const token = entry.tokens.get(nameOf(entry, principal));
    if (token === undefined || this.#deps.nowMs() - token.issuedAtMs < INVALIDATE_AGE_MS) return;
    token.header = null;
  }

  /** This plan is replaced: who waits is told. */
  close(): void {
    for (const entry of this.#upstreams) {
      for (const token of entry.tokens.values()) this.#land(token, 'UPSTREAM_AUTH');
      entry.tokens.clear();
    }
  }

  async #fetch(
    entry: UpstreamEntry,
    token: TokenEntry,
    principal: Principal | null,
  ): Promise<void> {
    const { auth } = entry;
    if (auth.kind === 'none' || auth.kind === 'header') return;
    token.isFetching = true;
    let header: Buffer | CredentialFault;
    try {
      const isExchange = auth.kind === 'tokenExchange' && principal !== null;
      const subject = isExchange ? principal.exchangeableToken() : null;
      const issued = await entry.gate.run(() => requestToken(auth, subject, this.#deps.fetch));
      header = this.#take(token, issued);
    } catch (error) {
      this.#deps.counters.upstreamTokenFailures += 1;
      const retryMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(token.failures, 10));
      token.failures += 1;
      token.retryAtMs = this.#deps.nowMs() + retryMs;
      header = 'UPSTREAM_AUTH';
      this.#deps.log.write('warn', 'no token for upstream', {
        upstream: entry.name,
        reason: error instanceof Error ? error.message : 'unknown',
        retryMs,
      });
    }
    token.isFetching = false;
    this.#land(token, header);
  }

  #take(token: TokenEntry, issued: IssuedToken): Buffer {
    this.#deps.counters.upstreamTokens += 1;
    const header = headerLine('authorization', `Bearer ${issued.accessToken}`);
    // A call may be under way for a while: a tenth of the life, at most a minute, is left unused.
    const marginMs = Math.min(60_000, issued.lifetimeMs / 10);
    token.header = header;
    token.issuedAtMs = this.#deps.nowMs();
    token.untilMs = token.issuedAtMs + issued.lifetimeMs - marginMs;
    token.failures = 0;
    return header;
  }

  #land(token: TokenEntry, header: Buffer | CredentialFault): void {
    const waiters = token.waiters;
    token.waiters = [];
    releaseInTurns(waiters, (waiter) => waiter.finish(header));
  }
}

function nameOf(entry: UpstreamEntry, principal: Principal | null): string {
  return entry.auth.kind === 'tokenExchange' && principal !== null ? principal.grantKey : '';
}

function addToken(entry: UpstreamEntry, principal: Principal | null): TokenEntry {
  if (entry.tokens.size >= UPSTREAM_TOKENS_MAX) dropOldest(entry.tokens);
  const token = new TokenEntry();
  entry.tokens.set(nameOf(entry, principal), token);
  return token;
}

function dropOldest(tokens: Map<string, TokenEntry>): void {
  for (const [name, token] of tokens) {
    if (token.isFetching) continue;
    tokens.delete(name);
    return;
  }
}

function fixedHeader(auth: PlanUpstreamAuth): Buffer | null {
  if (auth.kind === 'none') return NO_HEADER;
  return auth.kind === 'header' ? headerLine(auth.name, auth.value) : null;
}

/** RFC 9110 §5.5, without obs-text: what would end the line could start another one. */
function headerLine(name: string, value: string): Buffer {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || !/^[\x20-\x7e\t]*$/.test(value)) {
    throw new Error('not a header field');
  }
  return Buffer.from(`${name}: ${value}\r\n`, 'latin1');
}
