/*-------------------------------------------------------------------------
 *
 * process.c
 *	  What the launcher, the node worker and the applier have in common as
 *	  processes: signals, the connection, and an end that nobody has to read
 *	  about.
 *
 * SIGTERM is an everyday event here: raft_stop(), a drop, the shutdown of the
 * server.  die(), the usual handler, makes a FATAL of it.  Ours asks the main
 * loop to end the process, and cancels what may keep the process from its loop
 * (a command of the apply function, a wait for a lock); the error that this leads
 * to is not reported.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <signal.h>

#include "group/workers.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"

static int	quiet_exit_code = 0;

static void
asked_to_end(SIGNAL_ARGS)
{
	int			save_errno = errno;

	ShutdownRequestPending = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

void
raft_worker_end_if_asked(void)
{
	if (ShutdownRequestPending)
		proc_exit(quiet_exit_code);
}

void
raft_worker_run(Oid database, int exit_code, void (*body) (void *arg), void *arg)
{
	quiet_exit_code = exit_code;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, asked_to_end);
	BackgroundWorkerUnblockSignals();

	PG_TRY();
	{
		BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
		body(arg);
	}
	PG_CATCH();
	{
		raft_worker_end_if_asked();
		PG_RE_THROW();
	}
	PG_END_TRY();
}
