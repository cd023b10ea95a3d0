// Everything a fresh clone needs, each part fetched when it is first asked for:
//   node tools/setup.mjs [modules] [toolchain] [browsers] [model] [model:NAME] …   (nothing named: the first four)

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureModel } from './setup-model.mjs';
import { ensureToolchain } from './setup-toolchain.mjs';
import { cacheFolder, ensurePackages, hasApt, root, run, runMain, say, which, withLock } from './setup-util.mjs';

export { ensureModel, ensureToolchain };

/**
 * Installs the npm packages that a package.json of the repository pins. Nothing is run by them.
 * @param {string} [folder]
 */
export async function ensureModules(folder = root) {
  const lock = path.join(folder, 'package-lock.json');
  const has = fs.existsSync(lock);
  // npm writes this file last; it is compared with what should be there.
  const marker = path.join(folder, 'node_modules', '.sotto-installed');
  const wanted = fs.readFileSync(has ? lock : path.join(folder, 'package.json'), 'utf8');
  const installed = () => fs.existsSync(marker) && fs.readFileSync(marker, 'utf8') === wanted;
  if (installed()) return;
  const name = path.relative(root, folder).replaceAll(path.sep, '-') || 'root';
  await withLock(path.join(cacheFolder(), `npm-${name}.lock`), async () => {
    if (installed()) return;
    say(`Installing the npm packages${folder === root ? '' : ` of ${path.relative(root, folder)}`} …`);
    const options = ['--ignore-scripts', '--no-audit', '--no-fund'];
    // npm ci refuses a lock file that lacks optional packages of other platforms, which some registries do not have;
    // npm install then takes the versions of the lock file just as well, and leaves it as it is.
    const loose = () => run('npm', ['install', '--no-save', ...options], { cwd: folder });
    if (has) await run('npm', ['ci', ...options], { cwd: folder }).catch(loose);
    else await loose();
    fs.writeFileSync(marker, wanted);
  });
}

/** Where the browsers of the tests are. */
export const browserPaths = {
  chromium: () => which('chromium') ?? which('chromium-browser') ?? which('google-chrome'),
  firefox: () => which('firefox-esr') ?? which('firefox'),
  webkit: () => which('WebKitWebDriver'),
};

/** Installs the three browsers and a virtual screen where apt can; elsewhere says which are there. */
export async function ensureBrowsers() {
  const found = Object.entries(browserPaths).filter(([, locate]) => locate());
  if (found.length === 3 && which('xvfb-run')) return;
  if (!hasApt()) return say('Browsers cannot be installed here without apt; the tests use those that are there.');
  await ensurePackages(
    ['chromium', 'firefox-esr', 'webkit2gtk-driver', 'xvfb', 'xauth', 'fonts-dejavu-core'],
    'the browser tests',
  );
}

/** The program started by a command line, or null when this file was imported. @param {string} url */
export function isMain(url) {
  return Boolean(process.argv[1]) && url === pathToFileURL(fs.realpathSync(process.argv[1])).href;
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    const words = process.argv.slice(2);
    for (const word of words.length ? words : ['modules', 'toolchain', 'browsers', 'model']) {
      if (word === 'modules') await ensureModules();
      else if (word === 'toolchain') await ensureToolchain();
      else if (word === 'browsers') await ensureBrowsers();
      else if (word.startsWith('model')) say(await ensureModel(word.split(':')[1]));
      else throw new Error(`unknown part of the set-up: ${word}`);
    }
  });
}
