/* auth/password.c - password hashes. See the header. */
#include "auth/password.h"

#include "auth/import.h"
#include "base/die.h"
#include "base/rng.h"

#include <argon2.h>
#include <stdio.h>
#include <string.h>

#define PASSES 2
#define MEMORY_KIB 19456
#define LANES 1
#define SALT_SIZE 16
#define HASH_SIZE 32

bool password_hash(struct str password, char out[PASSWORD_HASH_SIZE])
{
	unsigned char salt[SALT_SIZE];
	int r;

	if (password.n == 0 || password.n > PASSWORD_SIZE_MAX)
		return false;
	rng_bytes(salt, sizeof salt);
	r = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.p, password.n, salt, sizeof salt, HASH_SIZE, out, PASSWORD_HASH_SIZE);
	if (r != ARGON2_OK)
		die("argon2: %s", argon2_error_message(r));
	return true;
}

/* The work of a verification without an answer, so that a wrong name takes as long as a wrong password. */
static void same_work(struct str password)
{
	static const char salt[SALT_SIZE] = "sallyport";
	unsigned char out[HASH_SIZE];

	argon2id_hash_raw(PASSES, MEMORY_KIB, LANES, password.p, password.n, salt, sizeof salt, out, sizeof out);
}

bool password_verify(struct str password, struct str hash)
{
	if (password.n == 0 || password.n > PASSWORD_SIZE_MAX)
		return false;
	if (hash.n)
		return import_verify(password, hash);
	same_work(password);
	return false;
}

bool password_hash_is_current(struct str hash)
{
	char want[80];

	snprintf(want, sizeof want, "$argon2id$v=%d$m=%d,t=%d,p=%d$", ARGON2_VERSION_13, MEMORY_KIB, PASSES, LANES);
	return str_starts(hash, str_z(want));
}
