/* PLM: latent attention (by key), an FFN of squared ReLU without a gate. */
#include "model/arch.h"

const struct arch arch_plm = {.name = "plm", .act = FFN_RELU2};
