// What every set-up step shares: the cache folder, running programs, progress lines and locks.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** A failure that one sentence explains: printed without a stack, exit code 1. */
export class SetupError extends Error {}

/** The per-user folder for everything that is fetched once: `$SOTTO_CACHE`, else `sotto` in the XDG cache. */
export function cacheFolder() {
  const folder =
    process.env.SOTTO_CACHE ??
    path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'sotto');
  fs.mkdirSync(folder, { recursive: true });
  return path.resolve(folder);
}

/** Prints one line of what is going on. @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Shows `done` of `total` bytes: one line rewritten in place on a terminal, else a line at every quarter.
 * @param {string} label @param {string} [unit] of what is counted, where that is not bytes
 */
export function progress(label, unit) {
  let quarter = 0;
  let drawn = 0;
  const start = Date.now();
  const count = (/** @type {number} */ n) => (unit ? n : (n / 1e6).toFixed(1));
  return {
    /** @param {number} done @param {number} total */
    update(done, total) {
      const share = total > 0 ? Math.min(1, done / total) : 0;
      const text = `${label}: ${count(done)} of ${count(total)} ${unit ?? 'MB'}`;
      if (process.stderr.isTTY) {
        if (Date.now() - drawn < 100 && share < 1) return;
        drawn = Date.now();
        const filled = Math.round(share * 24);
        process.stderr.write(`\r\x1b[K[${'#'.repeat(filled)}${'.'.repeat(24 - filled)}] ${text}`);
      } else if (Math.floor(share * 4) > quarter) {
        quarter = Math.floor(share * 4);
        say(`  ${text}`);
      }
    },
    finish() {
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K`);
      say(`${label}: done in ${seconds} s`);
    },
  };
}

/** The full path of a program in PATH, or null. @param {string} name @param {NodeJS.ProcessEnv} [env] */
export function which(name, env = process.env) {
  for (const folder of (env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(folder, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      if (fs.statSync(file).isFile()) return file;
    } catch {
      // not here
    }
  }
  return null;
}

/**
 * Runs a program to its end and returns what it wrote; throws with the end of its output when it fails.
 * `quiet: false` lets it write to the terminal instead.
 * @param {string} program @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean, timeoutMs?: number, onOutput?: (text: string) => void }} [options]
 * @returns {Promise<string>}
 */
export function run(program, args, { cwd, env, quiet = true, timeoutMs = 0, onOutput } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: env ?? process.env,
      stdio: ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2],
      timeout: timeoutMs,
    });
    let out = '';
    let all = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => ((out += text), (all += text), onOutput?.(text)));
    child.stderr?.setEncoding('utf8').on('data', (text) => (all += text));
    child.on('error', (error) => reject(new SetupError(`${program} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(out);
      const tail = all.trimEnd().split('\n').slice(-30).join('\n');
      reject(
        new SetupError(`${program} ${args.slice(0, 6).join(' ')} … failed (${signal ?? `exit ${code}`})\n${tail}`),
      );
    });
  });
}

/**
 * Output of a program, or null when it is missing or fails.
 * @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
export function tryRun(program, args, env = process.env) {
  const result = spawnSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return result.status === 0 ? result.stdout : null;
}

/** Whether version a (as "3.1.69") is at least b. @param {string} a @param {string} b */
export function atLeast(a, b) {
  const [x, y] = [a, b].map((v) => v.split('.').map(Number));
  for (let i = 0; i < y.length; i++) {
    if ((x[i] ?? 0) !== y[i]) return (x[i] ?? 0) > y[i];
  }
  return true;
}

/**
 * Runs `body` while holding `file` as a lock, so that two set-ups at once do not disturb each other. A lock
 * whose process is gone is taken over.
 * @template T @param {string} file @param {() => Promise<T>} body @returns {Promise<T>}
 */
export async function withLock(file, body) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  for (;;) {
    try {
      // The pid is written before the file gets its name, so nobody ever reads an empty lock.
      const mine = `${file}.${process.pid}`;
      fs.writeFileSync(mine, String(process.pid));
      try {
        fs.linkSync(mine, file);
      } finally {
        fs.rmSync(mine, { force: true });
      }
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    let owner = 0;
    try {
      owner = Number(fs.readFileSync(file, 'utf8'));
      process.kill(owner, 0);
    } catch (error) {
      const code = /** @type {NodeJS.ErrnoException} */ (error).code;
      if (code === 'ESRCH') fs.rmSync(file, { force: true });
      if (code === 'ESRCH' || code === 'ENOENT') continue;
    }
    if (!told) say(`Waiting for another set-up (process ${owner}) to finish …`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  try {
    return await body();
  } finally {
    fs.rmSync(file, { force: true });
  }
}

/** Whether this system has apt and dpkg. */
export function hasApt() {
  return process.platform === 'linux' && which('apt-get') !== null && which('dpkg-query') !== null;
}

/** Those of the Debian packages that are not installed. @param {string[]} names */
export function missingPackages(names) {
  return names.filter((name) => {
    const status = tryRun('dpkg-query', ['-W', '-f', '${db:Status-Status} ', name]);
    return !status?.split(' ').includes('installed');
  });
}

/**
 * Makes sure that Debian packages are installed; as root installs what is missing, else throws a sentence.
 * @param {string[]} names @param {string} purpose
 */
export async function ensurePackages(names, purpose) {
  if (!hasApt()) {
    throw new SetupError(
      `Cannot set up ${purpose} by itself on this system (no apt). Please install the equivalents of: ${names.join(' ')}.`,
    );
  }
  const missing = missingPackages(names);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    throw new SetupError(`Please install what ${purpose} needs: sudo apt-get install ${missing.join(' ')}`);
  }
  say(`Installing for ${purpose}: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await withLock(path.join(cacheFolder(), 'apt-install.lock'), async () => {
    const wait = ['-o', 'DPkg::Lock::Timeout=600', '-o', 'Acquire::Retries=3'];
    const install = [...wait, 'install', '-y', '--no-install-recommends', ...missing];
    await run('apt-get', [...wait, 'update', '-q'], { env });
    await run('apt-get', install, { env });
  });
}

/** Runs `main` and turns a SetupError into one sentence and exit code 1. @param {() => Promise<void>} main */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`\nsotto: ${error.message}`);
    process.exitCode = 1;
  }
}
