/** Sotto in Node, in a process of its own: the protocol of llamacpp-worker.mjs. */
import { createInterface } from 'node:readline';
import * as sotto from '../../../js/index.js';
import { sottoEngine } from './sotto.js';

const TEXT = 'The history of computing is a history of people who wanted to do more with less, and who wrote down how. ';
const engine = sottoEngine(sotto, TEXT);

for await (const line of createInterface({ input: process.stdin })) {
  const [[name, argument]] = Object.entries(JSON.parse(line));
  let answer;
  try {
    const cpu = process.cpuUsage();
    answer = (await engine[name](argument)) ?? {};
    const used = process.cpuUsage(cpu);
    answer.cpuSeconds = (used.user + used.system) / 1e6;
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
  if (name === 'close') process.exit(0);
}
