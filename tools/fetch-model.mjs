// node tools/fetch-model.mjs [NAME …]: fetches models of tools/models.json and prints where they are.

import { ensureModel } from './setup-model.mjs';
import { runMain } from './setup-util.mjs';

await runMain(async () => {
  const names = process.argv.slice(2);
  for (const name of names.length ? names : [undefined]) console.log(await ensureModel(name));
});
