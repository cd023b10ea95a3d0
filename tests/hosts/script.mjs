// The probe for Node, Deno and Bun: one argument with the options as JSON, one line of JSON as the answer.

import { readFile } from 'node:fs/promises';
import process from 'node:process';
import * as sotto from '../../js/index.js';
import { greedy } from './greedy.mjs';

const { model, ...options } = JSON.parse(process.argv[2]);
// Deno and Bun are browsers to Sotto: a path means nothing there.
const isNode = typeof globalThis.Worker === 'undefined';
const bytes = isNode ? null : await readFile(model);
const source = bytes ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : model;
console.log(JSON.stringify(await greedy(sotto, source, options)));
process.exit(0);
