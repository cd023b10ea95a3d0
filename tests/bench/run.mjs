/** npm run bench: builds what is measured, installs the peers, then runs bench.mjs with the same arguments. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPreset } from '../../tools/build.mjs';
import { ensureBrowsers, ensureModules, ensureToolchain } from '../../tools/setup.mjs';
import { runMain } from '../../tools/setup-util.mjs';

const here = dirname(fileURLToPath(import.meta.url));

await runMain(async () => {
  const toolchain = await ensureToolchain();
  for (const preset of ['wasm', 'native']) await buildPreset(/** @type {'wasm'} */ (preset), toolchain);
  await ensureModules(here);
  await ensureBrowsers();
  const { status } = spawnSync(process.execPath, [join(here, 'bench.mjs'), ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
});
