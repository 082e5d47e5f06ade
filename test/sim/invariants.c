/*-------------------------------------------------------------------------
 *
 * invariants.c
 *	  What must hold after every event of every run, by number.
 *
 * Each check looks only at what the event could have changed, and compares it
 * with the history of the run or with the disks.  The numbers are those of the
 * table in README.md.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "lab.h"

static const char *const names[] = {
	[0] = "the test's own check",
	[1] = "at most one leader per term",
	[2] = "one vote per node and term",
	[3] = "term, vote, commit and applied never go back",
	[4] = "a leader never rewrites its own log",
	[5] = "same index and term: same entry and same prefix",
	[6] = "what was committed never changes",
	[7] = "a new leader has every committed entry",
	[8] = "committed: durable on a quorum, the newest of the leader's term",
	[9] = "acknowledged: durable and verified by the leader",
	[10] = "term and vote are durable before a message depends on them",
	[11] = "compacted <= applied <= visible <= min(commit, durable) <= last",
	[12] = "applied sequences are identical, contiguous, once each",
	[13] = "0 <= match < next, in-flight bounded",
	[14] = "one uncommitted configuration, quorums of neighbours intersect",
	[15] = "no truncation below commit",
	[16] = "a recovered image is a legal result of the crash",
	[17] = "clients: no phantom, no loss, no double, linearizable",
	[19] = "messages and bytes are bounded",
	[20] = "the same seed gives the same trace",
};

const char *
invariant_name(int number)
{
	return number >= 0 && (size_t) number < lengthof(names) && names[number] ? names[number] : "?";
}

#define ULL(x) ((unsigned long long) (x))

/* Invariants 3, 4, 15 and the order of writes. */
void
invariants_write(Lab *lab, Node *node, const RaftWrite *write)
{
	const RaftStatus *before = &node->before;

	lab_check(lab, write->op == node->written + 1, "node %u: op %llu follows op %llu", node->id,
			  ULL(write->op), ULL(node->written));
	if (write->term < before->term)
		lab_fail(lab, 3, "node %u writes term %llu after %llu", node->id, ULL(write->term),
				 ULL(before->term));
	if (write->term == before->term && before->vote != 0 && write->vote != before->vote)
		lab_fail(lab, 2, "node %u writes a vote for %u in term %llu after one for %u", node->id,
				 write->vote, ULL(write->term), before->vote);
	if (write->truncate_from == 0)
		return;
	if (before->role == RAFT_LEADER && before->term == write->term)
		lab_fail(lab, 4, "leader %u truncates its log from %llu in its term %llu", node->id,
				 ULL(write->truncate_from), ULL(write->term));
	if (write->truncate_from <= before->commit)
		lab_fail(lab, 15, "node %u truncates from %llu, commit is %llu", node->id,
				 ULL(write->truncate_from), ULL(before->commit));
}

/* True when the nodes of a bit mask are a quorum: of both halves, if joint; all while a group is formed. */
static bool
is_quorum(const RaftConfig *config, uint32_t mask)
{
	uint32_t	voters = 0,
				outgoing = 0,
				voters_in = 0,
				outgoing_in = 0;

	for (uint32_t i = 0; i < config->n_members; i++)
	{
		const RaftMember *member = &config->members[i];
		bool		in = (mask >> member->id) & 1;

		voters += (member->flags & RAFT_MEMBER_VOTER) != 0;
		voters_in += (member->flags & RAFT_MEMBER_VOTER) != 0 && in;
		outgoing += (member->flags & RAFT_MEMBER_OUTGOING) != 0;
		outgoing_in += (member->flags & RAFT_MEMBER_OUTGOING) != 0 && in;
	}
	if (!config->identified)
		return voters_in == voters && outgoing_in == outgoing;
	return voters_in * 2 > voters && (outgoing == 0 || outgoing_in * 2 > outgoing);
}

/* True when no quorum of one configuration misses every quorum of the other. */
static bool
quorums_intersect(const RaftConfig *a, const RaftConfig *b)
{
	uint32_t	all = (UINT32_C(1) << (LAB_MAX_NODES + 1)) - 1;

	for (uint32_t mask = 0; mask <= all; mask++)
		if (is_quorum(a, mask) && is_quorum(b, all & ~mask))
			return false;
	return true;
}

/* Invariant 14, when a leader places a configuration. */
void
invariants_proposal_config(Lab *lab, Node *node, RaftIndex index, const RaftEntry *entry)
{
	RaftConfig	next;
	const RaftConfig *active = node->before.config;
	RaftIndex	commit = node->before.commit;

	lab_check(lab, raft_config_decode(entry->data, entry->size, &next, NULL) == RAFT_DECODE_OK,
			  "node %u places a configuration that cannot be decoded", node->id);
	if (active->index > commit)
		lab_fail(lab, 14, "node %u places a configuration at %llu, the one at %llu is not committed",
				 node->id, ULL(index), ULL(active->index));
	if (simlog_term(&node->log, commit) != node->before.term)
		lab_fail(lab, 14, "leader %u places a configuration before it committed in term %llu",
				 node->id, ULL(node->before.term));
	if (!quorums_intersect(active, &next))
		lab_fail(lab, 14, "node %u: a quorum of the configuration at %llu misses one of its "
				 "predecessor's", node->id, ULL(index));
}

/* Invariant 9: what an acknowledgement promises. */
static void
check_acknowledged(Lab *lab, Node *node, const RaftMessage *message, RaftOp after)
{
	const SimLog *image = &node->disk.log;
	const Node *leader = &lab->nodes[message->to];
	RaftIndex	match = message->log_index;
	const LogEntry *entry = match <= node->log.last && match >= node->log.first ? simlog_at(&node->log, match) : NULL;
	RaftTerm	term;

	if (entry != NULL && entry->boot == node->boot && after < entry->op)
		lab_fail(lab, 9, "node %u acknowledges %llu after op %llu, op %llu wrote it", node->id,
				 ULL(match), ULL(after), ULL(entry->op));
	if (match > image->last)
		lab_fail(lab, 9, "node %u acknowledges %llu, its disk ends at %llu", node->id, ULL(match),
				 ULL(image->last));
	if (match > node->status.verified || message->floor > node->status.verified)
		lab_fail(lab, 9, "node %u acknowledges %llu, received %llu, the leader verified %llu",
				 node->id, ULL(match), ULL(message->floor), ULL(node->status.verified));
	if (!leader->up || leader->status.role != RAFT_LEADER || leader->status.term != message->term)
		return;
	term = simlog_term(&leader->log, match);
	if (match > leader->log.last ||
		(term != 0 && simlog_term(image, match) != 0 && term != simlog_term(image, match)))
		lab_fail(lab, 9, "node %u acknowledges %llu of term %llu, its leader %u has term %llu there",
				 node->id, ULL(match), ULL(simlog_term(image, match)), leader->id, ULL(term));
}

/*
 * Invariant 10.  A refusal and a pre-vote promise nothing; every other message
 * speaks for the sender's term, and votes for the vote.
 */
static void
check_hard_state(Lab *lab, Node *node, const RaftMessage *message, RaftOp after)
{
	bool		reply = message->type == RAFT_MSG_VOTE_REPLY || message->type == RAFT_MSG_APPEND_REPLY;
	RaftNodeId	vote = 0;

	if (after > node->synced)
		lab_fail(lab, 10, "node %u sends a %s that depends on op %llu, durable is %llu", node->id,
				 raft_message_name(message->type), ULL(after), ULL(node->synced));
	if (message->type == RAFT_MSG_PREVOTE || message->type == RAFT_MSG_PREVOTE_REPLY ||
		(reply && !message->granted))
		return;
	if (node->disk.term != message->term)
		lab_fail(lab, 10, "node %u sends a %s of term %llu, its disk says %llu", node->id,
				 raft_message_name(message->type), ULL(message->term), ULL(node->disk.term));
	if (message->type == RAFT_MSG_VOTE)
		vote = node->id;
	else if (message->type == RAFT_MSG_VOTE_REPLY)
		vote = message->to;
	if (vote == 0 || node->older)
		return;
	if (node->disk.vote != vote)
		lab_fail(lab, 10, "node %u votes for %u, its disk says %u", node->id, vote, node->disk.vote);
	history_vote(lab, node, message->term, vote);
}

void
invariants_send(Lab *lab, Node *node, const RaftMessage *message, RaftOp after)
{
	lab_check(lab, message->term == node->status.term, "node %u of term %llu sends a %s of term %llu",
			  node->id, ULL(node->status.term), raft_message_name(message->type), ULL(message->term));
	check_hard_state(lab, node, message, after);
	if (message->type == RAFT_MSG_APPEND_REPLY)
	{
		if (message->granted)
			check_acknowledged(lab, node, message, after);
		else
			lab->network.rejections[node->id]++;
	}
	if (message->type == RAFT_MSG_APPEND && message->log_index > 0 &&
		message->log_term != simlog_term(&node->log, message->log_index))
		lab_fail(lab, 9, "leader %u says entry %llu is of term %llu, its log says %llu", node->id,
				 ULL(message->log_index), ULL(message->log_term),
				 ULL(simlog_term(&node->log, message->log_index)));
}

/* Invariant 8, when a leader moves the commit index of the group. */
static void
check_commit_quorum(Lab *lab, Node *node, RaftIndex commit)
{
	const LogEntry *newest;
	uint32_t	durable = 0;

	if (commit > node->log.last)
		lab_fail(lab, 8, "node %u commits %llu in the step that appends it", node->id, ULL(commit));
	newest = simlog_at(&node->log, commit);
	if (node->status.role != RAFT_LEADER)
		lab_fail(lab, 8, "node %u commits %llu as %s, no leader committed past %llu", node->id,
				 ULL(commit), raft_role_name(node->status.role), ULL(lab->history.commit));
	if (newest->term != node->status.term)
		lab_fail(lab, 8, "leader %u of term %llu commits %llu of term %llu by counting", node->id,
				 ULL(node->status.term), ULL(commit), ULL(newest->term));
	for (uint32_t i = 1; i <= lab->n; i++)
	{
		if (identity_has_or_had(&lab->nodes[i], commit, newest))
			durable |= UINT32_C(1) << i;
	}
	if (!is_quorum(node->status.config, durable))
		lab_fail(lab, 8, "leader %u commits %llu, it is durable only on the nodes of mask %#x",
				 node->id, ULL(commit), durable);
}

void
invariants_commit(Lab *lab, Node *node, RaftIndex commit, RaftIndex ready)
{
	RaftIndex	from = node->before.commit + 1;

	if (commit < node->before.commit)
		lab_fail(lab, 3, "node %u: commit goes back from %llu to %llu", node->id,
				 ULL(node->before.commit), ULL(commit));
	if (commit > node->log.last || ready > commit || ready > node->disk.log.last)
		lab_fail(lab, 11, "node %u: ready %llu, commit %llu, disk %llu, last %llu", node->id,
				 ULL(ready), ULL(commit), ULL(node->disk.log.last), ULL(node->log.last));
	if (commit > lab->history.commit)
		check_commit_quorum(lab, node, commit);
	for (RaftIndex i = from < node->log.first ? node->log.first : from; i <= commit; i++)
		history_commit(lab, node, i, simlog_at(&node->log, i));
}

/* Invariants 6, 11 and 12, at each entry that is applied. */
void
invariants_apply(Lab *lab, Node *node, RaftIndex index)
{
	const Committed *committed = history_committed(lab, index);
	const LogEntry *entry = simlog_at(&node->log, index);

	if (committed == NULL)
		lab_fail(lab, 12, "node %u applies %llu, which nobody committed", node->id, ULL(index));
	if (committed->entry.chain != entry->chain)
		lab_fail(lab, 12, "node %u applies another entry %llu than was committed", node->id,
				 ULL(index));
	if (index > node->disk.log.last || simlog_at(&node->disk.log, index)->chain != entry->chain)
		lab_fail(lab, 11, "node %u applies %llu, which is not durable here", node->id, ULL(index));
}

/* Invariants 2 and 3, when an op came to the disk's image. */
void
invariants_durable(Lab *lab, Node *node)
{
	RaftTerm   *newest = &lab->history.newest_seen[node->id];

	if (node->older)
		return;					/* what it lost it may say again, to nobody */
	if (node->disk.term < *newest)
		lab_fail(lab, 3, "node %u: the term on disk goes back from %llu to %llu", node->id,
				 ULL(*newest), ULL(node->disk.term));
	*newest = node->disk.term;
	history_vote(lab, node, node->disk.term, node->disk.vote);
}

/* Invariant 16, after the first step of a core. */
void
invariants_recovered(Lab *lab, Node *node, const RaftBoot *boot)
{
	const RaftStatus *status = &node->status;

	if (status->term < boot->term || status->first != boot->first || status->last < boot->last ||
		status->durable < boot->last || status->commit < boot->commit ||
		(status->term == boot->term && status->vote != boot->vote))
		lab_fail(lab, 16, "node %u recovered to something else than its disk", node->id);
	if (status->config == NULL || status->config->n_members != lab->n)
		lab_fail(lab, 16, "node %u recovered without its configuration", node->id);
}

/* Invariant 7 (§5.4.3).  An older term's late winner owes newer ones nothing. */
static void
check_leader_completeness(Lab *lab, Node *node)
{
	RaftIndex	i = lab->history.commit;
	const Committed *committed;

	while (i > 0 && lab->history.committed[i - 1].by_term >= node->status.term)
		i--;
	committed = history_committed(lab, i);
	if (committed == NULL || i < node->log.first)
		return;
	if (i > node->log.last || simlog_at(&node->log, i)->chain != committed->entry.chain)
		lab_fail(lab, 7, "node %u leads term %llu without entry %llu, committed in term %llu",
				 node->id, ULL(node->status.term), ULL(i), ULL(committed->by_term));
}

/* Invariant 13. */
static void
check_progress(Lab *lab, Node *node)
{
	const RaftStatus *status = &node->status;

	for (uint32_t i = 0; i < status->n_peers; i++)
	{
		const RaftPeerStatus *peer = &status->peers[i];

		if (peer->match >= peer->next || peer->next > status->last + 1 ||
			peer->inflight > lab->settings.core.max_inflight)
			lab_fail(lab, 13, "leader %u about node %u: match %llu, next %llu, last %llu, %u in flight",
					 node->id, peer->id, ULL(peer->match), ULL(peer->next), ULL(status->last),
					 peer->inflight);
	}
}

/* Invariant 11, and that core and host see the same log. */
static void
check_positions(Lab *lab, Node *node)
{
	const RaftStatus *status = &node->status;
	const SimLog *log = &node->log;
	const SimLog *image = &node->disk.log;
	RaftIndex	bound = status->commit < status->durable ? status->commit : status->durable;

	lab_check(lab, status->last == log->last && status->first == log->first &&
			  raft_core_term_at(node->core, log->last) == simlog_term(log, log->last),
			  "node %u: the core's log is %llu..%llu, the host's %llu..%llu", node->id,
			  ULL(status->first), ULL(status->last), ULL(log->first), ULL(log->last));
	if (status->first - 1 > status->applied || status->applied > node->told_visible ||
		node->told_visible > bound || bound > status->last || status->commit > status->last ||
		status->durable > status->last || status->verified > status->last)
		lab_fail(lab, 11, "node %u: first %llu, applied %llu, visible %llu, commit %llu, "
				 "durable %llu, last %llu", node->id, ULL(status->first), ULL(status->applied),
				 ULL(node->told_visible), ULL(status->commit), ULL(status->durable), ULL(status->last));
	if (status->durable >= log->first &&
		(status->durable > image->last ||
		 simlog_at(image, status->durable)->chain != simlog_at(log, status->durable)->chain))
		lab_fail(lab, 11, "node %u takes %llu for durable, its disk has another entry or none",
				 node->id, ULL(status->durable));
}

/*
 * Invariants 1, 7 and 8, before the actions of a step that may have won an election
 * or committed: a message may tell of it, and then the node may die at once.
 */
void
invariants_leader(Lab *lab, Node *node)
{
	const RaftStatus *before = &node->before;
	const RaftStatus *status = &node->status;

	if (status->role != RAFT_LEADER)
		return;
	if (before->role != RAFT_LEADER || before->term != status->term)
	{
		history_leader(lab, node, status->term);
		check_leader_completeness(lab, node);
	}
	if (status->commit > lab->history.commit)
	{
		check_commit_quorum(lab, node, status->commit);
		for (RaftIndex i = lab->history.commit + 1; i <= status->commit; i++)
			history_commit(lab, node, i, simlog_at(&node->log, i));
	}
}

/* Invariants 2, 3, 11, 13, after each step. */
void
invariants_after_step(Lab *lab, Node *node)
{
	const RaftStatus *before = &node->before;
	const RaftStatus *status = &node->status;

	if (status->term < before->term || status->commit < before->commit ||
		status->applied < before->applied)
		lab_fail(lab, 3, "node %u: term %llu to %llu, commit %llu to %llu, applied %llu to %llu",
				 node->id, ULL(before->term), ULL(status->term), ULL(before->commit),
				 ULL(status->commit), ULL(before->applied), ULL(status->applied));
	if (status->term == before->term && before->vote != 0 && status->vote != before->vote)
		lab_fail(lab, 2, "node %u: vote %u becomes %u in term %llu", node->id, before->vote,
				 status->vote, ULL(status->term));
	if (status->role == RAFT_LEADER)
		check_progress(lab, node);
	check_positions(lab, node);
}
