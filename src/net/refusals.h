/*-------------------------------------------------------------------------
 *
 * refusals.h
 *	  Streams that this server has refused: for its log, and for the views.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_REFUSALS_H
#define RAFT_REFUSALS_H

#include "raft_pg.h"
#include "datatype/timestamp.h"

/* Why a member's stream was refused here last. */
typedef struct RaftStreamRefusal
{
	TimestampTz since;
	TimestampTz last;
	char		reason[256];
} RaftStreamRefusal;

extern void raft_refusals_shmem_request(void);
extern void raft_refusals_shmem_startup(void);

/*
 * A stream into this database was refused.  sender: the member that opened it, 0 when
 * that is not known.  True: it is to be said in the server's log.
 */
extern bool raft_refusals_note(RaftNodeId sender, const char *reason);

/* A stream of this member was accepted. */
extern void raft_refusals_end(RaftNodeId sender);

/* False when the last stream of this member was not refused. */
extern bool raft_refusals_get(RaftNodeId sender, RaftStreamRefusal *refusal);

#endif							/* RAFT_REFUSALS_H */
