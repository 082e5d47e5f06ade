/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  A cancel that comes after raft_propose() has returned, and before the
 *	  statement has ended.
 *
 * The command is in the log then, and stays there.  The client sees but one
 * error, "canceling statement", and would take it for a promise that nothing
 * has happened: so that error is given the SQLSTATE 08007 where the outermost
 * statement ends.  Not further inside, where WHEN OTHERS of PL/pgSQL would catch
 * an 08007, while it lets a cancel pass.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/api.h"
#include "executor/executor.h"
#include "tcop/utility.h"

static ExecutorRun_hook_type prev_executor_run_hook = NULL;
static ProcessUtility_hook_type prev_process_utility_hook = NULL;

/* Statements within statements. */
static int	depth = 0;

/* The last command that the current statement has put into the log; 0 = none. */
static RaftIndex proposed = 0;

void
raft_statement_proposed(RaftIndex index)
{
	proposed = index;
}

/* A statement ends with its transaction, unless it is a procedure that goes on. */
static void
forget_at_end(XactEvent event, void *arg)
{
	if (depth > 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			proposed = 0;
			break;
		default:
			break;
	}
}

/* In a PG_CATCH block: raises the error again, or what it has to be read as. */
static void
raise_again(MemoryContext context)
{
	ErrorData  *error;

	if (depth > 0 || proposed == 0 || geterrcode() != ERRCODE_QUERY_CANCELED)
		PG_RE_THROW();

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
			 errmsg_internal("%s", error->message),
			 errdetail("What the statement has proposed stays in the log, the last of it at index %llu.",
					   (unsigned long long) proposed)));
}

static void
executor_run(RAFT_EXECUTOR_RUN_PARAMS)
{
	MemoryContext context = CurrentMemoryContext;

	depth++;
	PG_TRY();
	{
		if (prev_executor_run_hook)
			prev_executor_run_hook(RAFT_EXECUTOR_RUN_ARGS);
		else
			standard_ExecutorRun(RAFT_EXECUTOR_RUN_ARGS);
		depth--;
	}
	PG_CATCH();
	{
		depth--;
		raise_again(context);
	}
	PG_END_TRY();
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext kind, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	MemoryContext context = CurrentMemoryContext;

	depth++;
	PG_TRY();
	{
		if (prev_process_utility_hook)
			prev_process_utility_hook(statement, text, read_only_tree, kind, params,
									  environment, receiver, completion);
		else
			standard_ProcessUtility(statement, text, read_only_tree, kind, params,
									environment, receiver, completion);
		depth--;
	}
	PG_CATCH();
	{
		depth--;
		raise_again(context);
	}
	PG_END_TRY();
}

void
raft_statement_init(void)
{
	RegisterXactCallback(forget_at_end, NULL);
	prev_executor_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
