/*-------------------------------------------------------------------------
 *
 * session.c
 *	  The session in which commands are applied: its settings, its transactions,
 *	  and what a command must not leave behind in it.
 *
 * Exactly once rests on the transactions: what the applier publishes as applied has
 * to be committed.  So each begins where none is open, is proved to be committed
 * before anybody hears of it, and an error leaves every level of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "apply/apply.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "stop_point.h"
#include "storage/condition_variable.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/portal.h"

/* --- settings --- */

typedef struct ForcedSetting
{
	const char *name;
	const char *value;
	int			since;			/* PG_VERSION_NUM; 0 = always */
} ForcedSetting;

/*
 * The same settings for every command on every node, whatever the configuration
 * file, the database or the role say: above all nothing that ends a command
 * early, and nothing that gives the same words another meaning.  README.md lists them.
 */
static const ForcedSetting forced_settings[] = {
	/* the transaction */
	{"synchronous_commit", "off", 0},
	{"default_transaction_isolation", "read committed", 0},
	{"default_transaction_read_only", "off", 0},
	{"default_transaction_deferrable", "off", 0},
	{"session_replication_role", "origin", 0},
	{"row_security", "on", 0},
	{"zero_damaged_pages", "off", 0},
	{"ignore_checksum_failure", "off", 0},
	{"allow_system_table_mods", "off", 0},
	{"event_triggers", "on", 170000},

	/* its end */
	{"statement_timeout", "0", 0},
	{"lock_timeout", "0", 0},
	{"idle_in_transaction_session_timeout", "0", 0},
	{"transaction_timeout", "0", 170000},
	{"exit_on_error", "off", 0},

	/* what SQL means */
	{"search_path", "\"$user\", public", 0},
	{"standard_conforming_strings", "on", 0},
	{"backslash_quote", "safe_encoding", 0},
	{"transform_null_equals", "off", 0},
	{"array_nulls", "on", 0},
	{"quote_all_identifiers", "off", 0},
	{"xmloption", "content", 0},
	{"xmlbinary", "base64", 0},
	{"default_text_search_config", "pg_catalog.simple", 0},
	{"default_table_access_method", "heap", 0},
	{"default_tablespace", "", 0},
	{"check_function_bodies", "on", 0},
	{"lo_compat_privileges", "off", 0},
	{"createrole_self_grant", "", 160000},
	{"plpgsql.variable_conflict", "error", 0},
	{"plpgsql.check_asserts", "on", 0},
	{"plpgsql.extra_errors", "none", 0},

	/* how values are read and written; raft.failures reads the same everywhere */
	{"lc_messages", "C", 0},
	{"lc_monetary", "C", 0},
	{"lc_numeric", "C", 0},
	{"lc_time", "C", 0},
	{"datestyle", "ISO, MDY", 0},
	{"intervalstyle", "postgres", 0},
	{"timezone", "UTC", 0},
	{"timezone_abbreviations", "Default", 0},
	{"bytea_output", "hex", 0},
	{"extra_float_digits", "1", 0},

	/* in which order rows come, and how many */
	{"synchronize_seqscans", "off", 0},
	{"max_parallel_workers_per_gather", "0", 0},
	{"gin_fuzzy_search_limit", "0", 0},
};

/*
 * PGC_S_OVERRIDE ranks above the configuration file, also when that is read again, and
 * above ALTER DATABASE and ALTER ROLE; a function's own SET clause ranks higher, and
 * is part of the function.
 */
void
raft_session_force_settings(void)
{
	for (int i = 0; i < (int) lengthof(forced_settings); i++)
	{
		if (PG_VERSION_NUM >= forced_settings[i].since)
			SetConfigOption(forced_settings[i].name, forced_settings[i].value,
							PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/* --- transactions --- */

/*
 * Neither of the two errors below can be mended from within: the process ends, which rolls
 * back whatever is open, and its successor goes on from what the table says.
 */
void
raft_session_begin(void)
{
	if (IsTransactionOrTransactionBlock())
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a transaction is open where the applier begins one")));
	StartTransactionCommand();
}

void
raft_session_commit(void)
{
	TransactionId xid = GetTopTransactionIdIfAny();

	CommitTransactionCommand();
	if (TransactionIdIsValid(xid))
		raft_stop_point("committed");
	if (IsTransactionOrTransactionBlock() ||
		(TransactionIdIsValid(xid) && !TransactionIdDidCommit(xid)))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a transaction of the applier did not commit")));
}

/* From within any number of subtransactions. */
void
raft_session_abort(void)
{
	AbortOutOfAnyTransaction();
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	raft_session_release_locks();
}

/* --- leftovers --- */

/* Advisory locks of the session outlive the transaction, and its rollback. */
void
raft_session_release_locks(void)
{
	LockReleaseSession(USER_LOCKMETHOD);
}

/*
 * Most of this is refused to a command in SQL (machine.c); functions in C may do
 * as they like.  At the end of a transaction.
 */
void
raft_session_discard(void)
{
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	Async_UnlistenAll();
	ResetTempTableNamespace();
	ResetSequenceCaches();
	raft_session_release_locks();
}
