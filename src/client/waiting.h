/*-------------------------------------------------------------------------
 *
 * waiting.h
 *	  What each session of this server waits for in Raft, for a view: before
 *	  version 17, pg_stat_activity says "Extension" for all of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WAITING_H
#define RAFT_WAITING_H

#include "raft_pg.h"
#include "datatype/timestamp.h"

typedef enum RaftWaitingFor
{
	RAFT_WAITING_NOT,
	RAFT_WAITING_LEADER,		/* until a leader is known */
	RAFT_WAITING_QUEUE,			/* for room in the queue of proposals */
	RAFT_WAITING_COMMAND,		/* for its command: the slot knows how far that is */
	RAFT_WAITING_ENTRY			/* raft_wait(): for the entry at index */
} RaftWaitingFor;

typedef struct RaftWaiting
{
	RaftWaitingFor what;
	int			pid;
	Oid			database;
	int			slot;			/* of the backend */
	RaftIndex	index;
	TimestampTz since;
} RaftWaiting;

extern void raft_waiting_shmem_request(void);
extern void raft_waiting_shmem_startup(void);

/* This session waits now; until raft_waiting_end(), or the end of the process. */
extern void raft_waiting_begin(RaftWaitingFor what, RaftIndex index);
extern void raft_waiting_end(void);

/* The session of this number, from 0 up to MaxBackends - 1; false when it does not wait. */
extern bool raft_waiting_get(int slot, RaftWaiting *waiting);

#endif							/* RAFT_WAITING_H */
