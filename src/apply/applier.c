/*-------------------------------------------------------------------------
 *
 * applier.c
 *	  The applier worker: raft_applier_main() and its loop.
 *
 * The node worker publishes how far entries are committed and locally durable
 * (group->ready); the applier applies up to there and publishes
 *	visible				effects can be read: wakes whoever waits for them
 *	durable_applied		effects survive a crash: bounds compaction
 *
 * It is a process of its own so that a slow command delays no heartbeat.  Its
 * transactions commit asynchronously: the log is durable already, and after a crash
 * raft.applied tells where to go on, so "durable" follows when the commit record has
 * been flushed by whoever flushes next.
 *
 * Entries that leave nothing in the database (the core's own, and commands while no
 * function is set) get no transaction each: their index is stored within a second.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "apply/apply.h"
#include "client/slots.h"
#include "group/group.h"
#include "group/workers.h"
#include "host_mutants.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "reminder.h"
#include "storage/ipc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The applied index is stored at the latest after this time, or share of the log. */
#define STORE_DELAY_MS			1000
#define STORE_LOG_SHARE			16

/* How often to look whether a commit record has been flushed by now. */
#define DURABLE_CHECK_MS		200

/* Pauses after an error of this server. */
#define MIN_BACKOFF_MS			100
#define MAX_BACKOFF_MS			10000

/* A commit that is not known to be on disk yet. */
typedef struct PendingCommit
{
	RaftIndex	index;			/* 0 = none */
	XLogRecPtr	end;
} PendingCommit;

typedef struct Applier
{
	RaftGroup  *group;
	RaftLogReader *reader;		/* NULL until the state is first loaded */
	RaftDecisions *decisions;	/* that commands are not executed */
	RaftBatch  *batch;			/* being applied */
	bool		loaded;			/* false after an error: what was committed is not sure */
	MemoryContext batch_context;
	RaftApplyState state;
	RaftIndex	applied;		/* <= group->ready */
	RaftIndex	stored;			/* in raft.applied; <= applied */
	RaftIndex	unseen;			/* up to here proposers were told by load_state() */
	uint64		unstored_bytes; /* of the log, between the two */
	RaftTime	store_at;		/* when "applied" has to be stored; 0 = it is */
	PendingCommit oldest;		/* the commit whose flush is looked for */
	PendingCommit newest;
	bool		held;			/* until more is committed: whether the next entry is skipped is open */
	RaftIndex	alone_until;	/* up to here each entry is a batch of its own, after an error */
	int			backoff_ms;		/* 0 = the last turn succeeded */
	RaftTime	retry_at;
	RaftTime	statistics_at;	/* 0 = nothing to report */
	RaftReminder trouble;		/* what the server's log says of it already */
	RaftApplierStatus status;	/* as published last */
} Applier;

bool		raft_is_applier = false;

/* --- publishing --- */

/*
 * Both figures only grow, whatever a worker that starts anew finds in its table: a
 * reader has been told, and the log may have been compacted.
 */
static void
publish_visible(RaftGroup *group, RaftIndex index)
{
	if (pg_atomic_read_u64(&group->visible) < index)
		pg_atomic_write_u64(&group->visible, index);
}

static void
publish_durable(RaftGroup *group, RaftIndex index)
{
	if (pg_atomic_read_u64(&group->durable_applied) < index)
		pg_atomic_write_u64(&group->durable_applied, index);
}

/* Tells everybody about the entries of a batch that are applied now. */
static void
publish_batch(Applier *applier, const RaftBatch *batch)
{
	RaftGroup  *group = applier->group;

	/* The figures first: who is woken may look at them. */
	applier->status.transactions += batch->stored;
	applier->status.commands += batch->n_commands;
	applier->status.failures += batch->n_failed;
	raft_publish(&group->applier, &applier->status);
	publish_visible(group, applier->applied);

	raft_stop_point("applied");
	for (int i = 0; i < batch->n_applied; i++)
	{
		const RaftBatchEntry *item = &batch->entries[i];
		const RaftEntry *entry = &item->entry;

		if (entry->kind == RAFT_ENTRY_NOOP)
			raft_slots_supersede(group->slots, entry->term, applier->unseen);
		else if (entry->origin.node == group->node_id)
			raft_slot_applied(group->slots, &entry->origin, batch->first + i, entry->term,
							  item->sqlstate, item->message);
	}
	ConditionVariableBroadcast(&group->applied_cv);
}

static void
clear_error(Applier *applier)
{
	applier->backoff_ms = 0;
	if (raft_reminder_end(&applier->trouble))
		ereport(LOG, (errmsg("Raft applier resumed after entry %llu",
							 (unsigned long long) applier->applied)));
	applier->status.last_error[0] = '\0';
	applier->status.last_error_time = 0;
	applier->status.error_index = 0;
	raft_publish(&applier->group->applier, &applier->status);
}

/* Remembers the commit just done, for check_durable(). */
static void
note_commit(Applier *applier)
{
	applier->stored = applier->applied;
	applier->unstored_bytes = 0;
	applier->store_at = 0;

	applier->newest.index = applier->stored;
	applier->newest.end = XactLastCommitEnd;
	if (applier->oldest.index == 0)
		applier->oldest = applier->newest;
}

/* Which commits have reached the disk?  Costs one look at shared memory. */
static void
check_durable(Applier *applier)
{
	XLogRecPtr	flushed;

	if (applier->oldest.index == 0)
		return;
	flushed = GetFlushRecPtr(NULL);
	if (applier->oldest.end > flushed)
		return;

	if (applier->newest.end <= flushed)
		applier->oldest = applier->newest;
	publish_durable(applier->group, applier->oldest.index);

	if (applier->oldest.index < applier->newest.index)
		applier->oldest = applier->newest;
	else
	{
		applier->oldest.index = 0;
		raft_group_wake_node(applier->group);	/* idle: it may want to compact */
	}
}

/* --- one turn --- */

/* What is stored is at least what was once known to be stored. */
static void
check_stored(Applier *applier, RaftIndex index)
{
	RaftIndex	least = Max(applier->stored,
							pg_atomic_read_u64(&applier->group->durable_applied));

	if (index < least)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s.applied\" has gone back from index %llu to %llu",
						RAFT_SCHEMA, (unsigned long long) least, (unsigned long long) index),
				 errdetail("Going on from there would apply commands twice.")));
}

static void
keep_function(Applier *applier, const char *function)
{
	char	   *kept = function ? MemoryContextStrdup(applier->state.context, function) : NULL;

	if (applier->state.function)
		pfree(applier->state.function);
	applier->state.function = kept;
}

/*
 * Where to go on: raft.applied, made durable.  Also after an error, which may have come
 * after the commit.
 */
static void
load_state(Applier *applier)
{
	RaftApplied applied;

	raft_session_begin();
	MemoryContextSwitchTo(applier->batch_context);
	raft_applied_read(&applied);
	check_stored(applier, applied.index);

	/* The commit seen here may be an asynchronous one of the worker before us. */
	raft_applied_store(applied.index, &applied);
	raft_session_commit();
	XLogFlush(XactLastCommitEnd);

	keep_function(applier, applied.function);
	applier->state.failures = applied.failures;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(applier->batch_context);
	applier->stored = applied.index;
	applier->applied = Max(applier->applied, applied.index);
	publish_visible(applier->group, applied.index);
	publish_durable(applier->group, applied.index);

	/*
	 * An attempt that failed behind its commit has told nobody.  Its proposers must hear
	 * of it before the next no-op, which takes all who still wait for superseded.
	 */
	applier->unseen = applier->applied;
	raft_slots_applied_unseen(applier->group->slots, applier->unseen);
	ConditionVariableBroadcast(&applier->group->applied_cv);

	if (applier->reader == NULL)
		applier->reader = raft_log_reader_create(applier->group->log, applier->group->log_file);
	applier->loaded = true;
}

/* Stores the index of entries that needed no transaction, once it is time to. */
static void
store_applied(Applier *applier)
{
	RaftApplied applied = {applier->applied, applier->state.failures, applier->state.function};

	if (applier->store_at == 0 || raft_mutant("store_late") ||
		(applier->unstored_bytes < (uint64) raft_log_size_mb * 1024 * 1024 / STORE_LOG_SHARE &&
		 raft_now() < applier->store_at))
		return;

	SetCurrentStatementStartTimestamp();
	raft_session_begin();
	raft_applied_store(applier->stored, &applied);
	raft_session_commit();
	note_commit(applier);

	applier->status.transactions++;
	raft_publish(&applier->group->applier, &applier->status);
}

/* How far a decision that a command is not executed has to be looked for. */
static RaftIndex
decisions_end(const Applier *applier, RaftIndex ready)
{
	pg_read_barrier();			/* ready was read before */
	return Min(ready, pg_atomic_read_u64(&applier->group->skips_end));
}

/* In a transaction, which releases what reading holds when it fails.  NULL: nothing can be applied now. */
static RaftBatch *
read_batch(Applier *applier, RaftIndex ready)
{
	RaftIndex	first = applier->applied + 1;
	RaftIndex	last = applier->applied < applier->alone_until ? first : ready;
	RaftIndex	open;
	RaftBatch  *batch = NULL;

	raft_session_begin();
	MemoryContextSwitchTo(applier->batch_context);
	raft_decisions_look(applier->decisions, applier->reader, applier->applied,
						decisions_end(applier, ready));
	open = raft_decisions_first_open(applier->reader, applier->applied, ready,
									 pg_atomic_read_u64(&applier->group->skips_end));
	if (open != 0)
		last = Min(last, open - 1);
	if (last >= first)
		batch = raft_batch_read(applier->reader, applier->decisions, first, last);
	raft_session_commit();
	MemoryContextSwitchTo(applier->batch_context);
	return batch;
}

/* False: what comes next has to wait until more is committed. */
static bool
apply_batch(Applier *applier, RaftIndex ready)
{
	RaftBatch  *batch = read_batch(applier, ready);

	if (batch == NULL)
	{
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextReset(applier->batch_context);
		return false;
	}
	applier->batch = batch;
	raft_batch_apply(batch, applier->stored, &applier->state);
	applier->batch = NULL;
	applier->applied += batch->n_applied;
	if (batch->stored)
		note_commit(applier);
	else
	{
		applier->unstored_bytes += batch->bytes;
		if (applier->store_at == 0)
			applier->store_at = raft_deadline_in(STORE_DELAY_MS);
	}
	if (applier->backoff_ms > 0 && applier->applied >= applier->alone_until)
		clear_error(applier);
	publish_batch(applier, batch);

	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(applier->batch_context);
	return true;
}

static void
report_statistics(Applier *applier)
{
	RaftTime	now = raft_now();
	long		delay;

	delay = pgstat_report_stat(applier->statistics_at != 0 && now >= applier->statistics_at);
	if (delay == 0)
		applier->statistics_at = 0;
	else if (applier->statistics_at == 0 || now >= applier->statistics_at)
		applier->statistics_at = raft_deadline_in(delay);
}

/* What begins here may wait for a lock: others look how long it takes. */
static void
begin_work(Applier *applier)
{
	pg_atomic_write_u64(&applier->group->apply_since, raft_now());
}

static void
end_work(Applier *applier)
{
	pg_atomic_write_u64(&applier->group->apply_since, 0);
}

/*
 * While an entry waits to be tried again: has the group decided meanwhile that it is not
 * to be executed?  The latch was set if so, since more entries are committed.
 */
static bool
is_skipped_now(Applier *applier)
{
	RaftIndex	last = decisions_end(applier, pg_atomic_read_u64(&applier->group->ready));
	RaftIndex	next = applier->applied + 1;

	if (applier->reader == NULL || raft_decisions_complete(applier->decisions, last))
		return false;
	raft_session_begin();
	MemoryContextSwitchTo(applier->batch_context);
	raft_decisions_look(applier->decisions, applier->reader, applier->applied, last);
	raft_session_commit();
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(applier->batch_context);
	return raft_decisions_find(applier->decisions, next) != 0;
}

/* Applies what is ready.  False: not all of it, an error is too recent, or a decision is open. */
static bool
take_turn(Applier *applier)
{
	bool		worked = false;

	raft_stop_point("applier_turn");
	CHECK_FOR_INTERRUPTS();
	/* others wait with their invalidation messages until we have read ours */
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	applier->held = false;
	if (applier->backoff_ms > 0 && raft_now() < applier->retry_at && !is_skipped_now(applier))
		return false;

	begin_work(applier);
	if (!applier->loaded)
		load_state(applier);

	for (;;)
	{
		RaftIndex	ready = pg_atomic_read_u64(&applier->group->ready);
		uint32		bytes;

		if (RAFT_HOST_MUTANT(APPLY_EARLY))
			ready = Max(ready, raft_log_batch_end(applier->reader, applier->applied + 1, PG_UINT64_MAX,
												  RAFT_MAX_BATCH_BYTES, &bytes));
		begin_work(applier);
		store_applied(applier);
		check_durable(applier);
		if (applier->applied >= ready || ConfigReloadPending)
			break;

		if (!worked)
			pgstat_report_activity(STATE_RUNNING, "applying entries of the Raft log");
		worked = true;
		applier->held = !apply_batch(applier, ready);
		if (applier->held)
			break;
		report_statistics(applier);
		CHECK_FOR_INTERRUPTS();
	}

	end_work(applier);
	if (worked)
		pgstat_report_activity(STATE_IDLE, NULL);
	report_statistics(applier);
	return !applier->held;
}

/* --- errors of this server --- */

/*
 * Which entry is to blame?  Certain is only one that was alone in its batch, so from here on
 * each of them is: those before it are applied, and an error of the commit has its entry, too.
 */
static RaftIndex
find_culprit(Applier *applier)
{
	const RaftBatch *batch = applier->batch;

	applier->batch = NULL;
	if (batch == NULL)
		return applier->status.error_index; /* a cancel of the wait, say */
	applier->alone_until = batch->current != 0 ? batch->current : batch->first + batch->n - 1;
	return batch->n == 1 ? batch->first : 0;
}

/* Rolls back, reports and schedules the next attempt.  In a PG_CATCH block. */
static void
handle_error(Applier *applier)
{
	ErrorData  *error;
	RaftIndex	culprit = find_culprit(applier);
	const char *message;
	Size		length;

	raft_worker_end_if_asked();

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(applier->batch_context);
	error = CopyErrorData();
	if (raft_reminder_due(&applier->trouble, error->message ? error->message : ""))
		EmitErrorReport();
	FlushErrorState();
	raft_session_abort();
	pgstat_report_activity(STATE_IDLE, NULL);
	end_work(applier);
	RESUME_INTERRUPTS();

	applier->backoff_ms = applier->backoff_ms == 0 ? MIN_BACKOFF_MS :
		Min(applier->backoff_ms * 2, MAX_BACKOFF_MS);
	applier->retry_at = raft_deadline_in(raft_mutant("no_retry") ? INT_MAX : applier->backoff_ms);
	applier->loaded = false;

	message = error->message ? error->message : "";
	length = pg_mbcliplen(message, strlen(message), sizeof(applier->status.last_error) - 1);
	applier->status.retries++;
	applier->status.last_error_time = GetCurrentTimestamp();
	applier->status.error_index = culprit;
	strlcpy(applier->status.last_error, message, length + 1);
	raft_publish(&applier->group->applier, &applier->status);

	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(applier->batch_context);
}

/* --- the process --- */

/* Registers this process and waits until the node worker has opened the log. */
static RaftGroup *
attach_to_group(Oid database)
{
	RaftGroup  *group = raft_group_attach(database, RAFT_WORKER_APPLIER);
	RaftGroupState state;

	if (group == NULL)
		proc_exit(0);			/* stopped meanwhile, or somebody else applies */

	ConditionVariablePrepareToSleep(&group->state_cv);
	while ((state = raft_group_get_state(group, NULL, NULL)) != RAFT_GROUP_RUNNING)
	{
		if (state == RAFT_GROUP_FREE)
			proc_exit(0);
		ConditionVariableSleep(&group->state_cv, raft_wait_event_new("RaftApplierStart"));
	}
	ConditionVariableCancelSleep();
	return group;
}

/* Milliseconds until something has to be done without an event; -1 = never. */
static long
next_timeout(const Applier *applier)
{
	RaftTime	next = applier->store_at;
	long		timeout;

	if (next == 0 || (applier->statistics_at != 0 && applier->statistics_at < next))
		next = applier->statistics_at;
	if (applier->backoff_ms > 0 && !applier->held)
		next = applier->retry_at;
	timeout = raft_remaining_ms(next);
	if (applier->oldest.index != 0 && (timeout < 0 || timeout > DURABLE_CHECK_MS))
		timeout = DURABLE_CHECK_MS;
	return timeout;
}

static void
applier_loop(Applier *applier)
{
	uint32		wait_event = raft_wait_event_new("RaftApplierMain");
	ErrorContextCallback context = {.callback = raft_group_error_context,.arg = applier->group};

	context.previous = error_context_stack;
	error_context_stack = &context;
	for (;;)
	{
		long		timeout;

		ResetLatch(MyLatch);
		raft_worker_end_if_asked();
		PG_TRY();
		{
			if (ConfigReloadPending)
			{
				ConfigReloadPending = false;
				ProcessConfigFile(PGC_SIGHUP);
			}
			if (take_turn(applier) && applier->backoff_ms > 0)
				clear_error(applier);
		}
		PG_CATCH();
		{
			handle_error(applier);
		}
		PG_END_TRY();

		timeout = next_timeout(applier);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout >= 0 ? WL_TIMEOUT : 0), timeout, wait_event);
	}
}

static void
applier_body(void *arg)
{
	Applier    *applier;

	raft_session_force_settings();
	raft_is_applier = true;

	applier = MemoryContextAllocZero(TopMemoryContext, sizeof(Applier));
	applier->group = attach_to_group(MyDatabaseId);
	raft_group_get_applier(applier->group, &applier->status);	/* an earlier applier's counters */
	applier->status.error_index = 0;
	applier->decisions = raft_decisions_create(TopMemoryContext);
	applier->state.context = TopMemoryContext;
	applier->batch_context = AllocSetContextCreate(TopMemoryContext, "raft_pg batch",
												   ALLOCSET_DEFAULT_SIZES);
	applier_loop(applier);
}

void
raft_applier_main(Datum arg)
{
	raft_worker_run(DatumGetObjectId(arg), 0, applier_body, NULL);
}
