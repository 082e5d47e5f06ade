/*-------------------------------------------------------------------------
 *
 * cluster.c
 *	  The rows of raft_cluster: every member as it describes itself now, and
 *	  what the leader knows of it.
 *
 * Each member is asked for raft.report(), this one without a connection.  Its first
 * row is about the member itself; a leader adds one for each peer, which
 * tells of those that cannot be asked, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "net/ask.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

RAFT_SQL_FUNCTION(raft_sql_cluster);
RAFT_SQL_FUNCTION(raft_sql_may_ask);

/* Intervals as seconds: they read the same under every IntervalStyle. */
#define REPORT \
	"SELECT node, version, role, term, leader, has_quorum, durable_index, commit_index," \
	" applied_index, state, error, match_index, lag," \
	" pg_catalog.date_part('epoch', lag_time)::pg_catalog.text OPERATOR(pg_catalog.||) ' s'" \
	" FROM " RAFT_SCHEMA
#define REPORT_OF_OTHER		REPORT ".report()"
#define REPORT_OF_SELF		REPORT ".own_report()"

/* The columns of a report. */
enum
{
	REPORT_NODE, REPORT_VERSION, REPORT_ROLE, REPORT_TERM, REPORT_LEADER, REPORT_HAS_QUORUM,
	REPORT_DURABLE, REPORT_COMMIT, REPORT_APPLIED, REPORT_STATE, REPORT_ERROR,
	REPORT_MATCH, REPORT_LAG, REPORT_LAG_TIME, REPORT_COLUMNS
};

/* The columns of a row of the view. */
enum
{
	ROW_NODE, ROW_NODE_ID, ROW_MEMBER, ROW_ROLE, ROW_REACHABLE, ROW_VERSION, ROW_TERM, ROW_LEADER,
	ROW_HAS_QUORUM, ROW_MATCH, ROW_COMMIT, ROW_APPLIED, ROW_LAG, ROW_LAG_TIME, ROW_STATE,
	ROW_REASON, ROW_COLUMNS
};

/*
 * Called by raft.report(), which runs as its owner, so that the current user tells nothing:
 * those may ask who may open a stream, and those who may see the figures anyway.
 */
Datum
raft_sql_may_ask(PG_FUNCTION_ARGS)
{
	Oid			role = GetOuterUserId();

	if (!superuser_arg(role) && !has_rolreplication(role) &&
		!has_privs_of_role(role, ROLE_PG_MONITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to ask for the state of a Raft node"),
				 errdetail("Only superusers, roles with REPLICATION and members of pg_monitor may do so.")));
	PG_RETURN_BOOL(true);
}

/* What this node would answer. */
static void
ask_self(RaftAnswer *answer)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	if (SPI_execute(REPORT_OF_SELF, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s.own_report()", RAFT_SCHEMA);
	answer->reached = true;
	answer->n_rows = (int) SPI_processed;
	answer->n_columns = REPORT_COLUMNS;
	answer->values = MemoryContextAllocZero(context, sizeof(char *) * SPI_processed * REPORT_COLUMNS);
	for (int row = 0; row < answer->n_rows; row++)
	{
		for (int column = 0; column < REPORT_COLUMNS; column++)
		{
			char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column + 1);

			if (value != NULL)
				answer->values[row * REPORT_COLUMNS + column] = MemoryContextStrdup(context, value);
		}
	}
	SPI_finish();
}

/* An answer has the form of a report, and comes from who was asked, or it is an error. */
static void
check_answer(RaftAnswer *answer)
{
	const char *node;

	if (answer->error != NULL)
		return;
	if (answer->n_rows < 1 || answer->n_columns != REPORT_COLUMNS)
	{
		answer->error = pstrdup("the answer of the server is not that of this version of raft_pg");
		return;
	}
	node = raft_answer_value(answer, 0, REPORT_NODE);
	if (node != NULL && strcmp(node, answer->name) != 0)
		answer->error = psprintf("the connection string leads to node \"%s\"", node);
}

static bool
is_true(const char *value)
{
	return value != NULL && value[0] == 't';
}

/* Of those who say that they lead, and hear a majority, the one of the highest term. */
static const RaftAnswer *
find_leader(const RaftAnswer *answers, int n)
{
	const RaftAnswer *leader = NULL;
	uint64		highest = 0;

	for (int i = 0; i < n; i++)
	{
		const char *role;
		const char *term;

		if (answers[i].error != NULL)
			continue;
		role = raft_answer_value(&answers[i], 0, REPORT_ROLE);
		term = raft_answer_value(&answers[i], 0, REPORT_TERM);
		if (role == NULL || term == NULL || strcmp(role, raft_role_name(RAFT_LEADER)) != 0 ||
			!is_true(raft_answer_value(&answers[i], 0, REPORT_HAS_QUORUM)))
			continue;
		if (leader == NULL || strtou64(term, NULL, 10) > highest)
		{
			leader = &answers[i];
			highest = strtou64(term, NULL, 10);
		}
	}
	return leader;
}

/* What the member says of itself. */
static void
add_own_words(const char **row, const RaftAnswer *answer)
{
	static const int columns[][2] = {
		{ROW_ROLE, REPORT_ROLE}, {ROW_VERSION, REPORT_VERSION}, {ROW_TERM, REPORT_TERM},
		{ROW_LEADER, REPORT_LEADER}, {ROW_HAS_QUORUM, REPORT_HAS_QUORUM},
		{ROW_COMMIT, REPORT_COMMIT}, {ROW_APPLIED, REPORT_APPLIED},
		{ROW_STATE, REPORT_STATE}, {ROW_REASON, REPORT_ERROR}
	};

	row[ROW_REACHABLE] = answer->reached ? "t" : "f";
	if (answer->error != NULL)
	{
		row[ROW_STATE] = answer->reached ? "unknown" : "unreachable";
		row[ROW_REASON] = answer->error;
		return;
	}
	for (int i = 0; i < (int) lengthof(columns); i++)
		row[columns[i][0]] = raft_answer_value(answer, 0, columns[i][1]);
}

/* What the leader says of the member: nothing while there is none. */
static void
add_leaders_words(const char **row, const RaftAnswer *answer, const RaftAnswer *leader)
{
	if (leader == NULL)
		return;
	if (leader == answer)
	{
		row[ROW_MATCH] = raft_answer_value(leader, 0, REPORT_DURABLE);
		row[ROW_LAG] = "0";
		row[ROW_LAG_TIME] = "0";
		return;
	}
	for (int i = 1; i < leader->n_rows; i++)
	{
		const char *node = raft_answer_value(leader, i, REPORT_NODE);

		if (node == NULL || strcmp(node, answer->name) != 0)
			continue;
		row[ROW_MATCH] = raft_answer_value(leader, i, REPORT_MATCH);
		row[ROW_LAG] = raft_answer_value(leader, i, REPORT_LAG);
		row[ROW_LAG_TIME] = raft_answer_value(leader, i, REPORT_LAG_TIME);
		return;
	}
}

static void
put_member(FunctionCallInfo fcinfo, const RaftGroupMember *member, const RaftAnswer *answer,
		   const RaftAnswer *leader)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *row[ROW_COLUMNS] = {NULL};
	AttInMetadata *in = TupleDescGetAttInMetadata(result->setDesc);

	if (result->setDesc->natts != ROW_COLUMNS)
		elog(ERROR, "a row of %d columns does not fit a view of %d", ROW_COLUMNS, result->setDesc->natts);
	row[ROW_NODE] = member->name;
	row[ROW_NODE_ID] = psprintf("%u", member->id);
	row[ROW_MEMBER] = raft_member_role_name(member->flags);
	add_own_words(row, answer);
	add_leaders_words(row, answer, leader);
	tuplestore_puttuple(result->setResult, BuildTupleFromCStrings(in, (char **) row));
}

Datum
raft_sql_cluster(PG_FUNCTION_ARGS)
{
	RaftNodeRow node;
	RaftGroupMember *members;
	RaftAnswer	answers[RAFT_MAX_MEMBERS] = {{0}};
	RaftAnswer *others = answers + 1;
	const RaftAnswer *leader;
	int			n_members;
	int			n_others = 0;
	int			place[RAFT_MAX_MEMBERS];

	raft_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	if (!raft_node_row_read(&node))
		return (Datum) 0;

	/* this node first, then the others in the order of the members */
	n_members = raft_members_now(&node, &members);
	answers[0].name = node.node;
	for (int i = 0; i < n_members; i++)
	{
		place[i] = 0;
		if (members[i].id == node.node_id || n_others == RAFT_MAX_MEMBERS - 1)
			continue;
		others[n_others].name = members[i].name;
		others[n_others].conninfo = members[i].conninfo;
		place[i] = ++n_others;
	}
	ask_self(&answers[0]);
	raft_ask_members(others, n_others, node.node, REPORT_OF_OTHER, raft_connect_timeout_ms);
	for (int i = 0; i <= n_others; i++)
		check_answer(&answers[i]);

	leader = find_leader(answers, n_others + 1);
	for (int i = 0; i < n_members; i++)
		put_member(fcinfo, &members[i], &answers[place[i]], leader);
	return (Datum) 0;
}
