/*-------------------------------------------------------------------------
 *
 * environment.c
 *	  What a database must have in common with those of the other members.
 *
 * The same command has to have the same effect on every node.  What a session can set, the
 * applier sets (apply/session.c); what was decided when the database was created
 * is told at the beginning of each stream, and a node whose database is another
 * one is not listened to.
 *
 * The major version is not among it: members are upgraded one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "net/environment.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

/* Columns of pg_database that count, and what they are called. */
static const struct
{
	const char *name;
	AttrNumber	column;
}			locale_columns[] = {
	{"collate", Anum_pg_database_datcollate},
	{"ctype", Anum_pg_database_datctype},
	{"locale", RAFT_DATABASE_LOCALE_COLUMN},
};

/* The same locale goes by "C.UTF-8", "C.utf8" and the like. */
static void
append_locale_name(StringInfo out, const char *name)
{
	for (; *name != '\0'; name++)
	{
		if (*name != '-')
			appendStringInfoChar(out, (char) pg_tolower((unsigned char) *name));
	}
}

char *
raft_environment(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	StringInfoData out;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);

	initStringInfo(&out);
	appendStringInfo(&out, "encoding %s, locale provider \"%c\"", GetDatabaseEncodingName(),
					 ((Form_pg_database) GETSTRUCT(tuple))->datlocprovider);
	for (int i = 0; i < (int) lengthof(locale_columns); i++)
	{
		bool		isnull;
		Datum		value = SysCacheGetAttr(DATABASEOID, tuple, locale_columns[i].column, &isnull);

		if (isnull)
			continue;
		appendStringInfo(&out, ", %s \"", locale_columns[i].name);
		append_locale_name(&out, TextDatumGetCString(value));
		appendStringInfoChar(&out, '"');
	}
	ReleaseSysCache(tuple);
	return out.data;
}

void
raft_environment_check(const char *name, const char *environment)
{
	const char *ours = raft_environment();

	if (strcmp(ours, environment) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("database of Raft node \"%s\" is not compatible with this one", name),
			 errdetail("It has %s; this one has %s. The same command could have different effects on them.",
					   environment, ours),
			 errhint("Create the databases of all members with the same encoding and locale.")));
}
