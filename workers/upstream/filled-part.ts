/**
 * The part of a call's buffer that its request fills, as a view. A call is sent again and again from the
 * same buffer, with another length each time; making a view of memory that is at hand costs a third of
 * cutting one out of a Buffer, which has to be asked for its memory first.
 */
export class FilledPart {
  #bytes: Uint8Array = NO_BYTES;
  #memory: ArrayBufferLike = NO_BYTES.buffer;
  #offset = 0;
  #part: Uint8Array = NO_BYTES;

  /** The first `length` of `bytes`. Keeps them from the collector until it is asked for others. */
  of(bytes: Uint8Array, length: number): Uint8Array {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#memory = bytes.buffer;
      this.#offset = bytes.byteOffset;
      this.#part = NO_BYTES;
    }
    if (this.#part.length !== length) {
      this.#part = new Uint8Array(this.#memory, this.#offset, length);
    }
    return this.#part;
  }
}

const NO_BYTES = new Uint8Array(0);
