/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  raft_wait(), and the timeouts of everything that waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "api/api.h"
#include "apply/apply.h"
#include "client/waiting.h"
#include "datatype/timestamp.h"
#include "log/log.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

RAFT_SQL_FUNCTION(raft_sql_wait);

long
raft_timeout_arg(FunctionCallInfo fcinfo, int argument)
{
	Interval   *interval;
	double		ms;

	if (PG_ARGISNULL(argument))
		return raft_propose_timeout_ms;

	interval = PG_GETARG_INTERVAL_P(argument);
	ms = interval->time / 1000.0 +
		((double) interval->day + (double) interval->month * DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	if (ms == 0)
		return 0;
	return (long) Max(1.0, Min(ms, (double) INT_MAX));
}

/* The entry is applied: is it the one that was meant? */
static void
check_term(RaftGroup *group, RaftIndex index, RaftTerm term)
{
	RaftLogReader *reader = raft_log_reader_create(group->log, group->log_file);
	StringInfoData record;
	RaftEntry	entry;
	RaftIndex	found;
	uint32		length;

	initStringInfo(&record);
	if (raft_log_read(reader, index, index, 1, &record) != index)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot tell the term of entry %llu", (unsigned long long) index),
				 errdetail("The entry was applied and is no longer in the log.")));
	if (raft_record_decode((const uint8 *) record.data, record.len, record.len,
						   &found, &entry, &length) != RAFT_DECODE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("entry %llu of the log is damaged", (unsigned long long) index)));
	if (entry.term != term)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("another entry is at index %llu", (unsigned long long) index),
				 errdetail("Its term is %llu, not %llu: the command proposed there will never be applied.",
						   (unsigned long long) entry.term, (unsigned long long) term),
				 errhint("The command can be proposed again.")));
}

/* ERROR unless the group runs or is about to. */
static void
check_running(RaftGroup *group)
{
	RaftGroupState state = raft_group_check_failed(group);

	if (group->database != MyDatabaseId ||
		(state != RAFT_GROUP_STARTING && state != RAFT_GROUP_RUNNING))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft was stopped in this database")));
}

/* Until the entry at index is applied here; false after the deadline (0 = none). */
static bool
wait_until_applied(RaftGroup *group, RaftIndex index, RaftTime deadline)
{
	uint32		wait_event = raft_wait_event_new("RaftApplied");
	bool		applied;

	ConditionVariablePrepareToSleep(&group->applied_cv);
	for (;;)
	{
		long		delay;

		/* the figure first: meanwhile the place may go to another database's group */
		applied = pg_atomic_read_u64(&group->visible) >= index;
		pg_read_barrier();
		if (applied && group->database == MyDatabaseId)
			break;
		check_running(group);
		delay = raft_remaining_ms(deadline);
		if (delay == 0)
			break;
		ConditionVariableTimedSleep(&group->applied_cv, delay, wait_event);
	}
	ConditionVariableCancelSleep();
	return applied;
}

static bool
wait_applied(RaftGroup *group, RaftIndex index, long timeout_ms)
{
	volatile bool applied = false;

	raft_waiting_begin(RAFT_WAITING_ENTRY, index);
	PG_TRY();
	{
		applied = wait_until_applied(group, index, raft_deadline_in(timeout_ms));
	}
	PG_CATCH();
	{
		raft_waiting_end();
		PG_RE_THROW();
	}
	PG_END_TRY();
	raft_waiting_end();
	return applied;
}

Datum
raft_sql_wait(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	int64		index;
	long		timeout_ms;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	index = PG_GETARG_INT64(0);
	if (index <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("index must be positive")));
	timeout_ms = raft_timeout_arg(fcinfo, 2);

	if (raft_is_applier)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("raft_wait() cannot run while a command is being applied")));

	group = raft_group_require();
	if (!wait_applied(group, (RaftIndex) index, timeout_ms))
		PG_RETURN_BOOL(false);
	if (!PG_ARGISNULL(1))
		check_term(group, (RaftIndex) index, (RaftTerm) PG_GETARG_INT64(1));
	PG_RETURN_BOOL(true);
}
