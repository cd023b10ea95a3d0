// Taking the comments out of a module leaves its tokens and its line breaks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripComments } from '../../tools/package.mjs';

test('comments and indentation go, what only looks like a comment stays', () => {
  const source = [
    '/** A module. @type {string} */',
    "import { a } from './a.js'; // why",
    '',
    "const url = 'https://x.org/*'; const pattern = /[/*]\\/\\//g;",
    'const text = `a // b ${/* in */ a}',
    '   /* kept, it is text */`;',
    '/* one */ /* two */ export function f(/** @type {number} */ x) {',
    '  return /* a',
    '  break */ x - -x + +x / 2; // end',
    '}',
    'export const g = (n) => ({ n, m: [n, n] });',
    '/** @typedef {string} Last */',
  ].join('\n');
  assert.equal(
    stripComments(source),
    [
      "import{a}from './a.js';",
      "const url='https://x.org/*';const pattern=/[/*]\\/\\//g;",
      'const text=`a // b ${a}',
      '   /* kept, it is text */`;',
      'export function f(x){',
      'return',
      'x - -x + +x / 2;',
      '}',
      'export const g=(n)=>({n,m:[n,n]});',
      '',
    ].join('\n'),
  );
});

test('what bundlers and licences need stays', () => {
  const kept = stripComments('/*! (c) */ const m = import(/* @vite-ignore */ /* webpackIgnore: true */ n); /* gone */');
  assert.match(kept, /^\/\*! \(c\) \*\/ ?const m=import\(\/\* @vite-ignore \*\/ \/\* webpackIgnore: true \*\/ n\);\n$/);
});

test('a module that cannot be read is refused', () => {
  assert.throws(() => stripComments('const = 1;', 'bad.js'), /bad\.js/);
});
