/* The list of architectures: one line each, the record is in arch/<name>.c. */
#include "model/arch.h"
#include "base/fmt.h"
#include <string.h>

#define ARCHS(X)                                                                                   \
    X(llama)                                                                                       \
    X(mistral3) X(llama4) X(smollm3) X(arcee) X(apertus) X(minicpm) X(qwen2) X(qwen2moe) X(qwen3)  \
        X(qwen3moe) X(gemma) X(gemma2) X(gemma3) X(gemma4) X(phi2) X(phi3) X(phimoe) X(olmo) X(olmo2)        \
            X(olmoe) X(gpt_oss) X(granite) X(granitemoe) X(deepseek) X(deepseek2) X(dots1) X(bailingmoe2)       \
                X(ernie4_5) X(ernie4_5_moe) X(glm4) X(glm4moe) X(chatglm) X(hunyuan_dense)         \
                    X(hunyuan_moe) X(minimax_m2) X(seed_oss) X(smallthinker) X(plm) X(minicpm3) X(exaone) X(exaone4) X(internlm2)     \
                        X(baichuan) X(xverse) X(orion) X(nemotron) X(stablelm) X(starcoder)        \
                            X(starcoder2) X(codeshell) X(refact) X(command_r) X(cohere2) X(dbrx)   \
                                X(falcon) X(gptneox) X(gpt2) X(bloom) X(mpt)                       \
                                    X(mamba) X(mamba2) X(jamba) X(granitehybrid) X(falcon_h1)      \
                                        X(lfm2) X(lfm2moe) X(nemotron_h) X(qwen3next) X(qwen35)    \
                                            X(qwen35moe) X(bert) X(nomic_bert)                  \
    X(nomic_bert_moe) X(modern_bert) X(jina_bert_v2) X(gemma_embedding) X(t5encoder)

#define X(name) extern const struct arch arch_##name;
ARCHS(X)
#undef X

static const struct arch *const list[] = {
#define X(name) &arch_##name,
    ARCHS(X)
#undef X
};

enum { N_ARCHS = sizeof list / sizeof *list, NAME_MAX_COMPARED = 32 };

const struct arch *arch_at(uint32_t i) {
    return i < N_ARCHS ? list[i] : NULL;
}

const struct arch *arch_find(struct gguf_str name) {
    for (uint32_t i = 0; i < N_ARCHS; i++)
        if (strlen(list[i]->name) == name.size && !memcmp(list[i]->name, name.text, name.size))
            return list[i];
    return NULL;
}

/* Levenshtein distance over at most NAME_MAX_COMPARED bytes of each. */
static uint32_t distance(const char *a, size_t n_a, const char *b, size_t n_b) {
    uint32_t row[NAME_MAX_COMPARED + 1];
    if (n_a > NAME_MAX_COMPARED) n_a = NAME_MAX_COMPARED;
    if (n_b > NAME_MAX_COMPARED) n_b = NAME_MAX_COMPARED;
    for (uint32_t j = 0; j <= n_b; j++) row[j] = j;
    for (uint32_t i = 0; i < n_a; i++) {
        uint32_t diagonal = row[0];
        row[0] = i + 1;
        for (uint32_t j = 0; j < n_b; j++) {
            uint32_t best = diagonal + (a[i] != b[j]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j + 1] + 1 < best) best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n_b];
}

void arch_nearest(struct gguf_str name, char *dst, size_t cap) {
    enum { MOST = 3 };
    uint32_t best[MOST + 1] = {0}, at[MOST + 1] = {0}, n = 0;
    for (uint32_t i = 0; i < N_ARCHS; i++) {
        uint32_t d = distance(name.text, name.size, list[i]->name, strlen(list[i]->name)), k = n;
        for (; k > 0 && best[k - 1] > d; k--) best[k] = best[k - 1], at[k] = at[k - 1];
        best[k] = d, at[k] = i;
        n += n < MOST;
    }
    uint32_t kept = 1; /* of the others those that share more than they differ in */
    while (kept < n && 2 * best[kept] <= strlen(list[at[kept]]->name)) kept++;
    size_t used = 0;
    for (uint32_t k = 0; k < kept && used < cap; k++)
        used += fmt(dst + used, cap - used, "%s%s", k == 0 ? "" : k + 1 < kept ? ", " : " and ",
                    list[at[k]]->name);
}
