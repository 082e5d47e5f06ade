/*-------------------------------------------------------------------------
 *
 * link.h
 *	  One outgoing stream.  Private to src/net.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LINK_H
#define RAFT_LINK_H

#include "net/peer.h"

#include "libpq-fe.h"
#include "lib/stringinfo.h"

/*
 * conn is NULL exactly while stats.link is RAFT_LINK_WAITING.
 */
typedef struct RaftLink
{
	/* who is at the other end */
	RaftNodeId	id;				/* 0 = this place is unused */
	char		name[RAFT_MAX_NODE_NAME + 1];
	char		conninfo[RAFT_MAX_CONNINFO + 1];
	const RaftPeersInit *self;

	PGconn	   *conn;
	RaftTime	deadline;		/* waiting: next attempt; connecting, calling: give up */
	RaftTime	since;			/* streaming since */
	RaftTime	attempted;		/* last attempt */
	int			backoff_ms;		/* before the attempt after the next failure */

	bool		broke;			/* an open stream ended; the worker is still to be told */

	/* frames that libpq has not got yet: queue.data[sent .. queue.len] */
	StringInfoData queue;
	int			sent;
	Size		handed;			/* bytes libpq has got and not yet written to the socket */

	/* the wait-event set's business */
	uint32		wants;			/* WL_SOCKET_*, 0 = no socket */
	uint32		registered;		/* what it is registered for */
	int			position;		/* in the set, -1 = not in it */
	bool		socket_changed;

	RaftPeerStats stats;
	char		reported[256];	/* error that stands in the server's log already */
} RaftLink;

extern void raft_link_init(RaftLink *link, const RaftPeersInit *self,
						   const RaftMemberInfo *member);

/* Begins an attempt; on failure the link waits again. */
extern void raft_link_dial(RaftLink *link, RaftTime now);

/* Goes on after a socket event. */
extern void raft_link_advance(RaftLink *link, RaftTime now);

/* The deadline has passed: dials, or gives the attempt up. */
extern void raft_link_timeout(RaftLink *link, RaftTime now);

/* Brings the next attempt forward. */
extern void raft_link_hurry(RaftLink *link, RaftTime now);

/* Has the link a deadline now? */
extern bool raft_link_has_deadline(const RaftLink *link);

/* Bytes queued here and in libpq. */
extern Size raft_link_backlog(const RaftLink *link);

/* Queues a frame of an open stream. */
extern void raft_link_queue(RaftLink *link, const void *header, Size header_size,
							const void *records, Size records_size);

/* Hands as much as the socket takes to it. */
extern void raft_link_pump(RaftLink *link, RaftTime now);

/* Closes the connection, if any, and forgets what was queued. */
extern void raft_link_close(RaftLink *link);

/* --- conninfo.c --- */

#define RAFT_CONN_PARAMS	16

/* Buffers that the values of one PQconnectStartParams() call point to. */
typedef struct RaftConnParams
{
	const char *keywords[RAFT_CONN_PARAMS];
	const char *values[RAFT_CONN_PARAMS];
	char		application_name[2 * RAFT_MAX_NODE_NAME + 32];
} RaftConnParams;

extern void raft_conninfo_params(RaftConnParams *params, const char *conninfo,
								 const char *self_name, const char *peer_name);

#endif							/* RAFT_LINK_H */
