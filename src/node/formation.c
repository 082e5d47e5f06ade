/*-------------------------------------------------------------------------
 *
 * formation.c
 *	  A group that is being formed: its members get to know each other's logs, and
 *	  the leader puts their numbers into the configuration.
 *
 * raft_start() knows the members' names and places, not their logs.  Until an entry
 * of the log names them the core needs all voters for every decision, and a member
 * may come back with another log: it has nothing yet that could be lost.  From
 * that entry on a majority decides, and a member is heard only with the log that is
 * named, by everybody who has the entry, whether he has met the member before or not.
 *
 * Each frame comes with the log of the node that has sent it (net/inbox.c), so that
 * what is named is what has voted and acknowledged in the leader's own term.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "node/node.h"
#include "stop_point.h"

/* --- who is heard --- */

static RaftNodeMember *
find_member(RaftNode *node, RaftNodeId id)
{
	for (int i = 0; i < node->n_members; i++)
	{
		if (node->members[i].id == id)
			return &node->members[i];
	}
	return NULL;
}

/*
 * Has this leader counted entries of the member's log?  The first one is on every log of
 * the group.
 */
static bool
has_confirmed(RaftNode *node, RaftNodeId id)
{
	if (node->role != RAFT_LEADER)
		return false;
	raft_core_status(node->core, &node->published);
	for (uint32 i = 0; i < node->published.n_peers; i++)
	{
		if (node->published.peers[i].id == id)
			return node->published.peers[i].match > 1;
	}
	return false;
}

/*
 * May this frame's sender be listened to?  The newest configuration in the log decides, as it does
 * about majorities; a node that it does not name is the core's to judge.
 */
bool
raft_node_hears(RaftNode *node, RaftNodeId from, uint64 log_id)
{
	RaftNodeMember *member = find_member(node, from);

	if (member == NULL)
		return true;
	if (member->log_id != 0)
		return member->log_id == log_id;
	if (member->heard != log_id)
	{
		if (member->counted == 0 && member->heard != 0 && has_confirmed(node, from))
			member->counted = member->heard;
		member->heard = log_id;
	}
	return true;
}

/* --- naming the logs --- */

/* Another configuration acts; what was heard of its members stays known. */
void
raft_node_take_members(RaftNode *node, RaftIndex index, const RaftConfig *config,
					   const RaftMemberInfo *members)
{
	RaftNodeMember before[RAFT_MAX_MEMBERS];
	int			n_before = node->n_members;

	if (config->identified && !node->identified && n_before > 1)	/* not at the start */
		ereport(LOG,
				(errmsg("Raft group is formed: the logs of its %d members are known, and a majority decides from now on",
						(int) config->n_members)));

	memcpy(before, node->members, sizeof(before));
	for (uint32 i = 0; i < config->n_members; i++)
	{
		RaftNodeMember *member = &node->members[i];

		memset(member, 0, sizeof(*member));
		for (int k = 0; k < n_before; k++)
		{
			if (before[k].id == members[i].id)
				*member = before[k];
		}
		member->id = members[i].id;
		member->log_id = members[i].log_id;
		if (member->id == node->id)
			member->heard = node->log_id;
	}
	node->n_members = (int) config->n_members;
	node->identified = config->identified;
	node->config_index = index;
}

/* A leadership begins: nobody has confirmed anything in it. */
void
raft_node_lead_formation(RaftNode *node)
{
	node->named_at = 0;
	for (int i = 0; i < node->n_members; i++)
		node->members[i].counted = 0;
}

/*
 * The active configuration with the logs of its members; 0 when one is not known, or is not
 * the one that this leader has counted entries of.  When it asks the other one for
 * them the core notices the loss, and gives up the leadership.
 */
static uint32
encode_named(RaftNode *node, uint8 *out)
{
	const RaftGroupConfig *active = raft_node_config(node, node->config_index);
	RaftConfig	config;
	RaftMemberInfo members[RAFT_MAX_MEMBERS];

	if (raft_config_decode(active->data, active->size, &config, members) != RAFT_DECODE_OK)
		elog(ERROR, "configuration at index %llu of the Raft log does not decode",
			 (unsigned long long) active->index);
	for (int i = 0; i < node->n_members; i++)
	{
		const RaftNodeMember *member = &node->members[i];

		if (member->heard == 0 || (member->counted != 0 && member->counted != member->heard))
			return 0;
		members[i].log_id = member->heard;
	}
	return (uint32) raft_config_encode(out, RAFT_MAX_CONFIG_BYTES, members, config.n_members);
}

/*
 * What a leader of a group that is not formed has to do before it takes commands.  By now all
 * members have acknowledged the first entry of its term: the core would refuse it before.
 */
void
raft_node_name_logs(RaftNode *node)
{
	RaftEntry	entry = {.kind = RAFT_ENTRY_CONFIG};
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE};
	uint8	   *data;

	if (node->identified || node->role != RAFT_LEADER ||
		node->commit <= Max(node->named_at, node->config_index) ||
		raft_core_term_at(node->core, node->commit) != pg_atomic_read_u64(&node->group->term))
		return;

	data = palloc(RAFT_MAX_CONFIG_BYTES);
	entry.size = encode_named(node, data);
	if (entry.size == 0 || RAFT_RECORD_HEADER + entry.size > raft_node_proposal_room(node))
		return;
	raft_stop_point("name_logs");
	entry.clock = raft_node_next_clock(node);
	entry.data = data;
	event.u.propose.entries = &entry;
	event.u.propose.n_entries = 1;
	node->named_at = node->commit;	/* when it is refused: again after the next commit */
	raft_node_step(node, &event);
}
