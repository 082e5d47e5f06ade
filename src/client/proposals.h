/*-------------------------------------------------------------------------
 *
 * proposals.h
 *	  Commands on their way from the backends to the node worker: the group's
 *	  queue and slots together.
 *
 * How they come back is in slots.h; how a backend proposes one, in propose.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PROPOSALS_H
#define RAFT_PROPOSALS_H

#include "client/slots.h"

/* --- backends --- */

typedef enum RaftPut
{
	RAFT_PUT_QUEUED,			/* and this backend is in its slot */
	RAFT_PUT_NO_ROOM,
	RAFT_PUT_CLOSED				/* there is no node worker now */
} RaftPut;

/* The node worker is not waked yet. */
extern RaftPut raft_proposals_put(RaftGroup *group, uint8 kind, const char *data, Size size,
								  RaftWaitMode mode);

/* Waits until there may be room for a command of this size; false when the deadline passed. */
extern bool raft_proposals_await_room(RaftGroup *group, Size size, RaftTime deadline);

/* --- node worker --- */

/* The worker starts: forgets what is queued, and takes commands from now on. */
extern void raft_proposals_open(RaftGroup *group);

/* The worker has ended, in whatever way. */
extern void raft_proposals_abandon(RaftGroup *group);

/* Is there anything that raft_proposals_take() has not taken? */
extern bool raft_proposals_queued(RaftGroup *group);

/* A command taken from the queue; data is valid until raft_proposals_done(). */
typedef struct RaftTaken
{
	RaftOrigin	origin;			/* slot and serial */
	uint8		kind;
	uint32		size;
	const uint8 *data;
} RaftTaken;

/* Takes up to max queued commands of at most max_bytes together (at least one); returns how many. */
extern int	raft_proposals_take(RaftGroup *group, RaftTaken *taken, int max, Size max_bytes);

/* Frees the queue up to the last one taken. */
extern void raft_proposals_done(RaftGroup *group);

#endif							/* RAFT_PROPOSALS_H */
