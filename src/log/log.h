/*-------------------------------------------------------------------------
 *
 * log.h
 *	  The log of a group: a byte ring in shared memory (the hot tail) over a
 *	  ring of WAL-logged pages of the table raft.log.
 *
 * Both rings share one address: the position of a byte, which only grows.
 * Records (wire/record.h) follow each other without gaps and may span pages.
 * Block 0 of the table holds the identity, the hard state (term, vote), the
 * positions and the format version; blocks 1..n are the ring.
 *
 * One process writes: the node worker.  Any process reads.  Writes go to the
 * shared-memory ring and to the buffers of the pages through GenericXLog in
 * one call, and are durable once WAL is flushed up to raft_log_end().
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOG_H
#define RAFT_LOG_H

#include "raft_pg.h"
#include "datatype/timestamp.h"
#include "access/xlogdefs.h"
#include "lib/stringinfo.h"
#include "utils/relcache.h"

/* Shared part; lives in the group's block of shared memory. */
typedef struct RaftLogShared RaftLogShared;

extern Size raft_log_shmem_size(void);
extern void raft_log_shmem_init(void *memory);

/*
 * Who this log belongs to.  Stored in block 0 when the log is created and
 * compared at every open.
 */
typedef struct RaftLogIdentity
{
	uint8		group[RAFT_GROUP_ID_BYTES];
	RaftNodeId	node;
	uint64		system_identifier;
	uint32		timeline;
	uint32		database;		/* oid: CREATE DATABASE ... TEMPLATE makes a copy too */
	uint64		vouched_for;	/* incarnation that raft_reset_identity() has seen; 0 = none */
} RaftLogIdentity;

/*
 * Every start of a node has a random number, its incarnation.  The log keeps so
 * many of them, so that a peer that was away can see that the node it knew and
 * the one it meets now are the same: see net/peer_log.h.
 */
#define RAFT_LOG_MAX_STARTS		960

/* Is this relation the log?  The table that is it; InvalidOid when this database has none. */
extern bool raft_log_is_relation(Oid relation);
extern Oid	raft_log_find_relation(void);

/* What raft_log_open() found, in memory of the current context. */
typedef struct RaftLogRecovery
{
	RaftBoot	boot;			/* commit = the newest commit index that was saved */
	uint64		log_id;			/* random number that this log got when it was created */
	uint64		boot_count;		/* of this start: durable before raft_log_open() returns */
	uint64		incarnation;	/* likewise */
	uint64	   *former_starts;	/* incarnations of earlier ones, oldest first */
	uint32		n_former_starts;
	uint8	   *config_data[RAFT_MAX_CONFIGS];	/* payloads of boot.configs, with names */
	uint32		config_size[RAFT_MAX_CONFIGS];
} RaftLogRecovery;

/* --- the writer: node worker only --- */

typedef struct RaftLogWriter RaftLogWriter;

/*
 * Opens the log, creating it with bootstrap (payload of a configuration entry,
 * stored as entry 1 of term 1) and the capacity raft_pg.log_size when the table
 * is empty.  Raises the boot count and draws the incarnation.  ERROR 55000 when
 * the log is another node's or a copy (identity.c), XX001 when a record between the first and the last is damaged.
 * boot.applied is the least it can be: the caller knows better.
 */
extern RaftLogWriter *raft_log_open(RaftLogShared *shared, RaftRelFile file,
									const RaftLogIdentity *identity,
									const uint8 *bootstrap, uint32 bootstrap_size,
									RaftLogRecovery *recovery);

/*
 * Term and vote, truncation, append, in one atomic piece: a crash leaves all of
 * it or nothing.  One exception: of a truncation followed by more records than
 * three pages hold, a crash may leave term, vote and truncation alone, as if
 * the entries had come in a second message (README.md).
 * records: the encoded records of write->n_entries entries.
 * commit is saved along (a hint for the next start, never flushed for itself).
 * Ends the process (FATAL) when a promise of the caller is broken: terms that
 * go back, entries that do not follow, a truncation of committed entries, more
 * bytes than raft_log_free() has.
 */
extern void raft_log_write(RaftLogWriter *writer, const RaftWrite *write,
						   const char *records, Size size, RaftIndex commit);

/*
 * This peer has taken a stream of this start, so it will not ask for an earlier
 * one.  Soon durable, without a wait.
 */
extern void raft_log_note_met(RaftLogWriter *writer, RaftNodeId peer);

/* Everything written so far is durable once WAL is flushed up to here. */
extern XLogRecPtr raft_log_end(RaftLogWriter *writer);

/* Drops entries up to index (whole entries; positions only move). */
extern void raft_log_compact(RaftLogWriter *writer, RaftIndex index);

/* Bytes that can still be appended, and the capacity: of a log, which may be larger than memory. */
extern uint64 raft_log_free(RaftLogWriter *writer);
extern uint64 raft_log_capacity(RaftLogWriter *writer);

/* --- readers: any process --- */

/* Incarnation of the last start; 0 when the log was never opened, or cannot be. */
extern uint64 raft_log_last_incarnation(RaftRelFile file);

typedef struct RaftLogReader RaftLogReader;

/* Reads block 0 instead of the shared part where that is NULL or holds another log. */
extern RaftLogReader *raft_log_reader_create(RaftLogShared *shared, RaftRelFile file);
extern void raft_log_reader_free(RaftLogReader *reader);

/*
 * Appends to out the encoded records first, first + 1, .. last, stopping before
 * out has got more than max_bytes (but at least one record).  Returns the last index copied,
 * or 0 when first is not in the log (compacted, truncated or not yet there).
 * Records are whole and consistent also while the writer goes on.
 */
extern RaftIndex raft_log_read(RaftLogReader *reader, RaftIndex first, RaftIndex last,
							   Size max_bytes, StringInfo out);

/* A kind's name in raft.log and in messages. */
extern const char *raft_log_kind_name(uint8 kind);

/* When the leader took the entry at index into its log; 0 when it is not in this one. */
extern TimestampTz raft_log_entry_time(RaftLogShared *shared, RaftRelFile file, RaftIndex index);

/* RaftBatchEnd of the core; arg is a RaftLogReader. */
extern RaftIndex raft_log_batch_end(void *arg, RaftIndex first, RaftIndex last,
									uint32_t max_bytes, uint32_t *bytes);

/* The last index that would be dropped to free at least this many bytes. */
extern RaftIndex raft_log_index_to_free(RaftLogReader *reader, uint64 bytes);

#endif							/* RAFT_LOG_H */
