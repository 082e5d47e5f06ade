/*-------------------------------------------------------------------------
 *
 * boot.c
 *	  The start of a node worker: from the row that raft_start() has written
 *	  and the log on disk to a core that has booted.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "group/group.h"
#include "group/shared.h"
#include "miscadmin.h"
#include "net/environment.h"
#include "node/node.h"
#include "storage/ipc.h"
#include "stop_point.h"
#include "tables/applied.h"
#include "tables/node.h"
#include "tables/resets.h"
#include "tables/table.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Appends to one peer that may be under way. */
#define MAX_INFLIGHT			32

/* Bytes of them: a heartbeat waits behind all that is under way to its peer. */
#define MAX_INFLIGHT_BYTES		(2 * 1024 * 1024)

/* After a commit, an idle peer is told within this time. */
#define COMMIT_NOTICE_US		5000

/* What raft_start() has written, and where the log is. */
typedef struct NodeRow
{
	char		name[RAFT_MAX_NODE_NAME + 1];
	RaftLogIdentity identity;
	uint8	   *bootstrap;		/* palloc'd */
	uint32		bootstrap_size;
	Oid			log_relation;
	RaftRelFile log_file;
	RaftIndex	applied;
	char	   *environment;	/* for the life of the process */
} NodeRow;

bool		raft_node_opening_log = false;

/* --- settings --- */

RaftSettings
raft_node_settings(void)
{
	static int	complained_about = 0;
	RaftSettings settings;
	int			timeout_ms = (int) (raft_election_timeout() / 1000);

	if (timeout_ms > raft_election_timeout_ms && complained_about != raft_election_timeout_ms)
	{
		ereport(LOG,
				(errmsg("\"raft_pg.election_timeout\" (%d ms) is raised to %d ms, three times \"raft_pg.heartbeat_interval\"",
						raft_election_timeout_ms, timeout_ms)));
		complained_about = raft_election_timeout_ms;
	}

	settings.heartbeat_interval = (RaftTime) raft_heartbeat_interval_ms * 1000;
	settings.election_timeout = raft_election_timeout();
	settings.commit_notice = COMMIT_NOTICE_US;
	settings.max_batch_bytes = RAFT_MAX_BATCH_BYTES;
	settings.max_inflight = MAX_INFLIGHT;
	settings.disk_timeout = (RaftTime) raft_disk_timeout_ms * 1000;
	/* half of the inbox over there, if it is set up like ours */
	settings.max_inflight_bytes = Min((uint32) raft_inbox_size_kb * 1024 / 2, MAX_INFLIGHT_BYTES);
	return settings;
}

/* --- start --- */

/* For as long as the process lives. */
static void
keep_row(const RaftNodeRow *stored, NodeRow *row)
{
	strlcpy(row->name, stored->node, sizeof(row->name));
	row->identity.node = stored->node_id;
	memcpy(row->identity.group, stored->group_id, RAFT_GROUP_ID_BYTES);
	row->bootstrap_size = VARSIZE(stored->bootstrap) - VARHDRSZ;
	row->bootstrap = MemoryContextAlloc(TopMemoryContext, row->bootstrap_size);
	memcpy(row->bootstrap, VARDATA(stored->bootstrap), row->bootstrap_size);
}

/* What raft_reset_identity() was called for, if that is the log's present state. */
static uint64
find_voucher(RaftRelFile log_file)
{
	uint64		incarnation = raft_log_last_incarnation(log_file);

	return incarnation != 0 && raft_resets_contain(incarnation) ? incarnation : 0;
}

/* False when the extension or the row is not there. */
static bool
read_row(NodeRow *row)
{
	Oid			schema;
	bool		found = false;

	memset(row, 0, sizeof(*row));
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());

	schema = get_namespace_oid(RAFT_SCHEMA, true);
	if (OidIsValid(get_extension_oid("raft_pg", true)) &&
		OidIsValid(get_relname_relid("node", schema)))
	{
		RaftNodeRow stored;

		raft_tables_check();
		found = raft_node_row_read(&stored);
		if (found)
			keep_row(&stored, row);
	}
	if (found)
	{
		Relation	log;
		RaftApplied applied;

		row->log_relation = raft_log_find_relation();
		log = relation_open(row->log_relation, AccessShareLock);
		row->log_file = raft_rel_file(log);
		relation_close(log, AccessShareLock);
		raft_applied_read(&applied);
		row->applied = applied.index;
		row->identity.vouched_for = find_voucher(row->log_file);
		row->environment = MemoryContextStrdup(TopMemoryContext, raft_environment());
	}

	PopActiveSnapshot();
	CommitTransactionCommand();

	row->identity.system_identifier = GetSystemIdentifier();
	row->identity.timeline = GetWALInsertionTimeLine();
	row->identity.database = MyDatabaseId;
	return found;
}

/*
 * The mark says that there is a node, and there is none: a mark that was
 * restored from a dump.
 */
static void
end_without_row(RaftGroup *group, Oid database)
{
	StartTransactionCommand();
	ereport(LOG,
			(errmsg("database \"%s\" is marked for a Raft group but has no node",
					get_database_name(database)),
			 errdetail("The mark has been removed.")));
	raft_autostart_clear(database);
	CommitTransactionCommand();

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	if (group->state == RAFT_GROUP_STARTING)
		raft_group_stop(group);
	LWLockRelease(raft_shared->lock);
	proc_exit(0);
}

static void
note_unreachable(void *arg, RaftNodeId peer)
{
	RaftNode   *node = arg;

	/* the core cannot be stepped from within raft_peers_wait() */
	for (int i = 0; i < node->n_unreachable; i++)
	{
		if (node->unreachable[i] == peer)
			return;
	}
	if (node->n_unreachable < RAFT_MAX_MEMBERS)
		node->unreachable[node->n_unreachable++] = peer;
}

/* It will not ask for the starts before this one any more. */
static void
note_opened(void *arg, RaftNodeId peer)
{
	RaftNode   *node = arg;

	raft_log_note_met(node->writer, peer);
}

static void
create_core(RaftNode *node, uint64 boot_count)
{
	RaftInit	init = {0};

	init.self = node->id;
	init.boot = boot_count;
	if (!pg_strong_random(&init.seed, sizeof(init.seed)))
		init.seed = (uint64) GetCurrentTimestamp() ^ ((uint64) MyProcPid << 48);
	init.settings = raft_node_settings();
	init.batch_end = raft_log_batch_end;
	init.batch_end_arg = node->reader;
	raft_recorder_start(node, &init);
	node->core = raft_core_init(palloc(raft_core_size()), &init);
}

static void
create_peers(RaftNode *node, const NodeRow *row, const RaftLogRecovery *recovery)
{
	RaftPeersInit init;

	memcpy(init.group, node->group->group_id, sizeof(init.group));
	init.self = node->id;
	init.self_name = node->name;
	init.boot = recovery->boot_count;
	init.log_id = recovery->log_id;
	init.incarnation = recovery->incarnation;
	init.former_starts = recovery->former_starts;
	init.n_former_starts = recovery->n_former_starts;
	init.environment = row->environment;
	init.opened = note_opened;
	init.unreachable = note_unreachable;
	init.arg = node;
	node->peers = raft_peers_create(&init);
	raft_peers_set_position(node->peers, recovery->boot.last, recovery->boot.term);
}

static RaftNode *
create_node(RaftGroup *group, const NodeRow *row)
{
	RaftNode   *node = palloc0(sizeof(RaftNode));

	node->group = group;
	node->id = row->identity.node;
	strlcpy(node->name, row->name, sizeof(node->name));
	node->turn_context = AllocSetContextCreate(TopMemoryContext, "raft_pg turn",
											   ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&node->records);
	initStringInfo(&node->range);
	node->taken = palloc(RAFT_TURN_PROPOSALS * sizeof(RaftTaken));
	node->proposed = palloc(RAFT_TURN_PROPOSALS * sizeof(RaftEntry));
	node->received = palloc(RAFT_MAX_MESSAGE_ENTRIES * sizeof(RaftEntry));
	node->status.role_since = node->status.started = GetCurrentTimestamp();
	return node;
}

/* What is known of the node now stands in the group for everybody. */
static void
introduce(RaftGroup *group, const NodeRow *row, uint64 boot_count)
{
	SpinLockAcquire(&group->mutex);
	group->log_relation = row->log_relation;
	group->log_file = row->log_file;
	memcpy(group->group_id, row->identity.group, sizeof(group->group_id));
	group->node_id = row->identity.node;
	memcpy(group->node_name, row->name, sizeof(group->node_name));
	group->boot_count = boot_count;
	SpinLockRelease(&group->mutex);
}

/*
 * The commit index that is saved in the log is a hint and may be old.  What was
 * applied, by whatever incarnation, was committed.
 */
static void
correct_boot(RaftBoot *boot, RaftIndex applied)
{
	if (applied > boot->last)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the Raft log ends at index %llu, but index %llu has been applied",
						(unsigned long long) boot->last, (unsigned long long) applied),
				 errdetail("Durable entries have been lost.")));
	boot->commit = Max(boot->commit, applied);
	boot->applied = boot->first - 1;	/* the applier tells */
}

/* The newest entry's clock: the next one must not be older. */
static void
load_clock(RaftNode *node, RaftIndex last)
{
	RaftIndex	index;
	RaftEntry	entry;
	uint32		length;

	resetStringInfo(&node->range);
	if (raft_log_read(node->reader, last, last, MaxAllocSize, &node->range) == last &&
		raft_record_decode((const uint8 *) node->range.data, node->range.len,
						   node->range.len, &index, &entry, &length) == RAFT_DECODE_OK)
		node->clock = entry.clock;
}

/* A group that was started with other settings may have more members than inboxes now. */
static void
check_member_count(const RaftLogRecovery *recovery)
{
	RaftGroupMember *members;
	int			n = 0;

	for (uint32 i = 0; i < recovery->boot.n_configs; i++)
		n = Max(n, raft_group_decode_members(recovery->config_data[i], recovery->config_size[i],
											 &members));
	if (n > raft_max_members)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("Raft group has %d members, but this server allows only %d", n, raft_max_members),
				 errhint("Increase \"raft_pg.max_members\" and restart the server.")));
}

static void
warn_of_fsync(const char *name)
{
	if (!enableFsync)
		ereport(WARNING,
				(errmsg("Raft node \"%s\" is running with fsync off", name),
				 errdetail("An operating system crash can lose entries that this node has acknowledged, and with them committed commands.")));
}

RaftNode *
raft_node_start(RaftGroup *group, Oid database)
{
	NodeRow		row;
	RaftLogRecovery recovery;
	RaftNode   *node;
	RaftEvent	event = {.type = RAFT_EVENT_BOOT};

	raft_node_opening_log = true;
	raft_stop_point("opening");
	if (!read_row(&row))
		end_without_row(group, database);

	node = create_node(group, &row);
	node->writer = raft_log_open(group->log, row.log_file, &row.identity,
								 row.bootstrap, row.bootstrap_size, &recovery);
	correct_boot(&recovery.boot, Max(row.applied, pg_atomic_read_u64(&group->visible)));
	check_member_count(&recovery);
	raft_node_opening_log = false;
	warn_of_fsync(row.name);

	introduce(group, &row, recovery.boot_count);
	node->log_id = recovery.log_id;
	node->reader = raft_log_reader_create(group->log, row.log_file);
	load_clock(node, recovery.boot.last);
	pg_atomic_write_u64(&group->skips_end, recovery.boot.last); /* the applier will see */
	for (uint32 i = 0; i < recovery.boot.n_configs; i++)
		raft_node_keep_config(node, recovery.boot.configs[i].index,
							  recovery.config_data[i], recovery.config_size[i]);
	create_core(node, recovery.boot_count);
	create_peers(node, &row, &recovery);
	raft_inboxes_reset(group->inboxes);
	raft_proposals_open(group);

	node->now = raft_now();
	event.u.boot = &recovery.boot;
	raft_node_step(node, &event);
	raft_node_publish(node);
	return node;
}
