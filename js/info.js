/**
 * What inspectModel and model.info tell. Sizes are bytes.
 *
 * @typedef {object} ModelInfo
 * @property {string} architecture
 * @property {string | null} name
 * @property {string | null} license
 * @property {number} parameters
 * @property {Record<string, number>} quantization bytes of the tensors by type, such as { Q4_1: 66355200 }
 * @property {number[]} fileBytes of each part
 * @property {number} vocabulary tokens
 * @property {string | null} tokenizer
 * @property {string | null} template the chat template
 * @property {Record<string, number>} [sampling] what the model's makers recommend, by the names of `complete`
 * @property {boolean} supported by this engine
 * @property {string} [reason] a sentence, where it is not supported
 * @property {number} trainedContext tokens it was trained for
 * @property {number} contextLength tokens of this load
 * @property {number} layers
 * @property {number} embedding width of the model
 * @property {boolean} encoder gives embeddings and continues no text
 * @property {'mean' | 'cls' | 'last' | 'rank' | null} pooling how the file makes one vector of a text
 * @property {number} vector numbers of an embedding, 0 where the model gives none
 * @property {number} scores numbers that a reranker gives, 0 where it is none
 * @property {number} batch prompt tokens evaluated at once
 * @property {'f16' | 'f32' | 'q8_0'} kvType
 * @property {'fast' | 'exact'} arithmetic
 * @property {{bytes: number, macs: number, output: number, attention: [number, number][]}} cost of a token: bytes of
 *   weights read, multiply-adds of its matrices and of the output matrix, and of attention for each position it
 *   sees: by window (0: sees all)
 * @property {Estimate} [estimate] inspectModel with a measured `machine`
 * @property {Memory} memory
 * @property {boolean} [fits] inspectModel: whether that is within what WebAssembly can address
 * @property {'simd' | 'relaxed'} variant of the engine
 * @property {number} threads
 * @property {{stored: boolean, reason?: string}} [cache] whether the file is kept for the next time, or why not
 *
 * @typedef {object} Estimate on one thread of the machine that was measured
 * @property {number} decodeTokensPerSecond at little context
 * @property {number} prefillTokensPerSecond of a prompt of 256 tokens
 * @property {number} prefillSeconds to fill the whole context
 *
 * @typedef {object} Memory
 * @property {number} weights
 * @property {number} cache of the attention, at contextLength
 * @property {number} scratch
 * @property {number} need of the engine, all of these and more
 * @property {number} [total] inspectModel: the WebAssembly memory that a load would create
 * @property {{contextLength: number, need: number}[]} [byContext] inspectModel
 * @property {number} [largestContext] inspectModel: that fits 4 GiB
 * @property {number} [wasm] an open model: its WebAssembly memory, which never grows
 * @property {number} [heap] an open model: in use
 * @property {number} [peak] an open model: most that was in use
 */
export {};
