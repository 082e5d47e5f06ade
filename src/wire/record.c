/*-------------------------------------------------------------------------
 *
 * record.c
 *	  The entry record: the same bytes in the log and on the wire.
 *
 *-------------------------------------------------------------------------
 */
#include "wire/bytes.h"
#include "wire/record.h"

#include <string.h>

/* CRC of everything behind the CRC field, then of the length before it. */
static uint32_t
record_crc(const uint8_t header[RAFT_RECORD_HEADER], const uint8_t *data, size_t size)
{
	uint32_t	crc = raft_host_crc32c(0, header + 8, RAFT_RECORD_HEADER - 8);

	if (size > 0)
		crc = raft_host_crc32c(crc, data, size);
	return raft_host_crc32c(crc, header, 4);
}

void
raft_record_header(uint8_t out[RAFT_RECORD_HEADER], RaftIndex index, const RaftEntry *entry)
{
	put_u32(out, RAFT_RECORD_HEADER + entry->size);
	put_u64(out + 8, index);
	put_u64(out + 16, entry->term);
	put_u64(out + 24, entry->clock);
	put_u64(out + 32, entry->origin.serial);
	put_u32(out + 40, entry->origin.node);
	put_u32(out + 44, entry->origin.slot);
	out[48] = entry->kind;
	out[49] = out[50] = out[51] = 0;
	put_u32(out + 4, record_crc(out, entry->data, entry->size));
}

uint32_t
raft_record_length(const uint8_t *bytes)
{
	return get_u32(bytes);
}

uint8_t
raft_record_kind(const uint8_t *bytes)
{
	return bytes[48];
}

RaftDecodeResult
raft_record_decode(const uint8_t *bytes, size_t available, size_t max_size,
				   RaftIndex *index, RaftEntry *entry, uint32_t *length)
{
	uint32_t	size;

	if (available < RAFT_RECORD_HEADER)
		return RAFT_DECODE_SHORT;
	size = get_u32(bytes);
	if (size < RAFT_RECORD_HEADER || size > max_size)
		return RAFT_DECODE_LENGTH;
	if (size > available)
		return RAFT_DECODE_SHORT;
	if (get_u32(bytes + 4) != record_crc(bytes, bytes + RAFT_RECORD_HEADER,
										 size - RAFT_RECORD_HEADER))
		return RAFT_DECODE_CHECKSUM;

	*index = get_u64(bytes + 8);
	entry->term = get_u64(bytes + 16);
	entry->clock = get_u64(bytes + 24);
	entry->origin.serial = get_u64(bytes + 32);
	entry->origin.node = get_u32(bytes + 40);
	entry->origin.slot = get_u32(bytes + 44);
	entry->kind = bytes[48];
	entry->size = size - RAFT_RECORD_HEADER;
	entry->data = bytes + RAFT_RECORD_HEADER;
	if (*index == 0 || entry->term == 0 || entry->kind == 0 ||
		bytes[49] != 0 || bytes[50] != 0 || bytes[51] != 0)
		return RAFT_DECODE_MALFORMED;
	*length = size;
	return RAFT_DECODE_OK;
}

const char *
raft_decode_message(RaftDecodeResult result)
{
	switch (result)
	{
		case RAFT_DECODE_OK:
			return "valid";
		case RAFT_DECODE_SHORT:
			return "incomplete";
		case RAFT_DECODE_LENGTH:
			return "impossible length";
		case RAFT_DECODE_CHECKSUM:
			return "wrong checksum";
		case RAFT_DECODE_VERSION:
			return "unknown protocol version";
		case RAFT_DECODE_MALFORMED:
			return "a field is out of its domain";
	}
	return "?";
}
