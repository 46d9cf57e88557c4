/** `notifications/cancelled` for one of our requests (MCP, cancellation). `idToken` is digits. */
export function cancelledText(idToken: Buffer, reason: string): string {
  const id = idToken.toString('latin1', 0, idToken.length);
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":${JSON.stringify(reason)}}}`;
}
