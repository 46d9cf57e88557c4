import { describe, expect, it, vi } from 'vitest';
import { FLAG_FIN, FRAME_DATA, FRAME_OPEN } from '../../shared/frame-kind.ts';
import {
  FRAMES_OFFSET,
  HEAD_OFFSET,
  TAIL_OFFSET,
  WANTED_OFFSET,
  resetRing,
  ringBytes,
} from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';

interface ReadFrame {
  kind: number;
  flags: number;
  exchange: number;
  aux: number;
  payload: number[];
}

class Collector implements FrameHandler {
  readonly frames: ReadFrame[] = [];
  readonly views = new Set<Uint8Array>();

  onFrame(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.views.add(bytes);
    this.frames.push({ kind, flags, exchange, aux, payload: [...bytes.subarray(start, end)] });
  }

  takeExchanges(): number[] {
    return this.frames.splice(0).map((frame) => frame.exchange);
  }
}

/** A ring in the middle of a larger region, so that a wrong offset shows. */
function openRing(capacity: number, position = 0) {
  const byteOffset = 256;
  const region = new SharedArrayBuffer(byteOffset + ringBytes(capacity) + 128);
  const words = new Int32Array(region, byteOffset, FRAMES_OFFSET >> 2);
  words[TAIL_OFFSET >> 2] = position;
  words[HEAD_OFFSET >> 2] = position;
  return {
    region,
    byteOffset,
    words,
    writer: new RingWriter(region, byteOffset, capacity),
    reader: new RingReader(region, byteOffset, capacity),
    collector: new Collector(),
  };
}

function send(writer: RingWriter, exchange: number, payloadBytes = 16): boolean {
  return writer.tryWrite(FRAME_DATA, 0, exchange, 0, new Uint8Array(payloadBytes), 0, payloadBytes);
}

describe('ring', () => {
  it('hands over kind, flags, exchange, aux and payload as they were written', () => {
    const { writer, reader, collector } = openRing(256);
    const payload = Uint8Array.of(9, 1, 2, 3, 9);
    expect(writer.tryWrite(FRAME_OPEN, FLAG_FIN, (131_072 << 14) | 3, -7, payload, 1, 4)).toBe(
      true,
    );
    expect(writer.tryWrite(FRAME_DATA, 255, 2 ** 31 - 1, 2 ** 31 - 1, payload, 0, 0)).toBe(true);

    expect(reader.read(collector, 10)).toBe(2);
    expect(collector.frames).toEqual([
      {
        kind: FRAME_OPEN,
        flags: FLAG_FIN,
        exchange: (131_072 << 14) | 3,
        aux: -7,
        payload: [1, 2, 3],
      },
      { kind: FRAME_DATA, flags: 255, exchange: 2 ** 31 - 1, aux: 2 ** 31 - 1, payload: [] },
    ]);
    expect(reader.isEmpty()).toBe(true);
  });

  it('refuses a frame while the reader is behind, and takes it once the reader caught up', () => {
    const { writer, reader, collector } = openRing(64); // room for two frames of 16 + 16 bytes

    expect([send(writer, 10), send(writer, 11), send(writer, 12)]).toEqual([true, true, false]);
    reader.read(collector, 10);
    expect(collector.takeExchanges()).toEqual([10, 11]);

    expect(send(writer, 12)).toBe(true);
    reader.read(collector, 10);
    expect(collector.takeExchanges()).toEqual([12]);
  });

  it('shows a claimed frame only when it is committed', () => {
    const { writer, reader, collector } = openRing(256);
    const at = writer.tryClaim(FRAME_OPEN, 0, 5, 0, 2);
    writer.bytes[at] = 0xaa;
    expect(reader.isEmpty()).toBe(true);
    expect(reader.read(collector, 10)).toBe(0);

    writer.bytes[at + 1] = 0xbb;
    writer.commit();
    expect(reader.isEmpty()).toBe(false);
    reader.read(collector, 10);
    expect(collector.frames[0]?.payload).toEqual([0xaa, 0xbb]);
  });

  it('leaves no trace of an abandoned claim', () => {
    const { writer, reader, collector } = openRing(256);
    writer.tryClaim(FRAME_OPEN, 0, 5, 0, 60);
    writer.abandon();
    expect(send(writer, 6)).toBe(true);
    reader.read(collector, 10);
    expect(collector.takeExchanges()).toEqual([6]);
  });

  it('skips the end of the ring when a frame does not fit before it', () => {
    const { writer, reader, collector } = openRing(128, 96);
    expect(send(writer, 1, 48)).toBe(true); // 64 bytes, but only 32 are left before the end
    expect(reader.usedBytes).toBe(32 + 64);
    expect(reader.read(collector, 1)).toBe(1);
    expect(collector.frames[0]?.payload.length).toBe(48);
    expect(reader.usedBytes).toBe(0);
  });

  it('goes on where tail and head wrap at 2^32', () => {
    const { writer, reader, collector } = openRing(64, -32 | 0);
    for (let exchange = 1; exchange <= 100; exchange += 1) {
      expect(send(writer, exchange, exchange % 17)).toBe(true);
      expect(reader.read(collector, 4)).toBe(1);
    }
    expect(collector.takeExchanges()).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it('reads no more frames than asked for', () => {
    const { writer, reader, collector } = openRing(256);
    for (const exchange of [1, 2, 3]) send(writer, exchange);
    expect(reader.read(collector, 2)).toBe(2);
    expect(reader.read(collector, 0)).toBe(0);
    expect(reader.read(collector, 2)).toBe(1);
    expect(collector.takeExchanges()).toEqual([1, 2, 3]);
  });

  it('hands out one and the same view, and the one it was given', () => {
    const { region, byteOffset, writer, collector } = openRing(256);
    const view = Buffer.from(region, byteOffset + FRAMES_OFFSET, 256);
    const reader = new RingReader(region, byteOffset, 256, view);
    for (const exchange of [1, 2, 3]) send(writer, exchange);
    reader.read(collector, 9);
    expect([...collector.views]).toEqual([view]);
    expect(() => new RingReader(region, byteOffset, 256, view.subarray(1))).toThrow('view covers');
  });

  it('keeps the memory of a frame until its handler returned', () => {
    const { writer, reader } = openRing(64);
    send(writer, 1);
    send(writer, 2);
    const whileReading: boolean[] = [];
    const handler: FrameHandler = { onFrame: () => whileReading.push(send(writer, 3)) };
    reader.read(handler, 1);
    expect(whileReading).toEqual([false]);
    expect(send(writer, 3)).toBe(true);
  });

  it('gives room back during a long read, every 64 KiB', () => {
    const { writer, reader } = openRing(1 << 18);
    for (let exchange = 0; exchange < 8; exchange += 1) send(writer, exchange, 32_752);
    expect(send(writer, 8, 32_752)).toBe(false);
    const taken: boolean[] = [];
    const handler: FrameHandler = { onFrame: () => taken.push(send(writer, 9, 32_752)) };
    reader.read(handler, 4);
    expect(taken).toEqual([false, false, true, true]);
  });

  it('counts a frame as read when its handler throws', () => {
    const { writer, reader, collector } = openRing(256);
    for (const exchange of [1, 2]) send(writer, exchange);
    const failing: FrameHandler = {
      onFrame() {
        throw new Error('no');
      },
    };
    expect(() => reader.read(failing, 9)).toThrow('no');
    reader.read(collector, 9);
    expect(collector.takeExchanges()).toEqual([2]);
    expect(writer.freeBytes).toBe(112);
  });

  it('refuses a handler that reads its own ring', () => {
    const { writer, reader } = openRing(256);
    send(writer, 1);
    const nested: FrameHandler = { onFrame: () => void reader.read(nested, 1) };
    expect(() => reader.read(nested, 1)).toThrow('own ring');
    expect(reader.read(nested, 1)).toBe(0);
  });
});

describe('a starved writer', () => {
  it('is rung back once, when the room it asked for is there', () => {
    const { writer, reader, collector } = openRing(128);
    for (const exchange of [1, 2, 3, 4]) expect(send(writer, exchange)).toBe(true);
    expect([writer.isStarved, reader.takeStarved()]).toEqual([false, false]);

    expect(writer.tryClaim(FRAME_DATA, 0, 5, 0, 48)).toBe(-1); // needs two of the four
    expect([writer.isStarved, reader.takeStarved()]).toEqual([true, false]);
    reader.read(collector, 1);
    expect([writer.isStarved, reader.takeStarved()]).toEqual([true, false]);
    reader.read(collector, 1);
    expect([reader.takeStarved(), writer.isStarved]).toEqual([true, false]);
    expect(reader.takeStarved()).toBe(false);

    expect(writer.tryClaim(FRAME_DATA, 0, 5, 0, 48)).toBeGreaterThanOrEqual(0);
  });

  it('always gets its room by the time the ring is empty, also past a skipped end', () => {
    const { writer, reader, collector } = openRing(128, 80);
    send(writer, 1, 8);
    expect(send(writer, 2, 48)).toBe(true); // skips 16 bytes to the end
    expect(send(writer, 3, 48)).toBe(false);
    reader.read(collector, 9);
    expect(reader.takeStarved()).toBe(true);
    expect(send(writer, 3, 48)).toBe(true);
  });
});

describe('a writer about to say that it starves', () => {
  it('sees the room that a reader made in that very moment, who will not look again', () => {
    const { writer, reader, collector, words } = openRing(64);
    send(writer, 1);
    send(writer, 2);
    // Runs the reader between the writer's look at `head` and its store of `starved`: it empties the
    // ring, finds nobody starved, and would sleep now.
    const store = Atomics.store;
    let rang: boolean | null = null;
    const interleaved = vi.spyOn(Atomics, 'store').mockImplementation(((
      array: Int32Array,
      index: number,
      value: number,
    ) => {
      if (rang === null && array.byteOffset === words.byteOffset && index === WANTED_OFFSET >> 2) {
        rang = false;
        reader.read(collector, 9);
        rang = reader.takeStarved();
      }
      return store(array, index, value);
    }) as typeof Atomics.store);
    try {
      expect(send(writer, 3)).toBe(true);
    } finally {
      interleaved.mockRestore();
    }
    expect(rang).toBe(false);
    expect(collector.takeExchanges()).toEqual([1, 2]);
  });
});

describe('freeBytes', () => {
  it('promises a payload that the next claim takes, and not one byte more than a frame may have', () => {
    for (let position = 0; position < 256; position += 16) {
      for (let used = 0; used <= 256; used += 32) {
        const { writer, words } = openRing(256, position);
        words[TAIL_OFFSET >> 2] = position + used;
        const full = new RingWriter(words.buffer as SharedArrayBuffer, 256, 256);
        const free = full.freeBytes;
        expect(free).toBeLessThanOrEqual(112);
        if (free >= 0) expect(full.tryClaim(FRAME_DATA, 0, 1, 0, free)).toBeGreaterThanOrEqual(0);
        else expect(full.tryClaim(FRAME_DATA, 0, 1, 0, 0)).toBe(-1);
        expect(writer.freeBytes).toBe(112);
      }
    }
  });

  it('sees the room that the reader made since the last refusal', () => {
    const { writer, reader, collector } = openRing(64);
    send(writer, 1);
    send(writer, 2);
    expect(writer.freeBytes).toBe(-16);
    reader.read(collector, 2);
    expect(writer.freeBytes).toBe(16);
  });
});

describe('a ring whose end is replaced', () => {
  it('goes on at the committed tail under a new writer: an open claim is gone', () => {
    const { region, byteOffset, writer, reader, collector } = openRing(256);
    send(writer, 1);
    writer.tryClaim(FRAME_DATA, 0, 2, 0, 16);
    const next = new RingWriter(region, byteOffset, 256);
    send(next, 3);
    reader.read(collector, 9);
    expect(collector.takeExchanges()).toEqual([1, 3]);
  });

  it('is emptied by a new reader that discards, while the writer goes on', () => {
    const { region, byteOffset, writer, collector } = openRing(64);
    send(writer, 1);
    send(writer, 2);
    expect(send(writer, 3)).toBe(false);
    const next = new RingReader(region, byteOffset, 64);
    expect(next.discard()).toBe(64);
    expect(next.takeStarved()).toBe(true);
    expect(send(writer, 3)).toBe(true);
    next.read(collector, 9);
    expect(collector.takeExchanges()).toEqual([3]);
  });

  it('is emptied also of what was written after its new reader was made', () => {
    const { writer, reader } = openRing(256);
    send(writer, 1);
    expect(reader.discard()).toBe(32);
    expect(reader.isEmpty()).toBe(true);
  });

  it('starts anew after a reset', () => {
    const { region, byteOffset, writer, words } = openRing(64, 4096);
    send(writer, 1);
    send(writer, 2);
    send(writer, 3);
    resetRing(region, byteOffset);
    expect([...words].every((word) => word === 0)).toBe(true);
    expect(new RingReader(region, byteOffset, 64).isEmpty()).toBe(true);
    expect(send(new RingWriter(region, byteOffset, 64), 4)).toBe(true);
  });
});

describe('a broken ring', () => {
  it.each([0, 15, -1, 64 + 1, 1 << 30, 2 ** 31 - 1, -(2 ** 31)])(
    'stops the reader at the frame length %i',
    (length) => {
      const { writer, reader, words, collector } = openRing(64);
      send(writer, 1, 0);
      new Int32Array(words.buffer, words.byteOffset + FRAMES_OFFSET, 1)[0] = length;
      expect(() => reader.read(collector, 9)).toThrow('assertion failed: frame');
      expect(collector.frames).toEqual([]);
    },
  );

  it('stops the reader at a frame longer than what is committed', () => {
    const { writer, reader, words, collector } = openRing(128);
    send(writer, 1, 0);
    new Int32Array(words.buffer, words.byteOffset + FRAMES_OFFSET, 1)[0] = 33;
    expect(() => reader.read(collector, 9)).toThrow('assertion failed: frame ends');
  });

  it('stops the reader at a pad that does not end with the ring or the tail', () => {
    const { writer, reader, words, collector } = openRing(128, 96);
    send(writer, 1, 48);
    new Int32Array(words.buffer, words.byteOffset + FRAMES_OFFSET + 96, 1)[0] = 48;
    expect(() => reader.read(collector, 9)).toThrow('assertion failed: frame ends');
  });

  it.each([
    ['unaligned', 8],
    ['behind the head', -16],
    ['a ring and more ahead', 80],
  ])('stops both ends at a tail that is %s', (_, tail) => {
    const { region, byteOffset, reader, words } = openRing(64);
    words[TAIL_OFFSET >> 2] = tail;
    expect(() => reader.isEmpty()).toThrow('assertion failed: ring tail');
    expect(() => new RingReader(region, byteOffset, 64)).toThrow('assertion failed: ring tail');
    expect(() => new RingWriter(region, byteOffset, 64)).toThrow('assertion failed: ring tail');
  });

  it('stops the writer at a head that was never committed', () => {
    const { writer, words } = openRing(64);
    send(writer, 1);
    send(writer, 2);
    words[HEAD_OFFSET >> 2] = 96;
    expect(() => send(writer, 3)).toThrow('assertion failed: ring tail');
  });
});

describe('misuse', () => {
  it('is refused: two claims at once, commits and abandons without a claim', () => {
    const { writer } = openRing(256);
    expect(() => writer.commit()).toThrow('a claim is open');
    expect(() => writer.abandon()).toThrow('a claim is open');
    writer.tryClaim(FRAME_DATA, 0, 1, 0, 8);
    expect(() => writer.tryClaim(FRAME_DATA, 0, 1, 0, 8)).toThrow('one claim');
  });

  it('is refused: frames over half the ring, and lengths below zero', () => {
    const { writer } = openRing(256);
    expect(writer.tryClaim(FRAME_DATA, 0, 1, 0, 112)).toBe(16);
    writer.abandon();
    expect(() => writer.tryClaim(FRAME_DATA, 0, 1, 0, 113)).toThrow('fits twice');
    expect(() => writer.tryClaim(FRAME_DATA, 0, 1, 0, -1)).toThrow('fits twice');
  });

  it.each([0, 32, 96, 2 ** 31, -64])('is refused: a ring of %i bytes', (capacity) => {
    expect(() => ringBytes(capacity)).toThrow('power of two');
  });
});
