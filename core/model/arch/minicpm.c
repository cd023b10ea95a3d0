/* MiniCPM 1 and 2: scales on embeddings, residuals and logits, whose defaults are formulas. */
#include "base/fmath.h"
#include "model/hparams.h"

static void derive(struct hparams *hp) {
    if (hp->embd_scale == 0) hp->embd_scale = 12;
    if (hp->residual_scale == 0) hp->residual_scale = 1.4f / f_sqrt((float)hp->n_layer);
    if (hp->logit_scale == 0) hp->logit_scale = 256 / (float)hp->n_embd;
}

const struct arch arch_minicpm = {.name = "minicpm", .logit_scale_divides = true, .derive = derive};
