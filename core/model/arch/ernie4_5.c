/* ERNIE 4.5 dense. */
#include "model/arch.h"

const struct arch arch_ernie4_5 = {.name = "ernie4_5"};
