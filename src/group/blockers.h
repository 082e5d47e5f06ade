/*-------------------------------------------------------------------------
 *
 * blockers.h
 *	  Who keeps the applier from going on by a lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_BLOCKERS_H
#define RAFT_BLOCKERS_H

#include "group/group.h"
#include "storage/lock.h"

/* The lock that an applier waits for, at this moment. */
typedef struct RaftLockWait
{
	LOCKTAG		tag;
	TimestampTz since;			/* 0 = not known */
	int			n;				/* those who hold it, or stand before the applier */
	int		   *pids;			/* palloc'd; 0 = a prepared transaction */
} RaftLockWait;

/* False when it waits for no lock. */
extern bool raft_applier_waits(RaftGroup *group, RaftLockWait *wait);

/* What the lock is on, palloc'd; in a transaction in the group's database. */
extern char *raft_lock_object(RaftGroup *group, const RaftLockWait *wait);

/* The whole of it as a sentence, palloc'd; likewise. */
extern char *raft_lock_wait_text(RaftGroup *group, const RaftLockWait *wait);

/* Has the applier been in one batch long enough for a wait to be news? */
extern bool raft_applier_is_late(RaftGroup *group);

/*
 * The launcher looks after the n-th group's applier: ends who has kept it waiting
 * for raft_pg.max_apply_delay.  Woken by the group's node worker.
 */
extern void raft_watch_applier(RaftGroup *group, int n);

/* How often the launcher is to look while the applier is in one batch; 0 = never. */
extern RaftTime raft_watch_interval(void);

#endif							/* RAFT_BLOCKERS_H */
