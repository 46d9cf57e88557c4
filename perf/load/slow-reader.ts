/**
 * Clients that read slowly, in a process of its own: `node slow-reader.js URL COUNT NOTHING_MS SLOWLY_MS`.
 * Each asks for the stub's huge result on a connection of its own, reads nothing of the answer for a
 * while, then a little at a time, then all of it, and says so. Stays until it is ended.
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { HUGE_BYTES } from './stub-reply.ts';

const REVISION = '2026-07-28';
/** One read of a socket, 64 KiB at most: some 600 KB a second. */
const READ_EVERY_MS = 100;
const META = `{"io.modelcontextprotocol/protocolVersion":"${REVISION}","io.modelcontextprotocol/clientInfo":{"name":"slow","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`;

const [address = '', count = '1', nothingMs = '0', slowlyMs = '0'] = process.argv.slice(2);
const tokens = (process.env['PERF_TOKENS'] ?? '').split(' ');
const agent = new Agent({ maxSockets: Infinity });

const answers = await Promise.all(Array.from({ length: Number(count) }, (_, id) => ask(id)));
process.stdout.write(`${answers.length} waiting\n`);
await pause(Number(nothingMs));
await readSlowly(answers, Number(slowlyMs));
process.stdout.write('reading all\n');
const lengths = await Promise.all(answers.map(readAll));
const failed = lengths.filter((bytes) => bytes < HUGE_BYTES).length;
process.stdout.write(`${lengths.length - failed} complete, ${failed} failed\n`);
setInterval(() => undefined, 60_000);

interface Answer {
  readonly response: IncomingMessage;
  bytes: number;
  /** Reading stops after one piece. */
  isSlow: boolean;
}

/** Resolves with an answer of which nothing was read but its head, and what came with it. */
function ask(id: number): Promise<Answer> {
  const body = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"huge","arguments":{},"_meta":${META}}}`;
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${tokens[id % tokens.length] as string}`,
    'content-length': Buffer.byteLength(body),
    'mcp-protocol-version': REVISION,
    'mcp-method': 'tools/call',
    'mcp-name': 'huge',
  };
  return new Promise((resolve, reject) => {
    const sent = request(address, { agent, method: 'POST', headers }, (response) => {
      const answer = { response, bytes: 0, isSlow: true };
      response.on('data', (piece: Buffer) => {
        answer.bytes += piece.length;
        if (answer.isSlow) response.pause();
      });
      response.pause(); // listening has started it
      resolve(answer);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function readSlowly(answers: readonly Answer[], forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    for (const { response } of answers) response.resume();
    await pause(READ_EVERY_MS);
  }
}

/** The length of the whole body; of one that broke off what there was. */
function readAll(answer: Answer): Promise<number> {
  const { response } = answer;
  answer.isSlow = false;
  return new Promise((resolve) => {
    response.once('close', () => resolve(response.complete ? answer.bytes : 0));
    response.resume();
  });
}
