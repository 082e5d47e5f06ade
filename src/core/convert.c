/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  The only place where a role, a term or the known leader changes.
 *
 *		   timeout			 quorum would vote		quorum voted
 *	follower ----> pre-candidate ----> candidate (term + 1) ----> leader
 *	   ^				|  <----- timeout ------+					^
 *	   |				+---- late votes of this term --------------+
 *	   +---- a higher term, or a leader of this term
 *	   +---- leader only: a quorum was not heard from (check quorum)
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

static bool
is_legal(const RaftCore *core, RaftRole role, RaftTerm term, RaftNodeId leader)
{
	switch (role)
	{
		case RAFT_FOLLOWER:
			return leader != core->self;
		case RAFT_PRECANDIDATE:
			return core->role != RAFT_LEADER && term == core->term && leader == 0;
		case RAFT_CANDIDATE:
			return core->role == RAFT_PRECANDIDATE && term == core->term + 1 && leader == 0;
		case RAFT_LEADER:
			return (core->role == RAFT_CANDIDATE || core->role == RAFT_PRECANDIDATE) &&
				term == core->term && core->vote == core->self && leader == core->self;
	}
	return false;
}

/*
 * What was granted counts as long as it can: votes for the term, pre-votes, which bind
 * nobody, until a leader is heard.  With answers that take longer than a timeout no
 * campaign would ever succeed otherwise.
 */
static void
campaign(RaftCore *core, RaftRole from)
{
	core->campaign_refused = false;
	if (core->role == RAFT_PRECANDIDATE)
	{
		if (from != RAFT_PRECANDIDATE)
			core->prevotes = (RaftGrants) {.round = ++core->round};
		return;
	}
	core->prevotes = core->votes = (RaftGrants) {0};
	core->vote_sent = false;
	if (core->role == RAFT_CANDIDATE)
		core->votes.round = ++core->round;
}

/* Tells the host who we are now. */
void
convert_tell(RaftCore *core, RaftRole from)
{
	RaftAction *action = raft_add_action(core, RAFT_ACTION_ROLE);

	action->u.role.from = from;
	action->u.role.to = core->role;
	action->u.role.term = core->term;
	action->u.role.leader = core->leader;
}

/*
 * Changes role, term and known leader.  A new term clears the vote; within a
 * term the vote stays whatever happens (§5.2).
 */
void
convert_to(RaftCore *core, RaftRole role, RaftTerm term, RaftNodeId leader)
{
	RaftRole	from = core->role;
	bool		told = (from == role && core->term == term && core->leader == leader);

	raft_assert(core, term >= core->term);
	raft_assert(core, is_legal(core, role, term, leader));

	if ((term > core->term || leader == 0) && !MUTANT(ACK_IN_OTHER_ROLE))
		core->ack_first = core->ack_last = 0;	/* nobody to acknowledge to */
	if (term > core->term)
	{
		core->term = term;
		core->vote = 0;
		core->hard_dirty = true;
		if (!MUTANT(VERIFIED_KEPT))
			core->verified = 0; /* nothing is agreed with the leader of the new term yet */
		core->leader_contact = 0;
		core->leader_broken = false;
		core->blocked = false;	/* another leader, other entries */
	}
	else if (MUTANT(VOTE_CLEARED) && role == RAFT_FOLLOWER && from != RAFT_FOLLOWER)
	{
		core->vote = 0;
		core->hard_dirty = true;
	}
	if (role == RAFT_CANDIDATE)
	{
		core->vote = core->self;
		core->hard_dirty = true;
	}
	core->role = role;
	core->leader = leader;

	campaign(core, from);
	if (role != RAFT_LEADER)
	{
		core->n_progress = 0;
		core->notice_deadline = RAFT_NEVER;
	}
	if (from == RAFT_LEADER)
	{
		core->hurried = 0;
		election_reset_timer(core);
	}

	if (!told)
		convert_tell(core, from);
}
