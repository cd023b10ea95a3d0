/**
 * Speed before a download: what a token costs, over what the machine was measured to do. The shares are what the
 * kernels reach of those measures; a busy machine is slower.
 */

/** Of the stream-read bandwidth and of the dot kernel's peak. */
const STREAM = 0.75;
const DECODE = 0.45;
const PREFILL = 0.9;
const ATTENTION = 0.2;

/**
 * Tokens a second of an answer, at little context.
 * @param {{bytes: number, macs?: number, output?: number}} cost bytes of weights read for a token, and multiply-adds
 * @param {{stream_gbs: number, dot_gmacs?: number}} machine of measureMachine
 */
export function decodeSpeed({ bytes, macs = 0, output = 0 }, { stream_gbs, dot_gmacs = Infinity }) {
  return 1 / Math.max(bytes / (STREAM * stream_gbs * 1e9), (macs + output) / (DECODE * dot_gmacs * 1e9));
}

/**
 * On one thread; n threads are at most n times as fast.
 * @param {import('./info.js').ModelInfo} info
 * @param {{stream_gbs: number, dot_gmacs: number}} machine
 * @param {number} tokens of the prompt
 */
export function prefillSeconds({ cost }, machine, tokens) {
  let attention = 0;
  for (const [window, macs] of cost.attention) {
    const seen = window && window < tokens ? window : tokens;
    attention += macs * seen * (tokens - seen / 2);
  }
  return (tokens * cost.macs * (ATTENTION / PREFILL) + attention) / (ATTENTION * machine.dot_gmacs * 1e9);
}

/**
 * @param {import('./info.js').ModelInfo} info
 * @param {{stream_gbs: number, dot_gmacs: number}} machine
 * @returns {import('./info.js').Estimate}
 */
export function estimate(info, machine) {
  const short = Math.min(256, info.contextLength);
  return {
    decodeTokensPerSecond: decodeSpeed(info.cost, machine),
    prefillTokensPerSecond: short / prefillSeconds(info, machine, short),
    prefillSeconds: prefillSeconds(info, machine, info.contextLength),
  };
}
