/** A certificate for localhost and the loopback addresses, made anew for each test run (RFC 5280). */
import { generateKeyPairSync, sign } from 'node:crypto';

export interface SelfSigned {
  /** PEM. The certificate is its own authority: it is also what a client has to trust. */
  readonly cert: string;
  readonly key: string;
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
const ascii = (tag: number, text: string): Buffer => der(tag, Buffer.from(text, 'latin1'));

const ECDSA_WITH_SHA256 = sequence(
  der(0x06, bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)),
);
const COMMON_NAME = der(0x06, bytes(0x55, 0x04, 0x03));
const SUBJECT_ALT_NAME = der(0x06, bytes(0x55, 0x1d, 0x11));
const BASIC_CONSTRAINTS = der(0x06, bytes(0x55, 0x1d, 0x13));

export function selfSigned(): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(der(0x31, sequence(COMMON_NAME, ascii(0x0c, 'localhost'))));
  const validity = sequence(ascii(0x17, '200101000000Z'), ascii(0x18, '21200101000000Z'));
  const hosts = sequence(
    ascii(0x82, 'localhost'),
    der(0x87, bytes(127, 0, 0, 1)),
    der(0x87, bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
  );
  const extensions = der(
    0xa3,
    sequence(
      sequence(SUBJECT_ALT_NAME, der(0x04, hosts)),
      sequence(BASIC_CONSTRAINTS, der(0x04, sequence(der(0x01, bytes(0xff))))),
    ),
  );
  const certificate = sequence(
    der(0xa0, der(0x02, bytes(2))), // version 3
    der(0x02, bytes(1)),
    ECDSA_WITH_SHA256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  );
  const signature = der(0x03, bytes(0), sign('sha256', certificate, privateKey));
  const base64 = sequence(certificate, ECDSA_WITH_SHA256, signature).toString('base64');
  const lines = base64.match(/.{1,64}/g)?.join('\n') ?? '';
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
