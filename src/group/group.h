/*-------------------------------------------------------------------------
 *
 * group.h
 *	  The shared memory of a group: one Raft group per database.
 *
 * A group slot is taken by raft_start() or by the launcher and given back when
 * its workers have ended.  How a field may be read depends on who writes it: see
 * RaftGroup.  Nothing longer than a name is copied under the spinlock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_GROUP_H
#define RAFT_GROUP_H

#include "raft_pg.h"
#include "group/life.h"
#include "group/link_stats.h"
#include "group/published.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"

/* The member without which the log's oldest entries cannot be dropped. */
typedef struct RaftHeld
{
	RaftNodeId	by;				/* 0 = nobody, or not known here */
	RaftIndex	from;			/* what it lacks, or has not applied; 0 = nothing, or not known */
	TimestampTz since;			/* it stands there */
} RaftHeld;

/* Why no election can be won here: a new leader's first entry needs a place in the log. */
typedef enum RaftLogTrouble
{
	RAFT_LOG_HAS_ROOM,
	RAFT_LOG_NO_BYTES,			/* not even for an empty entry */
	RAFT_LOG_NO_TERMS			/* the log holds entries of RAFT_MAX_RUNS terms */
} RaftLogTrouble;

/* What the node worker publishes after each turn of its loop. */
typedef struct RaftGroupStatus
{
	RaftRole	role;
	RaftTerm	term;
	RaftNodeId	vote;
	RaftNodeId	leader;
	RaftIndex	first;
	RaftIndex	last;
	RaftIndex	durable;
	RaftIndex	commit;
	RaftIndex	floor;
	TimestampTz role_since;		/* when this node took its role */
	TimestampTz leader_contact; /* 0 = none yet */
	uint64		log_bytes;		/* held by uncompacted entries */
	uint64		log_capacity;
	RaftLogTrouble log_trouble;
	RaftHeld	held;			/* while the log is more than half full */
	TimestampTz started;		/* the node worker's start */

	/* counters since the worker's start */
	uint64		elections;		/* campaigns begun here */
	uint64		leaderships;	/* elections won here */
	uint64		messages_in;
	uint64		messages_refused;	/* frames that did not decode or were not for us */
	uint64		bytes_in;
	uint64		proposals;
	uint64		proposals_refused;
	uint64		flushes;		/* XLogFlush calls of the log */
	uint64		entries_appended;
	uint64		turns;			/* turns of the main loop */

	int			n_peers;		/* peers of the active configuration, without self */
	RaftPeerStatus peers[RAFT_MAX_MEMBERS]; /* match etc. are 0 unless leader */
} RaftGroupStatus;

/* The node worker's connections to its peers, a few times a second. */
typedef struct RaftGroupLinks
{
	int			n;
	RaftLinkStats of[RAFT_MAX_MEMBERS];
} RaftGroupLinks;

/* A configuration's payload (raft_config_decode), with names and conninfos: the core keeps ids only. */
typedef struct RaftGroupConfig
{
	RaftIndex	index;			/* 0 = none */
	uint32		size;
	uint8		data[RAFT_MAX_CONFIG_BYTES];
} RaftGroupConfig;

/* What the applier publishes. */
typedef struct RaftApplierStatus
{
	RaftIndex	visible;		/* applied: effects can be read here; these two are .. */
	RaftIndex	durable;		/* .. durably applied; .. RaftGroup's, for raft_group_get_applier() */
	uint64		transactions;
	uint64		commands;
	uint64		failures;		/* commands whose recorded result is an error */
	uint64		retries;		/* machine failures, batch tried again */
	TimestampTz last_error_time;	/* 0 = none */
	RaftIndex	error_index;	/* the entry that cannot be applied; 0 = none in particular */
	char		last_error[256];	/* of the machine: why the applier does not proceed */
} RaftApplierStatus;

/* The counters at the last raft_stat_reset(): the views show what came since. */
typedef struct RaftStatsBaseline
{
	TimestampTz reset;			/* 0 = never */

	/* of the node worker: nothing once it has started anew */
	TimestampTz started;		/* whose counters these are */
	uint64		elections;
	uint64		leaderships;
	uint64		messages_in;
	uint64		messages_refused;
	uint64		bytes_in;
	uint64		proposals;
	uint64		proposals_refused;
	uint64		flushes;
	uint64		entries_appended;
	uint64		turns;

	uint64		transactions;
	uint64		commands;
	uint64		failures;
	uint64		retries;

	struct
	{
		RaftNodeId	id;
		uint64		sent_messages;
		uint64		sent_bytes;
		uint64		dropped_messages;
		uint64		connects;
	}			links[RAFT_MAX_MEMBERS];
} RaftStatsBaseline;

/* Parts of the memory that other folders know: log, net, client. */
typedef struct RaftLogShared RaftLogShared;
typedef struct RaftInboxes RaftInboxes;
typedef struct RaftQueue RaftQueue;
typedef struct RaftSlots RaftSlots;

typedef enum RaftWorkerKind
{
	RAFT_WORKER_NODE,
	RAFT_WORKER_APPLIER,
	RAFT_WORKER_FLUSHER
} RaftWorkerKind;
#define RAFT_WORKER_KINDS	3

typedef struct RaftGroup
{
	slock_t		mutex;			/* workers' places, names */
	LWLock	   *proposal_lock;	/* writers of the proposal queue */

	/* under RaftShared's lock */
	Oid			database;		/* InvalidOid when FREE */
	RaftGroupState state;
	bool		drop_pending;	/* a transaction is dropping the extension or its log */
	bool		hurry;			/* raft_start() was called: no pause before the next start */
	char		error[512];		/* FAILED: why; else of the last worker that ended */
	char		error_hint[256];
	RaftStatsBaseline baseline;

	char		database_name[NAMEDATALEN]; /* as of the workers' start */

	/* fixed while RUNNING */
	Oid			log_relation;
	RaftRelFile log_file;
	uint8		group_id[RAFT_GROUP_ID_BYTES];
	RaftNodeId	node_id;
	char		node_name[RAFT_MAX_NODE_NAME + 1];
	uint64		boot_count;

	/* by RaftWorkerKind; pid 0 when the worker is not there */
	pid_t		worker_pid[RAFT_WORKER_KINDS];
	Latch	   *worker_latch[RAFT_WORKER_KINDS];

	/* hot figures */
	pg_atomic_uint64 ready;		/* node worker: may be applied up to here */
	pg_atomic_uint64 skips_end; /* node worker: beyond it no entry skips another; before ready */
	pg_atomic_uint64 visible;	/* applier: applied up to here */
	pg_atomic_uint64 durable_applied;	/* applier: durably applied up to here */
	pg_atomic_uint64 apply_since;	/* applier: its batch began then (RaftTime); 0 = idle */
	pg_atomic_uint64 term;		/* node worker: current term */
	pg_atomic_uint32 role;		/* node worker: RaftRole */
	pg_atomic_uint32 leader;	/* node worker: leader's id, 0 = unknown */
	pg_atomic_uint64 flush_wanted;	/* node worker: WAL position that the flusher is to flush */

	/* by raft_now(), which is the same clock for every process of this machine */
	pg_atomic_uint64 contact;	/* node worker: last contact with a quorum, or with the leader */
	pg_atomic_uint64 due;		/* node worker: when it wants to be back from its wait */

	ConditionVariable state_cv; /* state, role or known leader changed */
	ConditionVariable applied_cv;	/* visible grew, or the group stops or has failed */

	/*
	 * Written by the worker that has this place in the group; while it is free, by
	 * whoever holds RaftShared's lock exclusively, without which nobody can take it.
	 */
	RaftPublished status;		/* node worker: RaftGroupStatus */
	RaftPublished links;		/* node worker: RaftGroupLinks */
	RaftPublished config;		/* node worker: RaftGroupConfig, the active one */
	RaftPublished applier;		/* applier: RaftApplierStatus */

	RaftLogShared *log;
	RaftInboxes *inboxes;
	RaftQueue  *queue;			/* commands of backends */
	RaftSlots  *slots;			/* what came of them */
} RaftGroup;

/* --- set-up --- */

/* A part of a group's shared memory that the folder which knows it brings along. */
typedef struct RaftGroupPart
{
	Size		pointer;		/* offset in RaftGroup of the pointer to it */
	Size		(*size) (void);
	void		(*init) (void *memory);
	void		(*node_ended) (RaftGroup *group);	/* whatever the worker's end was; NULL = nothing to do */
} RaftGroupPart;

/*
 * For the hooks of shared memory, the second one with AddinShmemInitLock held; the same parts both times, and for as long as the
 * server runs.
 */
extern void raft_group_shmem_request(const RaftGroupPart *parts, int n_parts);
extern void raft_group_shmem_startup(const RaftGroupPart *parts, int n_parts);

/* --- background workers --- */

/*
 * Makes this process one of the database's workers: its pid and latch
 * stand in the group until it exits.  Call it before connecting to the database.
 * NULL when nobody is wanted there (the group is stopping, or has that worker
 * already): the caller ends quietly.
 */
extern RaftGroup *raft_group_attach(Oid database, RaftWorkerKind kind);

/* Callback of error_context_stack: adds node, database and group (arg) to what is logged. */
extern void raft_group_error_context(void *arg);

/* --- any process --- */

/* Sets the worker's latch, if there is a worker. */
extern void raft_group_wake_node(RaftGroup *group);
extern void raft_group_wake_applier(RaftGroup *group);
extern void raft_group_wake_flusher(RaftGroup *group);

/* The group of this database; NULL when its slot does not exist now. */
extern RaftGroup *raft_group_find(Oid database);

/* Same; ERROR 55000 "Raft is not running in this database" with the hint raft_start(). */
extern RaftGroup *raft_group_require(void);

/*
 * Where the node stands, by the caller's own clock: what the node worker has published
 * ages while that process is stopped or its server is paused, and others may have elected
 * another leader meanwhile.
 */
typedef struct RaftStanding
{
	RaftRole	role;			/* as published */
	RaftNodeId	leader;			/* 0 = unknown, or not heard from within the election timeout */
	bool		has_quorum;		/* leader: heard a majority; else: heard the leader */
	bool		is_leader;		/* leads, and has_quorum */
	bool		stale;			/* the node worker has not been back when it wanted to be */
} RaftStanding;
extern void raft_group_get_standing(RaftGroup *group, RaftStanding *standing);

extern void raft_group_get_status(RaftGroup *group, RaftGroupStatus *status);
extern void raft_group_get_links(RaftGroup *group, RaftGroupLinks *links);
extern void raft_group_get_applier(RaftGroup *group, RaftApplierStatus *status);

extern void raft_group_get_baseline(RaftGroup *group, RaftStatsBaseline *baseline);
extern void raft_group_set_baseline(RaftGroup *group, const RaftStatsBaseline *baseline);

/* What keeps a new leader's first entry out of the log; NULL = nothing. */
extern const char *raft_log_trouble_text(RaftLogTrouble trouble);

/* A sentence about who holds the log, palloc'd. */
extern char *raft_group_describe_held(RaftGroup *group, const RaftHeld *held);

/* State and error text, copied under the lock; RESTARTING is STARTING to everybody else. */
extern RaftGroupState raft_group_get_state(RaftGroup *group, char error[512], char hint[256]);

/* The state; ERROR 55000 with the stored reason and hint when it is FAILED. */
extern RaftGroupState raft_group_check_failed(RaftGroup *group);

/* Decoded members of the active configuration; strings palloc'd.  Returns the number. */
typedef struct RaftGroupMember
{
	RaftNodeId	id;
	uint8		flags;
	uint64		log_id;			/* of the log that it has to come with; 0 = any */
	char	   *name;
	char	   *conninfo;
} RaftGroupMember;
extern int	raft_group_get_members(RaftGroup *group, RaftGroupMember **members);

/* Members in the payload of a configuration entry, palloc'd; ERROR XX001 when it is damaged. */
extern int	raft_group_decode_members(const uint8 *data, uint32 size, RaftGroupMember **members);

/* Name of a member, palloc'd; NULL when unknown. */
extern char *raft_group_member_name(RaftGroup *group, RaftNodeId id);

/* --- starting and stopping (api, launcher, hooks) --- */

/*
 * Transactional: at commit of the current transaction the launcher is asked to start
 * this database's group; nothing happens on rollback.
 */
extern void raft_group_start_at_commit(void);

/* Transactional: at commit the group's workers are stopped and its slot freed. */
extern void raft_group_stop_at_commit(void);

/*
 * Stops the workers of a database now and waits until they are gone; they
 * start again when the current transaction aborts.  For the drop of the extension or the database.
 */
extern void raft_group_stop_for_drop(Oid database);

/* The mark in pg_shseclabel by which the launcher finds databases; transactional. */
extern void raft_autostart_set(Oid database);
extern void raft_autostart_clear(Oid database);

#endif							/* RAFT_GROUP_H */
