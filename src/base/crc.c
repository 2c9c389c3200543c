/* base/crc.c - CRC-32C (RFC 3720 B.4): the processor's instruction where there is one. See the header. */
#include "base/crc.h"

#include <string.h>

static uint32_t crc_byte(uint32_t crc, uint8_t b)
{
	crc ^= b;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const char *p, size_t n)
{
	uint64_t c = crc, word;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		c = __builtin_ia32_crc32di(c, word);
	}
	for (; n > 0; p++, n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, (unsigned char)*p);
	return (uint32_t)c;
}

static bool crc_is_fast(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__ARM_FEATURE_CRC32)
static uint32_t crc_fast(uint32_t crc, const char *p, size_t n)
{
	uint64_t word;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		crc = __builtin_aarch64_crc32cx(crc, word);
	}
	for (; n > 0; p++, n--)
		crc = __builtin_aarch64_crc32cb(crc, (unsigned char)*p);
	return crc;
}

static bool crc_is_fast(void)
{
	return true;
}
#else
static uint32_t crc_fast(uint32_t crc, const char *p, size_t n)
{
	(void)p;
	(void)n;
	return crc;
}

static bool crc_is_fast(void)
{
	return false;
}
#endif

uint32_t crc32c(uint32_t crc, struct str bytes)
{
	crc = ~crc;
	if (crc_is_fast())
		return ~crc_fast(crc, bytes.p, bytes.n);
	for (size_t i = 0; i < bytes.n; i++)
		crc = crc_byte(crc, (uint8_t)bytes.p[i]);
	return ~crc;
}
