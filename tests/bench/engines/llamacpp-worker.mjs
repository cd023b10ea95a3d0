/**
 * llama.cpp natively, by node-llama-cpp, in a process of its own. One JSON request a line on stdin, one JSON answer
 * a line on stdout: {open: {model, threads, context}}, {prefill: n}, {decode: n, depth}, {close: true}.
 */
import { createInterface } from 'node:readline';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

let model, context, sequence, tokens;

const requests = {
  async open({ model: path, threads, context: contextSize }) {
    const llama = await getLlama({ build: 'never', gpu: false, logLevel: LlamaLogLevel.error, progressLogs: false, maxThreads: threads });
    const begin = performance.now();
    model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    context = await model.createContext({ contextSize, threads, batchSize: 512, sequences: 1, flashAttention: 'auto' });
    sequence = context.getSequence();
    const ms = performance.now() - begin;
    tokens = model.tokenize(TEXT.repeat(40));
    return { ms };
  },
  async prefill(n) {
    await sequence.clearHistory();
    const prompt = tokens.slice(0, n);
    const begin = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(prompt);
    return { ms: performance.now() - begin, n };
  },
  async decode({ n, depth }) {
    await sequence.clearHistory();
    const prompt = tokens.slice(0, depth);
    while (prompt.length < depth) prompt.push(...tokens.slice(0, depth - prompt.length));
    const iterator = sequence.evaluate(prompt, { temperature: 0 });
    await iterator.next(); // the prompt and the first token
    const begin = performance.now();
    const cpu = process.cpuUsage();
    for (let i = 0; i < n; i++) {
      const { done } = await iterator.next();
      if (done) throw new Error('the model stopped');
    }
    const ms = performance.now() - begin;
    const used = process.cpuUsage(cpu);
    await iterator.return?.();
    return { ms, n, cpuSeconds: (used.user + used.system) / 1e6 };
  },
  async close() {
    await context.dispose();
    await model.dispose();
    return {};
  },
};

const TEXT = 'The history of computing is a history of people who wanted to do more with less, and who wrote down how. ';

for await (const line of createInterface({ input: process.stdin })) {
  const [[name, argument]] = Object.entries(JSON.parse(line));
  let answer;
  try {
    answer = await requests[name](argument);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
  if (name === 'close') process.exit(0);
}
