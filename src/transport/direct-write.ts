/**
 * Writes to sockets past node's writable stream, whose bookkeeping costs as much as the system call's
 * way there and back. The handle below the stream tries a write at once; only what the kernel does not
 * take becomes a request that ends later:
 *
 *   write ──▶ the kernel took all: the bytes are the caller's again
 *         ├─▶ it took a part or nothing: the handle HOLDS the bytes, and sends the rest in order
 *         └─▶ it refused: the socket is destroyed with the error that `socket.write` would report
 *
 * - Order is kept: while the stream has anything queued, and wherever the socket is not a plain,
 *   connected one, `socket.write` does the work, and its bytes go behind those of the handle.
 * - The handle is no public interface of node. What is needed of it is looked for once per thread, by
 *   way of a stream over a handle of our own; where anything is missing all writes are `socket.write`.
 * - A request object must not be used again while the handle has it, or the process ends. It has an
 *   async id just as long, so that is looked at after each write.
 */
import net from 'node:net';
import { getSystemErrorName } from 'node:util';

/** What the handle fills in for a write that it holds; node's class for it is not public. */
interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
  /** Below 0 while the handle does not have it. */
  getAsyncId(): number;
}

interface NativeHandle {
  /** Bytes of writes that it holds. */
  readonly writeQueueSize?: number;
  /** @returns 0, or a negative error number if no byte was taken */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

type WriteRequestClass = new () => WriteRequest;

/** Undefined until it was looked for; null where there is none. */
let requestClass: WriteRequestClass | null | undefined = undefined;
/** No handle has it: for the next write of any socket. */
let spare: WriteRequest | null = null;

/** The writing side of one socket, client or accepted. Only one stands over a socket. */
export class DirectWriter {
  readonly #socket: net.Socket;
  /** TLS and whatever else builds on a socket has a handle that is none. */
  readonly #isPlain: boolean;
  /** Of the socket, once it was written to. */
  #handle: NativeHandle | null = null;
  /** Writes that the handle holds. */
  #held = 0;
  #isRefused = false;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#isPlain = hasDirectWrite() && Object.getPrototypeOf(socket) === net.Socket.prototype;
  }

  /** Written bytes that the kernel does not have yet. */
  get isHolding(): boolean {
    return this.#held > 0 || this.#socket.writableLength > 0;
  }

  /** How many they are: less after a while if the peer takes any. */
  get pendingBytes(): number {
    return (handleOf(this.#socket)?.writeQueueSize ?? 0) + this.#socket.writableLength;
  }

  /** The last write failed at once: no byte of it has left, and the socket is at its end. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /**
   * Writes all of `bytes`. Errors go the socket's own way; a `setTimeout` of the socket does not
   * notice these writes.
   *
   * @returns true if the bytes may be changed again; false if they are held, until `isHolding` is
   *   false again. 'drain' tells when the handle holds nothing any more.
   */
  write(bytes: Uint8Array): boolean {
    const handle = this.#isPlain ? this.#freeHandle() : null;
    if (handle === null) return this.#writeStream(bytes);
    const request = spare ?? newRequest();
    spare = null;
    const status = handle.writeBuffer(request, bytes);
    this.#isRefused = status < 0;
    if (status < 0) this.#socket.destroy(writeError(status));
    if (request.getAsyncId() >= 0) {
      this.#hold(request, bytes);
      return false;
    }
    spare = request;
    return true;
  }

  /**
   * The handle of a socket that can be written to and has nothing queued above it. A connected socket keeps
   * its handle until it is destroyed, and asking it anew is a search by a symbol each time.
   */
  #freeHandle(): NativeHandle | null {
    const socket = this.#socket;
    if (socket.connecting || socket.destroyed) return null;
    if (socket.writableEnded || socket.writableLength > 0) return null;
    this.#handle ??= handleOf(socket);
    return this.#handle;
  }

  #writeStream(bytes: Uint8Array): boolean {
    this.#socket.write(bytes);
    this.#isRefused = this.#socket.errored !== null;
    return !this.isHolding;
  }

  /** The request keeps the bytes alive, which the handle itself does not. */
  #hold(request: WriteRequest, bytes: Uint8Array): void {
    this.#held += 1;
    request.oncomplete = (status) => this.#onWritten(status, bytes);
  }

  #onWritten(status: number, _bytes: Uint8Array): void {
    const socket = this.#socket;
    this.#held -= 1;
    if (socket.destroyed) return;
    if (status < 0) socket.destroy(writeError(status));
    else if (this.#held === 0) socket.emit('drain');
  }
}

function handleOf(socket: net.Socket): NativeHandle | null {
  return (socket as unknown as { readonly _handle: NativeHandle | null })._handle;
}

function newRequest(): WriteRequest {
  return new (requestClass as WriteRequestClass)();
}

/** As node makes it for its own writes. */
function writeError(status: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: 'write' });
}

/** On Windows a write is posted, never done at once. */
function hasDirectWrite(): boolean {
  if (requestClass === undefined) {
    requestClass = process.platform === 'win32' ? null : findRequestClass();
  }
  return requestClass !== null;
}

function findRequestClass(): WriteRequestClass | null {
  try {
    let seen: unknown = null;
    const handle = {
      getAsyncId: () => 1,
      close: () => undefined,
      writeBuffer: (request: unknown) => {
        seen = request;
        return 0;
      },
    };
    const options: net.SocketConstructorOpts & { handle: object; manualStart: boolean } = {
      handle,
      manualStart: true,
    };
    const socket = new net.Socket(options);
    socket.on('error', () => undefined);
    socket.write(ONE_BYTE);
    socket.destroy();
    return isRequest(seen) ? (seen.constructor as WriteRequestClass) : null;
  } catch {
    return null;
  }
}

function isRequest(seen: unknown): seen is WriteRequest {
  if (typeof seen !== 'object' || seen === null || !('getAsyncId' in seen)) return false;
  return typeof seen.getAsyncId === 'function' && Number(seen.getAsyncId()) < 0;
}

const ONE_BYTE = new Uint8Array(1);
