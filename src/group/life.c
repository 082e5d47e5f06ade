/*-------------------------------------------------------------------------
 *
 * life.c
 *	  The life of a group: every way from one state to another.
 *
 * The launcher acts on the states, the others only set them.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "group/group.h"
#include "group/life.h"
#include "group/shared.h"

/* The table in README.md is made from these rows (test/house/life). */
static const struct
{
	RaftGroupState from;
	RaftLifeEvent event;
	RaftGroupState to;
	const char *why;
}			ways[] = {
	{RAFT_GROUP_FREE, RAFT_LIFE_START, RAFT_GROUP_STARTING, "raft_start(), or the database's mark when the server starts"},
	{RAFT_GROUP_STARTING, RAFT_LIFE_NODE_READY, RAFT_GROUP_RUNNING, "the node worker has opened the log"},
	{RAFT_GROUP_RUNNING, RAFT_LIFE_NODE_ENDED, RAFT_GROUP_STARTING, "the node worker has ended: the launcher starts another one"},
	{RAFT_GROUP_STARTING, RAFT_LIFE_GAVE_UP, RAFT_GROUP_FAILED, "wrong identity, damaged log: another start cannot help"},
	{RAFT_GROUP_RUNNING, RAFT_LIFE_GAVE_UP, RAFT_GROUP_FAILED, "damage that was found while running"},
	{RAFT_GROUP_FAILED, RAFT_LIFE_START, RAFT_GROUP_STARTING, "raft_start()"},
	{RAFT_GROUP_STARTING, RAFT_LIFE_STOP, RAFT_GROUP_STOPPING, "raft_stop(), or a drop"},
	{RAFT_GROUP_RUNNING, RAFT_LIFE_STOP, RAFT_GROUP_STOPPING, "raft_stop(), or a drop"},
	{RAFT_GROUP_FAILED, RAFT_LIFE_STOP, RAFT_GROUP_STOPPING, "raft_stop(), or a drop"},
	{RAFT_GROUP_STOPPING, RAFT_LIFE_START, RAFT_GROUP_RESTARTING, "raft_start() before the workers have ended"},
	{RAFT_GROUP_RESTARTING, RAFT_LIFE_STOP, RAFT_GROUP_STOPPING, "raft_stop(), or a drop, after that"},
	{RAFT_GROUP_STOPPING, RAFT_LIFE_WORKERS_GONE, RAFT_GROUP_FREE, "the last worker has ended"},
	{RAFT_GROUP_RESTARTING, RAFT_LIFE_WORKERS_GONE, RAFT_GROUP_STARTING, "the last worker has ended"},
	{RAFT_GROUP_STOPPING, RAFT_LIFE_DROP_UNDONE, RAFT_GROUP_STARTING, "the drop was rolled back"},
	{RAFT_GROUP_RESTARTING, RAFT_LIFE_DROP_UNDONE, RAFT_GROUP_STARTING, "DROP DATABASE has failed, and raft_start() was called meanwhile"},
	{RAFT_GROUP_STOPPING, RAFT_LIFE_DROP_OF_FAILED_UNDONE, RAFT_GROUP_FAILED, "the drop of a failed one was rolled back"},
	{RAFT_GROUP_RESTARTING, RAFT_LIFE_DROP_OF_FAILED_UNDONE, RAFT_GROUP_STARTING, "the same of a failed one"},
};

const char *
raft_group_state_name(RaftGroupState state)
{
	switch (state)
	{
		case RAFT_GROUP_FREE:
			return "stopped";
		case RAFT_GROUP_STARTING:
		case RAFT_GROUP_RESTARTING:
			return "starting";
		case RAFT_GROUP_RUNNING:
			return "running";
		case RAFT_GROUP_STOPPING:
			return "stopping";
		case RAFT_GROUP_FAILED:
			return "failed";
	}
	return "?";
}

bool
raft_life_event(RaftGroup *group, RaftLifeEvent event)
{
	Assert(LWLockHeldByMeInMode(raft_shared->lock, LW_EXCLUSIVE));

	for (int i = 0; i < (int) lengthof(ways); i++)
	{
		if (ways[i].from != group->state || ways[i].event != event)
			continue;
		group->state = ways[i].to;
		elog(DEBUG1, "raft_pg: group of database %u: way %d, %s", group->database, i + 1, ways[i].why);
		return true;
	}
	return false;
}
