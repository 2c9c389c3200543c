/* tlsrpt/gzip.c - gzip in memory (RFC 1952), within bounds. */
#include "tlsrpt/tlsrpt.h"

#include <zlib.h>

#define GZIP_WINDOW (15 + 16)
#define STEP ((size_t)32 * 1024)

bool tlsrpt_gzip(struct str bytes, struct buf *out)
{
	z_stream z = { 0 };
	char *room;
	size_t n;
	int r;

	if (bytes.n > TLSRPT_JSON_MAX || deflateInit2(&z, 9, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	n = deflateBound(&z, bytes.n);
	n = n < out->max - out->n ? n : out->max - out->n;
	room = buf_room(out, n);
	z.next_in = (Bytef *)(uintptr_t)bytes.p;
	z.avail_in = (uInt)bytes.n;
	z.next_out = (Bytef *)room;
	z.avail_out = (uInt)n;
	r = room ? deflate(&z, Z_FINISH) : Z_BUF_ERROR;
	if (r == Z_STREAM_END)
		buf_grew(out, z.total_out);
	deflateEnd(&z);
	return r == Z_STREAM_END;
}

bool tlsrpt_gunzip(struct str bytes, struct buf *out)
{
	z_stream z = { 0 };
	int r = Z_OK;

	if (bytes.n > TLSRPT_JSON_MAX || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return false;
	z.next_in = (Bytef *)(uintptr_t)bytes.p;
	z.avail_in = (uInt)bytes.n;
	while (r == Z_OK) {
		size_t left = out->max - out->n, n = left < STEP ? left : STEP;
		char *room = n ? buf_room(out, n) : NULL;

		if (!room)
			break;
		z.next_out = (Bytef *)room;
		z.avail_out = (uInt)n;
		r = inflate(&z, Z_NO_FLUSH);
		buf_grew(out, n - z.avail_out);
		if (r == Z_OK && z.avail_out == n) /* nothing more comes out of it */
			break;
	}
	inflateEnd(&z);
	return r == Z_STREAM_END;
}
