/*-------------------------------------------------------------------------
 *
 * agree.c
 *	  Is canonical.c right?  Random walks that try to prove it wrong.
 *
 * Each walk is made twice: by a world of canonical states, as the search makes
 * it, and by three raw cores whose clocks run, whose rounds and op numbers grow,
 * and whose messages are never thrown away.  After each choice the raw cores,
 * brought into canonical form only now, must be the canonical world.  A field
 * that was normalised away and mattered lets the two part.
 *
 * And each step is made once more under every renaming of the nodes: what comes
 * out must be the renamed outcome.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <string.h>
#include <time.h>

#include "explore.h"

#define MAX_RAW		512
#define MAX_STEPS	80

typedef struct RawWorld
{
	NodeState	node[N_NODES + 1];
	uint32_t	n_net;
	Envelope	net[MAX_RAW];
} RawWorld;

static uint64_t random_state;

static uint32_t
random_below(uint32_t n)
{
	random_state += UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t) (store_hash(&random_state, sizeof(random_state)) % n);
}

/* ----------------------------------------------------------- abstraction */

/* A raw message as the search keeps it. */
static uint32_t
abstract_envelope(const RawWorld *raw, const Envelope *given)
{
	Envelope	envelope = *given;
	const RaftCore *owner = &raw->node[canonical_owner(&envelope.message)].core;

	envelope.message.round = canonical_is_live(owner, &envelope.message) ? ROUND_LIVE : ROUND_STALE;
	return store_envelope(&envelope);
}

/* A raw node as the search keeps it. */
static uint32_t
abstract_node(const RawWorld *raw, RaftNodeId id)
{
	static NodeState state;
	static Result none;
	RaftCore   *core = &state.core;

	state = raw->node[id];
	none.n_sent = 0;
	for (uint32_t i = 0; i < core->n_held; i++)
	{
		RaftMessage *message = &core->held[i].message;
		RaftNodeId	owner = canonical_owner(message);

		if (owner != id)
			message->round = canonical_is_live(&raw->node[owner].core, message) ? ROUND_LIVE : ROUND_STALE;
	}
	if (core->ack_first != 0)
	{
		RaftMessage ack = {
			.type = RAFT_MSG_APPEND_REPLY, .from = id, .to = core->leader, .round = core->ack_round
		};

		core->ack_round = canonical_is_live(&raw->node[ack.to].core, &ack) ? ROUND_LIVE : ROUND_STALE;
	}
	canonical_rounds(&state, core->role, &none);
	canonical_rest(&state);
	return store_node(&state);
}

/* ------------------------------------------------------------ comparison */

/* Every message of the world is under way in the raw one; what else is there is dead. */
static const char *
compare_messages(const RawWorld *raw, const World *world)
{
	bool		used[MAX_NET] = {false};

	for (uint32_t i = 0; i < raw->n_net; i++)
	{
		uint32_t	number = abstract_envelope(raw, &raw->net[i]);
		uint32_t	at = 0;

		while (at < world->n_net && (used[at] || world->net[at] != number))
			at++;
		if (at < world->n_net)
			used[at] = true;
		else if (!world_is_dead(world, number))
			return "a message under way is missing in the canonical world";
	}
	for (uint32_t i = 0; i < world->n_net; i++)
		if (!used[i])
			return "the canonical world has a message that is not under way";
	return NULL;
}

static const char *
compare(const RawWorld *raw, const World *world)
{
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		if (abstract_node(raw, id) != world->node[id])
			return "a node is in another state than the canonical one";
	return compare_messages(raw, world);
}

/* ------------------------------------------------------------ both worlds */

/* A raw message that the canonical one at this place stands for, any of them. */
static uint32_t
raw_message(const RawWorld *raw, const World *world, uint32_t at)
{
	uint32_t	candidates[MAX_RAW];
	uint32_t	n = 0;

	for (uint32_t i = 0; i < raw->n_net; i++)
		if (abstract_envelope(raw, &raw->net[i]) == world->net[at])
			candidates[n++] = i;
	return candidates[random_below(n)];
}

/* False when there is no room for another message. */
static bool
raw_apply(RawWorld *raw, const World *world, Choice choice, const char **violation)
{
	static Result result;
	bool		has_message = choice.kind == CHOOSE_DELIVER || choice.kind == CHOOSE_DUPLICATE ||
		choice.kind == CHOOSE_DROP;
	uint32_t	at = has_message ? raw_message(raw, world, choice.at) : 0;
	Event		event = world_event(world, choice);
	Envelope	envelope = raw->net[at];

	event.envelope = &envelope;
	if (choice.kind == CHOOSE_DELIVER || choice.kind == CHOOSE_DROP)
		raw->net[at] = raw->net[--raw->n_net];
	if (choice.kind == CHOOSE_DROP)
		return true;
	node_step(&raw->node[choice.node], &event, &result);
	*violation = result.violation;
	if (raw->n_net + result.n_sent > MAX_RAW)
		return false;
	for (uint32_t i = 0; i < result.n_sent; i++)
		raw->net[raw->n_net++] = result.sent[i];
	return true;
}

static uint64_t
sum_of_sent(const Result *result, unsigned perm)
{
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < result->n_sent; i++)
	{
		uint32_t	message = store_envelope(&result->sent[i]);

		sum += store_envelope_info(store_envelope_info(message)->renamed[perm])->hash;
	}
	return sum;
}

/* The step under every renaming: renamed, the outcome must be the same. */
static const char *
compare_renamed(const World *world, Choice choice)
{
	static NodeState plain;
	static NodeState renamed;
	static Result result;
	static Result other;
	Event		event = world_event(world, choice);
	RaftRole	role;
	uint32_t	after;

	if (choice.kind == CHOOSE_DROP)
		return NULL;
	store_load(world->node[choice.node], &plain);
	role = plain.core.role;
	for (unsigned perm = 0; perm < N_PERMS; perm++)
	{
		Envelope	envelope;

		store_load(world->node[choice.node], &plain);
		canonical_permute(&renamed, &plain, perm);
		event = world_event(world, choice);
		node_step(&plain, &event, &result);
		if (event.envelope != NULL)
		{
			envelope = *event.envelope;
			canonical_permute_message(&envelope.message, perm);
			event.envelope = &envelope;
		}
		node_step(&renamed, &event, &other);
		if (result.violation != other.violation || result.pruned != other.pruned)
			return "under another name the verdict is another";
		if (result.violation != NULL || result.pruned)
			return NULL;
		canonical_rounds(&plain, role, &result);
		canonical_rounds(&renamed, role, &other);
		canonical_rest(&plain);
		canonical_rest(&renamed);
		after = store_node(&plain);
		if (store_node_info(after)->hash[perm] != store_node_info(store_node(&renamed))->hash[0])
			return "under another name the state is another";
		if (sum_of_sent(&result, perm) != sum_of_sent(&other, 0))
			return "under another name other messages are sent";
	}
	return NULL;
}

/* ----------------------------------------------------------------- walks */

static void
begin(RawWorld *raw, World *world)
{
	world_init(world);
	raw->n_net = 0;
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		node_format(&raw->node[id], id);
}

/* Likely to elect leaders and to copy entries: deliveries first. */
static Choice
draw(const Choice *choices, uint32_t n)
{
	Choice		choice = choices[random_below(n)];

	for (int tries = 0; tries < 3 && choice.kind != CHOOSE_DELIVER && choice.kind != CHOOSE_FLUSH; tries++)
		choice = choices[random_below(n)];
	return choice;
}

/* One walk.  NULL when both ways agree all along. */
static const char *
walk(uint64_t *n_steps)
{
	static RawWorld raw;
	static World world;
	static World next;
	static Choice choices[MAX_CHOICES];
	static Choice path[MAX_STEPS];
	const char *problem = NULL;
	uint32_t	n_path = 0;

	begin(&raw, &world);
	while (n_path < MAX_STEPS && problem == NULL)
	{
		uint32_t	n = world_choices(&world, choices);
		const char *violation = NULL;
		const char *raw_violation = NULL;
		Verdict		verdict;

		if (n == 0)
			break;
		path[n_path] = draw(choices, n);
		problem = compare_renamed(&world, path[n_path]);
		if (!raw_apply(&raw, &world, path[n_path], &raw_violation))
			break;
		verdict = world_apply(&world, path[n_path], &next, &violation);
		n_path++;
		if (verdict == VERDICT_PRUNED)
			break;
		if (raw_violation != NULL || verdict == VERDICT_VIOLATION)
			problem = raw_violation != NULL ? raw_violation : violation;
		if (problem == NULL)
			problem = compare(&raw, &next);
		world = next;
		(*n_steps)++;
	}
	if (problem != NULL)
	{
		printf("disagreement: %s\n", problem);
		world_init(&world);
		script_show(world, path, n_path);
	}
	return problem;
}

/*
 * Walks until the time is over.  Returns the exit status.
 */
int
agree_run(uint64_t seed, double max_seconds)
{
	struct timespec begun;
	struct timespec now;
	uint64_t	n_walks = 0;
	uint64_t	n_steps = 0;
	double		told = 0;
	double		elapsed;

	random_state = seed << 32;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	do
	{
		/* every kind of bounds has its turn */
		bounds.instant = n_walks % 4 == 3;
		bounds.again = false;
		bounds.crashes = 2;
		bounds.timeouts = 4;
		bounds.drops = bounds.duplicates = n_walks % 2 == 0 ? 10 : 0;
		bounds.batch = 1 + (unsigned) (n_walks / 8 % 2);
		if (walk(&n_steps) != NULL)
			return 1;
		n_walks++;
		clock_gettime(CLOCK_MONOTONIC, &now);
		elapsed = difftime(now.tv_sec, begun.tv_sec);
		if (elapsed - told >= PROGRESS_SECONDS)
		{
			told = elapsed;
			printf("# %llu walks, %llu steps, %.0f s\n", ULL(n_walks), ULL(n_steps), elapsed);
			fflush(stdout);
		}
	}
	while (elapsed < max_seconds);
	printf("%llu walks, %llu steps, %u node states: raw and canonical worlds agree, under every name\n",
		   ULL(n_walks), ULL(n_steps), store_n_nodes());
	return 0;
}
