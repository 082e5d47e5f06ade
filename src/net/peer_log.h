/*-------------------------------------------------------------------------
 *
 * peer_log.h
 *	  A member is known by its log, not by its name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PEER_LOG_H
#define RAFT_PEER_LOG_H

#include "raft_pg.h"

/*
 * Compares the log that a member comes with to the one it was first met with,
 * which the current transaction notes in raft.peers.  ERROR 55000 when it is
 * another one.  Called within a transaction, with a snapshot, by any role that may
 * open a stream.
 */
extern void raft_check_peer_log(RaftNodeId sender, const char *name, int64 log_id);

#endif							/* RAFT_PEER_LOG_H */
