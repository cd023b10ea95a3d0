// The compilers: Emscripten for the WebAssembly builds, clang and wasi-libc for WASI, clang for native tests.
//
// An emcc in PATH that is new enough is used as it is. Otherwise the Debian 13 packages of Emscripten and
// Binaryen are unpacked into the cache folder: apt downloads and verifies them with its own keys from the
// mirror this system already uses, but with private lists, so neither the system's sources nor its package
// database are touched. Binaryen there needs a newer C library than Debian 12 has; its programs are started
// through the dynamic loader of the unpacked one.

import fs from 'node:fs';
import path from 'node:path';
import {
  SetupError, atLeast, cacheFolder, ensurePackages, hasApt, progress, run, say, tryRun, which, withLock,
} from './setup-util.mjs';

const minimum = '3.1.69';
const suite = 'trixie';
const packages = ['emscripten', 'binaryen', 'node-acorn', 'libc6', 'libstdc++6', 'libgcc-s1'];
export const systemPackages = [
  'clang-19', 'lld-19', 'llvm-19', 'libclang-rt-19-dev', 'libclang-rt-19-dev-wasm32', 'wasi-libc',
  'cmake', 'ninja-build',
];

/**
 * @typedef {object} Toolchain
 * @property {NodeJS.ProcessEnv} env  environment in which emcc and emcmake work
 * @property {string} llvm            folder of clang, llvm-nm and llvm-objdump
 * @property {string} binaryen        folder above bin/wasm-opt and bin/wasm-dis
 */

/** Makes the compilers available and returns how to call them. @returns {Promise<Toolchain>} */
export async function ensureToolchain() {
  const found = emccVersion();
  if (found && atLeast(found, minimum)) {
    if (hasApt()) await ensurePackages(systemPackages, 'the native and WASI builds');
    return finish(process.env);
  }
  if (found) say(`The emcc in PATH is ${found}; Sotto needs ${minimum} or newer and fetches its own.`);
  if (!hasApt()) {
    throw new SetupError(
      `Please install Emscripten ${minimum} or newer (emcc in PATH), clang 19, lld, llvm, wasi-libc, CMake and Ninja: ` +
        'this system has no apt to take them from.',
    );
  }
  await ensurePackages(systemPackages, 'the compilers');
  const folder = path.join(cacheFolder(), `emscripten-debian-${suite}`);
  const ready = path.join(folder, 'ready');
  if (!fs.existsSync(ready)) {
    await withLock(`${folder}.lock`, async () => {
      if (!fs.existsSync(ready)) await unpackEmscripten(folder);
    });
  }
  /** @type {NodeJS.ProcessEnv} */
  const env = {
    ...process.env,
    EM_CONFIG: path.join(folder, 'emscripten.cfg'),
    PATH: `${path.join(folder, 'em/usr/share/emscripten')}${path.delimiter}${process.env.PATH ?? ''}`,
  };
  // These would make Emscripten look for clang-19-19 in the folder above.
  delete env.LLVM_ADD_VERSION;
  delete env.CLANG_ADD_VERSION;
  return finish(env);
}

/** @param {NodeJS.ProcessEnv} env @returns {Toolchain} */
function finish(env) {
  const config = which('em-config', env);
  const binaryen = config ? tryRun(config, ['BINARYEN_ROOT'], env)?.trim() : null;
  if (!binaryen) throw new SetupError('em-config, which belongs to Emscripten, names no BINARYEN_ROOT.');
  return { env, llvm: llvmFolder(), binaryen };
}

function llvmFolder() {
  const debian = '/usr/lib/llvm-19/bin';
  if (fs.existsSync(debian)) return debian;
  const clang = which('clang');
  if (!clang) throw new SetupError('Please install clang 19 or newer with its LLVM tools.');
  return path.dirname(fs.realpathSync(clang));
}

function emccVersion() {
  const text = which('emcc') ? tryRun('emcc', ['--version']) : null;
  return text?.match(/\b(\d+\.\d+\.\d+)\b/)?.[1] ?? null;
}

/**
 * The Debian mirrors of this system with the keyring that signs each, from sources.list and the deb822
 * files beside it.
 * @param {string} [etc] @returns {{ base: string, signedBy: string }[]}
 */
export function mirrors(etc = '/etc/apt') {
  const files = [path.join(etc, 'sources.list')];
  try {
    for (const name of fs.readdirSync(path.join(etc, 'sources.list.d')).sort()) {
      if (/\.(list|sources)$/.test(name)) files.push(path.join(etc, 'sources.list.d', name));
    }
  } catch {
    // a system with sources.list alone
  }
  const found = [];
  for (const file of files) {
    if (!fs.existsSync(file)) continue;
    const text = fs.readFileSync(file, 'utf8');
    found.push(...(file.endsWith('.sources') ? deb822(text) : oneLine(text)));
  }
  // Only the main archive has the suite: neither security nor third-party repositories do.
  const isArchive = (/** @type {string} */ base) => /\/debian\/?$/.test(base);
  const seen = new Set();
  return found.filter(({ base }) => isArchive(base) && !seen.has(base) && seen.add(base));
}

/** @param {string} text */
function oneLine(text) {
  const found = [];
  for (const line of text.split('\n')) {
    const match = line.match(/^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+\S+\s+.*\bmain\b/);
    if (!match) continue;
    const signedBy = match[1]?.match(/signed-by=(\S+)/i)?.[1] ?? '';
    found.push({ base: match[2], signedBy });
  }
  return found;
}

/** @param {string} text */
function deb822(text) {
  const found = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    /** @type {Record<string, string>} */
    const field = {};
    let name = '';
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue;
      const match = line.match(/^([A-Za-z-]+):\s*(.*)$/);
      if (match) field[(name = match[1].toLowerCase())] = match[2];
      else if (name && /^\s/.test(line)) field[name] += `\n${line}`;
    }
    const words = (/** @type {string} */ key) => (field[key] ?? '').split(/\s+/).filter(Boolean);
    if (!words('types').includes('deb') || field.enabled === 'no') continue;
    if (!words('components').includes('main')) continue;
    // A key written into the file itself spans lines; apt's trusted keys serve as well then.
    const signedBy = (field['signed-by'] ?? '').includes('\n') ? '' : (field['signed-by'] ?? '');
    for (const base of words('uris')) found.push({ base, signedBy });
  }
  return found;
}

/** Downloads, verifies and unpacks; every step that was finished before is skipped. @param {string} folder */
async function unpackEmscripten(folder) {
  const [mirror] = mirrors();
  if (!mirror) {
    throw new SetupError(
      `Please install Emscripten ${minimum} or newer: apt here has no Debian mirror to take it from.`,
    );
  }
  say(`Setting up Emscripten in ${folder} (once; about 250 MB to download)`);
  const apt = path.join(folder, 'apt');
  for (const name of ['lists/partial', 'archives/partial', 'etc', 'debs']) {
    fs.mkdirSync(path.join(apt, name), { recursive: true });
  }
  const list = path.join(apt, 'etc', `${suite}.list`);
  const signed = mirror.signedBy ? `[signed-by=${mirror.signedBy}] ` : '';
  fs.writeFileSync(list, `deb ${signed}${mirror.base} ${suite} main\n`);
  const options = {
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::sourcelist': list,
    'Dir::State::Lists': path.join(apt, 'lists'),
    'Dir::Cache::archives': path.join(apt, 'archives'),
    'Dir::Cache::pkgcache': path.join(apt, 'pkgcache.bin'),
    'Dir::Cache::srcpkgcache': path.join(apt, 'srcpkgcache.bin'),
    'Acquire::Retries': '3',
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
  };
  const opts = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const debs = path.join(apt, 'debs');

  await step(folder, 'packages', async () => {
    say('Reading the package lists …');
    await run('apt-get', [...opts, 'update', '-q', '--error-on=any']);
    await download(opts, debs);
  });
  const file = (/** @type {string} */ name) => {
    const found = fs.readdirSync(debs).find((deb) => deb.startsWith(`${name}_`) && deb.endsWith('.deb'));
    if (!found) throw new SetupError(`${name} is missing in ${debs}; delete ${folder} and try again.`);
    return path.join(debs, found);
  };
  const version = path.basename(file('emscripten')).match(/_(\d+\.\d+\.\d+)/)?.[1] ?? '0';
  if (!atLeast(version, minimum)) throw new SetupError(`The mirror has Emscripten ${version}; ${minimum} is needed.`);

  await step(folder, 'em', async (into) => {
    say('Unpacking Emscripten (about half a minute) …');
    // Position-independent and LTO libraries are most of the package and never linked here.
    const skip = ['lto', 'pic', 'thinlto'].map((name) => `'--exclude=*/wasm32-emscripten/${name}/*'`).join(' ');
    await run('sh', ['-c', `dpkg --fsys-tarfile "$1" | tar -x -C "$2" ${skip}`, 'sh', file('emscripten'), into]);
    await run('dpkg', ['-x', file('node-acorn'), into]);
    const modules = path.join(into, 'usr/share/emscripten/node_modules');
    fs.mkdirSync(modules, { recursive: true });
    if (!fs.existsSync(path.join(modules, 'acorn'))) {
      fs.symlinkSync('../../nodejs/acorn', path.join(modules, 'acorn'));
    }
  });
  await step(folder, 'rt', async (into) => {
    for (const name of ['libc6', 'libstdc++6', 'libgcc-s1', 'binaryen']) {
      await run('dpkg', ['-x', file(name), into]);
    }
  });
  writeBinaryen(folder);
  writeConfig(folder);
  const emcc = path.join(folder, 'em/usr/share/emscripten/emcc');
  const env = { ...process.env, EM_CONFIG: path.join(folder, 'emscripten.cfg') };
  await run(emcc, ['--version'], { env });
  fs.rmSync(debs, { recursive: true, force: true });
  fs.writeFileSync(path.join(folder, 'ready.part'), `${version}\n`);
  fs.renameSync(path.join(folder, 'ready.part'), path.join(folder, 'ready'));
}

/**
 * Does one part of the work in `folder/name.part`, which gets its name only when it is complete.
 * @param {string} folder @param {string} name @param {(into: string) => Promise<void>} body
 */
async function step(folder, name, body) {
  const done = path.join(folder, name);
  if (fs.existsSync(done)) return;
  const into = `${done}.part`;
  fs.rmSync(into, { recursive: true, force: true });
  fs.mkdirSync(into);
  await body(into);
  fs.renameSync(into, done);
}

/** @param {string[]} opts @param {string} debs */
async function download(opts, debs) {
  const uris = await run('apt-get', [...opts, 'download', '--print-uris', ...packages], { cwd: debs });
  const total = [...uris.matchAll(/^'\S+' \S+ (\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
  const bar = progress('Downloading Emscripten');
  const timer = setInterval(() => {
    let done = 0;
    for (const name of fs.readdirSync(debs)) {
      const stat = fs.statSync(path.join(debs, name), { throwIfNoEntry: false });
      done += stat?.isFile() ? stat.size : 0;
    }
    bar.update(done, total);
  }, 250);
  try {
    await run('apt-get', [...opts, 'download', ...packages], { cwd: debs });
  } finally {
    clearInterval(timer);
  }
  bar.finish();
}

/** Writes a starter for each Binaryen program, which runs it on the unpacked C library. @param {string} folder */
function writeBinaryen(folder) {
  const rt = path.join(folder, 'rt');
  const lib = path.join(rt, 'usr/lib');
  const triplet = fs.readdirSync(lib).find((name) => name.endsWith('-linux-gnu'));
  const loaders = [path.join(rt, 'usr/lib64'), lib].flatMap((dir) =>
    fs.existsSync(dir)
      ? fs.readdirSync(dir).filter((name) => /^ld-linux.*\.so\.\d$/.test(name)).map((name) => path.join(dir, name))
      : [],
  );
  if (!triplet || loaders.length === 0) throw new SetupError(`No C library was unpacked in ${rt}.`);
  // A symlink of the package may be absolute: name the loader by its own file.
  const loader = fs.existsSync(loaders[0]) ? loaders[0] : path.join(lib, triplet, path.basename(loaders[0]));
  const bin = path.join(folder, 'binaryen/bin');
  fs.mkdirSync(bin, { recursive: true });
  for (const name of fs.readdirSync(path.join(rt, 'usr/bin')).filter((tool) => tool.startsWith('wasm'))) {
    const starter = path.join(bin, name);
    const call = `exec '${loader}' --library-path '${path.join(lib, triplet)}' '${path.join(rt, 'usr/bin', name)}' "$@"`;
    fs.writeFileSync(starter, `#!/bin/sh\n${call}\n`);
    fs.chmodSync(starter, 0o755);
  }
}

/** @param {string} folder */
function writeConfig(folder) {
  const lines = [
    `LLVM_ROOT = '${llvmFolder()}'`,
    `BINARYEN_ROOT = '${path.join(folder, 'binaryen')}'`,
    `NODE_JS = '${process.execPath}'`,
    'FROZEN_CACHE = True',
    `CACHE = '${path.join(folder, 'em/usr/share/emscripten/cache')}'`,
  ];
  fs.writeFileSync(path.join(folder, 'emscripten.cfg'), `${lines.join('\n')}\n`);
}
