/*-------------------------------------------------------------------------
 *
 * replication.c
 *	  The leader: what is sent to whom and when, and what is committed.
 *
 * Appends are pipelined within a window per peer.  The window also makes the
 * batches: while it is full, proposals gather and leave together, so that a
 * hundred proposals do not become a hundred messages.
 *
 * The leader sends entries before its own disk has them (parallel write, §10.2.1
 * of the dissertation) and counts itself only with what is durable.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

/*
 * The last index of a batch from first, of at least one entry.  Entries of this very step are not in
 * the host's log yet: their sizes come from the event; a no-op has no data.
 */
static RaftIndex
batch_end(RaftCore *core, RaftIndex first, uint32_t max_bytes, uint32_t *bytes)
{
	RaftIndex	last = raft_min(core->trail.last, first + RAFT_MAX_MESSAGE_ENTRIES - 1);
	RaftIndex	stored = core->step_first > 0 ? core->step_first - 1 : core->trail.last;
	RaftIndex	end = first - 1;

	*bytes = 0;
	if (first <= stored)
	{
		end = core->batch_end(core->batch_end_arg, first, raft_min(last, stored),
							  max_bytes, bytes);
		raft_assert(core, end >= first && end <= raft_min(last, stored));
		if (end < stored)
			return end;
	}
	while (end < last)
	{
		uint32_t	size = RAFT_ENTRY_OVERHEAD;

		if (core->event->type == RAFT_EVENT_PROPOSE)
			size += core->event->u.propose.entries[end + 1 - core->step_first].size;
		if (*bytes > 0 && *bytes + size > max_bytes)
			break;
		*bytes += size;
		end++;
	}
	return end;
}

/*
 * Sends entries previous + 1 .. last (none when last = previous: a heartbeat).
 */
static void
send_append(RaftCore *core, RaftProgress *progress, RaftIndex previous, RaftIndex last)
{
	RaftMessage message = {.type = RAFT_MSG_APPEND};

	raft_assert(core, previous + 1 >= core->trail.first && last >= previous);
	message.to = progress->id;
	message.round = ++core->round;
	message.log_index = previous;
	message.log_term = trail_term_at(&core->trail, previous);
	message.commit = core->commit;
	message.floor = core->floor;
	message.n_entries = (uint32_t) (last - previous);
	progress->told_commit = core->commit;
	progress->sent = core->now;
	writes_send(core, &message, 0);
}

/*
 * The last entry of what to send next; next - 1 when the peer has no room for the
 * first one.
 */
static RaftIndex
next_batch(RaftCore *core, const RaftProgress *progress, uint32_t *bytes)
{
	uint64_t	room = progress->room - raft_min(progress->room, progress->inflight.bytes);
	uint32_t	most = MUTANT(ROOM_IGNORED) ? core->settings.max_batch_bytes :
		(uint32_t) raft_max(raft_min(core->settings.max_batch_bytes, room), 1);
	RaftIndex	end = batch_end(core, progress->next, most, bytes);

	return *bytes <= room || MUTANT(ROOM_IGNORED) ? end : progress->next - 1;
}

/*
 * Sends what the peer lacks, as far as its window and its room allow.
 */
static void
replicate(RaftCore *core, RaftProgress *progress)
{
	uint32_t	bytes = 0;
	uint32_t	sent = 0;
	RaftIndex	end;

	progress->more = false;
	/* its next entry is compacted, or its log is not what it was: only heartbeats reach it */
	if (progress->next < core->trail.first || progress->lost)
		return;

	if (progress->state == RAFT_PROBE)
	{
		if (!progress_window_open(core, progress))
			return;
		/* nothing to send: an old rejection may have led here, ask whether it still holds */
		end = core->trail.last;
		if (progress->next <= core->trail.last)
		{
			end = next_batch(core, progress, &bytes);
			if (end < progress->next)
				return;
		}
		progress->probing = true;
		send_append(core, progress, progress->next - 1, end);
		return;
	}
	while (progress->next <= core->trail.last && progress_window_open(core, progress))
	{
		end = next_batch(core, progress, &bytes);
		if (end < progress->next)
			return;
		if (sent++ == RAFT_MAX_BURST)
		{
			progress->more = true;
			return;
		}
		send_append(core, progress, progress->next - 1, end);
		progress_sent(core, progress, end, bytes);
	}
}

static void
replicate_to_all(RaftCore *core)
{
	for (uint32_t i = 0; i < core->n_progress; i++)
		replicate(core, &core->progress[i]);
}

/*
 * A heartbeat: an append without entries, with the full check of the previous
 * one.  A peer that lost an append rejects it, and probing begins anew.
 */
static void
send_heartbeat(RaftCore *core, RaftProgress *progress)
{
	RaftIndex	previous = raft_max(progress->next, core->trail.first) - 1;

	send_append(core, progress, previous, previous);
}

/*
 * An election was won: append a no-op, the only way to commit what older terms left
 * (§5.4.2, §8).
 */
void
replication_begin(RaftCore *core)
{
	convert_to(core, RAFT_LEADER, core->term, core->self);
	core->leader_since = core->now;
	core->notice_deadline = RAFT_NEVER;
	progress_configure(core);

	trail_append(&core->trail, core->term, 1);
	core->step_first = core->trail.last;
	writes_start(core, 0, RAFT_WRITE_NOOP, 0, 1);
	replicate_to_all(core);
}

static void
refuse(RaftCore *core, RaftRefusal reason)
{
	RaftAction *action = raft_add_action(core, RAFT_ACTION_REFUSED);

	action->u.refused.reason = reason;
	action->u.refused.leader = core->leader;
}

/* Appends the event's entries. */
static void
place(RaftCore *core)
{
	uint32_t	n = core->event->u.propose.n_entries;
	RaftAction *action;

	trail_append(&core->trail, core->term, n);
	core->step_first = core->trail.last + 1 - n;
	writes_start(core, 0, RAFT_WRITE_EVENT, 0, n);

	action = raft_add_action(core, RAFT_ACTION_PLACED);
	action->u.placed.first = core->step_first;
	action->u.placed.term = core->term;
	action->u.placed.n_entries = n;
}

/*
 * A configuration is proposed alone.  It must not come before this leader has
 * committed an entry of its term, nor before the one before it is committed: else two
 * majorities could decide that have nobody in common.
 */
static void
propose_config(RaftCore *core)
{
	const RaftEntry *entry = core->event->u.propose.entries;
	RaftConfig	config;

	raft_assert(core, core->event->u.propose.n_entries == 1);
	if (!raft_host_decode_config(entry->data, entry->size, &config) ||
		!membership_may_follow(core, &config))
	{
		refuse(core, RAFT_REFUSED_CONFIG_INVALID);
		return;
	}
	if (trail_term_at(&core->trail, core->commit) != core->term ||
		membership_active(core)->index > core->commit)
	{
		refuse(core, RAFT_REFUSED_CONFIG_EARLY);
		return;
	}
	place(core);
	config.index = core->step_first;
	membership_add(core, &config);
	progress_configure(core);
	replicate_to_all(core);
}

/*
 * Appends the event's entries, all or none.
 */
void
replication_propose(RaftCore *core)
{
	uint32_t	n = core->event->u.propose.n_entries;

	raft_assert(core, n > 0);
	if (core->stopped || core->role != RAFT_LEADER)
	{
		refuse(core, core->stopped ? RAFT_REFUSED_STOPPED : RAFT_REFUSED_NOT_LEADER);
		return;
	}
	if (core->event->u.propose.entries[0].kind == RAFT_ENTRY_CONFIG)
	{
		propose_config(core);
		return;
	}
	for (uint32_t i = 1; i < n; i++)
		raft_assert(core, core->event->u.propose.entries[i].kind != RAFT_ENTRY_CONFIG);
	place(core);
	replicate_to_all(core);
}

/* RaftMemberValue: up to where a member has our log durably. */
static uint64_t
match_of(const RaftCore *core, RaftNodeId id)
{
	if (id == core->self)
		return MUTANT(SELF_COUNT_EARLY) ? core->trail.last : core->durable;
	return progress_of(core, id)->lost ? 0 : progress_of(core, id)->match;
}

/*
 * What every member has, voter or learner, may be dropped from the log.  One that has
 * lost its entries does not come back by having them sent again.
 */
static void
advance_floor(RaftCore *core)
{
	RaftIndex	lowest = raft_min(core->commit, core->durable);

	for (uint32_t i = 0; i < core->n_progress; i++)
		if (!core->progress[i].lost)
			lowest = raft_min(lowest, core->progress[i].match);
	core->floor = raft_max(core->floor, lowest);
}

/*
 * §5.3, §5.4.2: an entry is committed once a quorum has it durably and it is of the
 * leader's own term; older ones are committed along with it, never by counting.
 */
static void
advance_commit(RaftCore *core)
{
	RaftIndex	reached = raft_min(membership_quorum(core, match_of), core->trail.last);

	if (reached > core->commit &&
		(trail_term_at(&core->trail, reached) == core->term || MUTANT(COMMIT_OLD_TERM)))
	{
		core->commit = reached;
		if (core->notice_deadline == RAFT_NEVER && core->n_progress > 0)
			core->notice_deadline = core->now + core->settings.commit_notice;
	}
	advance_floor(core);
}

/*
 * A peer refuses to follow an entry that it had confirmed as durable before it was
 * asked.  Whatever happened to its log, its word is worth nothing any more: counted on,
 * it would stall the group, or let entries go that were acknowledged.
 */
static void
lose(RaftCore *core, RaftProgress *progress, const RaftMessage *message)
{
	RaftAction *action = raft_add_action(core, RAFT_ACTION_PEER_LOST);

	action->u.lost.peer = progress->id;
	action->u.lost.confirmed = progress->match;
	action->u.lost.agrees = raft_min(message->log_index, message->rejected - 1);
	progress->lost = true;
}

/*
 * The peer's log disagrees at message->rejected: go on from where it may agree.
 */
static void
back_up(RaftCore *core, RaftProgress *progress, const RaftMessage *message)
{
	RaftIndex	guess;

	/* stale, or about what it was not asked */
	if (message->round < progress->min_round || message->rejected >= progress->next ||
		message->rejected == 0 || progress->lost)
		return;
	if (message->rejected <= progress->confirmed)
	{
		lose(core, progress, message);
		return;
	}
	/* a place confirmed since then is asked about once more */
	guess = trail_last_not_above(&core->trail, message->log_index, message->log_term);
	if (MUTANT(BACKUP_BY_ONE))
		guess = message->rejected - 1;
	guess = raft_max(raft_min(guess, message->rejected - 1), progress->match);
	progress_probe(core, progress, guess + 1);

	/*
	 * It has our entry there: something behind it was lost, or is late on a network that
	 * keeps no order.  What follows need not wait for the answer to a probe.
	 */
	if (guess == message->log_index && trail_term_at(&core->trail, guess) == message->log_term)
		progress_replicate(core, progress);
}

/*
 * The peer has "match" durably, and received everything up to "floor".
 */
static void
accept_append(const RaftCore *core, RaftProgress *progress, const RaftMessage *message)
{
	RaftIndex	received = raft_max(message->floor, message->log_index);

	progress->match = raft_max(progress->match, message->log_index);
	progress->next = raft_max(progress->next, received + 1);
	if (MUTANT(MATCH_FROM_NEXT))
		progress->match = progress->next - 1;
	if (!MUTANT(WINDOW_STAYS_FULL))
		progress_freed(core, progress, received);
	if (progress->state == RAFT_PROBE && message->round >= progress->min_round &&
		received + 1 == progress->next && !(MUTANT(PROBE_STUCK) && received == progress->match))
		progress_replicate(core, progress);
}

/*
 * An answer of this term to an append (the caller has dealt with others).
 */
void
replication_receive_reply(RaftCore *core, const RaftMessage *message)
{
	RaftProgress *progress = progress_find(core, message->from);

	raft_assert(core, message->term == core->term);
	if (core->role != RAFT_LEADER || progress == NULL)
		return;
	/* a member that was removed and came back may have another log by now */
	if (message->round < progress->session)
		return;
	/* it cannot have what does not exist */
	if (message->granted && raft_max(message->log_index, message->floor) > core->trail.last)
		return;
	progress->contact = core->now;
	progress->room = message->room;
	if (message->granted || MUTANT(REJECTION_ACCEPTED))
	{
		accept_append(core, progress, message);
		advance_commit(core);
	}
	else
		back_up(core, progress, message);
	raft_assert(core, progress->match < progress->next);
	replicate(core, progress);
}

/*
 * Our own disk has more.
 */
void
replication_wrote(RaftCore *core)
{
	if (core->role == RAFT_LEADER)
		advance_commit(core);
}

/*
 * Check quorum, §6.2 of the dissertation: who cannot reach a quorum until then must
 * not go on as leader.  Its followers wait one to three election timeouts; a
 * leader that waited only one would give up before they do whenever answers are
 * slow, and slow networks would change leaders without end.
 */
static RaftTime
quorum_deadline(const RaftCore *core)
{
	if (MUTANT(NO_CHECK_QUORUM))
		return RAFT_NEVER;
	return progress_quorum_contact(core) + 2 * core->settings.election_timeout;
}

/*
 * When a peer gets its next heartbeat.  One that is there and has left something unanswered may
 * not have got it, and a commit may be waiting for that: it is asked sooner.
 */
static RaftTime
heartbeat_at(const RaftCore *core, const RaftProgress *progress)
{
	RaftTime	interval = core->settings.heartbeat_interval;
	bool		waiting = progress->state == RAFT_PROBE ? progress->probing : progress->inflight.count > 0;

	if (waiting && core->now < progress->contact + interval)
		return progress->sent + interval / 4;
	return progress->sent + interval;
}

/*
 * The leader's deadlines: check quorum, a stuck disk, commit notices, heartbeats, and what
 * a step left to the next.
 */
void
replication_tick(RaftCore *core)
{
	if (core->now >= quorum_deadline(core) || core->now >= writes_stuck_at(core))
	{
		convert_to(core, RAFT_FOLLOWER, core->term, 0);
		return;
	}
	for (uint32_t i = 0; i < core->n_progress; i++)
	{
		RaftProgress *progress = &core->progress[i];
		bool		notice = core->now >= core->notice_deadline &&
			progress->state == RAFT_REPLICATE && progress->told_commit < core->commit;

		if (notice || core->now >= heartbeat_at(core, progress))
			send_heartbeat(core, progress);
		if (progress->more)
			replicate(core, progress);
	}
	if (core->now >= core->notice_deadline)
		core->notice_deadline = RAFT_NEVER;
}

/*
 * What was under way is lost; the next heartbeat asks how much arrived.
 */
void
replication_peer_unreachable(RaftCore *core, RaftNodeId peer)
{
	RaftProgress *progress = progress_find(core, peer);

	if (progress != NULL && progress->state == RAFT_REPLICATE)
	{
		progress_probe(core, progress, progress->match + 1);
		progress->probing = true;
	}
}

RaftTime
replication_deadline(const RaftCore *core)
{
	RaftTime	deadline = core->notice_deadline;

	deadline = raft_min(deadline, writes_stuck_at(core));
	if (core->n_progress == 0)
		return deadline;
	deadline = raft_min(deadline, quorum_deadline(core));
	for (uint32_t i = 0; i < core->n_progress; i++)
		deadline = raft_min(deadline, core->progress[i].more ? core->now :
							heartbeat_at(core, &core->progress[i]));
	return deadline;
}
