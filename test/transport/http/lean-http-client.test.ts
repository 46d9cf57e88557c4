import { describeHttpClient } from '../../cases/http-client.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';

describeHttpClient(
  'the lean client',
  { seesFirstByte: true },
  (options) => new LeanHttpClient(options),
);
