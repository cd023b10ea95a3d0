/* Watching ops: what each has written, for whoever looks for the first one that is wrong. */
#include "api/api_int.h"
#include "model/run.h"

static void look(void *arg, uint32_t i) {
    sotto_model *s = arg;
    const struct model *m = &s->m;
    const struct op *op = &m->plan.ops[i];
    struct sotto_op_rows seen = {.op = i,
                                 .layer = op->layer,
                                 .label = op->label,
                                 .n_rows = run_tokens(m, op),
                                 .width = op->width,
                                 .stride = run_stride(m, op->out),
                                 .rows = run_out(m, op)};
    if (op->kind == OP_EXPERTS ||
        op->kind == OP_EXPERTS_DOWN) /* a row per token and choice, by expert */
        seen.n_rows *= m->hp.n_expert_used, seen.stride = seen.width;
    uint32_t room = (uint32_t)seen.stride - op->out_at;
    if (op->kind == OP_SLICES || op->kind == OP_ROUTE || op->kind == OP_COPY || seen.width > room)
        seen.width = room;
    s->see(s->see_arg, &seen);
}

void sotto_watch(sotto_model *s, void (*see)(void *arg, const struct sotto_op_rows *rows),
                 void *arg) {
    s->see = see, s->see_arg = arg;
    s->m.watch = see ? look : NULL, s->m.watch_arg = s;
}
