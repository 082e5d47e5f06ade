/*-------------------------------------------------------------------------
 *
 * link.h
 *	  One outgoing stream.  Private to src/net.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LINK_H
#define RAFT_LINK_H

#include "net/lookup.h"
#include "net/peer.h"
#include "reminder.h"

#include "libpq-fe.h"
#include "lib/stringinfo.h"

/* Where our log ends and which term it is, now. */
typedef struct RaftOwnPosition
{
	RaftIndex	last;
	RaftTerm	term;
} RaftOwnPosition;

/*
 * conn is NULL exactly while stats.link is RAFT_LINK_WAITING or
 * RAFT_LINK_RESOLVING.  A lookup outlives the attempt that began it: the next
 * one waits for the same answer.
 */
typedef struct RaftLink
{
	/* who is at the other end */
	RaftNodeId	id;				/* 0 = this place is unused */
	char		name[RAFT_MAX_NODE_NAME + 1];
	char		conninfo[RAFT_MAX_CONNINFO + 1];
	const RaftPeersInit *self;
	const RaftOwnPosition *own;

	/* addresses of the host, when the connection string gives its name */
	char		host[RAFT_MAX_CONNINFO + 1];	/* "" = it does not */
	RaftAddresses addresses;	/* n = 0: not known */
	RaftTime	resolved;		/* when they were */
	uint32		turn;			/* addresses.address[turn % n] is dialled */
	int			lookup;			/* under way, -1 = none */

	PGconn	   *conn;
	RaftTime	deadline;		/* waiting: next attempt; streaming: none; else: give up */
	RaftTime	since;			/* streaming since */
	RaftTime	attempted;		/* last attempt */
	int			backoff_ms;		/* before the attempt after the next failure */

	bool		opened;			/* a stream was opened, .. */
	bool		broke;			/* .. an open one ended; the worker is still to be told */

	/* frames that libpq has not got yet: queue.data[sent .. queue.len] */
	StringInfoData queue;
	int			sent;
	Size		handed;			/* bytes libpq has got and not yet written to the socket */

	/* the wait-event set's business */
	uint32		wants;			/* WL_SOCKET_*, 0 = no socket */
	uint32		registered;		/* what it is registered for */
	int			position;		/* in the set, -1 = not in it */
	bool		socket_changed;

	RaftLinkStats stats;
	RaftReminder trouble;		/* what the server's log says of it already */
	bool		said_open;		/* its last word is that the stream is open */
} RaftLink;

extern void raft_link_init(RaftLink *link, const RaftPeersInit *self,
						   const RaftOwnPosition *own, const RaftMemberInfo *member);

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

/* What the wait-event set is to watch while link->wants is not 0. */
extern pgsocket raft_link_socket(const RaftLink *link);

/* Hands as much as the socket takes to it. */
extern void raft_link_pump(RaftLink *link, RaftTime now);

/* Closes the connection, if any, and forgets what was queued. */
extern void raft_link_close(RaftLink *link);

/* Same, and gives back what the link holds: it will not be used any more. */
extern void raft_link_end(RaftLink *link);

/* --- conninfo.c --- */

#define RAFT_CONN_PARAMS	16

/* Buffers that the values of one PQconnectStartParams() call point to. */
typedef struct RaftConnParams
{
	const char *keywords[RAFT_CONN_PARAMS];
	const char *values[RAFT_CONN_PARAMS];
	char		application_name[2 * RAFT_MAX_NODE_NAME + 32];
	char		options[512];
} RaftConnParams;

/* address: where the host was found, NULL when no name stands for it. */
extern void raft_conninfo_params(RaftConnParams *params, const char *conninfo, const char *address,
								 const char *self_name, const char *peer_name);

/* The name that libpq would have to look up, "" when there is none. */
extern void raft_conninfo_host_name(const char *conninfo, char *name, Size size);

#endif							/* RAFT_LINK_H */
