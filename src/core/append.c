/*-------------------------------------------------------------------------
 *
 * append.c
 *	  The follower's side of AppendEntries (§5.3).
 *
 *		ours	1 1 2 2 2 3		prev = (4, term 2), entries 5:2 6:4 7:4
 *							^
 *		5 agrees, 6 conflicts: truncate from 6, append 6:4 7:4
 *
 * An entry that agrees is passed over: an old, shorter append that arrives late must
 * not take away what a newer one brought.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

/*
 * Room for entries behind a place where the logs agree.  Whatever stands there of
 * ours is the same as the leader's, or will give way: how much that frees, nobody
 * needs to know before the leader's entries are here.
 */
static uint64_t
room_behind(const RaftCore *core, RaftIndex index)
{
	if (core->blocked)
		return 0;
	return index < core->trail.last ? RAFT_ROOM_ENOUGH : core->room;
}

static void
send_reply(RaftCore *core, uint64_t round, bool granted, RaftIndex log_index,
		   RaftTerm log_term, RaftIndex rejected)
{
	RaftMessage reply = {.type = RAFT_MSG_APPEND_REPLY};

	reply.to = core->leader;
	reply.round = round;
	reply.granted = granted;
	reply.log_index = log_index;
	reply.log_term = log_term;
	reply.floor = granted ? core->verified : 0;
	reply.rejected = rejected;
	reply.room = room_behind(core, granted ? core->verified : log_index);
	writes_send(core, &reply, granted ? writes_op_of(core, log_index) : 0);
}

/*
 * Acknowledges what is durable and agrees with the leader, never more: not our own
 * last index, which may be a leftover of another term.
 */
static void
send_ack(RaftCore *core, uint64_t round)
{
	RaftIndex	match = raft_min(core->verified, core->durable);

	if (MUTANT(ACK_LAST_INDEX))
		match = core->trail.last;
	if (MUTANT(ACK_BEFORE_DURABLE))
		match = core->verified;
	send_reply(core, round, true, match, 0, 0);
}

/*
 * The logs do not agree at the previous index: say where they still might.  Not
 * below what is compacted: no term is known there, and no honest leader disagrees.
 */
static void
send_rejection(RaftCore *core, const RaftMessage *message)
{
	RaftIndex	hint = trail_last_not_above(&core->trail, message->log_index - 1,
											message->log_term);

	hint = raft_max(hint, core->trail.first - 1);
	if (MUTANT(BACKUP_BY_ONE))
		hint = raft_min(message->log_index - 1, core->trail.last);
	send_reply(core, message->round, false, hint, trail_term_at(&core->trail, hint),
			   message->log_index);
}

/*
 * A message of an older term, answered with ours: its sender has to step down, or this
 * node could never be heard again (pre-vote and check quorum make it silent otherwise).
 */
void
append_refuse_old_term(RaftCore *core, const RaftMessage *message)
{
	RaftMessage reply = {.type = RAFT_MSG_APPEND_REPLY};

	if (MUTANT(SILENT_TO_OLD_TERM))
		return;
	reply.to = message->from;
	reply.round = message->round;
	reply.rejected = message->log_index;
	writes_send(core, &reply, 0);
}

/* Bytes that a truncation from here on frees. */
static uint64_t
bytes_from(const RaftCore *core, RaftIndex from)
{
	uint64_t	bytes = 0;

	while (from <= core->trail.last)
	{
		uint32_t	part = 0;
		RaftIndex	end = core->batch_end(core->batch_end_arg, from, core->trail.last,
										  INT32_MAX, &part);

		raft_assert(core, end >= from && end <= core->trail.last);
		bytes += part;
		from = end + 1;
	}
	return bytes;
}

/*
 * Cuts the entries to those that the host's log has room for, and takes that room.
 * Those of ours from "first" on, if any, will have given way.
 */
static uint32_t
count_fitting(RaftCore *core, const RaftEntry *entries, uint32_t n_entries, RaftIndex first)
{
	uint64_t	needed = 0;
	uint32_t	n = 0;

	for (uint32_t i = 0; i < n_entries; i++)
		needed += RAFT_ENTRY_OVERHEAD + entries[i].size;
	/* walking through the log costs something: only when it matters */
	if (needed > core->room)
		core->room += bytes_from(core, first);
	for (; n < n_entries && RAFT_ENTRY_OVERHEAD + entries[n].size <= core->room; n++)
		if (core->room < RAFT_ROOM_ENOUGH)
			core->room -= RAFT_ENTRY_OVERHEAD + entries[n].size;
	return n;
}

/*
 * How many of the entries can be taken: term runs and configurations have
 * bounded room, and a configuration that does not decode ends the batch.  The
 * leader sends the rest again.
 */
static uint32_t
count_acceptable(const RaftCore *core, const RaftEntry *entries, uint32_t n_entries,
				 RaftConfig *configs, uint32_t *n_configs)
{
	uint32_t	runs = core->trail.n_runs;
	RaftTerm	term = trail_last_term(&core->trail);

	*n_configs = 0;
	for (uint32_t i = 0; i < n_entries; i++)
	{
		/* an empty log begins a run even in the term of what was compacted */
		if ((runs == 0 || entries[i].term != term) && ++runs > RAFT_LIMIT_RUNS)
			return i;
		term = entries[i].term;
		if (entries[i].kind != RAFT_ENTRY_CONFIG)
			continue;
		if (!membership_can_add(core, *n_configs + 1) ||
			!raft_host_decode_config(entries[i].data, entries[i].size, &configs[*n_configs]))
			return i;
		configs[(*n_configs)++].index = core->trail.last + 1 + i;
	}
	return n_entries;
}

/*
 * Stores entries skip .. of the message, of which the first conflicts with our
 * log or lies behind its end.  Returns how many were stored.
 */
static uint32_t
store_entries(RaftCore *core, const RaftMessage *message, uint32_t skip)
{
	RaftIndex	first = message->log_index + 1 + skip;
	RaftIndex	truncate_from = 0;
	RaftConfig	configs[RAFT_MAX_CONFIGS];
	uint32_t	n_configs;
	uint32_t	n = count_fitting(core, message->entries + skip, message->n_entries - skip, first);
	uint32_t	taken;

	if (first <= core->trail.last)
	{
		/* what is committed never changes; a message that wants it breaks Raft */
		raft_assert(core, first > core->commit);
		/* nor does a leader rewrite its own log within its term */
		raft_assert(core, first > core->verified);
		truncate_from = first;
		trail_truncate(&core->trail, first);
		membership_truncate(core, first);
		writes_truncated(core, first);
	}
	taken = count_acceptable(core, message->entries + skip, n, configs, &n_configs);
	core->blocked = taken < n;
	n = taken;
	for (uint32_t i = 0; i < n; i++)
		trail_append(&core->trail, message->entries[skip + i].term, 1);
	for (uint32_t i = 0; i < n_configs; i++)
		membership_add(core, &configs[i]);
	if (n > 0 || truncate_from != 0)
	{
		RaftOp		op = writes_start(core, truncate_from,
									  n > 0 ? RAFT_WRITE_EVENT : RAFT_WRITE_NOTHING, skip, n);

		if (core->ack_first == 0)
			core->ack_first = op;
		core->ack_last = op;
		core->ack_round = message->round;
	}
	return n;
}

/*
 * The first entry of the message that our log does not have: entries up to
 * first - 1 are compacted, thus committed, thus the same.
 */
static uint32_t
count_agreeing(const RaftCore *core, const RaftMessage *message)
{
	uint32_t	n = 0;

	if (message->log_index + message->n_entries < core->trail.first)
		return message->n_entries;
	if (message->log_index + 1 < core->trail.first)
	{
		n = (uint32_t) (core->trail.first - 1 - message->log_index);
		/* the newest of them is known: a leader that has another one breaks Raft */
		raft_assert(core, message->entries[n - 1].term == core->trail.base_term);
	}
	while (n < message->n_entries &&
		   message->log_index + 1 + n <= core->trail.last &&
		   trail_term_at(&core->trail, message->log_index + 1 + n) == message->entries[n].term &&
		   !MUTANT(TRUNCATE_ALWAYS))
		n++;
	return n;
}

/*
 * What the leader of our term says about its commit index and about what
 * every member has.  Only the prefix it has confirmed is known to be the same here.
 */
static void
follow_commit(RaftCore *core, const RaftMessage *message)
{
	RaftIndex	commit = raft_min(message->commit, core->verified);

	if (MUTANT(COMMIT_UNVERIFIED))
		commit = raft_min(message->commit, core->trail.last);
	if (commit > core->commit)
	{
		core->commit = commit;
		core->blocked = false;	/* older configurations are not needed any more */
	}
	core->floor = raft_max(core->floor, raft_min(message->floor, core->commit));
}

/*
 * AppendEntries of our term (the caller has dealt with others) from a node that may
 * be its leader.
 */
void
append_receive(RaftCore *core, const RaftMessage *message)
{
	uint32_t	agreeing;
	uint32_t	stored = 0;

	raft_assert(core, message->term == core->term);
	/* two leaders in one term cannot be: a stranger, or two nodes with one identity */
	if (core->role == RAFT_LEADER || (core->leader != 0 && core->leader != message->from))
		return;
	if (core->leader != message->from)
		convert_to(core, RAFT_FOLLOWER, core->term, message->from);
	core->leader_contact = core->now;
	core->leader_broken = false;
	core->hurried = 0;
	core->room = raft_min(core->event->u.receive.room, RAFT_ROOM_ENOUGH);
	election_reset_timer(core);

	if (message->log_index + 1 >= core->trail.first &&
		(message->log_index > core->trail.last ||
		 (trail_term_at(&core->trail, message->log_index) != message->log_term &&
		  !(MUTANT(HEARTBEAT_UNCHECKED) && message->n_entries == 0) &&
		  !(MUTANT(COMPACTED_ONE_MORE) && message->log_index == core->trail.first))))
	{
		send_rejection(core, message);
		return;
	}

	agreeing = count_agreeing(core, message);
	if (agreeing < message->n_entries &&
		!(MUTANT(TRUNCATE_NEVER) && message->log_index + 1 + agreeing <= core->trail.last))
		stored = store_entries(core, message, agreeing);
	core->verified = raft_max(core->verified, message->log_index + agreeing + stored);
	raft_assert(core, core->verified <= core->trail.last || MUTANT(TRUNCATE_NEVER));
	follow_commit(core, message);

	if (stored == 0 || MUTANT(ACK_BEFORE_DURABLE))
		send_ack(core, message->round);
}

/*
 * A write became durable: acknowledge the appends it holds, all at once.
 */
void
append_wrote(RaftCore *core)
{
	if (core->ack_first == 0 || core->synced < core->ack_first)
		return;
	raft_assert(core, core->role == RAFT_FOLLOWER && core->leader != 0);
	core->ack_first = core->synced >= core->ack_last ? 0 : core->synced + 1;
	send_ack(core, core->ack_round);
}
