/*-------------------------------------------------------------------------
 *
 * failures.h
 *	  The table raft.failures: commands whose result is an error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_FAILURES_H
#define RAFT_FAILURES_H

#include "raft_pg.h"

/*
 * The number-th command whose result is an error; sqlstate as in ErrorData.
 * Inside a transaction.
 */
extern void raft_failure_store(RaftIndex index, uint64 number, RaftTerm term,
							   int sqlstate, const char *message);

#endif							/* RAFT_FAILURES_H */
