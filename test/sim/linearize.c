/*-------------------------------------------------------------------------
 *
 * linearize.c
 *	  The search for an order that explains a history: Wing and Gong's, with
 *	  Lowe's memory of what was tried, one key at a time.
 *
 * Calls and returns stand in a list in the order in which they happened.  The
 * search takes any operation whose call stands before the first return, lets it
 * happen, takes it out of the list, and goes on from the front.  When it comes to
 * a return, that operation should have happened by now: it goes back.  A set of
 * operations together with the state after them is tried only once.
 *
 * What keeps the search short: reads say what they saw, so an operation of unknown
 * fate whose value nobody ever saw is left out (a history is legal with it only if
 * it is without); and the state of a list is how much of the longest one that
 * was read is there already, since each append has its one place in that.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "linearize.h"

#define MAX_STEPS	2000000		/* orders tried for one key */
#define NOWHERE		SIZE_MAX

/* A call or a return, in a doubly linked list. */
typedef struct Moment
{
	uint64_t	place;
	size_t		op;
	bool		is_return;
	struct Moment *before;
	struct Moment *after;
	struct Moment *match;		/* of a call: its return; NULL = unknown fate */
} Moment;

/* A set of operations that happened, as two hashes, and the state after them. */
typedef struct Tried
{
	uint64_t	set[2];
	uint64_t	state;
	bool		used;
} Tried;

typedef struct Search
{
	const Operation **ops;		/* of this key */
	size_t		n;
	size_t		acknowledged;	/* that must happen */

	/* lists */
	uint64_t   *longest;		/* the longest that was read */
	size_t		length;
	size_t	   *position;		/* by op: an append's place in it, or NOWHERE */

	Moment		head;
	Tried	   *tried;
	size_t		tried_size;		/* a power of two */
	size_t		tried_used;
	uint64_t	steps;
	LinearizeResult *result;
} Search;

const ListCell *
list_append(const ListCell *list, uint64_t value)
{
	ListCell   *cell = run_alloc(sizeof(ListCell));

	cell->value = value;
	cell->length = list == NULL ? 1 : list->length + 1;
	cell->older = list;
	return cell;
}

const char *
op_kind_name(OpKind kind)
{
	static const char *const names[] = {
		[OP_READ] = "read", [OP_WRITE] = "write", [OP_CAS] = "compare-and-set",
		[OP_LIST_READ] = "read of a list", [OP_LIST_APPEND] = "append"
	};

	return names[kind];
}

static size_t
list_length(const ListCell *list)
{
	return list == NULL ? 0 : list->length;
}

static void
illegal(Search *search, const Operation *op, const char *why)
{
	LinearizeResult *result = search->result;

	result->verdict = LINEARIZE_ILLEGAL;
	result->key = op->key;
	snprintf(result->what, sizeof(result->what), "key %u: client %u's %s (%" PRIu64 ") %s", op->key,
			 op->client, op_kind_name(op->kind),
			 op->kind == OP_READ ? op->result : op->kind == OP_LIST_READ ? (uint64_t) list_length(op->list) : op->argument,
			 why);
}

/* ---------------------------------------------------- what was observed */

static bool
changes(const Operation *op)
{
	return op->kind == OP_WRITE || op->kind == OP_CAS || op->kind == OP_LIST_APPEND;
}

/*
 * Has an operation on the register seen this value?  A compare-and-set of unknown
 * fate may have: what it expected.
 */
static bool
value_was_seen(const Search *search, uint64_t value)
{
	for (size_t i = 0; i < search->n; i++)
	{
		const Operation *op = search->ops[i];

		if (op->status == OP_OK && (op->kind == OP_READ || op->kind == OP_CAS) &&
			op->result == value)
			return true;
		if (op->status == OP_UNKNOWN && op->kind == OP_CAS && op->expected == value)
			return true;
	}
	return false;
}

/* Who may have written a value; NULL = nobody. */
static const Operation *
writer_of(const Search *search, uint64_t value)
{
	for (size_t i = 0; i < search->n; i++)
		if (changes(search->ops[i]) && search->ops[i]->argument == value)
			return search->ops[i];
	return NULL;
}

/*
 * The longest list that was read; every other must be a beginning of it, and
 * each element appended by someone, once.  False when that is not so.
 */
static bool
observe_lists(Search *search)
{
	const Operation *reader = NULL;

	for (size_t i = 0; i < search->n; i++)
		if (search->ops[i]->kind == OP_LIST_READ &&
			(reader == NULL || list_length(search->ops[i]->list) > list_length(reader->list)))
			reader = search->ops[i];
	search->length = reader == NULL ? 0 : list_length(reader->list);
	search->longest = run_alloc((search->length + 1) * sizeof(uint64_t));
	for (const ListCell *cell = reader ? reader->list : NULL; cell != NULL; cell = cell->older)
		search->longest[cell->length - 1] = cell->value;

	for (size_t i = 0; i < search->n; i++)
	{
		const Operation *op = search->ops[i];

		if (op->kind != OP_LIST_READ)
			continue;
		for (const ListCell *cell = op->list; cell != NULL; cell = cell->older)
		{
			if (cell->value != search->longest[cell->length - 1])
			{
				illegal(search, op, "saw other elements than a longer read");
				return false;
			}
		}
	}
	search->position = run_alloc((search->n + 1) * sizeof(size_t));
	for (size_t i = 0; i < search->n; i++)
		search->position[i] = NOWHERE;
	for (size_t k = 0; k < search->length; k++)
	{
		size_t		i = 0;

		while (i < search->n && !(search->ops[i]->kind == OP_LIST_APPEND &&
								  search->ops[i]->argument == search->longest[k]))
			i++;
		if (i == search->n || search->position[i] != NOWHERE)
		{
			illegal(search, reader, i == search->n ? "saw an element that nobody appended" :
					"saw an element twice");
			return false;
		}
		search->position[i] = k;
	}
	return true;
}

/* False when a value was read that nobody can have written. */
static bool
observe_registers(Search *search)
{
	for (size_t i = 0; i < search->n; i++)
	{
		const Operation *op = search->ops[i];

		if (op->status == OP_OK && (op->kind == OP_READ || op->kind == OP_CAS) &&
			op->result != 0 && writer_of(search, op->result) == NULL)
		{
			illegal(search, op, "saw a value that nobody wrote");
			return false;
		}
	}
	return true;
}

/* Leaves out what failed, and what is unknown and was not seen. */
static void
leave_out(Search *search)
{
	size_t		kept = 0;

	for (size_t i = 0; i < search->n; i++)
	{
		const Operation *op = search->ops[i];
		bool		seen = op->kind == OP_LIST_APPEND ?
			search->position[i] != NOWHERE : value_was_seen(search, op->argument);

		if (op->status == OP_UNKNOWN && !(changes(op) && seen))
			continue;
		search->acknowledged += op->status == OP_OK;
		if (search->position != NULL)
			search->position[kept] = search->position[i];
		search->ops[kept++] = op;
	}
	search->n = kept;
}

/* ------------------------------------------------------------ the model */

/*
 * Lets an operation happen.  False when its result would have been another.
 * A list's state is its length; beyond the longest that was read it does not
 * matter what follows, but nobody may read any more.
 */
static bool
happen(const Search *search, size_t i, uint64_t *state)
{
	const Operation *op = search->ops[i];

	switch (op->kind)
	{
		case OP_READ:
			return *state == op->result;
		case OP_WRITE:
			*state = op->argument;
			return true;
		case OP_CAS:
			if (op->status == OP_OK && *state != op->result)
				return false;
			if (*state == op->expected)
				*state = op->argument;
			else if (op->status == OP_UNKNOWN)
				return false;	/* without effect: the same as never */
			return true;
		case OP_LIST_READ:
			return *state == list_length(op->list);
		case OP_LIST_APPEND:
			if (search->position[i] != NOWHERE)
				return (*state)++ == search->position[i];
			if (*state < search->length)
				return false;
			*state = search->length + 1;
			return true;
	}
	return false;
}

/* ----------------------------------------------------------- the search */

static void
link_after(Moment *before, Moment *moment)
{
	moment->before = before;
	moment->after = before->after;
	if (moment->after != NULL)
		moment->after->before = moment;
	before->after = moment;
}

static void
unlink_moment(Moment *moment)
{
	moment->before->after = moment->after;
	if (moment->after != NULL)
		moment->after->before = moment->before;
}

static void
relink(Moment *moment)
{
	moment->before->after = moment;
	if (moment->after != NULL)
		moment->after->before = moment;
}

/* Takes an operation out of the list, and puts it back. */
static void
lift(Moment *call)
{
	unlink_moment(call);
	if (call->match != NULL)
		unlink_moment(call->match);
}

static void
unlift(Moment *call)
{
	if (call->match != NULL)
		relink(call->match);
	relink(call);
}

/* All calls and returns, in their order. */
static void
make_moments(Search *search)
{
	Moment	   *moments = run_alloc((2 * search->n + 1) * sizeof(Moment));
	Moment	   *last = &search->head;
	size_t		used = 0;

	for (size_t i = 0; i < search->n; i++)
	{
		const Operation *op = search->ops[i];
		Moment	   *call = &moments[used++];
		Moment	   *at = last;

		/* calls come in order but for a few; returns are looked for from the end */
		*call = (Moment) {.place = op->invoked, .op = i};
		while (at != &search->head && at->place > call->place)
			at = at->before;
		link_after(at, call);
		if (call->after == NULL)
			last = call;
		if (op->status != OP_OK)
			continue;
		call->match = &moments[used++];
		*call->match = (Moment) {.place = op->returned, .op = i, .is_return = true};
		for (at = last; at->place > call->match->place;)
			at = at->before;
		link_after(at, call->match);
		if (call->match->after == NULL)
			last = call->match;
	}
}

static void
grow_tried(Search *search)
{
	Tried	   *old = search->tried;
	size_t		old_size = search->tried_size;

	search->tried_size = old_size == 0 ? 256 : old_size * 4;
	search->tried = run_alloc(search->tried_size * sizeof(Tried));
	for (size_t i = 0; i < old_size; i++)
	{
		size_t		at = old[i].set[0] ^ (old[i].state * UINT64_C(0x9E3779B97F4A7C15));

		if (!old[i].used)
			continue;
		while (search->tried[at & (search->tried_size - 1)].used)
			at++;
		search->tried[at & (search->tried_size - 1)] = old[i];
	}
}

/* True when this set of operations with this state is tried for the first time. */
static bool
is_new(Search *search, const uint64_t set[2], uint64_t state)
{
	size_t		at = set[0] ^ (state * UINT64_C(0x9E3779B97F4A7C15));
	Tried	   *slot;

	if ((search->tried_used + 1) * 2 > search->tried_size)
		grow_tried(search);
	for (;; at++)
	{
		slot = &search->tried[at & (search->tried_size - 1)];
		if (!slot->used)
			break;
		if (slot->set[0] == set[0] && slot->set[1] == set[1] && slot->state == state)
			return false;
	}
	*slot = (Tried) {.set = {set[0], set[1]}, .state = state, .used = true};
	search->tried_used++;
	return true;
}

/* Adds an operation to a set of them, or takes it out. */
static void
toggle(uint64_t set[2], size_t op)
{
	uint64_t	number = op + 1;

	set[0] ^= lab_hash(1, &number, sizeof(number));
	set[1] ^= lab_hash(2, &number, sizeof(number));
}

/*
 * Looks for an order in which all that was acknowledged happens.
 */
static void
search_order(Search *search)
{
	Moment	  **stack = run_alloc((search->n + 1) * sizeof(Moment *));
	uint64_t   *states = run_alloc((search->n + 1) * sizeof(uint64_t));
	size_t		depth = 0,
				deepest = 0,
				happened = 0;	/* of those acknowledged */
	uint64_t	state = 0;
	uint64_t	set[2] = {0, 0};
	Moment	   *moment = search->head.after;
	const Operation *stuck = NULL;

	while (happened < search->acknowledged)
	{
		uint64_t	next = state;

		if (++search->steps > MAX_STEPS)
		{
			search->result->verdict = LINEARIZE_UNDECIDED;
			search->result->key = search->ops[0]->key;
			snprintf(search->result->what, sizeof(search->result->what),
					 "key %u: undecided after %d steps", search->ops[0]->key, MAX_STEPS);
			return;
		}
		if (moment != NULL && !moment->is_return)
		{
			toggle(set, moment->op);
			if (happen(search, moment->op, &next) && is_new(search, set, next))
			{
				stack[depth] = moment;
				states[depth++] = state;
				state = next;
				happened += search->ops[moment->op]->status == OP_OK;
				lift(moment);
				moment = search->head.after;
			}
			else
			{
				toggle(set, moment->op);
				moment = moment->after;
			}
			continue;
		}

		/* this one should have happened by now */
		if (moment != NULL && (stuck == NULL || depth > deepest))
		{
			deepest = depth;
			stuck = search->ops[moment->op];
		}
		if (depth == 0)
		{
			illegal(search, stuck, "fits no order of what happened");
			return;
		}
		moment = stack[--depth];
		state = states[depth];
		happened -= search->ops[moment->op]->status == OP_OK;
		toggle(set, moment->op);
		unlift(moment);
		moment = moment->after;
	}
}

static void
check_key(Search *search)
{
	bool		is_list = search->ops[0]->kind == OP_LIST_READ ||
		search->ops[0]->kind == OP_LIST_APPEND;

	if (is_list ? !observe_lists(search) : !observe_registers(search))
		return;
	leave_out(search);
	make_moments(search);
	search_order(search);
}

LinearizeResult
linearize(const Operation *operations, size_t n)
{
	LinearizeResult result = {.verdict = LINEARIZE_LEGAL};
	uint32_t	keys = 0;

	for (size_t i = 0; i < n; i++)
		if (operations[i].key >= keys)
			keys = operations[i].key + 1;
	for (uint32_t key = 0; key < keys && result.verdict == LINEARIZE_LEGAL; key++)
	{
		Search		search = {.result = &result};

		search.ops = run_alloc((n + 1) * sizeof(Operation *));
		for (size_t i = 0; i < n; i++)
			if (operations[i].key == key && operations[i].status != OP_FAILED &&
				(operations[i].status == OP_OK || changes(&operations[i])))
				search.ops[search.n++] = &operations[i];
		if (search.n == 0)
			continue;
		check_key(&search);
		result.steps += search.steps;
	}
	return result;
}
