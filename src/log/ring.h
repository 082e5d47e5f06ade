/*-------------------------------------------------------------------------
 *
 * ring.h
 *	  The hot tail of the log in shared memory.  For the files of this folder
 *	  only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOG_RING_H
#define RAFT_LOG_RING_H

#include "log/log.h"
#include "port/atomics.h"

/*
 * The positions of the log as a reader saw them.  They may be out of date at
 * once; whoever copied something looks at them again afterwards.
 */
typedef struct RaftLogView
{
	bool		shared;			/* from shared memory, else from block 0 */
	uint64		generation;		/* changes whenever a tail was cut off */
	uint32		n_pages;
	RaftIndex	first_index;
	uint64		first_pos;
	RaftIndex	last_index;
	uint64		tail;			/* at or after the end of last_index */
} RaftLogView;

/* --- the writer --- */

/* Takes the shared part over for a log: empty, and not ready for readers. */
extern void raft_ring_reset(RaftLogShared *shared, RaftRelFile file, uint32 n_pages,
							RaftIndex first_index, uint64 first_pos);

/* Lets readers in. */
extern void raft_ring_set_ready(RaftLogShared *shared);

/* Copies records first .. first + n - 1, then lets readers see them. */
extern void raft_ring_append(RaftLogShared *shared, RaftIndex first, uint32 n,
							 const char *records, Size size);

/* Cuts the tail off: index and everything after it, which starts at pos. */
extern void raft_ring_truncate(RaftLogShared *shared, RaftIndex index, uint64 pos);

extern void raft_ring_compact(RaftLogShared *shared, RaftIndex first_index,
							  uint64 first_pos);

/* --- readers --- */

/* False when the shared part does not hold this log. */
extern bool raft_ring_view(RaftLogShared *shared, RaftRelFile file, RaftLogView *view);

/* Has nothing been cut off since? */
extern bool raft_ring_unchanged(RaftLogShared *shared, const RaftLogView *view);

/* Where the record of an index starts; false when the ring does not know it. */
extern bool raft_ring_position(RaftLogShared *shared, RaftIndex index, uint64 *pos);

/*
 * The last index of a batch first .. last of at most max_bytes, but at least
 * one record.  With out, the records are appended to it.  0 when the ring
 * does not have them any more.  To be believed only if raft_ring_unchanged().
 */
extern RaftIndex raft_ring_read(RaftLogShared *shared, RaftIndex first, RaftIndex last,
								Size max_bytes, Size *bytes, StringInfo out);

#endif							/* RAFT_LOG_RING_H */
