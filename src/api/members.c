/*-------------------------------------------------------------------------
 *
 * members.c
 *	  The members object of raft_start(): {"name": "connection string", ..}.
 *
 * Every node is given the same object and has to come to the same ids, the same
 * first configuration and the same group id by itself.  The ids depend on nothing but the
 * names, in the order of their bytes, not of a collation.  The group id depends on the names
 * and on where the members are at first: groups that only happen to have the same names do not
 * listen to each other, while the user or sslmode may be given otherwise.  It is derived
 * once and then stored, so members can get other addresses later.
 *
 * The type is json, not jsonb, which would drop a name given twice without a word.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "net/peer.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

void
raft_check_node_name(const char *name)
{
	Size		length = strlen(name);

	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a node must not be empty")));
	if (length > RAFT_MAX_NODE_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of node \"%s\" is too long", name),
				 errdetail("It has %zu bytes; at most %d are allowed.",
						   length, RAFT_MAX_NODE_NAME)));
	for (const char *c = name; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ' || *c == '\177')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("name of a node must not contain control characters")));
	}
}

/* Keys, types and values of the object in the order given, duplicates included. */
static void
read_object(Datum json)
{
	Oid			types[] = {JSONOID};
	char	   *type;

	type = TextDatumGetCString(DirectFunctionCall1(json_typeof, json));
	if (strcmp(type, "object") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("members must be a JSON object"),
				 errdetail("The value is of type %s.", type),
				 errhint("Give the name and the connection string of each node: {\"a\": \"hostaddr=... dbname=...\", ...}.")));

	if (SPI_execute_with_args("SELECT key, pg_catalog.json_typeof(value),"
							  " value OPERATOR(pg_catalog.#>>) '{}'"
							  " FROM pg_catalog.json_each($1)",
							  1, types, &json, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the members");
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const RaftGivenMember *) a)->name, ((const RaftGivenMember *) b)->name);
}

static void
check_member(const char *name, const char *type, const char *conninfo)
{
	raft_check_node_name(name);
	if (strcmp(type, "string") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("connection string of node \"%s\" must be a JSON string, not %s", name, type)));
	if (conninfo[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("connection string of node \"%s\" must not be empty", name)));
	raft_check_conninfo(name, conninfo);
}

static void
check_unique(const RaftGivenMembers *members)
{
	for (int i = 1; i < members->n; i++)
	{
		const RaftGivenMember *member = &members->item[i];

		if (strcmp(member->name, members->item[i - 1].name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("node \"%s\" is named twice in the members", member->name)));
		for (int j = 0; j < i; j++)
		{
			if (strcmp(member->place, members->item[j].place) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("connection strings of nodes \"%s\" and \"%s\" lead to the same database",
								members->item[j].name, member->name)));
		}
	}
}

void
raft_members_parse(Datum json, RaftGivenMembers *members)
{
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	descriptor;

	SPI_connect();
	read_object(json);
	descriptor = SPI_tuptable->tupdesc;

	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("members must name at least one node")));
	if (SPI_processed > RAFT_MAX_MEMBERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many members: %llu", (unsigned long long) SPI_processed),
				 errdetail("A group has at most %d.", RAFT_MAX_MEMBERS)));

	if (SPI_processed > (uint64) raft_max_members)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many members for this server: %llu", (unsigned long long) SPI_processed),
				 errhint("Increase \"raft_pg.max_members\" (currently %d) and restart the server.",
						 raft_max_members)));

	members->n = (int) SPI_processed;
	for (int i = 0; i < members->n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		char	   *name = SPI_getvalue(tuple, descriptor, 1);
		char	   *type = SPI_getvalue(tuple, descriptor, 2);
		char	   *conninfo = SPI_getvalue(tuple, descriptor, 3);

		check_member(name, type, conninfo);
		members->item[i].name = MemoryContextStrdup(context, name);
		members->item[i].conninfo = MemoryContextStrdup(context, raft_conninfo_normalize(conninfo, false));
		members->item[i].place = MemoryContextStrdup(context, raft_conninfo_normalize(conninfo, true));
	}
	SPI_finish();

	qsort(members->item, members->n, sizeof(RaftGivenMember), compare_names);
	check_unique(members);
}

RaftNodeId
raft_members_find(const RaftGivenMembers *members, const char *name)
{
	for (int i = 0; i < members->n; i++)
	{
		if (strcmp(members->item[i].name, name) == 0)
			return (RaftNodeId) (i + 1);
	}
	return 0;
}

/* Each part with its length: no two different lists give the same text. */
static void
append_part(StringInfo text, const char *part)
{
	appendStringInfo(text, "%zu:%s\n", strlen(part), part);
}

void
raft_members_group_id(const RaftGivenMembers *members, const char *cluster_name,
					  uint8 group_id[RAFT_GROUP_ID_BYTES])
{
	StringInfoData text;
	Datum		digest;

	initStringInfo(&text);
	append_part(&text, "raft_pg 1");
	append_part(&text, cluster_name);
	for (int i = 0; i < members->n; i++)
	{
		append_part(&text, members->item[i].name);
		append_part(&text, members->item[i].place);
	}
	digest = DirectFunctionCall1(sha256_bytea,
								 PointerGetDatum(cstring_to_text_with_len(text.data, text.len)));
	memcpy(group_id, VARDATA_ANY(DatumGetByteaPP(digest)), RAFT_GROUP_ID_BYTES);
}

bytea *
raft_members_bootstrap(const RaftGivenMembers *members)
{
	RaftMemberInfo info[RAFT_MAX_MEMBERS];
	bytea	   *bootstrap = palloc(VARHDRSZ + RAFT_MAX_CONFIG_BYTES);
	size_t		size;

	for (int i = 0; i < members->n; i++)
	{
		const RaftGivenMember *member = &members->item[i];

		info[i].id = (RaftNodeId) (i + 1);
		info[i].flags = RAFT_MEMBER_VOTER;
		info[i].log_id = 0;		/* not known yet: see src/node/formation.c */
		info[i].name = member->name;
		info[i].name_size = (uint8) strlen(member->name);
		info[i].conninfo = member->conninfo;
		info[i].conninfo_size = (uint16) strlen(member->conninfo);
	}
	size = raft_config_encode((uint8 *) VARDATA(bootstrap), RAFT_MAX_CONFIG_BYTES,
							  info, (uint32) members->n);
	if (size == 0)
		elog(ERROR, "could not encode the members");
	SET_VARSIZE(bootstrap, VARHDRSZ + size);
	return bootstrap;
}

Datum
raft_members_jsonb(const RaftGivenMembers *members)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < members->n; i++)
	{
		if (i > 0)
			appendStringInfoString(&text, ", ");
		escape_json(&text, members->item[i].name);
		appendStringInfoString(&text, ": ");
		escape_json(&text, members->item[i].conninfo);
	}
	appendStringInfoChar(&text, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
}
