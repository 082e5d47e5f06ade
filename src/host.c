/*-------------------------------------------------------------------------
 *
 * host.c
 *	  What the core asks of its host: the time, a checksum, and an end when it is in
 *	  an impossible state.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <limits.h>
#include <time.h>

#include "port/pg_bswap.h"
#include "port/pg_crc32c.h"

RaftTime
raft_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (RaftTime) ts.tv_sec * 1000000 + (RaftTime) ts.tv_nsec / 1000;
}

RaftTime
raft_deadline_in(long timeout_ms)
{
	return timeout_ms > 0 ? raft_now() + (RaftTime) timeout_ms * 1000 : 0;
}

long
raft_remaining_ms(RaftTime deadline)
{
	RaftTime	now;

	if (deadline == 0)
		return -1;
	now = raft_now();
	if (deadline <= now)
		return 0;
	/* rounded up: who sleeps that long finds the deadline passed */
	return (long) Min((deadline - now + 999) / 1000, (RaftTime) INT_MAX);
}

/*
 * A core in an impossible state must not go on, and trying again would lead there again:
 * the node worker ends and its group has failed, until somebody looks.  The server
 * and its other databases are unharmed, whatever a peer may have sent; and what was
 * acknowledged does not depend on memory.
 */
void
raft_host_panic(void *host, const char *file, int line, const char *what)
{
	(void) host;				/* a process has one core */
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("Raft consistency check failed"),
			 errdetail_internal("Assertion \"%s\" failed at %s:%d.", what, file, line),
			 errhint("A member was probably set back to an earlier state or has lost its log, so that committed entries were replaced. "
					 "Look at the other members, first the one that leads or led last (\"raft_cluster\"), and bring the newest state of each server back; keep the data directory of this one. "
					 "Otherwise this is a bug.")));
	abort();					/* not reached */
}

/* Continues from a finished CRC: undoing the final inversion gives its state back. */
uint32_t
raft_host_crc32c(uint32_t crc, const void *data, size_t size)
{
	pg_crc32c	state = crc ^ 0xFFFFFFFF;

#if defined(USE_SLICING_BY_8_CRC32C) && defined(WORDS_BIGENDIAN)
	state = pg_bswap32(state);
#endif
	COMP_CRC32C(state, data, size);
	FIN_CRC32C(state);
	return state;
}
