/*-------------------------------------------------------------------------
 *
 * reminder.h
 *	  What goes to the server's log of a state that lasts: a line when it
 *	  begins, one for each new reason, and a reminder at growing intervals.
 *
 * Plain memory, all zeroes to begin with: it may lie in shared memory, under
 * the lock of whatever it belongs to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_REMINDER_H
#define RAFT_REMINDER_H

#include "raft_pg.h"

#define RAFT_REMINDER_REASONS	8

typedef struct RaftReminder
{
	RaftTime	since;			/* when the state began; 0 = it has not */
	RaftTime	said;			/* when a line was written last */
	RaftTime	interval;		/* the next reminder comes after this */
	uint32		n_reasons;		/* said so far in this state */
	uint32		reasons[RAFT_REMINDER_REASONS]; /* hashes of the last ones */
} RaftReminder;

/* The state holds, for this reason: is that to be said now? */
extern bool raft_reminder_due(RaftReminder *reminder, const char *reason);

/* The state is over; false when it had not begun. */
extern bool raft_reminder_end(RaftReminder *reminder);

#endif							/* RAFT_REMINDER_H */
