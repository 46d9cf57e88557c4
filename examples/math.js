#!/usr/bin/env node
/** Arithmetic over stdio: four tools with structured results. Try: `node examples/math.js` */
import { createServer } from './lib/server.js';
import { serveStdio } from './lib/stdio.js';

const OPERATIONS = {
  add: { title: 'Add', text: 'Adds two numbers.', run: (a, b) => a + b },
  subtract: { title: 'Subtract', text: 'Subtracts b from a.', run: (a, b) => a - b },
  multiply: { title: 'Multiply', text: 'Multiplies two numbers.', run: (a, b) => a * b },
  divide: { title: 'Divide', text: 'Divides a by b.', run: divide },
};

function divide(a, b) {
  if (b === 0) throw new Error('division by zero');
  return a / b;
}

const tools = Object.entries(OPERATIONS).map(([name, { title, text, run }]) => ({
  name,
  title,
  description: text,
  inputSchema: {
    type: 'object',
    properties: { a: { type: 'number' }, b: { type: 'number' } },
    required: ['a', 'b'],
  },
  outputSchema: {
    type: 'object',
    properties: { result: { type: 'number' } },
    required: ['result'],
  },
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  call({ a, b }) {
    const result = run(a, b);
    if (!Number.isFinite(result)) throw new Error('the result is too large');
    return { result };
  },
}));

serveStdio(
  createServer({ name: 'math', version: '1.0.0', instructions: 'Exact enough for a demo.', tools }),
);
