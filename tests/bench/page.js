/**
 * The browser side of the bench: one engine a page, driven from outside through `window.bench`.
 * Both engines are called as their users call them and report as their users would see it.
 */
const TEXT = 'The history of computing is a history of people who wanted to do more with less, and who wrote down how. ';

/** What an engine must offer: open, prefill(n), decode({n, depth}), close; all give {ms, n}. */
const engines = {
  async sotto() {
    const { sottoEngine } = await import('/bench/engines/sotto.js');
    return sottoEngine(await import('/sotto/js/index.js'), TEXT);
  },

  async wllama() {
    const { Wllama, LoggerWithoutDebug } = await import('/wllama/index.js');
    let engine;
    /** Text of about n tokens whose count the engine itself reports. */
    const complete = (prompt, n) =>
      engine.createCompletion({ prompt, max_tokens: n, temperature: 0, ignore_eos: true, cache_prompt: false, stream: false });
    const texts = new Map();
    /** The longest run of whole words that the engine counts as at most n tokens, found once by asking it. */
    async function textOf(n) {
      if (!texts.has(n)) {
        const words = TEXT.repeat(Math.ceil(n / 20) + 1).split(' ');
        let count = Math.round(n * 0.95);
        for (let i = 0; i < 6; i++) {
          const { usage } = await complete(words.slice(0, count).join(' '), 1);
          if (usage.prompt_tokens === n) break;
          count += Math.sign(n - usage.prompt_tokens) * Math.max(1, Math.floor(Math.abs(n - usage.prompt_tokens) * 0.9));
        }
        texts.set(n, words.slice(0, count).join(' '));
      }
      return texts.get(n);
    }
    return {
      async open({ model, threads, context }) {
        const blob = await (await fetch(model)).blob();
        const begin = performance.now();
        engine = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { logger: LoggerWithoutDebug, suppressNativeLog: true });
        await engine.loadModel([blob], { n_ctx: context, n_threads: threads, n_gpu_layers: 0, n_batch: 512 });
        return { ms: performance.now() - begin };
      },
      async prefill(n) {
        const { timings } = await complete(await textOf(n), 1);
        return { ms: timings.prompt_ms, n: timings.prompt_n };
      },
      async decode({ n, depth }) {
        const { timings } = await complete(await textOf(depth), n + 1);
        return { ms: timings.predicted_ms, n: timings.predicted_n };
      },
      close: () => engine.exit(),
    };
  },
};

let engine;
window.bench = {
  async start(name) {
    engine = await engines[name]();
    return { isolated: crossOriginIsolated };
  },
  call: (name, argument) => engine[name](argument),
};
document.title = 'ready';
