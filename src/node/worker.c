/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The node worker: raft_node_main() and its main loop.
 *
 * One process per group does everything that is consensus: it alone steps the
 * core, writes the log and talks to the peers.  One turn of the loop, turn():
 *
 *		receive		frames from the inboxes, each one step of the core
 *		observe		what the applier has done, and whether it is late
 *		name logs	the leader of a group that is being formed
 *		propose		everything queued, as one batch
 *		tick		when the core's deadline has passed
 *		settle		hand the appends to the sockets, ask for one flush for it all,
 *					and tell the core what is durable by now
 *		publish		status, wake the applier and those who wait
 *		wait		for the latch, a socket or the next deadline
 *
 * Nothing in it waits for the disk: the flusher does, and wakes this process.  An ERROR ends the process; whatever it
 * had promised is on disk, and the launcher starts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/proposals.h"
#include "group/blockers.h"
#include "group/group.h"
#include "group/shared.h"
#include "group/workers.h"
#include "host_mutants.h"
#include "miscadmin.h"
#include "node/node.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* --- one turn --- */

static void
reload_settings(RaftNode *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_SETTINGS};
	RaftSettings settings;

	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	settings = raft_node_settings();
	event.u.settings = &settings;
	raft_node_step(node, &event);
	raft_recorder_reload(node);

	/* what keeps a peer away may have been in a file that was just put right */
	for (int i = 0; i < node->status.n_peers; i++)
		raft_peers_hurry(node->peers, node->status.peers[i].id);
}

static void
handle_interrupts(RaftNode *node)
{
	raft_worker_end_if_asked();
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
		reload_settings(node);

	/* others wait with their invalidation messages until we have read ours */
	if (catchupInterruptPending)
	{
		ProcessCatchupInterrupt();
		/* the transaction in it has left us in memory that is never emptied */
		MemoryContextSwitchTo(node->turn_context);
	}
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
receive_frame(RaftNode *node, const uint8 *frame, Size size, uint64 log_id)
{
	uint8		group[RAFT_GROUP_ID_BYTES];
	RaftMessage message;
	RaftEvent	event = {.type = RAFT_EVENT_RECEIVE};

	node->status.messages_in++;
	node->status.bytes_in += size;
	if (raft_frame_decode(frame, size, group, &message,
						  node->received, RAFT_MAX_MESSAGE_ENTRIES) != RAFT_DECODE_OK ||
		memcmp(group, node->group->group_id, sizeof(group)) != 0 ||
		message.to != node->id || !raft_node_hears(node, message.from, log_id))
	{
		node->status.messages_refused++;
		return;
	}

	node->frame = frame;
	event.u.receive.room = raft_node_receive_room(node);
	event.u.receive.message = &message;
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
		uint64		log_id;
		const uint8 *frame = raft_inbox_next(inboxes, &ring, &size, &log_id);

		if (frame == NULL)
		{
			node->frames_left = false;
			return;
		}
		receive_frame(node, frame, size, log_id);
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

/*
 * A batch that takes long may be waiting for a lock.  The launcher looks: this process
 * must not wait for the lock manager's own locks.
 */
static void
watch_applier(RaftNode *node)
{
	RaftTime	interval = raft_watch_interval();
	RaftTime	batch = pg_atomic_read_u64(&node->group->apply_since);

	if (interval == 0 || (batch == 0 && node->visible >= node->ready))
		node->watch_at = 0;
	else if (batch == 0)
		node->watch_at = node->now + interval;	/* it has not begun */
	else if (node->now < batch + interval)
		node->watch_at = batch + interval;
	else if (node->watch_at <= node->now)
	{
		raft_launcher_wake();
		node->watch_at = node->now + interval;
	}
}

/* Refuses what does not fit into the log; returns how many of the proposals stay. */
static int
refuse_what_does_not_fit(RaftNode *node, int n)
{
	uint64		room = raft_node_proposal_room(node);
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
		raft_slot_refused(node->group->slots, &node->taken[i].origin, RAFT_OUTCOME_LOG_FULL, 0);
	node->status.proposals_refused += n - fits;
	return fits;
}

/*
 * A leader takes no commands while a batch is on its way to the disk: they are the next
 * batch.  Those of a stuck disk can still be withdrawn.  Nor does it before the group is
 * formed: a member may come with another log as long as there is nothing to lose.
 */
static bool
may_propose(RaftNode *node)
{
	return node->role != RAFT_LEADER || (node->identified && !raft_node_is_flushing(node));
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
		raft_stop_point("taken");
		raft_node_step(node, &event);
	}
	raft_proposals_done(node->group);
}

static void
tick(RaftNode *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_TICK};

	if (node->now < node->deadline)
		return;

	/* all that time does to others than a leader is to make them candidates */
	if (node->role != RAFT_LEADER && !raft_node_may_campaign(node))
		node->deadline = node->now + (RaftTime) raft_election_timeout_ms * 1000;
	else
		raft_node_step(node, &event);
}

static void
wait_for_work(RaftNode *node)
{
	static uint32 wait_event = 0;
	RaftTime	now = raft_now();
	RaftTime	deadline = node->deadline;
	long		timeout_ms;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftNodeMain");

	if (node->watch_at != 0)
		deadline = Min(deadline, node->watch_at);
	if (node->frames_left || node->n_unreachable > 0 || deadline <= now ||
		(may_propose(node) && raft_proposals_queued(node->group)))
		timeout_ms = 0;
	else
		timeout_ms = (long) Min((deadline - now + 999) / 1000, PG_INT32_MAX);

	(void) raft_peers_wait(node->peers, timeout_ms, wait_event);
}

static void
turn(RaftNode *node)
{
	raft_stop_point("turn");
	MemoryContextReset(node->turn_context);
	MemoryContextSwitchTo(node->turn_context);
	node->now = raft_now();
	node->status.turns++;

	handle_interrupts(node);
	raft_stop_point("turn");
	report_unreachable(node);
	greet_arrivals(node);
	raft_node_settle(node);
	if (RAFT_HOST_MUTANT(TICK_FIRST))
		tick(node);
	receive(node);
	observe_applier(node);
	watch_applier(node);
	raft_node_name_logs(node);
	if (may_propose(node))
		propose(node);
	tick(node);
	raft_node_compact(node);
	raft_node_settle(node);
	raft_peers_flush(node->peers);
	raft_node_publish(node);
	raft_recorder_flush(node);
	wait_for_work(node);
}

/* --- the process --- */

static void
report_running(RaftGroup *group, RaftNode *node)
{
	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	(void) raft_life_event(group, RAFT_LIFE_NODE_READY);
	LWLockRelease(raft_shared->lock);

	raft_group_set_error(group, NULL, NULL);
	ConditionVariableBroadcast(&group->state_cv);
	raft_launcher_wake();		/* it starts the applier now */

	ereport(LOG,
			(errmsg("Raft node \"%s\" is running in term %llu with log entries %llu to %llu",
					node->name, (unsigned long long) node->published.term,
					(unsigned long long) node->published.first,
					(unsigned long long) node->published.last)));
}

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
		(raft_node_opening_log &&
		 (error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
		  error->sqlerrcode == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED));
	if (!final)
		return;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	(void) raft_life_event(group, RAFT_LIFE_GAVE_UP);
	LWLockRelease(raft_shared->lock);
}

static void
node_body(void *arg)
{
	RaftGroup  *group = arg;

	PG_TRY();
	{
		ErrorContextCallback context = {.callback = raft_group_error_context,.arg = group};
		RaftNode   *node;

		MemoryContextSwitchTo(TopMemoryContext);
		node = raft_node_start(group, group->database);
		context.previous = error_context_stack;
		error_context_stack = &context;
		report_running(group, node);
		for (;;)
			turn(node);
	}
	PG_CATCH();
	{
		raft_worker_end_if_asked();
		record_error(group);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

void
raft_node_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	RaftGroup  *group = raft_group_attach(database, RAFT_WORKER_NODE);

	if (group == NULL)
		proc_exit(0);
	raft_worker_run(database, 0, node_body, group);
}
