// What processes take, seen from outside: by /proc, so on Linux.

import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A process and all its descendants. @param {number} pid @returns {number[]} */
export function tree(pid) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch { /* gone meanwhile */ }
  }
  const found = new Set([pid]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [child, parent] of parents) {
      if (found.has(parent) && !found.has(child)) {
        found.add(child);
        grown = true;
      }
    }
  }
  return [...found];
}

/** CPU seconds used so far by processes. @param {number[]} pids */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch { /* gone meanwhile */ }
  }
  return ticks / 100;
}

/** Resident bytes of each process, now or at its peak. @param {number[]} pids @param {'VmHWM'|'VmRSS'} field */
export function residentBytes(pids, field) {
  const bytes = new Map();
  for (const pid of pids) {
    try {
      const match = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      if (match) bytes.set(pid, Number(match[1]) * 1024);
    } catch { /* gone meanwhile */ }
  }
  return bytes;
}

/** Resident bytes of a process and all its descendants, or null where /proc does not tell. @param {number | undefined} pid */
export function treeBytes(pid) {
  if (!pid || !existsSync('/proc/self/status')) return null;
  return [...residentBytes(tree(pid), 'VmRSS').values()].reduce((sum, n) => sum + n, 0);
}
