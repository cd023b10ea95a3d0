/* ChatGLM 3, GLM-4 9B: partial rotation, fused gate and up (by presence). */
#include "model/arch.h"

const struct arch arch_chatglm = {.name = "chatglm"};
