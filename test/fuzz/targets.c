/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  One input: which target, and how its bytes are prepared.
 *
 * What is decoded stands in an allocation of exactly its size, so that under
 * AddressSanitizer one byte read too many is a finding.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "fuzz.h"

enum
{
	TARGET_RECORD,
	TARGET_CONFIG,
	TARGET_FRAME,
	TARGET_CORE,
	N_TARGETS
};

void
fuzz_one(const uint8_t *data, size_t size)
{
	Reader		reader = {.bytes = data, .left = size};
	uint32_t	target = take_below(&reader, N_TARGETS);
	uint8_t		flags = take_u8(&reader);
	RaftEntry	scratch[MAX_ENTRIES];
	RaftMessage message;
	uint8_t    *bytes;

	if (target == TARGET_CORE)
	{
		fuzz_core(&reader);
		return;
	}
	size = reader.left;
	bytes = malloc(size == 0 ? 1 : size);
	fuzz_check(bytes != NULL);
	if (size > 0)
		memcpy(bytes, reader.bytes, size);
	switch (target)
	{
		case TARGET_RECORD:
			if ((flags & FIX_CHECKSUMS) != 0)
				fuzz_fix_record(bytes, size);
			fuzz_record(bytes, size);
			break;
		case TARGET_CONFIG:
			fuzz_config(bytes, size);
			break;
		case TARGET_FRAME:
			if ((flags & FIX_CHECKSUMS) != 0)
				fuzz_fix_frame(bytes, size, flags);
			(void) fuzz_frame(bytes, size, &message, scratch);
			break;
	}
	free(bytes);
}
