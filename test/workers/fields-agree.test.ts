import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HEADER_MCP_METHOD,
  HEADER_MCP_NAME,
  HEADER_MCP_PROTOCOL_VERSION,
} from '../../shared/header-code.ts';
import { createKernelMemory, openKernel, takeBytes } from '../../shared/kernel/byte-kernel.ts';
import { OPEN_HEAD_BYTES, OpenHead, writeHeader, writeOpenHead } from '../../shared/open-codec.ts';
import { Classification } from '../../src/protocol/eras/classification.ts';
import { classify, classifyMirrored, isNamedClaim } from '../../src/protocol/eras/classify.ts';
import { peek } from '../../src/protocol/jsonrpc/peek.ts';
import { PEEK_OK } from '../../src/protocol/jsonrpc/verdict.ts';
import { Exchange } from '../../workers/exchange.ts';
import { ANONYMOUS } from '../../workers/policy/principal.ts';
import { RequestView } from '../../workers/request-view.ts';
import type { ShardPlan } from '../../workers/shard-plan.ts';

const BYTES = 1 << 20;
const memory = createKernelMemory(BYTES);
openKernel(memory, 0, BYTES);

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

interface Call {
  readonly version: string;
  readonly method: string;
  readonly name: string;
}

/** A request as a shard gets it, in memory where the kernel works. */
class Request {
  readonly #frame = Buffer.from(memory!.buffer, takeBytes(64 * 1024).byteOffset, 64 * 1024);
  readonly #exchange = new Exchange(null as unknown as ShardPlan, ANONYMOUS);
  readonly view = new RequestView();

  /** @returns whether the kernel found that the fields agree, after the slow way was found to think so too */
  judge(fields: Partial<Call>, body: string): boolean {
    const view = this.#load(fields, body);
    if (view === null) return false;
    const { bytes, peek: record } = view;
    if (!isNamedClaim(record) || !view.fieldsAgree(bytes)) return false;
    const slow = new Classification();
    const fast = new Classification();
    const isFine = classify(bytes, record, view.loadMcpHeaders(), slow);
    expect(classifyMirrored(view.range, record, fast)).toBe(isFine);
    expect(fast).toEqual(slow);
    return true;
  }

  /** Null for a body that is written anew before anyone relies on it. */
  #load(fields: Partial<Call>, body: string): RequestView | null {
    const frame = this.#frame;
    const named = [
      [HEADER_MCP_PROTOCOL_VERSION, fields.version],
      [HEADER_MCP_METHOD, fields.method],
      [HEADER_MCP_NAME, fields.name],
    ] as const;
    const head = new OpenHead();
    let at = OPEN_HEAD_BYTES;
    for (const [code, value] of named) {
      if (value === undefined) continue;
      const bytes = Buffer.from(value, 'latin1');
      at = writeHeader(frame, at, code, null, bytes, 0, bytes.length);
      head.headerCount += 1;
    }
    head.headerBytes = at - OPEN_HEAD_BYTES;
    writeOpenHead(frame, 0, head, new Uint8Array(0));
    const end = at + frame.write(body, at);
    const exchange = this.#exchange;
    exchange.frame = frame;
    exchange.frameStart = 0;
    exchange.frameEnd = end;
    expect(this.view.load(exchange)).toBe(true);
    return peek(frame, at, end, this.view.peek) === PEEK_OK ? this.view : null;
  }
}

const request = new Request();
const usual: Call = { version: '2026-07-28', method: 'tools/call', name: 'add' };

function bodyOf({ version, method, name }: Call, more: object = {}): string {
  const meta = { [VERSION]: version, [CAPABILITIES]: {} };
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name, ...more, _meta: meta } });
}

describe('fields that mirror a call', () => {
  it('are found to agree when they do', () => {
    expect(request.judge(usual, bodyOf(usual))).toBe(true);
    const long = { ...usual, name: 'n'.repeat(100) };
    expect(request.judge(long, bodyOf(long))).toBe(true);
  });

  it('are looked at by the slow way when one is missing or differs', () => {
    for (const field of ['version', 'method', 'name'] as const) {
      const rest: Partial<Call> = { ...usual };
      Reflect.deleteProperty(rest, field);
      expect(request.judge(rest, bodyOf(usual))).toBe(false);
      expect(request.judge({ ...usual, [field]: `${usual[field]}x` }, bodyOf(usual))).toBe(false);
      const other = usual[field].replace(/.$/, '~');
      expect(request.judge({ ...usual, [field]: other }, bodyOf(usual))).toBe(false);
    }
  });

  it('are looked at by the slow way when they may stand for something else', () => {
    for (const name of [' add', 'add ', '=?base64?YWRk?=', '=', '', 'a\u00e9', 'a\tb', 'a\u007f']) {
      const text = Buffer.from(name, 'latin1').toString('utf8');
      const call = { ...usual, name: text };
      expect(request.judge({ ...usual, name }, bodyOf(call))).toBe(false);
    }
  });

  it('are looked at by the slow way when bytes stand in them that no field may have', () => {
    const name = Buffer.from('caf\u00e9', 'utf8').toString('latin1');
    expect(request.judge({ ...usual, name }, bodyOf({ ...usual, name: 'caf\u00e9' }))).toBe(false);
  });

  it('say nothing for methods that mirror another member', () => {
    const read = { ...usual, method: 'resources/read' };
    expect(request.judge(read, bodyOf(read, { uri: 'a:b' }))).toBe(false);
  });

  it('lead to the same verdict as the slow way, whatever they and the call say', () => {
    const text = fc.oneof(
      fc.constantFrom('2026-07-28', '2025-11-25', '2026-07-29', 'tools/call', 'prompts/get'),
      fc.constantFrom(
        'ping',
        'add',
        'a b',
        ' add',
        'server/discover',
        'initialize',
        'nothing/known',
      ),
      fc.stringMatching(/^[ -~]{0,20}$/),
    );
    const call = fc.record({ version: text, method: text, name: text });
    const usually = fc.record({
      version: fc.constantFrom('2026-07-28', '2026-07-28', '2025-11-25', '1'),
      method: fc.constantFrom('tools/call', 'tools/call', 'prompts/get', 'x', 'tools/list'),
      name: text,
    });
    let agreed = 0;
    fc.assert(
      fc.property(fc.oneof(call, usually), fc.boolean(), call, (body, isSame, other) => {
        if (request.judge(isSame ? body : other, bodyOf(body))) agreed += 1;
      }),
      { numRuns: 2000 },
    );
    expect(agreed).toBeGreaterThan(50);
  });
});
