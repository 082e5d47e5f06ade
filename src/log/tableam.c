/*-------------------------------------------------------------------------
 *
 * tableam.c
 *	  The table access method raft_log: SELECT reads the log, and nothing else
 *	  that SQL can say touches its pages.
 *
 * A heap table would be pruned, vacuumed, truncated, clustered and copied by
 * statements that know nothing of the log.  Here each of them ends in an error,
 * except for VACUUM and ANALYZE, which find nothing to do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/storage.h"
#include "commands/extension.h"
#include "commands/vacuum.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/smgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "log/scan.h"

RAFT_SQL_FUNCTION(raft_log_handler);

pg_noreturn static void refuse_change(Relation rel);
pg_noreturn static void refuse_index(Relation rel);

static void
refuse_change(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot change \"%s\" by SQL", RelationGetRelationName(rel)),
			 errdetail("The table is the log of a Raft group."),
			 errhint("Append entries with raft_propose().")));
}

static void
refuse_index(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot create an index on \"%s\"", RelationGetRelationName(rel)),
			 errdetail("The table is the log of a Raft group.")));
}

/* --- slots --- */

static const TupleTableSlotOps *
log_slot_callbacks(Relation rel)
{
	return &TTSOpsVirtual;
}

/* --- rows by address --- */

/* An address of no entry is harmless: raft_fetch_row() finds none. */
static bool
log_tuple_tid_valid(TableScanDesc scan, ItemPointer tid)
{
	return true;
}

static void
log_tuple_get_latest_tid(TableScanDesc scan, ItemPointer tid)
{
}

static bool
log_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot)
{
	return true;
}

/* --- refused: changes of rows --- */

static void
log_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid, RaftInsertOptions options,
				 struct BulkInsertStateData *bistate)
{
	refuse_change(rel);
}

static void
log_tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid, RaftInsertOptions options,
							 struct BulkInsertStateData *bistate, uint32 specToken)
{
	refuse_change(rel);
}

static void
log_tuple_complete_speculative(Relation rel, TupleTableSlot *slot, uint32 specToken,
							   bool succeeded)
{
	refuse_change(rel);
}

static void
log_multi_insert(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid,
				 RaftInsertOptions options, struct BulkInsertStateData *bistate)
{
	refuse_change(rel);
}

static TM_Result
log_tuple_delete(Relation rel, ItemPointer tid, RAFT_CHANGE_ARGS, Snapshot snapshot,
				 Snapshot crosscheck, bool wait, RAFT_DELETE_LAST_ARGS)
{
	refuse_change(rel);
}

static TM_Result
log_tuple_update(Relation rel, ItemPointer otid, TupleTableSlot *slot, RAFT_CHANGE_ARGS,
				 Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData *tmfd,
				 LockTupleMode *lockmode, TU_UpdateIndexes *update_indexes)
{
	refuse_change(rel);
}

static TM_Result
log_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
			   CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy,
			   uint8 flags, TM_FailureData *tmfd)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot lock rows of \"%s\"", RelationGetRelationName(rel)),
			 errdetail("The table is the log of a Raft group.")));
}

/* --- refused: indexes --- */

static struct IndexFetchTableData *
log_index_fetch_begin(RAFT_INDEX_FETCH_ARGS)
{
	refuse_index(rel);
}

static void
log_index_fetch_reset(struct IndexFetchTableData *data)
{
	refuse_index(data->rel);
}

static void
log_index_fetch_end(struct IndexFetchTableData *data)
{
	refuse_index(data->rel);
}

static bool
log_index_fetch_tuple(struct IndexFetchTableData *data, ItemPointer tid, Snapshot snapshot,
					  TupleTableSlot *slot, bool *call_again, bool *all_dead)
{
	refuse_index(data->rel);
}

static TransactionId
log_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate)
{
	refuse_index(rel);
}

static double
log_index_build_range_scan(Relation table, Relation index, struct IndexInfo *index_info,
						   bool allow_sync, bool anyvisible, bool progress,
						   BlockNumber start_blockno, BlockNumber numblocks,
						   IndexBuildCallback callback, void *callback_state,
						   TableScanDesc scan)
{
	refuse_index(table);
}

static void
log_index_validate_scan(Relation table, Relation index, struct IndexInfo *index_info,
						Snapshot snapshot, struct ValidateIndexState *state)
{
	refuse_index(table);
}

/* --- storage --- */

/*
 * Also TRUNCATE and whatever rewrites a table come here for a new file: only
 * the extension's own script gets one, and pg_upgrade, which brings the old
 * file along.
 */
static void
log_set_new_file(Relation rel, const RaftRelFile *file, char persistence,
				 TransactionId *freezeXid, MultiXactId *minmulti)
{
	bool		ours = creating_extension &&
		strcmp(get_extension_name(CurrentExtensionObject), RAFT_EXTENSION) == 0;

	/* an existing table, or the transient one that would replace it */
	if (rel->rd_createSubid == InvalidSubTransactionId ||
		strncmp(RelationGetRelationName(rel), "pg_temp_", strlen("pg_temp_")) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rewrite or truncate a table of access method \"raft_log\""),
				 errdetail("The table is the log of a Raft group.")));
	if (!ours && !IsBinaryUpgrade)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create table \"%s\" with access method \"raft_log\"",
						RelationGetRelationName(rel)),
				 errdetail("Only extension %s creates such a table, for the log of a Raft group.",
						   RAFT_EXTENSION)));
	if (rel->rd_rel->relkind != RELKIND_RELATION || persistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the log of a Raft group must be a permanent table")));

	/* no row carries a transaction id */
	*freezeXid = InvalidTransactionId;
	*minmulti = InvalidMultiXactId;
	smgrclose(RelationCreateStorage(*file, persistence, true));
}

static void
log_nontransactional_truncate(Relation rel)
{
	refuse_change(rel);
}

static void
log_copy_data(Relation rel, const RaftRelFile *file)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot move \"%s\" to another tablespace", RelationGetRelationName(rel)),
			 errdetail("The table is the log of a Raft group.")));
}

static void
log_copy_for_cluster(Relation old_table, Relation new_table, Relation old_index,
					 bool use_sort, RAFT_CLUSTER_XMIN_ARGS, TransactionId *xid_cutoff,
					 MultiXactId *multi_cutoff, double *num_tuples,
					 double *tups_vacuumed, double *tups_recently_dead)
{
	refuse_change(old_table);
}

/* --- maintenance: nothing to do --- */

static void
log_vacuum(Relation rel, RAFT_VACUUM_PARAMS, BufferAccessStrategy strategy)
{
}

static bool
log_analyze_next_block(TableScanDesc scan, RAFT_ANALYZE_BLOCK_ARGS)
{
	return false;
}

static bool
log_analyze_next_tuple(RAFT_ANALYZE_TUPLE_ARGS, double *liverows,
					   double *deadrows, TupleTableSlot *slot)
{
	return false;
}

static bool
log_sample_next_block(TableScanDesc scan, struct SampleScanState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot sample \"%s\"", RelationGetRelationName(scan->rs_rd)),
			 errdetail("The table is the log of a Raft group.")));
}

static bool
log_sample_next_tuple(TableScanDesc scan, struct SampleScanState *state, TupleTableSlot *slot)
{
	return false;
}

static bool
log_needs_toast_table(Relation rel)
{
	return false;
}

/* The planner's idea of the table: what the entries occupy, not the whole ring. */
static void
log_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages, double *tuples,
				  double *allvisfrac)
{
	RaftLogReader *reader = raft_log_reader_for(rel);
	RaftIndex	first;
	RaftIndex	last;

	raft_log_reader_range(reader, &first, &last, pages);
	raft_log_reader_free(reader);
	*tuples = last < first ? 0 : (double) (last - first + 1);
	*allvisfrac = 0;
}

static const TableAmRoutine log_routine = {
	.type = T_TableAmRoutine,

	.slot_callbacks = log_slot_callbacks,

	.scan_begin = raft_scan_begin,
	.scan_end = raft_scan_end,
	.scan_rescan = raft_scan_rescan,
	.scan_getnextslot = raft_scan_getnextslot,
	.parallelscan_estimate = table_block_parallelscan_estimate,
	.parallelscan_initialize = table_block_parallelscan_initialize,
	.parallelscan_reinitialize = table_block_parallelscan_reinitialize,

	.index_fetch_begin = log_index_fetch_begin,
	.index_fetch_reset = log_index_fetch_reset,
	.index_fetch_end = log_index_fetch_end,
	.index_fetch_tuple = log_index_fetch_tuple,

	.tuple_fetch_row_version = raft_fetch_row,
	.tuple_tid_valid = log_tuple_tid_valid,
	.tuple_get_latest_tid = log_tuple_get_latest_tid,
	.tuple_satisfies_snapshot = log_tuple_satisfies_snapshot,
	.index_delete_tuples = log_index_delete_tuples,

	.tuple_insert = log_tuple_insert,
	.tuple_insert_speculative = log_tuple_insert_speculative,
	.tuple_complete_speculative = log_tuple_complete_speculative,
	.multi_insert = log_multi_insert,
	.tuple_delete = log_tuple_delete,
	.tuple_update = log_tuple_update,
	.tuple_lock = log_tuple_lock,

	.relation_set_new_filelocator = log_set_new_file,
	.relation_nontransactional_truncate = log_nontransactional_truncate,
	.relation_copy_data = log_copy_data,
	.relation_copy_for_cluster = log_copy_for_cluster,
	.relation_vacuum = log_vacuum,
	.scan_analyze_next_block = log_analyze_next_block,
	.scan_analyze_next_tuple = log_analyze_next_tuple,
	.index_build_range_scan = log_index_build_range_scan,
	.index_validate_scan = log_index_validate_scan,

	.relation_size = table_block_relation_size,
	.relation_needs_toast_table = log_needs_toast_table,
	.relation_estimate_size = log_estimate_size,

	.scan_sample_next_block = log_sample_next_block,
	.scan_sample_next_tuple = log_sample_next_tuple,
};

/* --- finding the log: by what it is, whatever its name --- */

static bool
is_our_method(Oid method)
{
	HeapTuple	tuple;
	Oid			handler;

	if (!OidIsValid(method) || method == HEAP_TABLE_AM_OID)
		return false;
	tuple = SearchSysCache1(AMOID, ObjectIdGetDatum(method));
	if (!HeapTupleIsValid(tuple))
		return false;
	handler = ((Form_pg_am) GETSTRUCT(tuple))->amhandler;
	ReleaseSysCache(tuple);
	return GetTableAmRoutine(handler) == &log_routine;
}

bool
raft_log_is_relation(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Form_pg_class form;
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	ours = form->relkind == RELKIND_RELATION && is_our_method(form->relam);
	ReleaseSysCache(tuple);
	return ours;
}

Oid
raft_log_find_relation(void)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(catalog, 0, NULL);
	Oid			found = InvalidOid;
	HeapTuple	tuple;

	while (!OidIsValid(found) &&
		   HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_RELATION && is_our_method(form->relam))
			found = form->oid;
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

Datum
raft_log_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&log_routine);
}
