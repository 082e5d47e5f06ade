/*-------------------------------------------------------------------------
 *
 * start.c
 *	  raft_start() and raft_stop().
 *
 * Both are transactional: the row of raft.node, the mark for the launcher and the
 * request to it appear together at commit, or never.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "api/api.h"
#include "catalog/pg_database.h"
#include "common/string.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

RAFT_SQL_FUNCTION(raft_sql_start);
RAFT_SQL_FUNCTION(raft_sql_stop);

#define DEFAULT_NODE_NAME	"node1"

static char *
text_arg_or_null(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* A group of one: nobody has to come to the same group id, so it is random. */
static void
describe_single(const char *name, RaftNodeRow *row, RaftGivenMembers *members)
{
	if (name == NULL)
		name = DEFAULT_NODE_NAME;
	raft_check_node_name(name);

	members->n = 1;
	members->item[0].name = pstrdup(name);
	members->item[0].conninfo = members->item[0].place = pstrdup("");
	if (!pg_strong_random(row->group_id, RAFT_GROUP_ID_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random group id")));
	row->node = members->item[0].name;
	row->node_id = 1;
}

/* The names, for a message. */
static char *
member_names(const RaftGivenMembers *members)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < members->n; i++)
		appendStringInfo(&names, "%s\"%s\"", i == 0 ? "" : ", ", members->item[i].name);
	return names.data;
}

static void
describe_member(const char *name, Datum json, const char *cluster_name,
				RaftNodeRow *row, RaftGivenMembers *members)
{
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node must be given together with members"),
				 errhint("Name the member that this database is.")));
	raft_check_node_name(name);
	raft_members_parse(json, members);

	row->node = pstrdup(name);
	row->node_id = raft_members_find(members, name);
	if (row->node_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node \"%s\" is not in the members", name),
				 errdetail("The members are %s.", member_names(members))));
	raft_members_group_id(members, cluster_name, row->group_id);
}

/*
 * Members make the server connect to whatever host they name, with its own account's files of
 * passwords and certificates: for superusers, as with dblink and postgres_fdw.
 */
static void
check_may_give_members(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to start Raft with members"),
				 errdetail("Only superusers may give members: the server connects to them with its own password file and certificates."),
				 errhint("raft_start() without members starts a group of one, or the group that a superuser has started before.")));
}

/* Copies of a template would all be the same node. */
static void
check_no_template(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool		is_template;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);

	if (is_template)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot start Raft in a template database"),
				 errdetail("Its workers would keep CREATE DATABASE from copying it, and each copy would take itself for this node.")));
}

/* At commit the workers start; a leader there will be once all have come so far. */
static void
tell_what_is_needed(const RaftGivenMembers *members)
{
	if (members->n > 1)
		ereport(NOTICE,
				(errmsg("the group elects its first leader once all of its %d members are started",
						members->n),
				 errdetail("When they have met, %d of them are enough.", members->n / 2 + 1)));
}

/* A second raft_start() may repeat the first one, or say less than it. */
static void
check_same(const RaftNodeRow *stored, const RaftNodeRow *wanted, const bytea *bootstrap,
		   const char *name)
{
	const char *detail = NULL;

	if (bootstrap != NULL &&
		memcmp(stored->group_id, wanted->group_id, RAFT_GROUP_ID_BYTES) != 0)
		detail = "The names or places of its members, or its cluster name, differ.";
	if (name != NULL && strcmp(stored->node, name) != 0)
		detail = psprintf("It is node \"%s\".", stored->node);
	if (detail != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database was started as a node of another group"),
				 errdetail_internal("%s", detail),
				 errhint("raft_start() without arguments starts it again; DROP EXTENSION raft_pg discards it with its log.")));

	if (bootstrap != NULL &&
		(VARSIZE(bootstrap) != VARSIZE(stored->bootstrap) ||
		 memcmp(bootstrap, stored->bootstrap, VARSIZE(bootstrap)) != 0))
		ereport(NOTICE,
				(errmsg("keeping the connection strings that were given first")));
}

static Datum
result_tuple(FunctionCallInfo fcinfo, const RaftNodeRow *row)
{
	TupleDesc	descriptor;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(row->node);
	values[1] = Int32GetDatum((int32) row->node_id);
	values[2] = raft_group_id_datum(row->group_id);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

Datum
raft_sql_start(PG_FUNCTION_ARGS)
{
	char	   *name = text_arg_or_null(fcinfo, 0);
	bool		members_given = !PG_ARGISNULL(1);
	char	   *cluster_name = text_arg_or_null(fcinfo, 2);
	RaftGivenMembers *members = palloc0(sizeof(RaftGivenMembers));
	RaftNodeRow wanted;
	RaftNodeRow stored;

	raft_require_preload();
	PreventCommandDuringRecovery("raft_start()");
	PreventCommandIfReadOnly("raft_start()");

	check_no_template();

	if (members_given)
	{
		check_may_give_members();
		describe_member(name, PG_GETARG_DATUM(1), cluster_name ? cluster_name : "",
						&wanted, members);
	}
	else if (cluster_name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cluster_name must be given together with members"),
				 errdetail("A group of one is unique without it.")));
	else
		describe_single(name, &wanted, members);

	raft_node_row_lock();
	if (raft_node_row_read(&stored))
	{
		check_same(&stored, &wanted, members_given ? raft_members_bootstrap(members) : NULL, name);
		wanted = stored;
	}
	else
	{
		wanted.bootstrap = raft_members_bootstrap(members);
		raft_node_row_insert(&wanted, raft_members_jsonb(members));
		tell_what_is_needed(members);
	}

	raft_autostart_set(MyDatabaseId);
	raft_group_start_at_commit();
	PG_RETURN_DATUM(result_tuple(fcinfo, &wanted));
}

Datum
raft_sql_stop(PG_FUNCTION_ARGS)
{
	RaftNodeRow stored;

	raft_require_preload();
	PreventCommandDuringRecovery("raft_stop()");
	PreventCommandIfReadOnly("raft_stop()");

	raft_node_row_lock();
	if (!raft_node_row_read(&stored))
		PG_RETURN_BOOL(false);

	raft_autostart_clear(MyDatabaseId);
	raft_group_stop_at_commit();
	PG_RETURN_BOOL(true);
}
