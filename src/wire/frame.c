/*-------------------------------------------------------------------------
 *
 * frame.c
 *	  The frame that carries one message between nodes.  Layout: frame.h.
 *
 *-------------------------------------------------------------------------
 */
#include "wire/bytes.h"
#include "wire/frame.h"

#include <string.h>

static uint32_t
frame_crc(const uint8_t header[RAFT_FRAME_HEADER])
{
	uint32_t	crc = raft_host_crc32c(0, header + 8, RAFT_FRAME_HEADER - 8);

	return raft_host_crc32c(crc, header, 4);
}

void
raft_frame_header(uint8_t out[RAFT_FRAME_HEADER], const uint8_t group[RAFT_GROUP_ID_BYTES],
				  const RaftMessage *message, uint32_t records_size)
{
	put_u32(out, RAFT_FRAME_HEADER + records_size);
	put_u16(out + 8, RAFT_PROTOCOL_VERSION);
	out[10] = (uint8_t) message->type;
	out[11] = message->granted ? 1 : 0;
	put_u32(out + 12, message->from);
	put_u32(out + 16, message->to);
	put_u32(out + 20, message->n_entries);
	memcpy(out + 24, group, RAFT_GROUP_ID_BYTES);
	put_u64(out + 40, message->boot);
	put_u64(out + 48, message->term);
	put_u64(out + 56, message->round);
	put_u64(out + 64, message->log_index);
	put_u64(out + 72, message->log_term);
	put_u64(out + 80, message->commit);
	put_u64(out + 88, message->floor);
	put_u64(out + 96, message->rejected);
	put_u32(out + 4, frame_crc(out));
}

uint32_t
raft_frame_length(const uint8_t *bytes)
{
	return get_u32(bytes);
}

static RaftDecodeResult
decode_header(const uint8_t *bytes, size_t size, uint8_t group[RAFT_GROUP_ID_BYTES],
			  RaftMessage *message)
{
	if (size < RAFT_FRAME_HEADER)
		return RAFT_DECODE_SHORT;
	if (get_u32(bytes) != size)
		return get_u32(bytes) > size ? RAFT_DECODE_SHORT : RAFT_DECODE_LENGTH;
	if (get_u32(bytes + 4) != frame_crc(bytes))
		return RAFT_DECODE_CHECKSUM;
	if (get_u16(bytes + 8) != RAFT_PROTOCOL_VERSION)
		return RAFT_DECODE_VERSION;
	if (bytes[10] < 1 || bytes[10] > RAFT_MSG_TYPE_MAX || bytes[11] > 1)
		return RAFT_DECODE_MALFORMED;
	memset(message, 0, sizeof(*message));
	message->type = (RaftMessageType) bytes[10];
	message->granted = bytes[11] == 1;
	message->from = get_u32(bytes + 12);
	message->to = get_u32(bytes + 16);
	message->n_entries = get_u32(bytes + 20);
	memcpy(group, bytes + 24, RAFT_GROUP_ID_BYTES);
	message->boot = get_u64(bytes + 40);
	message->term = get_u64(bytes + 48);
	message->round = get_u64(bytes + 56);
	message->log_index = get_u64(bytes + 64);
	message->log_term = get_u64(bytes + 72);
	message->commit = get_u64(bytes + 80);
	message->floor = get_u64(bytes + 88);
	message->rejected = get_u64(bytes + 96);
	return RAFT_DECODE_OK;
}

/* Fields that no honest sender combines like this. */
static bool
is_well_formed(const RaftMessage *message, uint32_t max_entries)
{
	if (message->from == 0 || message->to == 0 || message->boot == 0 || message->term == 0)
		return false;
	if (message->log_term > message->term || (message->log_index == 0) != (message->log_term == 0))
	{
		/* only an accepted append names an index without a term */
		if (!(message->type == RAFT_MSG_APPEND_REPLY && message->granted &&
			  message->log_term == 0))
			return false;
	}
	/* numbers that only grow: nobody gets here by counting, and beyond they could wrap */
	if (message->term > UINT64_MAX / 2 ||
		message->log_index > UINT64_MAX / 2 || message->commit > UINT64_MAX / 2 ||
		message->floor > UINT64_MAX / 2 || message->rejected > UINT64_MAX / 2)
		return false;
	if (message->type != RAFT_MSG_APPEND)
		return message->n_entries == 0;
	return message->n_entries <= max_entries;
}

RaftDecodeResult
raft_frame_decode(const uint8_t *bytes, size_t size, uint8_t group[RAFT_GROUP_ID_BYTES],
				  RaftMessage *message, RaftEntry *scratch, uint32_t max_scratch)
{
	RaftDecodeResult result = decode_header(bytes, size, group, message);
	size_t		at = RAFT_FRAME_HEADER;
	RaftTerm	term;

	if (result != RAFT_DECODE_OK)
		return result;
	if (!is_well_formed(message, max_scratch))
		return RAFT_DECODE_MALFORMED;
	term = message->log_term;
	for (uint32_t i = 0; i < message->n_entries; i++)
	{
		RaftIndex	index;
		uint32_t	length;

		result = raft_record_decode(bytes + at, size - at, size - at, &index, &scratch[i], &length);
		if (result != RAFT_DECODE_OK)
			return result;
		if (index != message->log_index + 1 + i ||
			scratch[i].term < term || scratch[i].term > message->term)
			return RAFT_DECODE_MALFORMED;
		term = scratch[i].term;
		at += length;
	}
	if (at != size)
		return RAFT_DECODE_LENGTH;
	message->entries = scratch;
	return RAFT_DECODE_OK;
}
