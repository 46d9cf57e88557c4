import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHUNK_FIRST,
  CHUNK_LAST,
  EVENT_END,
  eventBytes,
  EventStreamParser,
  KEEP_ALIVE_COMMENT,
  primingBytes,
  writeEvent,
  writeEventData,
  writeEventStart,
  writePriming,
  type EventChunkPlace,
  type EventStreamListener,
} from '../../src/transport/event-stream.ts';

interface Seen {
  name: string;
  data: string;
  id: string;
}

const HELD_BYTES_MAX = 256;

class Recorder implements EventStreamListener {
  readonly events: Seen[] = [];
  readonly places: EventChunkPlace[] = [];
  chunkBytes = 0;
  isTooLarge = false;
  answer = true;
  parser: EventStreamParser;
  #chunked = '';

  constructor(heldBytesMax = HELD_BYTES_MAX) {
    this.parser = new EventStreamParser(this, heldBytesMax);
  }

  onEvent(bytes: Buffer, start: number, end: number): boolean {
    this.#note(bytes.toString('utf8', start, end));
    return this.answer;
  }

  onEventChunk(bytes: Buffer, start: number, end: number, place: EventChunkPlace): boolean {
    this.places.push(place);
    this.chunkBytes += end - start;
    if (place === CHUNK_FIRST) this.#chunked = '';
    this.#chunked += bytes.toString('latin1', start, end);
    if (place === CHUNK_LAST) this.#note(Buffer.from(this.#chunked, 'latin1').toString('utf8'));
    return this.answer;
  }

  onEventTooLarge(): void {
    this.isTooLarge = true;
  }

  /** Feeds the bytes cut at the given places. Each piece is overwritten after it was taken. */
  feed(bytes: Buffer, cuts: readonly number[] = []): this {
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (cut < from) continue;
      const piece = Buffer.alloc(cut - from + 8, 0x0a);
      bytes.copy(piece, 4, from, cut);
      this.parser.push(piece, 4, 4 + cut - from);
      piece.fill(0x23);
      from = cut;
    }
    return this;
  }

  #note(data: string): void {
    const { eventName, lastEventId } = this.parser;
    this.events.push({ name: eventName, data, id: lastEventId });
  }
}

function parse(text: string, cuts: readonly number[] = []): Recorder {
  return new Recorder().feed(Buffer.from(text, 'utf8'), cuts);
}

function dataOf(text: string): string[] {
  return parse(text).events.map((event) => event.data);
}

const everyByte = (text: string): number[] =>
  Array.from({ length: Buffer.byteLength(text) }, (_, at) => at);

describe('the event stream parser', () => {
  it('hands out an event that came in one piece without copying it', () => {
    const bytes = Buffer.from('event: message\ndata: {"a":1}\n\n');
    let seen: Buffer | null = null;
    const listener: EventStreamListener = {
      onEvent: (data, start, end) => {
        seen = data.subarray(start, end);
        return true;
      },
      onEventChunk: () => true,
      onEventTooLarge: () => undefined,
    };
    new EventStreamParser(listener, 1024).push(bytes, 0, bytes.length);
    expect(seen).toEqual(Buffer.from('{"a":1}'));
    bytes.fill(0x78);
    expect(seen).toEqual(Buffer.from('xxxxxxx'));
  });

  it('reads the examples of the standard', () => {
    expect(dataOf('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual(['YHOO\n+2\n10']);
    expect(dataOf('data\n\ndata\ndata\n\ndata:')).toEqual(['', '\n']);
    expect(dataOf('data:test\n\ndata: test\n\n')).toEqual(['test', 'test']);
    const ids = parse(': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n');
    expect(ids.events.map((event) => [event.data, event.id])).toEqual([
      ['first event', '1'],
      ['second event', ''],
    ]);
  });

  it('takes CR, LF and CRLF as line ends, also where they are cut apart', () => {
    for (const end of ['\n', '\r', '\r\n']) {
      const text = `data: a${end}data: b${end}${end}data: c${end}${end}`;
      expect(parse(text).events.map((event) => event.data)).toEqual(['a\nb', 'c']);
      expect(parse(text, everyByte(text)).events.map((event) => event.data)).toEqual(['a\nb', 'c']);
    }
  });

  it('drops a byte order mark at the start, whole or in pieces, and nothing that only begins like one', () => {
    const text = '\ufeffdata: a\n\n';
    expect(parse(text).events).toHaveLength(1);
    expect(parse(text, everyByte(text)).events).toHaveLength(1);
    expect(parse(`${text}\ufeffdata: b\n\n`).events).toHaveLength(1);
    const broken = Buffer.from([0xef, 0xbb, 0x0a, ...Buffer.from('data: a\n\n')]);
    expect(new Recorder().feed(broken, [1, 2]).events.map((event) => event.data)).toEqual(['a']);
  });

  it('remembers the id of an event that carries no data', () => {
    const recorder = parse('id: 7\n\n: idle\n\ndata: x\n\n');
    expect(recorder.events).toEqual([{ name: 'message', data: 'x', id: '7' }]);
  });

  it('shows the opening event of a resumable stream as empty data, with its id and retry time', () => {
    const recorder = parse('id: s1:0\nretry: 5000\ndata: \n\n');
    expect(recorder.events).toEqual([{ name: 'message', data: '', id: 's1:0' }]);
    expect(recorder.parser.retryMs).toBe(5000);
  });

  it('ignores a retry time that is not digits, an id with a NUL, and unknown fields of any length', () => {
    const long = 'x'.repeat(20_000);
    const text = `retry: 5s\nid: a\0b\n${long}: y\n: ${long}\n${long}\ndata: z\n\n`;
    for (const cuts of [[], everyByte(text)]) {
      const recorder = parse(text, cuts);
      expect(recorder.events).toEqual([{ name: 'message', data: 'z', id: '' }]);
      expect(recorder.parser.retryMs).toBe(-1);
    }
  });

  it('forgets an event that the end of the stream cuts off', () => {
    const recorder = parse('data: a\n\ndata: b\n');
    expect(recorder.events.map((event) => event.data)).toEqual(['a']);
    expect(recorder.parser.end()).toBe(true);
  });

  it('passes one line of data beyond the bound on in chunks and holds none of it', () => {
    const size = 1_000_000;
    const recorder = new Recorder();
    recorder.feed(Buffer.from('event: message\nid: 3\ndata: '));
    const piece = Buffer.alloc(1000, 0x61);
    for (let sent = 0; sent < size; sent += piece.length) recorder.feed(piece);
    expect(recorder.chunkBytes).toBe(size);
    expect(recorder.parser.end()).toBe(false);
    recorder.feed(Buffer.from('\n\ndata: next\n\n'));
    expect(recorder.parser.end()).toBe(true);
    expect(recorder.events.map((event) => event.data.length)).toEqual([size, 4]);
    expect(recorder.places[0]).toBe(CHUNK_FIRST);
    expect(recorder.places.filter((place) => place === CHUNK_FIRST)).toHaveLength(1);
    expect(recorder.places.indexOf(CHUNK_LAST)).toBe(recorder.places.length - 1);
  });

  it('refuses an event of several lines beyond the bound, and a stream stays refused', () => {
    const line = `data: ${'a'.repeat(HELD_BYTES_MAX - 10)}\n`;
    for (const cuts of [[], [20, 100, 300]]) {
      const recorder = parse(`${line}${line}\ndata: after\n\n`, cuts);
      expect(recorder.isTooLarge).toBe(true);
      expect(recorder.events).toEqual([]);
    }
    const chunked = new Recorder().feed(Buffer.from(`data: ${'a'.repeat(1000)}`));
    expect(chunked.places).toEqual([CHUNK_FIRST]);
    expect(chunked.feed(Buffer.from('\ndata: b\n\n')).isTooLarge).toBe(true);
  });

  it('refuses an id or event name beyond its bound', () => {
    for (const field of ['id', 'event']) {
      const text = `${field}: ${'a'.repeat(5000)}\ndata: x\n\n`;
      expect(parse(text).isTooLarge).toBe(true);
      expect(parse(text, [1, 3, 4999]).isTooLarge).toBe(true);
    }
  });

  it('says that the listener wants a pause, after working through the whole piece', () => {
    const recorder = new Recorder();
    recorder.answer = false;
    const bytes = Buffer.from('data: a\n\ndata: b\n\n');
    expect(recorder.parser.push(bytes, 0, bytes.length)).toBe(false);
    expect(recorder.events).toHaveLength(2);
    recorder.answer = true;
    expect(recorder.parser.push(bytes, 0, bytes.length)).toBe(true);
  });

  it('agrees with eventsource-parser on any stream, however it is cut', () => {
    fc.assert(
      fc.property(streamText(), fc.array(fc.nat(400), { maxLength: 30 }), (text, rawCuts) => {
        const whole = `${text}:\n`; // its parser waits for what follows a CR
        const expected: Seen[] = [];
        const oracle = createParser({
          onEvent: (event) =>
            expected.push({
              name: event.event ?? 'message',
              data: event.data,
              id: event.id ?? '',
            }),
        });
        oracle.feed(whole);
        const cuts = [...rawCuts].sort((a, b) => a - b);
        const bytes = Buffer.from(whole, 'utf8');
        const actual = new Recorder(10_000).feed(
          bytes,
          cuts.filter((cut) => cut < bytes.length),
        ).events;
        expect(actual.map(({ name, data }) => ({ name, data }))).toEqual(
          expected.map(({ name, data }) => ({ name, data })),
        );
        // Its ids last for one event, ours until the next id.
        expected.forEach((event, i) => {
          if (event.id !== '') expect(actual[i]?.id).toBe(event.id);
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the same events with a small bound as with a large one, as long as data is one line', () => {
    const data = fc.string({ unit: fc.constantFrom('a', 'b', ':', ' ', 'é'), maxLength: 600 });
    const cuts = fc.array(fc.nat(2000), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(data, { maxLength: 5 }), cuts, (messages, rawCuts) => {
        const text = messages.map((message) => `data: ${message}\n\n`).join('');
        const bytes = Buffer.from(text);
        const sorted = rawCuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
        expect(new Recorder(50).feed(bytes, sorted).events.map((event) => event.data)).toEqual(
          messages,
        );
      }),
      { numRuns: 300 },
    );
  });
});

function streamText(): fc.Arbitrary<string> {
  const end = fc.constantFrom('\n', '\n', '\r', '\r\n');
  const words = ['data', 'id', 'event', 'retry', 'dat', 'datax', 'Data', 'events', 'i', ':', ' '];
  const name = fc.constantFrom(...words, 'data', 'data', '');
  const separator = fc.constantFrom(': ', ':', ':  ', '', '::');
  const value = fc.oneof(
    fc.constantFrom('', '12', 'message', '{"a":[1,2]}', ' x ', 'a\0b', 'ü😀'),
    fc.string({ unit: fc.constantFrom('a', 'é', ':', ' ', 'd'), maxLength: 40 }),
  );
  const line = fc.tuple(name, separator, value, end).map((parts) => parts.join(''));
  const blank = end;
  return fc.array(fc.oneof(line, line, blank), { maxLength: 25 }).map((lines) => lines.join(''));
}

describe('the event stream writer', () => {
  const write = (message: string, id: string | null): string => {
    const bytes = Buffer.from(message);
    const out = Buffer.alloc(eventBytes(bytes.length, id) + 3, 0x21);
    const end = writeEvent(out, 3, bytes, 0, bytes.length, id);
    expect(end).toBe(out.length);
    return out.toString('utf8', 3, end);
  };

  it('writes events as the official SDK does', () => {
    expect(write('{"a":1}', null)).toBe('event: message\ndata: {"a":1}\n\n');
    expect(write('{"a":1}', 's1:4')).toBe('event: message\nid: s1:4\ndata: {"a":1}\n\n');
  });

  it('turns line breaks between JSON tokens into spaces, so that data stays one line', () => {
    expect(write('{\r\n "a":\n1}', null)).toBe('event: message\ndata: {   "a": 1}\n\n');
    const long = `[${'1,\r\n'.repeat(500)}1]`;
    expect(write(long, null)).toBe(`event: message\ndata: ${long.replace(/[\r\n]/g, ' ')}\n\n`);
  });

  it('writes one event from pieces of data', () => {
    const out = Buffer.alloc(200);
    let at = writeEventStart(out, 0, null);
    at = writeEventData(out, at, Buffer.from('[1,\n'), 0, 4);
    at = writeEventData(out, at, Buffer.from('xx2]'), 2, 4);
    at += EVENT_END.copy(out, at);
    expect(out.toString('utf8', 0, at)).toBe('event: message\ndata: [1, 2]\n\n');
  });

  it('writes the opening event of a resumable stream', () => {
    const out = Buffer.alloc(primingBytes('s1:0'));
    const end = writePriming(out, 0, 's1:0', 5000);
    expect(out.toString('utf8', 0, end)).toBe('id: s1:0\nretry: 5000\ndata: \n\n');
  });

  it('stops on an id that would break the line, which is a bug of ours', () => {
    expect(() => write('{}', 'a\nb')).toThrow('assertion failed');
  });

  it('writes what the parser reads, whatever the message and the id', () => {
    const id = fc.string({
      unit: fc.constantFrom('a', '9', ':', '_', 'é'),
      minLength: 1,
      maxLength: 20,
    });
    const cut = fc.nat(100);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.json(), id), { maxLength: 5 }), cut, (messages, at) => {
        const text = messages
          .map(([json, name]) => write(json, name))
          .join(KEEP_ALIVE_COMMENT.toString());
        const bytes = Buffer.from(text);
        const recorder = new Recorder(100_000).feed(bytes, at < bytes.length ? [at] : []);
        expect(recorder.events.map((event) => [event.data, event.id])).toEqual(messages);
      }),
      { numRuns: 300 },
    );
  });
});
