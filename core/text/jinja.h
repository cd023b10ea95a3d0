/* Chat templates: Jinja2 as Hugging Face renders it (ImmutableSandboxedEnvironment with trim_blocks,
 * lstrip_blocks, loop controls, the `generation` tag, tojson without ASCII escaping, raise_exception,
 * strftime_now), bounded in steps, depth and output.
 */
#ifndef SOTTO_TEXT_JINJA_H
#define SOTTO_TEXT_JINJA_H

#include "base/sbuf.h"
#include "base/status.h"
#include "text/json.h"

struct jinja_limits { uint64_t steps; uint32_t depth; size_t output, memory; }; /* 0: 20 million, 200, 16 MiB, 64 MiB */

/* Renders source with the members of `variables` (a JSON object) as globals and appends the text to
 * out. now: seconds since 1970, UTC, for strftime_now. TEMPLATE with line and column where the template
 * fails or refuses (raise_exception's message is the text), LIMIT where a bound is hit, MEMORY. */
int jinja_render(struct heap *heap, const char *source, size_t n, const struct json *variables,
                 double now, const struct jinja_limits *limits, struct sbuf *out, struct fail *f);

#endif
