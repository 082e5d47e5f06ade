/*-------------------------------------------------------------------------
 *
 * visited.c
 *	  The worlds that have been seen, and which of them cover a new one.
 *
 * A world covers another one of the same nodes and history if it has at least
 * the same messages under way, and at least the same crashes and timeouts left:
 * whatever can happen in the other can happen in it.  As no invariant looks at messages
 * under way, a world that is covered by one seen earlier, which is reached with no more
 * choices, needs no look of its own.
 *
 * Nodes and history make a 64-bit key, the least of those under all renamings of
 * the nodes.  What is under way and left is kept exactly, in a list for each key.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "explore.h"

#define BLOCK_WORDS	(UINT32_C(1) << 22) /* 32-bit words in a block of entries */
#define MAX_BLOCKS	1024
#define NO_ENTRY	0

/*
 * What is under way and left, in terms of one renaming.  Stored without the
 * unused rest of "net".
 */
typedef struct Entry
{
	uint32_t	next;			/* of the same key; NO_ENTRY ends the list */
	uint32_t	signature[2];	/* a bit for each message under way */
	uint32_t	left;			/* four bits for each node's crashes and timeouts */
	uint8_t		level;
	uint8_t		n_net;
	uint16_t	net[MAX_NET];	/* ascending */
} Entry;

#define ENTRY_WORDS(n_net)	((offsetof(Entry, net) + (n_net) * sizeof(uint16_t) + 3) / 4)

static uint64_t *keys;			/* 0 = free */
static uint32_t *heads;
static uint64_t n_slots = UINT64_C(1) << 16;
static uint64_t n_keys = 0;
static uint64_t n_worlds = 0;
static size_t limit;
static uint8_t level = 0;		/* of what is added now, modulo 256 */

static uint32_t *blocks[MAX_BLOCKS];
static uint32_t n_blocks = 0;
static uint32_t block_used = BLOCK_WORDS;

static void *
allocate(size_t n, size_t item)
{
	void	   *result = calloc(n, item);

	if (result == NULL)
	{
		fputs("explore: out of memory\n", stderr);
		exit(2);
	}
	return result;
}

void
visited_init(size_t max_bytes)
{
	limit = max_bytes;
	keys = allocate(n_slots, sizeof(*keys));
	heads = allocate(n_slots, sizeof(*heads));
}

/* ---------------------------------------------------------------- table */

static Entry *
entry_at(uint32_t number)
{
	return (Entry *) (blocks[number / BLOCK_WORDS] + number % BLOCK_WORDS);
}

/* The place of a key, or the free one where it belongs. */
static uint64_t
find_slot(uint64_t key)
{
	uint64_t	at = key & (n_slots - 1);

	while (keys[at] != 0 && keys[at] != key)
		at = (at + 1) & (n_slots - 1);
	return at;
}

static void
double_slots(void)
{
	uint64_t   *old_keys = keys;
	uint32_t   *old_heads = heads;
	uint64_t	n_old = n_slots;

	n_slots *= 2;
	keys = allocate(n_slots, sizeof(*keys));
	heads = allocate(n_slots, sizeof(*heads));
	for (uint64_t i = 0; i < n_old; i++)
		if (old_keys[i] != 0)
		{
			uint64_t	at = find_slot(old_keys[i]);

			keys[at] = old_keys[i];
			heads[at] = old_heads[i];
		}
	free(old_keys);
	free(old_heads);
}

static void
link_entry(uint64_t slot, const Entry *entry)
{
	uint32_t	words = (uint32_t) ENTRY_WORDS(entry->n_net);
	uint32_t	number;

	if (block_used + words > BLOCK_WORDS)
	{
		blocks[n_blocks++] = allocate(BLOCK_WORDS, sizeof(uint32_t));
		block_used = n_blocks == 1 ? 1 : 0; /* number 0 is none */
	}
	number = (n_blocks - 1) * BLOCK_WORDS + block_used;
	block_used += words;
	memcpy(entry_at(number), entry, words * sizeof(uint32_t));
	entry_at(number)->next = heads[slot];
	heads[slot] = number;
}

/* -------------------------------------------------------------- covering */

/* Has a at least what b has? */
static bool
has_left(uint32_t a, uint32_t b)
{
	for (; b != 0; a >>= 4, b >>= 4)
		if ((a & 15) < (b & 15))
			return false;
	return true;
}

static bool
covers(const Entry *a, const Entry *b)
{
	uint32_t	i = 0;

	if ((b->signature[0] & ~a->signature[0]) != 0 ||
		(b->signature[1] & ~a->signature[1]) != 0 || b->n_net > a->n_net || !has_left(a->left, b->left))
		return false;
	for (uint32_t j = 0; j < b->n_net; j++)
	{
		while (i < a->n_net && a->net[i] < b->net[j])
			i++;
		if (i == a->n_net || a->net[i] != b->net[j])
			return false;
		i++;
	}
	return true;
}

static bool
is_same(const Entry *a, const Entry *b)
{
	return a->left == b->left && a->n_net == b->n_net &&
		memcmp(a->net, b->net, a->n_net * sizeof(a->net[0])) == 0;
}

/* What is under way and left in the world, seen under a renaming. */
static void
make_entry(Entry *entry, const World *world, unsigned perm)
{
	entry->signature[0] = entry->signature[1] = 0;
	entry->left = 0;
	entry->level = level;
	entry->n_net = (uint8_t) world->n_net;
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		entry->left |= (world->crashes[id] | (uint32_t) world->timeouts[id] << 4) <<
			(8 * (canonical_renamed(id, perm) - 1));
	for (uint32_t i = 0; i < world->n_net; i++)
	{
		uint16_t	message = (uint16_t) store_envelope_info(world->net[i])->renamed[perm];
		uint32_t	at = i;

		for (; at > 0 && entry->net[at - 1] > message; at--)
			entry->net[at] = entry->net[at - 1];
		entry->net[at] = message;
		entry->signature[message >> 5 & 1] |= UINT32_C(1) << (message & 31);
	}
}

static bool
is_seen(uint64_t slot, const Entry *entry)
{
	for (uint32_t number = heads[slot]; number != NO_ENTRY; number = entry_at(number)->next)
		if (bounds.covering ? covers(entry_at(number), entry) : is_same(entry_at(number), entry))
			return true;
	return false;
}

/*
 * Entries that the new one covers need not be compared with any more.  Those of the level
 * that is just being expanded stay: what they lead to is one choice nearer.
 */
static void
unlink_covered(uint64_t slot, const Entry *entry)
{
	uint32_t   *link = &heads[slot];

	while (*link != NO_ENTRY)
	{
		Entry	   *old = entry_at(*link);

		if (old->level != (uint8_t) (level - 1) && covers(entry, old))
			*link = old->next;
		else
			link = &old->next;
	}
}

/* ------------------------------------------------------------- interface */

/* Nodes and history, whatever the nodes are called. */
uint64_t
visited_key(const World *world, uint64_t sums[N_PERMS])
{
	uint64_t	least = UINT64_MAX;

	for (unsigned perm = 0; perm < N_PERMS; perm++)
	{
		sums[perm] = store_history_info(world->history)->hash[perm];
		for (RaftNodeId id = 1; id <= N_NODES; id++)
			sums[perm] += store_node_info(world->node[id])->hash[perm];
		least = raft_min(least, sums[perm]);
	}
	return least;
}

/* Spreads keys, of which the least ones were chosen, over the table. */
static uint64_t
table_key(uint64_t key)
{
	uint64_t	hash = store_hash(&key, sizeof(key));

	return hash == 0 ? 1 : hash;
}

void
visited_prefetch(uint64_t key)
{
	__builtin_prefetch(&keys[table_key(key) & (n_slots - 1)]);
}

/*
 * True when no world seen before covers this one, which then is seen.
 */
bool
visited_add(const World *world)
{
	uint64_t	sums[N_PERMS];
	uint64_t	key = visited_key(world, sums);
	uint64_t	slot = find_slot(table_key(key));
	unsigned	first = N_PERMS;
	Entry		entry;

	for (unsigned perm = N_PERMS; perm-- > 0;)
	{
		/* more than one when the nodes are alike: any of them tells */
		if (sums[perm] != key)
			continue;
		first = perm;
		make_entry(&entry, world, perm);
		if (keys[slot] != 0 && is_seen(slot, &entry))
			return false;
	}
	make_entry(&entry, world, first);
	if (keys[slot] == 0)
	{
		keys[slot] = table_key(key);
		n_keys++;
	}
	else if (bounds.covering)
		unlink_covered(slot, &entry);
	link_entry(slot, &entry);
	n_worlds++;
	if (n_keys * 10 > n_slots * 7 && 3 * n_slots * (sizeof(*keys) + sizeof(*heads)) +
		n_blocks * (BLOCK_WORDS * sizeof(uint32_t)) <= limit)
		double_slots();
	return true;
}

/* What is added from now on belongs to the next level. */
void
visited_next_level(void)
{
	level++;
}

/* Is a world that was added still not covered by a later one? */
bool
visited_stands(const World *world)
{
	uint64_t	sums[N_PERMS];
	uint64_t	key = visited_key(world, sums);
	uint64_t	slot = find_slot(table_key(key));
	unsigned	perm = 0;
	Entry		entry;

	while (sums[perm] != key)
		perm++;
	make_entry(&entry, world, perm);
	for (uint32_t number = heads[slot]; number != NO_ENTRY; number = entry_at(number)->next)
		if (is_same(entry_at(number), &entry))
			return true;
	return false;
}

/* No room for what one more world may lead to? */
bool
visited_is_full(void)
{
	return n_keys * 100 > n_slots * 93 || n_blocks == MAX_BLOCKS;
}

/* Distinct combinations of nodes and history. */
uint64_t
visited_n_keys(void)
{
	return n_keys;
}

size_t
visited_bytes(void)
{
	return n_slots * (sizeof(*keys) + sizeof(*heads)) + n_blocks * (BLOCK_WORDS * sizeof(uint32_t));
}
