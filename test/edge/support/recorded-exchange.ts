/** The client's side of an exchange, whose socket is as full as the test says. */
import type { ByteRange } from '../../../shared/byte-words.ts';
import type { HttpExchange } from '../../../src/edge/http-server.ts';

/** Of longer answers only the count is kept. */
const TEXT_BYTES_MAX = 1024 * 1024;

export class RecordedExchange implements HttpExchange {
  slot = -1;
  state: unknown = undefined;
  isOpen = true;
  /** Whether the socket takes what leaves. */
  isTaken = true;
  /** Whether it holds back as the lean server does; the others do not. */
  canHold = true;
  /** Bytes that wait before the socket; null: as `isTaken` says. */
  waitingBytes: number | null = null;
  status = 0;
  contentType = '';
  headers: readonly string[] = [];
  text = '';
  bytes = 0;
  wasAborted = false;
  /** What left, one entry a write to the socket; a log that several exchanges may share. */
  sent: string[] = [];
  onWrite: () => void = () => undefined;
  readonly #decoder = new TextDecoder();
  #isHeld = false;
  #held = '';
  #heldBytes = 0;

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
    this.holdBack();
    this.begin(status, contentType, headers);
    this.write(body, start, end);
    this.end();
  }

  begin(status: number, contentType: string, headers: readonly string[]): void {
    this.status = status;
    this.contentType = contentType;
    this.headers = headers;
    this.#send(`<${status}>`, 0);
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.bytes += end - start;
    const isShort = this.bytes < TEXT_BYTES_MAX;
    const text = isShort ? this.#decoder.decode(bytes.slice(start, end)) : '';
    this.text += text;
    this.onWrite();
    return this.#send(text, end - start);
  }

  end(): void {
    this.#send('<end>', 0);
    this.sendHeld();
    this.isOpen = false;
  }

  abort(): void {
    this.isOpen = false;
    this.wasAborted = true;
    this.#held = '';
    this.#heldBytes = 0;
    this.sent.push('<abort>');
  }

  holdBack(): void {
    this.#isHeld = this.canHold;
  }

  sendHeld(): boolean {
    this.#isHeld = false;
    const text = this.#held;
    this.#held = '';
    return (text === '' && this.#heldBytes === 0) || this.#send(text, this.#heldBytes);
  }

  #send(text: string, bytes: number): boolean {
    if (this.#isHeld) {
      this.#held += text;
      this.#heldBytes += bytes;
      return true;
    }
    this.#heldBytes = 0;
    this.sent.push(text);
    if (this.waitingBytes === null) return this.isTaken;
    this.waitingBytes += bytes;
    return false;
  }

  cork(fn: (exchange: HttpExchange) => void): void {
    const wasHeld = this.#isHeld;
    this.holdBack();
    fn(this);
    if (!wasHeld) this.sendHeld();
  }
}
