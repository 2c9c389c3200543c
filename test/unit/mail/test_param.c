/* test/unit/mail/test_param.c - Content-Type and its parameters (RFC 2045, 2231). */
#include "mail/param.h"

#include "mail/decode.h"

#include "unit.h"

static void is_type(const char *value, const char *want)
{
	struct str type, subtype, name, v;
	struct mail_params p = mail_type_parse(str_z(value), &type, &subtype);
	struct buf text, out;

	buf_init(&text, 1000);
	buf_init(&out, 1000);
	buf_addf(&out, "%.*s/%.*s", STR_ARG(type), STR_ARG(subtype));
	while (mail_param_next(&p, &text, &name, &v))
		buf_addf(&out, "|%.*s=%.*s", STR_ARG(name), STR_ARG(v));
	is_str(buf_str(&out), want);
	buf_fini(&text);
	buf_fini(&out);
}

static void types(void **state)
{
	is_type("text/plain", "text/plain");
	is_type("Text/HTML; Charset=\"utf-8\"", "Text/HTML|Charset=utf-8");
	is_type("text/plain; charset=us-ascii (Plain text)", "text/plain|charset=us-ascii");
	is_type("(c) text (c) / (c) plain (c) ; (c) a (c) = (c) b", "text/plain|a=b");
	is_type("multipart/mixed;\r\n\tboundary=\"gc0p4Jq0M:2Yt08jU534c0p\"",
		"multipart/mixed|boundary=gc0p4Jq0M:2Yt08jU534c0p");
	is_type("a/b; x=\"q\\\"uo\\\\ted\"; y=z", "a/b|x=q\"uo\\ted|y=z");
	is_type("a/b;;; x=1;", "a/b|x=1");
	is_type("a/b; x", "a/b");
	is_type("a/b; x=", "a/b|x=");
	is_type("a/b; =x; y=1", "a/b|y=1");
}

static void tolerated(void **state)
{
	is_type("a/b; name=my file (1).pdf", "a/b|name=my file");
	is_type("a/b; name=report(1).pdf", "a/b|name=report(1).pdf");
	is_type("a/b; charset=utf-8 format=flowed", "a/b|charset=utf-8|format=flowed");
	is_type("a/b; name=two words; x=y", "a/b|name=two words|x=y");
	is_type("a/b; name=\"open; x=y", "a/b|name=open|x=y");
	is_type("text; charset=x", "text/|charset=x");
	is_type("text/; charset=x", "/|charset=x");
	is_type("", "/");
	is_type("a/b; n=\xc3\xa9", "a/b|n=\xc3\xa9");
	is_type("a/b (open; x=y", "a/b");
}

static void finds(const char *value, const char *name, const char *want, const char *charset)
{
	struct str type, subtype, found;
	struct mail_params p = mail_type_parse(str_z(value), &type, &subtype);
	struct buf out;

	buf_init(&out, 1000);
	assert_true(mail_param_find(&p, str_z(name), &out, &found));
	is_str(buf_str(&out), want);
	is_str(found, charset);
	buf_fini(&out);
}

static void continuations(void **state)
{
	finds("a/b; title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n"
	      " title*2=\"isn't it!\"",
		"title", "This is even more ***fun*** isn't it!", "us-ascii");
	finds("message/external-body; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/x\"", "url", "ftp://cs.utk.edu/x", "");
	finds("a/b; t*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "t", "This is ***fun***", "us-ascii");
	finds("a/b; n*1=b; n*0=a; n*3=d", "n", "ab", "");
	finds("a/b; n=plain; n*=utf-8''better", "n", "better", "utf-8");
	finds("a/b; n*=utf-8''better; n=plain", "n", "better", "utf-8");
	finds("a/b; n=first; n=second", "n", "first", "");
	finds("a/b; n*=no-quotes%41", "n", "no-quotesA", "");
	finds("a/b; n*=%zz%4", "n", "%zz%4", "");
	finds("a/b; n*0=a; n*300=b; n*x=c", "n", "a", "");
}

static void is_text(const char *value, const char *name, const char *want)
{
	struct buf out;

	buf_init(&out, 1000);
	assert_int_equal(mail_param_decode(str_z(value), str_z(name), &out), want != NULL);
	is_str(buf_str(&out), want);
	buf_fini(&out);
}

static void decoded(void **state)
{
	is_text("attachment; filename*=iso-8859-1''caf%E9.txt", "filename", "caf\xc3\xa9.txt");
	is_text("attachment; filename=\"=?utf-8?B?Y2Fmw6k=?=.txt\"", "filename", "caf\xc3\xa9.txt");
	is_text("application/pdf; name=x.pdf", "name", "x.pdf");
	is_text("attachment; filename=caf\xe9.txt", "filename", "caf\xc3\xa9.txt");
	is_text("attachment", "filename", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(tolerated),
		cmocka_unit_test(continuations),
		cmocka_unit_test(decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
