/**
 * What `peek` says of a message. Beside OK and REWRITE verdicts are fault ids, so that
 * `faultById(verdict)` names the answer.
 */
import { FAULTS } from '../../../shared/fault.ts';

export const PEEK_OK = 0;
/** Valid, but to be written anew (`rewriteMessage`) before anyone relies on it. */
export const PEEK_REWRITE = -1;
export const PEEK_PARSE_ERROR: number = FAULTS.PARSE_ERROR.id;
export const PEEK_INVALID_REQUEST: number = FAULTS.INVALID_REQUEST.id;
export const PEEK_INVALID_PARAMS: number = FAULTS.INVALID_PARAMS.id;
export const PEEK_TOO_DEEP: number = FAULTS.TOO_DEEP.id;
export const PEEK_AMBIGUOUS: number = FAULTS.AMBIGUOUS_MEMBER.id;
