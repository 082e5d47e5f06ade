/*-------------------------------------------------------------------------
 *
 * world.c
 *	  What can happen next in a world, and what it leads to.
 *
 * Messages under way have no order: each may arrive next, or never.  A dropped
 * message is one that never arrives; every world without it is reachable with it still
 * under way, so that explicit drops, which are an option, add no behaviour.  For
 * the same reason two kinds of successors are left out, since the world that has
 * the message covers them: a delivery that changes nothing, and messages that can
 * never have an effect.
 *
 * An arrival that leaves its receiver as it was may happen again, and does
 * not count as a choice (network=again); or every message arrives once (network=once).
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "explore.h"

bool		world_tells = false;

/* ------------------------------------------------- remembered steps */

#define MEMO_SIZE	(1 << 20)

/* What an event did to a node state; one word of a hash decides the place. */
typedef struct Memo
{
	uint64_t	key;			/* node state and event; 0 = free */
	const char *violation;
	uint32_t	node;			/* state afterwards */
	uint8_t		n_sent;
	uint8_t		stale;
	bool		pruned;
	bool		led;
	bool		committed;
	bool		notable;		/* history has to know */
	uint32_t	sent[MAX_SENT];
} Memo;

static Memo memos[MEMO_SIZE];

static uint32_t
event_code(const Event *event, uint32_t message)
{
	return (uint32_t) event->kind << 28 | (uint32_t) event->lapsed << 27 |
		(uint32_t) bounds.instant << 26 |
		(event->kind == EVENT_DELIVER ? message :
		 event->count | event->owner << 8 | (uint32_t) event->stale << 16);
}

/* Is there anything in a step that history keeps or may forget? */
static bool
is_notable(const Result *result, uint8_t disk_term_before, const NodeState *state)
{
	if (result->led || result->committed || state->disk_term != disk_term_before)
		return true;
	for (uint32_t i = 0; i < result->n_sent; i++)
		if (result->sent[i].message.type == RAFT_MSG_VOTE ||
			result->sent[i].message.type == RAFT_MSG_VOTE_REPLY)
			return true;
	return false;
}

/*
 * The step in canonical form, done now or earlier.  What is returned may be
 * another step's after the next call.
 */
static const Memo *
step(uint32_t number, const Event *event, uint32_t message)
{
	static NodeState state;
	static Result result;
	uint64_t	key = (uint64_t) (number + 1) << 32 | event_code(event, message);
	Memo	   *memo = &memos[store_hash(&key, sizeof(key)) % MEMO_SIZE];
	RaftRole	role;
	uint8_t		disk_term;

	if (memo->key == key)
		return memo;
	store_load(number, &state);
	role = state.core.role;
	disk_term = state.disk_term;
	node_step(&state, event, &result);
	*memo = (Memo) {.key = key};
	memo->violation = result.violation;
	memo->pruned = result.pruned;
	if (result.violation == NULL && !result.pruned)
	{
		if (event->kind != EVENT_STALE)
			canonical_rounds(&state, role, &result);
		canonical_rest(&state);
		memo->node = store_node(&state);
		memo->led = result.led;
		memo->committed = result.committed;
		memo->notable = is_notable(&result, disk_term, &state);
		memo->stale = result.stale;
		memo->n_sent = (uint8_t) result.n_sent;
		for (uint32_t i = 0; i < result.n_sent; i++)
			memo->sent[i] = store_envelope(&result.sent[i]);
	}
	return memo;
}

/* ----------------------------------------------------------- messages */

/*
 * Can this message never again have any effect on the node it is for?  True only
 * of replies: a request of an older term is answered.
 */
bool
world_is_dead(const World *world, uint32_t number)
{
	const EnvelopeInfo *info = store_envelope_info(number);
	const RaftMessage *message = &info->envelope.message;
	const NodeInfo *node = store_node_info(world->node[message->to]);
	/* a crash may take back a term that is not durable */
	RaftTerm	least = world->crashes[message->to] > 0 ? node->disk_term : node->term;

	if (message->term > least)
		return false;			/* it may bring a newer term */
	switch (message->type)
	{
		case RAFT_MSG_PREVOTE:
		case RAFT_MSG_VOTE:
		case RAFT_MSG_APPEND:
			return false;
		case RAFT_MSG_PREVOTE_REPLY:
		case RAFT_MSG_VOTE_REPLY:
			return !message->granted || (message->round == ROUND_STALE && !MUTANT(LATE_VOTE));
		case RAFT_MSG_APPEND_REPLY:
			if (message->term < least)
				return true;
			/* of that term: it leads now, or has led it for the last time */
			return message->granted ? node->role != RAFT_LEADER :
				message->round == ROUND_STALE;
	}
	return false;
}

static void
remove_at(World *world, uint32_t at)
{
	world->n_net--;
	memmove(&world->net[at], &world->net[at + 1], (world->n_net - at) * sizeof(world->net[0]));
}

/* When messages may arrive again and again, two of a kind are one. */
static bool
is_under_way(const World *world, uint32_t number)
{
	for (uint32_t i = 0; i < world->n_net; i++)
		if (world->net[i] == number)
			return true;
	return false;
}

static bool
insert(World *world, uint32_t number)
{
	uint32_t	at;

	if (bounds.again && is_under_way(world, number))
		return false;
	at = world->n_net++;
	for (; at > 0 && world->net[at - 1] > number; at--)
		world->net[at] = world->net[at - 1];
	world->net[at] = number;
	return true;
}

/* Rounds that are stale by the role of their owner alone. */
static uint8_t
never_asked(const NodeInfo *owner)
{
	uint8_t		stale = 0;

	if (owner->role != RAFT_PRECANDIDATE && owner->role != RAFT_CANDIDATE)
		stale |= STALE_VOTES | STALE_PREVOTES;
	if (owner->role != RAFT_LEADER)
		stale |= STALE_APPENDS(1) | STALE_APPENDS(2) | STALE_APPENDS(3);
	return stale;
}

/* Messages that have not been looked at yet. */
typedef struct Fresh
{
	uint32_t	n;
	uint32_t	message[2 * MAX_NET];
} Fresh;

/* Adds what a step sent.  False when there is no room. */
static bool
add_sent(World *world, const Memo *memo, Fresh *fresh)
{
	for (uint32_t i = 0; i < memo->n_sent; i++)
	{
		uint32_t	number = memo->sent[i];
		const EnvelopeInfo *info = store_envelope_info(number);

		/* the refusal of an old vote request is an answer to an append */
		if ((never_asked(store_node_info(world->node[info->owner])) & info->stale_bit) != 0)
			number = info->stale_form;
		if (world_is_dead(world, number))
			continue;
		if (world->n_net == MAX_NET)
			return false;
		if (insert(world, number))
			fresh->message[fresh->n++] = number;
	}
	return true;
}

/* What a node keeps for later answers, of the rounds of this owner. */
static void
make_kept_stale(World *world, RaftNodeId id, RaftNodeId owner, uint8_t stale)
{
	Event		event = {.kind = EVENT_STALE, .owner = owner, .stale = stale};

	if (stale != 0 && (store_node_info(world->node[id])->owes & 1 << owner) != 0)
		world->node[id] = step(world->node[id], &event, 0)->node;
}

/* Rounds of a node became void: wherever they are, and in that node's own messages. */
static void
make_stale(World *world, RaftNodeId owner, uint8_t stale)
{
	World		old = *world;

	world->n_net = 0;
	for (uint32_t i = 0; i < old.n_net; i++)
	{
		const EnvelopeInfo *info = store_envelope_info(old.net[i]);

		insert(world, info->owner == owner && (info->stale_bit & stale) != 0 ?
			   info->stale_form : old.net[i]);
	}
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		make_kept_stale(world, id, owner, stale);
}

static void
bury(World *world, RaftNodeId id)
{
	for (uint32_t i = world->n_net; i > 0; i--)
		if (store_envelope_info(world->net[i - 1])->envelope.message.to == id &&
			world_is_dead(world, world->net[i - 1]))
			remove_at(world, i - 1);
}

/* ------------------------------------------------------------- choices */

static void
choose(Choice *choices, uint32_t *n, ChoiceKind kind, RaftNodeId node, unsigned at, bool lapsed)
{
	choices[(*n)++] = (Choice) {
		.kind = (uint8_t) kind, .node = (uint8_t) node, .at = (uint8_t) at, .lapsed = lapsed
	};
}

static void
choose_deliveries(const World *world, Choice *choices, uint32_t *n)
{
	const History *history = &store_history_info(world->history)->history;

	for (uint32_t i = 0; i < world->n_net; i++)
	{
		const RaftMessage *message = &store_envelope_info(world->net[i])->envelope.message;
		const NodeInfo *node = store_node_info(world->node[message->to]);
		/* time may pass first, so that the node gives its silent leader up */
		bool		may_lapse = node->sticky &&
			(message->type == RAFT_MSG_PREVOTE ||
			 (message->type == RAFT_MSG_VOTE && message->term > node->term));

		if (i > 0 && world->net[i] == world->net[i - 1])
			continue;
		for (int lapsed = 0; lapsed <= (may_lapse ? 1 : 0); lapsed++)
		{
			choose(choices, n, CHOOSE_DELIVER, message->to, i, lapsed == 1);
			if (history->duplicates > 0)
				choose(choices, n, CHOOSE_DUPLICATE, message->to, i, lapsed == 1);
		}
		if (history->drops > 0)
			choose(choices, n, CHOOSE_DROP, message->to, i, false);
	}
}

static void
choose_for_node(const World *world, RaftNodeId id, Choice *choices, uint32_t *n)
{
	const NodeInfo *node = store_node_info(world->node[id]);
	const History *history = &store_history_info(world->history)->history;

	for (unsigned i = 1; i <= node->n_pending; i++)
		choose(choices, n, CHOOSE_FLUSH, id, i, false);
	if (world->timeouts[id] > 0)
		choose(choices, n, CHOOSE_TIMEOUT, id, 0, false);
	if (world->timeouts[id] > 0 && node->role == RAFT_LEADER)
		choose(choices, n, CHOOSE_STEP_DOWN, id, 0, false);
	for (unsigned kept = 0; world->crashes[id] > 0 && kept <= node->n_pending; kept++)
	{
		choose(choices, n, CHOOSE_CRASH, id, kept, false);
		if (node->ready > 1)
			choose(choices, n, CHOOSE_CRASH, id, kept, true);
	}
	if (node->role == RAFT_LEADER && history->proposed < bounds.commands)
		choose(choices, n, CHOOSE_PROPOSE, id, 0, false);
}

/*
 * Everything that can happen next.  Returns how many; choices has room for
 * MAX_CHOICES.
 */
uint32_t
world_choices(const World *world, Choice *choices)
{
	uint32_t	n = 0;

	choose_deliveries(world, choices, &n);
	for (RaftNodeId id = 1; id <= N_NODES; id++)
		choose_for_node(world, id, choices, &n);
	return n;
}

/* The event that a choice means to its node. */
Event
world_event(const World *world, Choice choice)
{
	Event		event = {.lapsed = choice.lapsed};

	switch ((ChoiceKind) choice.kind)
	{
		case CHOOSE_DELIVER:
		case CHOOSE_DUPLICATE:
			event.kind = EVENT_DELIVER;
			event.envelope = &store_envelope_info(world->net[choice.at])->envelope;
			break;
		case CHOOSE_FLUSH:
			event.kind = EVENT_FLUSH;
			event.count = choice.at;
			break;
		case CHOOSE_TIMEOUT:
			event.kind = EVENT_TIMEOUT;
			break;
		case CHOOSE_STEP_DOWN:
			event.kind = EVENT_STEP_DOWN;
			break;
		case CHOOSE_CRASH:
			event.kind = EVENT_CRASH;
			event.count = choice.at;
			break;
		case CHOOSE_PROPOSE:
			event.kind = EVENT_PROPOSE;
			event.count = store_history_info(world->history)->history.proposed + 1U;
			break;
		case CHOOSE_DROP:
			break;				/* nobody notices */
	}
	return event;
}

/* --------------------------------------------------------- transitions */

static void
spend(World *world, uint8_t kind)
{
	History		history = store_history_info(world->history)->history;

	if (kind == CHOOSE_DROP)
		history.drops--;
	else if (kind == CHOOSE_DUPLICATE)
		history.duplicates--;
	else
		history.proposed++;
	world->history = store_history(&history);
}

static const char *
remember(World *world, RaftNodeId id, const Memo *memo)
{
	History		history = store_history_info(world->history)->history;
	const char *violation = history_step(&history, world, id, memo->led, memo->committed,
										 memo->sent, memo->n_sent);

	world->history = store_history(&history);
	return violation;
}

/*
 * When messages may arrive again, a delivery that leaves its receiver as it was
 * only adds the answer: the world with it covers the one without, so that it is
 * done at once.  False when there is no room for the answers.
 */
static bool
saturate(World *world, Fresh *fresh, const char **violation)
{
	while (fresh->n > 0)
	{
		uint32_t	number = fresh->message[--fresh->n];
		const Envelope *envelope = &store_envelope_info(number)->envelope;
		Event		event = {.kind = EVENT_DELIVER, .envelope = envelope};
		RaftNodeId	to = envelope->message.to;
		const Memo *memo = step(world->node[to], &event, number);
		uint32_t	before;

		if (memo->node != world->node[to] || memo->violation != NULL || memo->pruned)
			continue;
		before = world->n_net;
		if (!add_sent(world, memo, fresh))
			return false;
		if (world_tells && world->n_net > before)
		{
			printf("          meanwhile n%u receives ", to);
			script_print_message(stdout, &store_envelope_info(number)->envelope);
			printf(", and answers\n");
		}
		if (memo->notable && *violation == NULL)
			*violation = remember(world, to, memo);
	}
	return true;
}

/*
 * Messages to nodes that have changed may now have another effect, and what has just
 * arrived may be sent once more by the node that it came from.
 */
static void
refresh(const World *from, const World *to, RaftNodeId sender, Fresh *fresh)
{
	for (uint32_t i = 0; i < to->n_net; i++)
	{
		RaftNodeId	id = store_envelope_info(to->net[i])->envelope.message.to;

		if (id == sender || to->node[id] != from->node[id])
			fresh->message[fresh->n++] = to->net[i];
	}
}

/*
 * Makes the choice.  VERDICT_NEW: *to is the world it leads to.
 * VERDICT_VIOLATION: *violation says of what.
 */
Verdict
world_apply(const World *from, Choice choice, World *to, const char **violation)
{
	bool		delivery = choice.kind == CHOOSE_DELIVER || choice.kind == CHOOSE_DUPLICATE;
	Event		event = world_event(from, choice);
	RaftNodeId	id = choice.node;
	RaftNodeId	sender = delivery ? event.envelope->message.from : 0;
	Fresh		fresh = {.n = 0};
	Memo		memo;

	*to = *from;
	if (choice.kind == CHOOSE_DROP)
	{
		remove_at(to, choice.at);
		spend(to, choice.kind);
		return VERDICT_NEW;
	}
	memo = *step(from->node[id], &event, delivery ? from->net[choice.at] : 0);
	if (memo.violation != NULL)
	{
		*violation = memo.violation;
		return VERDICT_VIOLATION;
	}
	if (memo.pruned)
		return VERDICT_PRUNED;

	to->node[id] = memo.node;
	if (choice.kind == CHOOSE_TIMEOUT || choice.kind == CHOOSE_STEP_DOWN)
		to->timeouts[id]--;
	if (choice.kind == CHOOSE_CRASH)
		to->crashes[id]--;
	if (choice.kind == CHOOSE_DELIVER && !(bounds.again && memo.node == from->node[id]))
		remove_at(to, choice.at);
	if (choice.kind == CHOOSE_DUPLICATE || choice.kind == CHOOSE_PROPOSE)
		spend(to, choice.kind);
	if (memo.stale != 0)
		make_stale(to, id, memo.stale);
	for (RaftNodeId owner = 1; owner <= N_NODES; owner++)
		make_kept_stale(to, id, owner, never_asked(store_node_info(to->node[owner])));
	bury(to, id);
	refresh(from, to, sender, &fresh);
	if (!add_sent(to, &memo, &fresh))
		return VERDICT_PRUNED;
	if (memo.notable)
		*violation = remember(to, id, &memo);
	if (bounds.again && !saturate(to, &fresh, violation))
		return VERDICT_PRUNED;
	if (*violation != NULL)
		return VERDICT_VIOLATION;
	/* nothing has changed but that a message may be gone */
	return delivery && memo.node == from->node[id] && to->n_net < from->n_net + bounds.again ?
		VERDICT_IDLE : VERDICT_NEW;
}

/* Three nodes that have just been set up. */
void
world_init(World *world)
{
	NodeState	state;
	History		history;

	memset(world, 0, sizeof(*world));
	for (RaftNodeId id = 1; id <= N_NODES; id++)
	{
		Result		none = {0};

		node_format(&state, id);
		canonical_rounds(&state, state.core.role, &none);
		canonical_rest(&state);
		world->node[id] = store_node(&state);
		world->crashes[id] = (uint8_t) bounds.crashes;
		world->timeouts[id] = (uint8_t) bounds.timeouts;
	}
	history_init(&history);
	world->history = store_history(&history);
}
