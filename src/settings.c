/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings raft_pg.*, and what follows from several of them together.
 *
 *-------------------------------------------------------------------------
 */
#include "settings.h"

#include <limits.h>

#include "utils/guc.h"
#include "wire/frame.h"

int			raft_max_groups = 2;
int			raft_max_members = 7;
int			raft_ring_size_kb = 4096;
int			raft_inbox_size_kb = 1024;
int			raft_log_size_mb = 64;
int			raft_heartbeat_interval_ms = 100;
int			raft_election_timeout_ms = 600;
int			raft_disk_timeout_ms = 2000;
int			raft_connect_timeout_ms = 2000;
int			raft_max_command_size_kb = 256;
int			raft_max_apply_delay_ms = 30000;
int			raft_max_failures = 10000;
int			raft_propose_timeout_ms = 30000;
bool		raft_record_events = false;
int			raft_record_events_limit_mb = 1024;

/* A shorter election timeout would take one lost heartbeat for a dead leader. */
#define MIN_TIMEOUT_HEARTBEATS	3

/*
 * A heartbeat waits behind the command that is being written or sent: the largest one
 * has to be through in a part of the election timeout, on a busy machine, too.
 */
#define MAX_COMMAND_SIZE_KB	1024

/* True once the sizes that bound max_command_size can no longer change. */
static bool sizes_are_fixed = false;

/*
 * The largest raft_pg.max_command_size that the other sizes allow, in kB.
 *
 * A frame (a full batch and one more record) lies in one piece in an inbox:
 * within half of it, one always fits, wherever the free space begins.  The ring
 * is to hold several batches, or the senders would read pages all the time;
 * and the log several commands, or compaction could not keep up.
 */
static int
max_command_limit_kb(void)
{
	int64		frame_kb = Min(raft_inbox_size_kb / 2, raft_ring_size_kb / 4);
	int64		overhead_kb = RAFT_MAX_BATCH_BYTES / 1024 + 1;
	int64		log_kb = (int64) raft_log_size_mb * 1024 / 4;

	return (int) Max(1, Min(MAX_COMMAND_SIZE_KB, Min(frame_kb - overhead_kb, log_kb)));
}

/*
 * While the server starts, the sizes may not have their values yet: then
 * raft_settings_fix_sizes() decides.
 */
static bool
check_max_command_size(int *newval, void **extra, GucSource source)
{
	if (sizes_are_fixed && *newval > max_command_limit_kb() && *newval != raft_max_command_size_kb)
	{
		GUC_check_errdetail("With the current raft_pg.inbox_size, raft_pg.ring_size and raft_pg.log_size, commands can have at most %d kB.",
							max_command_limit_kb());
		return false;
	}
	return true;
}

void
raft_settings_fix_sizes(void)
{
	if (raft_max_command_size_kb > max_command_limit_kb())
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"raft_pg.max_command_size\" (%d kB) is lowered to %d kB",
						raft_max_command_size_kb, max_command_limit_kb()),
				 errdetail("A command of this size and a batch of %d kB have to fit into half of \"raft_pg.inbox_size\" (%d kB) and a quarter of \"raft_pg.ring_size\" (%d kB); a command into a quarter of \"raft_pg.log_size\" (%d MB).",
						   RAFT_MAX_BATCH_BYTES / 1024, raft_inbox_size_kb,
						   raft_ring_size_kb, raft_log_size_mb)));
	sizes_are_fixed = true;
}

static void
define_server_settings(void)
{
	DefineCustomIntVariable("raft_pg.max_groups",
							"Databases of this server that can run a Raft group at once.",
							NULL,
							&raft_max_groups,
							2, 1, 64,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.max_members",
							"Members that a Raft group can have.",
							"Each has an inbox in the shared memory of each group.",
							&raft_max_members,
							7, 1, RAFT_MAX_MEMBERS,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.ring_size",
							"Shared memory for the newest part of the log, per group.",
							NULL,
							&raft_ring_size_kb,
							4096, 512, RAFT_MAX_RING_SIZE_KB,
							PGC_POSTMASTER, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.inbox_size",
							"Shared memory for incoming messages, per group and member.",
							NULL,
							&raft_inbox_size_kb,
							1024, 256, RAFT_MAX_INBOX_SIZE_KB,
							PGC_POSTMASTER, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.log_size",
							"Capacity of the log of each group on disk.",
							"It holds for groups started from then on.",
							&raft_log_size_mb,
							64, 1, RAFT_MAX_LOG_SIZE_MB,
							PGC_POSTMASTER, GUC_UNIT_MB,
							NULL, NULL, NULL);
}

static void
define_reloadable_settings(void)
{
	DefineCustomIntVariable("raft_pg.max_command_size",
							"Largest command that can be proposed.",
							NULL,
							&raft_max_command_size_kb,
							256, 1, MAX_COMMAND_SIZE_KB,
							PGC_SIGHUP, GUC_UNIT_KB,
							check_max_command_size, NULL, NULL);

	DefineCustomIntVariable("raft_pg.max_apply_delay",
							"Time that committed commands wait for a lock before whoever holds it is canceled, then terminated.",
							"-1 lets them wait for ever.",
							&raft_max_apply_delay_ms,
							30000, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.max_failures",
							"Commands whose result is an error that are kept in raft.failures, the newest ones.",
							NULL,
							&raft_max_failures,
							10000, 0, INT_MAX,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.heartbeat_interval",
							"A leader lets at most this long pass without a message to each peer.",
							NULL,
							&raft_heartbeat_interval_ms,
							100, 5, 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.election_timeout",
							"Shortest time without a leader after which a node starts an election.",
							"Each wait is drawn at random from one to three times this. "
							"Values below three heartbeat intervals count as three heartbeat intervals.",
							&raft_election_timeout_ms,
							600, 20, 600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.disk_timeout",
							"A leader whose log is not on disk after this time gives up its leadership.",
							"Until then it goes on with heartbeats, and acknowledges nothing. Zero never gives up.",
							&raft_disk_timeout_ms,
							2000, 0, 600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.connect_timeout",
							"Time for one attempt to connect to a peer.",
							NULL,
							&raft_connect_timeout_ms,
							2000, 50, 600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("raft_pg.record_events",
							 "Records each node's events in \"raft_pg_events\" below the data directory, for a replay.",
							 "A recording begins with the start of a node. It holds the commands.",
							 &raft_record_events,
							 false,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.record_events_limit",
							"A recording of events ends when its file has reached this size.",
							NULL,
							&raft_record_events_limit_mb,
							1024, 1, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_MB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("raft_pg.propose_timeout",
							"Time that raft functions wait when they are given no timeout.",
							"Zero waits for ever.",
							&raft_propose_timeout_ms,
							30000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

void
raft_settings_define(void)
{
	define_server_settings();
	define_reloadable_settings();
	MarkGUCPrefixReserved("raft_pg");
}

RaftTime
raft_election_timeout(void)
{
	int			least_ms = raft_heartbeat_interval_ms * MIN_TIMEOUT_HEARTBEATS;

	return (RaftTime) Max(raft_election_timeout_ms, least_ms) * 1000;
}

Size
raft_max_command_bytes(void)
{
	return (Size) Min(raft_max_command_size_kb, max_command_limit_kb()) * 1024;
}

Size
raft_max_frame_bytes(void)
{
	/* a peer may allow larger commands than this node does */
	return RAFT_FRAME_HEADER + RAFT_MAX_BATCH_BYTES + RAFT_RECORD_HEADER +
		(Size) max_command_limit_kb() * 1024;
}
