/* Arcee AFM: squared ReLU without a gate. */
#include "model/arch.h"

const struct arch arch_arcee = {.name = "arcee", .act = FFN_RELU2};
