// The measurements of first-token.mjs, as they run in Node and in a page.

/**
 * The measurements, as they run in Node and in a page.
 * @param {typeof import('../../js/index.js')} sotto @param {string} url
 * @param {{ what: 'alone' | 'cold' | 'warm' | 'command', threads: number, prompt: number, folder?: string }} o
 */
export async function measure(sotto, url, { what, threads, prompt, folder }) {
  const begin = performance.now();
  const since = () => performance.now() - begin;
  const ids = (n) => Uint32Array.from({ length: n }, (_, i) => 1000 + ((i * 37) % 5000));
  const options = { threads, cacheFolder: folder, contextLength: 512 };
  if (what === 'alone') {
    const reader = (await fetch(url, { cache: 'no-store' })).body.getReader();
    while (!(await reader.read()).done);
    return { ms: since() };
  }
  if (what === 'warm') {
    const model = await sotto.loadModel(url, options);
    const ms = since();
    await model.close();
    return { ms };
  }
  const first = async (model, length) => {
    const options = { maxTokens: 1, temperature: 0, ignoreEog: true };
    for await (const part of model.complete(ids(length), options)) if (part.tokens.length) break;
  };
  if (what === 'cold') {
    const model = await sotto.loadModel(url, { ...options, waitFor: 'header' });
    const header = since();
    const ready = model.ready.then(since);
    await first(model, prompt);
    const ms = since();
    const loaded = await ready;
    await model.close();
    return { ms, header, loaded };
  }
  const model = await sotto.loadModel(url, options);
  const times = [];
  for (let i = 0; i < 7; i++) {
    const chat = model.createSequence();
    const length = 200 + i;
    // The prefix is evaluated, then a command is added behind it.
    await first(model, length);
    const start = performance.now();
    await first(model, length + 20);
    times.push(performance.now() - start);
    await chat.close();
  }
  await model.close();
  times.sort((a, b) => a - b);
  return { ms: times[times.length >> 1], least: times[0] };
}
