/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  Byte formats: the entry record (log and wire alike), the configuration
 *	  payload, and the frame that carries one message.
 *
 * All integers are little-endian.  Every decoder takes any bytes whatsoever
 * without reading outside them.
 *
 * Entry record, RAFT_RECORD_HEADER bytes and the data:
 *		 0	uint32	length of the whole record
 *		 4	uint32	CRC-32C of bytes 8 .. length, then of the length
 *		 8	uint64	index
 *		16	uint64	term
 *		24	uint64	clock
 *		32	uint64	origin serial
 *		40	uint32	origin node
 *		44	uint32	origin slot
 *		48	uint8	kind
 *		49	uint8[3] zero
 *		52	data
 *
 * Frame, RAFT_FRAME_HEADER bytes and the records:
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
#ifndef RAFT_CORE_CODEC_H
#define RAFT_CORE_CODEC_H

#include "raft.h"

#define RAFT_PROTOCOL_VERSION	1
#define RAFT_RECORD_HEADER		52
#define RAFT_FRAME_HEADER		104
#define RAFT_GROUP_ID_BYTES		16
#define RAFT_MAX_FRAME_ENTRIES	8192	/* entries in one message */
#define RAFT_MAX_NODE_NAME		63		/* bytes */
#define RAFT_MAX_CONNINFO		1023	/* bytes */
#define RAFT_MAX_CONFIG_BYTES	(8 + RAFT_MAX_MEMBERS * (16 + RAFT_MAX_NODE_NAME + RAFT_MAX_CONNINFO))

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

/* --- entry records --- */

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

/* --- configuration payloads (data of RAFT_ENTRY_CONFIG) --- */

/* Any log: its voter is taken for who it says it is. */
#define RAFT_LOG_ID_ANY		UINT64_MAX

/* A member as the host sees it: name and conninfo are not NUL-terminated. */
typedef struct RaftMemberInfo
{
	RaftNodeId	id;
	uint64_t	log_id;			/* of the log that it votes with; 0 = not known yet */
	uint8_t		flags;			/* RAFT_MEMBER_* */
	uint8_t		name_size;		/* 1..RAFT_MAX_NODE_NAME */
	uint16_t	conninfo_size;	/* 0..RAFT_MAX_CONNINFO */
	const char *name;
	const char *conninfo;
} RaftMemberInfo;

/* Returns the bytes written, 0 when out is too small or a member is invalid. */
extern size_t raft_config_encode(uint8_t *out, size_t out_size,
								 const RaftMemberInfo *members, uint32_t n_members);

/* info may be NULL.  Ids must ascend, at least one voter, no unknown flags. */
extern RaftDecodeResult raft_config_decode(const uint8_t *data, size_t size,
										   RaftConfig *config,
										   RaftMemberInfo info[RAFT_MAX_MEMBERS]);

/* --- frames --- */

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

#endif							/* RAFT_CORE_CODEC_H */
