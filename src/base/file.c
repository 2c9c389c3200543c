/* base/file.c - a whole small file. See the header. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool file_read(const char *path, size_t max, struct str *out, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b;
	ssize_t r = -1;

	buf_init(&b, max + 4096);
	while (fd >= 0 && b.n <= max && buf_room(&b, 4096) && (r = read(fd, b.p + b.n, 4096)) > 0)
		buf_grew(&b, (size_t)r);
	if (fd < 0 || r < 0)
		buf_addf(why, "%s: cannot be read: %s\n", path, strerror(errno));
	else if (b.n > max)
		buf_addf(why, "%s: is larger than %zu bytes\n", path, max);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || r < 0 || b.n > max) {
		buf_fini(&b);
		return false;
	}
	*out = buf_str(&b);
	return true;
}
