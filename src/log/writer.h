/*-------------------------------------------------------------------------
 *
 * writer.h
 *	  What writer.c and recover.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOG_WRITER_H
#define RAFT_LOG_WRITER_H

#include "log/reader.h"

struct RaftLogWriter
{
	MemoryContext context;		/* of everything here */
	RaftLogShared *shared;
	RaftLogPages *pages;
	RaftLogReader *reader;
	RaftLogMeta meta;			/* as in block 0 */
	RaftLogHistory history;		/* as in its block */
	XLogRecPtr	lsn;			/* end of the last record written */
	StringInfoData scratch;

	/* indexes of the configurations in the log, ascending */
	RaftIndex  *configs;
	uint32		n_configs;
	uint32		max_configs;
};

extern void raft_log_note_config(RaftLogWriter *writer, RaftIndex index);

/*
 * identity.c: whose log it is, which copy of it, and which starts it has seen.
 * The first one fills in a new log, the second one raises the error when this process
 * must not write the log, the third one makes this start one of the history.
 */
extern uint64 raft_log_random(void);
extern void raft_log_set_identity(RaftLogMeta *meta, RaftRelFile file,
								  const RaftLogIdentity *identity);
extern void raft_log_check_identity(RaftLogMeta *meta, RaftRelFile file,
									const RaftLogIdentity *identity);
extern void raft_log_begin_incarnation(RaftLogWriter *writer, RaftLogRecovery *recovery);

/* recover.c: checks every record, fills the ring and the result. */
extern void raft_log_recover(RaftLogWriter *writer, RaftLogRecovery *recovery);

#endif							/* RAFT_LOG_WRITER_H */
