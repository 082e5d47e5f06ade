/*-------------------------------------------------------------------------
 *
 * propose.c
 *	  A backend waits for a leader, for room in the queue, and for the outcome.
 *
 * What the client is told, by the way out of the wait:
 *
 *	way out								while QUEUED			once TAKEN or PLACED
 *	--------------------------------	--------------------	--------------------------
 *	refused by the node worker			-						25006, 57P03, 53400
 *	applied (applier)					-						index, or the command's error
 *	superseded (applier)				-						40001
 *	timeout of the call					57P03					08007
 *	cancel, statement_timeout			57014					08007
 *	any other ERROR in the wait			that error				08007
 *	termination							FATAL 57P01				FATAL 08007
 *	any other end of the process		withdrawn				nobody is there to be told
 *	end of the node worker (its			proposed again until	08007
 *	error, raft_stop(), a drop,			the timeout; 55000 in
 *	failure of the group)				a stopped group
 *	error of the applier after it has	-						08007
 *	committed, before it tells
 *	crash of the server					-						connection lost
 *
 * 08007 leaves the outcome open, or says that the command is in the log.  All
 * others are certain.
 *
 * And when the answer is here, but the statement has not ended (api/statement.c):
 *
 *	the command's own error, nothing else proposed by the statement		that error
 *	any other ERROR: of the next proposal (57P03, 25006, its command's
 *	error, 54000 ..), a cancel, whatever else the statement does		08007
 *	termination															FATAL 08007
 *	an error of the commit itself: a deferred constraint, 40001 of a
 *	serializable transaction that has written							that error
 *
 * An error is an answer only when it is all that there is to say of what the statement
 * has put into the log.  test/t/031_interrupts.pl tries each.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/propose.h"
#include "client/proposals.h"
#include "client/waiting.h"
#include "miscadmin.h"
#include "stop_point.h"
#include "storage/latch.h"

/*
 * Waits until this node leads, as far as it knows.  Otherwise false, and the
 * result says why.
 */
static bool
await_leadership(RaftGroup *group, RaftTime deadline, RaftProposalResult *result)
{
	static uint32 wait_event = 0;
	RaftNodeId	leader = pg_atomic_read_u32(&group->leader);
	RaftOutcome outcome = RAFT_OUTCOME_PENDING;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftLeader");

	if (leader == 0)
	{
		raft_waiting_begin(RAFT_WAITING_LEADER, 0);
		ConditionVariablePrepareToSleep(&group->state_cv);
	}
	while ((leader = pg_atomic_read_u32(&group->leader)) == 0 ||
		   group->database != MyDatabaseId)
	{
		RaftGroupState state = raft_group_get_state(group, NULL, NULL);
		long		timeout = raft_remaining_ms(deadline);

		if (group->database != MyDatabaseId ||
			(state != RAFT_GROUP_STARTING && state != RAFT_GROUP_RUNNING))
			outcome = RAFT_OUTCOME_STOPPED;
		else if (timeout == 0)
			outcome = RAFT_OUTCOME_NO_LEADER;
		if (outcome != RAFT_OUTCOME_PENDING)
			break;

		ConditionVariableTimedSleep(&group->state_cv, timeout, wait_event);
	}
	ConditionVariableCancelSleep();

	if (outcome == RAFT_OUTCOME_PENDING && leader != group->node_id)
		outcome = RAFT_OUTCOME_NOT_LEADER;
	if (outcome == RAFT_OUTCOME_PENDING)
		return true;

	result->outcome = outcome;
	result->leader = leader;
	return false;
}

/*
 * The session is being terminated.  A client that looks at the SQLSTATE alone must
 * not take the end of its connection for a refusal.
 */
static void
end_session(RaftGroup *group)
{
	RaftProposalResult result;

	raft_slot_leave(group->slots, RAFT_OUTCOME_NO_LEADER, &result);
	if (raft_outcome_handed_over(result.outcome))
		ereport(FATAL,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("terminating connection due to administrator command"),
				 errdetail("The outcome of a command that was handed to the leader is unknown: it may or may not be applied later.")));
	CHECK_FOR_INTERRUPTS();
}

/* The wait event for what the command waits for now. */
static uint32
outcome_wait_event(RaftGroup *group)
{
	static uint32 place = 0;
	static uint32 quorum = 0;
	static uint32 applier = 0;
	RaftIndex	index;
	RaftTerm	term;

	if (place == 0)
	{
		place = raft_wait_event_new("RaftProposalPlace");
		quorum = raft_wait_event_new("RaftProposalQuorum");
		applier = raft_wait_event_new("RaftProposalApplier");
	}
	if (!raft_slot_place(group->slots, raft_my_backend_slot(), &index, &term))
		return place;
	return index <= pg_atomic_read_u64(&group->ready) ? applier : quorum;
}

/* Waits until the slot is settled or the deadline has passed. */
static void
await_outcome(RaftGroup *group, RaftTime deadline)
{
	long		look_ms = RAFT_WAIT_EVENT_LOOK_MS;

	raft_waiting_begin(RAFT_WAITING_COMMAND, 0);
	for (;;)
	{
		long		timeout;

		if (raft_slot_is_settled(group->slots) || (timeout = raft_remaining_ms(deadline)) == 0)
			return;

		/*
		 * Nobody is waked because its command has come a step further, which would cost
		 * each one two switches of processes.  So who waits long looks by itself now and
		 * then whether its wait event is still the right one.
		 */
		if (look_ms > 0)
		{
			timeout = timeout < 0 ? look_ms : Min(timeout, look_ms);
			look_ms = Min(look_ms * 2, RAFT_WAIT_EVENT_LOOK_MAX_MS);
		}
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, outcome_wait_event(group));
		ResetLatch(MyLatch);
		raft_stop_point("awaiting");
		if (ProcDiePending && INTERRUPTS_CAN_BE_PROCESSED())
			end_session(group);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Puts the command into the queue.  False, and the result says why, when it did not get there. */
static bool
queue_command(RaftGroup *group, uint8 kind, const char *data, Size size,
			  RaftWaitMode mode, RaftTime deadline, RaftProposalResult *result)
{
	RaftPut		put;

	while ((put = raft_proposals_put(group, kind, data, size, mode)) != RAFT_PUT_QUEUED)
	{
		result->outcome = RAFT_OUTCOME_NO_LEADER;
		if (put == RAFT_PUT_CLOSED)
			return false;
		raft_waiting_begin(RAFT_WAITING_QUEUE, 0);
		if (!raft_proposals_await_room(group, size, deadline))
			return false;
	}
	raft_group_wake_node(group);
	return true;
}

/* One attempt at a node that seems to lead. */
static void
propose_once(RaftGroup *group, uint8 kind, const char *data, Size size,
			 RaftWaitMode mode, RaftTime deadline, RaftProposalResult *result)
{
	MemoryContext context = CurrentMemoryContext;

	if (!queue_command(group, kind, data, size, mode, deadline, result))
		return;

	PG_TRY();
	{
		await_outcome(group, deadline);
		raft_slot_leave(group->slots, RAFT_OUTCOME_NO_LEADER, result);
	}
	PG_CATCH();
	{
		raft_slot_leave(group->slots, RAFT_OUTCOME_NO_LEADER, result);
		if (!raft_outcome_handed_over(result->outcome))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		result->interrupted = CopyErrorData()->message;
		FlushErrorState();
	}
	PG_END_TRY();
}

static void
propose_until(RaftGroup *group, uint8 kind, const char *data, Size size,
			  RaftWaitMode mode, RaftTime deadline, RaftProposalResult *result)
{
	for (;;)
	{
		memset(result, 0, sizeof(*result));
		if (!await_leadership(group, deadline, result))
			return;

		propose_once(group, kind, data, size, mode, deadline, result);

		/* not appended, and nobody to turn to: there may be a leader soon */
		if ((result->outcome == RAFT_OUTCOME_NOT_LEADER && result->leader == 0) ||
			result->outcome == RAFT_OUTCOME_NO_LEADER ||
			result->outcome == RAFT_OUTCOME_STOPPED)
		{
			Assert(result->index == 0);
			if (raft_remaining_ms(deadline) != 0)
				continue;
			result->outcome = RAFT_OUTCOME_NO_LEADER;
		}
		return;
	}
}

void
raft_propose(RaftGroup *group, uint8 kind, const char *data, Size size,
			 RaftWaitMode mode, long timeout_ms, RaftProposalResult *result)
{
	PG_TRY();
	{
		propose_until(group, kind, data, size, mode, raft_deadline_in(timeout_ms), result);
	}
	PG_CATCH();
	{
		raft_waiting_end();
		PG_RE_THROW();
	}
	PG_END_TRY();
	raft_waiting_end();
}
