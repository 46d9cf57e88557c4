/** What reading, splicing and rewriting a message costs. */
import { McpHeaders } from '../../src/protocol/eras/mcp-headers.ts';
import { Classification } from '../../src/protocol/eras/classification.ts';
import { classify } from '../../src/protocol/eras/classify.ts';
import { replaceId, replaceName } from '../../src/protocol/jsonrpc/message-edit.ts';
import { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../../src/protocol/jsonrpc/peek.ts';
import { ResponseStream } from '../../src/protocol/jsonrpc/response-stream.ts';
import { rewriteMessage } from '../../src/protocol/jsonrpc/rewrite.ts';
import { Splice } from '../../src/protocol/jsonrpc/splice.ts';
import { bench } from '../bench.ts';

const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'ExampleClient', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {}, url: {} } },
  progressToken: 'p1',
};

const call = (params: object) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
const answer = (text: string) =>
  JSON.stringify({ result: { content: [{ type: 'text', text }] }, jsonrpc: '2.0', id: 7 });
const rows = Array.from({ length: 900 }, (_, id) => {
  return {
    id,
    name: `row ${String(id)}`,
    price: id * 1.25,
    tags: ['a', 'b'],
    ok: true,
    note: 'Lorem ipsum dolor sit amet',
  };
});

const MESSAGES: Readonly<Record<string, string>> = {
  'a legacy call': call({ name: 'add', arguments: { a: 1, b: 2 } }),
  'a modern call': call({
    name: 'execute_sql',
    arguments: { region: 'us-west1', query: 'SELECT 1' },
    _meta: ENVELOPE,
  }),
  'a small answer': answer('the sum is 3'),
  '100 KB of rows': call({ name: 'bulk', arguments: { rows } }),
  '100 KB of text': answer(`${'x'.repeat(79)}\n`.repeat(1250)),
  '100 KB of CJK text': answer('漢字かな交じり文'.repeat(4100)),
};

/** The message in shared memory, as the shard finds it in the ring. */
function place(text: string): { bytes: Buffer; end: number } {
  const raw = Buffer.from(text);
  const bytes = Buffer.from(new SharedArrayBuffer(raw.length + 64));
  raw.copy(bytes, 32);
  return { bytes, end: 32 + raw.length };
}

for (const [name, text] of Object.entries(MESSAGES)) {
  bench(`peek: ${name}`, ({ size, time, digest }) => {
    const rounds = size('rounds', { smoke: 10, full: Math.ceil(4e7 / (text.length + 200)) });
    const { bytes, end } = place(text);
    const record = new Peek();
    let sum = 0;
    time(rounds, () => {
      for (let i = 0; i < rounds; i += 1) sum += peek(bytes, 32, end, record) + record.methodId;
    });
    digest(sum === 0 ? 0 : record.methodId);
  });
}

bench('JSON.parse beside it: a modern call', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 10, full: 50_000 });
  const { bytes, end } = place(MESSAGES['a modern call']!);
  let sum = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      sum += (JSON.parse(bytes.toString('utf8', 32, end)) as { id: number }).id;
    }
  });
  digest(sum > 0 ? 1 : 0);
});

bench('classify: a modern call with its headers', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 10, full: 500_000 });
  const { bytes, end } = place(MESSAGES['a modern call']!);
  const record = new Peek();
  peek(bytes, 32, end, record);
  const headers = new McpHeaders();
  headers.reset(Buffer.from('2026-07-28tools/callexecute_sql'));
  headers.versionStart = 0;
  headers.versionEnd = 10;
  headers.methodStart = 10;
  headers.methodEnd = 20;
  headers.nameStart = 20;
  headers.nameEnd = 31;
  const out = new Classification();
  let passed = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) passed += classify(bytes, record, headers, out) ? 1 : 0;
  });
  digest(passed % rounds);
});

bench('splice: another id and name', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 10, full: 300_000 });
  const { bytes, end } = place(MESSAGES['a modern call']!);
  const record = new Peek();
  peek(bytes, 32, end, record);
  const splice = new Splice();
  const out = Buffer.alloc(1024);
  const id = Buffer.from('12345');
  const tool = Buffer.from('sql');
  let written = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      splice.reset();
      replaceId(splice, record, id, 0, id.length);
      replaceName(splice, record, tool);
      written = splice.write(bytes, 32, end, out, 0);
    }
  });
  digest(written);
});

bench('rewrite: a call with an escaped name', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 10, full: 30_000 });
  const { bytes, end } = place(MESSAGES['a modern call']!.replace('execute', '\\u0065xecute'));
  const record = new Peek();
  let length = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      length = rewriteMessage(bytes, 32, end, record).bytes.length;
    }
  });
  digest(length);
});

bench('stream: 1 MB of text in chunks of 64 KiB', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 1, full: 20 });
  const { bytes, end } = place(answer(`${'x'.repeat(79)}\n`.repeat(13_000)));
  const sink = {
    passed: 0,
    write(_bytes: Uint8Array, start: number, end: number) {
      this.passed += end - start;
    },
  };
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      const stream = new ResponseStream(Buffer.from('7'), Buffer.from('"c"'), null, false);
      for (let at = 32; at < end; at += 65_536) {
        stream.push(bytes, at, Math.min(end, at + 65_536), sink);
      }
    }
  });
  digest(sink.passed % 1000);
});
