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
} ForcedSetting;

/*
 * The same settings for every command on every node, whatever the configuration
 * file, the database or the role say: above all nothing that ends a command
 * early, and nothing that gives the same words another meaning.  README.md lists them.
 * Not every version of PostgreSQL has all of them.
 */
static const ForcedSetting forced_settings[] = {
	/* the transaction */
	{"synchronous_commit", "off"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"session_replication_role", "origin"},
	{"row_security", "on"},
	{"zero_damaged_pages", "off"},
	{"ignore_checksum_failure", "off"},
	{"allow_system_table_mods", "off"},
	{"event_triggers", "on"},

	/* its end */
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"transaction_timeout", "0"},
	{"exit_on_error", "off"},

	/* what SQL means */
	{"search_path", "\"$user\", public"},
	{"standard_conforming_strings", "on"},
	{"backslash_quote", "safe_encoding"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"quote_all_identifiers", "off"},
	{"xmloption", "content"},
	{"xmlbinary", "base64"},
	{"default_text_search_config", "pg_catalog.simple"},
	{"default_table_access_method", "heap"},
	{"default_tablespace", ""},
	{"check_function_bodies", "on"},
	{"lo_compat_privileges", "off"},
	{"createrole_self_grant", ""},
	{"plpgsql.variable_conflict", "error"},
	{"plpgsql.check_asserts", "on"},
	{"plpgsql.extra_errors", "none"},

	/* how values are read and written; raft.failures reads the same everywhere */
	{"lc_messages", "C"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"datestyle", "ISO, MDY"},
	{"intervalstyle", "postgres"},
	{"timezone", "UTC"},
	{"timezone_abbreviations", "Default"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},

	/* in which order rows come, and how many */
	{"synchronize_seqscans", "off"},
	{"max_parallel_workers_per_gather", "0"},
	{"gin_fuzzy_search_limit", "0"},
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
		const ForcedSetting *setting = &forced_settings[i];

		/* a library's own settings may come with the library, later */
		if (strchr(setting->name, '.') != NULL ||
			GetConfigOption(setting->name, true, false) != NULL)
			SetConfigOption(setting->name, setting->value, PGC_SUSET, PGC_S_OVERRIDE);
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
