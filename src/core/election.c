/*-------------------------------------------------------------------------
 *
 * election.c
 *	  Elections: timer, pre-vote, vote (§5.2, §5.4.1; pre-vote and leader
 *	  stickiness: §4.2.3 and §9.6 of the dissertation).
 *
 * A node that hears no leader first asks whether a quorum would vote for it,
 * without touching any term: a node that was cut off cannot disturb the others
 * when it comes back.  Whoever has heard its leader within the election timeout
 * answers no, to pre-votes and to votes.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#define MAX_HURRIED		3

/*
 * Draws a new timeout from [1, 3) times the election timeout.  The range is wide since
 * with a narrow one several nodes time out together again and again, and
 * votes are split without end.
 *
 * Restarted only by a message of the current leader, by granting a vote, and
 * by starting an election: anything else would let a node that cannot win
 * keep those waiting that can.  It is moved a little for whoever may win right now:
 * yield(), and for a campaign that failed: hurry().
 */
void
election_reset_timer(RaftCore *core)
{
	RaftTime	timeout = core->settings.election_timeout;

	core->election_deadline = core->now + timeout + raft_random(core, 2 * timeout);
}

/* The silence after which a leader is given up to which our connection broke. */
static RaftTime
broken_timeout(const RaftCore *core)
{
	return raft_min(2 * core->settings.heartbeat_interval, core->settings.election_timeout);
}

/*
 * Has this node reason to believe that the leader of its term is alive?
 */
bool
election_leader_is_alive(const RaftCore *core)
{
	if (core->role == RAFT_LEADER)
		return true;
	return core->leader != 0 && core->now < core->leader_contact +
		(core->leader_broken ? broken_timeout(core) : core->settings.election_timeout);
}

/* §5.4.1: is a log that ends in (term, index) at least as new as ours? */
static bool
is_up_to_date(const RaftCore *core, const RaftMessage *message)
{
	RaftTerm	last_term = trail_last_term(&core->trail);

	if (MUTANT(VOTE_ANY_LOG))
		return true;
	if (MUTANT(VOTE_LONGER_LOG))
		return message->log_index >= core->trail.last;
	if (message->log_term != last_term)
		return message->log_term > last_term;
	return message->log_index >= core->trail.last;
}

/* Asks every voter but ourselves. */
static void
request_votes(RaftCore *core, RaftMessageType type)
{
	const RaftConfig *config = membership_active(core);

	for (uint32_t i = 0; i < config->n_members; i++)
	{
		RaftMessage message = {.type = type};

		if (config->members[i].id == core->self ||
			!membership_is_voter(core, config->members[i].id))
			continue;
		message.to = config->members[i].id;
		message.round = type == RAFT_MSG_VOTE ? core->votes.round : core->prevotes.round;
		message.log_index = core->trail.last;
		message.log_term = trail_last_term(&core->trail);
		writes_send(core, &message, 0);
	}
}

static bool
is_among(const RaftGrants *grants, RaftNodeId id)
{
	for (uint32_t i = 0; i < grants->n; i++)
		if (grants->from[i] == id)
			return true;
	return false;
}

/* RaftMemberValue: 1 when this member would vote for us. */
static uint64_t
gave_prevote(const RaftCore *core, RaftNodeId id)
{
	return is_among(&core->prevotes, id);
}

/* RaftMemberValue: 1 when this member voted for us in this term. */
static uint64_t
gave_vote(const RaftCore *core, RaftNodeId id)
{
	return is_among(&core->votes, id);
}

/*
 * Counts a grant, each voter's once.  True when it completes a quorum.
 */
static bool
count_grant(RaftCore *core, RaftGrants *grants, RaftNodeId from)
{
	if (!membership_is_voter(core, from) || (is_among(grants, from) && !MUTANT(GRANT_TWICE)))
		return false;
	raft_assert(core, grants->n < RAFT_MAX_MEMBERS);
	grants->from[grants->n++] = from;
	if (MUTANT(GRANT_TWICE))
		return grants->n == membership_active(core)->n_members / 2 + 1;
	return membership_quorum(core, grants == &core->votes ? gave_vote : gave_prevote) >= 1;
}

/* A voter that would have voted for us changed its mind. */
static void
withdraw_prevote(RaftCore *core, RaftNodeId from)
{
	RaftGrants *grants = &core->prevotes;
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < grants->n; i++)
		if (grants->from[i] != from)
			grants->from[kept++] = grants->from[i];
	grants->n = kept;
}

/*
 * Starts an election proper: a new term, and our vote for ourselves.  The vote counts,
 * and the requests leave, once the disk has it: election_wrote().
 */
static void
start_election(RaftCore *core)
{
	convert_to(core, RAFT_CANDIDATE, core->term + 1, 0);
	election_reset_timer(core);
	core->vote_op = writes_start(core, 0, RAFT_WRITE_NOTHING, 0, 0);
	if (MUTANT(REQUEST_BEFORE_DURABLE))
		request_votes(core, RAFT_MSG_VOTE);
}

/*
 * The election timeout has passed.
 */
void
election_tick(RaftCore *core)
{
	if (core->now < core->election_deadline)
		return;
	election_reset_timer(core);
	if (!membership_is_voter(core, core->self))
		return;
	/* a new leader opens a new term run: without room for one there is no use in winning */
	if (!trail_can_begin_term(&core->trail))
		return;
	/* nor without a disk */
	if (core->now >= writes_stuck_at(core))
		return;

	convert_to(core, RAFT_PRECANDIDATE, core->term, 0);
	if (count_grant(core, &core->prevotes, core->self) || MUTANT(NO_PREVOTE))
		start_election(core);
	else
		request_votes(core, RAFT_MSG_PREVOTE);
}

/*
 * A write became durable: if it holds our vote, count it and ask the others.
 */
void
election_wrote(RaftCore *core)
{
	if (core->votes.round == 0 || core->vote_sent || core->synced < core->vote_op)
		return;
	core->vote_sent = true;
	request_votes(core, RAFT_MSG_VOTE);
	if (count_grant(core, &core->votes, core->self))
		replication_begin(core);
}

/*
 * The connection to our leader broke: ask soon, unless it is heard all the same.  That is
 * no reason to break our word to it before it has been silent for two heartbeats:
 * a connection can break, and its node be well.
 */
void
election_leader_unreachable(RaftCore *core)
{
	RaftTime	given_up = raft_max(core->now, core->leader_contact + broken_timeout(core));

	core->leader_broken = true;
	core->election_deadline = raft_min(core->election_deadline, given_up + 1 +
									   raft_random(core, core->settings.heartbeat_interval));
}

/*
 * Somebody asks who may win: leave it a heartbeat's time for that.  Two who ask at the
 * same time would split the votes, and both wait for a whole timeout.
 */
static void
yield(RaftCore *core)
{
	core->election_deadline = raft_max(core->election_deadline,
									   core->now + core->settings.heartbeat_interval);
}

/*
 * Our campaign was refused: the votes are split, or somebody still believes in a
 * leader that we gave up a moment earlier.  Either may be over soon; a few times, that is,
 * before this node goes back to waiting like all.
 */
static void
hurry(RaftCore *core)
{
	RaftTime	soon;

	if (core->campaign_refused || core->hurried == MAX_HURRIED)
		return;
	core->campaign_refused = true;
	core->hurried++;
	soon = core->now + core->settings.heartbeat_interval +
		raft_random(core, core->settings.election_timeout / 2 + 1);
	core->election_deadline = raft_min(core->election_deadline, soon);
}

static void
reply_vote(RaftCore *core, const RaftMessage *request, RaftMessageType type, bool granted)
{
	RaftMessage reply = {.type = type};

	reply.to = request->from;
	reply.round = request->round;
	reply.granted = granted;
	writes_send(core, &reply, 0);
}

/*
 * A pre-vote changes nothing here: neither term nor vote.
 */
void
election_receive_prevote(RaftCore *core, const RaftMessage *message)
{
	bool		granted = message->term >= core->term &&
		(!election_leader_is_alive(core) || MUTANT(NOT_STICKY)) &&
		is_up_to_date(core, message);

	if (MUTANT(TIMER_ON_REFUSAL) && !granted)
		election_reset_timer(core);
	if (granted)
		yield(core);
	reply_vote(core, message, RAFT_MSG_PREVOTE_REPLY, granted);
}

/*
 * The answer may come from a lower term: the question was about the next one.
 * It counts until a leader is heard or the term changes, however often this node
 * has asked since, unless the voter has changed its mind.
 */
void
election_receive_prevote_reply(RaftCore *core, const RaftMessage *message)
{
	if (core->prevotes.round == 0 || (message->round != core->prevotes.round && !MUTANT(LATE_VOTE)))
		return;
	if (!message->granted)
	{
		withdraw_prevote(core, message->from);
		hurry(core);
	}
	else if (count_grant(core, &core->prevotes, message->from))
		start_election(core);
}

/*
 * RequestVote of our own term (the caller has dealt with others).
 */
void
election_receive_vote(RaftCore *core, const RaftMessage *message)
{
	bool		free_to_vote = core->vote == message->from ||
		(core->vote == 0 && core->leader == 0) || MUTANT(VOTE_TWICE);
	bool		granted = free_to_vote && is_up_to_date(core, message);

	raft_assert(core, message->term == core->term);
	if (granted)
	{
		raft_assert(core, core->role == RAFT_FOLLOWER || core->role == RAFT_PRECANDIDATE ||
					MUTANT(VOTE_TWICE));
		if (core->vote != message->from)
		{
			core->vote = message->from;
			core->hard_dirty = true;
		}
		election_reset_timer(core);
	}
	reply_vote(core, message, RAFT_MSG_VOTE_REPLY, granted);
}

/*
 * A vote is for the term: it counts also when its candidate, having waited too long, asks
 * for pre-votes again.
 */
void
election_receive_vote_reply(RaftCore *core, const RaftMessage *message)
{
	raft_assert(core, message->term == core->term);
	if (core->votes.round == 0 || (message->round != core->votes.round && !MUTANT(LATE_VOTE)))
		return;
	if (!message->granted)
		hurry(core);
	else if (count_grant(core, &core->votes, message->from))
		replication_begin(core);
}
