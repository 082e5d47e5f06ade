/*-------------------------------------------------------------------------
 *
 * propose.c
 *	  raft_propose(), raft_propose_async() and raft_set_apply(): commands on
 *	  their way into the log.
 *
 * A command that is in the log cannot be taken back, so nothing here runs where a
 * rollback could seem to do that: inside a transaction block, inside a
 * subtransaction, or after the statement itself has written something.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "api/api.h"
#include "apply/apply.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "client/propose.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "stop_point.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

RAFT_SQL_FUNCTION(raft_sql_propose);
RAFT_SQL_FUNCTION(raft_sql_propose_jsonb);
RAFT_SQL_FUNCTION(raft_sql_propose_async);
RAFT_SQL_FUNCTION(raft_sql_propose_async_jsonb);
RAFT_SQL_FUNCTION(raft_sql_set_apply);
RAFT_SQL_FUNCTION(raft_sql_set_apply_by_name);

/*
 * As PreventInTransactionBlock(), which knows no more than that: most who meet this have a
 * driver that opens a transaction block without being asked.
 */
static void
check_no_block(const char *function)
{
	if (IsTransactionBlock() || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 IsTransactionBlock() ?
				 errmsg("%s cannot run inside a transaction block", function) :
				 errmsg("%s cannot run inside a subtransaction", function),
				 errdetail("A command in the log cannot be rolled back."),
				 errhint("Send it as a statement of its own, in the autocommit mode of the driver.")));
	PreventInTransactionBlock(true, function);
}

/* ERROR 25001 where a rollback is still possible, 25006 where nothing may be written. */
void
raft_check_may_propose(const char *function)
{
	if (raft_is_applier)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run while a command is being applied", function)));
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
	check_no_block(function);

	/*
	 * A function or DO block may have written before.  The command id tells, which
	 * unlike the transaction id is not used up by nextval() in the argument.
	 */
	if (GetCurrentCommandId(false) != FirstCommandId)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that has already written", function),
				 errdetail("The proposed command would remain if the transaction were rolled back.")));
}

static void
check_not_null(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("command must not be null")));
}

static void
check_size(Size size)
{
	if (size > raft_max_command_bytes())
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("command is too large"),
				 errdetail("It has %zu bytes; \"raft_pg.max_command_size\" allows %zu.",
						   size, raft_max_command_bytes())));
}

/* bytea or text: bytes either way. */
static struct varlena *
command_arg(FunctionCallInfo fcinfo)
{
	check_not_null(fcinfo);

	/* Look at the size first: a huge value need not be read from its pieces. */
	check_size(toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ);
	return PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
}

/* jsonb: its text, since the stored form is none of the apply function's business. */
static struct varlena *
jsonb_command_arg(FunctionCallInfo fcinfo)
{
	char	   *command;

	check_not_null(fcinfo);
	command = DatumGetCString(DirectFunctionCall1(jsonb_out, PG_GETARG_DATUM(0)));
	check_size(strlen(command));
	return cstring_to_text(command);
}

RaftIndex
raft_propose_applied(RaftGroup *group, uint8 kind, const char *data, Size size,
					 long timeout_ms)
{
	RaftProposalResult result;

	raft_propose(group, kind, data, size, RAFT_WAIT_APPLIED, timeout_ms, &result);
	if (result.outcome == RAFT_OUTCOME_FAILED && result.interrupted == NULL)
		raft_statement_failed(result.index);
	raft_proposal_check(group, &result);
	raft_statement_proposed(result.index);
	raft_stop_point("answered");
	return result.index;
}

/* The same, at the longest as argument 1 says. */
static Datum
propose(FunctionCallInfo fcinfo, const char *function, uint8 kind,
		const char *data, Size size)
{
	long		timeout_ms = raft_timeout_arg(fcinfo, 1);
	RaftGroup  *group;

	raft_check_may_propose(function);
	group = raft_group_require();
	PG_RETURN_INT64((int64) raft_propose_applied(group, kind, data, size, timeout_ms));
}

static Datum
propose_command(FunctionCallInfo fcinfo, struct varlena *command)
{
	return propose(fcinfo, "raft_propose()", RAFT_ENTRY_COMMAND,
				   VARDATA_ANY(command), VARSIZE_ANY_EXHDR(command));
}

Datum
raft_sql_propose(PG_FUNCTION_ARGS)
{
	return propose_command(fcinfo, command_arg(fcinfo));
}

Datum
raft_sql_propose_jsonb(PG_FUNCTION_ARGS)
{
	return propose_command(fcinfo, jsonb_command_arg(fcinfo));
}

/* The laboratory's Start: at once, and no error when another node leads. */
static Datum
propose_command_async(FunctionCallInfo fcinfo, struct varlena *command)
{
	RaftProposalResult result = {.outcome = RAFT_OUTCOME_NOT_LEADER};
	RaftGroup  *group;
	TupleDesc	descriptor;
	Datum		values[3];
	bool		nulls[3];

	raft_check_may_propose("raft_propose_async()");
	group = raft_group_require();
	if (pg_atomic_read_u32(&group->role) == RAFT_LEADER)
		raft_propose(group, RAFT_ENTRY_COMMAND, VARDATA_ANY(command), VARSIZE_ANY_EXHDR(command),
					 RAFT_WAIT_PLACED, raft_propose_timeout_ms, &result);
	if (result.outcome != RAFT_OUTCOME_NOT_LEADER && result.outcome != RAFT_OUTCOME_NO_LEADER)
		raft_proposal_check(group, &result);
	if (result.outcome == RAFT_OUTCOME_PLACED)
		raft_statement_proposed(result.index);

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum((int64) result.index);
	values[1] = Int64GetDatum((int64) result.term);
	values[2] = BoolGetDatum(result.outcome == RAFT_OUTCOME_PLACED);
	nulls[0] = nulls[1] = result.outcome != RAFT_OUTCOME_PLACED;
	nulls[2] = false;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

Datum
raft_sql_propose_async(PG_FUNCTION_ARGS)
{
	return propose_command_async(fcinfo, command_arg(fcinfo));
}

Datum
raft_sql_propose_async_jsonb(PG_FUNCTION_ARGS)
{
	return propose_command_async(fcinfo, jsonb_command_arg(fcinfo));
}

/* --- raft_set_apply() --- */

/* ERROR unless every command can be handed to this function. */
static void
check_apply_function(Form_pg_proc function)
{
	if (function->prokind != PROKIND_FUNCTION || function->proretset)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a plain function", NameStr(function->proname)),
				 errdetail("Procedures, aggregates, window functions and set-returning functions cannot be used as apply functions.")));
	if (function->pronargs != 2 ||
		function->proargtypes.values[0] != INT8OID ||
		function->proargtypes.values[1] != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function \"%s\" cannot be used as an apply function", NameStr(function->proname)),
				 errdetail("Its argument types must be bigint and bytea.")));
	if (isAnyTempNamespace(function->pronamespace))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function \"%s\" is temporary", NameStr(function->proname))));
}

/* The name under which every node finds the function; "" for none. */
static char *
apply_function_name(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	Form_pg_proc function;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", oid)));
	function = (Form_pg_proc) GETSTRUCT(tuple);

	/* It will run with its owner's rights, with whatever is proposed. */
	if (!raft_function_ownercheck(oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FUNCTION, NameStr(function->proname));
	check_apply_function(function);

	name = psprintf("%s" RAFT_APPLY_SIGNATURE,
					quote_qualified_identifier(get_namespace_name(function->pronamespace),
											   NameStr(function->proname)));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * A function given as text: with its argument types, or by its name alone.  There can be
 * but one of that name that is able to get commands; if there is none, the only one of that name
 * is to be told what is wrong with it.
 */
static Oid
lookup_apply_function(char *text)
{
	Oid			types[] = {INT8OID, BYTEAOID};
	int			length = strlen(text);
	Oid			oid;

	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	if (length > 0 && text[length - 1] == ')')
		return DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(text)));

	oid = LookupFuncName(textToQualifiedNameList(cstring_to_text_with_len(text, length)),
						 lengthof(types), types, true);
	if (OidIsValid(oid))
		return oid;
	return DatumGetObjectId(DirectFunctionCall1(regprocin, CStringGetDatum(text)));
}

static Datum
set_apply(FunctionCallInfo fcinfo, char *name)
{
	return propose(fcinfo, "raft_set_apply()", RAFT_ENTRY_SET_APPLY, name, strlen(name));
}

Datum
raft_sql_set_apply(PG_FUNCTION_ARGS)
{
	return set_apply(fcinfo, PG_ARGISNULL(0) ? pstrdup("") : apply_function_name(PG_GETARG_OID(0)));
}

Datum
raft_sql_set_apply_by_name(PG_FUNCTION_ARGS)
{
	char	   *name;

	if (PG_ARGISNULL(0))
		name = pstrdup("");
	else
		name = apply_function_name(lookup_apply_function(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	return set_apply(fcinfo, name);
}
