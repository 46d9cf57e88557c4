/**
 * Calls against an upstream that answers, drips, closes, resets and talks out of turn as it likes,
 * while callers abort and pause. Whatever happens: an answer belongs to its question, every call ends
 * once, what may not be repeated arrives once at most, and what counts as not sent never arrived.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HttpClientCounters,
  NOT_SENT,
  type HttpClient,
} from '../../../src/transport/http/http-client.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';
import { selfSigned, type SelfSigned } from '../../support/self-signed.ts';
import { ThriftyClient } from '../../support/thrifty-client.ts';
import { UndiciHttpClient } from '../../support/undici-http-client.ts';
import { CHUNKED, optionsFor, type CreateClient } from '../../support/http-bench.ts';
import { answer, sendProbe, turn, type Probe } from '../../support/http-probe.ts';
import { RawServer, type RawConnection, type RawRequest } from '../../support/raw-server.ts';

const ACTIONS = [
  'answer',
  'answer',
  'answer',
  'chunks',
  'drip',
  'last',
  'close',
  'reset',
  'cut',
  'garbage',
  'surplus',
  'late',
] as const;
const CALLERS = ['wait', 'wait', 'wait', 'pause', 'abort now', 'abort later'] as const;

interface Step {
  readonly action: (typeof ACTIONS)[number];
  readonly caller: (typeof CALLERS)[number];
  readonly resendable: boolean;
  /** Turns to wait before the next call. */
  readonly gap: number;
}

async function act(connection: RawConnection, action: string, name: string): Promise<void> {
  const { socket } = connection;
  switch (action) {
    case 'chunks':
      connection.write(`${CHUNKED}\r\n1\r\n${name.slice(0, 1)}\r\n`);
      await turn();
      connection.write(`${(name.length - 1).toString(16)}\r\n${name.slice(1)}\r\n0\r\n\r\n`);
      return;
    case 'drip':
      return connection.drip(Buffer.from(answer(name)));
    case 'last':
      connection.write(answer(name, 200, 'connection: close\r\n'));
      socket.end();
      return;
    case 'close':
      socket.end();
      return;
    case 'reset':
      connection.reset();
      return;
    case 'cut':
      connection.write(answer(name).slice(0, -2));
      socket.end();
      return;
    case 'garbage':
      connection.write('HTTP/1.1 what\r\n\r\n');
      return;
    case 'surplus':
      connection.write(answer(name) + answer('smuggled'));
      return;
    case 'late':
      for (let i = 0; i < 5; i += 1) await turn();
      connection.write(answer(name));
      return;
    default:
      connection.write(answer(name));
  }
}

/** Serves the requests of each connection one after the other, as their bodies ask. */
async function startServer(secure: SelfSigned | null): Promise<RawServer> {
  const busy = new Map<RawConnection, Promise<void>>();
  const onRequest = ({ connection, body }: RawRequest): void => {
    const [name = '', action = ''] = `${body}`.split(' ');
    const before = busy.get(connection) ?? Promise.resolve();
    busy.set(
      connection,
      before.then(() => act(connection, action, name)),
    );
  };
  return RawServer.start(onRequest, '127.0.0.1', secure);
}

async function run(client: HttpClient, server: RawServer, steps: readonly Step[]): Promise<void> {
  const probes: Probe[] = [];
  const executed: (number | null)[] = steps.map(() => null);
  for (const [i, { action, caller, resendable, gap }] of steps.entries()) {
    const probe = sendProbe(client, server.url, { body: `call-${i} ${action}`, resendable });
    probes.push(probe);
    const { call, listener } = probe;
    if (caller === 'abort now') executed[i] = call.abort();
    if (caller === 'abort later')
      setTimeout(() => (executed[i] = listener.isOver ? null : call.abort()), gap);
    if (caller === 'pause') {
      listener.answer = () => {
        setImmediate(() => call.resume());
        return false;
      };
    }
    for (let waited = 0; waited < gap; waited += 1) await turn();
  }
  const outcomes = await Promise.all(
    probes.map(async ({ outcome }, i) => (steps[i]?.caller.startsWith('abort') ? null : outcome)),
  );
  while (client.pending > 0) await turn();
  for (let i = 0; i < 20; i += 1) await turn();

  steps.forEach(({ resendable }, i) => {
    const name = `call-${i}`;
    const { listener } = probes[i] as Probe;
    const outcome = outcomes[i] ?? null;
    if (outcome !== null && outcome.failure === null) expect(outcome.body).toBe(name);
    else expect(name.startsWith(listener.body) || listener.body === '').toBe(true);
    const arrived = server.requests.filter(({ body }) => `${body}`.startsWith(`${name} `)).length;
    expect(arrived).toBeLessThanOrEqual(resendable ? 2 : 1);
    const hasFailed = outcome !== null && outcome.failure !== null;
    const claim = hasFailed ? outcome.executed : executed[i];
    if (claim === NOT_SENT) expect([name, arrived]).toEqual([name, 0]);
  });
}

interface Chaos {
  readonly pipelining: readonly number[];
  readonly callers?: readonly Step['caller'][];
  readonly secure?: SelfSigned;
  readonly after?: () => void;
}

function describeChaos(name: string, create: CreateClient, chaos: Chaos): void {
  const { pipelining, callers = CALLERS, secure = null } = chaos;
  it(`${name} keeps its promises to its callers`, async () => {
    const step = (actions: readonly Step['action'][]): fc.Arbitrary<Step> =>
      fc.record({
        action: fc.constantFrom(...actions),
        caller: fc.constantFrom(...callers),
        resendable: fc.boolean(),
        gap: fc.constantFrom(0, 0, 0, 1, 3),
      });
    const setting = fc.constantFrom(...pipelining).chain((depth) =>
      fc.record({
        depth: fc.constant(depth),
        maxConnections: fc.integer({ min: 1, max: 4 }),
        // Behind another call a surplus answer cannot be told from that call's own.
        steps: fc.array(step(depth === 1 ? ACTIONS : ACTIONS.filter((one) => one !== 'surplus')), {
          minLength: 1,
          maxLength: 25,
        }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(setting, async ({ depth, maxConnections, steps }) => {
        const server = await startServer(secure);
        const counters = new HttpClientCounters();
        const client = create(
          optionsFor(server.url, {
            maxConnections,
            pipelining: depth,
            counters,
            ...(secure === null ? {} : { tls: { ca: secure.cert } }),
          }),
        );
        try {
          await run(client, server, steps);
          expect(client.connections).toBeLessThanOrEqual(maxConnections);
        } finally {
          await client.close();
          await server.close();
        }
      }),
      { numRuns: secure === null ? 80 : 40 },
    );
    chaos.after?.();
  });
}

describe('under chaos', () => {
  const lean: CreateClient = (options) => new LeanHttpClient(options);
  describeChaos('the lean client', lean, { pipelining: [1, 1, 4] });
  const clients: ThriftyClient[] = [];
  const thrifty: CreateClient = (options) => {
    const client = new ThriftyClient(lean(options));
    clients.push(client);
    return client;
  };
  describeChaos('the lean client with calls used again', thrifty, {
    pipelining: [1, 1, 4],
    after: () => expect(clients.reduce((sum, { reused }) => sum + reused, 0)).toBeGreaterThan(20),
  });
  describeChaos('the lean client over TLS', lean, { pipelining: [1, 4], secure: selfSigned() });
  // No pauses: see `undici-http-client.ts`.
  describeChaos('the undici client', (options) => new UndiciHttpClient(options), {
    pipelining: [1],
    callers: ['wait', 'abort now', 'abort later'],
  });
});
