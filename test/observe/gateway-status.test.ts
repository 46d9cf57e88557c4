import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeStatus } from '../../src/observe/gateway-status.ts';

const upstreams = [
  { name: 'a', kind: 'stdio' as const },
  { name: 'b', kind: 'http' as const },
];
const said = (name: string, state: string, tools: string[] | null = null, reason = ''): object => ({
  upstreams: [{ name, state, era: 'modern', tools, reason }],
});

describe('the status of the whole', () => {
  it('is the best that any shard says, with the tools of one where it is up', () => {
    const merged = mergeStatus(upstreams, [
      said('a', 'down', null, 'refused'),
      said('a', 'up', ['x', 'y']),
      null,
    ]);
    expect(merged).toEqual([
      {
        name: 'a',
        kind: 'stdio',
        state: 'up',
        era: 'modern',
        tools: ['x', 'y'],
        reason: '',
        shardsUp: 1,
      },
      { name: 'b', kind: 'http', state: 'idle', era: null, tools: null, reason: '', shardsUp: 0 },
    ]);
  });

  it('says why an upstream is down when it is down everywhere', () => {
    const [a] = mergeStatus(upstreams, [
      said('a', 'down', null, 'no such program'),
      said('a', 'down', null, 'x'),
    ]);
    expect(a).toMatchObject({ state: 'down', reason: 'no such program' });
  });

  it('takes any answer of a shard', () => {
    fc.assert(
      fc.property(
        fc.array(fc.anything()),
        fc.array(fc.record({ upstreams: fc.anything() })),
        (some, more) => {
          expect(mergeStatus(upstreams, [...some, ...more])).toHaveLength(2);
        },
      ),
    );
  });
});
