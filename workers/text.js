/** A model's text: its tokenizer and its chat template. Calls are short and need no turn. */

/** @typedef {import('./instance.js').Instance} Instance */
/**
 * @typedef {object} Flags
 * @property {boolean} [special] BOS and what else the tokenizer adds
 * @property {boolean} [parse] special tokens in the text
 * @property {boolean} [fit] cut to the context, with the special tokens that end it
 */

/** @param {Flags} flags */
const bits = ({ special, parse, fit }) => (special ? 1 : 0) | (parse ? 2 : 0) | (fit ? 4 : 0);

export class Text {
  #instance;
  #model;
  #out;
  #check;

  /**
   * @param {Instance} instance
   * @param {number} model
   * @param {number} out address of 8 bytes for results
   * @param {(code: number) => void} check throws the model's error
   */
  constructor(instance, model, out, check) {
    this.#instance = instance;
    this.#model = model;
    this.#out = out;
    this.#check = check;
  }

  /** @param {string} text @param {Flags} flags @returns {Uint32Array} */
  tokenize(text, flags) {
    const instance = this.#instance;
    const { at, size } = instance.putText(text);
    const code = instance.x.tokenize(this.#model, at, size, bits(flags), this.#out);
    instance.release(at);
    return this.#ids(code);
  }

  /**
   * A prompt's ids; where the text begins with BOS and the tokenizer adds another, one is taken away.
   * @param {string} text
   * @param {boolean} whole not the continuation of something
   */
  tokenizePrompt(text, whole) {
    const ids = this.tokenize(text, { parse: true, special: whole });
    if (!whole || ids.length < 2 || ids[0] !== ids[1]) return ids;
    const bare = this.tokenize(text, { parse: true });
    return bare.length < ids.length && bare[0] === ids[0] ? ids.subarray(1).slice() : ids;
  }

  /** @param {string} query @param {string} text @param {boolean} fit */
  tokenizePair(query, text, fit) {
    const instance = this.#instance;
    const a = instance.putText(query);
    const b = instance.putText(text);
    const code = instance.x.tokenize_pair(this.#model, a.at, a.size, b.at, b.size, bits({ fit }), this.#out);
    instance.release(a.at);
    instance.release(b.at);
    return this.#ids(code);
  }

  /** @param {Uint32Array} ids @param {boolean} bare without what tokenizing adds @param {boolean} special shown */
  detokenize(ids, bare, special) {
    const instance = this.#instance;
    const at = instance.put(ids);
    const code = instance.x.detokenize(this.#model, at, ids.length, (bare ? 1 : 0) | (special ? 2 : 0), this.#out);
    instance.release(at);
    return this.#string(code);
  }

  /** @param {string | undefined} source the model's own where there is none @param {string} variables JSON */
  template(source, variables) {
    const instance = this.#instance;
    const template = source === undefined ? { at: 0 } : instance.putText(source);
    const { at, size } = instance.putText(variables);
    const code = instance.x.render(this.#model, template.at, at, size, Date.now() / 1000, this.#out);
    instance.release(at);
    if (template.at) instance.release(template.at);
    return this.#string(code);
  }

  /** @param {number} code */
  #ids(code) {
    this.#check(code);
    const [ids, n] = this.#instance.u32(this.#out, 2);
    return this.#instance.u32(ids, n).slice();
  }

  /** @param {number} code */
  #string(code) {
    this.#check(code);
    const [text, size] = this.#instance.u32(this.#out, 2);
    return this.#instance.text(text, size);
  }
}
