/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  raft_skip(): the decision of the group that a command is not executed, and
 *	  raft_skip_undone().
 *
 * The decision is an entry of the log.  It comes too late for a member that has executed
 * the command before it learns of it, so members are asked first; one that does so
 * meanwhile stops at the entry (apply/README.md).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "apply/apply.h"
#include "miscadmin.h"
#include "net/ask.h"
#include "tables/skips.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "wire/names.h"

RAFT_SQL_FUNCTION(raft_sql_skip);
RAFT_SQL_FUNCTION(raft_sql_skip_undone);

/* Its first row is about the member itself. */
#define APPLIED_OF_OTHER	"SELECT node, applied_index FROM " RAFT_SCHEMA ".report()"

static RaftIndex
index_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("index must not be null")));
	if (PG_GETARG_INT64(0) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("index must be positive")));
	return (RaftIndex) PG_GETARG_INT64(0);
}

static void
check_superuser(const char *function)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to call %s", function)));
}

/* The entry, which is in the log of this node; its data is palloc'd. */
static RaftEntry
read_entry(RaftGroup *group, RaftIndex index)
{
	RaftLogReader *reader = raft_log_reader_create(group->log, group->log_file);
	StringInfoData record;
	RaftEntry	entry;
	RaftIndex	found;
	uint32		length;

	initStringInfo(&record);
	if (raft_log_read(reader, index, index, 1, &record) != index ||
		raft_record_decode((const uint8 *) record.data, record.len, record.len,
						   &found, &entry, &length) != RAFT_DECODE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entry %llu cannot be read from the log of this node",
						(unsigned long long) index)));
	return entry;
}

/* --- raft_skip() --- */

/* Only a leader can take the decision, and knows what is committed. */
static void
check_leader(RaftGroup *group)
{
	RaftStanding standing;
	RaftProposalResult result = {.outcome = RAFT_OUTCOME_NO_LEADER};

	raft_group_get_standing(group, &standing);
	if (standing.is_leader)
		return;
	if (standing.leader != 0 && standing.leader != group->node_id)
		result = (RaftProposalResult) {.outcome = RAFT_OUTCOME_NOT_LEADER,.leader = standing.leader};
	raft_proposal_check(group, &result);
}

/* The command at which the applier of this node is stuck, and no other. */
static void
check_stuck(RaftGroup *group, RaftIndex index)
{
	unsigned long long number = index;
	unsigned long long ready = pg_atomic_read_u64(&group->ready);
	RaftApplierStatus applier;
	RaftEntry	entry;

	raft_group_get_applier(group, &applier);
	if (index > ready)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entry %llu is not committed", number),
				 errdetail("The log is committed up to index %llu.", ready)));
	if (index <= applier.visible)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entry %llu is applied already", number),
				 errdetail("This node has applied the log up to index %llu.",
						   (unsigned long long) applier.visible)));
	if (index != applier.error_index)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the applier of this node is not stuck at entry %llu", number),
				 applier.error_index == 0 ? errdetail("No entry is being tried again.") :
				 errdetail("It is stuck at entry %llu.", (unsigned long long) applier.error_index),
				 errhint("Only the command at \"pg_stat_raft\".\"apply_error_index\" can be skipped.")));

	entry = read_entry(group, index);
	if (entry.kind != RAFT_ENTRY_COMMAND)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entry %llu is not a command", number),
				 errdetail("Its kind is %s.", raft_log_kind_name(entry.kind))));
}

/* How far a member says that it has applied the log; NULL = it does not say. */
static const char *
applied_by(const RaftAnswer *answer)
{
	const char *node;

	if (answer->error != NULL || answer->n_rows < 1 || answer->n_columns != 2)
		return NULL;
	node = raft_answer_value(answer, 0, 0);
	if (node == NULL || strcmp(node, answer->name) != 0)
		return NULL;
	return raft_answer_value(answer, 0, 1);
}

/* No member may have applied the entry.  One that does not answer may, unless "force" vouches for it. */
static void
check_member(const RaftAnswer *answer, RaftIndex index, bool force)
{
	const char *applied = applied_by(answer);

	if (applied != NULL && strtou64(applied, NULL, 10) >= index)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("node \"%s\" has applied entry %llu already",
						answer->name, (unsigned long long) index),
				 errdetail("It has applied the log up to index %s; skipped elsewhere, the command would have effects on some nodes only.",
						   applied),
				 errhint("See why the command fails on the other nodes, and remove the cause there.")));
	if (applied == NULL && !force)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("node \"%s\" does not say whether it has applied entry %llu",
						answer->name, (unsigned long long) index),
				 answer->error ? errdetail("It cannot be asked: %s", answer->error) :
				 errdetail("Its group does not run, or its server is another one."),
				 errhint("Bring it back.  With force => true the command is skipped all the same; should that node have executed it, it will stop when it learns of the decision.")));
}

static void
check_members(RaftIndex index, bool force)
{
	RaftNodeRow node;
	RaftGroupMember *members;
	RaftAnswer	answers[RAFT_MAX_MEMBERS] = {{0}};
	int			n = 0;
	int			n_members;

	if (!raft_node_row_read(&node))
		return;
	n_members = raft_members_now(&node, &members);
	for (int i = 0; i < n_members; i++)
	{
		if (members[i].id == node.node_id)
			continue;
		answers[n].name = members[i].name;
		answers[n++].conninfo = members[i].conninfo;
	}
	raft_ask_members(answers, n, node.node, APPLIED_OF_OTHER, raft_connect_timeout_ms);

	/* what one has applied is worse than what another does not tell */
	for (int i = 0; i < n; i++)
		check_member(&answers[i], index, true);
	for (int i = 0; i < n; i++)
		check_member(&answers[i], index, force);
}

Datum
raft_sql_skip(PG_FUNCTION_ARGS)
{
	RaftIndex	index;
	bool		force = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	long		timeout_ms;
	RaftGroup  *group;
	char	   *target;

	check_superuser("raft_skip()");
	index = index_arg(fcinfo);
	timeout_ms = raft_timeout_arg(fcinfo, 2);
	raft_check_may_propose("raft_skip()");
	group = raft_group_require();
	check_leader(group);
	check_stuck(group, index);
	check_members(index, force);

	target = psprintf(UINT64_FORMAT, index);
	PG_RETURN_INT64((int64) raft_propose_applied(group, RAFT_ENTRY_SKIP, target, strlen(target),
												 timeout_ms));
}

/* --- raft_skip_undone() --- */

Datum
raft_sql_skip_undone(PG_FUNCTION_ARGS)
{
	RaftIndex	index;
	RaftGroup  *group;
	RaftApplierStatus applier;
	RaftEntry	entry = {0};

	check_superuser("raft_skip_undone()");
	index = index_arg(fcinfo);
	PreventCommandIfReadOnly("raft_skip_undone()");
	group = raft_group_require();
	raft_group_get_applier(group, &applier);
	if (applier.error_index != 0)
		entry = read_entry(group, applier.error_index);
	if (entry.kind != RAFT_ENTRY_SKIP || raft_skip_target(&entry) != index)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this node is not stopped by the command at index %llu",
						(unsigned long long) index),
				 errdetail("It is, at the entry that skips a command, when it has executed that command.")));
	if (!raft_skips_contain(index))
		raft_skips_add(index, applier.error_index, true);
	PG_RETURN_VOID();
}
