// Runs a WASI command with this machine's files in reach: node tests/wasi-run.mjs FILE.wasm [ARGUMENT …]

import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [file, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [file, ...args], preopens: { '/': '/' }, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module, /** @type {any} */ (wasi.getImportObject()));
// Leaving at once: Node 20 now and then crashes when it takes a finished program apart.
process.exit(wasi.start(instance));
