/*-------------------------------------------------------------------------
 *
 * published.c
 *	  Some kilobytes in shared memory that one process writes and any process
 *	  reads, while neither ever waits for the other.
 *
 * What a node worker tells is too long to be copied under a spinlock, and under an
 * LWLock a reader that is stopped would hold up consensus.  So there are two
 * copies.  The writer fills the older one and then counts it as done; a reader
 * copies the one that was done last and asks afterwards whether the writer has
 * come back to it meanwhile:
 *
 *	writer						reader
 *	begun = v					v = done
 *		write barrier				read barrier
 *	copies[v % 2] = data		data = copies[v % 2]
 *		write barrier				read barrier
 *	done = v					begun > v + 1: copy again
 *
 * A reader that caught one byte of version v + 2 finds it begun.  It has to copy again
 * only when the writer has published twice while it copied once, so somebody
 * always gets on.  A writer that dies on its way, wherever, leaves the last
 * version done: readers go on reading that, and the next writer begins the same
 * version anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "group/published.h"

#include "miscadmin.h"
#include "stop_point.h"

Size
raft_published_shmem_size(Size size)
{
	return mul_size(2, CACHELINEALIGN(size));
}

void
raft_published_init(RaftPublished *block, void *memory, Size size)
{
	pg_atomic_init_u64(&block->begun, 0);
	pg_atomic_init_u64(&block->done, 0);
	block->size = size;
	block->copies[0] = (char *) memory;
	block->copies[1] = (char *) memory + CACHELINEALIGN(size);
	memset(block->copies[0], 0, size);
}

void
raft_publish(RaftPublished *block, const void *data)
{
	uint64		version = pg_atomic_read_u64(&block->done) + 1;
	char	   *copy = block->copies[version % 2];

	pg_atomic_write_u64(&block->begun, version);
	pg_write_barrier();
	if (data != NULL)
		memcpy(copy, data, block->size);
	else
		memset(copy, 0, block->size);
	raft_stop_point("publishing");
	pg_write_barrier();
	pg_atomic_write_u64(&block->done, version);
}

uint64
raft_published_version(RaftPublished *block)
{
	uint64		version = pg_atomic_read_u64(&block->done);

	pg_read_barrier();			/* what is read next is this one, or newer */
	return version;
}

/* False when what was copied may be torn. */
static bool
copy_newest(RaftPublished *block, void *data)
{
	uint64		version = pg_atomic_read_u64(&block->done);

	pg_read_barrier();
	memcpy(data, block->copies[version % 2], block->size);
	raft_stop_point("reading");
	pg_read_barrier();
	return pg_atomic_read_u64(&block->begun) <= version + 1;
}

void
raft_published_read(RaftPublished *block, void *data)
{
	while (!copy_newest(block, data))
		CHECK_FOR_INTERRUPTS();
}
