/** Sotto as its users call it; the same code in a page and in Node. */

/** @param {typeof import('../../../js/index.js')} sotto @param {string} text */
export function sottoEngine({ loadModel }, text) {
  /** @type {Awaited<ReturnType<typeof loadModel>>} */
  let model;
  /** @type {Uint32Array} */
  let tokens;
  /** @param {number} n */
  const prompt = (n) => Uint32Array.from({ length: n }, (_, i) => tokens[i % tokens.length]);
  return {
    async open({ model: source, threads, context, arithmetic, variant }) {
      const data = typeof source === 'string' && /^(https?:|\/model)/.test(source) ? await (await fetch(source)).blob() : source;
      const begin = performance.now();
      model = await loadModel(data, { threads, contextLength: context, cache: false, ...(arithmetic ? { arithmetic } : {}), ...(variant ? { variant } : {}) });
      const ms = performance.now() - begin;
      tokens = await model.tokenize(text.repeat(40));
      return { ms, info: JSON.parse(JSON.stringify(model.info)) };
    },
    /** @param {number} n */
    async prefill(n) {
      const sequence = model.createSequence();
      const ids = prompt(n);
      const begin = performance.now();
      for await (const row of sequence.evaluate(ids, { logits: 'last' })) void row;
      const ms = performance.now() - begin;
      await sequence.close();
      return { ms, n };
    },
    /** @param {{n: number, depth: number}} o */
    async decode({ n, depth }) {
      let first = 0;
      let last = 0;
      let count = 0;
      for await (const part of model.complete(prompt(depth), { maxTokens: n + 1, temperature: 0, ignoreEog: true })) {
        if (!part.tokens.length) continue;
        last = performance.now();
        count += part.tokens.length;
        if (!first) { first = last; count = 0; }
      }
      return { ms: last - first, n: count };
    },
    /** The same at a depth that is filled in, not evaluated. @param {{n: number, depth: number}} o */
    async decodeAt({ n, depth }) {
      const sequence = model.createSequence();
      await sequence._fill(depth);
      let id = tokens[0];
      let begin = 0;
      for (let i = 0; i <= n; i++) {
        if (i === 1) begin = performance.now();
        for await (const row of sequence.evaluate([id])) id = row.indexOf(Math.max(...row.subarray(0, 1000)));
      }
      const ms = performance.now() - begin;
      await sequence.close();
      return { ms, n };
    },
    close: () => model.close(),
  };
}
