/**
 * What the stub upstream answers. It reads as little as possible, so that it is never the slowest part:
 * the id and the tool's name are found by text search, which is enough for the load that we make.
 */

const META = '"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"stub","version":"1.0.0"}}';
const TTL = '"ttlMs":3600000,"cacheScope":"public"';
const BIG_CHARS = 1_000_000;
/** What a client that reads slowly is given. */
export const HUGE_BYTES = 20_000_000;

export const TOOL_NAMES = [
  'add',
  'search',
  'get_weather',
  'list_orders',
  'read_file',
  'translate_text',
  'create_ticket',
  'convert_currency',
] as const;

const tool = (name: string): string =>
  `{"name":"${name}","description":"A tool of the stub.","inputSchema":{"type":"object"}}`;

const DISCOVER = `{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete",${TTL},${META}}`;
const LIST = `{"tools":[${[...TOOL_NAMES, 'stream', 'big', 'huge'].map(tool).join(',')}],"resultType":"complete",${TTL},${META}}`;
const RESULT_START = '{"content":[{"type":"text","text":"';
const RESULT_END = `"}],"resultType":"complete",${META}}`;
const BIG = RESULT_START + 'Lorem ipsum dolor sit amet. '.repeat(BIG_CHARS / 28) + RESULT_END;
/** One per tool, so that answers differ as well. */
const CALLS = new Map<string, string>(
  TOOL_NAMES.map((name, index) => [
    name,
    `{"content":[{"type":"text","text":"${name} ${'ok '.repeat(index * 4)}"}],"structuredContent":{"result":${index}},"resultType":"complete",${META}}`,
  ]),
);

export const REPLY_JSON = 0;
/** Two progress notes, then the answer, as an event stream. */
export const REPLY_EVENTS = 1;
/** An event stream that stays open. */
export const REPLY_OPEN = 2;
/** A notification: nothing to say. */
export const REPLY_NONE = 3;
/** JSON whose end is in `rest`. */
export const REPLY_HUGE = 4;

export interface StubReply {
  readonly kind: number;
  readonly body: string;
  readonly rest: Buffer;
}

const NOTHING = Buffer.alloc(0);
const NONE: StubReply = { kind: REPLY_NONE, body: '', rest: NOTHING };

/** @param text one JSON-RPC message */
export function stubReply(text: string): StubReply {
  const id = memberToken(text, '"id":');
  if (id === null) return NONE;
  const method = memberToken(text, '"method":');
  switch (method) {
    case '"tools/call"':
      return callReply(text, id);
    case '"server/discover"':
      return answer(id, DISCOVER);
    case '"initialize"':
      return answer(id, greeting(memberToken(text, '"protocolVersion":')));
    case '"ping"':
      return answer(id, '{}');
    case '"tools/list"':
      return answer(id, LIST);
    case '"subscriptions/listen"':
      return { kind: REPLY_OPEN, body: event(acknowledgement(id)), rest: NOTHING };
    default:
      return {
        kind: REPLY_JSON,
        body: `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"method not found"}}`,
        rest: NOTHING,
      };
  }
}

/** The message behind `RESULT_START`: one for all answers, and only where it is asked for. */
let hugeRest: Buffer | null = null;

function makeHugeRest(): Buffer {
  const rest = Buffer.alloc(HUGE_BYTES, 'Lorem ipsum dolor sit amet. ', 'latin1');
  const end = `${RESULT_END}}`;
  rest.write(end, HUGE_BYTES - end.length, 'latin1');
  return rest;
}

function callReply(text: string, id: string): StubReply {
  const name = (memberToken(text, '"name":') ?? '').slice(1, -1);
  if (name === 'big') return answer(id, BIG);
  if (name === 'huge') {
    const body = `{"jsonrpc":"2.0","id":${id},"result":${RESULT_START}`;
    hugeRest ??= makeHugeRest();
    return { kind: REPLY_HUGE, body, rest: hugeRest };
  }
  if (name === 'stream') {
    const token = memberToken(text, '"progressToken":') ?? '1';
    const note = (progress: number): string =>
      event(
        `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":${progress}}}`,
      );
    const last = event(answer(id, CALLS.get('add') as string).body);
    return { kind: REPLY_EVENTS, body: note(1) + note(2) + last, rest: NOTHING };
  }
  return answer(id, CALLS.get(name) ?? (CALLS.get('add') as string));
}

function answer(id: string, result: string): StubReply {
  return {
    kind: REPLY_JSON,
    body: `{"jsonrpc":"2.0","id":${id},"result":${result}}`,
    rest: NOTHING,
  };
}

/** For peers that speak only the older revisions. */
function greeting(version: string | null): string {
  return `{"protocolVersion":${version ?? '"2025-11-25"'},"capabilities":{"tools":{}},"serverInfo":{"name":"stub","version":"1.0.0"}}`;
}

const event = (data: string): string => `event: message\ndata: ${data}\n\n`;

function acknowledgement(id: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":${id}},"notifications":{}}}`;
}

/** The text of a member's value as it is written; strings with escapes do not occur in our load. */
function memberToken(text: string, member: string): string | null {
  const at = text.indexOf(member);
  if (at === -1) return null;
  const start = at + member.length;
  if (text.charCodeAt(start) === 0x22) return text.slice(start, text.indexOf('"', start + 1) + 1);
  let end = start;
  for (let code = text.charCodeAt(end); code !== 0x2c && code !== 0x7d;) {
    end += 1;
    if (end >= text.length) break;
    code = text.charCodeAt(end);
  }
  return text.slice(start, end);
}
