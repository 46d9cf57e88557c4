/**
 * Opens the sockets of the lean client. Reads go into one buffer that all sockets of the thread share:
 * libuv (or the TLS layer) fills it and calls back in one step, and whoever is called uses the bytes up
 * before it returns. On Windows a read is posted ahead of the data, so there each socket has a buffer of
 * its own.
 */
import net from 'node:net';
import tls from 'node:tls';
import { takeBuffer } from '../kernel-buffer.ts';
import { PIECE_BYTES_MAX, type HttpTlsOptions } from './http-client.ts';

export interface SocketEvents {
  /** Connected, and over TLS: the upstream's certificate was checked. */
  onConnect(): void;
  /**
   * Bytes 0 to `count`, valid until this returns. False stops reading until `socket.resume()`; over TLS
   * what was decrypted already still comes, and so may the end.
   */
  onRead(bytes: Buffer, count: number): boolean;
  onEof(): void;
  onSocketError(code: string): void;
  onSocketClosed(): void;
}

/** Finds a dead peer under a stream that is silent for hours. */
const PROBE_DELAY_MS = 60_000;

let sharedBuffer: Buffer | null = null;

function readBuffer(): Buffer {
  if (process.platform === 'win32') return Buffer.allocUnsafeSlow(PIECE_BYTES_MAX);
  sharedBuffer ??= takeBuffer(PIECE_BYTES_MAX);
  return sharedBuffer;
}

/** Opens sockets; `SocketTarget` does. */
export interface SocketSource {
  open(events: SocketEvents): net.Socket;
}

/** Where the sockets of one client lead. */
export class SocketTarget implements SocketSource {
  readonly #host: string;
  readonly #port: number;
  /** Null for a plain connection. Made once: reading the authorities takes milliseconds. */
  readonly #context: tls.SecureContext | null;
  /** The last TLS session, which saves the next connection most of its handshake. */
  #session: Buffer | undefined = undefined;

  /** @throws Error for TLS options that cannot be read */
  constructor(url: URL, options: HttpTlsOptions | undefined) {
    const isSecure = url.protocol === 'https:';
    this.#host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
    this.#port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
    this.#context = isSecure ? tls.createSecureContext({ ...options }) : null;
  }

  /** A name is tried in both address families (`localhost` is often ::1 while the server has 127.0.0.1). */
  open(events: SocketEvents): net.Socket {
    const buffer = readBuffer();
    const options = {
      host: this.#host,
      port: this.#port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: PROBE_DELAY_MS,
      autoSelectFamily: true,
      onread: { buffer, callback: (count: number) => events.onRead(buffer, count) },
    };
    const context = this.#context;
    const socket = context === null ? net.connect(options) : this.#secure(options, context);
    socket.on(context === null ? 'connect' : 'secureConnect', () => events.onConnect());
    socket.on('end', () => events.onEof());
    socket.on('error', (error: NodeJS.ErrnoException) => events.onSocketError(error.code ?? ''));
    socket.on('close', () => events.onSocketClosed());
    socket.resume(); // nothing is ever queued in the stream, but 'end' comes only while it flows
    return socket;
  }

  #secure(options: net.NetConnectOpts, secureContext: tls.SecureContext): tls.TLSSocket {
    const socket = tls.connect({
      ...options,
      secureContext,
      // A server name is a name; for an address the certificate is checked against the address.
      ...(net.isIP(this.#host) === 0 ? { servername: this.#host } : {}),
      ...(this.#session === undefined ? {} : { session: this.#session }),
      ALPNProtocols: ['http/1.1'],
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: credentials go over this connection.
      rejectUnauthorized: true,
    });
    socket.on('session', (session) => (this.#session = session));
    return socket;
  }
}
