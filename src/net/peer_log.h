/*-------------------------------------------------------------------------
 *
 * peer_log.h
 *	  A member is known by its log, and by the starts that it remembers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PEER_LOG_H
#define RAFT_PEER_LOG_H

#include "raft_pg.h"

/* What the sender of a stream says about itself. */
typedef struct RaftPeerStart
{
	RaftNodeId	id;
	char	   *name;
	int64		log_id;
	uint64		boot;
	uint64		incarnation;	/* of this start */
	uint64	   *former;			/* of earlier ones */
	int			n_former;
	RaftIndex	last;			/* where its log ends now */
	RaftTerm	term;			/* its term now */
} RaftPeerStart;

/* What this node's newest configuration says of a sender. */
typedef struct RaftPeerNaming
{
	bool		forming;		/* it does not name the logs of all voters yet */
	uint64		log_id;			/* that it names for this one; 0 = none */
} RaftPeerNaming;

/* ERROR 55000 when the configuration names another log for the sender. */
extern void raft_check_named_log(const RaftPeerStart *start, const RaftPeerNaming *naming);

/*
 * Compares what a sender comes with to what this node knows of it: ERROR 55000
 * when it comes with another log, in an older state, or with less than it has
 * acknowledged here.  Within a transaction, by any role that may open a stream.
 */
extern void raft_check_peer_log(const RaftPeerStart *start, const RaftPeerNaming *naming);

/*
 * The same, and remembers this start of a member from now on: durable when the current
 * transaction has committed, which must be before the stream's first byte.
 */
extern void raft_accept_peer_log(const RaftPeerStart *start, const RaftPeerNaming *naming);

/*
 * This peer has durably a committed log up to position, and is in term.  A transaction of its
 * own, which waits for nobody: durable soon; false when somebody has locked the table or the row.
 */
extern bool raft_note_peer_progress(RaftNodeId peer, RaftIndex position, RaftTerm term);

#endif							/* RAFT_PEER_LOG_H */
