/*-------------------------------------------------------------------------
 *
 * record.h
 *	  The entry record: the same bytes in the log and on the wire.
 *
 * All integers are little-endian.  Every decoder takes any bytes whatsoever
 * without reading outside them.
 *
 * RAFT_RECORD_HEADER bytes and the data:
 *		 0	uint32	length of the whole record
 *		 4	uint32	CRC-32C of bytes 8 .. length, then of the length
 *		 8	uint64	index
 *		16	uint64	term
 *		24	uint64	clock
 *		32	uint64	origin serial
 *		40	uint32	origin node
 *		44	uint32	origin slot
 *		48	uint8	kind, not 0; what it means is not looked at
 *		49	uint8[3] zero
 *		52	data
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_RECORD_H
#define RAFT_WIRE_RECORD_H

#include "core/raft.h"

#define RAFT_RECORD_HEADER		RAFT_ENTRY_OVERHEAD

typedef enum RaftDecodeResult
{
	RAFT_DECODE_OK,
	RAFT_DECODE_SHORT,			/* more bytes are needed (a torn record, a partial frame) */
	RAFT_DECODE_LENGTH,			/* an impossible length */
	RAFT_DECODE_CHECKSUM,
	RAFT_DECODE_VERSION,		/* a protocol version this code does not speak */
	RAFT_DECODE_MALFORMED		/* a field outside its domain */
} RaftDecodeResult;

/* Supplied by the host: CRC-32C (Castagnoli) of data, continuing from crc (0 to begin). */
extern uint32_t raft_host_crc32c(uint32_t crc, const void *data, size_t size);

extern const char *raft_decode_message(RaftDecodeResult result);	/* text for logs */

/*
 * Writes the record header for entry at index; its data (entry->size bytes)
 * must follow.  The header's CRC covers the data.
 */
extern void raft_record_header(uint8_t out[RAFT_RECORD_HEADER], RaftIndex index,
							   const RaftEntry *entry);

/*
 * Decodes the record at bytes; *entry points into it.  max_size bounds the whole
 * record (a larger length is RAFT_DECODE_LENGTH).  *length is set on OK.
 */
extern RaftDecodeResult raft_record_decode(const uint8_t *bytes, size_t available,
										   size_t max_size, RaftIndex *index,
										   RaftEntry *entry, uint32_t *length);

/* Length field of a record whose first 4 bytes are at hand; not verified. */
extern uint32_t raft_record_length(const uint8_t *bytes);

/* Kind of a record whose header is at hand; not verified. */
extern uint8_t raft_record_kind(const uint8_t *bytes);

#endif							/* RAFT_WIRE_RECORD_H */
