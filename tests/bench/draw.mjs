/** Draws the rows of a bench run as an SVG of grouped bars: prefill and decode, one group a model and thread count. */

const colours = { 'sotto chromium': '#0b6e5f', 'sotto node': '#5cb8a5', 'llama.cpp native': '#5b6b8c', 'wllama chromium': '#c77b2b' };
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** @param {any[]} rows @returns {string} */
export function drawBench(rows) {
  const speeds = rows.filter((row) => row.unit === 'tok/s' && !row.busy);
  const series = Object.keys(colours).filter((name) => speeds.some((row) => `${row.engine} ${row.host}` === name));
  const panels = ['pp256', 'tg64'].map((test) => ({ test, rows: speeds.filter((row) => row.test === test) }));
  const groups = [...new Set(speeds.map((row) => `${row.model} ${row.quantization} · ${row.threads}t`))];
  const bar = 13, gap = 16, left = 190, width = 860, plot = width - left - 70;
  const groupHeight = series.length * bar + gap;
  const panelHeight = groups.length * groupHeight + 46;
  const out = [];
  let y = 34;
  series.forEach((name, i) => {
    out.push(`<rect x="${left + i * 155}" y="8" width="12" height="12" rx="2" fill="${colours[name]}"/><text x="${left + 18 + i * 155}" y="18">${escape(name)}</text>`);
  });
  for (const { test, rows: mine } of panels) {
    const most = Math.max(1, ...mine.map((row) => row.max));
    out.push(`<text x="12" y="${y + 16}" font-weight="600">${test === 'pp256' ? 'prefill, 256 tokens' : 'decode, 64 tokens'} (tok/s; line: min to max)</text>`);
    let top = y + 28;
    for (const group of groups) {
      out.push(`<text x="${left - 8}" y="${top + (series.length * bar) / 2 + 4}" text-anchor="end">${escape(group)}</text>`);
      series.forEach((name, i) => {
        const row = mine.find((r) => `${r.engine} ${r.host}` === name && `${r.model} ${r.quantization} · ${r.threads}t` === group);
        if (!row) return;
        const at = top + i * bar, x = (v) => (left + (v / most) * plot).toFixed(1);
        out.push(`<rect x="${left}" y="${at}" width="${(x(row.median) - left).toFixed(1)}" height="${bar - 2}" rx="2" fill="${colours[name]}"/>`);
        out.push(`<line x1="${x(row.min)}" x2="${x(row.max)}" y1="${at + 5.5}" y2="${at + 5.5}" stroke="#222" stroke-width="1"/>`);
        out.push(`<text x="${Number(x(row.max)) + 5}" y="${at + 9.5}" font-size="10">${row.median >= 100 ? row.median.toFixed(0) : row.median.toFixed(1)}</text>`);
      });
      top += groupHeight;
    }
    y += panelHeight;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${out.join('\n')}</svg>\n`;
}
