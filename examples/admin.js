#!/usr/bin/env node
/** Operations over stdio: status of this process, a check with progress and log messages, and who asks. */
import { cpus, loadavg, platform, release, uptime } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { createServer } from './lib/server.js';
import { serveStdio } from './lib/stdio.js';

const NO_ARGUMENTS = { type: 'object', properties: {} };
const READ_ONLY = { readOnlyHint: true, openWorldHint: false };

serveStdio(
  createServer({
    name: 'admin',
    version: '1.0.0',
    tools: [
      {
        name: 'server_status',
        description: 'Tells how long this server and its host have been up, and the load.',
        inputSchema: NO_ARGUMENTS,
        annotations: READ_ONLY,
        call: () => ({
          node: process.version,
          platform: `${platform()} ${release()}`,
          cores: cpus().length,
          load: loadavg()[0],
          hostUptimeSeconds: Math.round(uptime()),
          uptimeSeconds: Math.round(process.uptime()),
        }),
      },
      {
        name: 'list_processes',
        description: 'Lists the processes this server knows: itself.',
        inputSchema: NO_ARGUMENTS,
        annotations: READ_ONLY,
        call: () => ({
          processes: [{ pid: process.pid, name: 'admin', memoryBytes: process.memoryUsage.rss() }],
        }),
      },
      {
        name: 'run_check',
        description: 'Runs a self check in some steps and reports progress after each.',
        inputSchema: {
          type: 'object',
          properties: { steps: { type: 'integer', minimum: 1, maximum: 1000 } },
        },
        async call({ steps = 5 }, context) {
          context.log('info', `check begins: steps=${steps}`);
          for (let step = 1; step <= steps; step += 1) {
            await nextTurn();
            if (context.signal.aborted) throw new Error(`cancelled: step=${step}`);
            context.progress(step, steps, `step ${step}`);
          }
          context.log('info', 'check ends');
          return { steps, healthy: true };
        },
      },
      {
        name: 'whoami',
        description: 'Tells what this server was told about its client. Nothing of it is proven.',
        inputSchema: NO_ARGUMENTS,
        annotations: READ_ONLY,
        call: (args, { clientInfo, revision }) => ({ client: clientInfo, revision }),
      },
    ],
  }),
);
