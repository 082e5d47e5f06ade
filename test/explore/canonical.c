/*-------------------------------------------------------------------------
 *
 * canonical.c
 *	  Equal states made equal bytes.
 *
 * Two states that can never behave differently should be one.  Whatever is not
 * mentioned here is kept as it is: a field that the core gains tomorrow makes
 * more states, never fewer.  What is normalised, and why nothing is lost:
 *
 *	times		are only ever compared with "now".  Of a follower it matters whether
 *				it still hears its leader; deadlines and a leader's contacts
 *				decide when something happens, and here a choice does that.
 *	rounds		a reply is compared with those of the campaign, or with min_round, of the node
 *				that asked.  Those only ever move past every round handed out so
 *				far, so that of a round under way one bit matters: would it still
 *				count?  Once stale, stale for good.
 *	op numbers	are compared with each other, within a node: counted from "synced".
 *	boot count	no core reads that of a message; its own makes rounds unique.
 *	commit notices	a heartbeat tick sends to every peer, and any message may get
 *				lost, so that a tick for a notice adds nothing.
 *	what an array holds behind its end, and the order within sets.
 *
 * agree.c puts all of this on trial.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "explore.h"

#define CANONICAL_TIME	1000

/* All renamings of the nodes 1, 2, 3; the first one renames nothing. */
static const RaftNodeId renaming[N_PERMS][N_NODES + 1] = {
	{0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1}
};

/* --------------------------------------------------------------- rounds */

static bool
is_request(RaftMessageType type)
{
	return type == RAFT_MSG_PREVOTE || type == RAFT_MSG_VOTE || type == RAFT_MSG_APPEND;
}

/* The node that made up the round of a message. */
RaftNodeId
canonical_owner(const RaftMessage *message)
{
	return is_request(message->type) ? message->from : message->to;
}

/* Which of its owner's rounds the message carries. */
uint8_t
canonical_stale_bit(const RaftMessage *message)
{
	RaftNodeId	peer = is_request(message->type) ? message->to : message->from;

	if (message->type == RAFT_MSG_APPEND || message->type == RAFT_MSG_APPEND_REPLY)
		return (uint8_t) STALE_APPENDS(peer);
	return message->type == RAFT_MSG_VOTE || message->type == RAFT_MSG_VOTE_REPLY ?
		STALE_VOTES : STALE_PREVOTES;
}

/* Would the owner still take a reply with this round for current? */
bool
canonical_is_live(const RaftCore *owner, const RaftMessage *message)
{
	uint8_t		bit = canonical_stale_bit(message);

	if (bit == STALE_VOTES)
		return message->round == owner->votes.round;
	if (bit == STALE_PREVOTES)
		return message->round == owner->prevotes.round;
	if (owner->role != RAFT_LEADER)
		return false;
	for (uint32_t i = 0; i < owner->n_progress; i++)
		if (bit == STALE_APPENDS(owner->progress[i].id))
			return message->round >= owner->progress[i].min_round;
	return false;
}

/*
 * After a step of a canonical state: gives the rounds that the node has made up
 * their canonical numbers, in what it sent, too, and tells which of those under
 * way became stale by the step.
 */
void
canonical_rounds(NodeState *state, RaftRole before, Result *result)
{
	RaftCore   *core = &state->core;

	result->stale = 0;
	if (before == RAFT_PRECANDIDATE || before == RAFT_CANDIDATE)
	{
		if (core->votes.round != ROUND_LIVE)
			result->stale |= STALE_VOTES;
		if (core->prevotes.round != ROUND_LIVE)
			result->stale |= STALE_PREVOTES;
	}
	for (RaftNodeId peer = 1; before == RAFT_LEADER && peer <= N_NODES; peer++)
		result->stale |= (uint8_t) STALE_APPENDS(peer);
	for (uint32_t i = 0; core->role == RAFT_LEADER && i < core->n_progress; i++)
	{
		uint8_t		bit = (uint8_t) STALE_APPENDS(core->progress[i].id);

		if (core->progress[i].min_round > ROUND_LIVE)
			result->stale |= bit;
		else
			result->stale &= (uint8_t) ~bit;
	}

	for (uint32_t i = 0; i < result->n_sent; i++)
	{
		RaftMessage *message = &result->sent[i].message;

		message->boot = 0;
		if (is_request(message->type))
			message->round = canonical_is_live(core, message) ? ROUND_LIVE : ROUND_STALE;
	}
	for (uint32_t i = 0; i < core->n_held; i++)
	{
		RaftMessage *message = &core->held[i].message;

		if (is_request(message->type))
			message->round = canonical_is_live(core, message) ? ROUND_LIVE : ROUND_STALE;
	}

	core->round = ROUND_LIVE;
	core->votes.round = core->votes.round != 0 ? ROUND_LIVE : 0;
	core->prevotes.round = core->prevotes.round != 0 ? ROUND_LIVE : 0;
	for (uint32_t i = 0; i < core->n_progress; i++)
	{
		core->progress[i].min_round = ROUND_LIVE;
		core->progress[i].session = 0;	/* all rounds of a term: nobody is removed */
	}
}

/*
 * Rounds of another node became void: what this node keeps of them, to be
 * answered once its disk is ready, is stale, too.
 */
void
canonical_stale(NodeState *state, RaftNodeId owner, uint8_t stale)
{
	RaftCore   *core = &state->core;

	if (core->ack_first != 0 && core->leader == owner && (stale & STALE_APPENDS(core->self)) != 0)
		core->ack_round = ROUND_STALE;
	for (uint32_t i = 0; i < core->n_held; i++)
	{
		RaftMessage *message = &core->held[i].message;

		if (canonical_owner(message) == owner && (canonical_stale_bit(message) & stale) != 0)
			message->round = ROUND_STALE;
	}
}

/* ------------------------------------------------------------- the rest */

#define CLEAR_BEHIND(array, n, max) \
	memset((array) + (n), 0, ((max) - (n)) * sizeof((array)[0]))

static void
times(RaftCore *core)
{
	bool		sticky = node_is_sticky(core);

	core->now = CANONICAL_TIME;
	core->leader_contact = sticky ? CANONICAL_TIME : 0;
	core->election_deadline = CANONICAL_TIME + core->settings.election_timeout;
	core->leader_since = CANONICAL_TIME;
	core->campaign_refused = false;	/* moves a timer only, as does the next one */
	core->hurried = 0;
	core->notice_deadline = RAFT_NEVER;
	core->random = 0;			/* draws timeouts only */
	for (uint32_t i = 0; i < core->n_pending; i++)
		core->pending[i].started = CANONICAL_TIME;
	for (uint32_t i = 0; i < core->n_progress; i++)
	{
		core->progress[i].sent = CANONICAL_TIME;
		core->progress[i].contact = CANONICAL_TIME;
		core->progress[i].told_commit = 0;
	}
}

static RaftOp
op_from(RaftOp op, RaftOp base)
{
	return op > base ? op - base : 0;
}

static void
op_numbers(RaftCore *core)
{
	RaftOp		base = core->synced;

	core->written = op_from(core->written, base);
	core->term_op = op_from(core->term_op, base);
	core->ack_first = op_from(core->ack_first, base);
	core->ack_last = op_from(core->ack_last, base);
	if (core->ack_first == 0)
		core->ack_last = core->ack_round = 0;
	core->vote_op = core->votes.round != 0 && !core->vote_sent ? op_from(core->vote_op, base) : 0;
	for (uint32_t i = 0; i < core->n_pending; i++)
	{
		core->pending[i].op = op_from(core->pending[i].op, base);
		if (core->pending[i].first > core->pending[i].last)
			core->pending[i].first = RAFT_NEVER;
	}
	core->durable_op = 0;
	for (uint32_t i = 0; i < core->n_held; i++)
		core->held[i].op = op_from(core->held[i].op, base);
	core->synced = 0;
}

/* Messages to different nodes, and equal promises, in a fixed order. */
static void
sort_held(RaftCore *core)
{
	for (uint32_t i = 1; i < core->n_held; i++)
	{
		RaftHeld	moving = core->held[i];
		uint32_t	at = i;

		for (; at > 0 && memcmp(&core->held[at - 1], &moving, sizeof(moving)) > 0; at--)
			core->held[at] = core->held[at - 1];
		core->held[at] = moving;
	}
}

/* Where messages may arrive again, sending two of a kind is sending one. */
static void
merge_held(RaftCore *core)
{
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < core->n_held; i++)
		if (kept == 0 || memcmp(&core->held[kept - 1], &core->held[i], sizeof(RaftHeld)) != 0)
			core->held[kept++] = core->held[i];
	core->n_held = kept;
}

static void
sort_grants(RaftGrants *grants)
{
	for (uint32_t i = 1; i < grants->n; i++)
	{
		RaftNodeId	moving = grants->from[i];
		uint32_t	at = i;

		for (; at > 0 && grants->from[at - 1] > moving; at--)
			grants->from[at] = grants->from[at - 1];
		grants->from[at] = moving;
	}
}

static void
sets(RaftCore *core)
{
	sort_grants(&core->prevotes);
	sort_grants(&core->votes);
	for (uint32_t i = 1; i < core->n_progress; i++)
	{
		RaftProgress moving = core->progress[i];
		uint32_t	at = i;

		for (; at > 0 && core->progress[at - 1].id > moving.id; at--)
			core->progress[at] = core->progress[at - 1];
		core->progress[at] = moving;
	}
	for (uint32_t i = 0; i < core->n_held; i++)
		core->held[i].message.boot = 0;
	sort_held(core);
	if (bounds.again)
		merge_held(core);
}

static void
windows(RaftProgress *progress)
{
	RaftInflight *inflight = &progress->inflight;
	RaftInflight straight = {.count = inflight->count, .bytes = inflight->bytes};

	for (uint32_t i = 0; i < inflight->count; i++)
		straight.item[i] = inflight->item[(inflight->start + i) % RAFT_MAX_INFLIGHT];
	*inflight = straight;
}

/*
 * Everything but the node's own rounds.
 */
void
canonical_rest(NodeState *state)
{
	RaftCore   *core = &state->core;

	core->boot = 1;
	core->batch_end = NULL;
	core->event = NULL;
	core->step_first = 0;
	times(core);
	op_numbers(core);
	sets(core);
	for (uint32_t i = 0; i < core->n_progress; i++)
		windows(&core->progress[i]);
	CLEAR_BEHIND(core->trail.runs, core->trail.n_runs, RAFT_MAX_RUNS);
	CLEAR_BEHIND(core->configs, core->n_configs, RAFT_MAX_CONFIGS);
	CLEAR_BEHIND(core->pending, core->n_pending, RAFT_MAX_PENDING);
	CLEAR_BEHIND(core->held, core->n_held, RAFT_MAX_HELD);
	CLEAR_BEHIND(core->prevotes.from, core->prevotes.n, RAFT_MAX_MEMBERS);
	CLEAR_BEHIND(core->votes.from, core->votes.n, RAFT_MAX_MEMBERS);
	CLEAR_BEHIND(core->progress, core->n_progress, RAFT_MAX_MEMBERS);
}

/* ------------------------------------------------------------- symmetry */

RaftNodeId
canonical_renamed(RaftNodeId id, unsigned perm)
{
	return renaming[perm][id];
}

void
canonical_permute_message(RaftMessage *message, unsigned perm)
{
	message->from = renaming[perm][message->from];
	message->to = renaming[perm][message->to];
}

/*
 * The same node under another name, among others with other names.  All three are
 * voters, so that the configuration stays what it is.
 */
void
canonical_permute(NodeState *out, const NodeState *state, unsigned perm)
{
	RaftCore   *core = &out->core;

	memcpy(out, state, NODE_BYTES);
	out->disk_vote = (uint8_t) renaming[perm][out->disk_vote];
	for (uint32_t i = 0; i < out->n_pending; i++)
		out->pending[i].vote = (uint8_t) renaming[perm][out->pending[i].vote];
	core->self = renaming[perm][core->self];
	core->vote = renaming[perm][core->vote];
	core->leader = renaming[perm][core->leader];
	for (uint32_t i = 0; i < core->prevotes.n; i++)
		core->prevotes.from[i] = renaming[perm][core->prevotes.from[i]];
	for (uint32_t i = 0; i < core->votes.n; i++)
		core->votes.from[i] = renaming[perm][core->votes.from[i]];
	for (uint32_t i = 0; i < core->n_progress; i++)
		core->progress[i].id = renaming[perm][core->progress[i].id];
	for (uint32_t i = 0; i < core->n_held; i++)
		canonical_permute_message(&core->held[i].message, perm);
	sets(core);
}
