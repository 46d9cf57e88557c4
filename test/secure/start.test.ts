/** What a start says and refuses, and the way from the README to a secured gateway. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { type ExampleProcess, examplePath, startData } from '../examples/example-process.ts';
import { PAIRS } from '../policy/fixture.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import {
  bearer,
  confidential,
  OK,
  outcome,
  SecureGateway,
  stopGateways,
} from './support/secure-gateway.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SECRET = confidential('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef');

let upstream: RecordingUpstream;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-secure-start-'));
  upstream = await RecordingUpstream.start(['add']);
});
afterEach(stopGateways);
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program of the package that ends by itself. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 15_000,
    killSignal: 'SIGKILL',
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

const sluice = (...args: string[]): Promise<Ended> => run(['bin/sluice.js', ...args]);

function settings(text: string): string {
  const file = join(folder, 'refused.yaml');
  writeFileSync(file, `upstreams: { math: { http: { url: "${upstream.url}" } } }\n${text}\n`);
  return file;
}

describe('a start', () => {
  it.each(['0.0.0.0', '"::"', '192.0.2.1'])(
    'is refused on %s without a word on auth',
    async (host) => {
      const file = settings(`listen: { host: ${host}, port: 0 }`);
      for (const command of ['serve', 'check']) {
        const { code, err } = await sluice(command, file);
        expect(code).toBe(1);
        expect(err).toContain('is not a loopback address, and there is no auth');
      }
    },
  );

  it('is fine there with auth: none, and on loopback without', async () => {
    const open = settings('listen: { host: 0.0.0.0, port: 0 }\nauth: none');
    expect((await sluice('check', open)).code).toBe(0);
    const gateway = await SecureGateway.start({
      upstreams: { math: { http: { url: upstream.url } } },
    });
    expect(outcome(await gateway.call('math_add'))).toEqual(OK);
    const said = gateway.log.filter(({ message }) => /auth|open/.test(message));
    expect(said.map(({ level }) => level)).toEqual(['warn']);
  });

  it('says nothing of the kind where auth is configured or waived', async () => {
    const gateway = await SecureGateway.start({
      upstreams: { math: { http: { url: upstream.url } } },
      auth: 'none',
    });
    expect(gateway.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('with keys that cannot be is refused without showing them', async () => {
    const pem = PAIRS['ES256']!.publicPem.replaceAll('\n', '\\n');
    const rows = [
      `jwt: { algorithms: [HS256], secret: short-one, issuer: a, audience: b }`,
      `jwt: { algorithms: [HS256], secret: "${pem}", issuer: a, audience: b }`,
      `jwt: { algorithms: [RS256], publicKey: "${pem}", issuer: a, audience: b }`,
      `jwt: { algorithms: [none], secret: "${SECRET}", issuer: a, audience: b }`,
      `jwt: { algorithms: [HS256], secret: "${SECRET}", issuer: a }`,
      `jwt: { algorithms: [RS256], jwksUrl: "http://issuer.example/jwks", issuer: a, audience: b }`,
    ];
    for (const row of rows) {
      const file = settings(`auth: { methods: [{ ${row} }] }`);
      const { code, out, err } = await sluice('check', file);
      expect([row, code]).toEqual([row, 1]);
      expect(out + err).not.toMatch(/short-one|0123456789abcdef|MFkw/);
    }
  });
});

describe('examples/secure-gateway.yaml', () => {
  let data: { url: string; server: ExampleProcess };
  beforeAll(async () => {
    data = await startData();
  });
  afterAll(() => data.server.stop());

  async function start(): Promise<SecureGateway> {
    // As it stands, but for its servers' folder and what the tests look at.
    const text = readFileSync(examplePath('secure-gateway.yaml'), 'utf8')
      .replaceAll(/\[(math|admin)\.js\]/g, (_, name: string) => `["${examplePath(`${name}.js`)}"]`)
      .concat('\nlog: { level: debug }\nshards: 2\n');
    return SecureGateway.start(text, {
      JWT_SECRET: SECRET,
      PORT: '0',
      ADMIN_PORT: '0',
      DATA_URL: data.url,
    });
  }

  /** The commands of the README, with this token. */
  async function client(gateway: SecureGateway, token: string, ...args: string[]): Promise<Ended> {
    return run(['examples/client.js', gateway.url, ...args], { MCP_TOKEN: token });
  }

  it('works as the README says, with a token of sluice token', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8').replaceAll('\\\n', ' ');
    const command = /node bin\/sluice\.js (token [^\n]*)\)\n/.exec(readme)?.[1] ?? '';
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(
      ([, quoted, plain]) => quoted?.replace('$JWT_SECRET', SECRET) ?? plain ?? '',
    );
    const minted = await sluice(...args);
    expect(minted.code).toBe(0);
    const token = confidential(minted.out.trim());
    const gateway = await start();

    const list = await gateway.modern('tools/list', {}, bearer(token));
    const names = (list.message?.result?.['tools'] as { name: string }[]).map(({ name }) => name);
    expect(names.sort()).toEqual([
      'data_query',
      'math_add',
      'math_divide',
      'math_multiply',
      'math_subtract',
    ]);
    expect(list.text).not.toContain('admin');

    const add = await client(gateway, token);
    expect(add.out).toContain('42');
    expect(add.code).toBe(0);
    const denied = await client(gateway, token, 'admin_whoami', '{}');
    expect(denied.out + denied.err).toContain('forbidden: insufficient scope');
    const anonymous = await client(gateway, '');
    expect(anonymous.out + anonymous.err).toContain('unauthorized: credentials are required');
  });

  it('limits a client to its burst of math, and answers the rest with 429', async () => {
    const minted = await sluice(
      ...['token', '--secret', SECRET, '--iss', 'sluice-example', '--aud', 'sluice'],
      ...['--sub', 'bob', '--scope', 'calc:*'],
    );
    const fields = bearer(confidential(minted.out.trim()));
    const gateway = await start();
    const sum = { a: 1, b: 2 };
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => gateway.call('math_add', sum, fields)),
    );
    const passed = answers.filter(({ status }) => status === 200).length;
    // A burst of 20, and what 100 a minute bring back while the test runs.
    expect(passed).toBeGreaterThanOrEqual(20);
    expect(passed).toBeLessThan(60);
    expect(answers.some((answer) => outcome(answer)[1] === -31001)).toBe(true);
  });
});

it('sluice token makes tokens by private keys that a gateway with the public one accepts', async () => {
  const pair = PAIRS['EdDSA']!;
  const file = join(folder, 'ed25519.pem');
  writeFileSync(file, pair.privatePem, { mode: 0o600 });
  confidential(pair.privatePem);
  const minted = await sluice(
    ...['token', '--key', file, '--iss', 'me', '--aud', 'sluice', '--sub', 'ada'],
  );
  const jwt = {
    algorithms: ['EdDSA' as const],
    publicKey: pair.publicPem,
    issuer: 'me',
    audience: 'sluice',
  };
  const gateway = await SecureGateway.start({
    upstreams: { math: { http: { url: upstream.url } } },
    auth: { methods: [{ jwt }] },
  });
  const fields = bearer(confidential(minted.out.trim()));
  expect(outcome(await gateway.call('math_add', {}, fields))).toEqual(OK);
});
