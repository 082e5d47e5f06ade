/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  What the other files of this folder use of the reader, beside log.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOG_READER_H
#define RAFT_LOG_READER_H

#include "log/pages.h"
#include "log/ring.h"

/* First and last index at hand; also without shared memory.  n_pages may be NULL. */
extern void raft_log_reader_range(RaftLogReader *reader, RaftIndex *first, RaftIndex *last,
								  BlockNumber *n_pages);

/* Where the record of an index starts; ERROR when it is not in the log. */
extern uint64 raft_log_position(RaftLogReader *reader, RaftIndex index);

/* An entry's clock, Unix time in microseconds, as a timestamp. */
static inline TimestampTz
raft_log_timestamp(uint64 clock)
{
	return (TimestampTz) clock -
		(TimestampTz) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* A sentence about why a record could not be read. */
extern const char *raft_log_describe(RaftDecodeResult result);

/* ERROR XX001 about a record; detail may be NULL. */
pg_noreturn extern void raft_log_report_damage(RaftIndex index, const char *detail);

/* Raises the error for what raft_pages_read_meta() found, unless it is OK or EMPTY. */
extern void raft_log_check_meta(RaftMetaResult result, const RaftLogMeta *meta);

#endif							/* RAFT_LOG_READER_H */
