/*-------------------------------------------------------------------------
 *
 * resets.h
 *	  The table raft.resets: what raft_reset_identity() has allowed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_RESETS_H
#define RAFT_RESETS_H

#include "raft_pg.h"

/* The state that this start left may take the node's place.  In a transaction. */
extern void raft_resets_add(uint64 incarnation);
extern bool raft_resets_contain(uint64 incarnation);

#endif							/* RAFT_RESETS_H */
