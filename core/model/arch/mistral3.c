/* Mistral 3 (Ministral): YaRN with a log multiplier, queries that grow with the position. */
#include "model/arch.h"

const struct arch arch_mistral3 = {.name = "mistral3"};
