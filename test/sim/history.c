/*-------------------------------------------------------------------------
 *
 * history.c
 *	  What has happened in a run, kept outside of every node: who led each
 *	  term, who voted for whom, which entry stood at which (index, term), what
 *	  was committed, and what clients know about their commands.
 *
 * The history only grows.  A second, different fact about the same thing is a
 * broken invariant, at the moment when it appears.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "lab.h"

#define MAX_TERM	1000000

/* Every (index, term) that any log has had: Log Matching, §5.3. */
typedef struct Seen
{
	RaftIndex	index;			/* 0 = free */
	RaftTerm	term;
	uint64_t	digest;
	uint64_t	chain;
	uint64_t	run;			/* the slot is free when it is not this run's */
} Seen;

static Seen *seen;
static size_t seen_size;		/* a power of two */
static size_t seen_used;
static uint64_t seen_run;

void
history_reset(Lab *lab)
{
	memset(&lab->history, 0, sizeof(lab->history));
	seen_run++;
	seen_used = 0;
	if (seen == NULL)
	{
		seen_size = 1 << 14;
		seen = calloc(seen_size, sizeof(Seen));
		if (seen == NULL)
			abort();
	}
}

/* Makes room for element n in an array of the run. */
static void *
grown(void *array, size_t *capacity, size_t n, size_t element)
{
	size_t		wanted = *capacity == 0 ? 64 : *capacity;
	void	   *result;

	if (n < *capacity)
		return array;
	while (wanted <= n)
		wanted *= 2;
	result = run_alloc(wanted * element);
	if (*capacity > 0)
		memcpy(result, array, *capacity * element);
	*capacity = wanted;
	return result;
}

void
history_leader(Lab *lab, Node *node, RaftTerm term)
{
	History    *h = &lab->history;

	lab_check(lab, term < MAX_TERM, "terms run away: %llu", (unsigned long long) term);
	h->leader_of = grown(h->leader_of, &h->n_terms, term, sizeof(RaftNodeId));
	if (h->leader_of[term] != 0 && h->leader_of[term] != node->id)
		lab_fail(lab, 1, "nodes %u and %u both lead term %llu", h->leader_of[term], node->id,
				 (unsigned long long) term);
	h->leader_of[term] = node->id;
}

/* A vote that somebody else can know of, or that the disk remembers. */
void
history_vote(Lab *lab, Node *node, RaftTerm term, RaftNodeId vote)
{
	History    *h = &lab->history;
	RaftNodeId *cast;

	if (vote == 0)
		return;
	lab_check(lab, term < MAX_TERM, "terms run away: %llu", (unsigned long long) term);
	h->cast[node->id] = grown(h->cast[node->id], &h->n_cast[node->id], term, sizeof(RaftNodeId));
	cast = &h->cast[node->id][term];
	if (*cast != 0 && *cast != vote)
		lab_fail(lab, 2, "node %u voted for %u and for %u in term %llu", node->id, *cast, vote,
				 (unsigned long long) term);
	*cast = vote;
}

static Seen *
seen_slot(RaftIndex index, RaftTerm term)
{
	size_t		i = (size_t) ((index * UINT64_C(0x9E3779B97F4A7C15)) ^
							  (term * UINT64_C(0xC2B2AE3D27D4EB4F))) >> 7;

	for (;; i++)
	{
		Seen	   *slot = &seen[i & (seen_size - 1)];

		if (slot->run != seen_run || (slot->index == index && slot->term == term))
			return slot;
	}
}

static void
seen_grow(void)
{
	Seen	   *old = seen;
	size_t		old_size = seen_size;

	seen_size *= 2;
	seen = calloc(seen_size, sizeof(Seen));
	if (seen == NULL)
		abort();
	for (size_t i = 0; i < old_size; i++)
		if (old[i].run == seen_run)
			*seen_slot(old[i].index, old[i].term) = old[i];
	free(old);
}

/* An entry came into some log. */
void
history_append(Lab *lab, Node *node, RaftIndex index, const LogEntry *entry)
{
	Seen	   *slot = seen_slot(index, entry->term);

	if (slot->run == seen_run)
	{
		if (slot->digest != entry->digest || slot->chain != entry->chain)
			lab_fail(lab, 5, "node %u: entry %llu of term %llu differs from another node's %s",
					 node->id, (unsigned long long) index, (unsigned long long) entry->term,
					 slot->digest != entry->digest ? "by its payload" : "by what precedes it");
		return;
	}
	*slot = (Seen) {
		.index = index, .term = entry->term, .digest = entry->digest,
		.chain = entry->chain, .run = seen_run
	};
	if (++seen_used * 2 > seen_size)
		seen_grow();
}

/* Invariant 17 for a command that was committed just now. */
static void
command_committed(Lab *lab, RaftIndex index, const LogEntry *entry)
{
	History    *h = &lab->history;
	Offer	   *offer;

	h->command_index = grown(h->command_index, &h->command_capacity, h->commands, sizeof(RaftIndex));
	h->command_index[h->commands++] = index;
	if (entry->commands != h->commands)
		lab_fail(lab, 12, "entry %llu counts as command %llu, %llu were committed",
				 (unsigned long long) index, (unsigned long long) entry->commands,
				 (unsigned long long) h->commands);
	if (entry->origin.serial == 0 || entry->origin.serial > h->n_offers)
		lab_fail(lab, 17, "entry %llu is a command that nobody offered", (unsigned long long) index);
	offer = &h->offers[entry->origin.serial - 1];
	if (offer->node != entry->origin.node)
		lab_fail(lab, 17, "entry %llu names node %u as its origin, it was offered to %u",
				 (unsigned long long) index, entry->origin.node, offer->node);
	if (!offer->placed && !offer->unknown)
		lab_fail(lab, 17, "entry %llu is a command that was refused", (unsigned long long) index);
	if (offer->committed_at != 0)
		lab_fail(lab, 17, "the command at %llu was committed already at %llu",
				 (unsigned long long) index, (unsigned long long) offer->committed_at);
	if (!offer->unknown && (offer->index != index || offer->term != entry->term))
		lab_fail(lab, 17, "the command at %llu was placed at %llu in term %llu",
				 (unsigned long long) index, (unsigned long long) offer->index,
				 (unsigned long long) offer->term);
	offer->committed_at = index;
	offer->committed_time = lab->now;
}

/* A node holds an entry for committed. */
void
history_commit(Lab *lab, Node *node, RaftIndex index, const LogEntry *entry)
{
	History    *h = &lab->history;
	Committed  *committed;

	if (index <= h->commit)
	{
		committed = &h->committed[index - 1];
		if (committed->entry.term != entry->term || committed->entry.chain != entry->chain)
			lab_fail(lab, 6, "node %u holds entry %llu of term %llu for committed, "
					 "it was committed with term %llu", node->id, (unsigned long long) index,
					 (unsigned long long) entry->term, (unsigned long long) committed->entry.term);
		return;
	}
	lab_check(lab, index == h->commit + 1, "commit jumps over entry %llu",
			  (unsigned long long) (h->commit + 1));
	h->committed = grown(h->committed, &h->committed_capacity, index - 1, sizeof(Committed));
	h->committed[index - 1] = (Committed) {.entry = *entry, .by_term = node->status.term};
	h->commit = index;
	if (entry->kind == RAFT_ENTRY_COMMAND)
		command_committed(lab, index, entry);
}

/* A node applied an entry: its state machine must be as every other's then. */
void
history_applied(Lab *lab, Node *node, RaftIndex index, uint64_t machine)
{
	Committed  *committed = &lab->history.committed[index - 1];

	if (committed->applied && committed->machine != machine)
		lab_fail(lab, 12, "node %u: its state machine differs from another's after entry %llu",
				 node->id, (unsigned long long) index);
	committed->applied = true;
	committed->machine = machine;
}

const Committed *
history_committed(Lab *lab, RaftIndex index)
{
	if (index == 0 || index > lab->history.commit)
		return NULL;
	return &lab->history.committed[index - 1];
}

Offer *
history_offer(Lab *lab, uint64_t serial)
{
	return &lab->history.offers[serial - 1];
}

/* A client offers a command to a node; returns its serial. */
uint64_t
history_new_offer(Lab *lab, RaftNodeId node)
{
	History    *h = &lab->history;

	h->offers = grown(h->offers, &h->offers_capacity, h->n_offers, sizeof(Offer));
	h->offers[h->n_offers] = (Offer) {.node = node};
	return ++h->n_offers;
}
