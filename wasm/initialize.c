/* The linker asks a module without main for an entry. There is nothing to do at start: data is initialised by the
 * first instance on a memory, and everything else by the calls of exports.c. */
void _initialize(void);
void _initialize(void) {}
