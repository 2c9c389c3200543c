/* mail/address.c - address lists (RFC 5322). See the header.
 * Trust       the value is hostile.
 * Invariants  I1 every call moves on. I2 a search for the end of a quoted string or comment that fails is not repeated: all is
 *             linear.
 */
#include "mail/address.h"

#define ENCODED_WORD_MAX 300 /* bytes looked at for the end of an encoded word with specials inside */

void mail_address_list_init(struct mail_address_list *l, struct str value)
{
	*l = (struct mail_address_list){ .c = cur_of(value) };
	buf_init(&l->name, value.n * 2 + 2);
	buf_init(&l->comment, value.n + 1);
	buf_init(&l->route, value.n + 1);
	buf_init(&l->local, value.n * 2 + 2);
	buf_init(&l->domain, value.n + 1);
}

void mail_address_list_fini(struct mail_address_list *l)
{
	buf_fini(&l->name);
	buf_fini(&l->comment);
	buf_fini(&l->route);
	buf_fini(&l->local);
	buf_fini(&l->domain);
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(int c)
{
	return c == '(' || c == ')' || c == '<' || c == '>' || c == '[' || c == ']' || c == ':' || c == ';' ||
	       c == '@' || c == ',' || c == '.' || c == '"' || is_space(c);
}

/* Offset behind a comment or quoted string whose opening character is first in s; 0 when it has no end. */
static size_t closed_size(struct str s, char open, char close)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\')
			i++;
		else if (c == close && (depth == 1 || open == close) && i)
			return i + 1;
		else if (c == open)
			depth++;
		else if (c == close)
			depth--;
	}
	return 0;
}

/* Adds the text without escapes and line ends. */
static void add_unescaped(struct buf *b, struct str s)
{
	char *q = buf_room(b, s.n);
	size_t n = 0;

	if (!q)
		return;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '\r' || s.p[i] == '\n')
			continue;
		q[n++] = s.p[i];
	}
	buf_grew(b, n);
}

/* Takes a closed thing off the cursor; false, and *none set, when nothing closes it. */
static bool take_closed(struct cur *c, char open, char close, bool *none, struct str *inside)
{
	size_t n = *none ? 0 : closed_size(cur_rest(c), open, close);

	if (!n) {
		*none = true;
		return false;
	}
	*inside = str_sub(cur_bytes(c, n), 1, n - 2);
	return true;
}

/* White space and comments; the last comment is kept, it may have to serve as the name. True when there was any. */
static bool skip_cfws(struct mail_address_list *l)
{
	const char *from = l->c.p;
	struct str inside;

	for (;;) {
		int ch = cur_peek(&l->c);

		if (is_space(ch)) {
			cur_take(&l->c);
		} else if (ch == '(' && take_closed(&l->c, '(', ')', &l->no_comment, &inside)) {
			buf_reset(&l->comment);
			add_unescaped(&l->comment, str_trim(inside));
		} else {
			return l->c.p != from;
		}
	}
}

/* An encoded word that broken software has put specials in; empty when there is none here. */
static struct str take_encoded_word(struct cur *c)
{
	struct str s = str_sub(cur_rest(c), 0, ENCODED_WORD_MAX);
	int marks = 0;

	if (!str_starts(s, STR("=?")))
		return (struct str){ 0 };
	for (size_t i = 2; i < s.n && !is_space(s.p[i]); i++) {
		marks += s.p[i] == '?';
		if (marks == 3 && i + 1 < s.n && s.p[i + 1] == '=')
			return cur_bytes(c, i + 2);
	}
	return (struct str){ 0 };
}

/* Bytes of an atom; a special that stands where none may is taken as one, so that there is always progress. */
static struct str take_atom(struct cur *c)
{
	struct str word = take_encoded_word(c);
	const char *from = c->p;

	if (word.n)
		return word;
	if (!cur_end(c))
		cur_take(c);
	while (!cur_end(c) && !is_special(cur_peek(c)))
		cur_take(c);
	return str_of(from, (size_t)(c->p - from));
}

/* A word or dot goes to the name as it stands and to the local part when it is joined by a dot. */
static void take_word(struct mail_address_list *l, bool spaced)
{
	struct str inside, atom;
	bool dot = cur_try(&l->c, '.');
	bool joined = dot || (l->local.n && (!spaced || l->local.p[l->local.n - 1] == '.'));

	if (!joined) {
		buf_reset(&l->local);
		l->run_at = l->name.n;
	}
	if (spaced && l->name.n)
		buf_addc(&l->name, ' ');
	if (dot) {
		buf_addc(&l->name, '.');
		buf_addc(&l->local, '.');
	} else if (cur_peek(&l->c) == '"' && take_closed(&l->c, '"', '"', &l->no_quote, &inside)) {
		add_unescaped(&l->name, inside);
		add_unescaped(&l->local, inside);
	} else {
		atom = take_atom(&l->c);
		buf_add(&l->name, atom);
		buf_add(&l->local, atom);
	}
	l->any = true;
}

/* domain = dot-atom / domain-literal, comments and white space dropped. */
static void take_domain(struct mail_address_list *l)
{
	bool spaced = skip_cfws(l);

	for (int ch; (ch = cur_peek(&l->c)) >= 0; spaced = skip_cfws(l)) {
		bool joined = ch == '.' || ch == '@' || !l->domain.n || l->domain.p[l->domain.n - 1] == '.';

		if (ch == '>' || ch == '<' || ch == ',' || ch == ';' || (spaced && !joined))
			return;
		if (ch == '[')
			while (!cur_end(&l->c) && cur_peek(&l->c) != ']' && !is_space(cur_peek(&l->c)))
				buf_addc(&l->domain, (char)cur_take(&l->c));
		else
			buf_add(&l->domain,
				ch == '.' || ch == '@' || ch == ']' ? cur_bytes(&l->c, 1) : take_atom(&l->c));
	}
}

/* obs-route = "@" domain *("," "@" domain) ":" */
static void take_route(struct mail_address_list *l)
{
	for (int ch; (ch = cur_peek(&l->c)) >= 0 && ch != '>' && ch != ':';) {
		if (is_space(ch))
			cur_take(&l->c);
		else
			buf_addc(&l->route, (char)cur_take(&l->c));
	}
	cur_try(&l->c, ':');
}

/* angle-addr = "<" [obs-route] addr-spec ">", the "<" taken. */
static void take_angle(struct mail_address_list *l)
{
	size_t name_n = l->name.n;
	bool spaced;

	buf_reset(&l->local);
	skip_cfws(l);
	if (cur_peek(&l->c) == '@' || cur_peek(&l->c) == ',')
		take_route(l);
	spaced = skip_cfws(l);
	for (int ch; (ch = cur_peek(&l->c)) >= 0 && ch != '@' && ch != '>' && ch != '<' && ch != ',';
		spaced = skip_cfws(l))
		take_word(l, spaced);
	if (cur_try(&l->c, '@')) {
		take_domain(l);
	} else { /* "<Undisclosed Recipients>" */
		buf_reset(&l->local);
		buf_add(&l->local, str_trim(str_from(buf_str(&l->name), name_n)));
	}
	buf_cut(&l->name, name_n);
	while (!cur_end(&l->c) && cur_peek(&l->c) != '>' && cur_peek(&l->c) != ',' && cur_peek(&l->c) != '<')
		cur_take(&l->c);
	cur_try(&l->c, '>');
}

/* The rest up to the comma or whatever else begins something new. */
static void skip_rest(struct mail_address_list *l)
{
	struct str inside;

	for (int ch; skip_cfws(l), (ch = cur_peek(&l->c)) >= 0 && ch != ',' && ch != ';' && ch != '<';)
		if (ch != '"' || !take_closed(&l->c, '"', '"', &l->no_quote, &inside))
			take_atom(&l->c);
	cur_try(&l->c, ',');
}

static void reset(struct mail_address_list *l)
{
	buf_reset(&l->name);
	buf_reset(&l->comment);
	buf_reset(&l->route);
	buf_reset(&l->local);
	buf_reset(&l->domain);
	l->run_at = 0;
	l->any = false;
}

static bool give_address(struct mail_address_list *l, struct mail_address *out)
{
	struct str name = str_trim(buf_str(&l->name));

	*out = (struct mail_address){
		.kind = MAIL_ADDRESS,
		.name = name.n ? name : buf_str(&l->comment),
		.route = buf_str(&l->route),
		.local = buf_str(&l->local),
		.domain = buf_str(&l->domain),
	};
	return true;
}

static bool give_group(struct mail_address_list *l, struct mail_address *out, bool start)
{
	*out = (struct mail_address){ .kind = start ? MAIL_GROUP_START : MAIL_GROUP_END };
	if (start)
		out->name = str_trim(buf_str(&l->name));
	l->in_group = start;
	return true;
}

/* Words without '@' or angle brackets up to a separator: the last run is all we have of a mailbox. */
static bool give_bare(struct mail_address_list *l, struct mail_address *out)
{
	buf_reset(&l->local);
	buf_add(&l->local, str_trim(buf_str(&l->name)));
	buf_reset(&l->name);
	return give_address(l, out);
}

/* addr-spec without angle brackets: what stood before its local part is a name. When angle brackets do follow, it was a display
 * name with an unquoted '@', as much software writes. */
static bool take_bare(struct mail_address_list *l, struct mail_address *out)
{
	take_domain(l);
	skip_cfws(l);
	if (cur_try(&l->c, '<')) {
		buf_addc(&l->name, '@');
		buf_add(&l->name, buf_str(&l->domain));
		buf_reset(&l->domain);
		take_angle(l);
	} else {
		buf_cut(&l->name, l->run_at);
	}
	skip_rest(l);
	return give_address(l, out);
}

bool mail_address_next(struct mail_address_list *l, struct mail_address *out)
{
	reset(l);
	for (;;) {
		bool spaced = skip_cfws(l);
		int ch = cur_peek(&l->c);

		if ((ch < 0 || ch == ',' || ch == ';') && l->any)
			return give_bare(l, out);
		if (ch < 0 || ch == ';') {
			cur_try(&l->c, ';');
			if (l->in_group)
				return give_group(l, out, false);
			if (ch < 0)
				return false;
		} else if (cur_try(&l->c, ',')) {
			buf_reset(&l->comment);
		} else if (cur_try(&l->c, '<')) {
			take_angle(l);
			skip_rest(l);
			return give_address(l, out);
		} else if (ch == '@' && cur_try(&l->c, '@')) {
			return take_bare(l, out);
		} else if (ch == ':' && !l->in_group) {
			cur_take(&l->c);
			return give_group(l, out, true);
		} else {
			take_word(l, spaced);
		}
	}
}
