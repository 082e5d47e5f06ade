/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  What the files of this folder share: the table of groups, and the hooks
 *	  between start-up, launcher and workers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_SHARED_H
#define RAFT_SHARED_H

#include "group/group.h"

typedef struct RaftShared
{
	LWLock	   *lock;			/* slots: database, state .. baseline */
	slock_t		launcher_mutex;
	Latch	   *launcher_latch; /* NULL while there is no launcher */
	int			n_groups;
	RaftGroup	groups[FLEXIBLE_ARRAY_MEMBER];
} RaftShared;

extern RaftShared *raft_shared;

/* --- group.c --- */

/* The slot of this database, whatever its state; the caller holds raft_shared->lock. */
extern RaftGroup *raft_group_slot(Oid database);

/*
 * Gives the database a slot, or starts the one it has again.  False when all
 * slots are taken.
 */
extern bool raft_group_take(Oid database);

/*
 * Makes the slot ready for a start: nothing of the previous tenant, nor of a
 * log that was dropped meanwhile, may show.  The caller holds raft_shared->lock exclusively.
 */
extern void raft_group_reset_slot(RaftGroup *group, Oid database);

/* Asks for the end of a group's workers; the caller holds raft_shared->lock exclusively. */
extern void raft_group_stop(RaftGroup *group);

/* Sends SIGTERM to the workers that are there; false when there is none. */
extern bool raft_group_terminate_workers(RaftGroup *group);

/* Why the group does not run; either may be NULL. */
extern void raft_group_set_error(RaftGroup *group, const char *error, const char *hint);

/* --- lifecycle.c --- */

extern void raft_lifecycle_init(void);

/* Object access hook: raft.log of this database is being dropped; another object is. */
extern void raft_lifecycle_log_dropped(void);
extern void raft_lifecycle_object_dropped(Oid class_id, Oid object_id);

/* Takes a slot for each database marked in pg_shseclabel; in a transaction. */
extern void raft_autostart_scan(void);

/* --- starts.c: for the launcher, which alone keeps these notes --- */

/* At the launcher's start. */
extern void raft_starts_load(void);

/* Starts of this database's group, in a row, that ended with a crash of the server. */
extern int	raft_starts_crashes(Oid database);

/* How long, therefore, the group is not started; seconds. */
extern int	raft_starts_pause_s(Oid database);

/* Its node worker is about to be started; has lived well, or ended by itself. */
extern void raft_starts_note(Oid database);
extern void raft_starts_forget(Oid database);

/* The launcher ends without a crash. */
extern void raft_starts_forget_all(void);

#endif							/* RAFT_SHARED_H */
