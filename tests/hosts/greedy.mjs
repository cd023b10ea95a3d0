// The probe that every JavaScript host runs, browsers included: greedy tokens and the hash of all their logits.

/**
 * @param {typeof import('../../js/index.js')} sotto
 * @param {any} source whatever loadModel takes
 * @param {{ prompt: string, steps: number, threads: number, variant?: 'simd' | 'relaxed' }} options
 * @returns {Promise<{ variant: string, threads: number, tokens: number[], logitsSha256: string }>}
 */
export async function greedy(sotto, source, { prompt, steps, threads, variant }) {
  const model = await sotto.loadModel(source, { threads, variant, cache: false, contextLength: 512 });
  try {
    const sequence = model.createSequence();
    let next = await model.tokenize(prompt, { addSpecial: true, parseSpecial: true });
    const tokens = [];
    const rows = [];
    for (let step = 0; step <= steps; step++) {
      for await (const row of sequence.evaluate(next, { logits: 'last' })) rows.push(row.slice());
      if (step === steps) break;
      const best = argmax(rows[step]);
      tokens.push(best);
      next = Uint32Array.of(best);
    }
    await sequence.close();
    const { variant: used, threads: n } = model.info;
    return { variant: used, threads: n, tokens, logitsSha256: await sha256(rows) };
  } finally {
    await model.close();
  }
}

/** The lowest index of the largest number. @param {Float32Array} row */
function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/** Of the rows as little-endian f32, one after the other. @param {Float32Array[]} rows */
async function sha256(rows) {
  const bytes = new Uint8Array(rows.reduce((sum, row) => sum + row.byteLength, 0));
  let at = 0;
  for (const row of rows) {
    bytes.set(new Uint8Array(row.buffer, row.byteOffset, row.byteLength), at);
    at += row.byteLength;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
