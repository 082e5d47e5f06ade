/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  What other processes see of this node: the status in shared memory.
 *
 * Once per turn the figures are put together in private memory and published
 * (published.h).  The statistics of the connections, with their texts, are long
 * and nobody needs them to the millisecond: they are, a few times a second.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "node/node.h"
#include "pgstat.h"
#include "utils/timestamp.h"

#define LINKS_INTERVAL_US	50000

#define STATISTICS_INTERVAL_US	1000000

/* The members of the active configuration but self; figures only from a leader. */
static void
fill_peers(RaftGroupStatus *out, const RaftStatus *status)
{
	out->n_peers = 0;
	for (uint32 i = 0; i < status->config->n_members; i++)
	{
		const RaftMember *member = &status->config->members[i];
		RaftPeerStatus *peer = &out->peers[out->n_peers];

		if (member->id == status->self)
			continue;
		memset(peer, 0, sizeof(*peer));
		peer->id = member->id;
		peer->flags = member->flags;
		for (uint32 k = 0; k < status->n_peers; k++)
		{
			if (status->peers[k].id == member->id)
				*peer = status->peers[k];
		}
		out->n_peers++;
	}
}

/* Does the leader's server refuse our stream?  Then we hear the leader, and it does not hear us. */
static bool
refused_by(const RaftGroupLinks *links, RaftNodeId leader)
{
	for (int i = 0; i < links->n; i++)
	{
		if (links->of[i].id == leader)
			return links->of[i].refused_since != 0;
	}
	return false;
}

/*
 * How old the rest is.  A majority of one is never away from itself, however long it
 * sleeps.  A node that the leader does not listen to is no part of its majority.
 */
static void
publish_contact(RaftNode *node, const RaftStatus *status)
{
	RaftTime	contact = status->leader_contact;

	if (status->role == RAFT_LEADER)
		contact = status->n_peers == 0 ? PG_UINT64_MAX : status->quorum_contact;
	else if (status->leader == 0 || refused_by(&node->links, status->leader))
		contact = 0;

	/* a contact as a follower must not be seen before that role is */
	pg_write_barrier();
	pg_atomic_write_u64(&node->group->contact, contact);
	pg_atomic_write_u64(&node->group->due, node->deadline);
}

static void
publish_links(RaftNode *node)
{
	if (node->now - node->links_published < LINKS_INTERVAL_US)
		return;
	node->links.n = raft_peers_stats(node->peers, node->links.of, RAFT_MAX_MEMBERS);
	raft_publish(&node->group->links, &node->links);
	node->links_published = node->now;
}

void
raft_node_publish(RaftNode *node)
{
	RaftGroup  *group = node->group;
	RaftGroupStatus *out = &node->status;
	RaftStatus *status = &node->published;

	raft_core_status(node->core, status);
	out->role = status->role;
	out->term = status->term;
	out->vote = status->vote;
	out->leader = status->leader;
	out->first = status->first;
	out->last = status->last;
	out->durable = status->durable;
	out->commit = status->commit;
	out->floor = status->floor;
	raft_peers_set_position(node->peers, status->last, status->term);
	out->leader_contact = (status->leader_contact == 0) ? 0
		: GetCurrentTimestamp() - (TimestampTz) (node->now - status->leader_contact);
	out->log_capacity = raft_log_capacity(node->writer);
	out->log_bytes = out->log_capacity - raft_log_free(node->writer);
	fill_peers(out, status);
	raft_node_watch_log(node);
	publish_links(node);
	publish_contact(node, status);
	raft_publish(&group->status, out);

	/*
	 * Forced, since pgstat_report_stat() takes the end of the last transaction for
	 * the time now (from 16 on), and this process has had none since its start.
	 */
	if (node->now - node->statistics_reported >= STATISTICS_INTERVAL_US)
	{
		pgstat_report_stat(true);
		node->statistics_reported = node->now;
	}

	if (node->ready_grew)
		raft_group_wake_applier(group);
	if (node->state_changed)
		ConditionVariableBroadcast(&group->state_cv);
	node->ready_grew = node->state_changed = false;
}

void
raft_node_publish_config(RaftNode *node, const RaftGroupConfig *config)
{
	raft_publish(&node->group->config, config);
	raft_inboxes_wake(node->group->inboxes);	/* it may have their senders for others */
}
