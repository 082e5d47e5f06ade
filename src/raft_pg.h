/*-------------------------------------------------------------------------
 *
 * raft_pg.h
 *	  What every server-side file of the extension shares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PG_H
#define RAFT_PG_H

#include "postgres.h"
#include "fmgr.h"

#include "compat.h"
#include "core/raft.h"
#include "settings.h"
#include "wire/config.h"
#include "wire/frame.h"
#include "wire/names.h"
#include "wire/record.h"

/* True once shared_preload_libraries has loaded the library at server start. */
extern bool raft_preloaded;

/* ERROR 55000 with the hint how to preload, unless raft_preloaded. */
extern void raft_require_preload(void);

/* Monotonic clock of this machine, in microseconds: the "now" of the core. */
extern RaftTime raft_now(void);

/*
 * A deadline by that clock: a wall clock that is set back must not make a wait
 * longer.  0 = none, which zero milliseconds from now stand for, too.
 */
extern RaftTime raft_deadline_in(long timeout_ms);

/* For WaitLatch(): milliseconds until a deadline, 0 when it has passed, -1 for none. */
extern long raft_remaining_ms(RaftTime deadline);

#define RAFT_EXTENSION			"raft_pg"
#define RAFT_SCHEMA				"raft"

#endif							/* RAFT_PG_H */
