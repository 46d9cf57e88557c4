import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVerifier } from 'fast-jwt';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
const SECRET = 'x'.repeat(64);

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const output = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
  };
  const code = await main(args, output);
  return { code, out, err };
}

describe('sluice', () => {
  it.each([
    ['--help'],
    ['serve', '--help'],
    ['check', '-h'],
    ['token', '--help'],
    ['help', 'serve'],
  ])('helps: %s %s', async (...args) => {
    const { code, out } = await run(...args.filter((arg) => arg !== undefined));
    expect(code).toBe(0);
    expect(out).toContain('Usage: sluice');
  });

  it('prints its version', async () => {
    expect(await run('--version')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it.each([
    [[], /Usage: sluice/],
    [['chek'], /unknown command 'chek'\n\(Did you mean check\?\)/],
    [['serve', '--prot', '1'], /unknown option '--prot'/],
    [['serve', '--port', '65536'], /whole number from 0 to 65535/],
    [['serve', '--port', '1e3'], /whole number/],
    [['serve', '--shards', '0'], /whole number from 1 to 32/],
    [['serve', '--log-level', 'loud'], /Allowed choices are/],
    [['check', 'a', 'b'], /too many arguments/],
    [['token', '--secret', SECRET], /required option '--sub/],
    [['token', '--sub', 'a'], /exactly one of --secret and --key/],
    [['token', '--sub', 'a', '--secret', SECRET, '--expires', 'soon'], /--expires must be/],
    [['token', '--sub', 'a', '--secret', SECRET, '--expires', '400d'], /at most a year/],
    [['token', '--sub', 'a', '--secret', SECRET, '--alg', 'RS256'], /--alg must be/],
    [['token', '--sub', 'a', '--secret', SECRET, '--alg', 'none'], /--alg must be/],
    [['token', '--sub', 'a', '--secret', 'short'], /at least 32 bytes/],
  ])('ends with 2 when called as %j', async (args, expected) => {
    const { code, err } = await run(...args);
    expect(err).toMatch(expected);
    expect(code).toBe(2);
  });
});

describe('sluice check', () => {
  afterEach(() => vi.unstubAllEnvs());

  const file = (name: string): string =>
    fileURLToPath(new URL(`../config/cases/${name}`, import.meta.url));

  it('sums up good settings', async () => {
    const { code, out } = await run('check', file('presets.yaml'));
    expect(code).toBe(0);
    expect(out).toMatch(/presets\.yaml: ok\n/);
    expect(out).toContain('  upstream   a: http, 127.0.0.1:1\n');
  });

  it('lists every problem with its place, and how many there are', async () => {
    vi.stubEnv('SECRET', 's3cret-'.repeat(6));
    const { code, out, err } = await run('check', file('jwt-slips.yaml'));
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/jwt-slips\.yaml:4:14: auth\.methods\[0\]\.jwt\.algorithms: must be/);
    expect(err).toMatch(/\n10 problems\n$/);
  });

  it('says that a file is missing', async () => {
    const { code, err } = await run('check', join(folder, 'gone.yaml'));
    expect(code).toBe(1);
    expect(err).toContain('gone.yaml: cannot be read: no such file\n1 problem\n');
  });

  it('does not print arguments, which may hold secrets', async () => {
    const path = join(folder, 'secret.json');
    writeFileSync(
      path,
      JSON.stringify({
        mcpServers: { a: { command: 'x', args: ['hidden-value'], env: { A: 'hidden-value' } } },
      }),
    );
    const { code, out, err } = await run('check', path);
    expect(code).toBe(0);
    expect(out + err).not.toContain('hidden-value');
  });
});

describe('sluice token', () => {
  it('makes a token that the settings it is meant for accept', async () => {
    const { code, out } = await run(
      'token',
      '--sub',
      'ada',
      '--scope',
      'a b',
      '--iss',
      'me',
      '--aud',
      'sluice',
      '--secret',
      SECRET,
      '--expires',
      '15m',
      '--client-id',
      'cli',
    );
    expect(code).toBe(0);
    const verify = createVerifier({
      key: SECRET,
      algorithms: ['HS256'],
      allowedIss: 'me',
      allowedAud: 'sluice',
    });
    const claims = verify(out.trim()) as Record<string, unknown>;
    expect(claims).toMatchObject({
      sub: 'ada',
      scope: 'a b',
      client_id: 'cli',
      jti: expect.any(String),
    });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(900);
  });

  it.each([
    ['rsa', 'RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['p256', 'ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['p384', 'ES384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['ed25519', 'EdDSA', () => generateKeyPairSync('ed25519')],
  ] as const)('signs with a private key: %s by %s', async (name, algorithm, generate) => {
    const { publicKey, privateKey } = generate();
    const path = join(folder, `${name}.pem`);
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const { code, out } = await run('token', '--sub', 'ada', '--key', path, '--kid', 'k1');
    expect(code).toBe(0);
    const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const verify = createVerifier({ key, algorithms: [algorithm], complete: true });
    expect(verify(out.trim())).toMatchObject({
      header: { alg: algorithm, kid: 'k1' },
      payload: { sub: 'ada' },
    });
    const other = await run('token', '--sub', 'ada', '--key', path, '--alg', 'HS256');
    expect(other).toMatchObject({ code: 2, out: '' });
  });

  it('refuses a file that is no private key', async () => {
    const path = join(folder, 'no.pem');
    writeFileSync(path, 'nothing');
    expect(await run('token', '--sub', 'a', '--key', path)).toMatchObject({ code: 1 });
    expect(await run('token', '--sub', 'a', '--key', join(folder, 'gone.pem'))).toMatchObject({
      code: 1,
    });
  });
});
