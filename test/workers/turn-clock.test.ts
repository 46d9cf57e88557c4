import { describe, expect, it } from 'vitest';
import { TurnClock } from '../../workers/turn-clock.ts';

function openClock() {
  const time = { now: 1, wall: 1000, readings: 0 };
  const clock = new TurnClock({
    nowMs: () => ((time.readings += 1), time.now),
    wallMs: () => time.wall,
  });
  return { time, clock };
}

describe('the clock of a turn', () => {
  it('goes on as the platform does while nobody holds it', () => {
    const { time, clock } = openClock();
    expect([clock.nowMs(), clock.wallMs()]).toEqual([1, 1000]);
    time.now = 2;
    time.wall = 1001;
    expect([clock.nowMs(), clock.wallMs()]).toEqual([2, 1001]);
  });

  it('stands still while it is held, at the moment it is first asked, and goes on when released', () => {
    const { time, clock } = openClock();
    clock.hold();
    time.now = 2;
    expect(clock.nowMs()).toBe(2);
    time.now = 3;
    time.wall = 1003;
    expect([clock.nowMs(), clock.wallMs()]).toEqual([2, 1003]);
    clock.release();
    expect([clock.nowMs(), clock.wallMs()]).toEqual([3, 1003]);
  });

  it('is never behind by more than eight frames', () => {
    const { time, clock } = openClock();
    clock.hold();
    const seen: number[] = [];
    for (let frame = 0; frame < 20; frame += 1) {
      time.now = frame;
      clock.step();
      seen.push(frame - clock.nowMs());
    }
    expect(Math.max(...seen)).toBe(7);
    expect(time.readings).toBe(3);
  });

  it('begins each hold anew', () => {
    const { time, clock } = openClock();
    clock.hold();
    clock.nowMs();
    clock.release();
    time.now = 9;
    clock.hold();
    expect(clock.nowMs()).toBe(9);
  });
});
