/** Request methods by number: those that travel to a shard as `open-codec.ts` has them, and the edge's own. */
import { OPEN_DELETE, OPEN_GET, OPEN_POST } from '../../shared/open-codec.ts';

export const METHOD_OTHER = 0;
export const METHOD_OPTIONS = 4;

/** @param method as sent: upper case, or it is another one */
export function methodCode(method: string): number {
  switch (method) {
    case 'POST':
      return OPEN_POST;
    case 'GET':
      return OPEN_GET;
    case 'DELETE':
      return OPEN_DELETE;
    case 'OPTIONS':
      return METHOD_OPTIONS;
    default:
      return METHOD_OTHER;
  }
}
