/** A set of byte ranges [from, to), sorted and merged. */
export class Ranges {
  /** @type {[number, number][]} */
  list;

  /** @param {[number, number][]} [list] */
  constructor(list = []) {
    this.list = [];
    for (const [from, to] of list) this.add(from, to);
  }

  /** @param {number} from @param {number} to */
  add(from, to) {
    if (!(to > from)) return;
    const list = this.list;
    let i = 0;
    while (i < list.length && list[i][1] < from) i++;
    let j = i;
    while (j < list.length && list[j][0] <= to) {
      from = Math.min(from, list[j][0]);
      to = Math.max(to, list[j][1]);
      j++;
    }
    list.splice(i, j - i, [from, to]);
  }

  /** What of [from, to) is not in the set. @param {number} from @param {number} to */
  missing(from, to) {
    /** @type {[number, number][]} */
    const out = [];
    for (const [a, b] of this.list) {
      if (b <= from) continue;
      if (a >= to) break;
      if (a > from) out.push([from, a]);
      from = b;
    }
    if (from < to) out.push([from, to]);
    return out;
  }

  /** What of [from, to) is in the set. @param {number} from @param {number} to */
  within(from, to) {
    /** @type {[number, number][]} */
    const out = [];
    for (const [a, b] of this.list) {
      if (Math.max(a, from) < Math.min(b, to)) out.push([Math.max(a, from), Math.min(b, to)]);
    }
    return out;
  }

  get bytes() {
    return this.list.reduce((sum, [a, b]) => sum + b - a, 0);
  }
}
