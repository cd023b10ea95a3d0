// The case formats: each function yields { name, run } for the folders of its kind below a directory. run(engine)
// resolves where the case passes, rejects with what is wrong, or throws NotSupported.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { modelOfRows, modelOfVocabulary } from './made.mjs';

/** @typedef {Awaited<ReturnType<typeof import('./engine-wasm.mjs').openWasm>>} Engine */
/** @typedef {Awaited<ReturnType<Engine['open']>>} Model */
/** @typedef {{ kind: string, name: string, run: (engine: Engine) => Promise<void> }} Case */

export class NotSupported extends Error {}

const json = (/** @type {string} */ file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const lines = (/** @type {string} */ file) =>
  fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** @param {string} file */
function floats(file) {
  const bytes = fs.readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/**
 * Opens a model, hands it to body and closes it. What the engine says it cannot run is NotSupported.
 * @template T @param {Engine} engine @param {Buffer} bytes
 * @param {import('./engine-wasm.mjs').OpenOptions} options @param {(model: Model) => Promise<T>} body
 */
async function withModel(engine, bytes, options, body) {
  const model = await engine.open(bytes, options).catch((error) => {
    if (error.code === 'SOTTO_UNSUPPORTED') throw new NotSupported(error.message);
    throw error;
  });
  try {
    return await body(model);
  } finally {
    await model.close();
  }
}

/* ---- numbers ------------------------------------------------------------------------------------------ */
/** @param {Float32Array} got @param {Float32Array} wanted */
function distance(got, wanted) {
  if (got.length !== wanted.length) throw new Error(`${got.length} numbers, wanted ${wanted.length}`);
  let most = 0;
  let error = 0;
  let power = 0;
  for (let i = 0; i < got.length; i++) {
    const d = got[i] - wanted[i];
    if (!(Math.abs(d) <= most)) most = Number.isNaN(d) ? Infinity : Math.abs(d);
    error += d * d;
    power += wanted[i] * wanted[i];
  }
  return { max_abs: most, nmse: error / power };
}

/** Why got is not within the tolerance of wanted; empty where it is. @param {Float32Array} got @param {Float32Array} wanted @param {{ max_abs: number, nmse: number }} tolerance */
function apart(got, wanted, tolerance) {
  const d = distance(got, wanted);
  if (d.max_abs <= tolerance.max_abs && d.nmse <= tolerance.nmse) return '';
  const say = (/** @type {number} */ v) => v.toPrecision(3);
  return `max_abs ${say(d.max_abs)} (${say(tolerance.max_abs)}), nmse ${say(d.nmse)} (${say(tolerance.nmse)})`;
}

/** @param {Float32Array[]} rows @param {number[]} [positions] */
function joined(rows, positions = rows.map((_, i) => i)) {
  const out = new Float32Array(positions.length * (rows[0]?.length ?? 0));
  positions.forEach((at, i) => {
    if (!rows[at]) throw new Error(`no logits for position ${at}`);
    out.set(rows[at], i * rows[at].length);
  });
  return out;
}

/** @param {Float32Array} row */
function best(row) {
  let at = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[at]) at = i;
  return at;
}

/** @param {Model} model @param {Float32Array} row @param {number} n */
async function greedy(model, row, n) {
  const tokens = [];
  for (let i = 0; i < n; i++) {
    tokens.push(best(row));
    if (i + 1 < n) [row] = await model.evaluate(tokens.slice(-1), false);
  }
  return tokens;
}

/** @param {number[]} got @param {number[]} wanted @param {number} n */
function otherTokens(got, wanted, n) {
  const i = wanted.slice(0, n).findIndex((id, k) => got[k] !== id);
  return i < 0 ? '' : `greedy token ${i} is ${got[i]}, wanted ${wanted[i]}`;
}

/* ---- arch and quantmodel ------------------------------------------------------------------------------- */
/** Folders with a case.json. @param {string} root @param {string} kind */
function folders(root, kind) {
  const base = path.join(root, kind);
  if (!fs.existsSync(base)) return [];
  return fs
    .readdirSync(base)
    .sort()
    .filter((name) => fs.existsSync(path.join(base, name, 'case.json')))
    .map((name) => path.join(base, name));
}

/** @param {string} root @returns {Case[]} */
export function archCases(root) {
  return folders(root, 'arch').map((folder) => ({
    kind: 'arch',
    name: path.basename(folder),
    run: (engine) => runArch(engine, folder),
  }));
}

/** @param {Engine} engine @param {string} folder */
async function runArch(engine, folder) {
  const info = json(path.join(folder, 'case.json'));
  const { tokens } = json(path.join(folder, 'tokens.json'));
  const bytes = fs.readFileSync(path.join(folder, 'model.gguf'));
  if (info.kind !== 'causal-lm') return runEmbedding(engine, folder, info, tokens, bytes);
  await withModel(engine, bytes, { context: info.n_ctx, exact: true, kv: 1 }, async (model) => {
    const rows = await model.evaluate(tokens, true);
    const got = joined(rows, info.logits.positions);
    const drawn = await greedy(model, rows[rows.length - 1], info.greedy.length);
    const references = [{ ...info, file: info.logits.file }];
    if (info.logits_precise) references.push({ ...info, ...info.logits_precise });
    const problems = references.map(({ file, tolerance, greedy: wanted, greedy_checked: n }) => {
      const far = apart(got, floats(path.join(folder, file)), tolerance);
      return far || otherTokens(drawn, wanted, n);
    });
    if (problems.every(Boolean)) throw new Error(problems.join('; precise: '));
  });
}

/** @param {Engine} engine @param {string} folder @param {any} info @param {number[]} tokens @param {Buffer} bytes */
async function runEmbedding(engine, folder, info, tokens, bytes) {
  await withModel(engine, bytes, { context: info.n_ctx, exact: true, kv: 1 }, async (model) => {
    if (info.kind !== 'embedding') throw new NotSupported(`${info.kind} models`);
    const states = await model.embed(tokens, 'states');
    const pooled = await model.embed(tokens, info.embd_pooled.pooling);
    const precise = info.embd_tokens_precise && {
      tokens: info.embd_tokens_precise,
      pooled: info.embd_pooled_precise,
      tolerance: info.embd_tokens_precise.tolerance,
    };
    const references = [{ tokens: info.embd_tokens, pooled: info.embd_pooled, tolerance: info.tolerance }, precise];
    const problems = references.filter(Boolean).map(({ tokens: all, pooled: one, tolerance }) => {
      const far = apart(states, floats(path.join(folder, all.file)), tolerance);
      if (far) return `states: ${far}`;
      const other = apart(pooled, floats(path.join(folder, one.file)), tolerance);
      return other && `pooled: ${other}`;
    });
    if (problems.every(Boolean)) throw new Error(problems.join('; precise: '));
  });
}

/** @param {string} root @returns {Case[]} */
export function quantmodelCases(root) {
  return folders(root, 'quantmodel').map((folder) => ({
    kind: 'quantmodel',
    name: path.basename(folder),
    run: (engine) => runQuantmodel(engine, folder),
  }));
}

/** Both arithmetic modes, each against the reference that is meant for it. @param {Engine} engine @param {string} folder */
async function runQuantmodel(engine, folder) {
  const info = json(path.join(folder, 'case.json'));
  const { tokens } = json(path.join(folder, 'tokens.json'));
  const bytes = fs.readFileSync(path.join(folder, 'model.gguf'));
  for (const exact of [true, false]) {
    await withModel(engine, bytes, { context: info.n_ctx, exact, kv: 1 }, async (model) => {
      const rows = await model.evaluate(tokens, true);
      const { file, ...reference } = exact ? info.logits_dequant : { ...info.logits, tolerance: info.tolerance };
      // Rounded activations may turn a router to another expert at a near-tie: one position is then far off and
      // right all the same, so that only the mean error of a mixture of experts says something in fast arithmetic.
      const routed = !exact && info.metadata.expert_count > 0;
      const tolerance = routed ? { ...reference.tolerance, max_abs: Infinity } : reference.tolerance;
      const far = apart(joined(rows), floats(path.join(folder, file)), tolerance);
      if (far) throw new Error(`${exact ? 'exact' : 'fast'}: ${far}`);
      if (!exact) return;
      const decided = info.greedy_dequant_margin.findIndex((/** @type {number} */ m) => m < 2 * tolerance.max_abs);
      const n = decided < 0 ? info.greedy_dequant.length : decided;
      const other = otherTokens(await greedy(model, rows[rows.length - 1], n), info.greedy_dequant, n);
      if (other) throw new Error(`exact: ${other}`);
    });
  }
}

/* ---- quant --------------------------------------------------------------------------------------------- */
/** @param {string} root @returns {Case[]} */
export function quantCases(root) {
  const folder = path.join(root, 'quant');
  if (!fs.existsSync(path.join(folder, 'index.json'))) return [];
  return json(path.join(folder, 'index.json')).map((/** @type {any} */ type) => ({
    kind: 'quant',
    name: type.type,
    run: async (/** @type {Engine} */ engine) => {
      for (const [blocks, wanted] of [
        ['quant', 'dequant'],
        ['bits', 'bits'],
      ])
        await runQuant(engine, folder, type, blocks, wanted);
    },
  }));
}

/** @param {Engine} engine @param {string} folder @param {any} type @param {string} blocks @param {string} name */
async function runQuant(engine, folder, type, blocks, name) {
  const wanted = floats(path.join(folder, `${type.type}.${name}.f32`));
  const rows = fs.readFileSync(path.join(folder, `${type.type}.${blocks}.bin`));
  await withModel(engine, modelOfRows(type, rows), { context: 1024, exact: true, kv: 1 }, async (model) => {
    const columns = await model.evaluate(
      Array.from({ length: 512 }, (_, i) => i),
      true,
    );
    for (let i = 0; i < wanted.length; i++) {
      const got = columns[i % 512][Math.floor(i / 512)];
      // two roundings of the norm beside those of the codec; the reference's own smallest numbers are denormal
      if (Math.abs(got - wanted[i]) > 2e-6 * Math.abs(wanted[i]) + 1e-37)
        throw new Error(`${blocks} row ${Math.floor(i / 512)} column ${i % 512} is ${got}, wanted ${wanted[i]}`);
    }
  });
}

/* ---- tokenizer ----------------------------------------------------------------------------------------- */
const ADD = 1;
const PARSE = 2;
const same = (/** @type {number[]} */ a, /** @type {number[]} */ b) =>
  a.length === b.length && a.every((id, i) => id === b[i]);

/**
 * @param {Model} model @param {any[]} rows @param {{ text?: boolean }} [options] text: compare decoding too
 * @returns {Promise<string[]>} what is wrong
 */
async function checkLines(model, rows, { text = true } = {}) {
  const wrong = [];
  for (const row of rows) {
    /** @type {[string, number][]} */
    const fields = [
      ['ids', ADD | PARSE],
      ['ids_no_parse_special', ADD],
      ['ids_no_add_special', PARSE],
    ];
    for (const [field, flags] of fields) {
      if (!row[field]) continue;
      const got = await model.tokenize(row.text, flags);
      const accepted = [row[field], row.llama_cpp?.[field]].filter(Boolean);
      if (!accepted.some((ids) => same(got, ids)))
        wrong.push(`${field} of ${JSON.stringify(row.text).slice(0, 60)}: ${got.slice(0, 12)}`);
    }
    if (!text) continue;
    const shown = await model.detokenize(row.ids_no_add_special, 2);
    const wanted = row.detok_hex === undefined ? Buffer.from(row.detok) : Buffer.from(row.detok_hex, 'hex');
    if (!shown.equals(wanted))
      wrong.push(`decoding ${JSON.stringify(row.text).slice(0, 60)}: ${JSON.stringify(shown.toString()).slice(0, 60)}`);
    const hex = row.detok_remove_special_hex;
    const plain = hex === undefined ? Buffer.from(row.detok_remove_special) : Buffer.from(hex, 'hex');
    const bare = await model.detokenize(row.ids, 1);
    if (!bare.equals(plain))
      wrong.push(
        `decoding without special ${JSON.stringify(row.text).slice(0, 60)}: ${JSON.stringify(bare.toString()).slice(0, 60)}`,
      );
  }
  return wrong;
}

/** @param {string[]} wrong @param {number} n */
function tell(wrong, n) {
  if (wrong.length) throw new Error(`${wrong.length} differences in ${n} strings; ${wrong[0]}`);
}

/** @param {string} root @returns {Case[]} */
export function tokenizerCases(root) {
  const folder = path.join(root, 'tokenizer');
  if (!fs.existsSync(folder)) return [];
  return [...recordedCases(folder), ...textCases(folder), ...preCases(folder), ...hubCases(folder)];
}

/** cases/NAME.jsonl @param {string} folder @returns {Case[]} */
function recordedCases(folder) {
  const base = path.join(folder, 'cases');
  if (!fs.existsSync(base)) return [];
  return fs
    .readdirSync(base)
    .filter((file) => file.endsWith('.jsonl'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -6);
      return {
        kind: 'tokenizer',
        name,
        run: async (/** @type {Engine} */ engine) => {
          const pieces = json(path.join(base, `${name}.pieces.json`));
          const rows = lines(path.join(base, file));
          const bytes = modelOfVocabulary(path.join(folder, 'vocab', pieces.vocab ?? `${name}.gguf`));
          await withModel(engine, bytes, { context: 16 }, async (model) => {
            const wrong = await checkLines(model, rows);
            const ends = new Set(pieces.info.eog);
            for (const { id } of pieces.pieces) {
              if ((await model.isEog(id)) !== ends.has(id))
                wrong.push(`token ${id} ${ends.has(id) ? 'does not end' : 'ends'} a generation`);
            }
            tell(wrong, rows.length);
          });
        },
      };
    });
}

/** vocab/NAME.gguf.inp and .out @param {string} folder @returns {Case[]} */
function textCases(folder) {
  const base = path.join(folder, 'vocab');
  if (!fs.existsSync(base)) return [];
  return fs
    .readdirSync(base)
    .filter((file) => file.endsWith('.inp'))
    .sort()
    .map((file) => ({
      kind: 'tokenizer',
      name: file.replace('.gguf.inp', '.texts'),
      run: async (/** @type {Engine} */ engine) => {
        const texts = fs.readFileSync(path.join(base, file), 'utf8').split('\n__ggml_vocab_test__\n');
        const ids = fs.readFileSync(path.join(base, file.replace('.inp', '.out')), 'utf8').split('\n');
        await withModel(
          engine,
          modelOfVocabulary(path.join(base, file.slice(0, -4))),
          { context: 16 },
          async (model) => {
            const wrong = [];
            for (const [i, text] of texts.entries()) {
              const got = await model.tokenize(text, PARSE);
              const wanted = (ids[i] ?? '').split(' ').filter(Boolean).map(Number);
              if (!same(got, wanted)) wrong.push(`${JSON.stringify(text).slice(0, 60)}: ${got.slice(0, 12)}`);
            }
            tell(wrong, texts.length);
          },
        );
      },
    }));
}

/** pre/: the pre-tokenizers by their names @param {string} folder @returns {Case[]} */
function preCases(folder) {
  if (!fs.existsSync(path.join(folder, 'pre/index.json'))) return [];
  const index = json(path.join(folder, 'pre/index.json'));
  return Object.entries(index.pre_to_file).map(([name, file]) => ({
    kind: 'tokenizer',
    name: `pre ${name}`,
    run: async (/** @type {Engine} */ engine) => {
      const bytes = modelOfVocabulary(path.join(folder, index.vocab), { [index.override_key]: name });
      const rows = lines(path.join(folder, 'pre', /** @type {string} */ (file)));
      // names that share a file may differ in the special tokens they add
      await withModel(engine, bytes, { context: 16 }, async (model) => {
        const plain = rows.map(({ text, ids_no_add_special }) => ({ text, ids_no_add_special }));
        tell(await checkLines(model, plain, { text: false }), rows.length);
      });
    },
  }));
}

/** hf/NAME.jsonl @param {string} folder @returns {Case[]} */
function hubCases(folder) {
  if (!fs.existsSync(path.join(folder, 'hf/index.json'))) return [];
  // The same vocabulary under another name, and the tokens that are named otherwise there.
  /** @type {Record<string, [string, string[]]>} */
  const instead = {
    gemma3: ['real-vocab-gemma3-270m.gguf', ['<end_of_image>', '<start_of_image>']],
    'qwen2.5': ['hf-vocab-qwen3.gguf', []],
    'llama3.2': ['ggml-vocab-llama-bpe.gguf', ['<|python_tag|>', '<|eom_id|>', '<|finetune_right_pad_id|>']],
  };
  return json(path.join(folder, 'hf/index.json')).map((/** @type {any} */ entry) => ({
    kind: 'tokenizer',
    name: `hf ${entry.name}`,
    run: async (/** @type {Engine} */ engine) => {
      let file = path.join(folder, entry.gguf.file);
      /** @type {string[]} */
      let without = [];
      if (!fs.existsSync(file) && instead[entry.name]) {
        file = path.join(folder, 'vocab', instead[entry.name][0]);
        without = instead[entry.name][1];
      }
      if (!fs.existsSync(file)) throw new NotSupported(`the folder has no GGUF with this vocabulary`);
      const rows = lines(path.join(folder, 'hf', `${entry.name}.jsonl`)).filter(
        ({ text }) => !without.some((token) => text.includes(token)),
      );
      await withModel(engine, modelOfVocabulary(file), { context: 16 }, async (model) => {
        tell(await checkLines(model, rows, { text: false }), rows.length);
      });
    },
  }));
}

/* ---- template ------------------------------------------------------------------------------------------ */
/** @param {string} root @returns {Case[]} */
export function templateCases(root) {
  const folder = path.join(root, 'template');
  if (!fs.existsSync(path.join(folder, 'templates'))) return [];
  const conversations = json(path.join(folder, 'conversations.json'));
  const settings = json(path.join(folder, 'settings.json'));
  return fs
    .readdirSync(path.join(folder, 'templates'))
    .sort()
    .map((file) => ({
      kind: 'template',
      name: file.replace(/\.jinja$/, ''),
      run: async (/** @type {Engine} */ engine) => {
        const model = await engine.open(modelOfVocabulary(tinyVocabulary(root)), { context: 16 }); // any will do
        try {
          const source = fs.readFileSync(path.join(folder, 'templates', file), 'utf8');
          const expected = json(path.join(folder, 'expected', file.replace(/\.jinja$/, '.json')));
          const wrong = [];
          for (const [i, wanted] of expected.entries())
            wrong.push(...(await checkRender(model, source, conversations[i], settings, wanted)));
          tell(wrong, expected.length);
        } finally {
          await model.close();
        }
      },
    }));
}

/** The smallest vocabulary near the cases. @param {string} root */
function tinyVocabulary(root) {
  const found = ['tokenizer/vocab/tiny-bpe.gguf', 'arch/llama-gqa-untied/model.gguf']
    .map((file) => path.join(root, file))
    .find((file) => fs.existsSync(file));
  if (!found) throw new NotSupported('a template needs some model, and the folder has none');
  return found;
}

/** @param {Model} model @param {string} source @param {any} conversation @param {any} settings @param {any} wanted @returns {Promise<string[]>} */
async function checkRender(model, source, { id, messages, tools, add_generation_prompt, kwargs }, settings, wanted) {
  const { bos_token, eos_token, now } = settings;
  const variables = { messages, tools, documents: null, add_generation_prompt, bos_token, eos_token, ...kwargs };
  try {
    const text = await model.render(source, variables, Date.parse(`${now}Z`) / 1000);
    if (wanted.error) return [`${id}: no error, wanted ${wanted.error}`];
    if (text === wanted.text) return [];
    let at = 0;
    while (text[at] === wanted.text[at]) at++;
    return [
      `${id}: at ${at} ${JSON.stringify(text.slice(at, at + 40))}, wanted ${JSON.stringify(wanted.text.slice(at, at + 40))}`,
    ];
  } catch (/** @type {any} */ error) {
    if (!wanted.error) return [`${id}: ${error.message}`];
    const told = wanted.error !== 'raise_exception' || error.message.startsWith(wanted.message.slice(0, 150));
    return told ? [] : [`${id}: "${error.message}", wanted "${wanted.message}"`];
  }
}

/* ---- real ---------------------------------------------------------------------------------------------- */
/**
 * The results recorded for real models.
 * @param {string} root @param {(sha256: string, name: string) => string | null} find the model's file
 * @returns {Case[]}
 */
export function realCases(root, find) {
  const base = path.join(root, 'real');
  if (!fs.existsSync(base)) return [];
  /** @type {Case[]} */
  const found = [];
  for (const name of fs.readdirSync(base).sort()) {
    for (const [file, run] of Object.entries({
      'greedy.json': runGreedy,
      'top20.json': runTop,
      'ppl.json': runPerplexity,
    })) {
      if (!fs.existsSync(path.join(base, name, file))) continue;
      const info = () => json(path.join(base, name, file));
      for (const exact of [true, false]) {
        found.push({
          kind: 'real',
          name: `${name} ${file.slice(0, -5)} ${exact ? 'exact' : 'fast'}`,
          run: async (engine) => {
            const data = info();
            const model = find(data.sha256, data.model_file);
            if (!model) throw new NotSupported(`${data.model_file} is not on this machine`);
            const context = (data.tokens?.length ?? 128) + 8;
            await withModel(engine, fs.readFileSync(model), { context, exact, kv: 1, batch: 256 }, (m) =>
              run(m, data, exact, base),
            );
          },
        });
      }
    }
  }
  return found;
}

/** @param {Model} model @param {any} data @param {boolean} exact */
async function runGreedy(model, data, exact) {
  const wrong = [];
  for (const c of data.cases) {
    const wanted = exact ? c.greedy_dequantised_f32 : c.greedy;
    const margins = exact ? c.margin_dequantised_f32 : c.margin;
    const near = margins.findIndex((/** @type {number} */ m) => m < (exact ? 1e-3 : 0.6));
    const n = near < 0 ? wanted.length : near;
    await model.reset();
    const ids = await model.tokenize(c.prompt, ADD);
    if (!same(ids, c.tokens)) wrong.push(`tokens of ${JSON.stringify(c.prompt)}: ${ids}`);
    if (c.tokens.length > 1) await model.evaluate(c.tokens.slice(0, -1), false);
    // All steps in one batch: while each token follows from those before it, that is what drawing gives.
    const rows = await model.evaluate([...c.tokens.slice(-1), ...wanted.slice(0, Math.max(n - 1, 0))], true);
    const other = otherTokens(rows.map(best), wanted, n);
    if (other) wrong.push(`${JSON.stringify(c.prompt)}: ${other}`);
  }
  tell(wrong, data.cases.length);
}

/** @param {Float32Array} row */
function logSum(row) {
  let top = -Infinity;
  for (const v of row) if (v > top) top = v;
  let sum = 0;
  for (const v of row) sum += Math.exp(v - top);
  return top + Math.log(sum);
}

/** @param {Model} model @param {any} data @param {boolean} exact */
async function runTop(model, data, exact) {
  const rows = await model.evaluate(data.tokens.slice(0, data.n_tokens_used), true);
  const positions = exact ? data.positions_dequantised_f32 : data.positions;
  const tolerance = exact ? 1e-3 : 4 * data.max_abs_diff_between_the_two;
  for (const p of positions) {
    const row = rows[p.pos];
    for (const [id, logit] of p.top) {
      if (!(Math.abs(row[id] - logit) <= tolerance))
        throw new Error(`position ${p.pos} token ${id}: ${row[id]}, wanted ${logit}`);
    }
    const sum = logSum(row);
    if (!(Math.abs(sum - p.logsumexp) <= tolerance)) throw new Error(`log-sum-exp ${sum}, wanted ${p.logsumexp}`);
  }
}

/** @param {Model} model @param {any} data @param {boolean} exact @param {string} base */
async function runPerplexity(model, data, exact, base) {
  const text = fs.readFileSync(path.join(base, data.text), 'utf8');
  const ids = await model.tokenize(text, ADD);
  if (!same(ids, data.tokens))
    throw new Error(`the text has other tokens (${ids.length}, wanted ${data.tokens.length})`);
  let nll = 0;
  for (let at = 0; at < ids.length; at += 256) {
    const rows = await model.evaluate(ids.slice(at, at + 256), true);
    rows.forEach((row, i) => {
      if (at + i + 1 < ids.length) nll -= row[ids[at + i + 1]] - logSum(row);
    });
  }
  const got = Math.exp(nll / (ids.length - 1));
  const wanted = exact ? data.perplexity_dequantised_f32 : data.perplexity;
  const off = Math.abs(got / wanted - 1);
  if (!(off <= (exact ? 1e-4 : 1e-2))) throw new Error(`perplexity ${got.toFixed(5)}, wanted ${wanted}`);
}

/** @param {string} file */
export function sha256(file) {
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}
