// The models that tests run: a tiny one of the reference cases, and the default model of the chat page.

import fs from 'node:fs';
import path from 'node:path';
import { ensureModel } from '../tools/setup-model.mjs';
import { root } from '../tools/setup-util.mjs';

/** Folders of reference cases: the repository's own and, where it lies beside the clone, the large collection. */
export const caseFolders = [path.join(root, 'tests/cases'), path.resolve(root, '../shared/cases')].filter((folder) =>
  fs.existsSync(folder),
);

/** A Llama of random weights, some 100 kB, or null where there are no cases. */
export function tinyModel() {
  for (const folder of caseFolders) {
    const file = path.join(folder, 'arch/llama-gqa-tied-ropefreqs/model.gguf');
    if (fs.existsSync(file)) return file;
  }
  return null;
}

/** SmolLM2 135M; fetched when it is not in the cache folder. @returns {Promise<string>} */
export async function realModel() {
  return process.env.SOTTO_TEST_MODEL ?? ensureModel();
}

/** A file of the reference results for the real models, or null. @param {string} name such as greedy.json */
export function reference(name, model = 'smollm2-135m-q4_1') {
  for (const folder of caseFolders) {
    const file = path.join(folder, 'real', model, name);
    if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8'));
  }
  return null;
}
