/** The models of the bench: the two real ones, and requantized forms that Sotto's own command line writes once. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../tools/setup-util.mjs';
import { ensureModel } from '../../tools/setup.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** @param {string} source @param {string} type @param {string} target */
function requantize(source, type, target) {
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true });
  console.error(`writing ${basename(target)}`);
  execFileSync(join(root, 'build/native/sotto'), ['quantize', '-m', source, '--type', type, '--out', target], { stdio: 'inherit' });
  return target;
}

/**
 * @param {string} own a GGUF file to measure instead, or ''
 * @param {(model: {name: string, quantization: string}) => boolean} wanted
 * @returns {Promise<{name: string, quantization: string, path: string}[]>}
 */
export async function benchModels(own, wanted) {
  if (own) {
    const [, name, quantization] = /^(.*?)[-.](q\d\w*|f16|f32|bf16|iq\w+)?\.?gguf$/i.exec(basename(own)) ?? [, basename(own), ''];
    return [{ name, quantization: (quantization ?? '').toUpperCase(), path: own }];
  }
  const all = [
    { name: 'SmolLM2-135M', quantization: 'Q4_1', path: () => ensureModel('smollm2-135m') },
    ...['Q4_0', 'Q8_0'].map((type) => ({
      name: 'SmolLM2-135M', quantization: type,
      path: async () => requantize(await ensureModel('smollm2-135m'), type, join(cacheFolder(), 'bench', `smollm2-135m-${type.toLowerCase()}.gguf`)),
    })),
    { name: 'Gemma-3-270M', quantization: 'Q4_K_M', path: () => ensureModel('gemma3-270m') },
  ];
  const list = [];
  for (const model of all.filter(wanted)) list.push({ ...model, path: await model.path() });
  return list;
}
