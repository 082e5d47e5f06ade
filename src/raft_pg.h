/*-------------------------------------------------------------------------
 *
 * raft_pg.h
 *	  Settings, and what every server-side file of the extension shares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PG_H
#define RAFT_PG_H

#include "postgres.h"
#include "fmgr.h"

#include "compat.h"
#include "core/codec.h"
#include "core/raft.h"

/* Settings fixed at server start. */
extern int	raft_max_groups;	/* databases that can run a group at once */
extern int	raft_max_members;	/* of a group: inboxes */
extern int	raft_ring_size_kb;	/* hot tail of the log in shared memory, per group */
extern int	raft_inbox_size_kb; /* incoming messages, per group and peer */
extern int	raft_log_size_mb;	/* capacity of the durable log, per group */

/* Settings that a reload changes. */
extern int	raft_heartbeat_interval_ms;
extern int	raft_election_timeout_ms;
extern int	raft_disk_timeout_ms;	/* of a leader's write; 0 = none */
extern int	raft_connect_timeout_ms;	/* deadline of one attempt to reach a peer */
extern int	raft_max_command_size_kb;
extern int	raft_max_apply_delay_ms;	/* wait for a lock; -1 = for ever */
extern int	raft_max_failures;	/* rows of raft.failures that are kept */
extern bool raft_record_events; /* for a replay in the laboratory */
extern int	raft_record_events_limit_mb;	/* size of a recording */

/* Setting of a session. */
extern int	raft_propose_timeout_ms;	/* default wait of raft_propose and raft_wait */

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

/* The election timeout as it counts: at least three heartbeats. */
extern RaftTime raft_election_timeout(void);

/* Bytes of the largest command that is accepted now. */
extern Size raft_max_command_bytes(void);

/* Bytes of the largest frame that can arrive: a full batch and one more record. */
extern Size raft_max_frame_bytes(void);

#define RAFT_MAX_BATCH_BYTES	(64 * 1024)
#define RAFT_EXTENSION			"raft_pg"
#define RAFT_SCHEMA				"raft"

#endif							/* RAFT_PG_H */
