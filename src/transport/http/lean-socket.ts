/**
 * Opens the sockets of the lean client. Reads go into one buffer that all sockets of the thread share:
 * libuv fills it and calls back in one step, and whoever is called uses the bytes up before it returns.
 * On Windows a read is posted ahead of the data, so there each socket has a buffer of its own.
 */
import net from 'node:net';

export interface SocketTarget {
  readonly host: string;
  readonly port: number;
}

export interface SocketEvents {
  onConnect(): void;
  /** Bytes 0 to `count`, valid until this returns. False stops reading until `socket.resume()`. */
  onRead(bytes: Buffer, count: number): boolean;
  onEof(): void;
  onSocketError(code: string): void;
  onSocketClosed(): void;
}

/** What libuv asks for in one read. */
const READ_BYTES = 64 * 1024;
/** Finds a dead peer under a stream that is silent for hours. */
const PROBE_DELAY_MS = 60_000;

let sharedBuffer: Buffer | null = null;

function readBuffer(): Buffer {
  if (process.platform === 'win32') return Buffer.allocUnsafeSlow(READ_BYTES);
  sharedBuffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  return sharedBuffer;
}

/** The host of a URL as the socket layer wants it: an IPv6 address without its brackets. */
export function socketTarget(url: URL): SocketTarget {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  return { host, port: url.port === '' ? 80 : Number(url.port) };
}

/** A name is tried in both address families (`localhost` is often ::1 while the server has 127.0.0.1). */
export function openLeanSocket(target: SocketTarget, events: SocketEvents): net.Socket {
  const buffer = readBuffer();
  const socket = net.connect({
    host: target.host,
    port: target.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_DELAY_MS,
    autoSelectFamily: true,
    onread: { buffer, callback: (count) => events.onRead(buffer, count) },
  });
  socket.on('connect', () => events.onConnect());
  socket.on('end', () => events.onEof());
  socket.on('error', (error: NodeJS.ErrnoException) => events.onSocketError(error.code ?? ''));
  socket.on('close', () => events.onSocketClosed());
  socket.resume(); // nothing is ever queued in the stream, but 'end' comes only while it flows
  return socket;
}
