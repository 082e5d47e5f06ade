/*-------------------------------------------------------------------------
 *
 * skips.c
 *	  The table raft.skips: commands that the group has decided not to execute.
 *
 * A row says that such a command has no effects in this database: because it was not
 * executed, or because a superuser has taken them back and vouches for it.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/table.h"
#include "access/xact.h"
#include "tables/skips.h"
#include "tables/table.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Columns of raft.skips (raft_skips_table). */
enum
{
	SKIP_INDEX,
	SKIP_DECIDED_AT,
	SKIP_EXECUTED,
	SKIP_NOTED_AT,
	SKIP_COLUMNS
};

void
raft_skips_add(RaftIndex index, RaftIndex decided_at, bool executed)
{
	Relation	relation = raft_table_open(&raft_skips_table, RowExclusiveLock);
	Datum		values[SKIP_COLUMNS];
	bool		nulls[SKIP_COLUMNS] = {false};

	values[SKIP_INDEX] = Int64GetDatum((int64) index);
	values[SKIP_DECIDED_AT] = Int64GetDatum((int64) decided_at);
	values[SKIP_EXECUTED] = BoolGetDatum(executed);
	values[SKIP_NOTED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	raft_table_insert(relation, values, nulls);
	CommandCounterIncrement();	/* the entry that decided it may follow in the same transaction */
	table_close(relation, NoLock);
}

bool
raft_skips_contain(RaftIndex index)
{
	return raft_table_contains(&raft_skips_table, SKIP_INDEX, (int64) index);
}
