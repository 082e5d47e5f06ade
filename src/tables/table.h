/*-------------------------------------------------------------------------
 *
 * table.h
 *	  The extension's own tables, as this version of the library knows them.
 *
 * They are read and written directly, not by SQL: a trigger or a rule that somebody has
 * put on them must not run in here, with a superuser's rights.  Others are kept from
 * writing, and from locking, by the guard; and by a trigger (raft.refuse_change), which sees
 * TRUNCATE, and holds while the library is not preloaded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TABLE_H
#define RAFT_TABLE_H

#include "raft_pg.h"

#include "access/htup.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

typedef struct RaftColumn
{
	const char *name;
	Oid			type;
	bool		nullable;
} RaftColumn;

/* Whose DELETE is allowed; nothing else is, to anybody. */
typedef enum RaftDeleter
{
	RAFT_DELETE_NOBODY,
	RAFT_DELETE_SUPERUSER,
	RAFT_DELETE_ANYBODY			/* who has the right */
} RaftDeleter;

typedef struct RaftTable
{
	const char *name;			/* in schema raft */
	RaftDeleter deleter;		/* as the triggers of the script have it */
	int			n_columns;
	const RaftColumn *columns;
} RaftTable;

extern const RaftTable raft_node_table;
extern const RaftTable raft_applied_table;
extern const RaftTable raft_failures_table;
extern const RaftTable raft_peers_table;
extern const RaftTable raft_resets_table;
extern const RaftTable raft_skips_table;

/* Most columns of any of them. */
#define RAFT_TABLE_MAX_COLUMNS	8

/*
 * ERROR 55000 when the table has another shape than the library knows.  A reader
 * (AccessShareLock) tolerates further columns, of a later version of the extension.
 */
extern Relation raft_table_open(const RaftTable *table, LOCKMODE mode);

/* Would it be opened so, for reading? */
extern bool raft_table_is_known(const RaftTable *table, Relation relation);

/*
 * ERROR 55000 unless all of them are exactly what the library knows.  Waits for nobody but who
 * keeps readers out.
 */
extern void raft_tables_check(void);

/* Which of them a relation is; NULL = none. */
extern const RaftTable *raft_table_find(Oid relation);

/* ERROR 42501 for a change that is not raft_pg's own. */
pg_noreturn extern void raft_table_refuse_change(const char *name);

/* The known columns of a tuple. */
extern void raft_table_deform(const RaftTable *table, Relation relation, HeapTuple tuple,
							  Datum *values, bool *nulls);

/* Is there a row with this value in the bigint column?  What others have just committed counts. */
extern bool raft_table_contains(const RaftTable *table, int column, int64 value);

extern void raft_table_insert(Relation relation, Datum *values, bool *nulls);

/* Puts the known columns in the place of the old tuple's; the new one's address is returned. */
extern ItemPointerData raft_table_update(Relation relation, HeapTuple old,
										 Datum *values, bool *nulls);

#endif							/* RAFT_TABLE_H */
