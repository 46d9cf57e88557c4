import { describe, expect, it } from 'vitest';
import { JoinDepth } from '../../../src/transport/http/join-depth.ts';

describe('the number of calls that may share a connection', () => {
  it('is what the settings allow while answers are fast', () => {
    const depth = new JoinDepth(16);
    for (let now = 0; now < 1000; now += 5) depth.onAnswered(now, now + 5);
    expect(depth.current).toBe(16);
  });

  it('halves once for all slow answers to what was sent at a time', () => {
    const depth = new JoinDepth(16);
    for (let call = 0; call < 16; call += 1) depth.onAnswered(0, 100 + call);
    expect(depth.current).toBe(8);
    depth.onAnswered(150, 250);
    expect(depth.current).toBe(4);
  });

  it('is 1 for an upstream that is slow at all times, and stays so', () => {
    const depth = new JoinDepth(16);
    for (let now = 0; now < 10_000; now += 100) depth.onAnswered(now, now + 100);
    expect(depth.current).toBe(1);
  });

  it('grows again, one by one, while answers are fast', () => {
    const depth = new JoinDepth(4);
    for (const now of [0, 100, 200]) depth.onAnswered(now, now + 100);
    expect(depth.current).toBe(1);
    const seen = [1];
    for (let now = 300; now <= 500; now += 10) {
      depth.onAnswered(now, now);
      if (depth.current !== seen.at(-1)) seen.push(depth.current);
    }
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});
