/*-------------------------------------------------------------------------
 *
 * held.c
 *	  Who holds the log: the member without which entries cannot be dropped,
 *	  and the warnings before the log is full.
 *
 * What a member has confirmed is followed all the time, since when it stands still
 * is only asked once it is too late to look.  Which member it is, is said only while
 * the log is more than half full, of bytes or of terms: with room to spare, being behind is no trouble.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "node/node.h"
#include "utils/timestamp.h"

/* Percent of the capacity that are warned of; below a level by this much, it is over. */
#define FIRST_LEVEL			75
#define SECOND_LEVEL		90
#define LEVEL_GAP			10

/* What a member, or our own applier, has confirmed now. */
static RaftConfirmed *
note_confirmed(RaftNode *node, RaftNodeId id, RaftIndex index)
{
	RaftConfirmed *place = NULL;

	for (int i = 0; i < RAFT_MAX_MEMBERS && place == NULL; i++)
	{
		if (node->confirmed[i].id == id || node->confirmed[i].id == 0)
			place = &node->confirmed[i];
	}
	/* more members have come and gone than there is room for: any that is not now one */
	if (place == NULL)
		place = &node->confirmed[node->now % RAFT_MAX_MEMBERS];

	if (place->id != id || place->index != index)
	{
		place->id = id;
		place->index = index;
		place->since = node->now;
	}
	return place;
}

/*
 * The leader knows what each member lacks; the others know of themselves alone.
 */
static const RaftConfirmed *
find_holder(RaftNode *node)
{
	const RaftStatus *status = &node->published;
	const RaftConfirmed *lowest = note_confirmed(node, node->id, status->applied);
	RaftIndex	limit = status->role == RAFT_LEADER ? status->commit : status->floor;

	for (uint32 i = 0; status->role == RAFT_LEADER && i < status->n_peers; i++)
	{
		const RaftConfirmed *peer = note_confirmed(node, status->peers[i].id,
												   status->peers[i].match);

		if (peer->index < lowest->index)
			lowest = peer;
	}
	return lowest->index < limit ? lowest : NULL;
}

static void
report_level(RaftNode *node, uint64 percent)
{
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("Raft log is %llu%% full", (unsigned long long) percent),
			 errdetail_internal("%s", raft_group_describe_held(node->group, &node->status.held)),
			 errhint("Entries are dropped once every member has them and this node has applied them. When there is no room, proposals are refused.")));
}

/* One line for each level that is reached, and one when there is room again. */
static void
watch_level(RaftNode *node, uint64 percent)
{
	int			level = percent >= SECOND_LEVEL ? SECOND_LEVEL : percent >= FIRST_LEVEL ? FIRST_LEVEL : 0;

	if (level > node->level)
	{
		report_level(node, percent);
		node->level = level;
		return;
	}
	if (node->level == SECOND_LEVEL && percent < SECOND_LEVEL - LEVEL_GAP)
		node->level = FIRST_LEVEL;
	if (node->level == FIRST_LEVEL && percent < FIRST_LEVEL - LEVEL_GAP)
	{
		ereport(LOG,
				(errmsg("Raft log has room again: it is %llu%% full",
						(unsigned long long) percent)));
		node->level = 0;
	}
}

const char *
raft_log_trouble_text(RaftLogTrouble trouble)
{
	switch (trouble)
	{
		case RAFT_LOG_HAS_ROOM:
			return NULL;
		case RAFT_LOG_NO_BYTES:
			return "the Raft log has no room for the first entry of another leader";
		case RAFT_LOG_NO_TERMS:
			return "the Raft log holds entries of so many terms that there is no room for another";
	}
	return NULL;
}

/* Says when no election can be won here any more, and when that is over. */
static void
watch_elections(RaftNode *node)
{
	RaftLogTrouble before = node->status.log_trouble;
	RaftLogTrouble now = RAFT_LOG_HAS_ROOM;

	if (!raft_node_may_campaign(node))
		now = RAFT_LOG_NO_BYTES;
	else if (node->published.runs_full)
		now = RAFT_LOG_NO_TERMS;
	if (now == before)
		return;

	node->status.log_trouble = now;
	if (now == RAFT_LOG_HAS_ROOM)
		ereport(LOG,
				(errmsg("Raft log has room for another leader again")));
	else
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("%s", raft_log_trouble_text(now)),
				 errdetail("This node cannot become leader until entries are dropped.  %s",
						   raft_group_describe_held(node->group, &node->status.held)),
				 errhint("Entries are dropped by the present leader, once every member has them: bring back the members that are away, and keep that leader running.")));
}

void
raft_node_watch_log(RaftNode *node)
{
	RaftGroupStatus *out = &node->status;
	const RaftConfirmed *holder = find_holder(node);
	uint64		percent = out->log_bytes * 100 / Max(out->log_capacity, 1);
	bool		crowded = percent >= 50 || node->published.n_runs >= RAFT_MAX_RUNS / 4 * 3;

	memset(&out->held, 0, sizeof(out->held));
	if (crowded && holder != NULL)
	{
		out->held.by = holder->id;
		/* who has confirmed nothing to this leader lacks we do not know what */
		out->held.from = holder->index == 0 ? 0 : holder->index + 1;
		out->held.since = GetCurrentTimestamp() - (TimestampTz) (node->now - holder->since);
	}
	else if (crowded && node->published.role != RAFT_LEADER)
		out->held.from = node->published.floor + 1;
	watch_level(node, percent);
	watch_elections(node);
}

char *
raft_group_describe_held(RaftGroup *group, const RaftHeld *held)
{
	char	   *name = held->by == 0 ? NULL : raft_group_member_name(group, held->by);

	if (name == NULL && held->from == 0)
		return pstrdup("No member lacks entries now.");
	if (name == NULL)
		return psprintf("Some member lacks entries from index %llu on; the leader knows which.",
						(unsigned long long) held->from);
	if (held->from == 0)
		return psprintf("Node \"%s\" has confirmed nothing to this leader, since %s; what it lacks is not known.",
						name, timestamptz_to_str(held->since));
	if (held->by == group->node_id)
		return psprintf("Node \"%s\" itself has not applied the entries from index %llu on, and nothing since %s.",
						name, (unsigned long long) held->from, timestamptz_to_str(held->since));
	return psprintf("Node \"%s\" lacks the entries from index %llu on, and has confirmed nothing since %s.",
					name, (unsigned long long) held->from, timestamptz_to_str(held->since));
}
