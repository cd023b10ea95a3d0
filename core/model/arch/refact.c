/* Refact: ALiBi with Llama blocks. */
#include "model/arch.h"

const struct arch arch_refact = {
    .name = "refact", .rope = ROPE_NONE, .alibi = true, .alibi_default = 8};
