/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings raft_pg.*; README.md says what each means to a user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_SETTINGS_H
#define RAFT_SETTINGS_H

#include "postgres.h"

#include "core/raft.h"

/*
 * Largest values.  They keep a group's memory within what 32 bits can address, which the
 * users of these sizes rely on; several groups together may not, and that is an error.
 */
#define RAFT_MAX_RING_SIZE_KB	(1024 * 1024)
#define RAFT_MAX_INBOX_SIZE_KB	(128 * 1024)
#define RAFT_MAX_LOG_SIZE_MB	(64 * 1024)

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

#define RAFT_MAX_BATCH_BYTES	(64 * 1024)

/* Defines them all; while shared_preload_libraries is being loaded. */
extern void raft_settings_define(void);

/*
 * The sizes have their values: settings that do not go together must not keep a server with
 * other work from starting, so that this warns of what is taken as less.
 */
extern void raft_settings_fix_sizes(void);

/* The election timeout as it counts: at least three heartbeats. */
extern RaftTime raft_election_timeout(void);

/* Bytes of the largest command that is accepted now. */
extern Size raft_max_command_bytes(void);

/* Bytes of the largest frame that can arrive: a full batch and one more record. */
extern Size raft_max_frame_bytes(void);

#endif							/* RAFT_SETTINGS_H */
