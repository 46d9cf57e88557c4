import { expect, it } from 'vitest';
import { EVENT_NO_UPSTREAM, eventUpstream, writeEventHead } from '../../shared/event-kind.ts';

it('carries the upstream slot before the body', () => {
  const bytes = new Uint8Array(8);
  expect(writeEventHead(bytes, 3, 0x1234)).toBe(5);
  expect(eventUpstream(bytes, 3, 8)).toBe(0x1234);
  writeEventHead(bytes, 3, EVENT_NO_UPSTREAM);
  expect(eventUpstream(bytes, 3, 5)).toBe(EVENT_NO_UPSTREAM);
});

it('refuses an event without a head', () => {
  expect(eventUpstream(new Uint8Array(8), 3, 4)).toBe(-1);
  expect(eventUpstream(new Uint8Array(8), 3, 3)).toBe(-1);
});
