import { describe } from 'vitest';
import { describeHttpAbuse } from '../cases/http-abuse.ts';
import { describeHttpFraming } from '../cases/http-framing.ts';
import { describeHttpServer } from '../cases/http-server.ts';

describe('the lean HTTP server', () => {
  describeHttpServer('lean');
  describeHttpFraming('lean');
  describeHttpAbuse('lean');
});
