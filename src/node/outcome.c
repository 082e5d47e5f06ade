/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  The outcome of a proposal as the error that a client sees.
 *
 * The SQLSTATE says what the client may do: 25006 go to the leader, 57P03,
 * 53400 and 40001 try again, 08007 find out first.  All but 08007 say for
 * certain whether the command will be applied.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "node/group.h"
#include "node/proposals.h"

static void
report_not_leader(RaftGroup *group, RaftNodeId leader)
{
	char	   *name = raft_group_member_name(group, leader);

	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("this node is not the leader of its Raft group"),
			 name ? errdetail("The leader is node \"%s\".", name) :
			 errdetail("The leader is node %u.", leader),
			 errhint("Propose on the leader.")));
}

static void
report_stopped(RaftGroup *group)
{
	(void) raft_group_check_failed(group);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("Raft was stopped in this database"),
			 errdetail("The command was not appended.")));
}

/* Who is to blame for a full log. */
static char *
describe_held(RaftGroup *group)
{
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));

	raft_group_get_status(group, status);
	return raft_group_describe_held(group, &status->held);
}

void
raft_proposal_check(RaftGroup *group, const RaftProposalResult *result)
{
	switch (result->outcome)
	{
		case RAFT_OUTCOME_PLACED:
		case RAFT_OUTCOME_APPLIED:
			return;

		case RAFT_OUTCOME_NOT_LEADER:
			report_not_leader(group, result->leader);
			break;

		case RAFT_OUTCOME_STOPPED:
			report_stopped(group);
			break;

		case RAFT_OUTCOME_FAILED:
			ereport(ERROR,
					(errcode(result->sqlstate),
					 errmsg_internal("%s", result->message),
					 errdetail("The command was committed at index %llu; this error is its result on every node.",
							   (unsigned long long) result->index)));
			break;

		case RAFT_OUTCOME_NO_LEADER:
			ereport(ERROR,
					(errcode(ERRCODE_CANNOT_CONNECT_NOW),
					 errmsg("no leader took the command in time"),
					 errdetail("The command was not appended."),
					 errhint("A majority of the group's nodes has to be running and reachable.")));
			break;

		case RAFT_OUTCOME_SUPERSEDED:
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("the command lost its place in the log to another leader"),
					 errdetail("The command at index %llu of term %llu will never be applied.",
							   (unsigned long long) result->index,
							   (unsigned long long) result->term),
					 errhint("The command can be proposed again.")));
			break;

		case RAFT_OUTCOME_LOG_FULL:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("the Raft log is full"),
					 errdetail("The command was not appended. %s", describe_held(group)),
					 errhint("Bring that member back, or remove what keeps it from going on. Entries are dropped once every member has them.")));
			break;

		case RAFT_OUTCOME_PENDING:
		case RAFT_OUTCOME_UNKNOWN:
			ereport(ERROR,
					(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
					 errmsg("the outcome of the command is unknown"),
					 result->index == 0 ?
					 errdetail("It was handed to the leader; it may or may not be applied later.") :
					 errdetail("It stands at index %llu of term %llu in the leader's log; it may or may not be applied later.",
							   (unsigned long long) result->index,
							   (unsigned long long) result->term),
					 errhint("raft_wait(index, term) tells whether it was applied.")));
			break;
	}
}
