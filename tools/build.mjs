// npm run build: sets up the compilers and builds the modules, sotto.wasm and the native command.
//   node tools/build.mjs [--package] [PRESET …]     --package: what npm pack needs, with types

import fs from 'node:fs';
import path from 'node:path';
import { ensureModules, ensureToolchain, isMain } from './setup.mjs';
import { SetupError, progress, root, run, runMain, say } from './setup-util.mjs';

/**
 * Configures and builds one preset of CMakePresets.json.
 * @param {'native' | 'asan' | 'fuzz' | 'wasm' | 'wasi'} preset
 * @param {import('./setup-toolchain.mjs').Toolchain} toolchain
 */
export async function buildPreset(preset, toolchain) {
  const start = Date.now();
  const { env } = toolchain;
  const folder = path.join(root, 'build', preset);
  const configure = ['cmake', '--preset', preset];
  // A folder that was configured for another place or toolchain is started afresh.
  const cache = path.join(folder, 'CMakeCache.txt');
  const stamp = path.join(folder, 'sotto-toolchain.txt');
  const wanted = JSON.stringify([root, env.EM_CONFIG ?? '', env.WASI_SDK_PATH ?? '', toolchain.llvm]);
  if (fs.existsSync(cache) && (!fs.existsSync(stamp) || fs.readFileSync(stamp, 'utf8') !== wanted)) {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  const words = preset === 'wasm' ? ['emcmake', ...configure] : configure;
  const clang = path.join(toolchain.llvm, 'clang');
  if (['native', 'asan', 'fuzz'].includes(preset)) words.push(`-DCMAKE_C_COMPILER=${clang}`);
  await run(words[0], words.slice(1), { cwd: root, env });
  fs.writeFileSync(stamp, wanted);
  // Ninja counts its steps: "[12/80] Building …". A build that has nothing to do says nothing.
  /** @type {ReturnType<typeof progress> | undefined} */
  let bar;
  const onOutput = (/** @type {string} */ text) => {
    const [, done, total] = [...text.matchAll(/^\[(\d+)\/(\d+)\]/gm)].at(-1) ?? [];
    if (Number(total) > 4) (bar ??= progress(`Building ${preset}`, 'steps')).update(Number(done), Number(total));
  };
  await run('cmake', ['--build', '--preset', preset], { cwd: root, env, onOutput });
  if (bar && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  say(`Built ${preset} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

/** Type declarations of the package, from the JSDoc of js/. */
export async function buildTypes() {
  await ensureModules();
  const types = path.join(root, 'types');
  fs.rmSync(types, { recursive: true, force: true });
  await run('node', [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json'], { cwd: root });
  if (!fs.existsSync(path.join(types, 'index.d.ts'))) throw new SetupError('tsc wrote no types/index.d.ts');
}

/** What npm pack ships beside the types: see package.mjs. */
export async function buildPackage() {
  await buildTypes();
  const { writePackage } = await import('./package.mjs');
  writePackage();
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    const words = process.argv.slice(2);
    const forPackage = words.includes('--package');
    const presets = words.filter((word) => !word.startsWith('--'));
    const toolchain = await ensureToolchain();
    const wanted = presets.length ? presets : forPackage ? ['wasm', 'wasi'] : ['wasm', 'wasi', 'native'];
    for (const preset of wanted) await buildPreset(/** @type {'wasm'} */ (preset), toolchain);
    if (forPackage) await buildPackage();
  });
}
