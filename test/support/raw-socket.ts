/** A TCP connection that says exactly what a test wants, well-formed or not. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

export class RawSocket {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  isClosed = false;
  /** How many bytes came. */
  bytes = 0;
  #pieces: Buffer[] = [];
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#pieces.push(chunk);
      this.bytes += chunk.length;
      this.#check();
    });
    socket.on('error', () => undefined); // a reset is one way to be closed
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        resolve();
        this.#check();
      });
    });
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawSocket> {
    const socket = connect({ port, host });
    const raw = new RawSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return raw;
  }

  /** All that came so far, one character a byte. */
  get text(): string {
    return Buffer.concat(this.#pieces).toString('latin1');
  }

  /** Bytes of `text` as latin1, handed to the system before this resolves. */
  async send(text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      if (!this.socket.writable) resolve();
      else this.socket.write(Buffer.from(text, 'latin1'), () => resolve());
    });
  }

  /** Each part in a write of its own, with a turn of the event loop between them. */
  async sendParts(parts: readonly string[]): Promise<void> {
    for (const part of parts) {
      await this.send(part);
      await turn();
      await turn();
    }
  }

  /** Resolves once what came fulfils the condition; fails if the connection closes before. */
  async until(isMet: (text: string) => boolean): Promise<string> {
    await this.#until(() => isMet(this.text));
    return this.text;
  }

  /** The same for much at once, without looking at it each time. */
  async untilBytes(count: number): Promise<void> {
    await this.#until(() => this.bytes >= count);
  }

  /** The first `count` answers whole: heads with Content-Length or chunked bodies. */
  async answers(count = 1): Promise<Answer[]> {
    await this.until((text) => parseAnswers(text).length >= count);
    return parseAnswers(this.text);
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #until(isMet: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push({ isMet, resolve });
      this.#check();
    });
    if (!isMet()) throw new Error(`connection closed after: ${JSON.stringify(this.text)}`);
  }

  #check(): void {
    this.#waiting = this.#waiting.filter(({ isMet, resolve }) => {
      if (!this.isClosed && !isMet()) return true;
      resolve();
      return false;
    });
  }
}

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** The complete answers at the start of what a server sent. */
export function parseAnswers(text: string): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd < 0) return answers;
    const [line = '', ...fields] = rest.slice(0, headEnd).split('\r\n');
    const status = Number(line.split(' ')[1]);
    const headers = new Map(
      fields.map((field): [string, string] => {
        const colon = field.indexOf(': ');
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 2)];
      }),
    );
    const content = rest.slice(headEnd + 4);
    const parsed = parseBody(status, headers, content);
    if (parsed === null) return answers;
    answers.push({ status, headers, body: parsed.body });
    rest = content.slice(parsed.end);
  }
}

function parseBody(
  status: number,
  headers: ReadonlyMap<string, string>,
  content: string,
): { body: string; end: number } | null {
  if (headers.get('transfer-encoding') === 'chunked') return parseChunks(content);
  if (status === 204 || status < 200) return { body: '', end: 0 };
  const length = Number(headers.get('content-length') ?? 0);
  return content.length < length ? null : { body: content.slice(0, length), end: length };
}

function parseChunks(content: string): { body: string; end: number } | null {
  let body = '';
  let at = 0;
  for (;;) {
    const lineEnd = content.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(content.slice(at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (content.length < at + size + 2) return null;
    body += content.slice(at, at + size);
    at += size;
    if (content.slice(at, at + 2) !== '\r\n') throw new Error('chunk without its end');
    at += 2;
  }
  // Trailer fields end with an empty line.
  for (;;) {
    const lineEnd = content.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    if (lineEnd === at) return { body, end: at + 2 };
    at = lineEnd + 2;
  }
}
