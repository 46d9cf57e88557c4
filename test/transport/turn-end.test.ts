import { describe, expect, it } from 'vitest';
import { TurnEnd } from '../../src/transport/turn-end.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the end of a turn', () => {
  it('does what was put off, in order, once, after what the turn still does', async () => {
    const end = new TurnEnd();
    const done: string[] = [];
    end.add(() => done.push('one'));
    end.add(() => done.push('two'));
    await Promise.resolve();
    done.push('turn');
    await turn();
    await turn();
    expect(done).toEqual(['turn', 'one', 'two']);
  });

  it('comes at once where nothing can join, and not a second time', async () => {
    const end = new TurnEnd();
    const done: string[] = [];
    end.add((isEarly) => done.push(`one ${isEarly}`));
    end.runEarly();
    end.runEarly();
    expect(done).toEqual(['one true']);
    end.add((isEarly) => done.push(`two ${isEarly}`));
    await turn();
    expect(done).toEqual(['one true', 'two false']);
  });

  it('leaves what a task puts off to the next one', async () => {
    const end = new TurnEnd();
    const done: number[] = [];
    const again = (): void => {
      done.push(done.length);
      if (done.length < 3) end.add(again);
    };
    end.add(again);
    end.runEarly();
    expect(done).toEqual([0]);
    await turn();
    await turn();
    await turn();
    expect(done).toEqual([0, 1, 2]);
  });
});
