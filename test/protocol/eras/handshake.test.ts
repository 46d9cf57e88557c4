import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLIENT_ELICITATION_FORM,
  CLIENT_ELICITATION_URL,
  CLIENT_ROOTS,
  CLIENT_ROOTS_LIST_CHANGED,
  CLIENT_SAMPLING,
  CLIENT_SAMPLING_TOOLS,
  clientCapabilities,
  clientCapabilitiesText,
  serverCapabilities,
  serverCapabilitiesText,
} from '../../../src/protocol/eras/capabilities.ts';
import {
  discoverResult,
  PROBE_LEGACY,
  PROBE_MODERN,
  PROBE_UNSUPPORTED,
  readDiscoverResult,
  readProbe,
} from '../../../src/protocol/eras/discover.ts';
import { envelopeMembers, envelopeParams } from '../../../src/protocol/eras/envelope.ts';
import {
  REVISION_2024_11_05,
  REVISION_2025_03_26,
  REVISION_2025_06_18,
  REVISION_2025_11_25,
  REVISION_2026_07_28,
  REVISIONS,
} from '../../../src/protocol/eras/era.ts';
import {
  INFO_BYTES_MAX,
  initializeParams,
  initializeResult,
  negotiateRevision,
  readInitializeParams,
  readInitializeResult,
} from '../../../src/protocol/eras/initialize.ts';
import { PEEK_OK } from '../../../src/protocol/jsonrpc/verdict.ts';
import {
  SERVER_COMPLETIONS,
  SERVER_LOGGING,
  SERVER_PROMPTS,
  SERVER_RESOURCES,
  SERVER_RESOURCES_SUBSCRIBE,
  SERVER_TOOLS,
  SERVER_TOOLS_LIST_CHANGED,
} from '../../../src/protocol/methods.ts';
import { peekText } from '../support/messages.ts';

const clientInfo = { name: 'c', version: '1', title: 'Cliënt' };

function initialize(params: unknown) {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  const peeked = peekText(text);
  expect(peeked.verdict).toBe(PEEK_OK);
  return peeked;
}

describe('initialize', () => {
  it.each([
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2025-03-26', '2025-03-26'],
    ['2024-11-05', '2024-11-05'],
    ['2026-07-28', '2025-11-25'],
    ['1999-01-01', '2025-11-25'],
    ['', '2025-11-25'],
  ])('that asks for %j is answered with %s', (asked, answered) => {
    const { bytes, record } = initialize({ protocolVersion: asked, capabilities: {}, clientInfo });
    expect(REVISIONS[negotiateRevision(bytes, record)]).toBe(answered);
  });

  it('tells the capabilities and the name of a client', () => {
    const { bytes, record } = initialize({
      clientInfo,
      capabilities: {
        roots: { listChanged: true },
        sampling: { tools: {} },
        elicitation: { url: {} },
      },
      protocolVersion: '2025-11-25',
    });
    const read = readInitializeParams(bytes, record)!;
    expect(read.capabilities).toBe(
      CLIENT_ROOTS |
        CLIENT_ROOTS_LIST_CHANGED |
        CLIENT_SAMPLING |
        CLIENT_SAMPLING_TOOLS |
        CLIENT_ELICITATION_URL,
    );
    expect(JSON.parse(read.clientInfo)).toEqual(clientInfo);
  });

  it.each([
    ['no version', { capabilities: {}, clientInfo }],
    ['a version that is no string', { protocolVersion: 1, capabilities: {}, clientInfo }],
    ['no capabilities', { protocolVersion: '2025-11-25', clientInfo }],
    ['no client', { protocolVersion: '2025-11-25', capabilities: {} }],
    [
      'a client without a version',
      { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c' } },
    ],
    [
      'a client of undue length',
      {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'c'.repeat(INFO_BYTES_MAX), version: '1' },
      },
    ],
  ])('with %s is refused', (_what, params) => {
    const { bytes, record } = initialize(params);
    expect(readInitializeParams(bytes, record)).toBe(null);
  });

  it('is written so that the other side reads the same', () => {
    const { bytes, record } = initialize(
      JSON.parse(
        initializeParams(
          REVISION_2025_06_18,
          CLIENT_ROOTS | CLIENT_ELICITATION_FORM,
          JSON.stringify(clientInfo),
        ).toString(),
      ),
    );
    const read = readInitializeParams(bytes, record)!;
    expect([read.revision, read.capabilities]).toEqual([
      REVISION_2025_06_18,
      CLIENT_ROOTS | CLIENT_ELICITATION_FORM,
    ]);
    const result = {
      revision: REVISION_2025_11_25,
      capabilities:
        SERVER_TOOLS |
        SERVER_TOOLS_LIST_CHANGED |
        SERVER_RESOURCES |
        SERVER_RESOURCES_SUBSCRIBE |
        SERVER_LOGGING,
      serverInfo: '{"name":"s","version":"2"}',
      instructions: 'be "kind"\n',
    };
    const written = initializeResult(result);
    expect(readInitializeResult(written, 0, written.length)).toEqual(result);
  });

  it.each([
    ['{"protocolVersion":"2026-07-28"}'],
    ['{"protocolVersion":"2023-01-01"}'],
    ['{}'],
    ['[]'],
    ['"x"'],
  ])('answered with %s comes to nothing', (text) => {
    const bytes = Buffer.from(text);
    expect(readInitializeResult(bytes, 0, bytes.length)).toBe(null);
  });
});

describe('capabilities', () => {
  it('of clients survive being written for the revision that has them all', () => {
    fc.assert(
      fc.property(fc.nat(127), (bits) => {
        const value = JSON.parse(clientCapabilitiesText(bits, REVISION_2025_11_25)) as unknown;
        const impliedRoots = (bits & CLIENT_ROOTS) === 0 ? CLIENT_ROOTS_LIST_CHANGED : 0;
        const impliedSampling = (bits & CLIENT_SAMPLING) === 0 ? 24 : 0;
        expect(clientCapabilities(value)).toBe(bits & ~impliedRoots & ~impliedSampling);
      }),
    );
  });

  it('never offer elicitation to a server that would misread it', () => {
    const text = (bits: number, revision: number) =>
      JSON.parse(clientCapabilitiesText(bits, revision)) as object;
    expect(text(CLIENT_ELICITATION_URL, REVISION_2025_06_18)).toEqual({});
    expect(text(CLIENT_ELICITATION_FORM | CLIENT_ELICITATION_URL, REVISION_2025_06_18)).toEqual({
      elicitation: {},
    });
    expect(text(CLIENT_ELICITATION_FORM, REVISION_2025_03_26)).toEqual({});
    expect(text(CLIENT_ELICITATION_URL, REVISION_2026_07_28)).toEqual({ elicitation: { url: {} } });
    expect(text(CLIENT_ROOTS | CLIENT_ROOTS_LIST_CHANGED, REVISION_2026_07_28)).toEqual({
      roots: {},
    });
  });

  it('of servers survive being written', () => {
    const all = {
      tools: { listChanged: true },
      prompts: {},
      resources: { subscribe: true },
      logging: {},
      completions: {},
    };
    const bits = serverCapabilities(all, REVISION_2025_11_25);
    expect(JSON.parse(serverCapabilitiesText(bits, REVISION_2025_11_25))).toEqual(all);
    expect(serverCapabilities({ prompts: {} }, REVISION_2024_11_05)).toBe(
      SERVER_PROMPTS | SERVER_COMPLETIONS,
    );
    expect(serverCapabilities(null, REVISION_2025_11_25)).toBe(0);
  });
});

describe('server/discover', () => {
  const described = {
    revision: REVISION_2026_07_28,
    capabilities: SERVER_TOOLS | SERVER_PROMPTS,
    serverInfo: '{"name":"s","version":"1"}',
    instructions: null,
    ttlMs: 5,
    isPublic: false,
  };

  it('is written as it is read', () => {
    const bytes = discoverResult(described);
    expect(readDiscoverResult(bytes, 0, bytes.length)).toEqual(described);
    expect(JSON.parse(bytes.toString())).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {}, prompts: {} },
      ttlMs: 5,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 's', version: '1' } },
    });
  });

  const probe = (rest: string) => {
    const { bytes, record } = peekText(`{"jsonrpc":"2.0","id":1,${rest}}`);
    return readProbe(bytes, record);
  };

  it('tells a modern server by its result or by -32022 with versions, and by nothing else', () => {
    const modern = probe(`"result":${discoverResult(described).toString()}`);
    expect([modern.verdict, modern.discovered?.capabilities]).toEqual([
      PROBE_MODERN,
      SERVER_TOOLS | SERVER_PROMPTS,
    ]);
    const error = (code: number, data: string) =>
      probe(`"error":{"code":${code},"message":"m"${data}}`);
    const offered = error(
      -32022,
      ',"data":{"supported":["2026-07-28","2025-11-25"],"requested":"x"}',
    );
    expect([offered.verdict, offered.revision]).toEqual([PROBE_MODERN, REVISION_2026_07_28]);
    expect(error(-32022, ',"data":{"supported":["2099-01-01"]}').verdict).toBe(PROBE_UNSUPPORTED);
    for (const code of [-32022, -32601, -32602, -32000, -32001, -32020, -32021]) {
      expect(error(code, '').verdict).toBe(PROBE_LEGACY);
    }
    expect(probe('"result":{}').verdict).toBe(PROBE_LEGACY);
    expect(probe('"result":{"supportedVersions":["2025-11-25"],"capabilities":{}}').verdict).toBe(
      PROBE_LEGACY,
    );
  });
});

it('an envelope is read back from the request that carries it', () => {
  const envelope = envelopeMembers(
    REVISION_2026_07_28,
    '{"roots":{}}',
    JSON.stringify(clientInfo),
    'info',
  );
  const params = envelopeParams(envelope, '"cursor":""').toString();
  const { verdict, record, bytes } = peekText(
    `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":${params}}`,
  );
  expect(verdict).toBe(PEEK_OK);
  const text = (start: number, end: number) => bytes.toString('utf8', start, end);
  expect(text(record.metaVersionStart, record.metaVersionEnd)).toBe('2026-07-28');
  expect(text(record.metaCapabilitiesStart, record.metaCapabilitiesEnd)).toBe('{"roots":{}}');
  expect(JSON.parse(text(record.metaClientInfoStart, record.metaClientInfoEnd))).toEqual(
    clientInfo,
  );
  expect(text(record.metaLogLevelStart, record.metaLogLevelEnd)).toBe('"info"');
  expect(text(record.cursorStart, record.cursorEnd)).toBe('""');
});
