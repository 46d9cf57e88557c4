/** Which of the known heads one connection's next is likely to be like (`head-shape.ts`). */
import { ANY_SHAPE } from './head-shape.ts';
import type { KnownHeads } from './http-port.ts';

/** After a head that was like none of the known, so many are tried with the hint alone. */
const REST_HEADS = 16;

export class ShapeHint {
  #shape = ANY_SHAPE;
  #rest = 0;

  /** @returns the offset behind the head that begins at `start`, if it is known; else 0 */
  match(known: KnownHeads, bytes: Buffer, start: number, end: number): number {
    const isResting = this.#rest > 0;
    const after = known.matchHead(bytes, start, end, this.#shape, !isResting);
    if (after > 0) this.#shape = known.lastShape;
    else this.#rest = isResting ? this.#rest - 1 : REST_HEADS;
    return after;
  }

  /** A head has been read, and the listener may have learned it. */
  learn(known: KnownHeads | undefined): void {
    const shape = known?.lastShape ?? ANY_SHAPE;
    if (shape !== ANY_SHAPE) this.#shape = shape;
  }
}
