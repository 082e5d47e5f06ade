/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  Any bytes at all, given to the decoders and to a core.
 *
 * An input is one byte that chooses a target, one byte of flags, and the rest.
 * A finding ends the process with abort(), or a sanitizer does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_FUZZ_H
#define RAFT_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "../../src/core/raft.h"
#include "../../src/wire/config.h"
#include "../../src/wire/frame.h"
#include "../../src/wire/names.h"

/* Flags of an input. */
#define FIX_CHECKSUMS	0x01	/* lengths and checksums are made right first */
#define FIX_COUNTS		0x02	/* and so are counts and indexes */

#define MAX_ENTRIES		64		/* entries in one frame that a target has room for */

#define fuzz_check(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* Bytes that are used up; behind their end come zeros. */
typedef struct Reader
{
	const uint8_t *bytes;
	size_t		left;
} Reader;

/* targets.c */
extern void fuzz_one(const uint8_t *data, size_t size);

/* decoders.c */
extern void fuzz_fix_record(uint8_t *bytes, size_t size);
extern void fuzz_fix_frame(uint8_t *bytes, size_t size, uint8_t flags);
extern bool fuzz_frame(const uint8_t *bytes, size_t size, RaftMessage *message, RaftEntry *scratch);
extern void fuzz_record(const uint8_t *bytes, size_t size);
extern void fuzz_config(const uint8_t *bytes, size_t size);

/* core.c */
extern void fuzz_core(Reader *reader);

static inline uint8_t
take_u8(Reader *reader)
{
	if (reader->left == 0)
		return 0;
	reader->left--;
	return *reader->bytes++;
}

static inline uint32_t
take_below(Reader *reader, uint32_t n)
{
	return take_u8(reader) % n;
}

static inline uint64_t
take_u64(Reader *reader)
{
	uint64_t	v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t) take_u8(reader) << (8 * i);
	return v;
}

#endif							/* RAFT_FUZZ_H */
