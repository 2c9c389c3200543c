/* base/str.h - views of bytes that somebody else owns.
 *
 * A view is a pointer and a length; it is never NUL-terminated by contract and may hold any byte. A view borrows:
 * it is valid as long as the buffer, arena or record it points into. The zero value is the empty view.
 */
#ifndef SALLYPORT_BASE_STR_H
#define SALLYPORT_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct str {
	const char *p;
	size_t n;
};

/* A view of a string literal, usable in initialisers and as an expression. */
#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

struct str str_of(const void *p, size_t n);
struct str str_z(const char *z); /* NULL gives the empty view */

bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b); /* ASCII case folded, as mail grammars want */
int str_cmp(struct str a, struct str b);  /* bytewise, shorter first: a total order */
int str_icmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* The part from off, at most n bytes; clipped to s, never out of it. */
struct str str_sub(struct str s, size_t off, size_t n);
struct str str_from(struct str s, size_t off);

/* Offset of the first (last) c, or -1. */
ssize_t str_find(struct str s, char c);
ssize_t str_rfind(struct str s, char c);
/* Offset of the first needle, or -1; an empty needle is at 0. str_ifind folds ASCII case. */
ssize_t str_search(struct str s, struct str needle);
ssize_t str_ifind(struct str s, struct str needle);

/* Takes the part before the first sep off *rest into *head; when there is no sep, all of it. False at the end. */
bool str_split(struct str *rest, char sep, struct str *head);
struct str str_trim(struct str s); /* without SP, TAB, CR, LF at both ends */

/* Strict decimal: digits only, no sign, no blanks, no overflow. */
bool str_to_u32(struct str s, uint32_t *out);
bool str_to_u64(struct str s, uint64_t *out);

/* A keyed-less 64-bit hash (FNV-1a and a final mix): for our own tables, never for hostile keys without a seed. */
uint64_t str_hash(struct str s, uint64_t seed);

char ascii_lower(char c);
char ascii_upper(char c);
bool ascii_is_alpha(char c);
bool ascii_is_digit(char c);
bool ascii_is_alnum(char c);
bool ascii_is_print(char c); /* 0x20 to 0x7e */

#endif
