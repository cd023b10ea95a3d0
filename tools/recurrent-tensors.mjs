// Keys and tensors of recurrent layers, for the generators.

/** @typedef {import('./gguf.mjs').GgufWriter} GgufWriter */

/**
 * Mamba without groups, LFM2's short convolution without inner, a gated delta net with period, else Mamba-2.
 * @typedef {object} Recurrent
 * @property {number} conv taps @property {number} [inner] @property {number} [state] @property {number} [groups]
 * @property {number} [rank] of the time step, or heads @property {boolean} [norms] of time step, B and C
 * @property {number} [period] every so many layers there is attention instead
 */

/** @param {Recurrent} s @returns {Record<string, number>} */
export function recurrentKeys(s) {
  if (!s.inner) return { 'shortconv.l_cache': s.conv };
  return {
    'ssm.conv_kernel': s.conv,
    'ssm.inner_size': s.inner,
    'ssm.state_size': s.state ?? 0,
    'ssm.time_step_rank': s.rank ?? 0,
    ...(s.groups ? { 'ssm.group_count': s.groups } : {}),
    ...(s.period ? { full_attention_interval: s.period } : {}),
  };
}

/**
 * The tensors of a recurrent mixer.
 * @param {GgufWriter} w @param {string} at @param {Recurrent} s @param {number} embd
 * @param {(role: string, row: number) => string} [typeOf] of the large matrices
 */
export function addMixer(w, at, s, embd, typeOf = () => 'F32') {
  const { conv, inner = 0, state = 0, rank = 0, groups = 0, norms } = s;
  /** @param {string} name @param {...number} shape */
  const add = (name, ...shape) => w.tensor(`${at}${name}`, 'F32', shape);
  /** @param {string} name @param {string} role @param {number} row @param {number} rows */
  const matrix = (name, role, row, rows) => w.tensor(`${at}${name}.weight`, typeOf(role, row), [row, rows]);
  if (!inner) {
    add('shortconv.conv.weight', conv, embd);
    matrix('shortconv.in_proj', 'in', embd, 3 * embd);
    matrix('shortconv.out_proj', 'out', embd, embd);
    return;
  }
  const channels = inner + 2 * groups * state;
  if (s.period) {
    matrix('attn_qkv', 'in', embd, channels);
    matrix('attn_gate', 'in', embd, inner);
    add('ssm_conv1d.weight', conv, channels);
    add('ssm_dt.bias', rank);
    add('ssm_a', rank);
    add('ssm_beta.weight', embd, rank);
    add('ssm_alpha.weight', embd, rank);
    add('ssm_norm.weight', inner / rank);
    matrix('ssm_out', 'out', inner, embd);
    return;
  }
  matrix('ssm_in', 'in', embd, groups ? inner + channels + rank : 2 * inner);
  add('ssm_conv1d.weight', conv, channels);
  add('ssm_conv1d.bias', channels);
  if (!groups) add('ssm_x.weight', inner, rank + 2 * state);
  if (norms) {
    add('ssm_dt_norm.weight', rank);
    for (const name of ['b', 'c']) add(`ssm_${name}_norm.weight`, state);
  }
  if (!groups) add('ssm_dt.weight', rank, inner);
  add('ssm_dt.bias', groups ? rank : inner);
  if (groups) {
    add('ssm_a', 1, rank);
    add('ssm_d', 1, rank);
    add('ssm_norm.weight', inner / groups, groups);
  } else {
    add('ssm_a', state, inner);
    add('ssm_d', inner);
  }
  matrix('ssm_out', 'out', inner, embd);
}
