/*-------------------------------------------------------------------------
 *
 * node.c
 *	  The host of one core: what src/node and src/apply are in the server.
 *
 * It executes the actions of a step in order, keeps the log, applies what may
 * be applied, and reports back.  Nothing here decides anything about Raft.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "host_mutants.h"
#include "replay.h"

/* The clock that entries carry: virtual time, on some day. */
#define EPOCH	UINT64_C(1700000000000000)

/* What proposals leave of a bounded log to the no-ops of leaders to come. */
#define LOG_RESERVE	1000

/* RaftBatchEnd over the log of a node. */
static RaftIndex
batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	const Node *node = arg;
	RaftIndex	end = first;

	*bytes = simlog_at(&node->log, first)->length;
	while (end < last && *bytes + simlog_at(&node->log, end + 1)->length <= max_bytes)
		*bytes += simlog_at(&node->log, ++end)->length;
	if (current_lab->recordings != NULL)
		recording_answer(current_lab, node->id, &(RaftBatchAnswer) {first, last, end, *bytes});
	return end;
}

/* Bytes of the records in the node's log. */
uint64_t
node_log_bytes(const Node *node)
{
	uint64_t	bytes = 0;

	for (RaftIndex i = node->log.first; i <= node->log.last; i++)
		bytes += simlog_at(&node->log, i)->length;
	return bytes;
}

static uint64_t
room_above(const Node *node, uint64_t keep)
{
	uint64_t	used;

	if (node->log_capacity == 0)
		return RAFT_ROOM_ENOUGH;
	used = node_log_bytes(node) + keep;
	return used < node->log_capacity ? node->log_capacity - used : 0;
}

/* Bytes of received records that the node's log has room for: some is kept for its own no-op. */
uint64_t
node_room(const Node *node)
{
	return room_above(node, LOG_RESERVE / 2);
}

/* ---------------------------------------------------------------- clock */

/* What the node's own clock shows. */
RaftTime
node_clock(const Lab *lab, const Node *node)
{
	return node->clock_local + (lab->now - node->clock_true) * node->clock_rate / 1000;
}

/* The time at which the node's own clock will show a time. */
static RaftTime
true_time(const Lab *lab, const Node *node, RaftTime local)
{
	if (local <= node_clock(lab, node))
		return lab->now;
	return node->clock_true + ((local - node->clock_local) * 1000 + node->clock_rate - 1) / node->clock_rate;
}

/* Early ticks are harmless: some runs have them. */
static bool
comes_early(Lab *lab)
{
	return lab->settings.early_tick_percent > 0 &&
		rng_percent(&lab->rng_host, lab->settings.early_tick_percent);
}

/* Makes sure that a tick is posted for the core's deadline. */
static void
arm_tick(Lab *lab, Node *node)
{
	RaftTime	at,
				late;

	if (node->deadline == UINT64_MAX)
		return;
	at = true_time(lab, node, node->deadline);
	if (comes_early(lab))
		at = lab->now + rng_below(&lab->rng_host, at - lab->now + 1);
	if (node->tick_at != 0 && node->tick_at <= at)
		return;
	node->tick_at = at;
	late = at + rng_below(&lab->rng_host, lab->settings.tick_lateness + 1);
	sched_post(&lab->sched, (SimEvent) {
		.at = late < node->starved_until ? node->starved_until : late,
		.type = SIM_TICK,
		.node = node->id,
		.boot = node->boot,
		.value = at
	});
}

/* The clock steps forward, and goes on at this rate. */
void
node_set_clock(Lab *lab, Node *node, RaftTime step, uint32_t rate)
{
	node->clock_local = node_clock(lab, node) + step;
	node->clock_true = lab->now;
	node->clock_rate = rate;
	if (node->up && !node->stopped)
		arm_tick(lab, node);
}

/* ------------------------------------------------------------- applying */

/* Begins to apply what may be applied, unless that is under way. */
static void
start_apply(Lab *lab, Node *node)
{
	RaftTime	at = lab->now;

	if (node->applying != 0 || node->ready <= node->visible)
		return;
	if (at < node->applier_down_until)
		at = node->applier_down_until;
	node->applying = node->ready;
	sched_post(&lab->sched, (SimEvent) {
		.at = at + rng_below(&lab->rng_host, lab->settings.apply_delay + node->apply_slow + 1),
		.type = SIM_APPLY,
		.node = node->id,
		.boot = node->life,
		.value = ++node->apply_number
	});
}

/* The applier is ended in the middle of its work, and starts again later. */
void
node_kill_applier(Lab *lab, Node *node, RaftTime until)
{
	node->applier_down_until = until;
	node->applying = 0;
	node->apply_number++;
	if (node->up)
		start_apply(lab, node);
}

/* Drops the part of the log that every member has and that is applied here. */
static void
compact(Lab *lab, Node *node)
{
	RaftIndex	limit = node->status.floor < node->told_durable ? node->status.floor : node->told_durable;
	RaftEvent	event = {.type = RAFT_EVENT_COMPACTED, .now = lab->now};

	if (!lab->settings.compact || limit < node->log.first)
		return;
	if (!lab->settings.compact_to_tip)
		limit = rng_between(&lab->rng_host, node->log.first, limit);
	simlog_compact(&node->log, limit);
	disk_compact(lab, node, limit);
	event.u.compacted = limit;
	node_step(lab, node, &event);
}

/*
 * Tells the core how far the applier is, which may be ahead of what a core knows that
 * has started since: no more than it has itself said may be applied, and never less than before.
 */
static void
report_applied(Lab *lab, Node *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_APPLIED, .now = lab->now};
	RaftIndex	visible = node->visible;
	RaftIndex	durable = node->disk.applied;

	if (!HOST_MUTANT(APPLIER_UNCLAMPED))
	{
		visible = visible < node->ready ? visible : node->ready;
		visible = visible > node->told_visible ? visible : node->told_visible;
		durable = durable < visible ? durable : visible;
		durable = durable > node->told_durable ? durable : node->told_durable;
	}
	if (visible == node->told_visible && durable == node->told_durable)
		return;
	event.u.applied.visible = node->told_visible = visible;
	event.u.applied.durable = node->told_durable = durable;
	node_step(lab, node, &event);
}

/* The applier's transaction is durable: the state and its index, at once. */
static void
apply_durable(Lab *lab, Node *node, RaftIndex index, const Machine *machine)
{
	if (index <= node->disk.applied)
		return;					/* a later flush ended before */
	node->disk.applied = index;
	node->disk.machine = HOST_MUTANT(APPLIED_APART) ? node->machine : *machine;
	report_applied(lab, node);
	if (node->up)
		compact(lab, node);
}

static void
apply_entry(Lab *lab, Node *node, RaftIndex index)
{
	const LogEntry *entry = simlog_at(&node->log, index);
	MachineAnswer answer;

	invariants_apply(lab, node, index);
	if (HOST_MUTANT(UNSTEADY_APPLY) && entry->kind == RAFT_ENTRY_COMMAND)
		node->machine.registers[0] += node->id & 1;
	answer = machine_apply(&node->machine, entry);
	node->visible = index;
	node->commands = entry->commands;
	history_applied(lab, node, index, node->machine.digest);
	if (lab->clients != NULL)
		clients_applied(lab, node, index, entry, &answer);
}

static void
apply(Lab *lab, Node *node)
{
	while (node->visible < node->applying)
		apply_entry(lab, node, node->visible + 1);
	node->applying = 0;
	lab_trace(lab, "n%u  applied up to %llu (command %llu)", node->id,
			  (unsigned long long) node->visible, (unsigned long long) node->commands);
	if (lab->settings.apply_durable_delay == 0)
		apply_durable(lab, node, node->visible, &node->machine);
	else
	{
		sched_post(&lab->sched, (SimEvent) {
			.at = lab->now + rng_below(&lab->rng_host, lab->settings.apply_durable_delay + 1),
			.type = SIM_APPLY_DURABLE,
			.node = node->id,
			.boot = node->life,
			.value = node->visible,
			.machine = run_copy(&node->machine, sizeof(Machine))
		});
		report_applied(lab, node);
	}
	if (node->up)
		start_apply(lab, node);
}

/* -------------------------------------------------------------- actions */

/* Entry i of a write: from the event, or the no-op that the host makes. */
static RaftEntry
written_entry(Lab *lab, const RaftEvent *event, const RaftWrite *write, uint32_t i)
{
	RaftEntry	entry = {0};

	if (write->source == RAFT_WRITE_NOOP)
	{
		entry.kind = RAFT_ENTRY_NOOP;
		entry.term = write->term;
		entry.clock = EPOCH + lab->now;
	}
	else if (event->type == RAFT_EVENT_PROPOSE)
	{
		lab_check(lab, write->skip + i < event->u.propose.n_entries,
				  "a write takes more entries than were proposed");
		entry = event->u.propose.entries[write->skip + i];
		entry.term = write->term;
	}
	else
	{
		lab_check(lab, event->type == RAFT_EVENT_RECEIVE &&
				  write->skip + i < event->u.receive.message->n_entries,
				  "a write takes more entries than were received");
		entry = event->u.receive.message->entries[write->skip + i];
	}
	return entry;
}

static void
execute_write(Lab *lab, Node *node, const RaftEvent *event, const RaftWrite *write)
{
	DiskOp		op = {0};

	if (lab->tracing)
		trace_write(lab, node, write);
	invariants_write(lab, node, write);
	node->written = write->op;
	if (write->truncate_from != 0 && write->truncate_from <= node->range_last &&
		!HOST_MUTANT(SEND_CACHE_KEPT))
		node->range_first = node->range_last = 0;
	if (write->truncate_from != 0)
		simlog_truncate(&node->log, write->truncate_from);
	op.op = write->op;
	op.term = write->term;
	op.vote = write->vote;
	op.truncate_from = write->truncate_from;
	op.first = write->first;
	op.n_entries = write->n_entries;
	op.commit = node->before.commit;
	op.entries = run_alloc(write->n_entries * sizeof(LogEntry));
	for (uint32_t i = 0; i < write->n_entries; i++)
	{
		RaftEntry	entry = written_entry(lab, event, write, i);

		if (entry.kind == RAFT_ENTRY_CONFIG && event->type == RAFT_EVENT_PROPOSE)
			invariants_proposal_config(lab, node, write->first + i, &entry);
		op.entries[i] = simlog_make_entry(&node->log, write->first + i, &entry);
		op.entries[i].op = write->op;
		op.entries[i].boot = node->boot;
		simlog_append(&node->log, &op.entries[i]);
		history_append(lab, node, write->first + i, &op.entries[i]);
	}
	disk_start_write(lab, node, &op);
}

/* A peer is said to have lost entries: it has. */
static void
check_lost(Lab *lab, const Node *node, const Node *peer, RaftIndex confirmed)
{
	lab_check(lab, confirmed >= peer->disk.log.first &&
			  simlog_term(&peer->disk.log, confirmed) != simlog_term(&node->log, confirmed),
			  "node %u says that node %u has lost entry %llu, which it has", node->id, peer->id,
			  (unsigned long long) confirmed);
}

static void
execute(Lab *lab, Node *node, const RaftEvent *event, const RaftAction *action)
{
	switch (action->type)
	{
		case RAFT_ACTION_WRITE:
			execute_write(lab, node, event, &action->u.write);
			break;
		case RAFT_ACTION_SEND:
			invariants_send(lab, node, &action->u.send.message, action->u.send.after);
			network_send(lab, node, &action->u.send.message);
			break;
		case RAFT_ACTION_COMMIT:
			lab_trace(lab, "n%u  commit %llu, ready %llu", node->id,
					  (unsigned long long) action->u.commit.commit,
					  (unsigned long long) action->u.commit.ready);
			invariants_commit(lab, node, action->u.commit.commit, action->u.commit.ready);
			node->ready = HOST_MUTANT(APPLY_EARLY) ? action->u.commit.commit : action->u.commit.ready;
			start_apply(lab, node);
			break;
		case RAFT_ACTION_PLACED:
			node->result = (ProposeResult) {
				.placed = true, .first = action->u.placed.first, .term = action->u.placed.term
			};
			break;
		case RAFT_ACTION_REFUSED:
			node->result = (ProposeResult) {.leader = action->u.refused.leader};
			break;
		case RAFT_ACTION_ROLE:
			lab_trace(lab, "n%u  %s -> %s, term %llu, leader %u", node->id,
					  raft_role_name(action->u.role.from), raft_role_name(action->u.role.to),
					  (unsigned long long) action->u.role.term, action->u.role.leader);
			break;
		case RAFT_ACTION_PEER_LOST:
			lab_trace(lab, "n%u  counts n%u no more: it confirmed %llu and agrees up to %llu", node->id,
					  action->u.lost.peer, (unsigned long long) action->u.lost.confirmed,
					  (unsigned long long) action->u.lost.agrees);
			check_lost(lab, node, &lab->nodes[action->u.lost.peer], action->u.lost.confirmed);
			break;
		case RAFT_ACTION_CONFIG:
			lab_trace(lab, "n%u  configuration of index %llu is active", node->id,
					  (unsigned long long) action->u.config.index);
			break;
	}
}

/* The process may die between two actions, before the first, or after the last. */
static bool
dies_here(Lab *lab, Node *node)
{
	if (node->crash_in == 0 || --node->crash_in > 0)
		return false;
	node_crash(lab, node);
	return true;
}

void
node_step(Lab *lab, Node *node, const RaftEvent *event)
{
	const RaftActions *actions;
	RaftEvent	timed = *event;

	timed.now = node_clock(lab, node);
	node->before = node->status;
	actions = lab->recordings != NULL ?
		recording_step(lab, node, &timed) : raft_step(node->core, &timed);
	raft_core_status(node->core, &node->status);
	invariants_leader(lab, node);
	if (node->ambush != 0 && node->status.role != node->before.role &&
		node->status.role == node->ambush_as)
	{
		node->crash_in = node->ambush;
		node->ambush = 0;
	}
	for (uint32_t i = 0; i < actions->n; i++)
	{
		if (dies_here(lab, node))
			return;
		execute(lab, node, event, &actions->item[i]);
	}
	node->deadline = actions->deadline;
	invariants_after_step(lab, node);
	arm_tick(lab, node);
	if (node->visible > node->told_visible && node->ready > node->told_visible)
		report_applied(lab, node);
}

/* ----------------------------------------------------- start, crash, use */

/*
 * Reads the disk.  False when it must not be trusted: then the node stays out, since
 * what it has forgotten it may have promised.
 */
static bool
recover(Lab *lab, Node *node, RaftBoot *boot)
{
	const char *wrong;

	if (node->disk.wiped && identity_may_be_new(lab, node))
	{
		identity_lose(node);
		disk_format(lab, &node->disk);
	}
	wrong = identity_check_disk(&node->disk);
	if (wrong == NULL)
		wrong = disk_recover(lab, node, boot);
	if (wrong == NULL)
	{
		identity_begin(lab, node);
		return true;
	}
	lab_trace(lab, "n%u  does not start: its disk has %s", node->id, wrong);
	node->out = true;
	node->up = false;
	return false;
}

/* Starts the core from what is on the disk; the server with it, or the node's worker alone. */
static void
start_worker(Lab *lab, Node *node, bool server)
{
	RaftInit	init = {0};
	RaftBoot	boot;
	RaftEvent	event = {.type = RAFT_EVENT_BOOT, .now = lab->now};

	node->boot++;
	node->up = true;
	node->stopped = false;
	node->paused_until = 0;
	node->written = 0;
	node->synced = 0;
	node->tick_at = 0;
	node->range_first = node->range_last = 0;
	node->crash_in = 0;
	node->ambush = 0;
	if (!recover(lab, node, &boot))
		return;
	node->ready = boot.applied;
	node->told_visible = node->told_durable = boot.applied;
	if (server)
	{
		node->life++;
		node->applying = 0;
		node->visible = boot.applied;
		node->machine = node->disk.machine;
		node->commands = simlog_at(&node->log, boot.applied)->commands;
	}

	init.self = node->id;
	init.boot = node->boot;
	init.seed = rng_next(&lab->rng_host);
	init.settings = lab->settings.core;
	init.batch_end = batch_end;
	init.batch_end_arg = node;
	init.host = node;
	if (node->memory == NULL)
		node->memory = malloc(raft_core_size());
	if (node->memory == NULL)
		abort();
	node->core = raft_core_init(node->memory, &init);
	if (lab->recordings != NULL)
		recording_begin(lab, &init);
	memset(&node->status, 0, sizeof(node->status));
	lab_trace(lab, "n%u  starts: boot %llu, term %llu, vote %u, log %llu..%llu, applied %llu",
			  node->id, (unsigned long long) node->boot, (unsigned long long) boot.term, boot.vote,
			  (unsigned long long) boot.first, (unsigned long long) boot.last,
			  (unsigned long long) boot.applied);
	event.u.boot = &boot;
	node_step(lab, node, &event);
	if (!node->up)
		return;
	invariants_recovered(lab, node, &boot);
	identity_greet(lab, node);
}

void
node_start(Lab *lab, Node *node)
{
	start_worker(lab, node, true);
}

/*
 * The node's worker ends and starts again, in a server that lives: nothing that was
 * written is lost, and the applier goes on.
 */
void
node_restart_worker(Lab *lab, Node *node)
{
	if (!node->up || node->stopped)
		return;
	lab_trace(lab, "test: the worker of n%u starts again", node->id);
	disk_settle(lab, node);
	start_worker(lab, node, false);
}

/* Drops everything in memory; the disk keeps what it keeps. */
void
node_crash(Lab *lab, Node *node)
{
	if (!node->up)
		return;
	node->up = false;
	node->crash_in = 0;
	node->ambush = 0;
	disk_crash(lab, node);
	node->core = NULL;
	node->visible = node->disk.applied;
	node->machine = node->disk.machine;
	node->commands = simlog_at(&node->disk.log, node->disk.applied)->commands;
}

/* Tells a running core of changed intervals and sizes. */
void
node_settings(Lab *lab, Node *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_SETTINGS, .now = lab->now};

	event.u.settings = &lab->settings.core;
	node_step(lab, node, &event);
}

ProposeResult
node_propose(Lab *lab, Node *node, const RaftEntry *entries, uint32_t n)
{
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE, .now = lab->now};
	uint64_t	needed = 0;

	for (uint32_t i = 0; i < n; i++)
		needed += RAFT_RECORD_HEADER + entries[i].size;
	node->result = (ProposeResult) {0};
	if (node->log_capacity != 0 && needed > room_above(node, LOG_RESERVE))
	{
		node->result.full = true;
		return node->result;
	}
	event.u.propose.entries = entries;
	event.u.propose.n_entries = n;
	node_step(lab, node, &event);
	node->result.died = !node->up;
	return node->result;
}

static void
node_tick(Lab *lab, Node *node, const SimEvent *event)
{
	RaftEvent	step = {.type = RAFT_EVENT_TICK, .now = lab->now};

	if (event->value != node->tick_at)
		return;					/* an earlier one was posted since */
	if (event->late && !HOST_MUTANT(TICK_FIRST))
	{
		/* messages that wait, too, come first: the leader's may be among them */
		SimEvent	last = *event;

		last.at = lab->now;
		last.late = false;
		sched_post(&lab->sched, last);
		return;
	}
	node->tick_at = 0;
	if (node->deadline > node_clock(lab, node) &&
		!comes_early(lab))
		arm_tick(lab, node);
	else
		node_step(lab, node, &step);
}

/* Does the node wait for its disk, and for nothing else?  Only a broken host does. */
static bool
is_stalled(const Node *node, const SimEvent *event)
{
	return HOST_MUTANT(STALLED_BY_DISK) && node->disk.syncing && event->type != SIM_DISK_SYNC;
}

/* Dispatches an event of the queue. */
void
node_handle(Lab *lab, const SimEvent *event)
{
	Node	   *node = &lab->nodes[event->node];

	if (node->paused_until > lab->now || is_stalled(node, event))
	{
		SimEvent	later = *event;

		later.late = true;
		later.at = node->paused_until > lab->now ? node->paused_until : lab->now + MS;
		sched_post(&lab->sched, later);
		return;
	}
	if (event->type == SIM_MESSAGE)
	{
		network_deliver(lab, event);
		return;
	}
	if (event->type == SIM_UNREACHABLE)
	{
		network_unreachable(lab, event);
		return;
	}
	if (!node->up || node->stopped || event->boot !=
		(event->type == SIM_APPLY || event->type == SIM_APPLY_DURABLE ? node->life : node->boot))
		return;
	switch (event->type)
	{
		case SIM_TICK:
			node_tick(lab, node, event);
			break;
		case SIM_DISK_SYNC:
			disk_sync_done(lab, node);
			break;
		case SIM_DISK_DURABLE:
			{
				RaftEvent	step = {.type = RAFT_EVENT_WRITE_DURABLE, .now = lab->now};

				step.u.op = event->value;
				if (node->synced < event->value)
					node->synced = event->value;
				node_step(lab, node, &step);
				break;
			}
		case SIM_APPLY:
			if (event->value == node->apply_number)
				apply(lab, node);
			break;
		case SIM_APPLY_DURABLE:
			apply_durable(lab, node, event->value, event->machine);
			break;
		case SIM_MESSAGE:
		case SIM_UNREACHABLE:
		case SIM_CLIENT:
		case SIM_FLAP:
			break;
	}
}
