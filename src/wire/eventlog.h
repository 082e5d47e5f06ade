/*-------------------------------------------------------------------------
 *
 * eventlog.h
 *	  Byte format of a recording: everything that one core was given, from its
 *	  start on, and a digest of everything that it answered.
 *
 * Since the core depends on nothing but its events, a recording can be
 * replayed: another core, given the same events, must give the same actions.
 * The host writes the recording (src/node/recorder.c), the laboratory replays it
 * (test/sim/replay.c).  Here is the format alone, without any I/O.
 *
 * A recording is a file header and one record for each step.  All integers are
 * little-endian.  Every decoder takes any bytes whatsoever without reading
 * outside them.
 *
 * File header, RAFT_EVENTLOG_HEADER bytes:
 *		 0	char[8] "RAFTPGEV"
 *		 8	uint32	CRC-32C of bytes 12 .. RAFT_EVENTLOG_HEADER
 *		12	uint16	version of the format
 *		14	uint16	zero
 *		16	uint8[16] group id
 *		32	uint32	node
 *		36	uint32	zero
 *		40	uint64	boot, seed
 *		56	uint64	wall clock at the start, microseconds since 1970
 *		64	settings
 *	   108	uint32	RAFT_MAX_MEMBERS, _CONFIGS, _HELD, _PENDING, _RUNS, _INFLIGHT
 *
 * Settings, RAFT_EVENTLOG_SETTINGS bytes:
 *		 0	uint64	heartbeat_interval, election_timeout, commit_notice
 *		24	uint32	max_batch_bytes, max_inflight, max_inflight_bytes
 *		36	uint64	disk_timeout
 *
 * Record, RAFT_EVENTLOG_RECORD bytes and what follows them:
 *		 0	uint32	length of the whole record
 *		 4	uint32	CRC-32C of the length
 *		 8	uint32	CRC-32C of bytes 12 .. length
 *		12	uint8	type of the event
 *		13	uint8	1 = complete; 0 = the step did not return
 *		14	uint16	number of answers
 *		16	uint64	now
 *		24	what the event carries
 *			answers
 *			uint64	digest, if it is complete
 *
 * What an event carries:
 *		BOOT	uint64 term, first, last, base_term, commit, applied; uint32 vote,
 *				number of runs, number of configurations; per run uint64 first, term; per
 *				configuration uint64 index, uint32 members, identified, per member uint32 id, flags
 *		RECEIVE	uint64 room; the frame
 *		PROPOSE	uint32 entries; per entry uint64 clock, serial, uint32 node, slot,
 *				size, kind; data
 *		WRITE_DURABLE, WRITE_FAILED, COMPACTED	uint64
 *		APPLIED	uint64 visible, durable
 *		PEER_UNREACHABLE	uint32
 *		SETTINGS	settings
 *
 * An answer is what the host said when the core asked for the end of a batch
 * (RaftBatchEnd): uint64 first, uint32 entries asked for, granted, their bytes.
 *
 * A process that is killed leaves a recording that ends within a record, which
 * is RAFT_DECODE_SHORT.  No other damage looks like it, since the length has a
 * CRC of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_EVENTLOG_H
#define RAFT_WIRE_EVENTLOG_H

#include "wire/frame.h"

#define RAFT_EVENTLOG_VERSION	2
#define RAFT_EVENTLOG_HEADER	132
#define RAFT_EVENTLOG_SETTINGS	44
#define RAFT_EVENTLOG_RECORD	24
#define RAFT_EVENTLOG_ANSWER	20
#define RAFT_EVENTLOG_DIGEST	8

/* What a core is started with. */
typedef struct RaftEventLogHeader
{
	uint8_t		group[RAFT_GROUP_ID_BYTES];
	RaftNodeId	self;
	uint64_t	boot;
	uint64_t	seed;
	uint64_t	clock;			/* wall clock at the start: for people */
	RaftSettings settings;
} RaftEventLogHeader;

/* The core's question about a batch, and the host's answer. */
typedef struct RaftBatchAnswer
{
	RaftIndex	first;
	RaftIndex	last;			/* asked for */
	RaftIndex	end;			/* answered; first <= end <= last */
	uint32_t	bytes;
} RaftBatchAnswer;

/* A decoded record. */
typedef struct RaftEventRecord
{
	RaftEvent	event;			/* points into the members below, and they into the bytes */
	bool		complete;		/* the step returned */
	uint64_t	digest;
	uint32_t	n_answers;
	RaftBatchAnswer answers[RAFT_MAX_ACTIONS];

	uint8_t		group[RAFT_GROUP_ID_BYTES]; /* RECEIVE: of the frame */
	RaftMessage message;
	RaftBoot	boot;
	RaftSettings settings;
	RaftRun		runs[RAFT_MAX_RUNS];
	RaftConfig	configs[RAFT_MAX_CONFIGS];
	RaftEntry	entries[RAFT_MAX_MESSAGE_ENTRIES];
} RaftEventRecord;

/* --- writing --- */

extern void raft_eventlog_header(uint8_t out[RAFT_EVENTLOG_HEADER], const RaftEventLogHeader *header);

/*
 * Bytes of a record's head and of what the event carries.  frame_size is that of
 * the frame in which the message of a RAFT_EVENT_RECEIVE came.
 */
extern size_t raft_eventlog_event_size(const RaftEvent *event, size_t frame_size);

/* Writes them: before the step, from which there may be no return. */
extern void raft_eventlog_event(uint8_t *out, const RaftEvent *event,
								const uint8_t *frame, size_t frame_size);

extern void raft_eventlog_answer(uint8_t out[RAFT_EVENTLOG_ANSWER], const RaftBatchAnswer *answer);

/*
 * Finishes the record that has size bytes so far.  The digest takes
 * RAFT_EVENTLOG_DIGEST more; NULL when the step did not return.  Returns the
 * length of the record.
 */
extern size_t raft_eventlog_finish(uint8_t *record, size_t size, uint32_t n_answers,
								   const uint64_t *digest);

/*
 * Digest of a step: every field of every action.  It goes on from the digest of
 * the step before (0 for the first), so that a missing step changes all that
 * follow, also when it led to no action.
 */
extern uint64_t raft_eventlog_digest(uint64_t before, const RaftEvent *event,
									 const RaftActions *actions);

/* --- reading --- */

/* RAFT_DECODE_VERSION: another version of the format, or a core with other bounds. */
extern RaftDecodeResult raft_eventlog_header_decode(const uint8_t *bytes, size_t available,
													RaftEventLogHeader *header);

/* Decodes the record at bytes; *length is set on OK. */
extern RaftDecodeResult raft_eventlog_decode(const uint8_t *bytes, size_t available,
											 RaftEventRecord *record, uint32_t *length);

extern const char *raft_event_name(RaftEventType type);

#endif							/* RAFT_WIRE_EVENTLOG_H */
