// What npm pack ships: dist/ holds js/, workers/ and the built modules as they lie in the repository, with the
// comments taken out of the JavaScript. The types, made from the sources, keep the documentation.
//   node tools/package.mjs [FOLDER]       writes dist/ (or FOLDER) from what is built

import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import ts from 'typescript';
import { isMain } from './setup.mjs';
import { SetupError, root, runMain } from './setup-util.mjs';

/** Comments that mean something to others: to bundlers, and licences. */
const KEPT = /^\/\*\s*(@vite-ignore|webpackIgnore\b)|^\/[/*]!|@license|@preserve/;

/** Characters beside which a space separates nothing. */
const LOOSE = /[(){}[\],;:=|&\n]/;

/**
 * The tokens of a module, each with its text and the place where the trivia before it begin.
 * @param {ts.SourceFile} file @returns {{ kind: ts.SyntaxKind, text: string, from: number, start: number }[]}
 */
function tokensOf(file) {
  /** @type {ReturnType<typeof tokensOf>} */
  const tokens = [];
  const walk = (/** @type {ts.Node} */ node) => {
    const children = node.getChildren(file).filter((child) => !ts.isJSDoc(child));
    if (children.length) return children.forEach(walk);
    if (node.kind === ts.SyntaxKind.SyntaxList) return;
    tokens.push({ kind: node.kind, text: node.getText(file), from: node.pos, start: node.getStart(file) });
  };
  walk(file);
  return tokens;
}

/** @param {string} source @param {string} name */
function parse(source, name) {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const [problem] = /** @type {any} */ (file).parseDiagnostics;
  if (problem) throw new SetupError(`${name}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`);
  return file;
}

/**
 * A module without comments and indentation. Its tokens are the same, as is every line break between two of them;
 * that is checked.
 * @param {string} source @param {string} [name]
 */
export function stripComments(source, name = 'module.js') {
  const tokens = tokensOf(parse(source, name));
  let out = source.startsWith('#!') ? source.slice(0, source.indexOf('\n') + 1) : '';
  for (const { text, from, start } of tokens) {
    const trivia = source.slice(from, start);
    const comments = [...(ts.getTrailingCommentRanges(source, from) ?? []), ...(ts.getLeadingCommentRanges(source, from) ?? [])];
    const kept = [...new Set(comments.map(({ pos, end }) => source.slice(pos, end)))].filter((comment) => KEPT.test(comment));
    let between = trivia.includes('\n') ? '\n' : trivia ? ' ' : '';
    if (between === ' ' && (LOOSE.test(out.at(-1) ?? '\n') || LOOSE.test(text[0] ?? '\n'))) between = '';
    if (out === '') between = '';
    for (const comment of kept) between += comment + (comment.startsWith('//') ? '\n' : ' ');
    out += between + text;
  }
  const again = tokensOf(parse(out, name));
  const differs = tokens.length !== again.length || tokens.some((token, i) => token.kind !== again[i].kind || token.text !== again[i].text);
  if (differs) throw new SetupError(`${name} would be another module without its comments`);
  return out.endsWith('\n') ? out : `${out}\n`;
}

/** The scripts of js/ and workers/, by their path in the package. @returns {[string, string][]} */
export function scripts() {
  return ['js', 'workers'].flatMap((folder) =>
    fs.readdirSync(path.join(root, folder)).filter((file) => file.endsWith('.js')).sort()
      .map((file) => /** @type {[string, string]} */ ([`${folder}/${file}`, stripComments(fs.readFileSync(path.join(root, folder, file), 'utf8'), file)])),
  );
}

/** Writes the folder that is shipped. @param {string} [folder] */
export function writePackage(folder = path.join(root, 'dist')) {
  fs.rmSync(folder, { recursive: true, force: true });
  for (const [name, text] of scripts()) {
    fs.mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  fs.cpSync(path.join(root, 'wasm/dist'), path.join(folder, 'wasm/dist'), { recursive: true });
  return folder;
}

/** What one visitor fetches: all scripts and one module, each with gzip -9. @param {string} [module] */
export function downloadBytes(module = 'sotto-relaxed.wasm') {
  const files = [...scripts().map(([, text]) => Buffer.from(text)), fs.readFileSync(path.join(root, 'wasm/dist', module))];
  return files.reduce((sum, bytes) => sum + gzipSync(bytes, { level: 9 }).length, 0);
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    console.log(writePackage(process.argv[2] && path.resolve(process.argv[2])));
    console.log(`one visitor fetches ${downloadBytes()} bytes`);
  });
}
