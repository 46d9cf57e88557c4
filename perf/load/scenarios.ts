/** All scenarios, in the order in which they run. */
import { peers } from '../peers/peers.ts';
import type { Scenario } from './scenario.ts';
import { sessions, streams } from './scenarios/crowds.ts';
import { floor } from './scenarios/floor.ts';
import { http } from './scenarios/http.ts';
import { idle } from './scenarios/idle.ts';
import { rates } from './scenarios/rates.ts';
import { scaling } from './scenarios/scaling.ts';
import { single } from './scenarios/single.ts';
import { slowReader } from './scenarios/slow-reader.ts';
import { soak } from './scenarios/soak.ts';
import { events, large, servers, setup, stdio } from './scenarios/variants.ts';

export const SCENARIOS: readonly Scenario[] = [
  http,
  single,
  rates,
  stdio,
  events,
  large,
  setup,
  servers,
  floor,
  scaling,
  idle,
  sessions,
  streams,
  slowReader,
  soak,
  peers,
];
