/*-------------------------------------------------------------------------
 *
 * node.h
 *	  The node worker's own state; private to the process that runs it.
 *
 * worker.c		the main loop
 * boot.c		from the row in raft.node and the log to a booted core
 * actions.c	steps the core and executes what it asks for
 * formation.c	a group that is being formed: whose log is whose
 * recorder.c	what the core is given, in a file, for a replay
 * space.c		room in the log: who may use it, and how it is won back
 * held.c		who holds the log, and the warnings before it is full
 * publish.c	what others see of this node
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_NODE_H
#define RAFT_NODE_H

#include "client/proposals.h"
#include "group/group.h"
#include "log/log.h"
#include "net/inbox.h"
#include "net/peer.h"

/* Bounds of one turn of the main loop: the next turn takes the rest. */
#define RAFT_TURN_FRAMES	512
#define RAFT_TURN_BYTES		(1024 * 1024)
#define RAFT_TURN_PROPOSALS 1024

/* How far a member, or our own applier, has come, and since when it stands there. */
typedef struct RaftConfirmed
{
	RaftNodeId	id;				/* 0 = unused */
	RaftIndex	index;
	RaftTime	since;
} RaftConfirmed;

/* A member of the active configuration (formation.c). */
typedef struct RaftNodeMember
{
	RaftNodeId	id;
	uint64		log_id;			/* that the configuration names; 0 = none */
	uint64		heard;			/* of its last message; 0 = none heard yet */
	uint64		counted;		/* that this leader has counted entries of, before it heard another; else 0 */
} RaftNodeMember;

/* Everything up to an op, durable once WAL is flushed up to a position. */
typedef struct RaftUnflushed
{
	RaftOp		op;
	XLogRecPtr	end;
} RaftUnflushed;
#define RAFT_MAX_UNFLUSHED	16

typedef struct RaftRecorder RaftRecorder;

typedef struct RaftNode
{
	RaftGroup  *group;
	RaftNodeId	id;
	char		name[RAFT_MAX_NODE_NAME + 1];
	uint64		log_id;

	RaftCore   *core;
	RaftRecorder *recorder;		/* NULL = events are not recorded */
	RaftLogWriter *writer;
	RaftLogReader *reader;
	RaftPeers  *peers;
	MemoryContext turn_context; /* emptied at each turn */

	RaftTime	now;			/* of this turn; taken again after a flush */
	RaftTime	deadline;		/* when the core wants its next tick */
	RaftOp		written;		/* last op handed to the log */
	RaftOp		durable;		/* last op reported durable; <= written */
	RaftUnflushed unflushed[RAFT_MAX_UNFLUSHED];	/* in order */
	int			n_unflushed;
	RaftIndex	commit;
	RaftIndex	ready;
	RaftIndex	visible;		/* the applier's progress, as the core knows it */
	RaftIndex	durable_applied;
	RaftTime	watch_at;		/* when the applier's batch is late, or later still */
	RaftRole	role;
	uint64		clock;			/* of the newest entry: clocks never go back */

	/* set within a turn, acted on at its end */
	bool		ready_grew;
	bool		state_changed;	/* role, term or known leader */
	bool		frames_left;	/* the turn's bound was reached */

	/* connections that broke while the loop was waiting */
	RaftNodeId	unreachable[RAFT_MAX_MEMBERS];
	int			n_unreachable;
	uint64		arrivals;		/* raft_inboxes_arrivals() seen */

	/* compaction: nothing to do while the log begins at goal_for */
	RaftIndex	goal_for;
	RaftIndex	goal;			/* drop once everything up to here may go */

	RaftConfirmed confirmed[RAFT_MAX_MEMBERS];
	int			level;			/* of the log, in percent, that was warned of */

	/* reused buffers */
	StringInfoData records;		/* on their way into the log */
	StringInfoData range;		/* read from the log for sending */
	RaftIndex	range_first;	/* what "range" holds; 0 = nothing */
	RaftIndex	range_last;
	RaftTaken  *taken;			/* RAFT_TURN_PROPOSALS of them */
	RaftEntry  *proposed;		/* the same as entries */
	RaftEntry  *received;		/* RAFT_MAX_MESSAGE_ENTRIES: of the frame at hand */
	const uint8 *frame;			/* the frame at hand; NULL outside its step */

	RaftGroupConfig configs[RAFT_MAX_CONFIGS];	/* newest ones, in no order */

	/* of the active configuration */
	RaftIndex	config_index;
	bool		identified;		/* it names the logs of all voters */
	RaftNodeMember members[RAFT_MAX_MEMBERS];
	int			n_members;
	RaftIndex	named_at;		/* leader: commit index when it proposed their names last */

	RaftStatus	published;		/* the core's state at the end of the last turn */
	RaftGroupStatus status;		/* counters are kept here; publish.c tells them */
	RaftGroupLinks links;
	RaftTime	links_published;
	RaftTime	statistics_reported;
} RaftNode;

/* --- boot.c --- */

/* Ends the process when the database has no node after all. */
extern RaftNode *raft_node_start(RaftGroup *group, Oid database);

/* While it is true, an ERROR may mean that a restart cannot help. */
extern bool raft_node_opening_log;

/* What the core has to know of the settings now. */
extern RaftSettings raft_node_settings(void);

/* --- actions.c --- */

/* Steps the core at node->now and executes its actions. */
extern void raft_node_step(RaftNode *node, RaftEvent *event);

/*
 * Hands appends to the sockets, has what was written flushed, and tells the core what
 * is durable by now.  Waits for nothing: the flusher wakes this process.
 */
extern void raft_node_settle(RaftNode *node);

/* Is a write on its way to the disk? */
extern bool raft_node_is_flushing(RaftNode *node);

/* A new entry's clock: the wall clock, but never less than an earlier entry's. */
extern uint64 raft_node_next_clock(RaftNode *node);

/* Keeps the payload of a configuration that stands, or will stand, at index. */
extern void raft_node_keep_config(RaftNode *node, RaftIndex index,
								  const uint8 *data, uint32 size);

/* The payload of a configuration that can become active. */
extern const RaftGroupConfig *raft_node_config(RaftNode *node, RaftIndex index);

/* --- formation.c --- */

/* False for a message of a member that comes with another log than the configuration names. */
extern bool raft_node_hears(RaftNode *node, RaftNodeId from, uint64 log_id);

extern void raft_node_take_members(RaftNode *node, RaftIndex index, const RaftConfig *config,
								   const RaftMemberInfo *members);
extern void raft_node_lead_formation(RaftNode *node);

/* A leader that can, and has not yet, proposes the configuration that names the logs. */
extern void raft_node_name_logs(RaftNode *node);

/* --- recorder.c --- */

/*
 * Records from now on, if the settings want it: sets node->recorder, and lets
 * the core ask through it.
 */
extern void raft_recorder_start(RaftNode *node, RaftInit *init);

/* raft_step(), recorded; for a node with a recorder. */
extern const RaftActions *raft_recorder_step(RaftNode *node, const RaftEvent *event);

/* Writes what was recorded in this turn. */
extern void raft_recorder_flush(RaftNode *node);

/* The settings were read again. */
extern void raft_recorder_reload(RaftNode *node);

/* --- space.c --- */

/* Bytes of records that proposals may use. */
extern uint64 raft_node_proposal_room(RaftNode *node);

/* Bytes of records that received entries may use, on top of what a truncation frees. */
extern uint64 raft_node_receive_room(RaftNode *node);

/* Drops old entries when the log fills up, and as far as nobody needs them. */
extern void raft_node_compact(RaftNode *node);

/* --- held.c --- */

/* Notes who holds the log, and warns when it fills up. */
extern void raft_node_watch_log(RaftNode *node);

/* Is there a place in the log for what a leader has to write first? */
extern bool raft_node_may_campaign(RaftNode *node);

/* --- publish.c --- */

extern void raft_node_publish(RaftNode *node);

/* Makes a configuration visible to other processes. */
extern void raft_node_publish_config(RaftNode *node, const RaftGroupConfig *config);

#endif							/* RAFT_NODE_H */
