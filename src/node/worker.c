/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The node worker: raft_node_main(), its start, and the main loop.
 *
 * One process per group does everything that is consensus: it alone steps the
 * core, writes the log and talks to the peers.  One turn of the loop, turn():
 *
 *		receive		frames from the inboxes, each one step of the core
 *		observe		what the applier has done
 *		propose		everything queued, as one batch
 *		tick		when the core's deadline has passed
 *		settle		hand the appends to the sockets, then one flush for it all
 *		publish		status, wake the applier and those who wait
 *		wait		for the latch, a socket or the next deadline
 *
 * Nothing in it blocks but the flush.  An ERROR ends the process; whatever it
 * had promised is on disk, and the launcher starts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "apply/apply.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "node/group.h"
#include "node/node.h"
#include "node/proposals.h"
#include "node/shared.h"
#include "node/workers.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

/* A shorter election timeout would take one lost heartbeat for a dead leader. */
#define MIN_TIMEOUT_HEARTBEATS	3

/* Appends to one peer that may be under way. */
#define MAX_INFLIGHT			32

/* After a commit, an idle peer is told within this time. */
#define COMMIT_NOTICE_US		5000

/* What raft_start() has written, and where the log is. */
typedef struct NodeRow
{
	char		name[RAFT_MAX_NODE_NAME + 1];
	RaftLogIdentity identity;
	uint8	   *bootstrap;		/* palloc'd; NULL = none */
	uint32		bootstrap_size;
	Oid			log_relation;
	RaftRelFile log_file;
	RaftIndex	applied;
} NodeRow;

/* While the log is being opened, errors may mean that a restart cannot help. */
static bool opening_log = false;

/* --- settings --- */

static RaftSettings
current_settings(void)
{
	static int	complained_about = 0;
	RaftSettings settings;
	int			timeout_ms = raft_election_timeout_ms;
	int			least_ms = raft_heartbeat_interval_ms * MIN_TIMEOUT_HEARTBEATS;

	if (timeout_ms < least_ms)
	{
		if (complained_about != timeout_ms)
			ereport(LOG,
					(errmsg("\"raft_pg.election_timeout\" (%d ms) is taken as %d ms, three times \"raft_pg.heartbeat_interval\"",
							timeout_ms, least_ms)));
		complained_about = timeout_ms;
		timeout_ms = least_ms;
	}

	settings.heartbeat_interval = (RaftTime) raft_heartbeat_interval_ms * 1000;
	settings.election_timeout = (RaftTime) timeout_ms * 1000;
	settings.commit_notice = COMMIT_NOTICE_US;
	settings.max_batch_bytes = RAFT_MAX_BATCH_BYTES;
	settings.max_inflight = MAX_INFLIGHT;
	/* half of the inbox over there, if it is set up like ours */
	settings.max_inflight_bytes = (uint32) raft_inbox_size_kb * 1024 / 2;
	return settings;
}

static void
reload_settings(RaftNode *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_SETTINGS};
	RaftSettings settings;

	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	settings = current_settings();
	event.u.settings = &settings;
	raft_node_step(node, &event);
}

/* --- start --- */

static bool
read_row_by_spi(NodeRow *row)
{
	bool		found = false;

	if (SPI_execute("SELECT node, node_id, group_id, bootstrap FROM " RAFT_SCHEMA ".node",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read table \"%s.node\"", RAFT_SCHEMA);

	if (SPI_processed == 1)
	{
		HeapTuple	tuple = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		bootstrap;

		strlcpy(row->name, SPI_getvalue(tuple, desc, 1), sizeof(row->name));
		row->identity.node = (RaftNodeId) DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
		memcpy(row->identity.group,
			   DatumGetUUIDP(SPI_getbinval(tuple, desc, 3, &isnull))->data,
			   RAFT_GROUP_ID_BYTES);
		bootstrap = SPI_getbinval(tuple, desc, 4, &isnull);
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(bootstrap);

			row->bootstrap_size = VARSIZE_ANY_EXHDR(bytes);
			row->bootstrap = MemoryContextAlloc(TopMemoryContext, row->bootstrap_size);
			memcpy(row->bootstrap, VARDATA_ANY(bytes), row->bootstrap_size);
		}
		found = true;
	}
	return found;
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
		SPI_connect();
		found = read_row_by_spi(row);
		SPI_finish();
	}
	if (found)
	{
		Relation	log;
		char	   *function;

		row->log_relation = get_relname_relid("log", schema);
		log = relation_open(row->log_relation, AccessShareLock);
		row->log_file = raft_rel_file(log);
		relation_close(log, AccessShareLock);
		raft_applied_read(&row->applied, &function);
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
			(errmsg("raft_pg: database \"%s\" is marked to run Raft, but has no node",
					get_database_name(database)),
			 errdetail("The mark is removed.")));
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

static void
create_core(RaftNode *node, uint64 boot_count)
{
	RaftInit	init = {0};

	init.self = node->id;
	init.boot = boot_count;
	if (!pg_strong_random(&init.seed, sizeof(init.seed)))
		init.seed = (uint64) GetCurrentTimestamp() ^ ((uint64) MyProcPid << 48);
	init.settings = current_settings();
	init.batch_end = raft_log_batch_end;
	init.batch_end_arg = node->reader;
	node->core = raft_core_init(palloc(raft_core_size()), &init);
}

static void
create_peers(RaftNode *node, uint64 boot_count)
{
	RaftPeersInit init;

	memcpy(init.group, node->group->group_id, sizeof(init.group));
	init.self = node->id;
	init.self_name = node->name;
	init.boot = boot_count;
	init.unreachable = note_unreachable;
	init.arg = node;
	node->peers = raft_peers_create(&init);
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
	node->received = palloc(RAFT_MAX_FRAME_ENTRIES * sizeof(RaftEntry));
	node->status.role_since = GetCurrentTimestamp();
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
				 errdetail("Entries that were durable have been lost.")));
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

static RaftNode *
start_node(RaftGroup *group, Oid database)
{
	NodeRow		row;
	RaftLogRecovery recovery;
	RaftNode   *node;
	RaftEvent	event = {.type = RAFT_EVENT_BOOT};

	if (!read_row(&row))
		end_without_row(group, database);

	node = create_node(group, &row);
	opening_log = true;
	node->writer = raft_log_open(group->log, row.log_file, &row.identity,
								 row.bootstrap, row.bootstrap_size, &recovery);
	correct_boot(&recovery.boot, Max(row.applied, pg_atomic_read_u64(&group->visible)));
	opening_log = false;

	introduce(group, &row, recovery.boot_count);
	node->reader = raft_log_reader_create(group->log, row.log_file);
	load_clock(node, recovery.boot.last);
	raft_node_keep_config(node, recovery.config_index, recovery.config_data, recovery.config_size);
	create_core(node, recovery.boot_count);
	create_peers(node, recovery.boot_count);
	raft_inboxes_reset(group->inboxes);
	raft_proposals_open(group);

	node->now = raft_now();
	event.u.boot = &recovery.boot;
	raft_node_step(node, &event);
	pg_atomic_write_u64(&group->term, recovery.boot.term);
	raft_node_publish(node);
	return node;
}

static void
report_running(RaftGroup *group, RaftNode *node)
{
	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	if (group->state == RAFT_GROUP_STARTING)
		group->state = RAFT_GROUP_RUNNING;
	LWLockRelease(raft_shared->lock);

	raft_group_set_error(group, NULL, NULL);
	ConditionVariableBroadcast(&group->state_cv);
	raft_launcher_wake();		/* it starts the applier now */

	ereport(LOG,
			(errmsg("raft_pg: node \"%s\" is running, term %llu, log %llu to %llu",
					node->name, (unsigned long long) node->published.term,
					(unsigned long long) node->published.first,
					(unsigned long long) node->published.last)));
}

/* --- one turn --- */

static void
handle_interrupts(RaftNode *node)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
		reload_settings(node);

	/* others wait with their invalidation messages until we have read ours */
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
}

static void
report_unreachable(RaftNode *node)
{
	for (int i = 0; i < node->n_unreachable; i++)
	{
		RaftEvent	event = {.type = RAFT_EVENT_PEER_UNREACHABLE};

		event.u.peer = node->unreachable[i];
		raft_node_step(node, &event);
	}
	node->n_unreachable = 0;
}

/* A stream from a peer has arrived: it lives, so do not wait with dialling it. */
static void
greet_arrivals(RaftNode *node)
{
	uint64		arrivals = raft_inboxes_arrivals(node->group->inboxes);

	if (arrivals == node->arrivals)
		return;
	node->arrivals = arrivals;
	for (int i = 0; i < node->status.n_peers; i++)
	{
		RaftNodeId	id = node->status.peers[i].id;

		if (raft_inbox_connected(node->group->inboxes, id))
			raft_peers_hurry(node->peers, id);
	}
}

static void
receive_frame(RaftNode *node, const uint8 *frame, Size size)
{
	uint8		group[RAFT_GROUP_ID_BYTES];
	RaftMessage message;
	RaftEvent	event = {.type = RAFT_EVENT_RECEIVE};

	node->status.messages_in++;
	node->status.bytes_in += size;
	if (raft_frame_decode(frame, size, group, &message,
						  node->received, RAFT_MAX_FRAME_ENTRIES) != RAFT_DECODE_OK ||
		memcmp(group, node->group->group_id, sizeof(group)) != 0 ||
		message.to != node->id)
	{
		node->status.messages_refused++;
		return;
	}

	raft_node_trim_append(node, &message);
	node->frame = frame;
	event.u.message = &message;
	raft_node_step(node, &event);
	node->frame = NULL;
}

static void
receive(RaftNode *node)
{
	RaftInboxes *inboxes = node->group->inboxes;
	Size		bytes = 0;
	int			n;

	for (n = 0; n < RAFT_TURN_FRAMES && bytes < RAFT_TURN_BYTES; n++)
	{
		int			ring;
		Size		size;
		const uint8 *frame = raft_inbox_next(inboxes, &ring, &size);

		if (frame == NULL)
		{
			node->frames_left = false;
			return;
		}
		receive_frame(node, frame, size);
		raft_inbox_consume(inboxes, ring);
		bytes += size;
	}
	node->frames_left = true;
}

/* The applier's figures never go back for the core, also when it is started anew. */
static void
observe_applier(RaftNode *node)
{
	RaftIndex	durable = pg_atomic_read_u64(&node->group->durable_applied);
	RaftIndex	visible = pg_atomic_read_u64(&node->group->visible);
	RaftEvent	event = {.type = RAFT_EVENT_APPLIED};

	visible = Max(node->visible, Min(visible, node->ready));
	durable = Max(node->durable_applied, Min(durable, visible));
	if (visible == node->visible && durable == node->durable_applied)
		return;

	node->visible = event.u.applied.visible = visible;
	node->durable_applied = event.u.applied.durable = durable;
	raft_node_step(node, &event);
}

/* Refuses what does not fit into the log; returns how many of the proposals stay. */
static int
refuse_what_does_not_fit(RaftNode *node, int n)
{
	Size		room = raft_node_proposal_room(node);
	Size		needed = 0;
	int			fits = 0;

	while (fits < n)
	{
		needed += RAFT_RECORD_HEADER + node->taken[fits].size;
		if (needed > room)
			break;
		fits++;
	}
	for (int i = fits; i < n; i++)
		raft_proposal_refused(node->group, &node->taken[i].origin, RAFT_OUTCOME_LOG_FULL, 0);
	node->status.proposals_refused += n - fits;
	return fits;
}

static void
propose(RaftNode *node)
{
	/* a batch is one write: it has to leave room for others in the ring */
	Size		max_bytes = Min(RAFT_TURN_BYTES, (Size) raft_ring_size_kb * 1024 / 4);
	int			n = raft_proposals_take(node->group, node->taken, RAFT_TURN_PROPOSALS, max_bytes);
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE};

	node->status.proposals += n;
	if (n > 0 && node->role == RAFT_LEADER)
		n = refuse_what_does_not_fit(node, n);
	if (n > 0)
	{
		uint64		clock = raft_node_next_clock(node);

		for (int i = 0; i < n; i++)
		{
			const RaftTaken *taken = &node->taken[i];
			RaftEntry  *entry = &node->proposed[i];

			entry->term = 0;
			entry->clock = clock;
			entry->origin = taken->origin;
			entry->kind = taken->kind;
			entry->size = taken->size;
			entry->data = taken->data;
		}
		event.u.propose.entries = node->proposed;
		event.u.propose.n_entries = (uint32) n;
		raft_node_step(node, &event);
	}
	raft_proposals_done(node->group);
}

static void
tick(RaftNode *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_TICK};

	if (node->now >= node->deadline)
		raft_node_step(node, &event);
}

static void
wait(RaftNode *node)
{
	static uint32 wait_event = 0;
	RaftTime	now = raft_now();
	long		timeout_ms;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftNodeMain");

	if (node->frames_left || node->n_unreachable > 0 || node->deadline <= now ||
		raft_proposals_queued(node->group))
		timeout_ms = 0;
	else
		timeout_ms = (long) Min((node->deadline - now + 999) / 1000, PG_INT32_MAX);

	(void) raft_peers_wait(node->peers, timeout_ms, wait_event);
}

static void
turn(RaftNode *node)
{
	MemoryContextReset(node->turn_context);
	MemoryContextSwitchTo(node->turn_context);
	node->now = raft_now();
	node->status.turns++;

	handle_interrupts(node);
	report_unreachable(node);
	greet_arrivals(node);
	receive(node);
	observe_applier(node);
	propose(node);
	tick(node);
	raft_node_compact(node);
	raft_node_settle(node);
	raft_peers_flush(node->peers);
	raft_node_publish(node);
	wait(node);
}

/* --- the process --- */

/*
 * Keeps the error's text for raft_state(), and decides whether another attempt
 * makes sense: a wrong identity, a damaged log or a wrong capacity stay what
 * they are.
 */
static void
record_error(RaftGroup *group)
{
	ErrorData  *error;
	char	   *text;
	bool		final;

	LWLockReleaseAll();			/* whatever was held when it happened */
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	text = error->detail ? psprintf("%s: %s", error->message, error->detail) : error->message;
	raft_group_set_error(group, text, error->hint);

	final = error->sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		(opening_log && (error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
						 error->sqlerrcode == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED));
	if (!final)
		return;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	if (group->state == RAFT_GROUP_STARTING || group->state == RAFT_GROUP_RUNNING)
		group->state = RAFT_GROUP_FAILED;
	LWLockRelease(raft_shared->lock);
}

void
raft_node_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	RaftGroup  *group = raft_group_attach(database, RAFT_WORKER_NODE);

	if (group == NULL)
		proc_exit(0);

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	PG_TRY();
	{
		RaftNode   *node;

		BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
		MemoryContextSwitchTo(TopMemoryContext);
		node = start_node(group, database);
		report_running(group, node);
		for (;;)
			turn(node);
	}
	PG_CATCH();
	{
		record_error(group);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
