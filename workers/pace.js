/**
 * How many threads to use, as the machine's business changes: the cost of a token is watched at the present
 * number, and now and then, for a moment, at a neighbouring one.
 */

const FIRST_TRIAL = 24; /* tokens until a neighbour is tried */
const LAST_TRIAL = 384;
const TRIAL_TOKENS = 3;
const BETTER = 0.95; /* of the present cost, to be worth a change to fewer threads … */
const SHARE = 0.3; /* … and to more: of what they promise at best. On a busy machine a few tokens are fast by luck */
const WORSE = 1.3; /* of the usual cost: something changed, try again soon */

export class Pace {
  #most;
  /** The number that is used between trials. */
  count;
  /** @type {number | undefined} the neighbour on trial */
  #trial;
  #next = 1;
  #interval = FIRST_TRIAL;
  #left = FIRST_TRIAL;
  #tokens = 0;
  #ms = 0;
  /** @type {number | undefined} usual milliseconds a token at `count` */
  #usual;

  /** @param {number} count to begin with @param {number} most */
  constructor(count, most) {
    this.count = count;
    this.#most = most;
  }

  /** The number for the next step. */
  get threads() {
    return this.#trial ?? this.count;
  }

  /** A step of decoding took so long. @param {number} tokens @param {number} ms */
  step(tokens, ms) {
    if (this.#most < 2 || tokens < 1) return;
    this.#tokens += tokens;
    this.#ms += ms;
    if (this.#trial !== undefined) {
      if (this.#tokens >= TRIAL_TOKENS) this.#judge();
      return;
    }
    const cost = ms / tokens;
    const usual = (this.#usual ??= cost);
    this.#usual = usual + (cost - usual) * Math.min(1, 0.1 * tokens);
    this.#left -= tokens;
    if (this.#left > 0 && cost > usual * WORSE) {
      this.#interval = FIRST_TRIAL;
      this.#left = Math.min(this.#left, FIRST_TRIAL);
    }
    if (this.#left <= 0) this.#begin();
  }

  #begin() {
    const other = this.count + this.#next;
    this.#next = -this.#next;
    this.#left = this.#interval;
    this.#tokens = this.#ms = 0;
    if (other >= 1 && other <= this.#most) this.#trial = other;
  }

  #judge() {
    const cost = this.#ms / this.#tokens;
    const ideal = this.count / /** @type {number} */ (this.#trial);
    const better = cost < /** @type {number} */ (this.#usual) * (ideal < 1 ? 1 - SHARE * (1 - ideal) : BETTER);
    if (better) {
      this.#next = /** @type {number} */ (this.#trial) - this.count; /* further the same way */
      this.count = /** @type {number} */ (this.#trial);
      this.#usual = cost;
      this.#interval = FIRST_TRIAL;
    } else {
      this.#interval = Math.min(LAST_TRIAL, this.#interval * 2);
    }
    this.#left = this.#interval;
    this.#trial = undefined;
    this.#tokens = this.#ms = 0;
  }
}
