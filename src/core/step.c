/*-------------------------------------------------------------------------
 *
 * step.c
 *	  The entry point of the core: one event in, a list of actions out.
 *
 * raft_step() hands the event to the file that knows it, then does what every
 * step ends with: term and vote go to the disk if they changed, the host learns
 * of a new commit index, and of the time at which it must come back.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#include <string.h>

size_t
raft_core_size(void)
{
	return sizeof(RaftCore);
}

static void
check_settings(const RaftCore *core, const RaftSettings *settings)
{
	raft_assert(core, settings->heartbeat_interval > 0);
	raft_assert(core, settings->election_timeout > settings->heartbeat_interval);
	raft_assert(core, settings->max_batch_bytes > 0);
	raft_assert(core, settings->max_inflight >= 1 && settings->max_inflight <= RAFT_MAX_INFLIGHT);
	raft_assert(core, settings->max_inflight_bytes > 0);
}

RaftCore *
raft_core_init(void *memory, const RaftInit *init)
{
	RaftCore   *core = memory;

	memset(core, 0, sizeof(*core));
	core->host = init->host;
	raft_assert(core, init->self != 0);
	raft_assert(core, init->boot > 0);
	raft_assert(core, init->batch_end != NULL);
	check_settings(core, &init->settings);
	core->self = init->self;
	core->boot = init->boot;
	core->random = init->seed;
	core->settings = init->settings;
	core->batch_end = init->batch_end;
	core->batch_end_arg = init->batch_end_arg;
	/* rounds of different incarnations never meet */
	core->round = init->boot << 32;
	core->notice_deadline = RAFT_NEVER;
	core->election_deadline = RAFT_NEVER;
	core->told_config = UINT64_MAX;
	core->room = RAFT_ROOM_ENOUGH;
	return core;
}

/*
 * A number in [0, below): splitmix64, so that a seed gives the same run on
 * every machine.
 */
uint64_t
raft_random(RaftCore *core, uint64_t below)
{
	uint64_t	z = (core->random += UINT64_C(0x9e3779b97f4a7c15));

	raft_assert(core, below > 0);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return z % below;
}

/* The next free action of this step. */
RaftAction *
raft_add_action(RaftCore *core, RaftActionType type)
{
	RaftAction *action;

	raft_assert(core, core->actions.n < RAFT_MAX_ACTIONS);
	action = &core->actions.item[core->actions.n++];
	action->type = type;
	return action;
}

/*
 * Takes over what was durable.
 */
static void
boot(RaftCore *core, const RaftBoot *state)
{
	raft_assert(core, !core->booted);
	raft_assert(core, core->now > 0);	/* 0 stands for "never" */
	raft_assert(core, state->term > 0); /* the entry with the first configuration has one */
	raft_assert(core, state->n_runs <= RAFT_MAX_RUNS);
	raft_assert(core, state->n_configs >= 1);
	raft_assert(core, state->first >= 1 && state->last + 1 >= state->first);
	raft_assert(core, state->first - 1 <= state->applied && state->applied <= state->commit);
	raft_assert(core, state->commit <= state->last);

	core->booted = true;
	core->term = state->term;
	core->vote = MUTANT(VOTE_FORGOTTEN) ? 0 : state->vote;
	trail_init(&core->trail, core->host, state->first, state->base_term);
	for (uint32_t i = 0; i < state->n_runs; i++)
	{
		RaftIndex	end = i + 1 < state->n_runs ? state->runs[i + 1].first : state->last + 1;

		raft_assert(core, state->runs[i].first == core->trail.last + 1);
		trail_append(&core->trail, state->runs[i].term, (uint32_t) (end - state->runs[i].first));
	}
	raft_assert(core, core->trail.last == state->last);
	raft_assert(core, core->term >= trail_last_term(&core->trail));
	core->durable = state->last;
	core->commit = state->commit;
	core->visible = core->applied = state->applied;
	core->floor = state->first - 1;
	for (uint32_t i = 0; i < state->n_configs; i++)
		membership_add(core, &state->configs[i]);

	convert_tell(core, RAFT_FOLLOWER);
	election_reset_timer(core);
	if (membership_active(core)->n_members == 1 && membership_is_voter(core, core->self))
		core->election_deadline = core->now;	/* there is nobody to wait for */
}

/*
 * A message of an older term: a request is answered with our term, so that its sender
 * steps down; a reply belongs to a request that is void by now (but a
 * pre-vote, which asks about the term to come).
 */
static void
receive_from_older_term(RaftCore *core, const RaftMessage *message)
{
	switch (message->type)
	{
		case RAFT_MSG_PREVOTE:
			election_receive_prevote(core, message);
			break;
		case RAFT_MSG_PREVOTE_REPLY:
			election_receive_prevote_reply(core, message);
			break;
		case RAFT_MSG_VOTE:
		case RAFT_MSG_APPEND:
			append_refuse_old_term(core, message);
			break;
		case RAFT_MSG_VOTE_REPLY:
			if (MUTANT(LATE_VOTE) && core->role == RAFT_CANDIDATE)
			{
				RaftMessage late = *message;

				late.term = core->term;
				election_receive_vote_reply(core, &late);
			}
			break;
		case RAFT_MSG_APPEND_REPLY:
			break;
	}
}

/*
 * A message of a newer term.  True when it is to be handled in that term, which
 * then is ours (§5.1).
 */
static bool
enter_newer_term(RaftCore *core, const RaftMessage *message)
{
	switch (message->type)
	{
		case RAFT_MSG_PREVOTE:
			return true;		/* changes nothing here */
		case RAFT_MSG_VOTE:
			/* we hear our leader: whoever does not must not depose it (§4.2.3) */
			if (election_leader_is_alive(core) && !MUTANT(NOT_STICKY))
				return false;
			break;
		case RAFT_MSG_APPEND:
			convert_to(core, RAFT_FOLLOWER, message->term, message->from);
			return true;
		case RAFT_MSG_PREVOTE_REPLY:
		case RAFT_MSG_VOTE_REPLY:
		case RAFT_MSG_APPEND_REPLY:
			break;
	}
	convert_to(core, RAFT_FOLLOWER, message->term, 0);
	return true;
}

static void
receive(RaftCore *core, const RaftMessage *message)
{
	/* not for us, or from nobody: the host has checked, a core does not trust */
	if (message->to != core->self || message->from == core->self || message->from == 0)
		return;
	if (MUTANT(CONTACT_BY_ANYTHING) && progress_find(core, message->from) != NULL)
		progress_find(core, message->from)->contact = core->now;
	if (message->term < core->term)
	{
		receive_from_older_term(core, message);
		return;
	}
	if (message->term > core->term && !enter_newer_term(core, message))
		return;
	switch (message->type)
	{
		case RAFT_MSG_PREVOTE:
			election_receive_prevote(core, message);
			break;
		case RAFT_MSG_PREVOTE_REPLY:
			election_receive_prevote_reply(core, message);
			break;
		case RAFT_MSG_VOTE:
			election_receive_vote(core, message);
			break;
		case RAFT_MSG_VOTE_REPLY:
			election_receive_vote_reply(core, message);
			break;
		case RAFT_MSG_APPEND:
			append_receive(core, message);
			break;
		case RAFT_MSG_APPEND_REPLY:
			replication_receive_reply(core, message);
			break;
	}
}

static void
wrote(RaftCore *core, RaftOp op)
{
	writes_durable(core, op);
	append_wrote(core);
	election_wrote(core);
	replication_wrote(core);
}

static void
applied(RaftCore *core, RaftIndex visible, RaftIndex durable)
{
	raft_assert(core, durable <= visible);
	raft_assert(core, visible <= raft_min(core->commit, core->durable));
	raft_assert(core, visible >= core->visible && durable >= core->applied);
	core->visible = visible;
	core->applied = durable;
}

static void
compacted(RaftCore *core, RaftIndex upto)
{
	raft_assert(core, upto <= core->applied && upto <= core->floor);
	if (upto >= core->trail.first)
	{
		trail_compact(&core->trail, upto);
		core->blocked = false;	/* fewer term runs */
	}
}

static void
peer_unreachable(RaftCore *core, RaftNodeId peer)
{
	if (core->role == RAFT_LEADER)
		replication_peer_unreachable(core, peer);
	else if (peer != 0 && peer == core->leader)
		election_leader_unreachable(core);
}

static void
dispatch(RaftCore *core, const RaftEvent *event)
{
	switch (event->type)
	{
		case RAFT_EVENT_BOOT:
			boot(core, event->u.boot);
			break;
		case RAFT_EVENT_TICK:
			if (core->role == RAFT_LEADER)
				replication_tick(core);
			else
				election_tick(core);
			break;
		case RAFT_EVENT_RECEIVE:
			receive(core, event->u.receive.message);
			break;
		case RAFT_EVENT_PROPOSE:
			replication_propose(core);
			break;
		case RAFT_EVENT_WRITE_DURABLE:
			wrote(core, event->u.op);
			break;
		case RAFT_EVENT_WRITE_FAILED:
			/* nothing is retried: what the disk really has is unknown */
			core->stopped = true;
			break;
		case RAFT_EVENT_APPLIED:
			applied(core, event->u.applied.visible, event->u.applied.durable);
			break;
		case RAFT_EVENT_COMPACTED:
			compacted(core, event->u.compacted);
			break;
		case RAFT_EVENT_PEER_UNREACHABLE:
			peer_unreachable(core, event->u.peer);
			break;
		case RAFT_EVENT_SETTINGS:
			check_settings(core, event->u.settings);
			core->settings = *event->u.settings;
			break;
	}
}

/*
 * What holds after every step, whatever happened.
 */
static void
check_state(const RaftCore *core)
{
	raft_assert(core, !core->hard_dirty);
	raft_assert(core, core->synced <= core->written && core->term_op <= core->written);
	raft_assert(core, core->durable <= core->trail.last);
	raft_assert(core, core->trail.first - 1 <= core->applied);
	raft_assert(core, core->trail.n_runs <= RAFT_LIMIT_RUNS);
	raft_assert(core, core->applied <= core->visible);
	raft_assert(core, core->visible <= raft_min(core->commit, core->durable));
	raft_assert(core, core->floor <= core->commit);
	raft_assert(core, core->commit <= core->trail.last);
	raft_assert(core, core->verified <= core->trail.last || MUTANT(TRUNCATE_NEVER));
	raft_assert(core, (core->role == RAFT_LEADER) == (core->leader == core->self));
	raft_assert(core, core->leader == 0 || core->role == RAFT_LEADER || core->role == RAFT_FOLLOWER);
}

/* Once, when all is done: the host knows nothing of what came and went within the step. */
static void
tell_config(RaftCore *core)
{
	const RaftConfig *active = membership_active(core);
	RaftAction *action;

	if (active->index == core->told_config && active->term == core->told_config_term)
		return;
	action = raft_add_action(core, RAFT_ACTION_CONFIG);
	action->u.config.index = core->told_config = active->index;
	action->u.config.term = core->told_config_term = active->term;
}

static void
tell_commit(RaftCore *core)
{
	RaftIndex	ready = raft_min(core->commit, core->durable);
	RaftAction *action;

	if (core->commit == core->told_commit && ready == core->told_ready)
		return;
	action = raft_add_action(core, RAFT_ACTION_COMMIT);
	action->u.commit.commit = core->told_commit = core->commit;
	action->u.commit.ready = core->told_ready = ready;
}

const RaftActions *
raft_step(RaftCore *core, const RaftEvent *event)
{
	raft_assert(core, core->booted || event->type == RAFT_EVENT_BOOT);
	raft_assert(core, event->now >= core->now);

	core->now = event->now;
	core->event = event;
	core->step_first = 0;
	core->actions.n = 0;
	core->actions.deadline = RAFT_NEVER;

	if (core->stopped)
	{
		if (event->type == RAFT_EVENT_PROPOSE)
			replication_propose(core);
		return &core->actions;
	}
	dispatch(core, event);
	writes_persist_hard_state(core);
	tell_commit(core);
	tell_config(core);
	check_state(core);
	core->actions.deadline = core->role == RAFT_LEADER ?
		replication_deadline(core) : core->election_deadline;
	return &core->actions;
}

RaftTerm
raft_core_term_at(const RaftCore *core, RaftIndex index)
{
	return trail_term_at(&core->trail, index);
}

static void
peer_status(const RaftProgress *progress, RaftPeerStatus *status)
{
	status->id = progress->id;
	status->flags = progress->flags;
	status->state = progress->state;
	status->match = progress->match;
	status->next = progress->next;
	status->inflight = progress->inflight.count;
	status->lost = progress->lost;
	status->contact = progress->contact;
}

void
raft_core_status(const RaftCore *core, RaftStatus *status)
{
	memset(status, 0, sizeof(*status));
	status->self = core->self;
	status->role = core->role;
	status->term = core->term;
	status->vote = core->vote;
	status->leader = core->leader;
	status->first = core->trail.first;
	status->last = core->trail.last;
	status->durable = core->durable;
	status->verified = core->verified;
	status->commit = core->commit;
	status->applied = core->applied;
	status->floor = core->floor;
	status->n_runs = core->trail.n_runs;
	status->runs_full = !trail_can_begin_term(&core->trail);
	status->written = core->written;
	status->synced = core->synced;
	status->leader_contact = core->leader_contact;
	status->config = core->booted ? membership_active(core) : NULL;
	if (core->role == RAFT_LEADER)
	{
		status->quorum_contact = progress_quorum_contact(core);
		status->has_quorum =
			core->now < status->quorum_contact + core->settings.election_timeout;
	}
	else
		status->has_quorum = core->leader != 0;
	status->n_peers = core->n_progress;
	for (uint32_t i = 0; i < core->n_progress; i++)
		peer_status(&core->progress[i], &status->peers[i]);
}
