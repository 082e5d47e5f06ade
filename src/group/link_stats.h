/*-------------------------------------------------------------------------
 *
 * link_stats.h
 *	  What the node worker publishes of its stream to one peer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LINK_STATS_H
#define RAFT_LINK_STATS_H

#include "raft_pg.h"
#include "datatype/timestamp.h"

typedef enum RaftPeerLink
{
	RAFT_LINK_WAITING,			/* until the next attempt */
	RAFT_LINK_RESOLVING,		/* for the addresses of the host's name */
	RAFT_LINK_CONNECTING,		/* libpq handshake */
	RAFT_LINK_CALLING,			/* CALL raft.stream() sent */
	RAFT_LINK_STREAMING
} RaftPeerLink;

/* Counters and state of one outgoing stream, for the status views. */
typedef struct RaftLinkStats
{
	RaftNodeId	id;
	RaftPeerLink link;
	uint64		sent_messages;
	uint64		sent_bytes;
	uint64		dropped_messages;	/* socket full, or no stream */
	uint64		connects;		/* streams established since the worker's start */
	TimestampTz last_connect;	/* 0 = never */
	TimestampTz last_error_time;	/* 0 = never */
	TimestampTz next_attempt;	/* 0 = one is under way, or a stream is open */
	TimestampTz refused_since;	/* the peer's server answers, and refuses the stream; 0 = no */
	char		last_error[256];
} RaftLinkStats;

#endif							/* RAFT_LINK_STATS_H */
