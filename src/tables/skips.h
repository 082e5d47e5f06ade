/*-------------------------------------------------------------------------
 *
 * skips.h
 *	  The table raft.skips: commands that the group has decided not to execute.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_SKIPS_H
#define RAFT_SKIPS_H

#include "raft_pg.h"

/*
 * The command at index has no effects here, as the entry "decided_at" wants it.  In the
 * transaction that makes it so.
 */
extern void raft_skips_add(RaftIndex index, RaftIndex decided_at, bool executed);
extern bool raft_skips_contain(RaftIndex index);

#endif							/* RAFT_SKIPS_H */
