/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  A statement that fails, in whatever way, after it has proposed something.
 *
 * The command is in the log then, and stays there.  The client sees but one
 * error, and would take it for a promise that nothing has happened: 57P03 of a second
 * raft_propose(), a cancel, a division by zero in the same row.  So the error of such a
 * statement has the SQLSTATE 08007 where the outermost statement ends.  Not further
 * inside, where WHEN OTHERS of PL/pgSQL would catch an 08007, while it lets a cancel pass.
 *
 * One error is an answer and stays what it is: the recorded result of a command, when
 * that command is all that the statement has proposed.
 *
 * A session that is terminated does not come back to us.  Its FATAL is given the
 * SQLSTATE and the detail by an error context callback, which is called for any error.
 *
 * The statement is its own transaction, so what its commit may raise belongs to it.  What is
 * deferred to the commit is done at the end of the statement instead; for the rest
 * (a serialization failure above all) the commit has an error context callback, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/api.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "tcop/utility.h"

static ExecutorRun_hook_type prev_executor_run_hook = NULL;
static ExecutorFinish_hook_type prev_executor_finish_hook = NULL;
static ProcessUtility_hook_type prev_process_utility_hook = NULL;

/* Statements within statements. */
static int	depth = 0;

/* What the current statement has put into the log. */
static uint64 n_proposed = 0;
static RaftIndex last_proposed = 0;

/* Is the error under way the recorded result of the last of them? */
static bool has_failed = false;

void
raft_statement_proposed(RaftIndex index)
{
	n_proposed++;
	last_proposed = index;
}

void
raft_statement_failed(RaftIndex index)
{
	raft_statement_proposed(index);
	has_failed = true;
}

/*
 * Called while an error, or less, is being built between XACT_EVENT_PRE_COMMIT and
 * XACT_EVENT_COMMIT.
 */
static void
explain_commit(void *arg)
{
	int			code = geterrcode();

	if (ERRCODE_TO_CATEGORY(code) == ERRCODE_SUCCESSFUL_COMPLETION ||
		ERRCODE_TO_CATEGORY(code) == ERRCODE_WARNING)
		return;
	errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN);
	errmsg("the statement failed after it had proposed a command");
	errdetail("What it appended to the log is not rolled back; its last entry is at index %llu.  The error was %s, of its commit.",
			  (unsigned long long) last_proposed, unpack_sql_state(code));
	errhint("Check what became of it before proposing anything again.");
}

static ErrorContextCallback commit_callback = {.callback = explain_commit};

/* A statement ends with its transaction, unless it is a procedure that goes on. */
static void
at_end(XactEvent event, void *arg)
{
	if (depth > 0)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (n_proposed == 0)
				break;
			commit_callback.previous = error_context_stack;
			error_context_stack = &commit_callback;
			break;

		case XACT_EVENT_COMMIT:
			/* after an error its catcher has taken the callback away */
			if (error_context_stack == &commit_callback)
				error_context_stack = commit_callback.previous;
			/* FALLTHROUGH */
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			n_proposed = 0;
			last_proposed = 0;
			has_failed = false;
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

	if (depth > 0 || n_proposed == 0 || (n_proposed == 1 && has_failed))
		PG_RE_THROW();

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
			 errmsg("the statement failed after it had proposed a command"),
			 errdetail("What it appended to the log is not rolled back; its last entry is at index %llu.  The error was %s: %s%s%s",
					   (unsigned long long) last_proposed,
					   unpack_sql_state(error->sqlerrcode), error->message ? error->message : "",
					   error->detail ? ".  " : "", error->detail ? error->detail : ""),
			 errhint("Check what became of it before proposing anything again."),
			 error->context ? errcontext("%s", error->context) : 0));
}

/*
 * Called while any error or notice is being built.  Only the end of the session matters
 * here: an ERROR passes raise_again().
 */
static void
explain_end(void *arg)
{
	int			code = geterrcode();

	if (n_proposed == 0 || (code != ERRCODE_ADMIN_SHUTDOWN && code != RAFT_ERRCODE_TRANSACTION_TIMEOUT))
		return;
	errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN);
	errdetail("What the statement appended to the log is not rolled back; its last entry is at index %llu.",
			  (unsigned long long) last_proposed);
}

/* --- hooks: every way into a statement --- */

/*
 * First thing in a PG_TRY block, whose end takes the callback away again.  It has to be
 * there once.
 */
static void
enter_statement(ErrorContextCallback *callback)
{
	if (depth++ > 0)
		return;
	callback->callback = explain_end;
	callback->arg = NULL;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* Fires what the statement has deferred to the commit: its errors are the statement's. */
static void
fire_deferred(void)
{
	ConstraintsSetStmt *all;

	if (depth > 1 || n_proposed == 0 || !IsTransactionState())
		return;
	all = makeNode(ConstraintsSetStmt);
	all->constraints = NIL;
	all->deferred = false;
	AfterTriggerSetState(all);
}

/* ExecutorRun leaves the query open: not there. */
#define NOTHING_DEFERRED()		((void) 0)

/*
 * Calls what a hook stands before, as a statement: the hook that was there, or the
 * standard function.  A macro, since the hooks' parameters differ.
 */
#define CALL_AS_STATEMENT(at_its_end, previous, standard, ...) \
	do { \
		MemoryContext context = CurrentMemoryContext; \
		ErrorContextCallback callback; \
		\
		PG_TRY(); \
		{ \
			enter_statement(&callback); \
			(previous ? previous : standard) (__VA_ARGS__); \
			at_its_end(); \
			depth--; \
		} \
		PG_CATCH(); \
		{ \
			depth--; \
			raise_again(context); \
		} \
		PG_END_TRY(); \
	} while (0)

static void
executor_run(RAFT_EXECUTOR_RUN_PARAMS)
{
	CALL_AS_STATEMENT(NOTHING_DEFERRED, prev_executor_run_hook, standard_ExecutorRun, RAFT_EXECUTOR_RUN_ARGS);
}

/* Triggers run here: INSERT .. SELECT raft_propose(..). */
static void
executor_finish(QueryDesc *query)
{
	CALL_AS_STATEMENT(fire_deferred, prev_executor_finish_hook, standard_ExecutorFinish, query);
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext kind, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	CALL_AS_STATEMENT(fire_deferred, prev_process_utility_hook, standard_ProcessUtility,
					  statement, text, read_only_tree, kind, params, environment, receiver, completion);
}

void
raft_statement_init(void)
{
	RegisterXactCallback(at_end, NULL);
	prev_executor_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	prev_executor_finish_hook = ExecutorFinish_hook;
	ExecutorFinish_hook = executor_finish;
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
