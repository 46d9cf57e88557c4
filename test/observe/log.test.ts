import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';

function capture(level: 'info' | 'silent' = 'info') {
  const lines: string[] = [];
  const logger = createLogger(level, { write: (line) => void lines.push(line) });
  return { logger, lines };
}

describe('the log', () => {
  it('is one JSON object per line, with level, time and message by name', () => {
    const { logger, lines } = capture();
    logger.warn({ shard: 1 }, 'answered for a lost shard');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      shard: 1,
      message: 'answered for a lost shard',
    });
  });

  it.each([
    'authorization',
    'cookie',
    'token',
    'secret',
    'clientSecret',
    'password',
    'apiKey',
    'x-api-key',
    'mcp-session-id',
  ])('hides %s wherever it stands', (member) => {
    const { logger, lines } = capture();
    logger.info({ [member]: 'hidden-value' }, 'a');
    logger.info({ headers: { [member]: 'hidden-value' } }, 'b');
    logger.info({ request: { headers: { [member]: 'hidden-value' } } }, 'c');
    expect(lines.join('')).not.toContain('hidden-value');
    expect(lines.join('').match(/\[redacted\]/g)).toHaveLength(3);
  });

  it('says nothing when it is silent, and speaks when its level changes', () => {
    const { logger, lines } = capture('silent');
    logger.error('a');
    logger.level = 'error';
    logger.error('b');
    expect(lines).toHaveLength(1);
  });
});
