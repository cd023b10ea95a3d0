/* Baichuan: the 7B model (32 blocks) rotates, the 13B (40 blocks) has ALiBi; the file does not say
 * which, and the reference does neither for other sizes. */
#include "model/hparams.h"

static void derive(struct hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layer && hp->n_layer != 32; i++) hp->layers[i].rope = ROPE_NONE;
    if (hp->n_layer == 40) hp->alibi_bias = 8;
}

const struct arch arch_baichuan = {.name = "baichuan", .derive = derive};
