/**
 * Who is calling: from the credentials of a request to a verdict. One per plan and shard.
 *
 * The order, and why:
 * 1. A remembered credential: a lookup, nothing else. It comes before the flood check, so that an
 *    attacker behind a shared address shuts out none who were there before.
 * 2. The address: whoever sent many wrong credentials lately is refused before anything is decoded.
 * 3. Size, then the methods in the order of the settings; the first that recognises the credential
 *    decides. A credential that none recognises is wrong, not absent, also where none is required.
 *
 * A request may carry a bearer token and an API key; each method looks at its own. Only what the
 * first of them finds in memory takes the short way, so that the order holds in any case.
 *
 * A token in the query string is not looked at (MCP authorization; RFC 9700 §4.3.2): the edge does
 * not even hand the query over.
 */
import type { PlanAuth, PlanAuthMethod } from '../../src/config/plan.ts';
import { AuthFlood } from './auth-flood.ts';
import { Accepted, isWait } from './auth-method.ts';
import type { AuthMethod, AuthWait, AuthWaiter } from './auth-method.ts';
import {
  AUTH_PENDING,
  AuthRefusal,
  REFUSED_INVALID,
  REFUSED_UNAUTHENTICATED,
  REFUSED_UNAVAILABLE,
} from './auth-verdict.ts';
import type { AuthPending, AuthResume, AuthVerdict } from './auth-verdict.ts';
import { Credential, SOURCE_BEARER, SOURCE_HEADER } from './credential.ts';
import type { CredentialSpans } from './credential-spans.ts';
import { GithubProvider } from './github.ts';
import { GoogleTokenProvider } from './google-token.ts';
import { IntrospectionProvider } from './introspection.ts';
import { JwtMethod } from './jwt.ts';
import { AUTH_WAITING_MAX, CREDENTIAL_BYTES_MAX } from './policy-limits.ts';
import type { PolicyCounters } from './policy-log.ts';
import { ANONYMOUS, Principal, writeAddressKey } from './principal.ts';
import { RefusalLog } from './refusal-log.ts';
import { RemoteCheck } from './remote-check.ts';
import type { RemoteCheckDeps } from './remote-check.ts';
import type { RemoteKeysStore } from './remote-keys.ts';
import { ScopeSetTable } from './scope-set.ts';
import { StaticMethod } from './static-credential.ts';
import { TokenCache } from './token-cache.ts';

export interface AuthenticatorDeps extends RemoteCheckDeps {
  /** The shard's, shared by all its plans. */
  readonly remoteKeys: RemoteKeysStore;
}

export class Authenticator {
  /** Header names that hold API keys; `CredentialSpans.findHeader` is asked by index into this. */
  readonly headers: readonly string[];
  readonly #plan: PlanAuth;
  readonly #deps: AuthenticatorDeps;
  readonly #counters: PolicyCounters;
  readonly #methods: readonly AuthMethod[];
  /** Sources in the order of the first method that reads them. */
  readonly #sources: readonly number[];
  readonly #cache: TokenCache;
  readonly #flood: AuthFlood;
  readonly #flooded: AuthRefusal;
  readonly #scopeSets = new ScopeSetTable();
  readonly #refusals: RefusalLog;
  readonly #address = new Uint32Array(2);
  /** Of the credential that `#locate` has found. */
  #start = 0;
  #end = 0;

  /** @throws Error if the keys of a method cannot be used */
  constructor(plan: PlanAuth, deps: AuthenticatorDeps) {
    this.headers = apiKeyHeaders(plan.methods);
    this.#plan = plan;
    this.#deps = deps;
    this.#counters = deps.counters;
    this.#methods = plan.mode === 'methods' ? this.#openAll(plan.methods) : [];
    this.#sources = [...new Set(this.#methods.map((method) => method.source))];
    this.#cache = new TokenCache(plan.rememberedMax);
    this.#flood = new AuthFlood(plan.flood);
    this.#flooded = new AuthRefusal('AUTH_FLOOD', plan.flood.blockMs);
    this.#refusals = new RefusalLog(deps.log);
  }

  /** Credentials remembered now. */
  get remembered(): number {
    return this.#cache.size;
  }

  /** Judges the credentials of one request. `bytes` and `spans` are not looked at after the call. */
  authenticate(bytes: Buffer, spans: CredentialSpans, nowWallMs: number): AuthVerdict {
    for (const source of this.#sources) {
      if (!this.#locate(source, bytes, spans)) continue;
      const principal = this.#cache.find(source, bytes, this.#start, this.#end, nowWallMs);
      if (principal === null) break;
      this.#counters.remembered += 1;
      return principal;
    }
    if (this.#plan.mode !== 'methods') return ANONYMOUS;
    return this.#judge(bytes, spans, nowWallMs);
  }

  /** Forgets every verified credential: a key was withdrawn. */
  forget(): void {
    this.#cache.clear();
  }

  /** This plan is replaced. Who still waits is told; verdicts given stay good for their exchange. */
  close(): void {
    for (const method of this.#methods) method.close();
    this.#cache.clear();
  }

  #openAll(plans: readonly PlanAuthMethod[]): readonly AuthMethod[] {
    const methods: AuthMethod[] = [];
    try {
      for (const plan of plans) methods.push(this.#open(plan));
    } catch (error) {
      for (const method of methods) method.close();
      throw error;
    }
    return methods;
  }

  #open(method: PlanAuthMethod): AuthMethod {
    switch (method.kind) {
      case 'jwt':
        return new JwtMethod(method, this.#deps.remoteKeys, () => this.forget());
      case 'bearer':
        return new StaticMethod(method.label, SOURCE_BEARER, method.tokens);
      case 'apiKey':
        return new StaticMethod(
          method.label,
          SOURCE_HEADER + this.headers.indexOf(method.header),
          method.keys,
        );
      case 'introspection':
        return new RemoteCheck(new IntrospectionProvider(method), this.#deps);
      case 'github':
        return new RemoteCheck(new GithubProvider(method), this.#deps);
      case 'googleToken':
        return new RemoteCheck(new GoogleTokenProvider(method), this.#deps);
    }
  }

  /** Sets `#start` and `#end` to the credential of that source; false: the request has none. */
  #locate(source: number, bytes: Buffer, spans: CredentialSpans): boolean {
    if (source === SOURCE_BEARER) {
      const end = spans.authorizationEnd;
      this.#start = bearerStart(bytes, spans.authorizationStart, end);
      this.#end = end;
      return this.#start >= 0;
    }
    if (!spans.findHeader(source - SOURCE_HEADER)) return false;
    this.#start = spans.headerStart;
    this.#end = spans.headerEnd;
    return true;
  }

  #judge(bytes: Buffer, spans: CredentialSpans, nowWallMs: number): AuthVerdict {
    const counters = this.#counters;
    let hasCredential = spans.authorizationStart >= 0;
    for (let i = 0; i < this.headers.length; i += 1) hasCredential ||= spans.findHeader(i);
    if (!hasCredential) return this.#plan.required ? REFUSED_UNAUTHENTICATED : ANONYMOUS;

    writeAddressKey(spans.peerFamily, bytes, spans.peerStart, this.#address);
    if (this.#flood.blockedMs(this.#address, this.#deps.nowMs()) > 0) {
      counters.flooded += 1;
      return this.#flooded;
    }
    counters.firstSeen += 1;
    const credentials: (Credential | null | undefined)[] = [];
    for (let index = 0; index < this.#methods.length; index += 1) {
      const method = this.#methods[index];
      if (method === undefined) break;
      const known = credentials[method.source];
      const credential = known === undefined ? this.#copy(method.source, bytes, spans) : known;
      credentials[method.source] = credential;
      if (credential === null) continue;
      const remembered = this.#recall(index, credential, nowWallMs);
      if (remembered !== null) return remembered;
      const verdict = method.check(credential, nowWallMs, true);
      if (verdict === null) continue;
      if (isWait(verdict)) return this.#await(index, method, credential, verdict);
      return this.#conclude(index, credential, verdict, this.#address);
    }
    return this.#refuse('', 'unrecognized', this.#address);
  }

  /** A copy of one source's credential; null: there is none, or it is too large to be one. */
  #copy(source: number, bytes: Buffer, spans: CredentialSpans): Credential | null {
    if (!this.#locate(source, bytes, spans)) return null;
    const start = this.#start;
    const end = this.#end;
    const length = end - start;
    if (length === 0 || length > CREDENTIAL_BYTES_MAX) return null;
    const copy = Buffer.allocUnsafeSlow(length);
    bytes.copy(copy, 0, start, end);
    return new Credential(source, copy);
  }

  #await(index: number, method: AuthMethod, credential: Credential, wait: AuthWait): AuthVerdict {
    const counters = this.#counters;
    if (counters.waiting >= AUTH_WAITING_MAX) {
      counters.unavailable += 1;
      return REFUSED_UNAVAILABLE;
    }
    counters.waiting += 1;
    const address = Uint32Array.from(this.#address);
    const waiter: PendingAuthentication = new PendingAuthentication({
      refuseIfFlooding: () => this.#flood.blockedMs(address, this.#deps.nowMs()) > 0,
      floodRefusal: this.#flooded,
      retry: () => {
        if (this.#flood.blockedMs(address, this.#deps.nowMs()) > 0) return this.#flooded;
        const nowWallMs = this.#deps.wallMs();
        const known = this.#recall(index, credential, nowWallMs);
        if (known !== null) return known;
        const verdict = method.check(credential, nowWallMs, false);
        if (verdict === null || isWait(verdict)) return REFUSED_UNAVAILABLE;
        return this.#conclude(index, credential, verdict, address);
      },
      conclude: (verdict) => this.#conclude(index, credential, verdict, address),
      onOver: () => {
        counters.waiting -= 1;
      },
    });
    wait.join(waiter);
    return waiter;
  }

  #conclude(
    index: number,
    credential: Credential,
    verdict: Accepted | AuthRefusal,
    address: Uint32Array,
  ): Principal | AuthRefusal {
    if (verdict instanceof Accepted) return this.#admit(index, credential, verdict);
    if (verdict === REFUSED_INVALID) {
      return this.#refuse(this.#methods[index]?.label ?? '', credential.reason, address);
    }
    if (verdict === REFUSED_UNAVAILABLE) this.#counters.unavailable += 1;
    return verdict;
  }

  #admit(index: number, credential: Credential, accepted: Accepted): Principal {
    this.#counters.accepted += 1;
    const { bytes, source } = credential;
    const nowWallMs = this.#deps.wallMs();
    // Of several that waited for one token the first has made the principal already.
    const known = this.#recall(index, credential, nowWallMs);
    if (known !== null) return known;
    const { identity, untilMs, isExchangeable } = accepted;
    const scopes = this.#scopeSets.of(identity.scopes);
    const principal = new Principal(identity, scopes, isExchangeable ? bytes : null, false);
    if (nowWallMs < untilMs) this.#cache.add(source, index, bytes, principal, untilMs);
    return principal;
  }

  /** What this method made of the credential before; null: it did not, or another method decided. */
  #recall(index: number, credential: Credential, nowWallMs: number): Principal | null {
    const { source, bytes } = credential;
    const principal = this.#cache.find(source, bytes, 0, bytes.length, nowWallMs);
    return this.#cache.foundMethod === index ? principal : null;
  }

  #refuse(method: string, reason: string, address: Uint32Array): AuthRefusal {
    const nowMs = this.#deps.nowMs();
    this.#counters.refused += 1;
    this.#refusals.note(method, reason, nowMs);
    if (this.#flood.fail(address, nowMs)) this.#refusals.noteFlood(nowMs);
    return REFUSED_INVALID;
  }
}

/** What a waiting authentication needs of its authenticator. */
interface PendingParts {
  readonly floodRefusal: AuthRefusal;
  refuseIfFlooding(): boolean;
  retry(): Principal | AuthRefusal;
  conclude(verdict: Accepted | AuthRefusal): Principal | AuthRefusal;
  onOver(): void;
}

class PendingAuthentication implements AuthPending, AuthWaiter {
  readonly kind = AUTH_PENDING;
  readonly #parts: PendingParts;
  #resume: AuthResume | null = null;
  #verdict: Principal | AuthRefusal | null = null;
  #isOver = false;

  constructor(parts: PendingParts) {
    this.#parts = parts;
  }

  get isCancelled(): boolean {
    return this.#isOver;
  }

  whenReady(resume: AuthResume): void {
    const verdict = this.#verdict;
    if (verdict === null) this.#resume = resume;
    else queueMicrotask(() => resume(verdict));
  }

  cancel(): void {
    this.#resume = null;
    this.#end();
  }

  refuseIfFlooding(): boolean {
    if (this.#isOver || !this.#parts.refuseIfFlooding()) return false;
    this.#finish(this.#parts.floodRefusal);
    return true;
  }

  retry(): void {
    if (!this.#isOver) this.#finish(this.#parts.retry());
  }

  settle(verdict: Accepted | AuthRefusal): void {
    if (!this.#isOver) this.#finish(this.#parts.conclude(verdict));
  }

  #finish(verdict: Principal | AuthRefusal): void {
    this.#end();
    this.#verdict = verdict;
    this.#resume?.(verdict);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.onOver();
  }
}

function apiKeyHeaders(methods: readonly PlanAuthMethod[]): readonly string[] {
  const headers = methods.map((method) => (method.kind === 'apiKey' ? method.header : ''));
  return [...new Set(headers.filter((header) => header !== ''))];
}

/**
 * Where the token of `Authorization: Bearer TOKEN` starts (RFC 6750 §2.1; the scheme's case does not
 * matter, RFC 9110 §11.1); -1: another scheme, or none.
 */
function bearerStart(bytes: Buffer, start: number, end: number): number {
  if (start < 0 || end - start < 8) return -1;
  for (let i = 0; i < 6; i += 1) {
    if (((bytes[start + i] ?? 0) | 0x20) !== BEARER.charCodeAt(i)) return -1;
  }
  let at = start + 6;
  while (at < end && bytes[at] === 0x20) at += 1;
  return at > start + 6 && at < end ? at : -1;
}

const BEARER = 'bearer';
