/*-------------------------------------------------------------------------
 *
 * published.h
 *	  Some kilobytes in shared memory that one process writes and any process
 *	  reads, while neither ever waits for the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PUBLISHED_H
#define RAFT_PUBLISHED_H

#include "postgres.h"
#include "port/atomics.h"

typedef struct RaftPublished
{
	pg_atomic_uint64 begun;		/* versions that the writer has begun .. */
	pg_atomic_uint64 done;		/* .. and completed */
	Size		size;			/* of one copy */
	char	   *copies[2];		/* version v lies in copies[v % 2] */
} RaftPublished;

/* Shared memory for the copies of a block of this size. */
extern Size raft_published_shmem_size(Size size);

/* Version 0: zeros. */
extern void raft_published_init(RaftPublished *block, void *memory, Size size);

/*
 * The block's next version; data = NULL: zeros.  For one process at a time: the caller has
 * seen to that by other means.
 */
extern void raft_publish(RaftPublished *block, const void *data);

/* Grows with each version. */
extern uint64 raft_published_version(RaftPublished *block);

/* Copies a version, whole, that was the newest one when this was called, or is newer. */
extern void raft_published_read(RaftPublished *block, void *data);

#endif							/* RAFT_PUBLISHED_H */
