/* fuzz/ipc.c - the decoders of all internal messages: bounded, and canonical (what decodes encodes to the same bytes).
 */
#include "ipc_fuzz_gen.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return ipc_fuzz_one(data, size);
}
