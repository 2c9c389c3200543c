/* base/vec.h - a growing array of one type. struct VEC(type) v = {0}; vec_push(&v) gives a zeroed new last element. */
#ifndef SALLYPORT_BASE_VEC_H
#define SALLYPORT_BASE_VEC_H

#include "base/die.h"

#include <stdlib.h>
#include <string.h>

#define VEC(type)          \
	{                  \
		type *v;   \
		size_t n;  \
		size_t cap; \
	}

static inline void *vec_grow_(void *p, size_t *cap, size_t n, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 8;
	return mem_realloc(p, mem_size(*cap, size));
}

/* Pointer to a new, zeroed last element; older element pointers may move. */
#define vec_push(vec)                                                                      \
	((vec)->v = vec_grow_((vec)->v, &(vec)->cap, (vec)->n, sizeof *(vec)->v),           \
	 memset(&(vec)->v[(vec)->n], 0, sizeof *(vec)->v), &(vec)->v[(vec)->n++])
/* Removes the element at i, keeping the order. */
#define vec_remove(vec, i)                                                                        \
	(memmove(&(vec)->v[i], &(vec)->v[(i) + 1], ((vec)->n - (i) - 1) * sizeof *(vec)->v), (vec)->n--)
#define vec_free(vec) (free((vec)->v), (vec)->v = NULL, (vec)->n = (vec)->cap = 0)

#endif
