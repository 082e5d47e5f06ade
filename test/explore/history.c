/*-------------------------------------------------------------------------
 *
 * history.c
 *	  What has to be remembered to judge a run, though no node knows it.
 *
 * Part of a world: two runs that lead to the same nodes but to another history
 * are different worlds.  To keep those few, a vote is forgotten when the voter's
 * disk has a later term, in which it can never vote for that one again (that the term
 * on a disk never goes back is checked).
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "explore.h"

#define TWO_BITS(term)	(2 * (unsigned) (term))

_Static_assert(sizeof(History) % 8 == 0, "histories are hashed by words");
_Static_assert(MAX_TERM < 16, "two bits per term in 32");

void
history_init(History *history)
{
	memset(history, 0, sizeof(*history));
	history->committed = ENTRY(1, CARRIES_CONFIG);
	history->by_term = 1;
	history->drops = (uint8_t) bounds.drops;
	history->duplicates = (uint8_t) bounds.duplicates;
}

static uint32_t
permute_terms(uint32_t by_term, unsigned perm)
{
	uint32_t	result = 0;

	for (unsigned term = 0; term <= MAX_TERM; term++)
		result |= canonical_renamed(by_term >> TWO_BITS(term) & 3, perm) << TWO_BITS(term);
	return result;
}

void
history_permute(History *out, const History *history, unsigned perm)
{
	*out = *history;
	out->leaders = permute_terms(history->leaders, perm);
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		out->votes[canonical_renamed(id, perm)] = permute_terms(history->votes[id], perm);
}

static RaftTerm
committed_in(const History *history, unsigned index)
{
	return history->by_term >> (4 * (index - 1)) & 15;
}

/* Invariants 1 and 7: one leader per term, with everything that is committed (§5.4.3). */
static const char *
new_leader(History *history, const NodeInfo *node, RaftNodeId id)
{
	unsigned	n = log_length(history->committed);

	if ((history->leaders >> TWO_BITS(node->term) & 3) != 0)
		return "election safety: two leaders in one term";
	history->leaders |= id << TWO_BITS(node->term);
	for (unsigned i = 1; i <= n; i++)
		if (committed_in(history, i) < node->term &&
			log_at(node->log, i) != log_at(history->committed, i))
			return "leader completeness: a new leader lacks a committed entry";
	return NULL;
}

/* Invariant 2. */
static const char *
new_vote(History *history, RaftNodeId voter, const RaftMessage *message)
{
	RaftNodeId	choice = message->type == RAFT_MSG_VOTE ? voter : message->to;
	RaftNodeId	before = history->votes[voter] >> TWO_BITS(message->term) & 3;

	if (before != 0 && before != choice)
		return "a node votes for two in one term";
	history->votes[voter] |= choice << TWO_BITS(message->term);
	return NULL;
}

/* Invariant 8: a quorum's disks have it, and it is of the leader's own term. */
static const char *
new_commit(const World *world, const NodeInfo *node)
{
	unsigned	durable = 0;

	if (node->role != RAFT_LEADER)
		return "a follower commits what no leader has committed";
	if (ENTRY_TERM(log_at(node->log, node->commit)) != node->term)
		return "an entry of an older term is committed by counting";
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		if (log_agrees(store_node_info(world->node[id])->disk, node->log, node->commit))
			durable++;
	return durable * 2 > N_NODES ? NULL : "a commit that is not durable on a quorum";
}

/* Invariants 6, 8 and 12. */
static const char *
commit(History *history, const World *world, const NodeInfo *node)
{
	unsigned	n = log_length(history->committed);
	const char *violation = NULL;

	for (unsigned i = 1; i <= n && i <= node->commit; i++)
		if (log_at(node->log, i) != log_at(history->committed, i))
			return "state machine safety: another entry is committed at the same index";
	if (node->commit <= n)
		return NULL;
	if (!bounds.outcome)
		violation = new_commit(world, node);
	history->committed = log_prefix(node->log, node->commit);
	for (unsigned i = n + 1; i <= node->commit; i++)
		history->by_term |= (uint32_t) node->term << (4 * (i - 1));
	return violation;
}

/*
 * After a step of node id, which stands in the world already.  Returns what is
 * violated, or NULL.
 */
const char *
history_step(History *history, const World *world, RaftNodeId id, bool led, bool committed,
			 const uint32_t *sent, uint32_t n_sent)
{
	const NodeInfo *node = store_node_info(world->node[id]);
	const char *violation = NULL;

	for (uint32_t i = 0; i < n_sent && violation == NULL; i++)
	{
		const RaftMessage *message = &store_envelope_info(sent[i])->envelope.message;

		if (message->type == RAFT_MSG_VOTE ||
			(message->type == RAFT_MSG_VOTE_REPLY && message->granted))
			violation = new_vote(history, id, message);
	}
	history->votes[id] &= ~UINT32_C(0) << TWO_BITS(node->disk_term);
	if (violation == NULL && led)
		violation = new_leader(history, node, id);
	if (violation == NULL && committed)
		violation = commit(history, world, node);
	return violation;
}
