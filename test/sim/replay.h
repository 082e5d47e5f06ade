/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  Replay of a recording that a server, or the laboratory, made of a core.
 *
 *	  replay.c			files and records; steps a core and compares the digests
 *	  replay_checks.c	what one node's events must obey, whatever the others did
 *	  recording.c		the laboratory's own recordings
 *	  eventlog_test.c	the format, and that a replay finds what is wrong
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_REPLAY_H
#define RAFT_TEST_SIM_REPLAY_H

#include "lab.h"
#include "../../src/wire/eventlog.h"

/* What is known of an entry of the node's log. */
typedef struct ReplayEntry
{
	RaftTerm	term;
	RaftOp		op;				/* that wrote it; 0 = it was there at the start */
	uint32_t	length;			/* of its record; 0 = it was there at the start */
} ReplayEntry;

/* Term and vote on their way to the disk. */
typedef struct ReplayHardState
{
	RaftOp		op;
	RaftTerm	term;
	RaftNodeId	vote;
} ReplayHardState;

/* What a peer said in the current term. */
typedef struct ReplayPeer
{
	RaftNodeId	id;
	bool		granted;		/* its vote */
	RaftIndex	match;			/* acknowledged */
} ReplayPeer;

/* One start of one node. */
typedef struct Replay
{
	Lab		   *lab;
	RaftEventLogHeader header;
	Node		node;			/* status, before, written, synced, ready, visible */
	uint64_t	steps;
	bool		ended;			/* within a step: there is nothing to compare with */
	uint32_t	max_inflight;	/* largest so far */

	/* the log, as the writes leave it; entry i stands at i - base - 1 */
	RaftIndex	base;
	RaftIndex	first;
	RaftIndex	last;
	RaftTerm	base_term;		/* of entry first - 1 */
	ReplayEntry *entries;
	size_t		capacity;

	/* the disk's term and vote; the log's part is in the entries' ops */
	RaftTerm	durable_term;
	RaftNodeId	durable_vote;
	ReplayHardState *pending;
	size_t		n_pending;
	size_t		pending_capacity;

	RaftIndex	verified;		/* follower: agrees with the leader of this term */
	RaftTerm	peers_term;		/* term of what the peers said */
	uint32_t	n_peers;
	ReplayPeer	peers[RAFT_MAX_MEMBERS];
} Replay;

/* A recording in memory: one start of one node. */
typedef struct Recording
{
	uint8_t    *bytes;
	size_t		size;
	size_t		capacity;
	uint64_t	digest;
	size_t		open;			/* where the record of the step at hand begins; 0 = none */
	uint32_t	n_answers;		/* in it */
	uint32_t	losses;			/* of disks, before it */
} Recording;

typedef struct Recordings
{
	size_t		n;
	size_t		of_node[LAB_MAX_NODES + 1]; /* the latest of each node */
	Recording	item[1000];
} Recordings;

/* ---------------------------------------------------------- recording.c */

/* For runs with lab->recordings. */
extern void recording_begin(Lab *lab, const RaftInit *init);
extern const RaftActions *recording_step(Lab *lab, Node *node, const RaftEvent *event);
extern void recording_answer(Lab *lab, RaftNodeId node, const RaftBatchAnswer *answer);
extern uint8_t *recording_frame(const RaftMessage *message, size_t *size);
extern void recordings_close(Recordings *recordings);
extern void recordings_free(Recordings *recordings);

/* ------------------------------------------------------------- replay.c */

/*
 * Replays one recording.  "past" is the same node's start before this one, NULL if
 * that is not known.  Returns false when it failed: lab->failure tells why.
 */
extern bool replay_run(Replay *replay, const Replay *past, Lab *lab,
					   const uint8_t *bytes, size_t size);
extern void replay_free(Replay *replay);

/* Replays files; prints a line for each.  An exit status. */
extern int	replay_files(Lab *lab, const char **paths, int n_paths, bool trace);

/* ------------------------------------------------------ replay_checks.c */

/* A new group of nodes: what its nodes agree about is not known yet. */
extern void replay_group_reset(Lab *lab, bool several_nodes);

/* Before a step: what the host promises about the event. */
extern void replay_check_event(Replay *replay, const RaftEvent *event);

/* The end of a batch by what is known of the entries; 0 = too little. */
extern RaftIndex replay_batch_end(const Replay *replay, RaftIndex first, RaftIndex last,
								  uint32_t max_bytes);

/* After a step. */
extern void replay_check_step(Replay *replay, const RaftEvent *event, const RaftActions *actions);

/* After the first step: what an earlier start of the node had promised. */
extern void replay_check_past(const Replay *replay, const Replay *past, const RaftBoot *boot);

#endif							/* RAFT_TEST_SIM_REPLAY_H */
