/** The conversation: its list of messages, the composer, streaming, stop, edit, regenerate, copy. */
import { $, duration, focusPrompt, make, notice, speak } from './dom.js';
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
  'What is photosynthesis? Answer in three sentences.',
];

/** @type {Conversation} */
let current = blank();
/** The engine's chat for `current`, null when it must be made anew. @type {ReturnType<typeof chatOf> | null} */
let chat = null;
/** The system prompt it was made with. */
let chatSystem = '';
/** @type {AbortController | null} */
let answering = null;
/** Settles when the answer being written has ended. @type {Promise<unknown>} */
let answered = Promise.resolve();
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
  await answered;
  current = conversation ?? blank();
  await dropChat();
  draw();
  focusPrompt();
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
  const who = message.role === 'user' ? 'You' : (message.model ?? engine.choice?.name ?? 'Model');
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
    if (text && usable()) void ask(text, message);
  });
  content.replaceChildren(form);
  area.focus();
}

/** @param {Message} message an assistant's */
async function regenerate(message) {
  const question = current.messages[current.messages.indexOf(message) - 1];
  if (question && usable()) await ask(question.content, question);
}

/** Whether there is a model to ask; says what to do where there is none. */
function usable() {
  if (engine.state === 'ready') return true;
  const chosen = engine.state === 'loading' || engine.state === 'paused';
  notice(chosen ? 'The model is not ready yet; your message stays.' : 'Choose a model first; your message stays.', 'info',
    chosen ? undefined : { label: 'Choose a model', run: () => $('open-models').click() });
  return false;
}

/**
 * Sends a question and streams the answer, once the one before has ended.
 * @param {string} text @param {Message} [instead] the message whose place it takes, with all that follow
 */
async function ask(text, instead) {
  const mine = current;
  stop();
  await answered;
  if (current !== mine || engine.state !== 'ready') return;
  if (instead) mine.messages.length = mine.messages.indexOf(instead);
  answered = answer(mine, text).catch((error) => notice(sentence(error)));
  await answered;
}

/** @param {Conversation} mine @param {string} text */
async function answer(mine, text) {
  notice('');
  const turns = mine.messages.slice();
  /** @type {Message} */
  const question = { role: 'user', content: text };
  /** @type {Message} */
  const reply = { role: 'assistant', content: '', reasoning: '', model: engine.choice?.name };
  mine.messages.push(question, reply);
  mine.title ||= text.replace(/\s+/g, ' ').slice(0, 60);
  draw();
  void save(mine);
  const node = /** @type {HTMLElement} */ ($('messages').lastElementChild);
  node.classList.add('streaming');
  const controller = new AbortController();
  answering = controller;
  busy(true);
  $('stats').textContent = '';
  const painter = paint(node, reply);
  const begun = { at: 0 };
  let count = 0;
  try {
    for await (const part of await turn(turns, text, { ...samplingOptions(), signal: controller.signal, onProgress: reader() })) {
      if (part.channel === 'reasoning') reply.reasoning += part.text;
      else reply.content += part.text;
      painter.soon();
      if (part.finishReason) finish(reply, part);
      if (part.dropped) markDropped(part.dropped);
      if (!part.finishReason && part.tokens.length) live(begun, (count += part.tokens.length));
    }
  } catch (error) {
    if (!controller.signal.aborted) notice(sentence(error));
    else reply.figures ||= 'stopped';
  } finally {
    painter.now();
    node.classList.remove('streaming');
    if (answering === controller) {
      answering = null;
      busy(false);
      $('stats').textContent = '';
    }
    if (!reply.content && !reply.reasoning && !controller.signal.aborted) mine.messages = turns.concat(question);
    speak(reply.content);
    await save(mine);
    if (current === mine) draw();
  }
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

/** Tells how fast an answer grows. @param {{at: number}} begun when the first token came @param {number} count tokens */
function live(begun, count) {
  begun.at ||= performance.now();
  const seconds = (performance.now() - begun.at) / 1000;
  $('stats').textContent = `${count} token${count === 1 ? '' : 's'}${seconds > 0.3 ? ` · ${rate((count - 1) / seconds)} tok/s` : ''}`;
}

/** @param {number} n */
const rate = (n) => (n >= 100 ? String(Math.round(n)) : n.toFixed(1));

/** Tells how far the prompt is read, and from the second report on how long it will take. */
function reader() {
  /** @type {{at: number, loaded: number} | undefined} */
  let first;
  return (/** @type {{loaded: number, total: number}} */ { loaded, total }) => {
    if (loaded >= total) return;
    const now = performance.now();
    first ??= { at: now, loaded };
    const words = [`reading the conversation: ${loaded} of ${total} tokens`];
    if (loaded > first.loaded) words.push(`${duration(((now - first.at) / 1000 / (loaded - first.loaded)) * (total - loaded))} left`);
    $('stats').textContent = words.join(' · ');
  };
}

/** @param {Message} answer @param {any} part the last one */
function finish(answer, part) {
  const { usage = {}, timings = {}, finishReason } = part;
  const words = [];
  if (timings.prefillTokensPerSecond) words.push(`prefill ${rate(timings.prefillTokensPerSecond)} tok/s`);
  if (timings.decodeTokensPerSecond) words.push(`decode ${rate(timings.decodeTokensPerSecond)} tok/s`);
  if (timings.firstTokenMs) words.push(`first token ${Math.round(timings.firstTokenMs)} ms`);
  answer.figures = words.join(' · ') + (finishReason === 'length' ? ' · stopped at the length limit' : '');
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
  $('context-share').textContent = `${Math.round((100 * used) / length)} %`;
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

/** What a visitor reads of an error; its code is for the console. @param {any} error */
export function sentence(error) {
  console.warn(error?.code ?? '', error);
  return error?.message ?? String(error);
}

/** @param {boolean} yes */
function busy(yes) {
  $('send').hidden = yes;
  $('stop').hidden = !yes;
  $('log').setAttribute('aria-busy', String(yes));
}

/** @param {Conversation} conversation */
async function save(conversation) {
  conversation.updated = Date.now();
  await saveConversation(conversation);
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
    if (!usable()) return;
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
