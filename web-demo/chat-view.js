/** The conversation: its list of messages, the composer, streaming, stop, edit, regenerate, copy. */
import { $, make, notice, speak } from './dom.js';
import { chatOf, engine, onEngine } from './engine.js';
import { renderMarkdown } from './markdown.js';
import { samplingOptions, settings } from './settings.js';
import { saveConversation } from './store.js';

/** @typedef {import('./store.js').Conversation} Conversation */
/** @typedef {import('./store.js').Message} Message */

const suggestions = [
  'Explain what a hash table is, as to a friend.',
  'Write a short poem about the sea at night.',
  'Give me three ideas for a rainy Sunday.',
  'What is the capital of France?',
];

/** @type {Conversation} */
let current = blank();
/** The engine's chat for `current`, null when it must be made anew. @type {ReturnType<typeof chatOf> | null} */
let chat = null;
/** The system prompt it was made with. */
let chatSystem = '';
/** @type {AbortController | null} */
let answering = null;
/** @type {() => void} */
let changed = () => {};

/** @returns {Conversation} */
function blank() {
  const now = Date.now();
  return { id: crypto.randomUUID?.() ?? String(now) + Math.random(), title: '', created: now, updated: now, messages: [] };
}

export const currentId = () => current.id;

/** @param {Conversation} [conversation] shows it, or a new one */
export async function show(conversation) {
  stop();
  current = conversation ?? blank();
  await dropChat();
  draw();
  $('prompt').focus();
}

async function dropChat() {
  const old = chat;
  chat = null;
  await old?.close();
}

/**
 * Asks the engine: goes on with its chat where that holds the turns before, so that only what is new is
 * evaluated; an edit or a new answer keeps what it has in common.
 * @param {Message[]} turns before the question @param {string} text @param {any} options
 */
async function turn(turns, text, options) {
  const head = settings.system ? 1 : 0;
  const held = chat?.messages.slice(head) ?? [];
  if (chat && chatSystem === settings.system && turns.every((m, i) => held[i]?.role === m.role && held[i].content === m.content)) {
    return held.length === turns.length ? chat.send(text, options) : chat.edit(head + turns.length, text, options);
  }
  await dropChat();
  chatSystem = settings.system;
  chat = chatOf(turns);
  return chat.send(text, options);
}

/** Stops the answer being written. */
export function stop() {
  answering?.abort();
}

function draw() {
  const list = $('messages');
  list.replaceChildren(...current.messages.map(row));
  $('welcome').hidden = current.messages.length > 0;
  document.title = current.title ? `${current.title} · Sotto` : 'Sotto: a language model in this page';
  $('log').scrollTop = $('log').scrollHeight;
}

/** @param {Message} message */
function row(message) {
  const template = /** @type {HTMLTemplateElement} */ (/** @type {unknown} */ ($('message-template')));
  const node = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
  node.dataset.role = message.role;
  fill(node, message);
  const who = message.role === 'user' ? 'You' : (engine.choice?.name ?? 'Model');
  /** @type {HTMLElement} */ (node.querySelector('.who')).textContent = who;
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (node.querySelectorAll('.tools button'))) {
    const action = button.dataset.do;
    button.hidden = (action === 'edit' && message.role !== 'user') || (action === 'regenerate' && message.role !== 'assistant');
    button.addEventListener('click', () => {
      if (action === 'copy') void copy(button, message);
      if (action === 'edit') edit(node, message);
      if (action === 'regenerate') void regenerate(message);
    });
  }
  return node;
}

/** @param {HTMLElement} node @param {Message} message */
function fill(node, message) {
  node.dataset.dropped = String(!!message.dropped);
  const content = /** @type {HTMLElement} */ (node.querySelector('.content'));
  if (message.role === 'user') content.textContent = message.content;
  else renderMarkdown(content, message.content);
  if (message.role === 'user') content.style.whiteSpace = 'pre-wrap';
  const reasoning = /** @type {HTMLDetailsElement} */ (node.querySelector('.reasoning'));
  reasoning.hidden = !message.reasoning;
  if (message.reasoning) renderMarkdown(/** @type {HTMLElement} */ (reasoning.querySelector('.body')), message.reasoning);
  /** @type {HTMLElement} */ (node.querySelector('.figures')).textContent = message.figures ?? '';
}

/** @param {HTMLButtonElement} button @param {Message} message */
async function copy(button, message) {
  try {
    await navigator.clipboard.writeText(message.content);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => (button.textContent = 'Copy'), 1500);
}

/** @param {HTMLElement} node @param {Message} message */
function edit(node, message) {
  stop();
  const content = /** @type {HTMLElement} */ (node.querySelector('.content'));
  const area = /** @type {HTMLTextAreaElement} */ (make('textarea', { rows: '3', 'aria-label': 'Edit your message', value: message.content }));
  const form = make('form', { className: 'editor' }, area,
    make('div', { className: 'row end' },
      make('button', { type: 'button', onclick: () => fill(node, message) }, 'Cancel'),
      make('button', { type: 'submit', className: 'primary' }, 'Send')));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = area.value.trim();
    if (!text) return;
    current.messages.length = current.messages.indexOf(message);
    void ask(text);
  });
  content.replaceChildren(form);
  area.focus();
}

/** @param {Message} message an assistant's */
async function regenerate(message) {
  stop();
  const at = current.messages.indexOf(message);
  const question = current.messages[at - 1];
  if (!question) return;
  current.messages.length = at - 1;
  await ask(question.content);
}

/** Sends a question and streams the answer. @param {string} text */
async function ask(text) {
  if (engine.state !== 'ready') {
    notice('Choose a model first; your message stays in the box.', 'info');
    return false;
  }
  stop();
  notice('');
  const turns = current.messages.slice();
  /** @type {Message} */
  const question = { role: 'user', content: text };
  /** @type {Message} */
  const answer = { role: 'assistant', content: '', reasoning: '' };
  current.messages.push(question, answer);
  current.title ||= text.replace(/\s+/g, ' ').slice(0, 60);
  draw();
  void save();
  const node = /** @type {HTMLElement} */ ($('messages').lastElementChild);
  node.classList.add('streaming');
  const controller = new AbortController();
  answering = controller;
  busy(true);
  const painter = paint(node, answer);
  try {
    for await (const part of await turn(turns, text, { ...samplingOptions(), signal: controller.signal, onProgress: prefill })) {
      if (part.channel === 'reasoning') answer.reasoning += part.text;
      else answer.content += part.text;
      painter.soon();
      if (part.finishReason) finish(answer, part);
      if (part.dropped) markDropped(part.dropped);
    }
  } catch (error) {
    if (!controller.signal.aborted) notice(sentence(error));
    else answer.figures ||= 'stopped';
  } finally {
    painter.now();
    node.classList.remove('streaming');
    if (answering === controller) {
      answering = null;
      busy(false);
    }
    if (!answer.content && !answer.reasoning && !controller.signal.aborted) current.messages = turns.concat(question);
    speak(answer.content);
    await save();
    if (current.messages.includes(question)) draw();
  }
  return true;
}

/** Redraws the growing answer at most once a frame. @param {HTMLElement} node @param {Message} message */
function paint(node, message) {
  let waiting = 0;
  const log = $('log');
  const now = () => {
    cancelAnimationFrame(waiting);
    waiting = 0;
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    fill(node, message);
    const reasoning = /** @type {HTMLDetailsElement} */ (node.querySelector('.reasoning'));
    if (!message.content) reasoning.open = true;
    else if (!node.dataset.folded) { node.dataset.folded = 'yes'; reasoning.open = false; }
    if (follows) log.scrollTop = log.scrollHeight;
  };
  return { now, soon: () => (waiting ||= requestAnimationFrame(now)) };
}

/** @param {{loaded: number, total: number}} p tokens of the prompt */
function prefill({ loaded, total }) {
  if (loaded < total) $('stats').textContent = `reading the conversation: ${loaded} of ${total} tokens`;
}

/** @param {Message} answer @param {any} part the last one */
function finish(answer, part) {
  const { usage = {}, timings = {}, finishReason } = part;
  const rate = (/** @type {number} */ n) => (n >= 100 ? Math.round(n) : n.toFixed(1));
  const words = [];
  if (timings.prefillTokensPerSecond) words.push(`prefill ${rate(timings.prefillTokensPerSecond)} tok/s`);
  if (timings.decodeTokensPerSecond) words.push(`decode ${rate(timings.decodeTokensPerSecond)} tok/s`);
  if (timings.firstTokenMs) words.push(`first token ${Math.round(timings.firstTokenMs)} ms`);
  answer.figures = words.join(' · ') + (finishReason === 'length' ? ' · stopped at the length limit' : '');
  $('stats').textContent = words.join(' · ');
  const used = (usage.promptTokens ?? 0) + (usage.completionTokens ?? 0);
  context(used);
}

/** @param {number} used tokens */
function context(used) {
  const length = engine.model?.info.contextLength;
  $('context').hidden = !length || !used;
  if (!length || !used) return;
  /** @type {HTMLMeterElement} */ ($('context-meter')).value = used / length;
  $('context-text').textContent = `${used.toLocaleString('en')} / ${length.toLocaleString('en')}`;
  $('context').title = `${used} of ${length} tokens of context used`;
}

/** @param {number} n how many of the oldest messages the model no longer sees */
function markDropped(n) {
  for (const [i, message] of current.messages.entries()) {
    if (i < n && !message.dropped) {
      message.dropped = true;
      fill(/** @type {HTMLElement} */ ($('messages').children[i]), message);
    }
  }
}

/** @param {any} error */
export const sentence = (error) => (error?.message ? `${error.message}${error.code ? ` (${error.code})` : ''}` : String(error));

/** @param {boolean} yes */
function busy(yes) {
  $('send').hidden = yes;
  $('stop').hidden = !yes;
  $('log').setAttribute('aria-busy', String(yes));
}

async function save() {
  current.updated = Date.now();
  if (current.messages.length) await saveConversation(current);
  changed();
}

/** @param {() => void} onChange called after a conversation was saved */
export function setUpChat(onChange) {
  changed = onChange;
  const prompt = /** @type {HTMLTextAreaElement} */ ($('prompt'));
  const grow = () => {
    prompt.style.height = 'auto';
    prompt.style.height = `${prompt.scrollHeight + 2}px`;
  };
  prompt.addEventListener('input', grow);
  prompt.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      /** @type {HTMLFormElement} */ ($('composer')).requestSubmit();
    }
  });
  $('composer').addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = prompt.value.trim();
    if (!text || answering) return;
    if (engine.state !== 'ready') {
      notice('The model is not ready yet; your message stays in the box.', 'info');
      return;
    }
    prompt.value = '';
    grow();
    await ask(text);
  });
  $('stop').addEventListener('click', stop);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && answering && !document.querySelector('dialog[open]')) stop();
  });
  for (const text of suggestions) {
    $('suggestions').append(make('button', { type: 'button', onclick: () => { prompt.value = text; grow(); /** @type {HTMLFormElement} */ ($('composer')).requestSubmit(); } }, text));
  }
  onEngine(() => { if (engine.state !== 'ready') { chat = null; context(0); } });
}
