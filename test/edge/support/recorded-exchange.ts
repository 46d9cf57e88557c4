/** The client's side of an exchange, whose socket is as full as the test says. */
import type { ByteRange } from '../../../shared/byte-words.ts';
import type { HttpExchange } from '../../../src/edge/http-server.ts';

/** Of longer answers only the count is kept. */
const TEXT_BYTES_MAX = 1024 * 1024;

export class RecordedExchange implements HttpExchange {
  slot = -1;
  state: unknown = undefined;
  isOpen = true;
  /** What `write` answers. */
  isTaken = true;
  /** Bytes that wait before the socket; null: as `isTaken` says. */
  waitingBytes: number | null = null;
  status = 0;
  contentType = '';
  headers: readonly string[] = [];
  text = '';
  bytes = 0;
  wasAborted = false;
  readonly #decoder = new TextDecoder();

  peerFamily(): 4 | 6 {
    return 4;
  }

  peerBytes(out: ByteRange, at: number): void {
    out.bytes.fill(0, at, at + 16);
  }

  reply(
    status: number,
    contentType: string,
    headers: readonly string[],
    body: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.begin(status, contentType, headers);
    this.write(body, start, end);
    this.end();
  }

  begin(status: number, contentType: string, headers: readonly string[]): void {
    this.status = status;
    this.contentType = contentType;
    this.headers = headers;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.bytes += end - start;
    if (this.bytes < TEXT_BYTES_MAX) this.text += this.#decoder.decode(bytes.slice(start, end));
    if (this.waitingBytes === null) return this.isTaken;
    this.waitingBytes += end - start;
    return false;
  }

  end(): void {
    this.isOpen = false;
  }

  abort(): void {
    this.isOpen = false;
    this.wasAborted = true;
  }

  cork(fn: (exchange: HttpExchange) => void): void {
    fn(this);
  }
}
