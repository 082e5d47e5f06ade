/*-------------------------------------------------------------------------
 *
 * life.h
 *	  The states of a group, and what leads from one to another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LIFE_H
#define RAFT_LIFE_H

#include "raft_pg.h"

typedef enum RaftGroupState
{
	RAFT_GROUP_FREE,			/* slot is unused */
	RAFT_GROUP_STARTING,		/* workers are wanted, the node worker is not ready */
	RAFT_GROUP_RUNNING,
	RAFT_GROUP_STOPPING,		/* workers are asked to end, and not started again */
	RAFT_GROUP_RESTARTING,		/* the same, and then to start again */
	RAFT_GROUP_FAILED			/* will not run: see error; needs raft_stop() or raft_start() */
} RaftGroupState;

typedef enum RaftLifeEvent
{
	RAFT_LIFE_START,			/* raft_start(), or the mark of the database */
	RAFT_LIFE_STOP,				/* raft_stop(), or a drop */
	RAFT_LIFE_NODE_READY,		/* the node worker has opened the log */
	RAFT_LIFE_NODE_ENDED,
	RAFT_LIFE_GAVE_UP,			/* the node worker: another start cannot help */
	RAFT_LIFE_WORKERS_GONE,		/* the last one, after a stop */
	RAFT_LIFE_DROP_UNDONE,		/* rolled back */
	RAFT_LIFE_DROP_OF_FAILED_UNDONE
} RaftLifeEvent;

struct RaftGroup;

/*
 * The one place where a group's state changes.  False when the event changes nothing in
 * the state the group is in.  The caller holds raft_shared->lock exclusively.
 */
extern bool raft_life_event(struct RaftGroup *group, RaftLifeEvent event);

/* As users see it. */
extern const char *raft_group_state_name(RaftGroupState state);

#endif							/* RAFT_LIFE_H */
