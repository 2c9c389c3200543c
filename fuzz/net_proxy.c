/* fuzz/net_proxy.c - PROXY headers read as an edge reads them: no byte behind the header is ever asked for. */
#include "base/die.h"
#include "net/proxy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_of(data, size);
	enum proxy_result r;
	struct proxy p, once;
	size_t n = 0, need;

	while ((r = proxy_parse(str_sub(all, 0, n), 4096, &p, &need)) == PROXY_MORE) {
		die_unless(need > 0 && n + need <= 4096, "as many bytes as a header may have");
		if (n + need > size)
			return 0;
		n += need;
	}
	die_unless(r == PROXY_BAD || n >= 15, "a header shorter than any");
	die_unless(proxy_parse(str_sub(all, 0, n), 4096, &once, &need) == r && memcmp(&once, &p, sizeof p) == 0, "the same again");
	die_unless(!p.told || r == PROXY_BAD || (p.ip[0] && p.local_ip[0]), "told, and no address");
	return 0;
}
