/**
 * What every fixture server offers, whichever package serves it: so a test can go through all of them
 * with the same calls. `kit` hides what the two packages call differently.
 */
import { setImmediate as turn } from 'node:timers/promises';

/** Ids of calls that were told to stop, in order; `waits` of those that are still waiting. */
export const journal = { cancelled: [], waits: new Set(), roots: 0 };

/** Resolves only when the call is aborted; the journal says so. */
export function waitForAbort(tag, signal) {
  journal.waits.add(tag);
  return new Promise((resolve, reject) => {
    const stop = () => {
      journal.waits.delete(tag);
      journal.cancelled.push(tag);
      reject(new Error('aborted'));
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

export const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });

/** Progress in order, with a turn in between so that each is a message of its own. */
export async function countSteps(steps, report) {
  for (let step = 1; step <= steps; step += 1) {
    await report({ progress: step, total: steps, message: `step ${step}` });
    await turn();
  }
  return text(`${steps} steps`);
}

export const NAMES = ['ada', 'alan', 'barbara', 'grace'];
export const namesFrom = (value) => NAMES.filter((name) => name.startsWith(value));
export const noteText = (name) => `a note on ${name}`;
