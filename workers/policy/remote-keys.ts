/**
 * The keys an issuer publishes, kept at hand. Nobody waits for a fetch but a token whose key is not
 * known yet; keys once fetched are served until others replace them, also while the issuer is down.
 *
 * When it fetches (all times monotonic, driven by `tick`):
 * - at start, then again after 80 % of the time its answer may be cached (Cache-Control less Age,
 *   RFC 9111 §4.2, held between one minute and one day, ten minutes if it says nothing);
 * - after a failure: in 1 s, 2 s, 4 s … one minute;
 * - for a token that names an unknown key: at once, but once a minute at most, however many such
 *   tokens come.
 * One fetch is under way at a time.
 */
import type { FetchAnswer, HttpFetch } from '../../src/transport/http-fetch.ts';
import { FetchError, isFetchable, loggableUrl } from '../../src/transport/http-fetch.ts';
import { discoverKeySetUrl } from './key-discovery.ts';
import { KEY_SET_BYTES_MAX } from './policy-limits.ts';
import type { PolicyCounters, PolicyLog } from './policy-log.ts';
import { hasAllKeys, readKeySet } from './public-key.ts';
import type { PublicKey } from './public-key.ts';
import { releaseInTurns } from './turn-release.ts';

const LIFETIME_MIN_MS = 60_000;
const LIFETIME_MAX_MS: number = 24 * 3_600_000;
const LIFETIME_UNSTATED_MS = 600_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
const UNKNOWN_KEY_PAUSE_MS = 60_000;
/** Issuers move their key sets about never; a day notices it. */
const DISCOVERY_LIFETIME_MS: number = 24 * 3_600_000;

export type RemoteKeySource =
  | { readonly source: 'jwksUrl'; readonly url: string; readonly requestTimeoutMs: number }
  | {
      readonly source: 'discovery';
      readonly issuer: string;
      readonly urls: readonly string[];
      readonly requestTimeoutMs: number;
    };

export interface RemoteKeysDeps {
  readonly fetch: HttpFetch;
  readonly log: PolicyLog;
  readonly counters: PolicyCounters;
  /** Monotonic ms. */
  nowMs(): number;
}

/** Something that waits until keys were fetched, or could not be. */
export interface KeysWaiter {
  onKeysSettled(): void;
}

export interface KeysListener {
  /** @param wereWithdrawn a key that was there before is gone or changed */
  onKeysChanged(wereWithdrawn: boolean): void;
}

export class RemoteKeys {
  readonly #source: RemoteKeySource;
  readonly #deps: RemoteKeysDeps;
  readonly #listeners = new Set<KeysListener>();
  #keys: readonly PublicKey[] = [];
  #waiters: KeysWaiter[] = [];
  #isLoaded = false;
  #isFetching = false;
  #isClosed = false;
  #etag: string | null = null;
  #url: string | null;
  #urlUntilMs: number;
  #fetchAtMs = -Infinity;
  #failures = 0;
  #askedAtMs = -Infinity;

  constructor(source: RemoteKeySource, deps: RemoteKeysDeps) {
    this.#source = source;
    this.#deps = deps;
    this.#url = source.source === 'jwksUrl' ? source.url : null;
    this.#urlUntilMs = source.source === 'jwksUrl' ? Infinity : -Infinity;
  }

  get keys(): readonly PublicKey[] {
    return this.#keys;
  }

  /** False until a key set was fetched once: then nothing is known of any key. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  listen(listener: KeysListener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: KeysListener): void {
    this.#listeners.delete(listener);
  }

  /** Once a second: fetches what is due. */
  tick(): void {
    if (this.#isClosed || this.#isFetching || this.#deps.nowMs() < this.#fetchAtMs) return;
    void this.#fetch();
  }

  /** Asks for a key that is not there. True: a fetch is under way, `join` it and look again. */
  ask(): boolean {
    if (this.#isClosed) return false;
    if (this.#isFetching) return true;
    const nowMs = this.#deps.nowMs();
    if (!this.#isLoaded) {
      if (nowMs < this.#fetchAtMs) return false;
    } else {
      if (nowMs - this.#askedAtMs < UNKNOWN_KEY_PAUSE_MS) return false;
      this.#askedAtMs = nowMs;
    }
    void this.#fetch();
    return true;
  }

  /** The waiter hears, in a later turn, that the fetch under way is over. Callers bound their number. */
  join(waiter: KeysWaiter): void {
    this.#waiters.push(waiter);
  }

  close(): void {
    this.#isClosed = true;
    this.#release();
  }

  async #fetch(): Promise<void> {
    this.#isFetching = true;
    this.#deps.counters.keyFetches += 1;
    try {
      const url = await this.#locate();
      const answer = await this.#deps.fetch({
        method: 'GET',
        url,
        headers: this.#etag === null ? ACCEPT : { ...ACCEPT, 'if-none-match': this.#etag },
        body: null,
        timeoutMs: this.#source.requestTimeoutMs,
        bodyBytesMax: KEY_SET_BYTES_MAX,
      });
      this.#take(answer, url);
      this.#failures = 0;
      this.#fetchAtMs = this.#deps.nowMs() + 0.8 * lifetimeMs(answer);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isFetching = false;
      this.#release();
    }
  }

  async #locate(): Promise<string> {
    const source = this.#source;
    const nowMs = this.#deps.nowMs();
    if (source.source === 'discovery' && (this.#url === null || nowMs >= this.#urlUntilMs)) {
      const found = await discoverKeySetUrl(source, this.#deps.fetch);
      if (found !== this.#url) this.#etag = null;
      this.#url = found;
      this.#urlUntilMs = nowMs + DISCOVERY_LIFETIME_MS;
    }
    return this.#url ?? '';
  }

  #take(answer: FetchAnswer, url: string): void {
    if (answer.status === 304 && this.#isLoaded) return;
    if (answer.status !== 200)
      throw new FetchError('failed', `${loggableUrl(url)} status=${answer.status}`);
    const { keys, skipped } = readKeySet(answer.body.toString('utf8'));
    if (keys.length === 0) throw new Error(`no usable key: ${skipped.slice(0, 4).join('; ')}`);
    const before = this.#keys;
    const isSame = hasAllKeys(keys, before) && hasAllKeys(before, keys);
    this.#etag = answer.header('etag');
    this.#keys = keys;
    this.#isLoaded = true;
    if (isSame) return;
    this.#deps.log.write('info', 'key set fetched', {
      url: loggableUrl(url),
      keys: keys.length,
      skipped: skipped.slice(0, 4).join('; '),
    });
    const wereWithdrawn = !hasAllKeys(keys, before);
    for (const listener of this.#listeners) listener.onKeysChanged(wereWithdrawn);
  }

  #fail(error: unknown): void {
    this.#deps.counters.keyFetchFailures += 1;
    const retryMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#fetchAtMs = this.#deps.nowMs() + retryMs;
    if (this.#source.source === 'discovery') this.#urlUntilMs = -Infinity;
    this.#deps.log.write('warn', 'key set not fetched', {
      source:
        this.#source.source === 'jwksUrl' ? loggableUrl(this.#source.url) : this.#source.issuer,
      reason: error instanceof Error ? error.message : 'unknown',
      retryMs,
      keys: this.#keys.length,
    });
  }

  #release(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    releaseInTurns(waiters, (waiter) => waiter.onKeysSettled());
  }
}

const ACCEPT = { accept: 'application/jwk-set+json, application/json' };

/** How long an answer may be used, from the moment it arrived. */
function lifetimeMs(answer: FetchAnswer): number {
  const control = (answer.header('cache-control') ?? '').toLowerCase();
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})/.exec(control)?.[1];
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/.test(control)) return LIFETIME_MIN_MS;
  if (maxAge === undefined) return LIFETIME_UNSTATED_MS;
  const age = /^\d{1,10}$/.exec(answer.header('age') ?? '')?.[0] ?? '0';
  const left = (Number(maxAge) - Number(age)) * 1000;
  return Math.min(LIFETIME_MAX_MS, Math.max(LIFETIME_MIN_MS, left));
}

/**
 * One `RemoteKeys` per source, however many methods and plans use it: a reload keeps the keys it
 * has, so that an issuer that is down at that moment locks nobody out.
 */
export class RemoteKeysStore {
  readonly #deps: RemoteKeysDeps;
  readonly #open = new Map<string, { readonly keys: RemoteKeys; users: number }>();

  constructor(deps: RemoteKeysDeps) {
    this.#deps = deps;
  }

  /** Fetching begins with the first user. @throws Error for a URL that must not be dialled */
  open(source: RemoteKeySource): RemoteKeys {
    const urls = source.source === 'jwksUrl' ? [source.url] : source.urls;
    for (const url of urls)
      if (!isFetchable(url)) throw new Error(`not an https URL: ${loggableUrl(url)}`);
    const name = JSON.stringify(source);
    let entry = this.#open.get(name);
    if (entry === undefined) {
      entry = { keys: new RemoteKeys(source, this.#deps), users: 0 };
      this.#open.set(name, entry);
      entry.keys.tick();
    }
    entry.users += 1;
    return entry.keys;
  }

  release(source: RemoteKeySource): void {
    const name = JSON.stringify(source);
    const entry = this.#open.get(name);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    this.#open.delete(name);
    entry.keys.close();
  }

  /** Once a second. */
  tick(): void {
    for (const entry of this.#open.values()) entry.keys.tick();
  }
}
