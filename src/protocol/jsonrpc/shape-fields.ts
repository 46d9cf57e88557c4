/**
 * What a message shape fills a record with: the record of the message that was learned from, and for each
 * place in it the literal by which it moves. Only members that are listed here, for requests and for results.
 */
import {
  KIND_REQUEST,
  PEEK_FIELDS,
  PEEK_FIRST_PLACE,
  PEEK_WORDS,
  type Peek,
  type PeekField,
} from './peek-record.ts';

/** Literals of a shape at most. */
export const SEGMENTS_MAX = 16;

const REQUEST_FIELDS = [
  'methodStart',
  'methodEnd',
  'idStart',
  'idEnd',
  'paramsStart',
  'paramsEnd',
  'nameStart',
  'nameEnd',
  'uriStart',
  'uriEnd',
  'argumentsStart',
  'argumentsEnd',
  'metaKey',
  'metaStart',
  'metaEnd',
  'metaVersionKey',
  'metaVersionStart',
  'metaVersionEnd',
  'metaCapabilitiesKey',
  'metaCapabilitiesStart',
  'metaCapabilitiesEnd',
  'metaClientInfoKey',
  'metaClientInfoStart',
  'metaClientInfoEnd',
  'metaLogLevelKey',
  'metaLogLevelStart',
  'metaLogLevelEnd',
  'metaProgressTokenKey',
  'metaProgressTokenStart',
  'metaProgressTokenEnd',
  'traceparentStart',
  'traceparentEnd',
  'tracestateStart',
  'tracestateEnd',
  'baggageStart',
  'baggageEnd',
] as const satisfies readonly PeekField[];

const RESPONSE_FIELDS = [
  'idStart',
  'idEnd',
  'resultStart',
  'resultEnd',
  'resultTypeKey',
  'resultTypeStart',
  'resultTypeEnd',
  'ttlMsKey',
  'ttlMsStart',
  'ttlMsEnd',
  'cacheScopeKey',
  'cacheScopeStart',
  'cacheScopeEnd',
  'resultMetaStart',
  'resultMetaEnd',
  'serverInfoStart',
  'serverInfoEnd',
] as const satisfies readonly PeekField[];

/** The longer of the two lists. */
export const FILLED_MAX: number = REQUEST_FIELDS.length;

export class FilledFields {
  /** All that the record holds is filled in, and stands in literals or at their ends. */
  readonly isWhole: boolean;
  /** The words of the record. */
  readonly template: Int32Array;
  /** Of each place that there is: its word, and the literal that it stands in. */
  readonly words: Int32Array;
  readonly segments: Int32Array;

  constructor(record: Peek, starts: Int32Array, ends: readonly number[]) {
    const listed: readonly PeekField[] =
      record.kind === KIND_REQUEST ? REQUEST_FIELDS : RESPONSE_FIELDS;
    const places = PEEK_FIELDS.filter(
      (field, word) => word >= PEEK_FIRST_PLACE && record[field] >= 0,
    );
    const segments = places.map((field) =>
      ends.findIndex((end, index) => record[field] >= starts[index]! && record[field] <= end),
    );
    this.isWhole = !segments.includes(-1) && places.every((field) => listed.includes(field));
    this.template = record.words.slice();
    this.words = Int32Array.from(places, (field) => PEEK_FIELDS.indexOf(field));
    this.segments = Int32Array.from(segments);
  }

  /** @param moved by how much each literal moved */
  fill(out: Peek, moved: Int32Array): void {
    const { template, words, segments } = this;
    const record = out.words;
    for (let word = 0; word < PEEK_WORDS; word += 1) record[word] = template[word]!;
    for (let index = 0; index < words.length; index += 1) {
      record[words[index]!]! += moved[segments[index]!]!;
    }
  }
}
