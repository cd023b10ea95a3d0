// What the compiled core may not contain: variables, calls into the C library beyond a few, fused products.
//
// Fused multiply-adds round once instead of twice, so one of them makes results differ between hosts. The check
// reads the instructions themselves, since a compiler option that is lost somewhere shows nowhere else.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import v8 from 'node:v8';

const calls = new Set(['memcpy', 'memmove', 'memset', 'memcmp', 'bcmp', 'strlen', '__assert_fail', '__assert_rtn']);
// core/base has the futex and the clock.
const platformCalls = new Set(['syscall', 'clock_gettime', 'clock', 'sched_yield', '__errno_location', 'nanosleep']);
const fused = /\b(vfn?m(add|sub|addsub)\w*|fn?m(add|sub|la|ls)|f(32x4|64x2)\.relaxed_n?madd)\b/;

/** @param {string} program @param {string[]} args */
function output(program, args) {
  return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
}

/**
 * Symbols of a static library: no variables, and only allowed calls to the outside.
 * @param {string} llvm folder of the LLVM tools @param {string} library
 * @returns {{ passed: number, problems: string[] }}
 */
export function checkSymbols(llvm, library) {
  const problems = [];
  const defined = new Set();
  const wanted = [];
  let member = '';
  for (const line of output(path.join(llvm, 'llvm-objdump'), ['-t', library]).split('\n')) {
    const head = line.match(/\(?([\w.-]+\.o)(?:bj)?\)?:\s+file format/);
    if (head) member = head[1];
    // address, flags, section, size, name
    const match = line.match(/^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+ (?:\.hidden )?(.+)$/);
    if (!match) continue;
    const [, flags, section, name] = match;
    if (section === '*UND*') wanted.push({ member, name });
    else if (flags.includes('g') || flags.includes('w')) defined.add(name);
    const variable = /^(\.t?data|\.t?bss|\*COM\*)/.test(section) && !section.startsWith('.data.rel.ro');
    if (variable && flags.includes('O')) problems.push(`${member}: ${name} is a variable (${section})`);
  }
  for (const { member: from, name } of wanted) {
    const allowed = defined.has(name) || calls.has(name) || platformCalls.has(name) || name.startsWith('_GLOBAL_OFFSET');
    if (!allowed) problems.push(`${from}: calls ${name}, which core may not`);
  }
  return { passed: defined.size, problems };
}

/**
 * Instructions of a library or module: none is a fused multiply-add. Modules are read by Binaryen, since
 * llvm-objdump does not know the newer vector instructions.
 * @param {{ llvm: string, binaryen: string }} tools @param {string} file
 * @returns {{ passed: number, problems: string[] }}
 */
export function checkFused({ llvm, binaryen }, file) {
  const problems = [];
  const isModule = file.endsWith('.wasm');
  const text = isModule
    ? output(path.join(binaryen, 'bin/wasm-dis'), ['-all', file])
    : output(path.join(llvm, 'llvm-objdump'), ['-d', '--no-show-raw-insn', file]);
  const head = isModule ? /^ \(func (\S+)/ : /^[0-9a-f]+ <(.+)>:$/;
  const instruction = isModule ? /^\s+\([a-z]/ : /^\s*[0-9a-f]+:/;
  let where = 'a function';
  let n = 0;
  for (const line of text.split('\n')) {
    where = line.match(head)?.[1] ?? where;
    if (!instruction.test(line)) continue;
    n++;
    const match = line.match(fused);
    if (match) problems.push(`${path.basename(file)}: ${match[0]} in ${where}`);
  }
  // A file that could not be read as code would pass everything.
  if (n < 1000) problems.push(`${path.basename(file)}: only ${n} instructions were found in it`);
  return { passed: problems.length ? 0 : 1, problems };
}

/**
 * Imports of a module for js/: the memory and the clock, nothing else. Only looks; nothing is run.
 * @param {BufferSource} bytes @param {string} name @returns {{ passed: number, problems: string[] }}
 */
export function checkImports(bytes, name) {
  // Node 20 knows relaxed SIMD only when asked to.
  if (!WebAssembly.validate(bytes)) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  if (!WebAssembly.validate(bytes)) return { passed: 0, problems: [`${name}: not valid in this Node`] };
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  const problems = imports
    .map((item) => `${item.module}.${item.name}`)
    .filter((item) => item !== 'env.memory' && item !== 'env.now')
    .map((item) => `${name}: imports ${item}`);
  return { passed: problems.length ? 0 : 1, problems };
}
