/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: keeps each group's workers in the state that the group
 *	  is to be in.
 *
 * One per server, connected to no database.  After the start of the server it
 * takes a slot for each database that carries the mark; from then on it sleeps
 * until a slot changes, a worker ends or an applier is late.  Workers are never restarted by the
 * postmaster: a worker that ended because its group was stopped must stay away,
 * and one that fails again and again is to come back more and more slowly.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "group/blockers.h"
#include "group/group.h"
#include "group/shared.h"
#include "group/workers.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "reminder.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LIBRARY_NAME		"raft_pg"

/* Pauses before a worker that ended is started again. */
#define FIRST_PAUSE_MS		1000
#define LONGEST_PAUSE_MS	60000

/* A worker that lived this long did not fail at its start: begin anew. */
#define GOOD_LIFE_MS		INT64CONST(60000)

#define LAUNCHER_RESTART_SECONDS	2

/* The launcher's view of one worker's place. */
typedef struct Seat
{
	BackgroundWorkerHandle *handle; /* NULL when this launcher started none */
	RaftTime	started;
	RaftTime	not_before;		/* end of the pause; 0 = there is none */
	int			pause_ms;		/* the last pause; 0 = there was none */
	bool		noted;			/* node: in raft_starts_note(), and not yet taken back */
	RaftReminder no_slot;		/* what the log says of a missing background worker slot */
	bool		crashes_heeded; /* node: the pause after crashes of the server has been set */
} Seat;

typedef struct GroupSeats
{
	Seat		seats[RAFT_WORKER_KINDS];
} GroupSeats;

static GroupSeats *all_seats;

/* When the launcher has to look again without being woken; 0 = never. */
static RaftTime next_look;

static const char *const worker_type[] = {"raft_pg node", "raft_pg applier", "raft_pg flusher"};
static const char *const worker_function[] = {"raft_node_main", "raft_applier_main", "raft_flusher_main"};

void
raft_launcher_register(void)
{
	BackgroundWorker worker = {0};

	strlcpy(worker.bgw_name, "raft_pg launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "raft_pg launcher", sizeof(worker.bgw_type));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, LIBRARY_NAME, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "raft_launcher_main", sizeof(worker.bgw_function_name));
	RegisterBackgroundWorker(&worker);
}

void
raft_launcher_wake(void)
{
	Latch	   *latch;

	SpinLockAcquire(&raft_shared->launcher_mutex);
	latch = raft_shared->launcher_latch;
	SpinLockRelease(&raft_shared->launcher_mutex);

	if (latch != NULL)
		SetLatch(latch);
}

static void
launcher_exit(int code, Datum arg)
{
	raft_starts_forget_all();
	SpinLockAcquire(&raft_shared->launcher_mutex);
	raft_shared->launcher_latch = NULL;
	SpinLockRelease(&raft_shared->launcher_mutex);
}

static void
look_again_at(RaftTime when)
{
	if (next_look == 0 || when < next_look)
		next_look = when;
}

static pid_t
worker_pid(RaftGroup *group, RaftWorkerKind kind)
{
	pid_t		pid;

	SpinLockAcquire(&group->mutex);
	pid = group->worker_pid[kind];
	SpinLockRelease(&group->mutex);
	return pid;
}

/*
 * Is there a worker, or one about to come?  A worker without a handle was
 * started by an earlier launcher; its place in the group tells of it.
 */
static bool
seat_taken(Seat *seat, RaftGroup *group, RaftWorkerKind kind, RaftTime now)
{
	pid_t		pid;

	if (seat->handle == NULL)
		return worker_pid(group, kind) != 0;

	if (GetBackgroundWorkerPid(seat->handle, &pid) != BGWH_STOPPED)
		return true;

	/* it has ended since the last look */
	pfree(seat->handle);
	seat->handle = NULL;
	if (now - seat->started >= GOOD_LIFE_MS * 1000)
		seat->pause_ms = 0;
	seat->pause_ms = (seat->pause_ms == 0) ? FIRST_PAUSE_MS
		: Min(seat->pause_ms * 2, LONGEST_PAUSE_MS);
	seat->not_before = raft_deadline_in(seat->pause_ms);
	return false;
}

/* Name of a database, palloc'd in the current context; NULL when it is gone. */
static char *
database_name(Oid database)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *name;

	StartTransactionCommand();
	name = get_database_name(database);
	if (name != NULL)
		name = MemoryContextStrdup(context, name);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return name;
}

/* False when the database does not exist any more. */
static bool
start_worker(Seat *seat, RaftGroup *group, Oid database, RaftWorkerKind kind, RaftTime now)
{
	BackgroundWorker worker = {0};
	char	   *name = database_name(database);
	MemoryContext oldcontext;

	if (name == NULL)
		return false;

	SpinLockAcquire(&group->mutex);
	strlcpy(group->database_name, name, sizeof(group->database_name));
	SpinLockRelease(&group->mutex);

	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "%s: %s", worker_type[kind], name);
	strlcpy(worker.bgw_type, worker_type[kind], sizeof(worker.bgw_type));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	if (kind != RAFT_WORKER_FLUSHER)
		worker.bgw_flags |= BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, LIBRARY_NAME, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, worker_function[kind], sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;

	/* before it can crash anything */
	if (kind == RAFT_WORKER_NODE)
	{
		raft_starts_note(database);
		seat->noted = true;
		seat->crashes_heeded = false;
	}

	/* the handle outlives this look */
	oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	if (!RegisterDynamicBackgroundWorker(&worker, &seat->handle))
	{
		seat->handle = NULL;
		seat->not_before = raft_deadline_in(LONGEST_PAUSE_MS);
		raft_group_set_error(group, "out of background worker slots",
							 "You might need to increase \"max_worker_processes\".");
		if (raft_reminder_due(&seat->no_slot, name))
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("out of background worker slots for the Raft group of database \"%s\"", name),
					 errdetail("Each group needs %d.  An attempt is made every %d seconds.",
							   RAFT_WORKER_KINDS, LONGEST_PAUSE_MS / 1000),
					 errhint("You might need to increase \"max_worker_processes\".")));
	}
	else
		(void) raft_reminder_end(&seat->no_slot);
	MemoryContextSwitchTo(oldcontext);

	seat->started = now;
	pfree(name);
	return true;
}

/* --- crashes of the server --- */

/* A start that did not crash the server: its worker has ended, or lives for long enough. */
static void
watch_start(Seat *seat, Oid database, bool taken, RaftTime now)
{
	RaftTime	good = seat->started + GOOD_LIFE_MS * 1000;

	if (!seat->noted)
		return;
	if (taken && now < good)
	{
		look_again_at(good);
		return;
	}
	raft_starts_forget(database);
	seat->noted = false;
}

/* The pause before a group is started that has crashed the server, as far as one can know. */
static void
heed_crashes(Seat *seat, RaftGroup *group, Oid database)
{
	int			pause = raft_starts_pause_s(database);
	int			crashes = raft_starts_crashes(database);
	char	   *name;

	if (seat->crashes_heeded)
		return;
	seat->crashes_heeded = true;
	if (pause == 0)
		return;

	seat->not_before = raft_deadline_in(pause * 1000L);
	name = database_name(database);
	raft_group_set_error(group,
						 psprintf("the server has crashed %d times in a row soon after the start of this group; it is started again after a pause of %d s",
								  crashes, pause),
						 "raft_start() starts it at once.");
	ereport(WARNING,
			(errmsg("delaying the start of the Raft group of database \"%s\" by %d s",
					name ? name : "?", pause),
			 errdetail("The server has crashed %d times in a row soon after the start of this group.",
					   crashes),
			 errhint("raft_start() starts it at once.")));
}

/* Somebody has looked after the group. */
static void
forget_pauses(GroupSeats *seats, Oid database)
{
	for (int kind = 0; kind < RAFT_WORKER_KINDS; kind++)
		seats->seats[kind].pause_ms = seats->seats[kind].not_before = 0;
	if (raft_starts_crashes(database) > 0 && !seats->seats[RAFT_WORKER_NODE].noted)
		raft_starts_forget(database);
}

/* --- groups --- */

/* Gives the slot back, or starts the group again when that was asked for meanwhile. */
static void
release_slot(RaftGroup *group)
{
	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	if (!group->drop_pending && raft_life_event(group, RAFT_LIFE_WORKERS_GONE))
		raft_group_reset_slot(group, group->state == RAFT_GROUP_FREE ? InvalidOid : group->database);
	LWLockRelease(raft_shared->lock);
	ConditionVariableBroadcast(&group->state_cv);
}

static void
stop_slot(RaftGroup *group, Oid database)
{
	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	if (group->database == database)
		raft_group_stop(group);
	LWLockRelease(raft_shared->lock);
}

/* Brings one group nearer to its state.  True when its slot has changed hands or state. */
static bool
look_at_group(RaftGroup *group, GroupSeats *seats, RaftTime now)
{
	RaftGroupState state;
	Oid			database;
	bool		drop_pending;
	bool		hurry;
	bool		taken[RAFT_WORKER_KINDS];
	bool		any_taken = false;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	state = group->state;
	database = group->database;
	drop_pending = group->drop_pending;
	hurry = group->hurry;
	group->hurry = false;
	LWLockRelease(raft_shared->lock);

	if (state == RAFT_GROUP_FREE)
		return false;

	for (int kind = 0; kind < RAFT_WORKER_KINDS; kind++)
	{
		taken[kind] = seat_taken(&seats->seats[kind], group, (RaftWorkerKind) kind, now);
		any_taken |= taken[kind];
	}
	watch_start(&seats->seats[RAFT_WORKER_NODE], database, taken[RAFT_WORKER_NODE], now);
	if (hurry)
		forget_pauses(seats, database);

	if (state != RAFT_GROUP_STARTING && state != RAFT_GROUP_RUNNING)
	{
		raft_group_terminate_workers(group);
		forget_pauses(seats, database);
		if (any_taken || drop_pending)
			return false;		/* woken again when the last of these changes */
		if (state == RAFT_GROUP_FAILED)
			return false;
		release_slot(group);
		return true;
	}

	for (int kind = 0; kind < RAFT_WORKER_KINDS; kind++)
	{
		Seat	   *seat = &seats->seats[kind];

		/* the applier reads what the node worker has opened */
		if (taken[kind] || (kind == RAFT_WORKER_APPLIER && state != RAFT_GROUP_RUNNING))
			continue;
		if (kind == RAFT_WORKER_NODE)
			heed_crashes(seat, group, database);
		if (seat->not_before <= now &&
			!start_worker(seat, group, database, (RaftWorkerKind) kind, now))
		{
			stop_slot(group, database);
			return true;
		}
		if (seat->not_before > now)
			look_again_at(seat->not_before);
	}
	return false;
}

static void
scan_marks(void)
{
	StartTransactionCommand();
	raft_autostart_scan();
	CommitTransactionCommand();
}

/* Looks at all groups until there is nothing to do right now. */
static void
look_at_groups(void)
{
	bool		changed;

	do
	{
		RaftTime	now = raft_now();

		changed = false;
		next_look = 0;
		for (int i = 0; i < raft_shared->n_groups; i++)
			changed |= look_at_group(&raft_shared->groups[i], &all_seats[i], now);

		/* a place that has become free may be waited for */
		if (changed)
			scan_marks();
	} while (changed);
}

static void
watch_appliers(void)
{
	for (int i = 0; i < raft_shared->n_groups; i++)
		raft_watch_applier(&raft_shared->groups[i], i);
}

static void
launcher_body(void *arg)
{
	uint32		wait_event = raft_wait_event_new("RaftLauncherMain");

	all_seats = MemoryContextAllocZero(TopMemoryContext,
									   raft_shared->n_groups * sizeof(GroupSeats));
	raft_starts_load();
	scan_marks();

	for (;;)
	{
		long		timeout;

		raft_worker_end_if_asked();
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();

		look_at_groups();
		watch_appliers();
		pgstat_report_stat(false);

		timeout = raft_remaining_ms(next_look);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, wait_event);
		ResetLatch(MyLatch);
	}
}

/* Exits with 1 when asked to end: the postmaster would never start it again after a 0. */
void
raft_launcher_main(Datum arg)
{
	before_shmem_exit(launcher_exit, (Datum) 0);
	SpinLockAcquire(&raft_shared->launcher_mutex);
	raft_shared->launcher_latch = MyLatch;
	SpinLockRelease(&raft_shared->launcher_mutex);

	raft_worker_run(InvalidOid, 1, launcher_body, NULL);
}
