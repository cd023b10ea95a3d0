/**
 * Splits what a model says into its answer and its reasoning, as the text streams in.
 *
 * @typedef {'answer' | 'reasoning'} Channel
 * @typedef {{channel: Channel, text: string}} Piece
 */

/**
 * How a model marks reasoning, by its chat template; undefined where it does not.
 * @param {string | null | undefined} template
 * @returns {'think' | 'harmony' | undefined}
 */
export function reasoningKind(template) {
  if (!template) return undefined;
  if (template.includes('<|channel|>')) return 'harmony';
  return template.includes('</think>') || template.includes('<think>') ? 'think' : undefined;
}

/**
 * Length of the longest end of text that could be the beginning of tag.
 * @param {string} text
 * @param {string} tag
 */
function overlap(text, tag) {
  for (let n = Math.min(text.length, tag.length - 1); n > 0; n--) if (text.endsWith(tag.slice(0, n))) return n;
  return 0;
}

/** `<think> … </think>` at the start of an answer (R1, Qwen 3, SmolLM3). */
class ThinkSplitter {
  /** @type {'start' | 'open' | 'reasoning' | 'gap' | 'answer'} */
  #state;
  #held = '';

  /** @param {string} prompt some templates open the reasoning themselves */
  constructor(prompt) {
    this.#state = /<think>\s*$/.test(prompt) ? 'open' : 'start';
  }

  /**
   * @param {string} text
   * @param {boolean} [last] nothing may be held back
   * @returns {Piece[]}
   */
  push(text, last = false) {
    /** @type {Piece[]} */
    const out = [];
    const emit = (/** @type {Channel} */ channel, /** @type {string} */ piece) => {
      if (piece) out.push({ channel, text: piece });
    };
    let rest = this.#held + text;
    this.#held = '';
    while (rest) {
      if (this.#state === 'start') {
        const lead = rest.trimStart();
        if (lead.startsWith('<think>')) {
          rest = lead.slice(7);
          this.#state = 'open';
        } else if ('<think>'.startsWith(lead) && !last) {
          this.#held = rest;
          return out;
        } else {
          this.#state = 'answer';
        }
      } else if (this.#state === 'open') {
        rest = rest.replace(/^\s+/, '');
        if (rest) this.#state = 'reasoning';
      } else if (this.#state === 'reasoning') {
        const end = rest.indexOf('</think>');
        if (end < 0) {
          const keep = last ? 0 : overlap(rest, '</think>');
          emit('reasoning', rest.slice(0, rest.length - keep));
          this.#held = rest.slice(rest.length - keep);
          return out;
        }
        emit('reasoning', rest.slice(0, end));
        rest = rest.slice(end + 8);
        this.#state = 'gap';
      } else if (this.#state === 'gap') {
        rest = rest.replace(/^\s+/, '');
        if (rest) this.#state = 'answer';
      } else {
        emit('answer', rest);
        rest = '';
      }
    }
    return out;
  }
}

/** `<|channel|>analysis<|message|> … <|end|><|start|>assistant<|channel|>final<|message|> …` (gpt-oss). */
class HarmonySplitter {
  /** @type {Channel} */
  #channel = 'answer';
  #held = '';

  /**
   * @param {string} text
   * @param {boolean} [last]
   * @returns {Piece[]}
   */
  push(text, last = false) {
    /** @type {Piece[]} */
    const out = [];
    let rest = this.#held + text;
    this.#held = '';
    while (rest) {
      const at = rest.indexOf('<|');
      const cut = at < 0 ? rest.length - (!last && rest.endsWith('<') ? 1 : 0) : at;
      if (cut > 0) out.push({ channel: this.#channel, text: rest.slice(0, cut) });
      rest = rest.slice(cut);
      if (at < 0) break;
      const tag = /^<\|(?:channel\|>\s*(\w+)[^<]*<\|message|start\|>\w*|message|end|return|call)\|?>?/.exec(rest);
      const complete = /^<\|channel\|>[^<]*<\|message\|>|^<\|start\|>\w*<\||^<\|(?:message|end|return|call)\|>/.exec(
        rest,
      );
      if (!complete || !tag) {
        const started = /^<\|(?:channel\|>[^<]{0,80}(?:<(?:\|\w*\|?)?)?|start\|>\w{0,40}<?|\w{0,8}\|?)?$/.test(rest);
        if (!last && started) break;
        if (!/^<\|(?:channel|start|message|end|return|call)/.test(rest))
          out.push({ channel: this.#channel, text: '<|' });
        rest = rest.slice(2);
        continue;
      }
      if (tag[1]) this.#channel = tag[1] === 'final' ? 'answer' : 'reasoning';
      rest = rest.slice(
        complete[0].endsWith('<|') && complete[0].startsWith('<|start') ? complete[0].length - 2 : complete[0].length,
      );
    }
    if (last && rest) out.push({ channel: this.#channel, text: rest });
    else this.#held = rest;
    return out;
  }
}

/**
 * @param {'think' | 'harmony' | undefined} kind
 * @param {string} prompt
 * @returns {{push(text: string, last?: boolean): Piece[]}}
 */
export function channelSplitter(kind, prompt) {
  if (kind === 'think') return new ThinkSplitter(prompt);
  if (kind === 'harmony') return new HarmonySplitter();
  return { push: (text) => (text ? [{ channel: 'answer', text }] : []) };
}
