import { describeHttpClient } from '../../cases/http-client.ts';
import { UndiciHttpClient } from '../../../src/transport/http/undici-http-client.ts';

describeHttpClient(
  'the undici client',
  { seesFirstByte: false },
  (options) => new UndiciHttpClient(options),
);
