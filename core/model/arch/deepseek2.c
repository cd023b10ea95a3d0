/* DeepSeek-V2, V3 and R1, Kimi K2, GLM-4.7-Flash: latent attention (by key), dense first blocks, a
 * router over groups of experts, shared experts.
 *
 * YaRN's gain is not in the rotation, which touches a part of the head alone, but squared in the
 * attention scale. Files give the log multiplier as a tenth of mscale_all_dim. */
#include "base/fmath.h"
#include "model/hparams.h"

static void derive(struct hparams *hp) {
    bool yarn = hp->yarn_ext_factor != 0;
    double log_factor = hp->rope_scale < 1 ? d_log(1 / (double)hp->rope_scale) : 0;
    double mul = hp->yarn_log_mul != 0 ? (double)hp->yarn_log_mul * 10 : 0;
    double gain = (double)hp->rope_attn_factor * (1 + 0.1 * mul * log_factor);
    if (!yarn || mul == 0) gain *= 1 + 0.1 * log_factor;
    uint32_t dim = hp->dim_k_mla ? hp->dim_k_mla : hp->dim_k;
    hp->attn_scale = (float)(gain * gain / (double)f_sqrt((float)dim));
    if (yarn && mul != 0) hp->yarn_log_mul = 1; /* what is left for the rotation: nothing */
}

const struct arch arch_deepseek2 = {.name = "deepseek2", .moe_raw_weights = true, .derive = derive};
