// The splitter of answer and reasoning: any cut of the text into pieces gives the same channels.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelSplitter, reasoningKind } from '../../js/reasoning.js';

/** @param {string} kind @param {string} prompt @param {string[]} pieces */
function split(kind, prompt, pieces) {
  const splitter = channelSplitter(kind, prompt);
  const out = { answer: '', reasoning: '' };
  pieces.forEach((piece, i) => {
    for (const { channel, text } of splitter.push(piece, i === pieces.length - 1)) out[channel] += text;
  });
  return out;
}

/** In one piece, in single characters, and cut at every place. */
function check(kind, prompt, text, wanted) {
  assert.deepEqual(split(kind, prompt, [text]), wanted);
  assert.deepEqual(split(kind, prompt, [...text]), wanted);
  for (let i = 1; i < text.length; i++)
    assert.deepEqual(split(kind, prompt, [text.slice(0, i), text.slice(i)]), wanted, `cut at ${i}`);
}

test('<think> at the beginning is reasoning', () => {
  check('think', '', '<think>\nTwo and two.\n</think>\n\nFour.', { reasoning: 'Two and two.\n', answer: 'Four.' });
  check('think', '', '\n<think>a</think>b', { reasoning: 'a', answer: 'b' });
});

test('reasoning that the prompt opened needs no tag', () => {
  check('think', 'x<｜Assistant｜><think>\n', 'Hm.</think>Yes < no.', { reasoning: 'Hm.', answer: 'Yes < no.' });
});

test('a tag later in the answer is text', () => {
  check('think', '', 'Write <think>x</think> so.', { reasoning: '', answer: 'Write <think>x</think> so.' });
});

test('what looks like a tag and is none, is text', () => {
  check('think', '', '<thing> is', { reasoning: '', answer: '<thing> is' });
  check('think', '', '<th', { reasoning: '', answer: '<th' });
  check('think', '<think>', 'a </thin b', { reasoning: 'a </thin b', answer: '' });
});

test('empty reasoning leaves the answer alone', () => {
  check('think', '', '<think>\n\n</think>\n\nHello', { reasoning: '', answer: 'Hello' });
});

test('channels of gpt-oss', () => {
  const text =
    '<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant<|channel|>final<|message|>It is a < b.<|return|>';
  check('harmony', '', text, { reasoning: 'Let me see.', answer: 'It is a < b.' });
  check('harmony', '', '<|channel|>final<|message|>x <|y', { reasoning: '', answer: 'x <|y' });
});

test('the template tells the kind', () => {
  assert.equal(reasoningKind("{% if '</think>' in content %}"), 'think');
  assert.equal(reasoningKind('<|start|>assistant<|channel|>analysis'), 'harmony');
  assert.equal(reasoningKind('{{ messages }}'), undefined);
  assert.equal(reasoningKind(undefined), undefined);
});
