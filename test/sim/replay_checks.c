/*-------------------------------------------------------------------------
 *
 * replay_checks.c
 *	  What the events of one real node must obey, whatever the others did.
 *
 * The core's own view is not trusted: which entries are durable follows from
 * the writes and the reports of their ends, what the leader has confirmed from
 * the appends that came, what a quorum has from the answers that came.  The numbers
 * are those of the table in README.md.  Of what all nodes must agree about, several
 * recordings of one group are compared: leaders, entries, commits.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define ULL(x) ((unsigned long long) (x))

/* What nodes of one group have said: terms of committed entries. */
static struct
{
	bool		several_nodes;
	RaftIndex	base;			/* the first one known is base + 1; 0 = none is */
	RaftTerm   *terms;			/* 0 = unknown */
	size_t		n_terms;
} group;

static void *
enlarge(void *array, size_t *capacity, size_t wanted, size_t element)
{
	size_t		larger = *capacity == 0 ? 1024 : *capacity;

	if (wanted <= *capacity)
		return array;
	while (larger < wanted)
		larger *= 2;
	array = realloc(array, larger * element);
	if (array == NULL)
		abort();
	memset((char *) array + *capacity * element, 0, (larger - *capacity) * element);
	*capacity = larger;
	return array;
}

void
replay_group_reset(Lab *lab, bool several_nodes)
{
	free(group.terms);
	memset(&group, 0, sizeof(group));
	group.several_nodes = several_nodes;
	history_reset(lab);
}

/* -------------------------------------------------------------- the log */

static ReplayEntry *
entry_at(const Replay *replay, RaftIndex index)
{
	if (index < replay->first || index > replay->last)
		lab_fail(replay->lab, 0, "entry %llu is needed, the log is %llu..%llu", ULL(index),
				 ULL(replay->first), ULL(replay->last));
	return &replay->entries[index - replay->base - 1];
}

/* 0 = not there. */
static RaftTerm
term_at(const Replay *replay, RaftIndex index)
{
	if (index + 1 == replay->first)
		return replay->base_term;
	if (index < replay->first || index > replay->last)
		return 0;
	return entry_at(replay, index)->term;
}

static bool
is_durable(const Replay *replay, RaftIndex index)
{
	return index < replay->first || entry_at(replay, index)->op <= replay->node.synced;
}

static void
append(Replay *replay, RaftTerm term, RaftOp op, uint32_t length)
{
	replay->last++;
	replay->entries = enlarge(replay->entries, &replay->capacity,
							  (size_t) (replay->last - replay->base), sizeof(ReplayEntry));
	*entry_at(replay, replay->last) = (ReplayEntry) {.term = term, .op = op, .length = length};
}

static void
compact(Replay *replay, RaftIndex upto)
{
	if (upto < replay->first)
		return;
	replay->base_term = entry_at(replay, upto)->term;
	replay->first = upto + 1;

	/* the memory of what is gone is used again when it is the larger part */
	if (replay->first - 1 - replay->base > replay->last - upto)
	{
		memmove(replay->entries, replay->entries + (upto - replay->base),
				(size_t) (replay->last - upto) * sizeof(ReplayEntry));
		replay->base = upto;
	}
}

RaftIndex
replay_batch_end(const Replay *replay, RaftIndex first, RaftIndex last, uint32_t max_bytes)
{
	RaftIndex	end = first;
	uint64_t	bytes = entry_at(replay, first)->length;

	if (bytes == 0)
		return 0;
	while (end < last)
	{
		uint32_t	length = entry_at(replay, end + 1)->length;

		if (length == 0)
			return 0;
		if (bytes + length > max_bytes)
			break;
		bytes += length;
		end++;
	}
	return end;
}

/* Several nodes: what one of them says about an entry must be what the others said. */
static void
share_entry(Replay *replay, RaftIndex index, const RaftEntry *entry, RaftTerm term)
{
	LogEntry	shared = {.term = term, .kind = entry->kind};

	if (!group.several_nodes)
		return;
	/* the clock of a no-op is drawn outside of the core, and not recorded */
	if (entry->kind != RAFT_ENTRY_NOOP)
		shared.digest = lab_hash(entry->clock, &entry->origin, sizeof(entry->origin));
	shared.digest = lab_hash(shared.digest + entry->kind, entry->data, entry->size);
	shared.chain = term_at(replay, index - 1);
	history_append(replay->lab, &replay->node, index, &shared);
}

/* Invariant 6 over several nodes and starts. */
static void
share_commit(Replay *replay, RaftIndex from, RaftIndex upto)
{
	for (RaftIndex i = from < replay->first ? replay->first : from; i <= upto; i++)
	{
		RaftTerm	term = term_at(replay, i);
		RaftTerm   *known;

		if (group.base == 0)
			group.base = i;
		if (i < group.base)
			continue;
		group.terms = enlarge(group.terms, &group.n_terms, (size_t) (i - group.base + 1),
							  sizeof(RaftTerm));
		known = &group.terms[i - group.base];
		if (*known != 0 && *known != term)
			lab_fail(replay->lab, 6, "node %u holds entry %llu of term %llu for committed, it was "
					 "committed with term %llu", replay->node.id, ULL(i), ULL(term), ULL(*known));
		*known = term;
	}
}

/* --------------------------------------------------------------- events */

static void
boot(Replay *replay, const RaftBoot *state)
{
	replay->base = state->first - 1;
	replay->first = state->first;
	replay->last = state->first - 1;
	replay->base_term = state->base_term;
	replay->durable_term = state->term;
	replay->durable_vote = state->vote;
	replay->node.ready = replay->node.visible = state->applied;
	for (uint32_t i = 0; i < state->n_runs; i++)
	{
		RaftIndex	end = i + 1 < state->n_runs ? state->runs[i + 1].first - 1 : state->last;

		while (replay->last < end)
			append(replay, state->runs[i].term, 0, 0);
	}
}

/* Ops up to here are on the disk. */
static void
durable(Replay *replay, RaftOp op)
{
	size_t		done = 0;

	if (op > replay->node.written)
		lab_fail(replay->lab, 0, "op %llu is reported durable, the last one is %llu", ULL(op),
				 ULL(replay->node.written));
	if (op > replay->node.synced)
		replay->node.synced = op;
	while (done < replay->n_pending && replay->pending[done].op <= op)
	{
		replay->durable_term = replay->pending[done].term;
		replay->durable_vote = replay->pending[done].vote;
		done++;
	}
	if (done > 0)
		memmove(replay->pending, replay->pending + done,
				(replay->n_pending - done) * sizeof(ReplayHardState));
	replay->n_pending -= done;
}

void
replay_check_event(Replay *replay, const RaftEvent *event)
{
	Node	   *node = &replay->node;

	switch (event->type)
	{
		case RAFT_EVENT_BOOT:
			boot(replay, event->u.boot);
			break;
		case RAFT_EVENT_WRITE_DURABLE:
			durable(replay, event->u.op);
			break;
		case RAFT_EVENT_APPLIED:
			if (event->u.applied.visible > node->ready || event->u.applied.visible < node->visible ||
				event->u.applied.durable > event->u.applied.visible ||
				event->u.applied.durable < node->status.applied)
				lab_fail(replay->lab, 11, "applied up to %llu, durably %llu, after %llu and %llu; "
						 "ready was %llu", ULL(event->u.applied.visible),
						 ULL(event->u.applied.durable), ULL(node->visible),
						 ULL(node->status.applied), ULL(node->ready));
			node->visible = event->u.applied.visible;
			break;
		case RAFT_EVENT_COMPACTED:
			if (event->u.compacted > node->status.applied || event->u.compacted > node->status.floor)
				lab_fail(replay->lab, 11, "compacted up to %llu, applied is %llu, and every member "
						 "has %llu", ULL(event->u.compacted), ULL(node->status.applied),
						 ULL(node->status.floor));
			compact(replay, event->u.compacted);
			break;
		case RAFT_EVENT_SETTINGS:
			if (event->u.settings->max_inflight > replay->max_inflight)
				replay->max_inflight = event->u.settings->max_inflight;
			break;
		case RAFT_EVENT_TICK:
		case RAFT_EVENT_RECEIVE:
		case RAFT_EVENT_PROPOSE:
		case RAFT_EVENT_WRITE_FAILED:
		case RAFT_EVENT_PEER_UNREACHABLE:
			break;
	}
}

/* A peer of the current term, as far as it has spoken. */
static ReplayPeer *
find_peer(Replay *replay, RaftNodeId id)
{
	for (uint32_t i = 0; i < replay->n_peers; i++)
		if (replay->peers[i].id == id)
			return &replay->peers[i];
	return NULL;
}

/* What a peer answers: its vote, or what it has durably. */
static void
note_answer(Replay *replay, const RaftMessage *message)
{
	ReplayPeer *peer = find_peer(replay, message->from);

	if (!message->granted)
		return;
	if (peer == NULL)
	{
		if (replay->n_peers == RAFT_MAX_MEMBERS)
			return;				/* a stranger */
		peer = &replay->peers[replay->n_peers++];
		*peer = (ReplayPeer) {.id = message->from};
	}
	if (message->type == RAFT_MSG_VOTE_REPLY)
		peer->granted = true;
	else if (message->log_index > peer->match)
		peer->match = message->log_index;
}

/* The log has what the append brought: how far does it agree with the leader's? */
static void
note_append(Replay *replay, const RaftMessage *message)
{
	RaftIndex	agrees = message->log_index;

	if (replay->node.status.role != RAFT_FOLLOWER || replay->node.status.leader != message->from)
		return;
	if (message->log_index + 1 >= replay->first &&
		term_at(replay, message->log_index) != message->log_term)
		return;
	for (uint32_t i = 0; i < message->n_entries; i++, agrees++)
		if (agrees + 1 >= replay->first && term_at(replay, agrees + 1) != message->entries[i].term)
			break;
	if (agrees > replay->verified)
		replay->verified = agrees;
}

static void
note_message(Replay *replay, const RaftMessage *message)
{
	if (message->term != replay->node.status.term)
		return;
	if (message->type == RAFT_MSG_VOTE_REPLY || message->type == RAFT_MSG_APPEND_REPLY)
		note_answer(replay, message);
	else if (message->type == RAFT_MSG_APPEND)
		note_append(replay, message);
}

/* Invariant 7, this node's part (§5.4.1): a vote is given to a log as new as its own. */
static void
check_vote(Replay *replay, const RaftMessage *message)
{
	const RaftStatus *before = &replay->node.before;
	const RaftStatus *status = &replay->node.status;
	RaftTerm	last_term = term_at(replay, replay->last);

	if (message->type != RAFT_MSG_VOTE || status->vote != message->from ||
		status->term != message->term ||
		(before->term == status->term && before->vote == status->vote))
		return;
	if (message->log_term < last_term ||
		(message->log_term == last_term && message->log_index < replay->last))
		lab_fail(replay->lab, 7, "a vote for a log that ends at %llu of term %llu, the own one ends at "
				 "%llu of term %llu", ULL(message->log_index), ULL(message->log_term),
				 ULL(replay->last), ULL(last_term));
}

/* ------------------------------------------------------------- a quorum */

static bool
has_granted(const Replay *replay, const ReplayPeer *peer, RaftIndex unused)
{
	(void) unused;
	return peer != NULL ? peer->granted : replay->durable_vote == replay->node.id;
}

/* The node itself counts with its disk. */
static bool
has_entry(const Replay *replay, const ReplayPeer *peer, RaftIndex index)
{
	return peer != NULL ? peer->match >= index : is_durable(replay, index);
}

/* Do more than half of the voters with this flag have it?  True if there are none. */
static bool
majority(Replay *replay, uint8_t flag, RaftIndex index,
		 bool (*has) (const Replay *replay, const ReplayPeer *peer, RaftIndex index))
{
	const RaftConfig *config = replay->node.status.config;
	uint32_t	voters = 0,
				in = 0;

	for (uint32_t i = 0; i < config->n_members; i++)
	{
		RaftNodeId	id = config->members[i].id;
		const ReplayPeer *peer = find_peer(replay, id);

		if ((config->members[i].flags & flag) == 0)
			continue;
		voters++;
		in += (peer != NULL || id == replay->node.id) && has(replay, peer, index);
	}
	return voters == 0 || in * 2 > voters;
}

static bool
quorum(Replay *replay, RaftIndex index,
	   bool (*has) (const Replay *replay, const ReplayPeer *peer, RaftIndex index))
{
	return majority(replay, RAFT_MEMBER_VOTER, index, has) &&
		majority(replay, RAFT_MEMBER_OUTGOING, index, has);
}

/* -------------------------------------------------------------- actions */

/* Entry i of a write. */
static RaftEntry
written_entry(Replay *replay, const RaftEvent *event, const RaftWrite *write, uint32_t i)
{
	RaftEntry	entry = {.term = write->term, .kind = RAFT_ENTRY_NOOP};
	bool		proposed = event->type == RAFT_EVENT_PROPOSE;
	uint32_t	n = 0;

	if (write->source == RAFT_WRITE_NOOP)
		return entry;
	if (proposed)
		n = event->u.propose.n_entries;
	else if (event->type == RAFT_EVENT_RECEIVE)
		n = event->u.receive.message->n_entries;
	if (write->skip + i >= n)
		lab_fail(replay->lab, 0, "a write takes entry %u of %u", write->skip + i + 1, n);
	entry = proposed ? event->u.propose.entries[write->skip + i] :
		event->u.receive.message->entries[write->skip + i];
	if (proposed)
		entry.term = write->term;
	return entry;
}

/* Invariants 2, 3, 4, 15, and the log as it is afterwards. */
static void
check_write(Replay *replay, const RaftEvent *event, const RaftWrite *write)
{
	Lab		   *lab = replay->lab;

	if (lab->tracing)
		trace_write(lab, &replay->node, write);
	invariants_write(lab, &replay->node, write);
	replay->node.written = write->op;
	if (write->truncate_from != 0)
	{
		lab_check(lab, write->truncate_from >= replay->first && write->truncate_from <= replay->last,
				  "truncation from %llu in the log %llu..%llu", ULL(write->truncate_from),
				  ULL(replay->first), ULL(replay->last));
		if (write->truncate_from <= replay->verified)
			lab_fail(lab, 4, "truncation from %llu, the leader verified %llu",
					 ULL(write->truncate_from), ULL(replay->verified));
		if (write->n_entries > 0 && written_entry(replay, event, write, 0).term ==
			term_at(replay, write->truncate_from))
			lab_fail(lab, 4, "truncation from %llu, where the leader has the same",
					 ULL(write->truncate_from));
		replay->last = write->truncate_from - 1;
	}
	lab_check(lab, write->n_entries == 0 || write->first == replay->last + 1,
			  "entries from %llu do not follow %llu", ULL(write->first), ULL(replay->last));
	for (uint32_t i = 0; i < write->n_entries; i++)
	{
		RaftEntry	entry = written_entry(replay, event, write, i);

		lab_check(lab, entry.term >= term_at(replay, replay->last), "entry %llu of term %llu follows "
				  "one of term %llu", ULL(replay->last + 1), ULL(entry.term),
				  ULL(term_at(replay, replay->last)));
		append(replay, entry.term, write->op, RAFT_RECORD_HEADER + entry.size);
		share_entry(replay, replay->last, &entry, entry.term);
	}
	replay->pending = enlarge(replay->pending, &replay->pending_capacity, replay->n_pending + 1,
							  sizeof(ReplayHardState));
	replay->pending[replay->n_pending++] = (ReplayHardState) {
		.op = write->op, .term = write->term, .vote = write->vote
	};
}

/* Invariant 10, as in invariants.c. */
static void
check_hard_state(Replay *replay, const RaftMessage *message, RaftOp after)
{
	bool		reply = message->type == RAFT_MSG_VOTE_REPLY || message->type == RAFT_MSG_APPEND_REPLY;
	RaftNodeId	vote = 0;

	if (after > replay->node.synced)
		lab_fail(replay->lab, 10, "a %s depends on op %llu, durable is %llu",
				 raft_message_name(message->type), ULL(after), ULL(replay->node.synced));
	if (message->type == RAFT_MSG_PREVOTE || message->type == RAFT_MSG_PREVOTE_REPLY ||
		(reply && !message->granted))
		return;
	if (replay->durable_term != message->term)
		lab_fail(replay->lab, 10, "a %s of term %llu is sent, the disk has term %llu",
				 raft_message_name(message->type), ULL(message->term), ULL(replay->durable_term));
	if (message->type == RAFT_MSG_VOTE)
		vote = replay->node.id;
	else if (message->type == RAFT_MSG_VOTE_REPLY)
		vote = message->to;
	if (vote != 0 && replay->durable_vote != vote)
		lab_fail(replay->lab, 10, "a vote for %u is sent, the disk has one for %u", vote,
				 replay->durable_vote);
}

/* Invariant 9, and that an append says what the log says. */
static void
check_send(Replay *replay, const RaftMessage *message, RaftOp after)
{
	const RaftStatus *status = &replay->node.status;
	Lab		   *lab = replay->lab;

	if (lab->tracing)
		trace_message(lab, "send", message);
	lab_check(lab, message->term == status->term && message->from == replay->node.id,
			  "node %u of term %llu sends as node %u of term %llu", replay->node.id,
			  ULL(status->term), message->from, ULL(message->term));
	check_hard_state(replay, message, after);
	if (message->type == RAFT_MSG_APPEND_REPLY && message->granted)
	{
		if (message->log_index > replay->verified || message->floor > replay->verified)
			lab_fail(lab, 9, "%llu is acknowledged, received %llu, the leader verified %llu",
					 ULL(message->log_index), ULL(message->floor), ULL(replay->verified));
		if (!is_durable(replay, message->log_index))
			lab_fail(lab, 9, "%llu is acknowledged and not durable", ULL(message->log_index));
	}
	if (message->type == RAFT_MSG_APPEND)
	{
		if (status->role != RAFT_LEADER)
			lab_fail(lab, 1, "a %s sends an append", raft_role_name(status->role));
		if (message->log_term != term_at(replay, message->log_index) ||
			message->log_index + message->n_entries > replay->last || message->commit > status->commit)
			lab_fail(lab, 9, "an append follows %llu of term %llu with %u entries, the log has "
					 "term %llu there and ends at %llu", ULL(message->log_index),
					 ULL(message->log_term), message->n_entries,
					 ULL(term_at(replay, message->log_index)), ULL(replay->last));
	}
}

/* Invariants 3, 6, 8 and 11. */
static void
check_commit(Replay *replay, const RaftEvent *event, RaftIndex commit, RaftIndex ready)
{
	const RaftStatus *status = &replay->node.status;
	RaftIndex	before = replay->node.before.commit;
	Lab		   *lab = replay->lab;

	lab_trace(lab, "n%u  commit %llu, ready %llu", replay->node.id, ULL(commit), ULL(ready));
	if (commit < before || ready < replay->node.ready)
		lab_fail(lab, 3, "commit goes from %llu to %llu, ready from %llu to %llu", ULL(before),
				 ULL(commit), ULL(replay->node.ready), ULL(ready));
	if (commit > replay->last || ready > commit || !is_durable(replay, ready))
		lab_fail(lab, 11, "ready %llu, commit %llu, last %llu", ULL(ready), ULL(commit),
				 ULL(replay->last));
	replay->node.ready = ready;
	if (commit == before)
		return;
	share_commit(replay, before + 1, commit);
	if (event->type == RAFT_EVENT_BOOT)
		return;					/* known from before */
	if (status->role != RAFT_LEADER)
	{
		if (commit > replay->verified)
			lab_fail(lab, 8, "a %s commits %llu, the leader verified %llu",
					 raft_role_name(status->role), ULL(commit), ULL(replay->verified));
		return;
	}
	if (term_at(replay, commit) != status->term)
		lab_fail(lab, 8, "the leader of term %llu commits %llu of term %llu by counting",
				 ULL(status->term), ULL(commit), ULL(term_at(replay, commit)));
	if (!quorum(replay, commit, has_entry))
		lab_fail(lab, 8, "the leader commits %llu, no quorum has acknowledged it", ULL(commit));
}

/* Invariant 1, and that a leader was elected. */
static void
check_role(Replay *replay, const RaftAction *action)
{
	Lab		   *lab = replay->lab;
	Node		leader = {.id = action->u.role.leader};

	lab_trace(lab, "n%u  %s -> %s, term %llu, leader %u", replay->node.id,
			  raft_role_name(action->u.role.from), raft_role_name(action->u.role.to),
			  ULL(action->u.role.term), action->u.role.leader);
	if (leader.id != 0)
		history_leader(lab, &leader, action->u.role.term);
	if (action->u.role.to == RAFT_LEADER && !quorum(replay, 0, has_granted))
		lab_fail(lab, 1, "node %u leads term %llu without the votes of a quorum", replay->node.id,
				 ULL(action->u.role.term));
}

/* ----------------------------------------------------------- afterwards */

/* Invariant 13. */
static void
check_progress(Replay *replay)
{
	const RaftStatus *status = &replay->node.status;

	for (uint32_t i = 0; i < status->n_peers; i++)
	{
		const RaftPeerStatus *peer = &status->peers[i];
		const ReplayPeer *said = find_peer(replay, peer->id);

		if (peer->match >= peer->next || peer->next > status->last + 1 ||
			peer->inflight > replay->max_inflight || peer->match > (said ? said->match : 0))
			lab_fail(replay->lab, 13, "node %u: match %llu (it said %llu), next %llu, last %llu, "
					 "%u in flight", peer->id, ULL(peer->match), ULL(said ? said->match : 0),
					 ULL(peer->next), ULL(status->last), peer->inflight);
	}
}

/* Invariants 2, 3, 11 and 13. */
static void
check_status(Replay *replay)
{
	const RaftStatus *before = &replay->node.before;
	const RaftStatus *status = &replay->node.status;
	Lab		   *lab = replay->lab;
	RaftIndex	bound = status->commit < status->durable ? status->commit : status->durable;

	if (status->term < before->term || status->commit < before->commit ||
		status->applied < before->applied || status->first < before->first)
		lab_fail(lab, 3, "term %llu to %llu, commit %llu to %llu, applied %llu to %llu",
				 ULL(before->term), ULL(status->term), ULL(before->commit), ULL(status->commit),
				 ULL(before->applied), ULL(status->applied));
	if (status->term == before->term && before->vote != 0 && status->vote != before->vote)
		lab_fail(lab, 2, "vote %u becomes %u in term %llu", before->vote, status->vote,
				 ULL(status->term));
	lab_check(lab, status->first == replay->first && status->last == replay->last,
			  "the core's log is %llu..%llu, the writes leave %llu..%llu", ULL(status->first),
			  ULL(status->last), ULL(replay->first), ULL(replay->last));
	if (status->first - 1 > status->applied || status->applied > replay->node.visible ||
		replay->node.visible > bound || status->durable > status->last ||
		status->commit > status->last || status->floor > status->commit ||
		!is_durable(replay, status->durable))
		lab_fail(lab, 11, "first %llu, applied %llu, visible %llu, commit %llu, durable %llu, "
				 "last %llu", ULL(status->first), ULL(status->applied), ULL(replay->node.visible),
				 ULL(status->commit), ULL(status->durable), ULL(status->last));
	if (status->role == RAFT_LEADER)
		check_progress(replay);
}

void
replay_check_step(Replay *replay, const RaftEvent *event, const RaftActions *actions)
{
	/* a new term: nothing was said in it */
	if (replay->node.status.term != replay->peers_term)
	{
		replay->peers_term = replay->node.status.term;
		replay->n_peers = 0;
		replay->verified = 0;
	}
	for (uint32_t i = 0; i < actions->n; i++)
		if (actions->item[i].type == RAFT_ACTION_WRITE)
			check_write(replay, event, &actions->item[i].u.write);
	if (event->type == RAFT_EVENT_RECEIVE)
	{
		note_message(replay, event->u.receive.message);
		check_vote(replay, event->u.receive.message);
	}
	for (uint32_t i = 0; i < actions->n; i++)
	{
		const RaftAction *action = &actions->item[i];

		if (action->type == RAFT_ACTION_SEND)
			check_send(replay, &action->u.send.message, action->u.send.after);
		else if (action->type == RAFT_ACTION_COMMIT)
			check_commit(replay, event, action->u.commit.commit, action->u.commit.ready);
		else if (action->type == RAFT_ACTION_ROLE)
			check_role(replay, action);
	}
	check_status(replay);
}

/*
 * The recording before may lack its last moments: what it knew to be durable
 * holds, but entries that were not committed may have been truncated since.
 */
void
replay_check_past(const Replay *replay, const Replay *past, const RaftBoot *boot)
{
	Lab		   *lab = replay->lab;
	RaftIndex	kept = past->node.ready;

	if (boot->term < past->durable_term)
		lab_fail(lab, 3, "the term on disk was %llu and is %llu after a restart",
				 ULL(past->durable_term), ULL(boot->term));
	if (boot->term == past->durable_term && past->durable_vote != 0 &&
		boot->vote != past->durable_vote)
		lab_fail(lab, 2, "the vote of term %llu was for %u and is for %u after a restart",
				 ULL(boot->term), past->durable_vote, boot->vote);
	if (boot->last < kept)
		lab_fail(lab, 16, "the log ends at %llu after a restart, %llu was committed and durable",
				 ULL(boot->last), ULL(kept));
	for (RaftIndex i = past->first; i <= kept; i++)
		if (i >= boot->first && term_at(replay, i) != term_at(past, i))
			lab_fail(lab, 6, "entry %llu was of term %llu and is of term %llu after a restart", ULL(i),
					 ULL(term_at(past, i)), ULL(term_at(replay, i)));
}
