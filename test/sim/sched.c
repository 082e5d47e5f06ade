/*-------------------------------------------------------------------------
 *
 * sched.c
 *	  Virtual time: events in a heap, ordered by time and then by the order in
 *	  which they were posted.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "lab.h"

static bool
earlier(const SimEvent *a, const SimEvent *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void
swap(SimEvent *a, SimEvent *b)
{
	SimEvent	t = *a;

	*a = *b;
	*b = t;
}

/* Forgets the events of the last run; the heap's memory is kept. */
void
sched_reset(Sched *sched)
{
	sched->n = 0;
	sched->posted = 0;
	sched->handled = 0;
}

void
sched_post(Sched *sched, SimEvent event)
{
	size_t		i;

	if (sched->n == sched->capacity)
	{
		sched->capacity = sched->capacity == 0 ? 1024 : sched->capacity * 2;
		sched->heap = realloc(sched->heap, sched->capacity * sizeof(SimEvent));
		if (sched->heap == NULL)
			abort();
	}
	event.number = ++sched->posted;
	i = sched->n++;
	sched->heap[i] = event;
	while (i > 0 && earlier(&sched->heap[i], &sched->heap[(i - 1) / 2]))
	{
		swap(&sched->heap[i], &sched->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

/* Takes one event out of the heap. */
static void
take(Sched *sched, size_t i, SimEvent *event)
{
	*event = sched->heap[i];
	sched->heap[i] = sched->heap[--sched->n];
	while (i > 0 && i < sched->n && earlier(&sched->heap[i], &sched->heap[(i - 1) / 2]))
	{
		swap(&sched->heap[i], &sched->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;)
	{
		size_t		least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < sched->n; child++)
			if (earlier(&sched->heap[child], &sched->heap[least]))
				least = child;
		if (least == i)
			break;
		swap(&sched->heap[i], &sched->heap[least]);
		i = least;
	}
	sched->handled++;
}

/* Takes out the next event that happens at or before the given time. */
bool
sched_next(Sched *sched, RaftTime until, SimEvent *event)
{
	if (sched->n == 0 || sched->heap[0].at > until)
		return false;
	take(sched, 0, event);
	return true;
}

/* Takes out the event that was posted first of those that match. */
bool
sched_take(Sched *sched, bool (*matches) (const SimEvent *event, const void *arg),
		   const void *arg, SimEvent *event)
{
	size_t		first = sched->n;

	for (size_t i = 0; i < sched->n; i++)
		if (matches(&sched->heap[i], arg) &&
			(first == sched->n || sched->heap[i].number < sched->heap[first].number))
			first = i;
	if (first == sched->n)
		return false;
	take(sched, first, event);
	return true;
}
