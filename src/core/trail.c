/*-------------------------------------------------------------------------
 *
 * trail.c
 *	  Which index has which term: runs of entries of one term.
 *
 * A log has few terms and many entries, so that the core needs no entry in
 * memory to compare logs (§5.3) or to find where two of them part.
 *
 *		index	 4   5   6   7   8   9
 *		term	 2   2   2   5   5   7		runs {4,2} {7,5} {9,7}, first 4, last 9
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

/* An empty trail: the next entry is "first", the one before it had base_term. */
void
trail_init(RaftTrail *trail, void *host, RaftIndex first, RaftTerm base_term)
{
	trail->host = host;
	raft_assert(trail, first >= 1);
	raft_assert(trail, first > 1 || base_term == 0);
	trail->first = first;
	trail->last = first - 1;
	trail->base_term = base_term;
	trail->n_runs = 0;
}

/* Position of the run that holds index, which must be within first .. last. */
static uint32_t
trail_find_run(const RaftTrail *trail, RaftIndex index)
{
	uint32_t	low = 0;
	uint32_t	high = trail->n_runs - 1;

	raft_assert(trail, index >= trail->first && index <= trail->last);
	if (index >= trail->runs[high].first)
		return high;			/* nearly always: the newest term */
	while (low < high)
	{
		uint32_t	middle = low + (high - low + 1) / 2;

		if (trail->runs[middle].first <= index)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Term of an entry; 0 for index 0 and for what is not in the log. */
RaftTerm
trail_term_at(const RaftTrail *trail, RaftIndex index)
{
	if (index + 1 == trail->first)
		return trail->base_term;
	if (index < trail->first || index > trail->last)
		return 0;
	return trail->runs[trail_find_run(trail, index)].term;
}

RaftTerm
trail_last_term(const RaftTrail *trail)
{
	return trail->n_runs > 0 ? trail->runs[trail->n_runs - 1].term : trail->base_term;
}

/* Is there room for entries of a new term? */
bool
trail_can_begin_term(const RaftTrail *trail)
{
	return trail->n_runs < RAFT_LIMIT_RUNS;
}

/* Appends count entries of one term, not lower than the last one. */
void
trail_append(RaftTrail *trail, RaftTerm term, uint32_t count)
{
	raft_assert(trail, count > 0);
	raft_assert(trail, term >= trail_last_term(trail));
	if (trail->n_runs == 0 || trail->runs[trail->n_runs - 1].term != term)
	{
		raft_assert(trail, trail->n_runs < RAFT_LIMIT_RUNS);
		trail->runs[trail->n_runs].first = trail->last + 1;
		trail->runs[trail->n_runs].term = term;
		trail->n_runs++;
	}
	trail->last += count;
}

/* Drops from .. last. */
void
trail_truncate(RaftTrail *trail, RaftIndex from)
{
	raft_assert(trail, from >= trail->first && from <= trail->last);
	while (trail->n_runs > 0 && trail->runs[trail->n_runs - 1].first >= from)
		trail->n_runs--;
	trail->last = from - 1;
}

/* Drops first .. upto, keeping the term of upto as the base. */
void
trail_compact(RaftTrail *trail, RaftIndex upto)
{
	uint32_t	gone = 0;

	raft_assert(trail, upto >= trail->first && upto <= trail->last);
	trail->base_term = trail_term_at(trail, upto);
	while (gone < trail->n_runs &&
		   (gone + 1 < trail->n_runs ? trail->runs[gone + 1].first : trail->last + 1) <= upto + 1)
		gone++;
	for (uint32_t i = gone; i < trail->n_runs; i++)
		trail->runs[i - gone] = trail->runs[i];
	trail->n_runs -= gone;
	trail->first = upto + 1;
	if (trail->n_runs > 0)
		trail->runs[0].first = raft_max(trail->runs[0].first, trail->first);
}

/*
 * The last index at or below "index" whose term is at or below "term": the
 * best place to look for agreement with a log that has (index, term) there.
 * Not below first - 1, which both sides know to be committed.
 */
RaftIndex
trail_last_not_above(const RaftTrail *trail, RaftIndex index, RaftTerm term)
{
	RaftIndex	upper = raft_min(index, trail->last);

	for (uint32_t i = trail->n_runs; i > 0; i--)
	{
		const RaftRun *run = &trail->runs[i - 1];

		if (run->first > upper)
			continue;
		if (run->term <= term)
			return upper;
		upper = run->first - 1;
	}
	return raft_min(upper, trail->first - 1);
}
