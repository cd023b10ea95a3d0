// npm start: from a fresh clone to the chat page, served, with its address printed.
//   node tools/start.mjs [--port N] [--host ADDRESS]

import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildPreset } from './build.mjs';
import { serveFolder } from './serve.mjs';
import { ensureModel, ensureModules, ensureToolchain } from './setup.mjs';
import { models } from './setup-model.mjs';
import { root, runMain, say } from './setup-util.mjs';

await runMain(async () => {
  const { values } = parseArgs({ options: { port: { type: 'string' }, host: { type: 'string' } } });
  await ensureModules();
  await buildPreset('wasm', await ensureToolchain());
  const model = await ensureModel();
  const { assembleSite } = await import('./site.mjs');
  const folder = assembleSite(path.join(root, 'build/site'), [{ name: models()['smollm2-135m'].title, path: model }]);
  const port = Number(values.port ?? process.env.PORT ?? 8080);
  const { url } = await serveFolder(folder, { port, host: values.host });
  say('');
  console.log(`Sotto is at ${url}  (Ctrl+C ends it)`);
});
