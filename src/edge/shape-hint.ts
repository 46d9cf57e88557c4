/** Which of the known heads one connection's next is likely to be like (`head-shape.ts`). */
import { ANY_SHAPE } from './head-shape.ts';
import type { HttpListener } from './http-port.ts';

/** After a head that was like none of the known, so many are tried with the hint alone. */
const REST_HEADS = 16;

export class ShapeHint {
  #shape = ANY_SHAPE;
  #rest = 0;

  /** @returns the offset behind the head that begins at `start`, if the listener knows it; else 0 */
  match(listener: HttpListener, bytes: Buffer, start: number, end: number): number {
    if (listener.knownHeads === undefined) return 0;
    const isResting = this.#rest > 0;
    const after = listener.matchHead!(bytes, start, end, this.#shape, !isResting);
    if (after > 0) this.#shape = listener.knownHeads.last;
    else this.#rest = isResting ? this.#rest - 1 : REST_HEADS;
    return after;
  }

  /** A head has been read, and the listener may have learned it. */
  learn(listener: HttpListener): void {
    const shape = listener.knownHeads?.last ?? ANY_SHAPE;
    if (shape !== ANY_SHAPE) this.#shape = shape;
  }
}
