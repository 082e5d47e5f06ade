/*-------------------------------------------------------------------------
 *
 * flusher.c
 *	  The flusher: waits for the disk, so that the node worker need not.
 *
 * One process per group, connected to no database.  The node worker says up to
 * where it wants the WAL flushed, and goes on; what it writes meanwhile is the
 * next flush.  A disk that takes seconds thus delays acknowledgements, and neither
 * heartbeats nor the answers of others.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/xlog.h"
#include "group/group.h"
#include "group/workers.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"

static void
handle_signals(void)
{
	if (ShutdownRequestPending)
		proc_exit(0);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
wait_for_request(void)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftFlusherMain");

	pgstat_report_wal(false);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, wait_event);
	ResetLatch(MyLatch);
}

void
raft_flusher_main(Datum arg)
{
	RaftGroup  *group;
	XLogRecPtr	flushed = InvalidXLogRecPtr;

	/* never in the middle of a flush: a request is answered before the end */
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	group = raft_group_attach(DatumGetObjectId(arg), RAFT_WORKER_FLUSHER);
	if (group == NULL)
		proc_exit(0);

	for (;;)
	{
		XLogRecPtr	wanted = pg_atomic_read_u64(&group->flush_wanted);

		handle_signals();
		if (wanted <= flushed)
		{
			wait_for_request();
			continue;
		}
		XLogFlush(wanted);
		flushed = wanted;
		raft_group_wake_node(group);
	}
}
