/* test/unit/pop/test_lang.c - languages: ranges, and translations that fit what they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/lang.c"

static void ranges(void **state)
{
	(void)state;
	assert_ptr_equal(pop_language_find(STR("*")), pop_languages);
	assert_true(str_eq(pop_language_find(STR("EN"))->tag, STR("en")));
	assert_true(str_eq(pop_language_find(STR("i"))->tag, STR("i-default")));
	assert_true(str_eq(pop_language_find(STR("zh-Hans-CN"))->tag, STR("zh")));
	assert_null(pop_language_find(STR("zhx")));
	assert_null(pop_language_find(STR("")));
	assert_null(pop_language_find(STR("d")));
}

/* The conversions of a format, and the response code it begins with. */
static void shape(const char *text, char *out, size_t max)
{
	size_t n = 0;

	if (*text == '[')
		for (const char *p = text; n + 1 < max && *p && p[-(p > text)] != ']'; p++)
			out[n++] = *p;
	for (const char *p = text; (p = strchr(p, '%')); p++)
		for (size_t i = 0; n + 1 < max && i < 3 && p[i]; i++)
			out[n++] = p[i];
	out[n] = 0;
}

static void translations_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		for (size_t c = 1; c < COLUMNS; c++) {
			char want[64], got[64];

			assert_non_null(texts[i][c]);
			shape(texts[i][ENGLISH], want, sizeof want);
			shape(texts[i][c], got, sizeof got);
			assert_string_equal(got, want);
			assert_true(strlen(texts[i][c]) < 400); /* RFC 2449 4: 512 with all that stands around it */
		}
}

static void unknown_texts_stay(void **state)
{
	(void)state;
	assert_string_equal(pop_translate(&pop_languages[2], "nobody said this"), "nobody said this");
	assert_string_equal(pop_translate(&pop_languages[2], "Bye"), "Auf Wiedersehen");
	assert_string_equal(pop_translate(&pop_languages[0], "Bye"), "Bye");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ranges), cmocka_unit_test(translations_fit), cmocka_unit_test(unknown_texts_stay) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
