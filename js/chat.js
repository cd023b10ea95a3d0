import { checkOptions, invalid, SottoError } from './errors.js';
import { SAMPLING_OPTIONS } from './model.js';
import { pack, unpack } from './saved.js';
import { saveSequence, toBytes } from './sequence.js';

/**
 * @typedef {object} Message
 * @property {string} role system, user, assistant (or what the template knows)
 * @property {string} content
 * @property {string} [reasoning_content] what an assistant thought before it answered
 */

/**
 * What was evaluated last: the text and its ids, and the places where an answer ends, from which on a longer
 * conversation can be tokenized alone.
 * @typedef {{text: string, ids: Uint32Array, marks: {text: number, ids: number}[]}} Trace
 */

/** A conversation. Each turn evaluates only what is new. */
export class Chat {
  /** @type {import('./model.js').Model} */
  #model;
  #sequence;
  /** @type {Message[]} */
  #messages = [];
  #from = 0;
  /** @type {Trace} */
  #trace = { text: '', ids: new Uint32Array(0), marks: [] };
  #busy = false;
  #closed = false;
  /** @type {Record<string, unknown>} */
  #variables;

  /**
   * @param {import('./model.js').Model} model
   * @param {number} sequence
   * @param {ChatOptions} options
   */
  constructor(model, sequence, options) {
    checkOptions(options, ['system', 'messages', 'variables'], 'createChat');
    this.#model = model;
    this.#sequence = sequence;
    this.#variables = { ...options.variables };
    if (options.system) this.#messages.push({ role: 'system', content: String(options.system) });
    for (const message of options.messages ?? []) {
      if (typeof message?.role !== 'string' || typeof message.content !== 'string') {
        throw invalid('A message is { role, content }, both strings.');
      }
      this.#messages.push({ ...message });
    }
  }

  /** The whole conversation, a copy. */
  get messages() {
    return this.#messages.map((message) => ({ ...message }));
  }

  /** How many of the oldest messages (below the system prompt) no longer fit and are not seen by the model. */
  get dropped() {
    return this.#from;
  }

  /** Tokens of the conversation that the model holds. */
  get tokens() {
    return this.#trace.ids.length;
  }

  /**
   * Says something and streams the answer.
   * @param {string} text
   * @param {ChatTurnOptions} [options]
   * @returns {AsyncGenerator<import('./model.js').Part, void, void>}
   */
  async *send(text, options) {
    if (typeof text !== 'string') throw invalid('send takes a text.');
    this.#check(options);
    this.#messages.push({ role: 'user', content: text });
    yield* this.#answer(options);
  }

  /**
   * Replaces message `index` (as counted in `messages`), forgets what came after it and, where it is not an
   * assistant's, streams a new answer.
   * @param {number} index
   * @param {string} text
   * @param {ChatTurnOptions} [options]
   * @returns {AsyncGenerator<import('./model.js').Part, void, void>}
   */
  async *edit(index, text, options) {
    if (!Number.isInteger(index) || !this.#messages[index]) throw invalid(`There is no message ${index}.`);
    if (typeof text !== 'string') throw invalid('edit takes a text.');
    this.#check(options);
    const { role } = this.#messages[index];
    this.#messages.splice(index, Infinity, { role, content: text });
    this.#refit();
    if (role === 'user') yield* this.#answer(options);
  }

  /**
   * Forgets the last answer and streams another.
   * @param {ChatTurnOptions} [options]
   * @returns {AsyncGenerator<import('./model.js').Part, void, void>}
   */
  async *regenerate(options) {
    this.#check(options);
    while (this.#messages.length > 0 && this.#messages[this.#messages.length - 1].role === 'assistant') {
      this.#messages.pop();
    }
    if (this.#messages[this.#messages.length - 1]?.role !== 'user') throw invalid('There is nothing to answer.');
    this.#refit();
    yield* this.#answer(options);
  }

  /**
   * The conversation with what the model holds of it, as bytes for `restore`.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Uint8Array>}
   */
  async save(options = {}) {
    checkOptions(options, ['signal'], 'save');
    this.#check({});
    const { text, ids, marks } = this.#trace;
    const plain = { messages: this.#messages, from: this.#from, text, ids: Array.from(ids), marks };
    return pack(plain, await saveSequence(this.#model, this.#sequence, options.signal));
  }

  /**
   * Goes on with a conversation that this model saved, instead of this one; nothing is evaluated again.
   * @param {Uint8Array | ArrayBuffer} bytes
   * @param {{signal?: AbortSignal}} [options]
   */
  async restore(bytes, options = {}) {
    checkOptions(options, ['signal'], 'restore');
    this.#check({});
    const { plain, state } = unpack(toBytes(bytes));
    this.#trace = { text: '', ids: new Uint32Array(0), marks: [] };
    await this.#model._call('seqRestore', [this.#sequence, state, true], options);
    const { messages, from, ...trace } = plain;
    this.#messages = messages;
    this.#from = from;
    this.#trace = { ...trace, ids: Uint32Array.from(trace.ids) };
  }

  /** Gives the conversation's cache back. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    await this.#model._call('seqClose', [this.#sequence]);
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.close();
  }

  /** @param {ChatTurnOptions | undefined} options */
  #check(options) {
    checkOptions(options, [...SAMPLING_OPTIONS, 'variables'], 'chat');
    if (this.#closed) throw new SottoError('SOTTO_CLOSED', 'The chat was closed.');
    if (this.#busy) throw invalid('The chat is still answering: one turn at a time.');
  }

  /** After messages were taken away, older ones may fit again. */
  #refit() {
    if (this.#from > 0) this.#from = 0;
  }

  /** The messages that the model gets to see. */
  #visible() {
    const head = this.#messages[0]?.role === 'system' ? 1 : 0;
    return [...this.#messages.slice(0, head), ...this.#messages.slice(head + this.#from)];
  }

  /**
   * Text and ids of the conversation; ids of earlier answers stay the ones that were generated.
   * @param {Record<string, unknown>} variables
   */
  async #render(variables) {
    const text = await this.#model.applyChatTemplate(this.#visible(), { ...variables, addGenerationPrompt: true });
    const trace = this.#trace;
    const marks = trace.marks.filter(
      (mark) => text[mark.text] !== ' ' && text.startsWith(trace.text.slice(0, mark.text)),
    );
    const mark = marks[marks.length - 1] ?? { text: 0, ids: 0 };
    const rest = await this.#model._call('tokenizePrompt', [text.slice(mark.text), mark.text === 0]);
    const ids = new Uint32Array(mark.ids + rest.length);
    ids.set(trace.ids.subarray(0, mark.ids));
    ids.set(rest, mark.ids);
    return { text, ids, marks };
  }

  /**
   * The prompt, after dropping the oldest turns where it would not leave room for an answer.
   * @param {ChatTurnOptions} options
   */
  async #prompt(options) {
    const variables = { ...this.#variables, ...options.variables };
    const length = this.#model.info.contextLength;
    const room = Math.min(options.maxTokens || 256, length >> 2);
    let prompt = await this.#render(variables);
    if (prompt.ids.length + room <= length) return prompt;
    /* Once over, drop some more than needed: dropping means evaluating the rest again. */
    const head = this.#messages[0]?.role === 'system' ? 1 : 0;
    while (prompt.ids.length > length * 0.6) {
      let next = this.#from + 1;
      while (head + next < this.#messages.length && this.#messages[head + next].role !== 'user') next++;
      if (head + next >= this.#messages.length) break;
      this.#from = next;
      prompt = await this.#render(variables);
    }
    if (prompt.ids.length >= length) {
      throw new SottoError(
        'SOTTO_CONTEXT_FULL',
        `The message takes ${prompt.ids.length} tokens with its system prompt; the context has ${length}.`,
      );
    }
    return prompt;
  }

  /**
   * Tokens of the system prompt, which a context shift keeps.
   * @param {ChatTurnOptions} options
   * @param {Trace} prompt
   */
  async #head(options, prompt) {
    if (this.#messages[0]?.role !== 'system') return undefined;
    const variables = { ...this.#variables, ...options.variables };
    try {
      const text = await this.#model.applyChatTemplate(this.#messages.slice(0, 1), variables);
      const ids = await this.#model._call('tokenizePrompt', [text, true]);
      let n = 0;
      while (n < ids.length && ids[n] === prompt.ids[n]) n++;
      return Math.min(n, this.#model.info.contextLength >> 1);
    } catch {
      return undefined; /* a template that wants more than a system prompt */
    }
  }

  /**
   * @param {ChatTurnOptions} [options]
   * @returns {AsyncGenerator<import('./model.js').Part, void, void>}
   */
  async *#answer(options = {}) {
    const { variables: _variables, ...sampling } = options;
    this.#busy = true;
    const before = this.#from;
    let answer = '';
    let reasoning = '';
    let said = false;
    try {
      const prompt = await this.#prompt(options);
      /** @type {{text: string, ids: number[], whole: boolean}} */
      const raw = { text: '', ids: [], whole: false };
      let first = this.#from > before;
      this.#trace = prompt;
      if (sampling.contextShift === true) sampling.contextShift = { keep: await this.#head(options, prompt) };
      for await (const part of this.#model._generate(this.#sequence, prompt.ids, prompt.text, sampling, raw)) {
        said = true;
        if (part.channel === 'reasoning') reasoning += part.text;
        else answer += part.text;
        yield first ? { ...part, dropped: this.#from } : part;
        first = false;
      }
      if (raw.whole) {
        const ids = new Uint32Array(prompt.ids.length + raw.ids.length);
        ids.set(prompt.ids);
        ids.set(raw.ids, prompt.ids.length);
        const text = prompt.text + raw.text;
        this.#trace = { text, ids, marks: [...prompt.marks, { text: text.length, ids: ids.length }] };
      }
    } finally {
      this.#busy = false;
      if (said) {
        /** @type {Message} */
        const message = { role: 'assistant', content: answer };
        if (reasoning) message.reasoning_content = reasoning;
        this.#messages.push(message);
      }
    }
  }
}

/**
 * @typedef {object} ChatOptions
 * @property {string} [system] system prompt
 * @property {Message[]} [messages] an earlier conversation to go on with
 * @property {Record<string, unknown>} [variables] for the template, such as enable_thinking
 *
 * @typedef {import('./model.js').GenerateOptions & {variables?: Record<string, unknown>}} ChatTurnOptions
 */
