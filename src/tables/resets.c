/*-------------------------------------------------------------------------
 *
 * resets.c
 *	  The table raft.resets: what raft_reset_identity() has allowed.
 *
 * A row names the last start before it.  The start that makes use of it draws
 * another number, so each row serves once, and a copy that has started since cannot use it.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/table.h"
#include "miscadmin.h"
#include "tables/resets.h"
#include "tables/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Columns of raft.resets (raft_resets_table). */
enum
{
	RESET_INCARNATION,
	RESET_AT,
	RESET_BY,
	RESET_COLUMNS
};

void
raft_resets_add(uint64 incarnation)
{
	Relation	relation = raft_table_open(&raft_resets_table, RowExclusiveLock);
	NameData	user;
	Datum		values[RESET_COLUMNS];
	bool		nulls[RESET_COLUMNS] = {false};

	namestrcpy(&user, GetUserNameFromId(GetUserId(), false));
	values[RESET_INCARNATION] = Int64GetDatum((int64) incarnation);
	values[RESET_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[RESET_BY] = NameGetDatum(&user);

	raft_table_insert(relation, values, nulls);
	table_close(relation, NoLock);
}

bool
raft_resets_contain(uint64 incarnation)
{
	return raft_table_contains(&raft_resets_table, RESET_INCARNATION, (int64) incarnation);
}
