/* Llama 1-3.x, TinyLlama, SmolLM, Mistral 7B and NeMo (explicit head size), Mixtral (experts by
 * presence), DeepSeek-R1-Distill-Llama. The zero of all records. */
#include "model/arch.h"

const struct arch arch_llama = {.name = "llama"};
