/* co/stack.h - stacks for tasks: pooled, guarded, known to ASan and valgrind. Private to co/. */
#ifndef SALLYPORT_CO_STACK_H
#define SALLYPORT_CO_STACK_H

#include <stddef.h>

struct stack {
	struct stack *next_free; /* lies at the high end of its own memory */
	char *low;               /* first usable byte, above the guard */
	size_t size;             /* usable bytes below this struct */
	unsigned valgrind_id;
	void *sp;                /* while it does not run */
	void *asan_fake;         /* ASan's fake stack of it, while it does not run */
};

struct stack_pool {
	size_t stack_size; /* with the guard */
	struct stack *warm; /* free, with pages: taken first, latest first */
	struct stack *cold; /* free, without pages but the one that holds its struct */
	size_t n_warm, n_alive;
	struct stack_slab *slabs;
};

void stack_pool_init(struct stack_pool *p, size_t stack_size);
void stack_pool_fini(struct stack_pool *p); /* every stack must have been put back */
struct stack *stack_get(struct stack_pool *p);
void stack_put(struct stack_pool *p, struct stack *s);
/* Lays the stack out so that the next switch to it runs fn(arg); fn never returns. */
void stack_prepare(struct stack *s, void (*fn)(void *), void *arg);

/* Gives back the pages below here, an address in the stack's lowest frame. */
void stack_trim(struct stack *s, char *here);

void co_switch(void **save_sp, void *load_sp);
void co_entry(void);

#endif
