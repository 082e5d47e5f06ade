/*-------------------------------------------------------------------------
 *
 * blockers.c
 *	  Who keeps the applier from going on by a lock, and what becomes of him.
 *
 * A node that does not apply what is committed keeps the whole group's log from being
 * shortened, so a lock must not stop it for ever: as on a standby, whoever holds it
 * longer than a setting allows is canceled, and then terminated.
 *
 * The applier itself sleeps in the lock manager meanwhile, where its place in the queue
 * is worth keeping; and the node worker must not wait for the lock manager's own
 * locks.  So the node worker notes that a batch takes long and wakes the launcher,
 * which looks.  Views look for themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "group/blockers.h"

#include <signal.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A batch that takes longer is looked at, and again after this time. */
#define WATCH_MS			1000

#define MAX_BLOCKERS		64

/* Somebody who was canceled, and may have to be terminated. */
typedef struct Blocker
{
	int			pid;
	bool		terminated;
} Blocker;

/* What the launcher knows of an applier's waiting in its present batch. */
typedef struct Watch
{
	RaftTime	batch;			/* when that began; 0 = none */
	RaftTime	seen;			/* last look, if the applier was waiting then; else 0 */
	RaftTime	waited;			/* in all looks together */
	bool		complained;		/* of somebody who cannot be ended */
	int			n;
	Blocker		blockers[MAX_BLOCKERS];
} Watch;

static Watch *watches = NULL;	/* one for each slot of a group */

/* --- looking --- */

static int
applier_pid(RaftGroup *group)
{
	int			pid;

	SpinLockAcquire(&group->mutex);
	pid = (int) group->worker_pid[RAFT_WORKER_APPLIER];
	SpinLockRelease(&group->mutex);
	return pid;
}

/* The lock that this process waits for; false when it does not. */
static bool
awaited_lock(int pid, LOCKTAG *tag)
{
	BlockedProcsData *data = GetBlockerStatusData(pid);

	for (int i = 0; i < data->nlocks; i++)
	{
		const LockInstanceData *instance = &data->locks[i];

		if (instance->pid == pid && instance->waitLockMode != NoLock)
		{
			*tag = instance->locktag;
			return true;
		}
	}
	return false;
}

static void
get_blockers(int pid, RaftLockWait *wait)
{
	Datum		array = DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pid));
	Datum	   *pids;

	deconstruct_array(DatumGetArrayTypeP(array), INT4OID, sizeof(int32), true, TYPALIGN_INT,
					  &pids, NULL, &wait->n);
	wait->pids = palloc(sizeof(int) * Max(wait->n, 1));
	for (int i = 0; i < wait->n; i++)
		wait->pids[i] = DatumGetInt32(pids[i]);
}

bool
raft_applier_waits(RaftGroup *group, RaftLockWait *wait)
{
	int			pid = applier_pid(group);
	PGPROC	   *proc = pid == 0 ? NULL : BackendPidGetProc(pid);

	/* a look without a lock: most of the time there is nothing */
	if (proc == NULL || proc->waitLock == NULL || !awaited_lock(pid, &wait->tag))
		return false;
	wait->since = (TimestampTz) pg_atomic_read_u64(&proc->waitStart);
	get_blockers(pid, wait);
	return wait->n > 0;
}

bool
raft_applier_is_late(RaftGroup *group)
{
	RaftTime	batch = pg_atomic_read_u64(&group->apply_since);

	return batch != 0 && raft_now() >= batch + WATCH_MS * 1000;
}

RaftTime
raft_watch_interval(void)
{
	if (raft_max_apply_delay_ms < 0)
		return 0;
	return (RaftTime) Max(Min(raft_max_apply_delay_ms, WATCH_MS), 10) * 1000;
}

/* --- telling --- */

static char *
table_name(Oid relation)
{
	char	   *name = get_rel_name(relation);

	if (name == NULL)
		return psprintf("relation %u", relation);
	return psprintf("table %s",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
											   name));
}

/*
 * Who waits for a row waits for the transaction that changed it, and holds the lock
 * of the row's place in the queue.
 */
static Oid
table_of_awaited_row(RaftGroup *group)
{
	int			pid = applier_pid(group);
	LockData   *data = GetLockStatusData();

	for (int i = 0; i < data->nelements; i++)
	{
		const LockInstanceData *instance = &data->locks[i];

		if (instance->pid == pid && instance->holdMask != 0 &&
			instance->locktag.locktag_type == LOCKTAG_TUPLE)
			return (Oid) instance->locktag.locktag_field2;
	}
	return InvalidOid;
}

char *
raft_lock_object(RaftGroup *group, const RaftLockWait *wait)
{
	StringInfoData text;
	Oid			relation = InvalidOid;

	switch ((LockTagType) wait->tag.locktag_type)
	{
		case LOCKTAG_RELATION:
		case LOCKTAG_RELATION_EXTEND:
			return table_name((Oid) wait->tag.locktag_field2);
		case LOCKTAG_PAGE:
		case LOCKTAG_TUPLE:
			relation = (Oid) wait->tag.locktag_field2;
			break;
		case LOCKTAG_TRANSACTION:
			relation = table_of_awaited_row(group);
			break;
		default:
			break;
	}
	if (OidIsValid(relation))
		return psprintf("a row of %s", table_name(relation));

	initStringInfo(&text);
	DescribeLockTag(&text, &wait->tag);
	return text.data;
}

static void
append_blockers(StringInfo text, const RaftLockWait *wait)
{
	for (int i = 0; i < wait->n; i++)
	{
		if (i > 0)
			appendStringInfoString(text, ", ");
		if (wait->pids[i] == 0)
			appendStringInfoString(text, "a prepared transaction");
		else
			appendStringInfo(text, "process %d", wait->pids[i]);
	}
}

char *
raft_lock_wait_text(RaftGroup *group, const RaftLockWait *wait)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "the applier waits for a lock on %s, held up by ",
					 raft_lock_object(group, wait));
	append_blockers(&text, wait);
	if (wait->since != 0)
		appendStringInfo(&text, ", since %s", timestamptz_to_str(wait->since));
	return text.data;
}

/* --- ending --- */

static void
report(RaftGroup *group, const RaftLockWait *wait, const char *message, const char *hint)
{
	StringInfoData text;

	initStringInfo(&text);
	DescribeLockTag(&text, &wait->tag);
	ereport(LOG,
			(errmsg_internal("%s", message),
			 errdetail("The Raft applier of database %u, process %d, has waited longer than \"raft_pg.max_apply_delay\" (%d ms) for a lock on %s.",
					   group->database, applier_pid(group), raft_max_apply_delay_ms, text.data),
			 hint ? errhint("%s", hint) : 0));
}

static Blocker *
find_blocker(Watch *watch, int pid)
{
	for (int i = 0; i < watch->n; i++)
	{
		if (watch->blockers[i].pid == pid)
			return &watch->blockers[i];
	}
	return NULL;
}

/* First a cancel, which a session that is idle in its transaction does not feel. */
static void
end_blocker(RaftGroup *group, Watch *watch, const RaftLockWait *wait, int pid)
{
	Blocker    *blocker = find_blocker(watch, pid);

	if (BackendPidGetProc(pid) == NULL)
		return;					/* it has ended */
	if (blocker == NULL)
	{
		if (watch->n == MAX_BLOCKERS)
			return;				/* more at the next batch */
		blocker = &watch->blockers[watch->n++];
		blocker->pid = pid;
		blocker->terminated = false;
		report(group, wait,
			   psprintf("canceling process %d, which keeps a node from applying commands", pid), NULL);
		(void) kill(pid, SIGINT);
	}
	else if (!blocker->terminated)
	{
		blocker->terminated = true;
		report(group, wait,
			   psprintf("terminating process %d, which keeps a node from applying commands", pid), NULL);
		(void) kill(pid, SIGTERM);
	}
}

static void
end_blockers(RaftGroup *group, Watch *watch, const RaftLockWait *wait)
{
	for (int i = 0; i < wait->n; i++)
	{
		if (wait->pids[i] != 0)
			end_blocker(group, watch, wait, wait->pids[i]);
		else if (!watch->complained)
		{
			watch->complained = true;
			report(group, wait, "a prepared transaction keeps a node from applying commands",
				   "Commit it or roll it back: see pg_prepared_xacts.");
		}
	}
}

static void
look(RaftGroup *group, Watch *watch)
{
	RaftTime	now = raft_now();
	RaftLockWait wait;

	if (!raft_applier_waits(group, &wait))
	{
		watch->seen = 0;
		return;
	}
	if (watch->seen != 0)
		watch->waited += now - watch->seen;
	watch->seen = now;
	if (watch->waited >= (RaftTime) raft_max_apply_delay_ms * 1000)
		end_blockers(group, watch, &wait);
}

void
raft_watch_applier(RaftGroup *group, int n)
{
	RaftTime	batch = pg_atomic_read_u64(&group->apply_since);
	Watch	   *watch;
	MemoryContext context;
	MemoryContext old_context;

	if (watches == NULL)
		watches = MemoryContextAllocZero(TopMemoryContext, sizeof(Watch) * raft_max_groups);
	watch = &watches[n];
	if (batch != watch->batch)
	{
		memset(watch, 0, sizeof(Watch));
		watch->batch = batch;
	}
	if (batch == 0 || raft_max_apply_delay_ms < 0 || raft_now() < batch + raft_watch_interval())
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "raft_pg watch", ALLOCSET_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(context);
	look(group, watch);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}
