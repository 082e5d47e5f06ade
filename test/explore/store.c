/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Node states, messages and histories: each stored once, named by a number.
 *
 * There are far fewer states of one node than of three together.  A world is
 * then a handful of numbers, and equal parts are equal numbers.  A node state is
 * kept as its difference from the first one stored; most of it never differs.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "explore.h"

#define NODE_WORDS	(NODE_BYTES / 8)
#define CHUNK_BYTES (1 << 20)
#define MAX_PACKED	(8 * ((NODE_WORDS + 7) / 8 + 9 * NODE_WORDS))

_Static_assert(NODE_BYTES % 8 == 0, "node states are hashed and packed by words");

/* --------------------------------------------------------------- hashes */

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

/* 64 bits of a whole number of words. */
uint64_t
store_hash(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t	hash = UINT64_C(0x9E3779B97F4A7C15) ^ size;

	for (; size >= 8; size -= 8, p += 8)
	{
		uint64_t	word;

		memcpy(&word, p, 8);
		hash = fold(word ^ UINT64_C(0xA0761D6478BD642F), hash ^ UINT64_C(0xE7037ED1A0B428DB));
	}
	return fold(hash ^ UINT64_C(0x8EBC6AF09C88C6E3), UINT64_C(0x589965CC75374CC3));
}

/* ---------------------------------------------------------- growing memory */

static size_t used_bytes = 0;

static void *
grow(void *old, size_t n, size_t item)
{
	void	   *result = realloc(old, n * item);

	if (result == NULL)
	{
		fputs("explore: out of memory\n", stderr);
		exit(2);
	}
	return result;
}

/* Numbered things of one kind, found again by their hash. */
typedef struct Table
{
	size_t		item;			/* bytes of an info */
	void	   *infos;			/* each begins with its hashes */
	uint32_t	n;
	uint32_t	capacity;
	uint32_t   *slots;			/* number + 1; 0 = free */
	uint32_t	n_slots;		/* a power of two */
} Table;

static void *
table_info(const Table *table, uint32_t number)
{
	return (char *) table->infos + number * table->item;
}

static uint64_t
table_hash(const Table *table, uint32_t number)
{
	uint64_t	hash;

	memcpy(&hash, table_info(table, number), sizeof(hash));
	return hash;
}

static void
table_insert(Table *table, uint32_t number)
{
	uint32_t	at = (uint32_t) table_hash(table, number) & (table->n_slots - 1);

	while (table->slots[at] != 0)
		at = (at + 1) & (table->n_slots - 1);
	table->slots[at] = number + 1;
}

/* A new number; its info is to be filled, then inserted. */
static uint32_t
table_extend(Table *table)
{
	if (table->n == table->capacity)
	{
		uint32_t	capacity = table->capacity == 0 ? 1024 : table->capacity + table->capacity / 2;

		table->infos = grow(table->infos, capacity, table->item);
		used_bytes += (capacity - table->capacity) * table->item;
		table->capacity = capacity;
	}
	if ((uint64_t) (table->n + 1) * 4 > (uint64_t) table->n_slots * 3)
	{
		used_bytes -= table->n_slots * sizeof(uint32_t);
		table->n_slots = table->n_slots == 0 ? 4096 : table->n_slots * 2;
		used_bytes += table->n_slots * sizeof(uint32_t);
		table->slots = grow(table->slots, table->n_slots, sizeof(uint32_t));
		memset(table->slots, 0, table->n_slots * sizeof(uint32_t));
		for (uint32_t i = 0; i < table->n; i++)
			table_insert(table, i);
	}
	return table->n++;
}

/* The next number with this hash, from *at on; UINT32_MAX when there is none. */
static uint32_t
table_next(const Table *table, uint64_t hash, uint32_t *at)
{
	while (table->n_slots > 0 && table->slots[*at & (table->n_slots - 1)] != 0)
	{
		uint32_t	number = table->slots[(*at)++ & (table->n_slots - 1)] - 1;

		if (table_hash(table, number) == hash)
			return number;
	}
	return UINT32_MAX;
}

/* ---------------------------------------------------------- node states */

static Table nodes = {.item = sizeof(NodeInfo)};
static Table envelopes = {.item = sizeof(EnvelopeInfo)};
static Table histories = {.item = sizeof(HistoryInfo)};

static uint64_t first_node[NODE_WORDS];
static uint8_t **packed = NULL;	/* by number */
static uint32_t packed_capacity = 0;
static uint8_t *chunk = NULL;
static size_t chunk_left = 0;

static void
words_of(uint64_t words[NODE_WORDS], const NodeState *state)
{
	memcpy(words, state, NODE_BYTES);
}

/*
 * Packs the difference to the first state: a bit per word that differs, then of
 * each such word a bit per byte that differs, and those bytes.
 */
static size_t
pack(uint8_t *out, const uint64_t words[NODE_WORDS])
{
	size_t		at = (NODE_WORDS + 7) / 8;

	memset(out, 0, at);
	for (size_t w = 0; w < NODE_WORDS; w++)
	{
		uint64_t	difference = words[w] ^ first_node[w];
		size_t		mask_at = at;

		if (difference == 0)
			continue;
		out[w / 8] |= (uint8_t) (1 << (w % 8));
		out[at++] = 0;
		for (unsigned b = 0; b < 8; b++)
		{
			uint8_t		byte = (uint8_t) (difference >> (8 * b));

			if (byte == 0)
				continue;
			out[mask_at] |= (uint8_t) (1 << b);
			out[at++] = byte;
		}
	}
	return at;
}

static void
unpack(uint64_t words[NODE_WORDS], const uint8_t *in)
{
	size_t		at = (NODE_WORDS + 7) / 8;

	memcpy(words, first_node, NODE_BYTES);
	for (size_t w = 0; w < NODE_WORDS; w++)
	{
		uint8_t		mask;

		if ((in[w / 8] & (1 << (w % 8))) == 0)
			continue;
		mask = in[at++];
		for (unsigned b = 0; b < 8; b++)
			if ((mask & (1 << b)) != 0)
				words[w] ^= (uint64_t) in[at++] << (8 * b);
	}
}

static uint8_t *
keep(const uint8_t *bytes, size_t size)
{
	uint8_t    *result;

	if (size > chunk_left)
	{
		chunk = grow(NULL, CHUNK_BYTES, 1);
		chunk_left = CHUNK_BYTES;
		used_bytes += CHUNK_BYTES;
	}
	result = chunk;
	memcpy(result, bytes, size);
	chunk += size;
	chunk_left -= size;
	return result;
}

static void
fill_node_info(NodeInfo *info, const NodeState *state)
{
	const RaftCore *core = &state->core;
	NodeState	renamed;

	memset(info, 0, sizeof(*info));
	for (unsigned perm = 0; perm < N_PERMS; perm++)
	{
		canonical_permute(&renamed, state, perm);
		info->hash[perm] = store_hash(&renamed, NODE_BYTES);
	}
	info->log = state->log;
	info->disk = state->disk;
	info->role = (uint8_t) core->role;
	info->leader = (uint8_t) core->leader;
	info->term = (uint8_t) core->term;
	info->disk_term = state->disk_term;
	info->commit = (uint8_t) core->commit;
	info->ready = (uint8_t) core->told_ready;
	info->floor = (uint8_t) core->floor;
	info->n_pending = state->n_pending;
	info->sticky = node_is_sticky(core);
	for (uint32_t i = 0; i < core->n_progress; i++)
		info->match[core->progress[i].id] = (uint8_t) core->progress[i].match;
	if (core->ack_first != 0)
		info->owes |= (uint8_t) (1 << core->leader);
	for (uint32_t i = 0; i < core->n_held; i++)
		info->owes |= (uint8_t) (1 << canonical_owner(&core->held[i].message));
	info->owes &= (uint8_t) ~(1 << core->self);
}

uint32_t
store_node(const NodeState *state)
{
	static uint8_t bytes[MAX_PACKED];
	uint64_t	words[NODE_WORDS];
	uint64_t	hash = store_hash(state, NODE_BYTES);
	uint32_t	at = (uint32_t) hash;
	uint32_t	number;
	size_t		size;

	words_of(words, state);
	if (nodes.n == 0)
		memcpy(first_node, words, NODE_BYTES);
	size = pack(bytes, words);
	while ((number = table_next(&nodes, hash, &at)) != UINT32_MAX)
		if (memcmp(packed[number], bytes, size) == 0)
			return number;

	number = table_extend(&nodes);
	if (number == packed_capacity)
	{
		packed_capacity = packed_capacity == 0 ? 1024 : packed_capacity * 2;
		packed = grow(packed, packed_capacity, sizeof(*packed));
	}
	packed[number] = keep(bytes, size);
	fill_node_info(table_info(&nodes, number), state);
	table_insert(&nodes, number);
	return number;
}

void
store_load(uint32_t number, NodeState *state)
{
	uint64_t	words[NODE_WORDS];

	unpack(words, packed[number]);
	memcpy(state, words, NODE_BYTES);
}

const NodeInfo *
store_node_info(uint32_t number)
{
	return (const NodeInfo *) nodes.infos + number;
}

/* ------------------------------------------------------------- messages */

/*
 * Field by field, so that nothing but fields is hashed.  The boot count is left
 * out, rounds are what they were normalised to.
 */
static Envelope
clean(const Envelope *given)
{
	Envelope	envelope;
	RaftMessage *message = &envelope.message;

	memset(&envelope, 0, sizeof(envelope));
	message->type = given->message.type;
	message->from = given->message.from;
	message->to = given->message.to;
	message->term = given->message.term;
	message->round = given->message.round;
	message->log_index = given->message.log_index;
	message->log_term = given->message.log_term;
	message->commit = given->message.commit;
	message->floor = given->message.floor;
	message->granted = given->message.granted;
	message->rejected = given->message.rejected;
	message->n_entries = given->message.n_entries;
	envelope.entries = given->entries;
	return envelope;
}

static uint32_t
find_envelope(const Envelope *envelope, uint64_t hash)
{
	uint32_t	at = (uint32_t) hash;
	uint32_t	number;

	while ((number = table_next(&envelopes, hash, &at)) != UINT32_MAX)
		if (memcmp(&store_envelope_info(number)->envelope, envelope, sizeof(*envelope)) == 0)
			break;
	return number;
}

/* Its number, and whether it is a new one. */
static uint32_t
add_envelope(Envelope envelope, bool *is_new)
{
	uint64_t	hash = store_hash(&envelope, sizeof(envelope));
	uint32_t	number = find_envelope(&envelope, hash);
	EnvelopeInfo *info;

	*is_new = number == UINT32_MAX;
	if (!*is_new)
		return number;
	number = table_extend(&envelopes);
	if (number > UINT16_MAX)
	{
		fputs("explore: more kinds of messages than numbers for them\n", stderr);
		exit(2);
	}
	info = table_info(&envelopes, number);
	memset(info, 0, sizeof(*info));
	info->hash = hash;
	info->envelope = envelope;
	info->owner = (uint8_t) canonical_owner(&envelope.message);
	info->stale_bit = canonical_stale_bit(&envelope.message);
	info->stale_form = number;
	table_insert(&envelopes, number);
	return number;
}

uint32_t
store_envelope(const Envelope *given)
{
	Envelope	envelope = clean(given);
	bool		is_new;
	uint32_t	number = add_envelope(envelope, &is_new);

	if (!is_new)
		return number;
	/* its relatives get numbers, too; each of them does the same for itself */
	for (unsigned perm = 0; perm < N_PERMS; perm++)
	{
		Envelope	renamed = envelope;
		uint32_t	other;

		canonical_permute_message(&renamed.message, perm);
		other = perm == 0 ? number : store_envelope(&renamed);
		((EnvelopeInfo *) table_info(&envelopes, number))->renamed[perm] = other;
	}
	if (envelope.message.round != ROUND_STALE)
	{
		uint32_t	stale_form;

		envelope.message.round = ROUND_STALE;
		stale_form = store_envelope(&envelope);
		((EnvelopeInfo *) table_info(&envelopes, number))->stale_form = stale_form;
	}
	return number;
}

const EnvelopeInfo *
store_envelope_info(uint32_t number)
{
	return (const EnvelopeInfo *) envelopes.infos + number;
}

/* ------------------------------------------------------------ histories */

uint32_t
store_history(const History *history)
{
	uint64_t	hash = store_hash(history, sizeof(*history));
	uint32_t	at = (uint32_t) hash;
	HistoryInfo *info;
	uint32_t	number;

	while ((number = table_next(&histories, hash, &at)) != UINT32_MAX)
		if (memcmp(&store_history_info(number)->history, history, sizeof(*history)) == 0)
			return number;

	number = table_extend(&histories);
	info = table_info(&histories, number);
	for (unsigned perm = 0; perm < N_PERMS; perm++)
	{
		History		renamed;

		history_permute(&renamed, history, perm);
		info->hash[perm] = store_hash(&renamed, sizeof(renamed));
	}
	info->history = *history;
	table_insert(&histories, number);
	return number;
}

const HistoryInfo *
store_history_info(uint32_t number)
{
	return (const HistoryInfo *) histories.infos + number;
}

uint32_t
store_n_nodes(void)
{
	return nodes.n;
}

uint32_t
store_n_envelopes(void)
{
	return envelopes.n;
}

size_t
store_bytes(void)
{
	return used_bytes + packed_capacity * sizeof(*packed);
}
