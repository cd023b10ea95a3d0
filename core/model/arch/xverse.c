/* XVERSE. */
#include "model/arch.h"

const struct arch arch_xverse = {.name = "xverse"};
