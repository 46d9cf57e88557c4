import type { Exchange } from './exchange.ts';

/** Go on with the next stage. */
export const NEXT = 0;
/** The stage has answered (or nothing is to be answered): the pipeline is left. */
export const DONE = 1;
/** The stage keeps the exchange and resumes the pipeline, or answers, later. */
export const WAIT = 2;

export type Verdict = typeof NEXT | typeof DONE | typeof WAIT;

/** One step of the pipeline: a thin adapter on a room below. Stages are stateless between exchanges. */
export interface Stage {
  readonly name: string;
  handle(exchange: Exchange): Verdict;
}
