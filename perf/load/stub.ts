/**
 * The upstream of the measurements, a process of its own: an MCP server of 2026-07-28 that answers
 * from constants. On uWebSockets.js where that is installed, so that it costs less than what stands
 * before it; on node:http elsewhere, and as `node stub.js patient`: uWebSockets.js drops a client that
 * takes nothing for ten seconds. Prints `stub on PORT`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { REPLY_EVENTS, REPLY_HUGE, REPLY_JSON, REPLY_NONE, REPLY_OPEN, stubReply } from './stub-reply.ts'; // prettier-ignore

const HOST = '127.0.0.1';
/** Of a huge answer, one at a time: whoever reads slowly makes nothing wait in here. */
const PIECE_BYTES = 64 * 1024;

interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  write(text: string): boolean;
  end(text?: string): UwsResponse;
  tryEnd(piece: Uint8Array, totalBytes: number): [isTaken: boolean, isDone: boolean];
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  cork(run: () => void): UwsResponse;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
}

interface Uws {
  App(): {
    any(
      pattern: string,
      handler: (res: UwsResponse) => void,
    ): {
      listen(host: string, port: number, options: number, then: (token: unknown) => void): void;
    };
  };
  us_socket_local_port(token: unknown): number;
}

const uws = process.argv[2] === 'patient' ? null : loadUws();
if (uws === null) serveNode();
else serveUws(uws);

function loadUws(): Uws | null {
  const major = process.versions.node.split('.')[0] ?? '';
  try {
    const name = `@uwsjs/${process.platform}-${process.arch}-${major}`;
    return createRequire(import.meta.url)(name) as Uws;
  } catch {
    return null;
  }
}

function announce(port: number): void {
  process.stdout.write(`stub on ${port}\n`);
}

function serveUws(module: Uws): void {
  module
    .App()
    .any('/*', (res) => {
      let held = '';
      res.onAborted(() => undefined);
      res.onData((chunk, isLast) => {
        held += Buffer.from(chunk).toString('latin1');
        if (isLast) res.cork(() => answerUws(res, held));
      });
    })
    .listen(HOST, 0, 0, (token) => announce(module.us_socket_local_port(token)));
}

function answerUws(res: UwsResponse, text: string): void {
  const { kind, body, rest } = stubReply(text);
  if (kind === REPLY_JSON) res.writeHeader('content-type', 'application/json').end(body);
  else if (kind === REPLY_HUGE) endHuge(res, Buffer.from(body, 'latin1'), rest);
  else if (kind === REPLY_NONE) res.writeStatus('202 Accepted').end('');
  else {
    res.writeHeader('content-type', 'text/event-stream').write(body);
    if (kind === REPLY_EVENTS) res.end();
  }
}

/** Writes as much as the socket takes, and on when it takes more. */
function endHuge(res: UwsResponse, start: Buffer, rest: Buffer): void {
  const totalBytes = start.length + rest.length;
  const writeFrom = (offset: number): boolean => {
    for (let at = offset; ;) {
      const restAt = at - start.length;
      const piece = restAt < 0 ? start.subarray(at) : rest.subarray(restAt, restAt + PIECE_BYTES);
      const [isTaken, isDone] = res.tryEnd(piece, totalBytes);
      if (!isTaken || isDone) return isTaken;
      at += piece.length;
    }
  };
  res.writeHeader('content-type', 'application/json').onWritable(writeFrom);
  writeFrom(0);
}

function serveNode(): void {
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    let held = '';
    request.setEncoding('latin1');
    request.on('data', (text: string) => (held += text));
    request.on('end', () => answerNode(request, response, held));
  });
  server.listen(0, HOST, () => announce((server.address() as AddressInfo).port));
}

function answerNode(_request: IncomingMessage, response: ServerResponse, text: string): void {
  const { kind, body, rest } = stubReply(text);
  if (kind === REPLY_NONE) {
    response.writeHead(202).end();
  } else if (kind === REPLY_JSON) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body, 'latin1');
  } else if (kind === REPLY_HUGE) {
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': body.length + rest.length,
    });
    response.write(body, 'latin1');
    Readable.from(piecesOf(rest)).pipe(response);
  } else {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(body, 'latin1');
    if (kind !== REPLY_OPEN) response.end();
  }
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}
