/* MiniCPM 3: latent attention (by key), LongRoPE factors, scales on embeddings, residuals and
 * logits that are not in the file. */
#include "base/fmath.h"
#include "model/hparams.h"

static void derive(struct hparams *hp) {
    hp->embd_scale = 12;
    hp->residual_scale = 1.4f / f_sqrt((float)hp->n_layer);
    hp->logit_scale = 256 / (float)hp->n_embd;
}

const struct arch arch_minicpm3 = {.name = "minicpm3", .rope = ROPE_NEOX, .derive = derive};
