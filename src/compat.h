/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the PostgreSQL versions that raft_pg supports.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_COMPAT_H
#define RAFT_COMPAT_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "storage/buf.h"
#include "storage/smgr.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "raft_pg needs PostgreSQL 15 or later"
#endif

/*
 * The library exports what PostgreSQL looks up in it, and nothing else (the Makefile hides the
 * rest): a library loaded before could define any other name, too.  16 marks what is to be
 * exported, and the functions of PG_FUNCTION_INFO_V1 with it; 15 has only the word.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif
#define RAFT_SQL_FUNCTION(name) \
extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
PG_FUNCTION_INFO_V1(name)

/* The physical identity of a relation got a new name in 16. */
#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
typedef RelFileLocator RaftRelFile;
#define raft_rel_file(relation)		((relation)->rd_locator)
#else
#include "storage/relfilenode.h"
typedef RelFileNode RaftRelFile;
#define raft_rel_file(relation)		((relation)->rd_node)
#endif

/* Backends are numbered by MyBackendId (from 1) until 16, by MyProcNumber (from 0) since. */
#if PG_VERSION_NUM >= 170000
#define raft_my_backend_slot()		((int) MyProcNumber)
#else
#define raft_my_backend_slot()		((int) MyBackendId - 1)
#endif

/* Extensions name their own wait events since 17. */
#if PG_VERSION_NUM >= 170000
#define raft_wait_event_new(name)	WaitEventExtensionNew(name)
#define RAFT_WAIT_EVENT_LOOK_MS		20	/* is it still the right one?  At first after this, .. */
#else
#define raft_wait_event_new(name)	((void) (name), PG_WAIT_EXTENSION)
#define RAFT_WAIT_EVENT_LOOK_MS		0	/* there is but one */
#endif
#define RAFT_WAIT_EVENT_LOOK_MAX_MS	1000	/* .. at last each time after this */

/* A wait-event set belongs to a memory context until 16, to a resource owner (or none) since. */
#if PG_VERSION_NUM >= 170000
#define raft_create_wait_event_set(n_events)	CreateWaitEventSet(NULL, n_events)
#else
#define raft_create_wait_event_set(n_events)	CreateWaitEventSet(TopMemoryContext, n_events)
#endif

/* Has the client sent bytes that the backend has received and not yet read? */
#if PG_VERSION_NUM >= 170000
#define raft_client_bytes_buffered()	(pq_buffer_remaining_data() > 0)
#else
#define raft_client_bytes_buffered()	pq_buffer_has_data()
#endif

/* The executor's run has no "execute_once" since 18. */
#if PG_VERSION_NUM >= 180000
#define RAFT_EXECUTOR_RUN_PARAMS	QueryDesc *query, ScanDirection direction, uint64 count
#define RAFT_EXECUTOR_RUN_ARGS		query, direction, count
#else
#define RAFT_EXECUTOR_RUN_PARAMS \
	QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define RAFT_EXECUTOR_RUN_ARGS		query, direction, count, execute_once
#endif

/* Rights to check are kept apart from the range table since 16. */
#if PG_VERSION_NUM >= 160000
#define RAFT_CHECK_PERMS_PARAMS		List *range_table, List *permissions, bool complain
#define RAFT_CHECK_PERMS_ARGS		range_table, permissions, complain
#define RaftPermissions				RTEPermissionInfo
#else
#define RAFT_CHECK_PERMS_PARAMS		List *permissions, bool complain
#define RAFT_CHECK_PERMS_ARGS		permissions, complain
#define RaftPermissions				RangeTblEntry
#endif

/* Ends the session as pg_terminate_backend() does; since 17. */
#if PG_VERSION_NUM >= 170000
#define RAFT_ERRCODE_TRANSACTION_TIMEOUT	ERRCODE_TRANSACTION_TIMEOUT
#else
#define RAFT_ERRCODE_TRANSACTION_TIMEOUT	ERRCODE_ADMIN_SHUTDOWN
#endif

/* For functions that do not return: 18's word, which stands first. */
#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

/* Storage below the buffers. */
#if PG_VERSION_NUM >= 170000
#define raft_smgropen(file)			smgropen(file, INVALID_PROC_NUMBER)
#else
#define raft_smgropen(file)			smgropen(file, InvalidBackendId)
#endif

/* The locale of a database whose provider is not libc: for any other since 17, for ICU before. */
#if PG_VERSION_NUM >= 170000
#define RAFT_DATABASE_LOCALE_COLUMN Anum_pg_database_datlocale
#else
#define RAFT_DATABASE_LOCALE_COLUMN Anum_pg_database_daticulocale
#endif

/* Path of the main fork's first file, palloc'd or static as the version has it. */
#if PG_VERSION_NUM >= 180000
#define raft_rel_path(file)			pstrdup(relpathperm(file, MAIN_FORKNUM).str)
#else
#define raft_rel_path(file)			relpathperm(file, MAIN_FORKNUM)
#endif

/* Appends zeroed blocks from .. to - 1 to the main fork. */
static inline void
raft_smgr_zeroextend(SMgrRelation smgr, BlockNumber from, BlockNumber to)
{
#if PG_VERSION_NUM >= 160000
	smgrzeroextend(smgr, MAIN_FORKNUM, from, (int) (to - from), false);
#else
	PGAlignedBlock zeroes;

	memset(zeroes.data, 0, BLCKSZ);
	for (BlockNumber block = from; block < to; block++)
		smgrextend(smgr, MAIN_FORKNUM, block, zeroes.data, false);
#endif
}

/* Cuts the main fork to nothing. */
static inline void
raft_smgr_empty(SMgrRelation smgr)
{
	ForkNumber	fork = MAIN_FORKNUM;
	BlockNumber length = 0;
#if PG_VERSION_NUM >= 180000
	BlockNumber before = smgrnblocks(smgr, fork);

	smgrtruncate(smgr, &fork, 1, &before, &length);
#else
	smgrtruncate(smgr, &fork, 1, &length);
#endif
}

/* The table access method's interface, by its names since 17. */
#if PG_VERSION_NUM < 160000
#define relation_set_new_filelocator	relation_set_new_filenode
typedef bool TU_UpdateIndexes;
#endif
#if PG_VERSION_NUM >= 170000
#define RAFT_ANALYZE_BLOCK_ARGS		struct ReadStream *stream
#else
#define RAFT_ANALYZE_BLOCK_ARGS		BlockNumber block, BufferAccessStrategy strategy
#endif

/* A primary key that is deferrable is one on request since 18. */
#if PG_VERSION_NUM >= 180000
#define raft_primary_key(relation)	RelationGetPrimaryKeyIndex(relation, false)
#else
#define raft_primary_key(relation)	RelationGetPrimaryKeyIndex(relation)
#endif

/* 19 gave several callbacks a word of options, and took some arguments from them. */
#if PG_VERSION_NUM >= 190000
typedef uint32 RaftInsertOptions;
#define RAFT_INDEX_FETCH_ARGS		Relation rel, uint32 flags
#define RAFT_CHANGE_ARGS			CommandId cid, uint32 options
#define RAFT_DELETE_LAST_ARGS		TM_FailureData *tmfd
#define RAFT_CLUSTER_XMIN_ARGS		TransactionId oldest_xmin, Snapshot snapshot
#define RAFT_VACUUM_PARAMS			const VacuumParams *params
#define RAFT_ANALYZE_TUPLE_ARGS		TableScanDesc scan
#else
typedef int RaftInsertOptions;
#define RAFT_INDEX_FETCH_ARGS		Relation rel
#define RAFT_CHANGE_ARGS			CommandId cid
#define RAFT_DELETE_LAST_ARGS		TM_FailureData *tmfd, bool changingPart
#define RAFT_CLUSTER_XMIN_ARGS		TransactionId oldest_xmin
#define RAFT_VACUUM_PARAMS			struct VacuumParams *params
#define RAFT_ANALYZE_TUPLE_ARGS		TableScanDesc scan, TransactionId oldest_xmin
#endif

/* A sequential scan without keys. */
#if PG_VERSION_NUM >= 190000
#define raft_beginscan(rel, snapshot)	table_beginscan(rel, snapshot, 0, NULL, SO_NONE)
#else
#define raft_beginscan(rel, snapshot)	table_beginscan(rel, snapshot, 0, NULL)
#endif

/* Prunes a heap page when that is worth it; 19 looks at the visibility map as well. */
#if PG_VERSION_NUM >= 190000
#define raft_prune_page(rel, buffer) \
	do { \
		Buffer		raft_map = InvalidBuffer; \
		heap_page_prune_opt(rel, buffer, &raft_map, false); \
		if (BufferIsValid(raft_map)) \
			ReleaseBuffer(raft_map); \
	} while (0)
#else
#define raft_prune_page(rel, buffer)	heap_page_prune_opt(rel, buffer)
#endif

/* One check of ownership for all kinds of objects since 16. */
#if PG_VERSION_NUM >= 160000
#define raft_function_ownercheck(oid, role) \
	object_ownercheck(ProcedureRelationId, oid, role)
#else
#define raft_function_ownercheck(oid, role)	pg_proc_ownercheck(oid, role)
#endif

/* Who may vacuum a table is more than its owner since 17; complains when it is not the caller. */
#if PG_VERSION_NUM >= 170000
#define raft_may_vacuum(oid, form) \
	vacuum_is_permitted_for_relation(oid, form, VACOPT_VACUUM)
#else
#define raft_may_vacuum(oid, form)	vacuum_is_relation_owner(oid, form, VACOPT_VACUUM)
#endif

/* REPACK since 19: is it one of all tables, in no index's order? */
static inline bool
raft_is_repack_of_all(Node *statement, List **options)
{
#if PG_VERSION_NUM >= 190000
	if (IsA(statement, RepackStmt))
	{
		RepackStmt *repack = (RepackStmt *) statement;

		*options = repack->params;
		return repack->relation == NULL && !repack->usingindex;
	}
#endif
	(void) statement;
	(void) options;
	return false;
}

/* 17 lost old_snapshot_threshold, and its error class with it. */
#ifndef ERRCODE_SNAPSHOT_TOO_OLD
#define ERRCODE_SNAPSHOT_TOO_OLD	MAKE_SQLSTATE('7', '2', '0', '0', '0')
#endif

#endif							/* RAFT_COMPAT_H */
