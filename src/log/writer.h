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
	XLogRecPtr	lsn;			/* end of the last record written */
	StringInfoData scratch;

	/* indexes of the configurations in the log, ascending */
	RaftIndex  *configs;
	uint32		n_configs;
	uint32		max_configs;
};

extern void raft_log_note_config(RaftLogWriter *writer, RaftIndex index);

/* recover.c: checks every record, fills the ring and the result. */
extern void raft_log_recover(RaftLogWriter *writer, RaftLogRecovery *recovery);

#endif							/* RAFT_LOG_WRITER_H */
