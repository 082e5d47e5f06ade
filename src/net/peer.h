/*-------------------------------------------------------------------------
 *
 * peer.h
 *	  Outgoing streams: the node worker's libpq connections to its peers, each
 *	  a state machine that never blocks.
 *
 * waiting (back-off with jitter) -> resolving (only a host name) -> connecting ->
 * calling raft.stream() -> streaming -> broken -> waiting ..  A peer whose socket is full loses messages;
 * the worker never waits for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PEER_H
#define RAFT_PEER_H

#include "raft_pg.h"
#include "group/link_stats.h"
#include "storage/latch.h"

typedef struct RaftPeers RaftPeers;

/* What a stream has to say about its own node. */
typedef struct RaftPeersInit
{
	uint8		group[RAFT_GROUP_ID_BYTES];
	RaftNodeId	self;
	const char *self_name;
	uint64		boot;
	uint64		log_id;			/* this and the next ones: net/peer_log.h */
	uint64		incarnation;
	uint64	   *former_starts;	/* oldest first */
	uint32		n_former_starts;
	const char *environment;	/* net/environment.h */
	/* a stream was opened, an open one broke; called by raft_peers_wait() only */
	void		(*opened) (void *arg, RaftNodeId peer);
	void		(*unreachable) (void *arg, RaftNodeId peer);
	void	   *arg;
} RaftPeersInit;

/* Allocates in the current context; registers PQfinish for every exit. */
extern RaftPeers *raft_peers_create(const RaftPeersInit *init);

/*
 * The members to dial (self is skipped): new ones are dialled, missing ones are
 * closed, a changed conninfo is dialled anew.
 */
extern void raft_peers_configure(RaftPeers *peers, const RaftMemberInfo *members,
								 uint32 n_members);

/* Where the log ends and which term it is: said when a stream is opened. */
extern void raft_peers_set_position(RaftPeers *peers, RaftIndex last, RaftTerm term);

/*
 * This peer is evidently alive (its own stream has just arrived): when it is in
 * back-off, dial at once.
 */
extern void raft_peers_hurry(RaftPeers *peers, RaftNodeId id);

/*
 * Queues one frame (header and records) to a peer.  False: dropped, as the stream is not
 * open or is backed up.  A frame without records (votes, heartbeats, replies) is
 * dropped later than one with entries.
 */
extern bool raft_peer_send(RaftPeers *peers, RaftNodeId to,
						   const void *header, Size header_size,
						   const void *records, Size records_size);

/* Hands everything queued to the sockets; never blocks. */
extern void raft_peers_flush(RaftPeers *peers);

/*
 * The worker's wait: sleeps until the latch is set, a socket is ready, a
 * connection's deadline or the timeout has passed (milliseconds, -1 = for ever), then
 * advances the connections.  Resets the latch: look at whatever it announces afterwards.
 * Owns the one WaitEventSet (latch, postmaster death, sockets) and rebuilds it only
 * when a socket changed.  Returns true when the latch was set.
 */
extern bool raft_peers_wait(RaftPeers *peers, long timeout_ms, uint32 wait_event_info);

/*
 * When a connection needs attention without an event (deadline, back-off); 0 =
 * never.  raft_peers_wait() does not sleep beyond it by itself.
 */
extern RaftTime raft_peers_deadline(RaftPeers *peers);

/* Copies the statistics of at most max peers; returns how many. */
extern int	raft_peers_stats(RaftPeers *peers, RaftLinkStats *stats, int max);

/*
 * Checks a conninfo at raft_start(): ERROR 22023 when libpq cannot parse it or it is too
 * long, 42501 with a hint (passfile, service, certificate) when it holds a password,
 * 22023 when it sets what raft_pg sets itself (application_name, replication, options,
 * client_encoding) or gives several hosts.
 */
extern void raft_check_conninfo(const char *node, const char *conninfo);

/*
 * A conninfo that was checked, in one form for all ways of writing it, palloc'd.
 * place_only: only what tells where the member is, without the user, sslmode etc.
 */
extern char *raft_conninfo_normalize(const char *conninfo, bool place_only);

extern const char *raft_link_name(RaftPeerLink link);

#endif							/* RAFT_PEER_H */
