// npm run check: types of all JavaScript by tsc; formatting by prettier where it is asked for.
//   node tools/check.mjs [--format | --write]

import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { ensureModules, isMain } from './setup.mjs';
import { root, runMain } from './setup-util.mjs';

/** Messages of the type checker, one a problem. @returns {Promise<string[]>} */
export async function checkSources() {
  await ensureModules();
  const problems = [];
  for (const project of ['tsconfig.json', 'tsconfig.node.json']) {
    if (!fs.existsSync(path.join(root, project))) continue;
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const result = spawnSync(process.execPath, [tsc, '-p', project, '--pretty', 'false'], { cwd: root, encoding: 'utf8' });
    const lines = result.stdout.split('\n').filter((line) => /error TS\d+/.test(line));
    // An input of nothing is no problem: the folder may not have a source yet.
    problems.push(...lines.filter((line) => !line.includes('TS18003')));
    if (result.status !== 0 && lines.length === 0) problems.push(`tsc failed: ${result.stderr || result.stdout}`);
  }
  return problems;
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    const words = process.argv.slice(2);
    const problems = await checkSources();
    for (const problem of problems) console.log(problem);
    if (words.includes('--format') || words.includes('--write')) {
      const prettier = path.join(root, 'node_modules/prettier/bin/prettier.cjs');
      const mode = words.includes('--write') ? '--write' : '--check';
      const folders = ['js', 'workers', 'web-demo', 'tools', 'tests'].filter((name) => fs.existsSync(path.join(root, name)));
      const result = spawnSync(process.execPath, [prettier, mode, '--log-level', 'warn', ...folders], { cwd: root, stdio: 'inherit' });
      if (result.status !== 0) problems.push('prettier');
    }
    console.log(`${problems.length === 0 ? 1 : 0} passed, ${problems.length} failed`);
    process.exitCode = problems.length ? 1 : 0;
  });
}
