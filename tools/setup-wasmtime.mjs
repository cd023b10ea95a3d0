// Wasmtime as a Python package: a second WASI host for tests, unpacked into the cache folder and not installed.

import fs from 'node:fs';
import path from 'node:path';
import { SetupError, cacheFolder, root, run, say, withLock } from './setup-util.mjs';

const version = '50.0.1';

/**
 * The words that run a WASI command with this machine's files in reach, or null where there is no such package.
 * @returns {Promise<string[] | null>}
 */
export async function ensureWasmtime() {
  const folder = path.join(cacheFolder(), `wasmtime-${version}`);
  const words = ['env', `PYTHONPATH=${folder}`, 'python3', path.join(root, 'tests/hosts/wasmtime_run.py')];
  if (fs.existsSync(folder)) return words;
  try {
    await withLock(`${folder}.lock`, async () => {
      if (fs.existsSync(folder)) return;
      say(`Fetching wasmtime ${version}`);
      const part = `${folder}.part`;
      fs.rmSync(part, { recursive: true, force: true });
      const pip = ['-m', 'pip', 'download', '-q', '--no-deps', '--only-binary=:all:', '-d', part, `wasmtime==${version}`];
      await run('python3', pip);
      const wheel = fs.readdirSync(part).find((name) => name.endsWith('.whl'));
      if (!wheel) throw new SetupError(`pip brought no wheel of wasmtime ${version}`);
      await run('python3', ['-m', 'zipfile', '-e', path.join(part, wheel), part]);
      fs.rmSync(path.join(part, wheel));
      fs.renameSync(part, folder);
    });
    return words;
  } catch (error) {
    say(`wasmtime is left out: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
    return null;
  }
}
