/**
 * An HTTP client whose upstream is a function: answers calls from constants, when it is told to. For
 * measuring what a shard does around its sockets.
 */
import {
  ANSWERED,
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  type HttpCall,
  type HttpClient,
  type HttpHeadView,
  type HttpResponseListener,
} from '../../src/transport/http/http-client.ts';
import { takeBuffer } from '../../src/transport/kernel-buffer.ts';
import { REPLY_EVENTS, REPLY_NONE, REPLY_OPEN, stubReply } from '../load/stub-reply.ts';

const ID_MEMBER = Buffer.from('"id":');
const BODY_MARK = Buffer.from('\r\n\r\n');
const ANSWER_START = Buffer.from('{"jsonrpc":"2.0","id":');
const ANSWER_END = Buffer.from(
  ',"result":{"content":[{"type":"text","text":"42"}],"structuredContent":{"result":42},"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"stub","version":"1.0.0"}}}}',
);
const COMMA = 0x2c;

const CALL: HttpCall = {
  isHeld: false,
  abort: () => ANSWERED,
  resume: () => undefined,
  renew: () => undefined,
};

class Head implements HttpHeadView {
  contentType: HttpHeadView['contentType'] = CONTENT_JSON;
  contentLength = -1;
  find(): string | null {
    return null;
  }
}

export class LoopBackClient implements HttpClient {
  readonly pending = 0;
  readonly connections = 1;
  readonly connectError = '';
  /** Bytes of all requests, to see that something was sent. */
  bytesSent = 0;
  /** True: calls wait for `answer`; else each is answered in a turn of its own. */
  isHeld = false;
  readonly #head = new Head();
  /** In scratch where there is a kernel, as the buffer that sockets are read into. */
  readonly #answer: Buffer = takeBuffer(ANSWER_START.length + 64 + ANSWER_END.length);
  #request: Buffer | null = null;
  #end = 0;
  #listener: HttpResponseListener | null = null;

  constructor() {
    ANSWER_START.copy(this.#answer);
  }

  send(
    request: Uint8Array,
    start: number,
    end: number,
    listener: HttpResponseListener,
  ): HttpCall | null {
    this.bytesSent += end - start;
    if (this.isHeld) {
      this.#request = bufferOver(request);
      this.#end = end;
      this.#listener = listener;
      return CALL;
    }
    const bytes = bufferOver(request);
    const text = bytes.toString('latin1', bytes.indexOf(BODY_MARK, start), end);
    setImmediate(() => this.#reply(text, listener));
    return CALL;
  }

  /** Answers the call that is held. False: there is none. */
  answer(): boolean {
    const listener = this.#listener;
    const request = this.#request;
    if (listener === null || request === null) return false;
    this.#listener = null;
    const idStart = request.indexOf(ID_MEMBER) + ID_MEMBER.length;
    let idEnd = idStart;
    while (idEnd < this.#end && request[idEnd] !== COMMA) idEnd += 1;
    let at = ANSWER_START.length;
    for (let index = idStart; index < idEnd; index += 1) this.#answer[at++] = request[index] ?? 0;
    at += ANSWER_END.copy(this.#answer, at);
    this.#head.contentType = CONTENT_JSON;
    this.#head.contentLength = at;
    listener.onHead(200, this.#head);
    listener.onBody(this.#answer, 0, at);
    listener.onEnd();
    return true;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #reply(text: string, listener: HttpResponseListener): void {
    const { kind, body } = stubReply(text);
    const bytes = Buffer.from(body, 'latin1');
    const isStream = kind === REPLY_OPEN || kind === REPLY_EVENTS;
    this.#head.contentType = isStream ? CONTENT_EVENT_STREAM : CONTENT_JSON;
    this.#head.contentLength = isStream ? -1 : bytes.length;
    listener.onHead(kind === REPLY_NONE ? 202 : 200, this.#head);
    if (bytes.length > 0) listener.onBody(bytes, 0, bytes.length);
    if (kind !== REPLY_OPEN) listener.onEnd();
  }
}

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
