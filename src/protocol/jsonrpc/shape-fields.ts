/**
 * The members of a peek record that a message shape knows how to fill: for each the literal it stands
 * in, and where it stood in the message that was learned from. One class each for requests and for
 * results, so that a record which was filled in this way before has nothing else to be cleared.
 */
import { FILLED_REQUEST, FILLED_RESPONSE, type Peek } from './peek-record.ts';

/** Literals of a shape at most; the number itself is the place of what is absent, which does not move. */
export const SEGMENTS_MAX = 16;

export interface FilledFields {
  /** All positions lie in literals or at their ends. */
  readonly isWhole: boolean;
  /** @param moved by how much each literal moved */
  fill(out: Peek, moved: Int32Array): void;
}

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
] as const satisfies readonly (keyof Peek)[];

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
] as const satisfies readonly (keyof Peek)[];

/** Positions in the order of a list of fields. */
class Places {
  readonly offsets: Int32Array;
  readonly segments: Uint8Array;
  readonly isWhole: boolean;

  constructor(values: readonly number[], starts: Int32Array, ends: readonly number[]) {
    this.offsets = Int32Array.from(values);
    const segments = values.map((value) =>
      value < 0
        ? SEGMENTS_MAX
        : ends.findIndex((end, index) => value >= starts[index]! && value <= end),
    );
    this.segments = Uint8Array.from(segments);
    this.isWhole = !segments.includes(-1);
  }
}

export class FilledRequest implements FilledFields {
  readonly isWhole: boolean;
  readonly #kind: number;
  readonly #methodId: number;
  readonly #touched: number;
  readonly #places: Places;

  constructor(record: Peek, starts: Int32Array, ends: readonly number[]) {
    const values = REQUEST_FIELDS.map((field) => record[field]);
    this.#places = new Places(values, starts, ends);
    this.isWhole = this.#places.isWhole;
    this.#kind = record.kind;
    this.#methodId = record.methodId;
    this.#touched = record.touched;
  }

  fill(out: Peek, moved: Int32Array): void {
    const { offsets, segments } = this.#places;
    if (out.filledBy !== FILLED_REQUEST) out.reset();
    out.filledBy = FILLED_REQUEST;
    out.kind = this.#kind;
    out.methodId = this.#methodId;
    out.touched = this.#touched;
    out.methodStart = offsets[0]! + moved[segments[0]!]!;
    out.methodEnd = offsets[1]! + moved[segments[1]!]!;
    out.idStart = offsets[2]! + moved[segments[2]!]!;
    out.idEnd = offsets[3]! + moved[segments[3]!]!;
    out.paramsStart = offsets[4]! + moved[segments[4]!]!;
    out.paramsEnd = offsets[5]! + moved[segments[5]!]!;
    out.nameStart = offsets[6]! + moved[segments[6]!]!;
    out.nameEnd = offsets[7]! + moved[segments[7]!]!;
    out.uriStart = offsets[8]! + moved[segments[8]!]!;
    out.uriEnd = offsets[9]! + moved[segments[9]!]!;
    out.argumentsStart = offsets[10]! + moved[segments[10]!]!;
    out.argumentsEnd = offsets[11]! + moved[segments[11]!]!;
    out.metaKey = offsets[12]! + moved[segments[12]!]!;
    out.metaStart = offsets[13]! + moved[segments[13]!]!;
    out.metaEnd = offsets[14]! + moved[segments[14]!]!;
    fillMeta(out, offsets, segments, moved);
  }
}

function fillMeta(out: Peek, offsets: Int32Array, segments: Uint8Array, moved: Int32Array): void {
  out.metaVersionKey = offsets[15]! + moved[segments[15]!]!;
  out.metaVersionStart = offsets[16]! + moved[segments[16]!]!;
  out.metaVersionEnd = offsets[17]! + moved[segments[17]!]!;
  out.metaCapabilitiesKey = offsets[18]! + moved[segments[18]!]!;
  out.metaCapabilitiesStart = offsets[19]! + moved[segments[19]!]!;
  out.metaCapabilitiesEnd = offsets[20]! + moved[segments[20]!]!;
  out.metaClientInfoKey = offsets[21]! + moved[segments[21]!]!;
  out.metaClientInfoStart = offsets[22]! + moved[segments[22]!]!;
  out.metaClientInfoEnd = offsets[23]! + moved[segments[23]!]!;
  out.metaLogLevelKey = offsets[24]! + moved[segments[24]!]!;
  out.metaLogLevelStart = offsets[25]! + moved[segments[25]!]!;
  out.metaLogLevelEnd = offsets[26]! + moved[segments[26]!]!;
  out.metaProgressTokenKey = offsets[27]! + moved[segments[27]!]!;
  out.metaProgressTokenStart = offsets[28]! + moved[segments[28]!]!;
  out.metaProgressTokenEnd = offsets[29]! + moved[segments[29]!]!;
  out.traceparentStart = offsets[30]! + moved[segments[30]!]!;
  out.traceparentEnd = offsets[31]! + moved[segments[31]!]!;
  out.tracestateStart = offsets[32]! + moved[segments[32]!]!;
  out.tracestateEnd = offsets[33]! + moved[segments[33]!]!;
  out.baggageStart = offsets[34]! + moved[segments[34]!]!;
  out.baggageEnd = offsets[35]! + moved[segments[35]!]!;
}

export class FilledResponse implements FilledFields {
  readonly isWhole: boolean;
  readonly #kind: number;
  readonly #isError: number;
  readonly #touched: number;
  readonly #places: Places;

  constructor(record: Peek, starts: Int32Array, ends: readonly number[]) {
    const values = RESPONSE_FIELDS.map((field) => record[field]);
    this.#places = new Places(values, starts, ends);
    this.isWhole = this.#places.isWhole;
    this.#kind = record.kind;
    this.#isError = record.isError;
    this.#touched = record.touched;
  }

  fill(out: Peek, moved: Int32Array): void {
    const { offsets, segments } = this.#places;
    if (out.filledBy !== FILLED_RESPONSE) out.reset();
    out.filledBy = FILLED_RESPONSE;
    out.kind = this.#kind;
    out.isError = this.#isError;
    out.touched = this.#touched;
    out.idStart = offsets[0]! + moved[segments[0]!]!;
    out.idEnd = offsets[1]! + moved[segments[1]!]!;
    out.resultStart = offsets[2]! + moved[segments[2]!]!;
    out.resultEnd = offsets[3]! + moved[segments[3]!]!;
    out.resultTypeKey = offsets[4]! + moved[segments[4]!]!;
    out.resultTypeStart = offsets[5]! + moved[segments[5]!]!;
    out.resultTypeEnd = offsets[6]! + moved[segments[6]!]!;
    out.ttlMsKey = offsets[7]! + moved[segments[7]!]!;
    out.ttlMsStart = offsets[8]! + moved[segments[8]!]!;
    out.ttlMsEnd = offsets[9]! + moved[segments[9]!]!;
    out.cacheScopeKey = offsets[10]! + moved[segments[10]!]!;
    out.cacheScopeStart = offsets[11]! + moved[segments[11]!]!;
    out.cacheScopeEnd = offsets[12]! + moved[segments[12]!]!;
    out.resultMetaStart = offsets[13]! + moved[segments[13]!]!;
    out.resultMetaEnd = offsets[14]! + moved[segments[14]!]!;
    out.serverInfoStart = offsets[15]! + moved[segments[15]!]!;
    out.serverInfoEnd = offsets[16]! + moved[segments[16]!]!;
  }
}
