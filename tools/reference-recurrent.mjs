// Recurrent mixers of the double-precision reference: Mamba, Mamba-2, the gated delta net and the gated short
// convolution, one token at a time, as their papers write them.

const silu = (/** @type {number} */ v) => v / (1 + Math.exp(-v));
const softplus = (/** @type {number} */ v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

/**
 * What a mixer sees of the model: a matrix times a vector, a norm, the numbers of a tensor, those of a key.
 * @typedef {object} View
 * @property {(name: string, x: Float64Array) => Float64Array} linear
 * @property {(x: Float64Array, name: string) => Float64Array} norm
 * @property {(name: string) => Float64Array | undefined} tensor
 * @property {(key: string, missing?: number) => number} number
 */

/** @typedef {{ past: Float64Array[], scan: Float64Array }} State of one layer: inputs, the newest last, and sums */

/**
 * Every channel's sum over its newest inputs; the input becomes one of them.
 * @param {State} state @param {Float64Array} x @param {Float64Array} weight [channels][taps] @param {Float64Array} [bias]
 */
function convolve(state, x, weight, bias) {
  const taps = weight.length / x.length;
  state.past = [...state.past, x].slice(-taps);
  return x.map((_, c) => {
    let sum = bias?.[c] ?? 0;
    state.past.forEach((row, i) => (sum += row[c] * weight[c * taps + taps - state.past.length + i]));
    return sum;
  });
}

/** @param {View} view @param {string} at @param {State} state @param {Float64Array} x */
function shortConvolution(view, at, state, x) {
  const bcx = view.linear(`${at}shortconv.in_proj`, x);
  const n = x.length;
  const product = Float64Array.from({ length: n }, (_, i) => bcx[i] * bcx[2 * n + i]);
  const weight = /** @type {Float64Array} */ (view.tensor(`${at}shortconv.conv.weight`));
  const y = convolve(state, product, weight).map((v, i) => v * bcx[n + i]);
  return view.linear(`${at}shortconv.out_proj`, y);
}

/** x to length one. @param {Float64Array} x @param {number} eps */
const unit = (x, eps) => x.map((v) => v / Math.sqrt(x.reduce((s, u) => s + u * u, 0) + eps));

/** @param {View} view @param {string} at @param {State} state @param {Float64Array} x */
function deltaNet(view, at, state, x) {
  const [inner, n, heads, groups] = ['inner_size', 'state_size', 'time_step_rank', 'group_count'].map((key) => view.number(`ssm.${key}`)); // prettier-ignore
  const eps = view.number('attention.layer_norm_rms_epsilon');
  const weight = /** @type {Float64Array} */ (view.tensor(`${at}ssm_conv1d.weight`));
  const u = convolve(state, view.linear(`${at}attn_qkv`, x), weight).map(silu);
  const z = view.linear(`${at}attn_gate`, x);
  const [betas, alphas] = ['beta', 'alpha'].map((name) => view.linear(`${at}ssm_${name}`, x));
  const [a, bias] = ['ssm_a', 'ssm_dt.bias'].map((name) => /** @type {Float64Array} */ (view.tensor(`${at}${name}`)));
  const dim = inner / heads;
  if (!state.scan.length) state.scan = new Float64Array(inner * n);
  const y = new Float64Array(inner);
  for (let h = 0; h < heads; h++) {
    const group = h % groups;
    const q = unit(u.subarray(group * n, (group + 1) * n), eps);
    const k = unit(u.subarray((groups + group) * n, (groups + group + 1) * n), eps);
    const decay = Math.exp(a[h] * softplus(alphas[h] + bias[h]));
    for (let r = h * dim; r < (h + 1) * dim; r++) {
      const row = state.scan.subarray(r * n, (r + 1) * n).map((v) => v * decay);
      const asked = row.reduce((sum, v, i) => sum + v * k[i], 0);
      const step = (u[2 * groups * n + r] - asked) / (1 + Math.exp(-betas[h]));
      row.forEach((v, i) => (state.scan[r * n + i] = v + step * k[i]));
      for (let i = 0; i < n; i++) y[r] += (state.scan[r * n + i] * q[i]) / Math.sqrt(n);
    }
  }
  return view.linear(
    `${at}ssm_out`,
    view.norm(y, `${at}ssm_norm.weight`).map((v, i) => v * silu(z[i])),
  );
}

/**
 * The recurrent mixer of the layer whose tensors begin with `at`.
 * @param {View} view @param {string} at @param {State} state @param {Float64Array} x
 */
export function recurrentMixer(view, at, state, x) {
  if (view.tensor(`${at}shortconv.in_proj.weight`)) return shortConvolution(view, at, state, x);
  if (view.tensor(`${at}ssm_beta.weight`)) return deltaNet(view, at, state, x);
  const [inner, n, rank] = ['inner_size', 'state_size', 'time_step_rank'].map((key) => view.number(`ssm.${key}`));
  const first = !!view.tensor(`${at}ssm_x.weight`);
  const groups = first ? 1 : view.number('ssm.group_count', 1);
  const all = view.linear(`${at}ssm_in`, x);
  const weight = /** @type {Float64Array} */ (view.tensor(`${at}ssm_conv1d.weight`));
  const mixed = first ? all.subarray(0, inner) : all.subarray(inner, 2 * inner + 2 * groups * n);
  const z = first ? all.subarray(inner) : all.subarray(0, inner);
  const u = convolve(state, mixed.slice(), weight, view.tensor(`${at}ssm_conv1d.bias`)).map(silu);
  /** @type {Float64Array} */
  let b = u.subarray(inner, inner + groups * n);
  /** @type {Float64Array} */
  let c = u.subarray(inner + groups * n);
  /** @type {Float64Array} */
  let dt = all.subarray(all.length - rank);
  if (first) {
    const low = view.linear(`${at}ssm_x`, u);
    dt = view.linear(`${at}ssm_dt`, view.norm(low.subarray(0, rank), `${at}ssm_dt_norm.weight`));
    b = view.norm(low.subarray(rank, rank + n), `${at}ssm_b_norm.weight`);
    c = view.norm(low.subarray(rank + n), `${at}ssm_c_norm.weight`);
  } else {
    const bias = view.tensor(`${at}ssm_dt.bias`);
    dt = dt.map((v, h) => v + (bias?.[h] ?? 0));
  }
  const a = /** @type {Float64Array} */ (view.tensor(`${at}ssm_a`));
  const d = /** @type {Float64Array} */ (view.tensor(`${at}ssm_d`));
  if (!state.scan.length) state.scan = new Float64Array(inner * n);
  const heads = first ? inner : rank;
  const y = new Float64Array(inner);
  for (let r = 0; r < inner; r++) {
    const h = Math.floor(r / (inner / heads));
    const group = Math.floor(h / (heads / groups)) * n;
    const step = softplus(dt[h]);
    let sum = d[h] * u[r];
    for (let i = 0; i < n; i++) {
      const decay = Math.exp(step * a[first ? r * n + i : h]);
      state.scan[r * n + i] = state.scan[r * n + i] * decay + b[group + i] * u[r] * step;
      sum += state.scan[r * n + i] * c[group + i];
    }
    y[r] = sum * silu(z[r]);
  }
  const norm = view.tensor(`${at}ssm_norm.weight`);
  if (norm) {
    const each = inner / groups;
    const eps = view.number('attention.layer_norm_rms_epsilon');
    for (let from = 0; from < inner; from += each) {
      const part = y.subarray(from, from + each);
      const scale = 1 / Math.sqrt(part.reduce((s, v) => s + v * v, 0) / each + eps);
      part.forEach((v, i) => (part[i] = v * scale * norm[from + i]));
    }
  }
  return view.linear(`${at}ssm_out`, y);
}
