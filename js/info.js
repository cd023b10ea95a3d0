/**
 * What inspectModel and model.info tell. The engine's own fields come from core (sotto_header_info).
 *
 * @typedef {object} ModelInfo
 * @property {string} name
 * @property {string} architecture
 * @property {number} contextLength tokens of this load
 * @property {string} [template] the chat template
 * @property {Record<string, number>} [sampling] what the model's makers recommend
 * @property {'simd' | 'relaxed'} variant of the engine
 * @property {number} threads
 * @property {any} memory bytes
 * @property {{stored: boolean, reason?: string}} [cache] whether the file is kept for the next time
 * @property {any} [more] see core/api/sotto.h
 */
export {};
