/*-------------------------------------------------------------------------
 *
 * refusals.c
 *	  Streams that this server has refused.
 *
 * A member that is refused comes again, for as long as it runs: each time a new
 * backend, which cannot know what was said before.  So it stands in shared memory, of
 * the server rather than of a group: a stopped group refuses streams, too.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "net/refusals.h"
#include "reminder.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#define REFUSALS_TRANCHE	"raft_pg_refusals"

/* The least recent one gives way: then a reason is said once more. */
#define N_PLACES			64

typedef struct Place
{
	Oid			database;		/* InvalidOid = unused */
	RaftNodeId	sender;			/* 0 = who it was is not known */
	RaftStreamRefusal refusal;
	RaftReminder reminder;
} Place;

typedef struct Refusals
{
	LWLock	   *lock;
	Place		places[N_PLACES];
} Refusals;

static Refusals *refusals = NULL;

void
raft_refusals_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Refusals)));
	RequestNamedLWLockTranche(REFUSALS_TRANCHE, 1);
}

void
raft_refusals_shmem_startup(void)
{
	bool		found;

	refusals = ShmemInitStruct(REFUSALS_TRANCHE, sizeof(Refusals), &found);
	if (!found)
	{
		MemSet(refusals, 0, sizeof(Refusals));
		refusals->lock = &GetNamedLWLockTranche(REFUSALS_TRANCHE)->lock;
	}
}

/* The caller holds the lock. */
static Place *
find_place(RaftNodeId sender)
{
	for (int i = 0; i < N_PLACES; i++)
	{
		Place	   *place = &refusals->places[i];

		if (place->database == MyDatabaseId && place->sender == sender)
			return place;
	}
	return NULL;
}

/* A free place, else the one of the oldest refusal. */
static Place *
take_place(RaftNodeId sender)
{
	Place	   *place = &refusals->places[0];

	for (int i = 1; i < N_PLACES && OidIsValid(place->database); i++)
	{
		Place	   *other = &refusals->places[i];

		if (!OidIsValid(other->database) || other->refusal.last < place->refusal.last)
			place = other;
	}
	MemSet(place, 0, sizeof(*place));
	place->database = MyDatabaseId;
	place->sender = sender;
	place->refusal.since = GetCurrentTimestamp();
	return place;
}

bool
raft_refusals_note(RaftNodeId sender, const char *reason)
{
	Size		length = pg_mbcliplen(reason, strlen(reason), sizeof(((Place *) 0)->refusal.reason) - 1);
	Place	   *place;
	bool		due;

	LWLockAcquire(refusals->lock, LW_EXCLUSIVE);
	place = find_place(sender);
	if (place == NULL)
		place = take_place(sender);
	place->refusal.last = GetCurrentTimestamp();
	strlcpy(place->refusal.reason, reason, length + 1);
	due = raft_reminder_due(&place->reminder, reason);
	LWLockRelease(refusals->lock);
	return due;
}

void
raft_refusals_end(RaftNodeId sender)
{
	Place	   *place;

	LWLockAcquire(refusals->lock, LW_EXCLUSIVE);
	place = find_place(sender);
	if (place != NULL)
		place->database = InvalidOid;
	/* it was not recognised while the group was stopped, perhaps */
	place = find_place(0);
	if (place != NULL)
		place->database = InvalidOid;
	LWLockRelease(refusals->lock);
}

bool
raft_refusals_get(RaftNodeId sender, RaftStreamRefusal *refusal)
{
	Place	   *place;

	LWLockAcquire(refusals->lock, LW_SHARED);
	place = find_place(sender);
	if (place != NULL)
		*refusal = place->refusal;
	LWLockRelease(refusals->lock);
	return place != NULL;
}
