/** What `sluice serve` says on stdout, for people. */
import type { GatewayAddress } from '../gateway.ts';
import type { UpstreamStatus } from '../observe/gateway-status.ts';

/** Names on one line; more are counted. */
const TOOLS_SHOWN = 8;
const REVISION = '2026-07-28';

export function addressText(version: string, address: GatewayAddress, file: string): string {
  const lines = [
    `Sluice ${version}`,
    '',
    `  endpoint   ${address.url}`,
    ...(address.admin === null ? [] : [`  admin      ${address.admin.url}/metrics`]),
    `  settings   ${file}`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

export function upstreamsText(upstreams: readonly UpstreamStatus[]): string {
  const width = Math.max(...upstreams.map(({ name }) => name.length), 8);
  const lines = upstreams.map((upstream) => {
    const { name, kind } = upstream;
    return `  ${name.padEnd(width)}   ${kind.padEnd(5)}   ${stateText(upstream)}`;
  });
  return `Upstreams:\n\n${lines.join('\n')}\n\n`;
}

function stateText({ state, tools, reason }: UpstreamStatus): string {
  if (state === 'up' && tools !== null) return toolsText(tools);
  if (state === 'up') return 'up, its tools are not listed yet';
  if (state === 'down') return `down${reason === '' ? '' : `: ${reason}`} (it is tried again)`;
  return 'connecting';
}

function toolsText(tools: readonly string[]): string {
  if (tools.length === 0) return 'no tools';
  const shown = tools.slice(0, TOOLS_SHOWN).map(printable).join(' ');
  const more = tools.length - TOOLS_SHOWN;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** Names come from upstreams: nothing in them may steer a terminal. */
function printable(name: string): string {
  return name.replace(/[^\x21-\x7e]/gu, '?').slice(0, 80);
}

/** One line that works when pasted: a request of the current revision needs no session. */
export function curlText(url: string, needsToken: boolean): string {
  const body = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/list',
    params: {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': REVISION,
        'io.modelcontextprotocol/clientInfo': { name: 'curl', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  };
  const headers = [
    'content-type: application/json',
    'accept: application/json, text/event-stream',
    `mcp-protocol-version: ${REVISION}`,
    'mcp-method: tools/list',
  ];
  const token = needsToken ? ' -H "authorization: Bearer $MCP_TOKEN"' : '';
  const flags = headers.map((header) => ` -H '${header}'`).join('');
  return `Try it:\n\n  curl -s ${url}${flags}${token} -d '${JSON.stringify(body)}'\n\n`;
}
