/* co/stack.c - stacks for tasks.
 * Purpose     64 stacks a mapping; a guard page below each, by MADV_GUARD_INSTALL where the kernel has it (mprotect would
 *             split the mapping and meets vm.max_map_count near 32,700 stacks), by mprotect where it does not.
 * Owns        the mappings, until stack_pool_fini. A stack that was given back keeps its pages while few such are free and gives
 *             them back to the kernel beyond that.
 */
#include "co/stack.h"

#include "base/die.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#endif
#ifdef SALLYPORT_SANITIZED
#include <sanitizer/asan_interface.h>
#endif

#define GUARD_SIZE 4096
#define SLAB_STACKS 64
#define KEEP_WARM 256 /* free stacks that keep their pages */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

struct stack_slab {
	struct stack_slab *next;
	char *base;
	struct stack *stacks[SLAB_STACKS];
};

void stack_pool_init(struct stack_pool *p, size_t stack_size)
{
	*p = (struct stack_pool){ .stack_size = stack_size };
}

static void guard(char *page)
{
	if (madvise(page, GUARD_SIZE, MADV_GUARD_INSTALL) == 0)
		return;
	if (mprotect(page, GUARD_SIZE, PROT_NONE) != 0)
		die_errno("co/stack: no guard page for a stack; raise vm.max_map_count");
}

static struct stack *carve(struct stack_pool *p, char *base)
{
	struct stack *s = (struct stack *)(void *)(base + p->stack_size - sizeof(struct stack));

	guard(base);
	s->low = base + GUARD_SIZE;
	s->size = p->stack_size - GUARD_SIZE - sizeof *s;
	s->valgrind_id = VALGRIND_STACK_REGISTER(s->low, s->low + s->size);
	return s;
}

static void add_slab(struct stack_pool *p)
{
	struct stack_slab *slab = mem_new(struct stack_slab);

	slab->base = mmap(NULL, p->stack_size * SLAB_STACKS, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (slab->base == MAP_FAILED)
		die_errno("co/stack: no memory for stacks");
	/* A huge page would make each idle stack cost 2 MiB. */
	madvise(slab->base, p->stack_size * SLAB_STACKS, MADV_NOHUGEPAGE);
	slab->next = p->slabs;
	p->slabs = slab;
	for (size_t i = SLAB_STACKS; i > 0; i--) {
		struct stack *s = carve(p, slab->base + (i - 1) * p->stack_size);

		slab->stacks[i - 1] = s;
		s->next_free = p->cold;
		p->cold = s;
	}
}

void stack_pool_fini(struct stack_pool *p)
{
	die_unless(p->n_alive == 0, "stack pool closed while tasks are alive");
	while (p->slabs) {
		struct stack_slab *slab = p->slabs;

		p->slabs = slab->next;
		for (size_t i = 0; i < SLAB_STACKS; i++)
			VALGRIND_STACK_DEREGISTER(slab->stacks[i]->valgrind_id);
		munmap(slab->base, p->stack_size * SLAB_STACKS);
		free(slab);
	}
	p->warm = p->cold = NULL;
	p->n_warm = 0;
}

struct stack *stack_get(struct stack_pool *p)
{
	struct stack *s;

	if (!p->warm && !p->cold)
		add_slab(p);
	if (p->warm) {
		s = p->warm;
		p->warm = s->next_free;
		p->n_warm--;
	} else {
		s = p->cold;
		p->cold = s->next_free;
	}
	p->n_alive++;
	return s;
}

void stack_put(struct stack_pool *p, struct stack *s)
{
#ifdef SALLYPORT_SANITIZED
	ASAN_UNPOISON_MEMORY_REGION(s->low, s->size);
#endif
	p->n_alive--;
	if (p->n_warm < KEEP_WARM) {
		s->next_free = p->warm;
		p->warm = s;
		p->n_warm++;
		return;
	}
	/* all but the page that holds the struct */
	madvise(s->low, (s->size + sizeof *s - 4096) & ~(size_t)4095, MADV_DONTNEED);
	s->next_free = p->cold;
	p->cold = s;
}

void stack_trim(struct stack *s, char *here)
{
	/* what the calls from here to the switch may still use */
	uintptr_t end = ((uintptr_t)here - 1024) & ~(uintptr_t)4095, low = (uintptr_t)s->low;

	if (end > low)
		madvise(s->low, end - low, MADV_DONTNEED);
}

void stack_prepare(struct stack *s, void (*fn)(void *), void *arg)
{
	uintptr_t top = ((uintptr_t)s->low + s->size) & ~(uintptr_t)15;

#if defined(__x86_64__)
	/* r15 r14 r13 r12 rbx rbp and the return address; after the return the stack is at top, aligned to 16 as a call wants it */
	uintptr_t *sp = (uintptr_t *)top - 7;

	sp[0] = 0;
	sp[1] = 0;
	sp[2] = (uintptr_t)arg;
	sp[3] = (uintptr_t)fn;
	sp[4] = 0;
	sp[5] = 0;
	sp[6] = (uintptr_t)co_entry;
#elif defined(__aarch64__)
	uintptr_t *sp = (uintptr_t *)top - 20; /* x29 x30 x19 x20 ... as co_switch stores them */

	for (int i = 0; i < 20; i++)
		sp[i] = 0;
	sp[1] = (uintptr_t)co_entry;
	sp[2] = (uintptr_t)fn;
	sp[3] = (uintptr_t)arg;
#endif
	s->sp = sp;
	s->asan_fake = NULL;
}
