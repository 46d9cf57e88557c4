/**
 * Serves over stdin and stdout: one message per line, nothing else on stdout. Ends when stdin does.
 */
import { errorBody, MESSAGE_BYTES_MAX } from './message.js';
import { createSession } from './server.js';

const LINE_FEED = 0x0a;
const BATCH_MAX = 64;

/** @returns nothing; the process ends by itself once stdin ended and all answers are written */
export function serveStdio(server) {
  const session = createSession();
  let parts = [];
  let bytes = 0;

  const send = (message) => {
    // A client that does not read is not read from either.
    if (!process.stdout.write(`${JSON.stringify(message)}\n`)) {
      process.stdin.pause();
      process.stdout.once('drain', () => process.stdin.resume());
    }
  };

  const take = (line) => {
    if (line.trim() === '') return;
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      send(errorBody(null, -32700, 'parse error'));
      return;
    }
    // Revision 2025-03-26 allows several messages in one array.
    const isBatch = Array.isArray(message) && message.length > 0;
    for (const one of isBatch ? message.slice(0, BATCH_MAX) : [message]) {
      void server.handle(one, session, send).then((answer) => answer && send(answer.body));
    }
  };

  process.stdin.on('data', (chunk) => {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      parts.push(chunk.subarray(from, at));
      bytes += at - from;
      if (bytes <= MESSAGE_BYTES_MAX) take(Buffer.concat(parts).toString('utf8'));
      else send(errorBody(null, -32600, 'invalid request: message is too large'));
      parts = [];
      bytes = 0;
      from = at + 1;
    }
    bytes += chunk.length - from;
    if (bytes > MESSAGE_BYTES_MAX) parts = [];
    else parts.push(chunk.subarray(from));
  });
  process.stdin.on('end', () => {
    for (const aborter of session.running.values()) aborter.abort();
  });
  // The reader is gone: nobody is left to answer to.
  process.stdout.on('error', () => process.exit(0));
}
