/** `sluice token`: a signed token to try a gateway with. */
import { createPrivateKey, randomUUID, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSigner, type Algorithm } from 'fast-jwt';
import { CommandError, EXIT_OK, EXIT_USAGE, type CommandOutput } from '../command-result.ts';

export interface TokenOptions {
  readonly sub: string;
  readonly scope?: string | undefined;
  readonly iss?: string | undefined;
  readonly aud?: string | undefined;
  readonly clientId?: string | undefined;
  readonly kid?: string | undefined;
  /** e.g. `15m`; `3600` is seconds. */
  readonly expires: string;
  readonly secret?: string | undefined;
  /** File with a private key in PEM. */
  readonly key?: string | undefined;
  readonly alg?: string | undefined;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
const LIFE_SECONDS_MAX = 366 * 86_400;

/** @throws CommandError for options that cannot be */
export function token(options: TokenOptions, output: CommandOutput): number {
  const { key, algorithm } = signingKey(options);
  const expiresIn = lifeSeconds(options.expires) * 1000;
  const sign = createSigner({
    key,
    algorithm,
    expiresIn,
    jti: randomUUID(),
    sub: options.sub,
    ...(options.iss === undefined ? {} : { iss: options.iss }),
    ...(options.aud === undefined ? {} : { aud: options.aud }),
    ...(options.kid === undefined ? {} : { kid: options.kid }),
  });
  const claims = {
    ...(options.scope === undefined ? {} : { scope: options.scope }),
    ...(options.clientId === undefined ? {} : { client_id: options.clientId }),
  };
  output.out(`${sign(claims)}\n`);
  return EXIT_OK;
}

function lifeSeconds(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * (UNIT_SECONDS[match[2] ?? ''] ?? 0);
  if (seconds < 1 || seconds > LIFE_SECONDS_MAX) {
    throw new CommandError(
      '--expires must be like 90s, 15m, 1h or 7d, and at most a year',
      EXIT_USAGE,
    );
  }
  return seconds;
}

interface SigningKey {
  readonly key: string;
  readonly algorithm: Algorithm;
}

function signingKey({ secret, key, alg }: TokenOptions): SigningKey {
  if ((secret === undefined) === (key === undefined)) {
    throw new CommandError('give exactly one of --secret and --key', EXIT_USAGE);
  }
  if (secret !== undefined) return secretKey(secret, alg ?? 'HS256');
  const pem = readKey(key ?? '');
  const fitting = algorithmsOf(pem.key);
  const algorithm = fitting.find((candidate) => alg === undefined || candidate === alg);
  if (algorithm !== undefined) return { key: pem.text, algorithm };
  throw new CommandError(
    `--alg does not fit the key, which can do ${fitting.join(', ') || 'nothing'}`,
    EXIT_USAGE,
  );
}

const SECRET_BYTES_MIN: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

function secretKey(secret: string, alg: string): SigningKey {
  if (alg !== 'HS256' && alg !== 'HS384' && alg !== 'HS512') {
    throw new CommandError('--alg must be HS256, HS384 or HS512 with --secret', EXIT_USAGE);
  }
  const bytesMin = SECRET_BYTES_MIN[alg] ?? 0;
  if (Buffer.byteLength(secret) < bytesMin) {
    throw new CommandError(
      `--secret must be at least ${bytesMin} bytes long for ${alg}, as the gateway asks (RFC 7518 §3.2)`,
      EXIT_USAGE,
    );
  }
  return { key: secret, algorithm: alg };
}

function readKey(file: string): { readonly text: string; readonly key: KeyObject } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new CommandError(`--key cannot be read: ${file}`);
  }
  try {
    return { text, key: createPrivateKey(text) };
  } catch {
    throw new CommandError(`--key holds no private key in PEM without password: ${file}`);
  }
}

/** The first is the default. */
function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
  if (type === 'ed25519') return ['EdDSA'];
  if (type !== 'ec') return [];
  if (details?.namedCurve === 'prime256v1') return ['ES256'];
  if (details?.namedCurve === 'secp384r1') return ['ES384'];
  return details?.namedCurve === 'secp521r1' ? ['ES512'] : [];
}
