/* base/list.h - an intrusive doubly linked ring. The head is a node; an element holds its node and is in one list a node. */
#ifndef SALLYPORT_BASE_LIST_H
#define SALLYPORT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct node {
	struct node *prev, *next;
};

static inline void list_init(struct node *head)
{
	head->prev = head->next = head;
}

static inline bool list_empty(const struct node *head)
{
	return head->next == head;
}

static inline void list_add_last(struct node *head, struct node *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_add_first(struct node *head, struct node *n)
{
	list_add_last(head->next, n);
}

/* The node becomes a ring of its own, so that deleting twice is harmless. */
static inline void list_del(struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = n;
}

#define list_entry(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))
#define list_first(head, type, member) (list_empty(head) ? NULL : list_entry((head)->next, type, member))

/* Safe against deleting the current element; it is of struct node *. */
#define list_each(it, nxt, head) \
	for (struct node *it = (head)->next, *nxt = it->next; it != (head); it = nxt, nxt = it->next)

#endif
