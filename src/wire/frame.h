/*-------------------------------------------------------------------------
 *
 * frame.h
 *	  The frame that carries one message between nodes.
 *
 * RAFT_FRAME_HEADER bytes and the records:
 *		 0	uint32	length of the whole frame
 *		 4	uint32	CRC-32C of bytes 8 .. RAFT_FRAME_HEADER, then of the length
 *		 8	uint16	protocol version
 *		10	uint8	message type
 *		11	uint8	granted (0, 1)
 *		12	uint32	from
 *		16	uint32	to
 *		20	uint32	number of entries
 *		24	uint8[16] group id
 *		40	uint64	boot, term, round, log_index, log_term, commit, floor, rejected
 *	   104	records (each with its own CRC)
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_FRAME_H
#define RAFT_WIRE_FRAME_H

#include "core/raft.h"
#include "wire/record.h"

#define RAFT_PROTOCOL_VERSION	1
#define RAFT_FRAME_HEADER		104
#define RAFT_GROUP_ID_BYTES		16

/*
 * Writes the frame header for message; records_size bytes of entry records
 * follow it on the wire.
 */
extern void raft_frame_header(uint8_t out[RAFT_FRAME_HEADER], const uint8_t group[RAFT_GROUP_ID_BYTES],
							  const RaftMessage *message, uint32_t records_size);

/*
 * Decodes a whole frame.  Entries are decoded into scratch (max_scratch of
 * them) and message->entries points to it; their data points into bytes.  The
 * records must carry consecutive indexes from log_index + 1, terms that never
 * go back nor exceed message->term, and fill the frame exactly.
 */
extern RaftDecodeResult raft_frame_decode(const uint8_t *bytes, size_t size,
										  uint8_t group[RAFT_GROUP_ID_BYTES],
										  RaftMessage *message,
										  RaftEntry *scratch, uint32_t max_scratch);

/* Length field of a frame whose first 4 bytes are at hand; not verified. */
extern uint32_t raft_frame_length(const uint8_t *bytes);

#endif							/* RAFT_WIRE_FRAME_H */
