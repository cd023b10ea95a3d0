/* Vector bodies that prepare activations; the level's own part behind the steps is one of two
 * kinds. */
#ifndef SOTTO_KERN_MM_ACT_H
#define SOTTO_KERN_MM_ACT_H

#include "kern/kern_mm.h"

mm_act mm_act_f32;
/* q again as [pair][token][2] int16. A single token's Q8 has as MM_Q8_SPLIT of each block -32768 * (sum of the q of
 * even columns), then of four steps each [step 4][2] the q of odd columns and [step 4][2] 256 * even - odd, as int16. */
mm_act mm_act_q8_pairs, mm_act_q8k_pairs;
/* for each block max(q, 0) as [step][token][4], then max(-q, 0) likewise */
mm_act mm_act_q8_signs;

#endif
