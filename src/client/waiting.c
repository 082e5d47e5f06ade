/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  What each session of this server waits for in Raft.
 *
 * A place per backend, which that backend alone writes, without a lock: "changes" is odd
 * while it does, and a reader that sees it change looks again.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/waiting.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#define WAITING_NAME		"raft_pg_waiting"

typedef struct Place
{
	pg_atomic_uint32 changes;
	RaftWaiting waiting;
} Place;

static Place *places = NULL;

static Size
places_size(void)
{
	return mul_size(MaxBackends, sizeof(Place));
}

void
raft_waiting_shmem_request(void)
{
	RequestAddinShmemSpace(places_size());
}

void
raft_waiting_shmem_startup(void)
{
	bool		found;

	places = ShmemInitStruct(WAITING_NAME, places_size(), &found);
	if (found)
		return;
	MemSet(places, 0, places_size());
	for (int i = 0; i < MaxBackends; i++)
		pg_atomic_init_u32(&places[i].changes, 0);
}

static void
write_place(const RaftWaiting *waiting)
{
	Place	   *place = &places[raft_my_backend_slot()];
	uint32		changes = pg_atomic_read_u32(&place->changes);

	pg_atomic_write_u32(&place->changes, changes + 1);
	pg_write_barrier();
	place->waiting = *waiting;
	pg_write_barrier();
	pg_atomic_write_u32(&place->changes, changes + 2);
}

static void
leave_at_exit(int code, Datum arg)
{
	raft_waiting_end();
}

void
raft_waiting_begin(RaftWaitingFor what, RaftIndex index)
{
	static bool registered = false;
	RaftWaiting waiting = {
		.what = what,
		.pid = MyProcPid,
		.database = MyDatabaseId,
		.slot = raft_my_backend_slot(),
		.index = index,
		.since = GetCurrentTimestamp()
	};

	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;
	write_place(&waiting);
}

void
raft_waiting_end(void)
{
	RaftWaiting nothing = {.what = RAFT_WAITING_NOT};

	write_place(&nothing);
}

bool
raft_waiting_get(int slot, RaftWaiting *waiting)
{
	Place	   *place = &places[slot];
	uint32		before;
	uint32		after;

	do
	{
		before = pg_atomic_read_u32(&place->changes);
		pg_read_barrier();
		*waiting = place->waiting;
		pg_read_barrier();
		after = pg_atomic_read_u32(&place->changes);
	} while (before != after || before % 2 != 0);
	return waiting->what != RAFT_WAITING_NOT;
}
