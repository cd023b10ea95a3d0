// Memory of a browser from outside.

import fs from 'node:fs';

/** Resident bytes of a process and all its descendants, or null where /proc does not tell. @param {number | undefined} pid */
export function residentBytes(pid) {
  if (!pid || !fs.existsSync('/proc/self/status')) return null;
  const parents = new Map();
  const bytes = new Map();
  for (const name of fs.readdirSync('/proc').filter((text) => /^\d+$/.test(text))) {
    try {
      const status = fs.readFileSync(`/proc/${name}/status`, 'utf8');
      parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
      bytes.set(Number(name), Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024);
    } catch { /* gone meanwhile */ }
  }
  const ofTree = (/** @type {number} */ at) => {
    for (; at > 1; at = parents.get(at) ?? 0) if (at === pid) return true;
    return false;
  };
  return [...bytes].filter(([at]) => ofTree(at)).reduce((sum, [, n]) => sum + n, 0);
}
