import { describeHttpClient } from '../../cases/http-client.ts';
import { UndiciHttpClient } from '../../support/undici-http-client.ts';

describeHttpClient(
  'the undici client',
  { seesFirstByte: false },
  (options) => new UndiciHttpClient(options),
);
