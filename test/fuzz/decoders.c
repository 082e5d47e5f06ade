/*-------------------------------------------------------------------------
 *
 * decoders.c
 *	  The three decoders, and what must be true of whatever they accept.
 *
 * A checksum keeps random bytes out, which is its purpose, and here in the way:
 * most inputs get right lengths and checksums before they are decoded.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "../../src/wire/bytes.h"
#include "fuzz.h"

/* Checksum of a header of "header" bytes and the data behind it. */
static void
sign(uint8_t *bytes, size_t header, size_t size)
{
	uint32_t	crc = raft_host_crc32c(0, bytes + 8, header - 8);

	if (size > header)
		crc = raft_host_crc32c(crc, bytes + header, size - header);
	put_u32(bytes + 4, raft_host_crc32c(crc, bytes, 4));
}

/* Makes length and checksum of a record right. */
void
fuzz_fix_record(uint8_t *bytes, size_t size)
{
	if (size < RAFT_RECORD_HEADER)
		return;
	put_u32(bytes, (uint32_t) size);
	sign(bytes, RAFT_RECORD_HEADER, size);
}

/*
 * Makes lengths and checksums of a frame right, that of each record, too.  A
 * record whose length is impossible takes all the rest.
 */
void
fuzz_fix_frame(uint8_t *bytes, size_t size, uint8_t flags)
{
	size_t		at = RAFT_FRAME_HEADER;
	uint32_t	n = 0;

	if (size < RAFT_FRAME_HEADER)
		return;
	for (; size - at >= RAFT_RECORD_HEADER; n++)
	{
		size_t		length = get_u32(bytes + at);

		if (length < RAFT_RECORD_HEADER || length > size - at)
			length = size - at;
		if ((flags & FIX_COUNTS) != 0)
			put_u64(bytes + at + 8, get_u64(bytes + 64) + 1 + n);
		fuzz_fix_record(bytes + at, length);
		at += length;
	}
	put_u32(bytes, (uint32_t) size);
	put_u16(bytes + 8, RAFT_PROTOCOL_VERSION);
	if ((flags & FIX_COUNTS) != 0)
	{
		bytes[10] = n > 0 ? RAFT_MSG_APPEND : (uint8_t) (1 + bytes[10] % RAFT_MSG_TYPE_MAX);
		bytes[11] &= 1;
		put_u32(bytes + 20, n);
	}
	sign(bytes, RAFT_FRAME_HEADER, RAFT_FRAME_HEADER);
}

static bool
is_inside(const void *pointer, size_t n, const uint8_t *bytes, size_t size)
{
	const uint8_t *p = pointer;

	return n == 0 || (p >= bytes && n <= size && p <= bytes + (size - n));
}

/* What was accepted says the same when it is encoded. */
static void
check_record(const uint8_t *bytes, size_t size, RaftIndex index, const RaftEntry *entry)
{
	uint8_t		header[RAFT_RECORD_HEADER];

	fuzz_check(size >= RAFT_RECORD_HEADER + (size_t) entry->size);
	fuzz_check(is_inside(entry->data, entry->size, bytes, size));
	fuzz_check(index > 0 && entry->term > 0);
	fuzz_check(entry->kind >= 1);
	fuzz_check((raft_entry_kind_name(entry->kind) != NULL) == (entry->kind <= RAFT_ENTRY_KIND_MAX));
	raft_record_header(header, index, entry);
	fuzz_check(memcmp(header, bytes, RAFT_RECORD_HEADER) == 0);
}

void
fuzz_record(const uint8_t *bytes, size_t size)
{
	RaftIndex	index;
	RaftEntry	entry;
	uint32_t	length;
	RaftDecodeResult result = raft_record_decode(bytes, size, size, &index, &entry, &length);

	if (result == RAFT_DECODE_SHORT)
		fuzz_check(size < RAFT_RECORD_HEADER);
	if (result != RAFT_DECODE_OK)
	{
		fuzz_check(raft_decode_message(result)[0] != '?');
		return;
	}
	fuzz_check(length == raft_record_length(bytes) && length <= size);
	check_record(bytes, length, index, &entry);
	if (entry.kind == RAFT_ENTRY_CONFIG)
		fuzz_config(entry.data, entry.size);
	/* one byte less is a torn record, and one byte over the limit is too long */
	fuzz_check(raft_record_decode(bytes, length - 1, size, &index, &entry, &length) == RAFT_DECODE_SHORT);
	fuzz_check(raft_record_decode(bytes, size, length - 1, &index, &entry, &length) == RAFT_DECODE_LENGTH);
}

void
fuzz_config(const uint8_t *bytes, size_t size)
{
	RaftConfig	config;
	RaftConfig	again;
	RaftMemberInfo info[RAFT_MAX_MEMBERS];
	uint8_t    *encoded;

	if (raft_config_decode(bytes, size, &config, info) != RAFT_DECODE_OK)
		return;
	fuzz_check(config.n_members >= 1 && config.n_members <= RAFT_MAX_MEMBERS);
	for (uint32_t i = 0; i < config.n_members; i++)
	{
		fuzz_check(config.members[i].id == info[i].id && config.members[i].flags == info[i].flags);
		fuzz_check(i == 0 || config.members[i].id > config.members[i - 1].id);
		fuzz_check(is_inside(info[i].name, info[i].name_size, bytes, size));
		fuzz_check(is_inside(info[i].conninfo, info[i].conninfo_size, bytes, size));
	}
	fuzz_check(raft_config_decode(bytes, size, &again, NULL) == RAFT_DECODE_OK);
	encoded = malloc(size);
	fuzz_check(encoded != NULL);
	fuzz_check(raft_config_encode(encoded, size, info, config.n_members) == size);
	fuzz_check(memcmp(encoded, bytes, size) == 0);
	fuzz_check(raft_config_encode(encoded, size - 1, info, config.n_members) == 0);
	free(encoded);
}

/*
 * True when the frame is accepted; then *message and scratch hold it.
 */
bool
fuzz_frame(const uint8_t *bytes, size_t size, RaftMessage *message, RaftEntry *scratch)
{
	uint8_t		group[RAFT_GROUP_ID_BYTES];
	uint8_t		header[RAFT_FRAME_HEADER];
	size_t		at = RAFT_FRAME_HEADER;
	RaftTerm	term;

	if (raft_frame_decode(bytes, size, group, message, scratch, MAX_ENTRIES) != RAFT_DECODE_OK)
		return false;
	fuzz_check(raft_frame_length(bytes) == size);
	fuzz_check(raft_message_name(message->type)[0] != '?');
	fuzz_check(message->n_entries <= MAX_ENTRIES && message->from != 0 && message->to != 0);
	raft_frame_header(header, group, message, (uint32_t) (size - RAFT_FRAME_HEADER));
	fuzz_check(memcmp(header, bytes, RAFT_FRAME_HEADER) == 0);
	term = message->log_term;
	for (uint32_t i = 0; i < message->n_entries; i++)
	{
		fuzz_check(message->entries[i].term >= term && message->entries[i].term <= message->term);
		term = message->entries[i].term;
		check_record(bytes + at, size - at, message->log_index + 1 + i, &message->entries[i]);
		at += RAFT_RECORD_HEADER + message->entries[i].size;
	}
	fuzz_check(at == size);
	return true;
}
