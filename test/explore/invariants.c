/*-------------------------------------------------------------------------
 *
 * invariants.c
 *	  What holds in every world, whatever led there.
 *
 * What one step of one node can violate is checked in node.c, what needs the past
 * in history.c.
 *
 *-------------------------------------------------------------------------
 */
#include "explore.h"

/* Log matching (§5.3): same index and term, thus the same entries up to there. */
static bool
logs_match(Log a, Log b)
{
	for (unsigned i = MAX_LOG; i > 0; i--)
	{
		uint8_t		at_a = log_at(a, i);
		uint8_t		at_b = log_at(b, i);

		if (at_a != 0 && at_b != 0 && ENTRY_TERM(at_a) == ENTRY_TERM(at_b))
			return log_agrees(a, b, i);
	}
	return true;
}

/* Invariant 5, in memory and on the disks. */
static const char *
check_logs(const NodeInfo *const nodes[N_NODES + 1])
{
	for (RaftNodeId i = 1; i <= N_NODES; i++)
		for (RaftNodeId j = 1; j <= N_NODES; j++)
			if (!logs_match(nodes[i]->log, nodes[j]->disk) ||
				(i < j && (!logs_match(nodes[i]->log, nodes[j]->log) ||
						   !logs_match(nodes[i]->disk, nodes[j]->disk))))
				return "log matching: same index and term, another entry at or before it";
	return NULL;
}

/* Invariants 6 and 11: what a node takes for committed is what was committed. */
static const char *
check_commits(const NodeInfo *const nodes[N_NODES + 1], Log committed)
{
	for (RaftNodeId i = 1; i <= N_NODES; i++)
	{
		if (nodes[i]->commit > log_length(committed) ||
			!log_agrees(nodes[i]->log, committed, nodes[i]->commit))
			return "state machine safety: a node's committed prefix is another one";
		if (!log_agrees(nodes[i]->disk, committed, nodes[i]->ready))
			return "an applied entry is not on the disk any more";
	}
	return NULL;
}

/*
 * Invariant 9 from the leader's side: what it counts as replicated is on that
 * peer's disk, as long as no later term has changed it.
 */
static const char *
check_progress(const NodeInfo *const nodes[N_NODES + 1])
{
	for (RaftNodeId i = 1; i <= N_NODES; i++)
		for (RaftNodeId j = 1; j <= N_NODES && nodes[i]->role == RAFT_LEADER; j++)
			if (j != i && nodes[j]->disk_term <= nodes[i]->term &&
				(nodes[i]->match[j] > log_length(nodes[j]->disk) ||
				 !log_agrees(nodes[i]->log, nodes[j]->disk, nodes[i]->match[j])))
				return "a leader counts an entry that the peer's disk does not have";
	return NULL;
}

/* Entries below the floor may be dropped: every disk has them, and they are committed. */
static const char *
check_floor(const NodeInfo *const nodes[N_NODES + 1], Log committed)
{
	for (RaftNodeId i = 1; i <= N_NODES; i++)
		for (RaftNodeId j = 1; j <= N_NODES; j++)
			if (nodes[i]->floor > log_length(committed) ||
				!log_agrees(nodes[j]->disk, committed, nodes[i]->floor))
				return "a floor above what some disk has";
	return NULL;
}

/*
 * Returns what is violated, or NULL.
 */
const char *
invariants_world(const World *world)
{
	const NodeInfo *nodes[N_NODES + 1] = {NULL};
	Log			committed = store_history_info(world->history)->history.committed;
	const char *violation;

	for (RaftNodeId id = 1; id <= N_NODES; id++)
		nodes[id] = store_node_info(world->node[id]);
	violation = check_commits(nodes, committed);
	if (bounds.outcome)
		return violation;
	if (violation == NULL)
		violation = check_logs(nodes);
	if (violation == NULL)
		violation = check_progress(nodes);
	if (violation == NULL)
		violation = check_floor(nodes, committed);
	return violation;
}
