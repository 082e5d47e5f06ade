/*-------------------------------------------------------------------------
 *
 * machine.c
 *	  Hands one command to the function set by raft_set_apply(), and tells
 *	  errors of commands from errors of this server.
 *
 * The applier is a superuser and the commands come from whoever may propose, so the
 * function runs as its owner, in a security-restricted operation, as index
 * expressions do in maintenance commands.  Whatever it could leave behind for
 * later, to run as the superuser or to change what the next command does, is
 * forbidden or undone: settings are rolled back, deferred constraints are checked at
 * once, temporary tables, held cursors and prepared statements are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "apply/apply.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

struct RaftMachine
{
	FmgrInfo	function;
	Oid			owner;
	MemoryContext command_context;	/* reset after each command */
};

/*
 * A command that failed for one of these reasons would fail differently, or not at
 * all, on another node or at another time.
 */
bool
raft_error_is_deterministic(int sqlstate)
{
	switch (sqlstate)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_STATEMENT_TOO_COMPLEX: /* max_stack_depth is a setting of this server */
			return false;
	}

	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_TRANSACTION_ROLLBACK:	/* deadlock, serialization failure */
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_SNAPSHOT_TOO_OLD:
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_FDW_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
	}
	return true;
}

/* The function's name without the argument types, looked up. */
static Oid
lookup_function(const char *signature)
{
	Oid			types[] = {INT8OID, BYTEAOID};
	int			length = strlen(signature) - strlen(RAFT_APPLY_SIGNATURE);
	List	   *name;

	if (length <= 0 || strcmp(signature + length, RAFT_APPLY_SIGNATURE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid name of an apply function: \"%s\"", signature)));
	name = textToQualifiedNameList(cstring_to_text_with_len(signature, length));
	return LookupFuncName(name, lengthof(types), types, false);
}

RaftMachine *
raft_machine_create(const char *function)
{
	MemoryContext old_context;
	RaftMachine *machine;
	Oid			oid = lookup_function(function);
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", oid);
	/* What the function keeps between its calls may belong to the transaction. */
	old_context = MemoryContextSwitchTo(TopTransactionContext);
	machine = palloc0(sizeof(RaftMachine));
	machine->owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	fmgr_info_cxt(oid, &machine->function, TopTransactionContext);
	machine->command_context = AllocSetContextCreate(TopTransactionContext, "raft_pg command",
													 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old_context);
	ReleaseSysCache(tuple);
	return machine;
}

/*
 * A check put off to the end of the transaction would not be this command's error
 * any more, and would run outside of the owner's rights.
 */
static void
set_constraints_immediate(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->constraints = NIL;
	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

static void
call_function(RaftMachine *machine, RaftIndex index, const RaftEntry *entry)
{
	LOCAL_FCINFO(fcinfo, 2);
	PgStat_FunctionCallUsage usage;
	bytea	   *command = palloc(VARHDRSZ + entry->size);

	SET_VARSIZE(command, VARHDRSZ + entry->size);
	memcpy(VARDATA(command), entry->data, entry->size);

	InitFunctionCallInfoData(*fcinfo, &machine->function, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = Int64GetDatum((int64) index);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = PointerGetDatum(command);
	fcinfo->args[1].isnull = false;

	pgstat_init_function_usage(fcinfo, &usage);
	(void) FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
}

void
raft_machine_execute(RaftMachine *machine, RaftIndex index, const RaftEntry *entry)
{
	MemoryContext old_context = MemoryContextSwitchTo(machine->command_context);
	Oid			user;
	int			security;
	int			guc_level;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(machine->owner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	guc_level = NewGUCNestLevel();
	set_constraints_immediate();

	PushActiveSnapshot(GetTransactionSnapshot());
	call_function(machine, index, entry);
	PopActiveSnapshot();
	CommandCounterIncrement();	/* the next command sees what this one did */

	AtEOXact_GUC(false, guc_level);
	raft_session_release_locks();
	SetUserIdAndSecContext(user, security);

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(machine->command_context);
}
