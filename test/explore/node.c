/*-------------------------------------------------------------------------
 *
 * node.c
 *	  One step of one node: the real core, and a host that executes its actions.
 *
 * The host is as small as a host can be: the log and the disk are words, writes
 * wait in a queue, and what the core sends is handed to the caller.  What one
 * node alone can violate is checked here.
 *
 * Time.  Each node has a clock of its own, which stands still except when a
 * choice moves it: to the election deadline, to the next heartbeat, to the end
 * of a leader's lease, or to the moment when a silent leader is given up.  Any
 * amount of time can pass on one node while none does on another.
 *
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>
#include <string.h>

#include "explore.h"

#define START_TIME			1000
#define HEARTBEAT			10
#define ELECTION_TIMEOUT	100

FILE	   *trace = NULL;

static jmp_buf panicked;
static const char *panic_what;

/* A failed assertion of the core is a finding: leave the step. */
void
raft_host_panic(void *host, const char *file, int line, const char *what)
{
	(void) host;
	if (trace != NULL)
		fprintf(trace, "          %s:%d: assertion failed: %s\n", file, line, what);
	panic_what = what;
	longjmp(panicked, 1);
}

/* Nothing is encoded here. */
uint32_t
raft_host_crc32c(uint32_t crc, const void *data, size_t size)
{
	(void) data;
	(void) size;
	raft_host_panic(NULL, __FILE__, __LINE__, "no checksum is needed");
	return crc;
}

/* A finding, unless only what can be seen from outside counts. */
static void
blame(Result *result, const char *what)
{
	if (!bounds.outcome && result->violation == NULL)
		result->violation = what;
}

/* RaftBatchEnd: every entry is as large as a record without data. */
static RaftIndex
batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	RaftIndex	end = first;

	(void) arg;
	*bytes = RAFT_ENTRY_OVERHEAD;
	while (end < last && *bytes + RAFT_ENTRY_OVERHEAD <= max_bytes)
	{
		*bytes += RAFT_ENTRY_OVERHEAD;
		end++;
	}
	return end;
}

static RaftConfig
all_voters(void)
{
	RaftConfig	config = {.index = 1, .identified = true, .n_members = N_NODES};

	for (uint32_t i = 0; i < N_NODES; i++)
		config.members[i] = (RaftMember) {.id = i + 1, .flags = RAFT_MEMBER_VOTER};
	return config;
}

/* ------------------------------------------------------------- the disk */

static void
log_write(Log *log, const DiskOp *op)
{
	if (op->truncate_from != 0)
		*log = log_prefix(*log, op->truncate_from - 1U);
	for (unsigned i = 0; i < op->n_entries; i++)
		*log |= (Log) log_at(op->entries, i + 1) << (8 * (op->first - 1U + i));
}

/* The oldest n writes reach the disk. */
static void
flush(NodeState *state, unsigned n, Result *result)
{
	for (unsigned i = 0; i < n; i++)
	{
		const DiskOp *op = &state->pending[i];

		if (op->term < state->disk_term)
			blame(result, "the term on disk goes back");
		if (op->term == state->disk_term && state->disk_vote != 0 && op->vote != state->disk_vote)
			blame(result, "the vote on disk changes within a term");
		state->disk_term = op->term;
		state->disk_vote = op->vote;
		log_write(&state->disk, op);
	}
	state->n_pending = (uint8_t) (state->n_pending - n);
	memmove(state->pending, state->pending + n, state->n_pending * sizeof(DiskOp));
	memset(state->pending + state->n_pending, 0, n * sizeof(DiskOp));
}

/* -------------------------------------------------------------- actions */

static void
execute_write(NodeState *state, const Event *event, const RaftWrite *write, Result *result)
{
	DiskOp		op = {0};

	if (trace != NULL)
		fprintf(trace, "          n%u writes term %llu, vote %u", state->core.self,
				ULL(write->term), write->vote);
	if (write->truncate_from != 0)
	{
		if (trace != NULL)
			fprintf(trace, ", truncates from %llu", ULL(write->truncate_from));
		if (write->truncate_from <= result->commit_before)
			blame(result, "a truncation below the commit index");
		else if (state->core.role == RAFT_LEADER)
			blame(result, "a leader truncates its own log");
	}
	if (state->n_pending == MAX_WRITES || write->first + write->n_entries - 1 > MAX_LOG ||
		write->term > MAX_TERM)
	{
		result->pruned = true;
		return;
	}
	op.term = (uint8_t) write->term;
	op.vote = (uint8_t) write->vote;
	op.truncate_from = (uint8_t) write->truncate_from;
	op.first = (uint8_t) write->first;
	op.n_entries = (uint8_t) write->n_entries;
	if (write->source == RAFT_WRITE_NOOP)
		op.entries = ENTRY(write->term, CARRIES_NOOP);
	else if (write->source == RAFT_WRITE_EVENT && event->kind == EVENT_PROPOSE)
		op.entries = ENTRY(write->term, CARRIES_COMMAND - 1 + event->count);
	else if (write->source == RAFT_WRITE_EVENT)
		op.entries = log_prefix(event->envelope->entries >> (8 * write->skip), write->n_entries);
	log_write(&state->log, &op);
	state->pending[state->n_pending++] = op;
	if (trace != NULL)
	{
		fprintf(trace, ": log ");
		script_print_log(trace, state->log);
		fprintf(trace, "\n");
	}
}

/*
 * Invariants 9 and 10: what a message promises is on the disk before it leaves.
 */
static const char *
check_promise(const NodeState *state, const RaftMessage *message)
{
	bool		reply = message->type == RAFT_MSG_VOTE_REPLY || message->type == RAFT_MSG_APPEND_REPLY;
	RaftNodeId	vote = 0;

	if (message->type == RAFT_MSG_PREVOTE || message->type == RAFT_MSG_PREVOTE_REPLY ||
		(reply && !message->granted))
		return NULL;
	if (state->disk_term != message->term)
		return "a message leaves before its term is durable";
	if (message->type == RAFT_MSG_VOTE)
		vote = state->core.self;
	else if (message->type == RAFT_MSG_VOTE_REPLY)
		vote = message->to;
	if (vote != 0 && state->disk_vote != vote)
		return "a vote leaves before it is durable";
	if (message->type != RAFT_MSG_APPEND_REPLY)
		return NULL;
	if (message->log_index > log_length(state->disk) ||
		!log_agrees(state->disk, state->log, (unsigned) message->log_index))
		return "an acknowledgement of what is not durable";
	if (message->log_index > state->core.verified || message->floor > state->core.verified)
		return "an acknowledgement of what the leader did not confirm";
	return NULL;
}

static void
execute_send(NodeState *state, const RaftMessage *message, Result *result)
{
	Envelope   *envelope;
	const char *promise;

	if (result->n_sent == MAX_SENT)
	{
		result->pruned = true;
		return;
	}
	envelope = &result->sent[result->n_sent++];
	memset(envelope, 0, sizeof(*envelope));
	envelope->message = *message;
	if (message->type == RAFT_MSG_APPEND)
		envelope->entries = log_prefix(state->log >> (8 * message->log_index), message->n_entries);
	promise = check_promise(state, message);
	if (promise != NULL)
		blame(result, promise);
	if (trace != NULL)
	{
		fprintf(trace, "          n%u sends ", state->core.self);
		script_print_message(trace, envelope);
		fprintf(trace, "\n");
	}
}

/* Invariants 3 and 11. */
static void
execute_commit(NodeState *state, RaftIndex commit, RaftIndex ready, Result *result)
{
	result->committed = true;
	if (commit > log_length(state->log))
		blame(result, "a commit index behind the log's end");
	if (ready > commit || ready > log_length(state->disk) ||
		!log_agrees(state->disk, state->log, (unsigned) ready))
		blame(result, "an entry is applied that is not durable here");
	if (trace != NULL)
		fprintf(trace, "          n%u commit index %llu, applies up to %llu\n", state->core.self,
				ULL(commit), ULL(ready));
}

static void
execute(NodeState *state, const Event *event, const RaftActions *actions, Result *result)
{
	for (uint32_t i = 0; i < actions->n; i++)
	{
		const RaftAction *action = &actions->item[i];

		switch (action->type)
		{
			case RAFT_ACTION_WRITE:
				execute_write(state, event, &action->u.write, result);
				break;
			case RAFT_ACTION_SEND:
				execute_send(state, &action->u.send.message, result);
				break;
			case RAFT_ACTION_COMMIT:
				execute_commit(state, action->u.commit.commit, action->u.commit.ready, result);
				break;
			case RAFT_ACTION_ROLE:
				if (action->u.role.to == RAFT_LEADER && action->u.role.from != RAFT_LEADER)
					result->led = true;
				if (trace != NULL)
					fprintf(trace, "          n%u is %s of term %llu, leader %u\n", state->core.self,
							raft_role_name(action->u.role.to), ULL(action->u.role.term),
							action->u.role.leader);
				break;
			case RAFT_ACTION_PEER_LOST:
				blame(result, "a peer is said to have lost what it has");
				break;
			case RAFT_ACTION_PLACED:
			case RAFT_ACTION_REFUSED:
			case RAFT_ACTION_CONFIG:
				break;
		}
	}
}

/* --------------------------------------------------------------- events */

/* The core starts from the disk, knowing "applied" as committed. */
static void
boot(NodeState *state, RaftNodeId id, uint64_t boot_count, RaftTime now, RaftIndex applied,
	 const Event *event, Result *result)
{
	RaftRun		runs[MAX_LOG];
	RaftConfig	config = all_voters();
	RaftBoot	boot = {
		.term = state->disk_term, .vote = state->disk_vote, .first = 1,
		.last = log_length(state->disk), .commit = applied, .applied = applied,
		.runs = runs, .configs = &config, .n_configs = 1
	};
	RaftInit	init = {
		.self = id, .boot = boot_count, .batch_end = batch_end, .batch_end_arg = NULL,
		.settings = {
			.heartbeat_interval = HEARTBEAT, .election_timeout = ELECTION_TIMEOUT,
			.commit_notice = ELECTION_TIMEOUT * UINT64_C(1000),
			.max_batch_bytes = bounds.batch * RAFT_ENTRY_OVERHEAD,
			.max_inflight = bounds.inflight,
			.max_inflight_bytes = RAFT_MAX_INFLIGHT * bounds.batch * RAFT_ENTRY_OVERHEAD
		}
	};
	RaftEvent	step = {.type = RAFT_EVENT_BOOT, .now = now};

	for (unsigned i = 1; i <= boot.last; i++)
	{
		RaftTerm	term = ENTRY_TERM(log_at(state->disk, i));

		if (boot.n_runs == 0 || runs[boot.n_runs - 1].term != term)
			runs[boot.n_runs++] = (RaftRun) {.first = i, .term = term};
	}
	state->log = state->disk;
	raft_core_init(&state->core, &init);
	step.u.boot = &boot;
	execute(state, event, raft_step(&state->core, &step), result);
}

/* A new node: every disk is formatted alike, its first entry is committed. */
void
node_format(NodeState *state, RaftNodeId id)
{
	Event		event = {.kind = EVENT_CRASH};
	Result		result = {0};

	memset(state, 0, sizeof(*state));
	state->disk = ENTRY(1, CARRIES_CONFIG);
	state->disk_term = 1;
	boot(state, id, 1, START_TIME, 1, &event, &result);
}

/* Would this node refuse to vote since it hears its leader? */
bool
node_is_sticky(const RaftCore *core)
{
	return core->role != RAFT_LEADER && core->leader != 0 && core->leader_contact != 0 &&
		core->now < core->leader_contact + core->settings.election_timeout;
}

static void
deliver(NodeState *state, const Event *event, Result *result)
{
	RaftEntry	entries[MAX_LOG];
	RaftMessage message = event->envelope->message;
	RaftEvent	step = {.type = RAFT_EVENT_RECEIVE, .now = state->core.now};

	for (uint32_t i = 0; i < message.n_entries; i++)
	{
		uint8_t		entry = log_at(event->envelope->entries, i + 1);

		entries[i] = (RaftEntry) {.term = ENTRY_TERM(entry), .kind = RAFT_ENTRY_COMMAND};
		if (ENTRY_CARRIES(entry) == CARRIES_NOOP)
			entries[i].kind = RAFT_ENTRY_NOOP;
	}
	message.entries = entries;
	step.u.receive.message = &message;
	step.u.receive.room = RAFT_ROOM_ENOUGH;
	if (event->lapsed)
		step.now = state->core.leader_contact + ELECTION_TIMEOUT;
	execute(state, event, raft_step(&state->core, &step), result);
}

static void
write_durable(NodeState *state, unsigned n, const Event *event, Result *result)
{
	RaftEvent	step = {.type = RAFT_EVENT_WRITE_DURABLE, .now = state->core.now};

	step.u.op = state->core.synced + n;
	flush(state, n, result);
	execute(state, event, raft_step(&state->core, &step), result);
}

/* Moves the clock to where something happens, and lets it happen. */
static void
tick(NodeState *state, const Event *event, Result *result)
{
	const RaftCore *core = &state->core;
	RaftEvent	step = {.type = RAFT_EVENT_TICK, .now = core->now};

	if (core->role != RAFT_LEADER)
		step.now = raft_max(core->now, core->election_deadline);
	else if (event->kind == EVENT_STEP_DOWN)
		step.now = core->now + 2 * ELECTION_TIMEOUT;	/* check quorum */
	else
	{
		for (uint32_t i = 0; i < core->n_progress; i++)
			step.now = raft_max(step.now, core->progress[i].sent + HEARTBEAT);
	}
	execute(state, event, raft_step(&state->core, &step), result);
}

static void
propose(NodeState *state, const Event *event, Result *result)
{
	RaftEntry	entry = {.kind = RAFT_ENTRY_COMMAND, .origin = {.node = state->core.self, .serial = event->count}};
	RaftEvent	step = {.type = RAFT_EVENT_PROPOSE, .now = state->core.now};

	step.u.propose.entries = &entry;
	step.u.propose.n_entries = 1;
	execute(state, event, raft_step(&state->core, &step), result);
}

/*
 * The power fails and comes back: of the writes under way the oldest "count"
 * have reached the disk, and of the applied index its own write has or has not.
 */
static void
crash(NodeState *state, const Event *event, Result *result)
{
	RaftIndex	applied = event->lapsed ? 1 : state->core.told_ready;

	flush(state, event->count, result);
	state->n_pending = 0;
	memset(state->pending, 0, sizeof(state->pending));
	boot(state, state->core.self, state->core.boot + 1, state->core.now, applied, event, result);
}

/*
 * A leader sends what it can: otherwise a stale answer, which world.c throws
 * away, could still set something going.
 */
static void
check_nothing_waits(const RaftCore *core, Result *result)
{
	for (uint32_t i = 0; core->role == RAFT_LEADER && i < core->n_progress; i++)
	{
		const RaftProgress *progress = &core->progress[i];

		if (progress_window_open(core, progress) &&
			(progress->state == RAFT_PROBE || progress->next <= core->trail.last))
			blame(result, "a leader has something to send, may send it, and does not");
	}
}

/*
 * Does the event to the node, in place.
 */
void
node_step(NodeState *state, const Event *event, Result *result)
{
	memset(result, 0, offsetof(Result, sent));
	if (setjmp(panicked) != 0)
	{
		result->violation = panic_what;
		return;
	}
	state->core.batch_end = batch_end;
	result->commit_before = state->core.commit;
	switch (event->kind)
	{
		case EVENT_DELIVER:
			deliver(state, event, result);
			break;
		case EVENT_FLUSH:
			write_durable(state, event->count, event, result);
			break;
		case EVENT_TIMEOUT:
		case EVENT_STEP_DOWN:
			tick(state, event, result);
			break;
		case EVENT_CRASH:
			crash(state, event, result);
			break;
		case EVENT_PROPOSE:
			propose(state, event, result);
			break;
		case EVENT_STALE:
			canonical_stale(state, event->owner, event->stale);
			break;
	}
	while (bounds.instant && state->n_pending > 0 && !result->pruned)
		write_durable(state, state->n_pending, event, result);
	check_nothing_waits(&state->core, result);
	/* the next message would be lost for lack of room: which one depends on an order */
	if (state->core.n_held == RAFT_MAX_HELD)
		result->pruned = true;
}
