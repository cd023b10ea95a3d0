/* The known pre-tokenizers: one row a behaviour. Names are values of tokenizer.ggml.pre, patterns
 * are explained in pretok.c. Source: the regular expressions of the models' tokenizer.json files in
 * the form that llama.cpp gives them (where the two differ, GGUF vocabularies follow the latter).
 */
#include "text/vocab_in.h"

#define GPT2 "k| ?L+| ?N+| ?O+|s+~|s+"
#define LINES "s*R+|s+~|s+"
#define LLAMA3 "K|X?L+|N{1,3}| ?O+R*|" LINES
#define QWEN2 "K|X?L+|N| ?O+R*|" LINES
#define DEEPSEEK3 "pA+|Y?W+| ?Q+R*|" LINES

static const struct pretok_row rows[] = {
    {"default", {"f+", GPT2, "N+", "DDD"}, PRE_CLEAN},
    {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     {LLAMA3},
     PRE_CLEAN | PRE_IGNORE_MERGES | PRE_ADD_BOS},
    {"smaug-bpe dbrx", {LLAMA3}, PRE_CLEAN},
    {"chatglm-bpe", {LLAMA3}, PRE_CLEAN | PRE_NO_BOS},
    {"glm4 glm5", {LLAMA3}, PRE_CLEAN | PRE_NO_BOS | PRE_IGNORE_MERGES},
    {"minicpm5", {"N{1,3}", "K|X?L+|N+| ?O+R*|" LINES}, PRE_CLEAN | PRE_IGNORE_MERGES},
    {"jais-2",
     {"K|X?L+|N{1,3}| "
      "?O+R*|s*R+|s{512}~|s{256}~|s{128}~|s{64}~|s{32}~|s{16}~|s{8}~|s{4}~|s{1,2}~|s"},
     PRE_CLEAN},
    {"deepseek-llm", {"R", "s?E+", "s?e+", "s+$", "C+", "N+"}, 0},
    {"deepseek-coder", {"R", "s?L+", "s?P+", "C+", "N"}, 0},
    {"deepseek-v3 hunyuan-dense hy_v4 joyai-llm", {"N{1,3}", "J+", DEEPSEEK3}, 0},
    {"spark2_5", {"N{1,3}", "J+", "pA+|Y?W+| ?Q+|R|s+~|s+", "N"}, 0},
    {"afmoe", {"%", "a+", DEEPSEEK3}, 0},
    {"youtu", {"h+|i+|j+|J+", "X?W+K?|N| ?O+r*|" LINES}, PRE_IGNORE_MERGES},
    {"falcon", {"F+", GPT2, "DDD"}, PRE_CLEAN},
    {"gpt-2 mpt phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert "
     "olmo jais "
     "exaone4",
     {GPT2},
     PRE_CLEAN},
    {"jina-v1-en jina-v2-code roberta-bpe", {GPT2}, PRE_CLEAN | PRE_ADD_SEP},
    {"trillion granite-docling", {GPT2}, 0},
    {"starcoder refact codeshell exaone minerva-7b mellum2", {"N", GPT2}, PRE_CLEAN},
    {"smollm command-r", {"N", GPT2}, 0},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 hunyuan solar-open grok-2", {QWEN2}, 0},
    {"stablelm2 megrez", {QWEN2}, PRE_CLEAN},
    {"bailingmoe bailingmoe2 llada-moe", {"K|X?L+|N| ?O+R*|s*R|s+~|s+"}, 0},
    {"seed-coder", {"K|X?L+|N| ?O+|" LINES}, 0},
    {"qwen35", {"K|X?W+|N| ?o+R*|" LINES}, 0},
    {"ufakzeka", {"X?L+|N| ?O+R*|" LINES}, 0},
    {"laguna", {"z+|n+", QWEN2}, 0},
    {"exaone-moe", {"K|X?g|N| ?O+r?|s*R|s+~|s+"}, PRE_CLEAN},
    {"poro-chat", {" ?B+"}, 0},
    {"bloom gpt3-finnish", {" ?B+"}, PRE_CLEAN},
    {"viking", {" ?B+", "N"}, 0},
    {"tekken", {"X?U*u+|X?U+u*|N| ?O+r*|" LINES}, PRE_IGNORE_MERGES | PRE_ADD_BOS},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", {"X?U*u+K?|X?U+u*K?|N{1,3}| ?O+r*|" LINES}, 0},
    {"granite-embed-multi-97m", {"X?V*v+K?|X?V+v*K?|N{1,3}| ?O+r*|" LINES}, PRE_IGNORE_MERGES},
    {"tiny_aya cohere2moe", {"%", "X?W+K?|N{1,3}| ?O+r*|" LINES}, 0},
    {"kimi-k2", {"H+|X?G+K?|N{1,3}| ?O+R*|" LINES}, 0},
    {"superbpe", {"N+", "#"}, 0},
    {"chameleon",
     {"\\<\\s\\e\\n\\t\\i\\n\\e\\l\\:D+\\>", "\\I\\M\\G\\I\\M\\GI{1,4}\\Z", "T|    |  ", "N", "q",
      GPT2},
     PRE_ADD_BOS},
    {"gemma4 granite-embed-multi-311m",
     {"z+|n+"},
     PRE_CLEAN | PRE_ESCAPE | PRE_NEWLINES | PRE_ADD_BOS},
    {"sarvam-moe", {"z+|n+"}, PRE_ESCAPE},
};

const struct pretok_row *pretok_find(struct gguf_str name) {
    if (!name.size) return &rows[0];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (const char *s = rows[i].names; *s;) {
            size_t n = 0;
            while (s[n] && s[n] != ' ') n++;
            if (n == name.size && !memcmp(s, name.text, n)) return &rows[i];
            s += n + (s[n] == ' ');
        }
    }
    return NULL;
}
