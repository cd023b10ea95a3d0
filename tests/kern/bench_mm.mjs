// Speed of the matrix products in this JavaScript engine: node tests/kern/bench_mm.mjs test_mm.wasm [--quick] [TYPE …]
// The module is tests/kern/test_mm.c with core/data and core/kern built for WASI (with -mrelaxed-simd for
// the relaxed level). Prints GMAC/s by type, level and shape for 1, 4 and 256 tokens; 1 is with cold weights.

import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [file, ...types] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [file, '--bench', ...types], returnOnExit: true });
const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module, /** @type {any} */ (wasi.getImportObject()));
process.exitCode = wasi.start(instance);
