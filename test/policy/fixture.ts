/** What the tests of this room share: a clock by hand, keys made once, plans, requests as bytes. */
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSigner } from 'fast-jwt';
import type { Algorithm } from 'fast-jwt';
import type {
  PlanAuth,
  PlanAuthMethod,
  PlanClaimMapping,
  PlanJwtAlgorithm,
  PlanJwtKeys,
  PlanJwtMethod,
} from '../../src/config/plan.ts';
import type { FetchAnswer, FetchRequest, HttpFetch } from '../../src/transport/http-fetch.ts';
import { Authenticator } from '../../workers/policy/authenticator.ts';
import { AUTH_OK, AUTH_PENDING } from '../../workers/policy/auth-verdict.ts';
import type { AuthRefusal, AuthVerdict } from '../../workers/policy/auth-verdict.ts';
import type { CredentialSpans } from '../../workers/policy/credential-spans.ts';
import { PolicyCounters } from '../../workers/policy/policy-log.ts';
import type { PolicyLogFields } from '../../workers/policy/policy-log.ts';
import type { Principal } from '../../workers/policy/principal.ts';
import { RemoteKeysStore } from '../../workers/policy/remote-keys.ts';

export const START_WALL_MS = Date.UTC(2026, 10, 20, 12);

export class HandClock {
  mono = 1_000;
  wall = START_WALL_MS;
  nowMs = (): number => this.mono;
  wallMs = (): number => this.wall;
  advance(ms: number): void {
    this.mono += ms;
    this.wall += ms;
  }
}

export class LogBook {
  readonly lines: { level: string; message: string; fields: PolicyLogFields }[] = [];
  write(level: string, message: string, fields: PolicyLogFields): void {
    this.lines.push({ level, message, fields });
  }
  text(): string {
    return JSON.stringify(this.lines);
  }
}

/** A fetch that a test answers by hand, or by a function. */
export class FetchBook {
  readonly requests: FetchRequest[] = [];
  answer: (request: FetchRequest) => FetchAnswer | Promise<FetchAnswer>;
  constructor(answer: (request: FetchRequest) => FetchAnswer | Promise<FetchAnswer>) {
    this.answer = answer;
  }
  fetch: HttpFetch = async (request) => {
    this.requests.push(request);
    return this.answer(request);
  };
}

export function jsonAnswer(
  body: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): FetchAnswer {
  return {
    status,
    header: (name) => headers[name] ?? null,
    body: Buffer.from(JSON.stringify(body)),
  };
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Made when it is first asked for: RSA keys take a while. */
export class KeyPair {
  readonly #generate: () => Keys;
  #keys: Keys | null = null;

  constructor(generate: () => Keys) {
    this.#generate = generate;
  }

  get keys(): Keys {
    return (this.#keys ??= this.#generate());
  }

  get publicPem(): string {
    return this.keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  }

  get privatePem(): string {
    return this.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  jwk(kid: string | null, extra?: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return {
      ...this.keys.publicKey.export({ format: 'jwk' }),
      ...(kid !== null && { kid }),
      ...extra,
    };
  }
}

const rsaPair = (): KeyPair =>
  new KeyPair(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
const ecPair = (namedCurve: string): KeyPair =>
  new KeyPair(() => generateKeyPairSync('ec', { namedCurve }));

export const RSA: KeyPair = rsaPair();
export const RSA_OTHER: KeyPair = rsaPair();
export const PAIRS: Readonly<Record<string, KeyPair>> = {
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  ES256: ecPair('P-256'),
  ES384: ecPair('P-384'),
  ES512: ecPair('P-521'),
  EdDSA: new KeyPair(() => generateKeyPairSync('ed25519')),
};
export const SECRET = 'a secret of at least sixty-four bytes, as HS512 asks for: 0123456789';

export interface TokenOptions {
  readonly algorithm?: PlanJwtAlgorithm;
  readonly key?: string;
  readonly kid?: string;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly without?: readonly string[];
}

/** A token that `jwtMethod` accepts, changed as asked. Signed with RS256 unless told otherwise. */
export function mint(options: TokenOptions = {}): string {
  const algorithm = options.algorithm ?? 'RS256';
  const nowSeconds = START_WALL_MS / 1000;
  const claims: Record<string, unknown> = {
    iss: 'https://issuer.test',
    aud: 'sluice',
    sub: 'alice',
    client_id: 'cli',
    scope: 'tools:add read:data:orders',
    iat: nowSeconds,
    exp: nowSeconds + 3600,
    ...options.claims,
  };
  for (const name of options.without ?? []) delete claims[name];
  const isSecret = algorithm.startsWith('HS');
  const key = options.key ?? (isSecret ? SECRET : (PAIRS[algorithm]?.privatePem ?? ''));
  const sign = createSigner({
    algorithm: algorithm as Algorithm,
    key,
    noTimestamp: true,
    ...(options.kid !== undefined && { kid: options.kid }),
    ...(options.header !== undefined && { header: { alg: algorithm, ...options.header } }),
  });
  return sign(claims);
}

/** A token of any parts, signed or not by the caller. */
export function compact(header: unknown, claims: unknown, signature = ''): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}

export const CLAIMS: PlanClaimMapping = {
  clientIdClaims: [['client_id'], ['azp'], ['sub']],
  scopeClaims: [['scope'], ['scp']],
  requiredClaims: [],
  grantScopes: [],
};

export function jwtMethod(
  algorithms: readonly PlanJwtAlgorithm[],
  keys: PlanJwtKeys,
  changes: Partial<PlanJwtMethod> = {},
): PlanJwtMethod {
  return {
    kind: 'jwt',
    label: 'jwt',
    algorithms,
    keys,
    issuers: ['https://issuer.test'],
    audiences: ['sluice'],
    leewayMs: 5_000,
    expiryRequired: true,
    claims: CLAIMS,
    ...changes,
  };
}

export function authPlan(
  methods: readonly PlanAuthMethod[],
  changes: Partial<PlanAuth> = {},
): PlanAuth {
  return {
    mode: 'methods',
    required: true,
    methods,
    resource: {
      identifier: null,
      authorizationServers: [],
      scopesSupported: [],
      name: null,
      documentation: null,
    },
    flood: { failures: 20, windowMs: 10_000, blockMs: 30_000 },
    rememberedMax: 10_000,
    ...changes,
  };
}

export const noFetch: HttpFetch = () => Promise.reject(new Error('nothing may be fetched here'));

/** An authenticator on a clock by hand, and requests to it. */
export class AuthRig {
  readonly clock = new HandClock();
  readonly log = new LogBook();
  readonly counters = new PolicyCounters();
  readonly remoteKeys: RemoteKeysStore;
  readonly deps: ConstructorParameters<typeof Authenticator>[1];
  authenticator: Authenticator;

  constructor(plan: PlanAuth, fetch: HttpFetch = noFetch) {
    const { clock, log, counters } = this;
    const deps = { fetch, log, counters, nowMs: clock.nowMs, wallMs: clock.wallMs };
    this.remoteKeys = new RemoteKeysStore(deps);
    this.deps = { ...deps, remoteKeys: this.remoteKeys };
    this.authenticator = new Authenticator(plan, this.deps);
  }

  /** @param headers name to value, lower case */
  ask(headers: Readonly<Record<string, string>>, address = '192.0.2.1'): AuthVerdict {
    const { bytes, spans } = request(headers, address, this.authenticator.headers);
    const verdict = this.authenticator.authenticate(bytes, spans, this.clock.wall);
    bytes.fill(0xff); // what was not copied is gone
    return verdict;
  }

  bearer(token: string, address?: string): AuthVerdict {
    return this.ask({ authorization: `Bearer ${token}` }, address);
  }
}

/** The final verdict, also of a pending one. */
export function settled(verdict: AuthVerdict): Promise<Principal | AuthRefusal> {
  if (verdict.kind !== AUTH_PENDING) return Promise.resolve(verdict);
  return new Promise((resolve) => verdict.whenReady(resolve));
}

/** A word for a verdict: a fault, `pending`, or who was let in. */
export function nameOf(verdict: AuthVerdict): string {
  if (verdict.kind === AUTH_PENDING) return 'pending';
  return verdict.kind === AUTH_OK ? `${verdict.subject}/${verdict.clientId}` : verdict.fault;
}

export async function settledName(verdict: AuthVerdict): Promise<string> {
  return nameOf(await settled(verdict));
}

/** A request's bytes somewhere in a ring, as a shard sees them. */
export function request(
  headers: Readonly<Record<string, string>>,
  address: string,
  asked: readonly string[],
): { bytes: Buffer; spans: CredentialSpans } {
  const bytes = Buffer.from(new SharedArrayBuffer(32 * 1024));
  const peer = address.split('.').map(Number);
  peer.forEach((byte, index) => (bytes[3 + index] = byte));
  let at = 101;
  const places = new Map<string, { start: number; end: number }>();
  for (const [name, value] of Object.entries(headers)) {
    const length = bytes.write(value, at, 'latin1');
    places.set(name, { start: at, end: at + length });
    at += length + 3;
  }
  const authorization = places.get('authorization');
  const spans = {
    authorizationStart: authorization?.start ?? -1,
    authorizationEnd: authorization?.end ?? -1,
    peerFamily: 4,
    peerStart: 3,
    headerStart: -1,
    headerEnd: -1,
    findHeader(index: number): boolean {
      const place = places.get(asked[index] ?? '');
      if (place === undefined) return false;
      this.headerStart = place.start;
      this.headerEnd = place.end;
      return true;
    },
  };
  return { bytes, spans };
}

export interface StandIn {
  readonly url: string;
  readonly requests: {
    method: string;
    path: string;
    headers: IncomingMessage['headers'];
    body: string;
  }[];
  close(): Promise<void>;
}

/** A server on loopback that answers as a provider would. */
export async function standIn(
  answer: (request: StandIn['requests'][number], response: ServerResponse) => void,
): Promise<StandIn> {
  const requests: StandIn['requests'] = [];
  const server: Server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const made = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(parts).toString('utf8'),
      };
      requests.push(made);
      answer(made, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
