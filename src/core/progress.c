/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  What the leader knows of each peer: match, next, and the appends under
 *	  way.
 *
 *						1 ........ match ........ next ........ last
 *	durable on the peer ----------^	   sent ---^	  to be sent
 *
 * PROBE: where the logs agree is unknown, one append at a time.
 * REPLICATE: appends follow each other without waiting, up to the window;
 * "next" runs ahead of the answers.  A rejection, which means that an append was
 * lost, that the peer has restarted, or that its log is full, leads back to PROBE.
 *
 * Each answer tells how much the peer can take, and no more is sent: a peer whose log
 * is full costs heartbeats only.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

/* The progress of a member; NULL for ourselves and for strangers. */
RaftProgress *
progress_find(RaftCore *core, RaftNodeId id)
{
	for (uint32_t i = 0; i < core->n_progress; i++)
		if (core->progress[i].id == id)
			return &core->progress[i];
	return NULL;
}

/* The progress of somebody who is a member and not ourselves. */
const RaftProgress *
progress_of(const RaftCore *core, RaftNodeId id)
{
	for (uint32_t i = 0;; i++)
	{
		raft_assert(core, i < core->n_progress);
		if (core->progress[i].id == id)
			return &core->progress[i];
	}
}

/* Knows nothing of a member, and takes no answer to what it was asked before. */
static void
begin(RaftCore *core, RaftProgress *progress, const RaftMember *member)
{
	*progress = (RaftProgress) {
		.id = member->id, .flags = member->flags, .session = core->round + 1, .room = RAFT_ROOM_ENOUGH
	};
	progress_probe(core, progress, core->trail.last + 1);
}

static const RaftMember *
find_member(const RaftConfig *config, RaftNodeId id)
{
	for (uint32_t i = 0; i < config->n_members; i++)
		if (config->members[i].id == id)
			return &config->members[i];
	return NULL;
}

/* Ids ascend, as in a configuration. */
static void
add(RaftCore *core, const RaftMember *member)
{
	uint32_t	at = core->n_progress++;

	raft_assert(core, core->n_progress <= RAFT_MAX_MEMBERS);
	for (; at > 0 && core->progress[at - 1].id > member->id; at--)
		core->progress[at] = core->progress[at - 1];
	begin(core, &core->progress[at], member);
}

/*
 * Takes over the members of the active configuration: who stays keeps what is known of it,
 * unless its log was lost, which a new configuration may name anew; who comes, or comes
 * back, begins with nothing.
 */
void
progress_configure(RaftCore *core)
{
	const RaftConfig *config = membership_active(core);
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < core->n_progress; i++)
	{
		const RaftMember *member = find_member(config, core->progress[i].id);

		if (member == NULL)
			continue;
		core->progress[kept] = core->progress[i];
		core->progress[kept].flags = member->flags;
		if (core->progress[kept].lost)
			begin(core, &core->progress[kept], member);
		kept++;
	}
	core->n_progress = kept;
	for (uint32_t i = 0; i < config->n_members; i++)
		if (config->members[i].id != core->self && progress_find(core, config->members[i].id) == NULL)
			add(core, &config->members[i]);
}

/*
 * Goes to PROBE from next on.  Rejections of anything sent before are stale.
 */
void
progress_probe(RaftCore *core, RaftProgress *progress, RaftIndex next)
{
	progress->state = RAFT_PROBE;
	progress->probing = false;
	progress->next = next;
	progress->min_round = core->round + 1;
	progress->confirmed = progress->match;
	progress->inflight.start = 0;
	progress->inflight.count = 0;
	progress->inflight.bytes = 0;
	raft_assert(core, progress->match < progress->next);
	raft_assert(core, progress->next <= core->trail.last + 1);
}

void
progress_replicate(const RaftCore *core, RaftProgress *progress)
{
	raft_assert(core, progress->inflight.count == 0);
	progress->state = RAFT_REPLICATE;
	progress->probing = false;
}

/* May another append leave? */
bool
progress_window_open(const RaftCore *core, const RaftProgress *progress)
{
	if (progress->state == RAFT_PROBE)
		return !progress->probing;
	return progress->inflight.count < core->settings.max_inflight &&
		progress->inflight.bytes < core->settings.max_inflight_bytes;
}

/*
 * Entries up to last were sent.
 */
void
progress_sent(const RaftCore *core, RaftProgress *progress, RaftIndex last, uint32_t bytes)
{
	RaftInflight *inflight = &progress->inflight;
	uint32_t	at = (inflight->start + inflight->count) % RAFT_MAX_INFLIGHT;

	raft_assert(core, progress->state == RAFT_REPLICATE);
	raft_assert(core, last >= progress->next);
	raft_assert(core, inflight->count < RAFT_MAX_INFLIGHT);
	inflight->item[at].last = last;
	inflight->item[at].bytes = bytes;
	inflight->count++;
	inflight->bytes += bytes;
	progress->next = last + 1;
}

/*
 * The peer has everything up to here: these appends are answered.
 */
void
progress_freed(const RaftCore *core, RaftProgress *progress, RaftIndex upto)
{
	RaftInflight *inflight = &progress->inflight;

	while (inflight->count > 0 && inflight->item[inflight->start].last <= upto)
	{
		raft_assert(core, inflight->bytes >= inflight->item[inflight->start].bytes);
		inflight->bytes -= inflight->item[inflight->start].bytes;
		inflight->start = (inflight->start + 1) % RAFT_MAX_INFLIGHT;
		inflight->count--;
	}
}

/*
 * RaftMemberValue: when a member was heard from.  At the begin of a
 * leadership everybody gets an election timeout of grace.
 */
static uint64_t
last_contact(const RaftCore *core, RaftNodeId id)
{
	const RaftProgress *progress;

	if (id == core->self)
		return core->now;
	progress = progress_of(core, id);
	return progress->lost ? 0 : raft_max(progress->contact, core->leader_since);
}

/*
 * The latest time at which a quorum had been heard from.
 */
RaftTime
progress_quorum_contact(const RaftCore *core)
{
	return membership_quorum(core, last_contact);
}
