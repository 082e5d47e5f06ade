/*-------------------------------------------------------------------------
 *
 * space.c
 *	  Room in the log: who may use it, and how it is won back.
 *
 *	  |<------------------------ capacity -------------------------->|
 *	  | uncompacted entries            | free            | reserve   |
 *	                                    proposals        ^ received entries go
 *	                                    stop here -------'  on into its first half
 *
 * A full log must not end the group: proposals are refused, but leaders still
 * have to be elected, and each needs a no-op.  So proposals leave a reserve,
 * and received entries leave half of it to the no-op of this very node.  When
 * all of that has gone to elections, this node does not campaign.
 *
 * Entries are dropped lazily, that raft.log shows history as long as there is
 * room, and in large steps, since dropping is a write too.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "node/node.h"
#include "stop_point.h"

#define MIN_RESERVE_BYTES	(64 * 1024)
#define RESERVE_SHARE		32	/* of the capacity */
#define COMPACT_SHARE		16	/* one step, of the capacity */

static uint64
reserve(RaftNode *node)
{
	if (raft_mutant("no_reserve"))
		return 0;
	return Max(MIN_RESERVE_BYTES, raft_log_capacity(node->writer) / RESERVE_SHARE);
}

static uint64
room_above(RaftNode *node, uint64 keep)
{
	uint64		room = raft_log_free(node->writer);

	return room > keep ? room - keep : 0;
}

uint64
raft_node_proposal_room(RaftNode *node)
{
	return room_above(node, reserve(node));
}

uint64
raft_node_receive_room(RaftNode *node)
{
	return room_above(node, reserve(node) / 2);
}

bool
raft_node_may_campaign(RaftNode *node)
{
	/* the no-op is a header and nothing else */
	return raft_log_free(node->writer) >= RAFT_RECORD_HEADER;
}

/*
 * How far entries may be dropped: durably applied here, and durable in every
 * member's log, since there is no other way to bring them there.
 */
static RaftIndex
droppable(const RaftStatus *status)
{
	return Min(status->floor, status->applied);
}

static void
drop(RaftNode *node, RaftIndex upto)
{
	RaftEvent	event = {.type = RAFT_EVENT_COMPACTED};

	/* first the core, which thereby checks that they may go */
	event.u.compacted = upto;
	raft_node_step(node, &event);
	raft_log_compact(node->writer, upto);
}

void
raft_node_compact(RaftNode *node)
{
	uint64		capacity = raft_log_capacity(node->writer);
	bool		log_is_filling = raft_log_free(node->writer) < capacity / 2;
	const RaftStatus *status = &node->published;	/* at most a turn old: no harm */

	if (!log_is_filling && status->n_runs < RAFT_MAX_RUNS / 4 * 3)
		return;
	if (droppable(status) < status->first)
		return;

	if (node->goal_for != status->first)
	{
		node->goal = raft_log_index_to_free(node->reader, capacity / COMPACT_SHARE);
		node->goal_for = status->first;
	}

	/* a whole step; a part of it only in need: no room for proposals, or for terms */
	if (droppable(status) >= node->goal)
		drop(node, node->goal);
	else if (raft_node_proposal_room(node) < raft_max_command_bytes() || !log_is_filling)
		drop(node, droppable(status));
}
