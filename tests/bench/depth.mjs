/**
 * How decode slows down as the context grows: one line a model and engine, as a table, JSON and a plot.
 *
 *   node tests/bench/depth.mjs [--depths LIST] [--peers LIST] [--shapes LIST] [--mix MIX] [--model FILE] [--threads N]
 *                              [--rounds N] [--json FILE] [--svg FILE]
 *   --depths   default 128,512,1024,2048,4096,8192
 *   --peers    of sotto-node (default), sotto-chromium, llama.cpp
 *   --shapes   random weights at published shapes (tools/random-model.mjs), default smollm2-135m,gemma-3-270m,llama-3.2-1b
 *   --model    one GGUF instead
 *
 * Sotto's cache is filled without evaluating; llama.cpp evaluates its way there. Engines take turns in each round.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { writeRandomModel } from '../../tools/random-model.mjs';
import { chromiumHost, llamaHost, processHost } from './hosts.mjs';

const engines = {
  'sotto-node': { start: () => processHost('sotto-worker.mjs', process.env.SOTTO_BENCH_NODE), call: 'decodeAt' },
  'sotto-chromium': { start: (model) => chromiumHost('sotto', model), call: 'decodeAt' },
  'llama.cpp': { start: () => llamaHost(), call: 'decode' },
};

/** @param {string[]} args */
function parse(args) {
  const o = {
    depths: '128,512,1024,2048,4096,8192',
    peers: 'sotto-node',
    shapes: 'smollm2-135m,gemma-3-270m,llama-3.2-1b',
    mix: 'Q4_K_M',
    model: '',
    threads: '1',
    rounds: '3',
    json: '',
    svg: '',
  };
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].slice(2);
    if (!(name in o) || args[i + 1] === undefined) {
      console.error(`unknown or incomplete argument ${args[i]}; see the head of tests/bench/depth.mjs`);
      process.exit(2);
    }
    o[name] = args[i + 1];
  }
  return {
    ...o,
    depths: o.depths.split(',').map(Number),
    peers: o.peers.split(','),
    shapes: o.shapes.split(','),
    threads: Number(o.threads),
    rounds: Number(o.rounds),
  };
}

const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** @param {ReturnType<typeof parse>} o @param {string} name @param {string} path */
async function measure(o, name, path) {
  const live = [];
  const figures = new Map();
  const deepest = Math.max(...o.depths);
  try {
    for (const peer of o.peers) {
      const host = await engines[peer].start(path);
      live.push({ peer, host });
      await host.call('open', { model: path, threads: o.threads, context: deepest + 64 });
      await host.call(engines[peer].call, { n: 16, depth: o.depths[0] }); // warm
    }
    for (let round = 0; round < o.rounds; round++)
      for (const depth of o.depths)
        for (const { peer, host } of live) {
          const { ms, n } = await host.call(engines[peer].call, { n: 16, depth });
          const key = `${peer} ${depth}`;
          figures.set(key, [...(figures.get(key) ?? []), (n / ms) * 1000]);
        }
  } finally {
    for (const { host } of live) await host.close();
  }
  return o.peers.map((peer) => ({
    model: name,
    peer,
    threads: o.threads,
    points: o.depths.map((depth) => [depth, +middle(figures.get(`${peer} ${depth}`)).toFixed(2)]),
  }));
}

/** Speed over depth, both logarithmic. @param {{model: string, peer: string, threads: number, points: number[][]}[]} lines */
export function drawDepth(lines) {
  const width = 760,
    height = 420,
    left = 56,
    right = 200,
    top = 40,
    bottom = 46;
  const colours = ['#0b6e5f', '#c77b2b', '#5b6b8c', '#a3446e', '#6f8f2f', '#3f7fbf'];
  const all = lines.flatMap((line) => line.points);
  const range = (i) => [Math.min(...all.map((p) => p[i])), Math.max(...all.map((p) => p[i]))];
  const [[x0, x1], [low, high]] = [range(0), range(1)];
  const [y0, y1] = [low / 1.3, high * 1.3];
  const x = (v) => left + ((Math.log(v) - Math.log(x0)) / (Math.log(x1) - Math.log(x0))) * (width - left - right);
  const y = (v) =>
    height - bottom - ((Math.log(v) - Math.log(y0)) / (Math.log(y1) - Math.log(y0))) * (height - top - bottom);
  const out = [
    `<text x="${left}" y="20" font-weight="600">decode, tokens a second, over tokens of context (${lines[0].threads} thread${lines[0].threads > 1 ? 's' : ''})</text>`,
  ];
  for (const v of [1, 2, 5, 10, 20, 50, 100, 200, 500].filter((v) => v >= y0 && v <= y1))
    out.push(
      `<line x1="${left}" x2="${width - right}" y1="${y(v).toFixed(1)}" y2="${y(v).toFixed(1)}" stroke="#ddd"/><text x="${left - 6}" y="${(y(v) + 4).toFixed(1)}" text-anchor="end">${v}</text>`,
    );
  for (const [v] of lines[0].points)
    out.push(`<text x="${x(v).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${v}</text>`);
  let last = -Infinity;
  const ends = lines.map((line, i) => ({ line, colour: colours[i % colours.length], end: y(line.points.at(-1)[1]) }));
  for (const { line, colour, end } of ends.sort((a, b) => a.end - b.end)) {
    const path = line.points.map(([d, v], i) => `${i ? 'L' : 'M'}${x(d).toFixed(1)} ${y(v).toFixed(1)}`).join('');
    out.push(
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${line.peer === 'llama.cpp' ? ' stroke-dasharray="5 4"' : ''}/>`,
    );
    for (const [d, v] of line.points)
      out.push(`<circle cx="${x(d).toFixed(1)}" cy="${y(v).toFixed(1)}" r="3" fill="${colour}"/>`);
    last = Math.max(end, last + 15);
    out.push(
      `<text x="${width - right + 10}" y="${(last + 4).toFixed(1)}" fill="${colour}">${line.model}, ${line.peer}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${out.join('\n')}</svg>\n`;
}

const o = parse(process.argv.slice(2));
const lines = [];
for (const shape of o.model ? [''] : o.shapes) {
  const path = o.model || join(tmpdir(), `sotto-depth-${shape}-${o.mix}.gguf`);
  if (shape && !existsSync(path)) writeRandomModel(shape, o.mix, path);
  try {
    for (const line of await measure(o, shape || basename(path), path)) {
      lines.push(line);
      console.log(
        `${line.model} ${line.peer}: ${line.points.map(([depth, v]) => `${depth}: ${v}`).join('  ')} tok/s; at ${line.points.at(-1)[0]} ${(line.points.at(-1)[1] / line.points[0][1]).toFixed(2)} of ${line.points[0][0]}`,
      );
    }
  } finally {
    if (shape) rmSync(path, { force: true });
  }
}
for (const [file, text] of [
  [o.json, () => JSON.stringify(lines, null, 1) + '\n'],
  [o.svg, () => drawDepth(lines)],
]) {
  if (!file) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text());
}
