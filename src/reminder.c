/*-------------------------------------------------------------------------
 *
 * reminder.c
 *	  When to speak of a state that lasts.
 *
 * A reason that was said already in this state is not said again before the
 * reminder is due, also when several reasons take turns, as they do when a host
 * has several addresses.  A reminder says whichever reason comes next.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "common/hashfn.h"
#include "reminder.h"
#include "utils/timestamp.h"

#define FIRST_INTERVAL		(60 * USECS_PER_SEC)
#define LONGEST_INTERVAL	(3600 * USECS_PER_SEC)

static bool
was_said(const RaftReminder *reminder, uint32 hash)
{
	uint32		kept = Min(reminder->n_reasons, RAFT_REMINDER_REASONS);

	for (uint32 i = 0; i < kept; i++)
	{
		if (reminder->reasons[i] == hash)
			return true;
	}
	return false;
}

bool
raft_reminder_due(RaftReminder *reminder, const char *reason)
{
	RaftTime	now = raft_now();
	uint32		hash = string_hash(reason, strlen(reason) + 1);

	if (reminder->since == 0)
	{
		reminder->since = now;
		reminder->interval = FIRST_INTERVAL;
	}

	if (!was_said(reminder, hash))
		reminder->reasons[reminder->n_reasons++ % RAFT_REMINDER_REASONS] = hash;
	else if (now - reminder->said < reminder->interval)
		return false;
	else
		reminder->interval = Min(reminder->interval * 2, LONGEST_INTERVAL);

	reminder->said = now;
	return true;
}

bool
raft_reminder_end(RaftReminder *reminder)
{
	bool		held = reminder->since != 0;

	memset(reminder, 0, sizeof(*reminder));
	return held;
}
