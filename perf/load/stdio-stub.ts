/**
 * The stub upstream over stdin and stdout. Answers of one read leave in one write, as a server that is
 * written with care would do; the peers get the same server.
 */
import { REPLY_JSON, stubReply } from './stub-reply.ts';

let held = '';

process.stdin.setEncoding('latin1').on('data', (text: string) => {
  const lines = (held + text).split('\n');
  held = lines.pop() ?? '';
  let out = '';
  for (const line of lines) {
    const { kind, body } = stubReply(line);
    if (kind === REPLY_JSON) out += `${body}\n`;
  }
  if (out !== '') process.stdout.write(out, 'latin1');
});
process.stdin.on('end', () => process.exit(0));
