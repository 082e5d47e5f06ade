/*-------------------------------------------------------------------------
 *
 * linearize_test.c
 *	  The checker of histories is checked itself: hand-made histories that are
 *	  legal or not, and random small ones against every order there is.
 *
 *-------------------------------------------------------------------------
 */
#include "linearize.h"

#define NEVER	UINT64_MAX

/* One operation of a hand-made history on key 0: client, call, return, what. */
#define READ(c, from, to, value) \
	{.kind = OP_READ, .status = OP_OK, .client = c, .invoked = from, .returned = to, .result = value}
#define WRITE(c, from, to, value) \
	{.kind = OP_WRITE, .status = OP_OK, .client = c, .invoked = from, .returned = to, .argument = value}
#define MAYBE_WRITE(c, from, value) \
	{.kind = OP_WRITE, .status = OP_UNKNOWN, .client = c, .invoked = from, .argument = value}
#define FAILED_WRITE(c, from, value) \
	{.kind = OP_WRITE, .status = OP_FAILED, .client = c, .invoked = from, .argument = value}
#define CAS(c, from, to, old, value, found) \
	{.kind = OP_CAS, .status = OP_OK, .client = c, .invoked = from, .returned = to, \
	 .expected = old, .argument = value, .result = found}
#define MAYBE_CAS(c, from, old, value) \
	{.kind = OP_CAS, .status = OP_UNKNOWN, .client = c, .invoked = from, .expected = old, .argument = value}
#define APPEND(c, from, to, value) \
	{.kind = OP_LIST_APPEND, .status = OP_OK, .client = c, .invoked = from, .returned = to, .argument = value}
#define MAYBE_APPEND(c, from, value) \
	{.kind = OP_LIST_APPEND, .status = OP_UNKNOWN, .client = c, .invoked = from, .argument = value}
#define FAILED_APPEND(c, from, value) \
	{.kind = OP_LIST_APPEND, .status = OP_FAILED, .client = c, .invoked = from, .argument = value}
#define LIST(c, from, to, content) \
	{.kind = OP_LIST_READ, .status = OP_OK, .client = c, .invoked = from, .returned = to, .list = content}

#define expect(lab, verdict, ...) \
	do { \
		const Operation history[] = {__VA_ARGS__}; \
		expect_verdict((lab), __LINE__, (verdict), history, lengthof(history)); \
	} while (0)

static void
expect_verdict(Lab *lab, int line, LinearizeVerdict expected, const Operation *history, size_t n)
{
	LinearizeResult result = linearize(history, n);

	lab_check(lab, result.verdict == expected, "line %d: the history is %s: %s", line,
			  result.verdict == LINEARIZE_LEGAL ? "taken for legal" : "refused", result.what);
}

static const ListCell *
list_of(const uint64_t *values, size_t n)
{
	const ListCell *list = NULL;

	for (size_t i = 0; i < n; i++)
		list = list_append(list, values[i]);
	return list;
}

#define list(...) list_of((const uint64_t[]) {__VA_ARGS__}, sizeof((const uint64_t[]) {__VA_ARGS__}) / 8)

/* Legal: one order explains each. */
static void
linearize_accepts(Lab *lab)
{
	expect(lab, LINEARIZE_LEGAL, READ(1, 1, 2, 0), WRITE(1, 3, 4, 7), READ(2, 5, 6, 7));
	/* a read beside a write sees either value */
	expect(lab, LINEARIZE_LEGAL, WRITE(1, 1, 4, 7), READ(2, 2, 3, 0));
	expect(lab, LINEARIZE_LEGAL, WRITE(1, 1, 4, 7), READ(2, 2, 3, 7));
	/* two writes at once, in either order */
	expect(lab, LINEARIZE_LEGAL, WRITE(1, 1, 5, 7), WRITE(2, 2, 4, 8), READ(3, 6, 7, 7));
	/* an unknown write shows late, or never */
	expect(lab, LINEARIZE_LEGAL, MAYBE_WRITE(1, 1, 7), READ(2, 2, 3, 0), READ(2, 4, 5, 7));
	expect(lab, LINEARIZE_LEGAL, MAYBE_WRITE(1, 1, 7), READ(2, 2, 3, 0), READ(2, 4, 5, 0));
	expect(lab, LINEARIZE_LEGAL, FAILED_WRITE(1, 1, 7), READ(2, 2, 3, 0));
	expect(lab, LINEARIZE_LEGAL, WRITE(1, 1, 2, 7), CAS(1, 3, 4, 7, 8, 7), READ(2, 5, 6, 8));
	expect(lab, LINEARIZE_LEGAL, WRITE(1, 1, 2, 7), CAS(1, 3, 4, 6, 8, 7), READ(2, 5, 6, 7));
	expect(lab, LINEARIZE_LEGAL, MAYBE_CAS(1, 1, 0, 8), READ(2, 2, 3, 0), READ(2, 4, 5, 8));
	/* appends, one after the other and at once */
	expect(lab, LINEARIZE_LEGAL, APPEND(1, 1, 2, 7), APPEND(2, 3, 4, 8), LIST(1, 5, 6, list(7, 8)));
	expect(lab, LINEARIZE_LEGAL, APPEND(1, 1, 4, 7), APPEND(2, 2, 3, 8), LIST(1, 5, 6, list(8, 7)));
	expect(lab, LINEARIZE_LEGAL, LIST(2, 1, 4, NULL), APPEND(1, 2, 3, 7));
	expect(lab, LINEARIZE_LEGAL, MAYBE_APPEND(1, 1, 7), APPEND(2, 2, 3, 8), LIST(2, 4, 5, list(8)),
		   LIST(2, 6, 7, list(8, 7)));
	/* an append that nobody read any more */
	expect(lab, LINEARIZE_LEGAL, LIST(1, 1, 2, NULL), APPEND(2, 3, 4, 8));
}

/* Illegal: what broken systems have shown to their clients. */
static void
linearize_refuses(Lab *lab)
{
	/* a stale read */
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 2, 7), READ(2, 3, 4, 0));
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 6, 7), READ(2, 2, 3, 7), READ(3, 4, 5, 0));
	/* a lost write */
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 2, 7), WRITE(1, 3, 4, 8), READ(2, 5, 6, 7));
	expect(lab, LINEARIZE_ILLEGAL, APPEND(1, 1, 2, 7), APPEND(1, 3, 4, 8), LIST(2, 5, 6, list(7)));
	/* a double append, and a write that was applied again */
	expect(lab, LINEARIZE_ILLEGAL, APPEND(1, 1, 2, 7), APPEND(2, 3, 4, 8), LIST(2, 5, 6, list(7, 8, 7)));
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 2, 7), WRITE(2, 3, 4, 8), READ(3, 5, 6, 8), READ(3, 7, 8, 7));
	/* failed, yet visible */
	expect(lab, LINEARIZE_ILLEGAL, FAILED_WRITE(1, 1, 7), READ(2, 2, 3, 7));
	expect(lab, LINEARIZE_ILLEGAL, FAILED_APPEND(1, 1, 7), LIST(2, 2, 3, list(7)));
	/* a phantom */
	expect(lab, LINEARIZE_ILLEGAL, READ(1, 1, 2, 7));
	expect(lab, LINEARIZE_ILLEGAL, LIST(1, 1, 2, list(7)));
	/* an unknown write cannot show before it was called, nor go away again */
	expect(lab, LINEARIZE_ILLEGAL, READ(2, 1, 2, 7), MAYBE_WRITE(1, 3, 7));
	expect(lab, LINEARIZE_ILLEGAL, MAYBE_WRITE(1, 1, 7), READ(2, 2, 3, 7), READ(2, 4, 5, 0));
	/* two compare-and-sets of one value cannot both succeed */
	expect(lab, LINEARIZE_ILLEGAL, CAS(1, 1, 4, 0, 7, 0), CAS(2, 2, 3, 0, 8, 0));
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 2, 7), CAS(1, 3, 4, 6, 8, 6));
	/* two readers who disagree about an order */
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 20, 7), WRITE(2, 2, 21, 8), READ(3, 3, 4, 7),
		   READ(3, 5, 6, 8), READ(4, 7, 8, 7));
	expect(lab, LINEARIZE_ILLEGAL, APPEND(1, 1, 20, 7), APPEND(2, 2, 21, 8), LIST(3, 3, 4, list(7)),
		   LIST(4, 5, 6, list(8)));
	/* responses crossed: each reader got the other's answer */
	expect(lab, LINEARIZE_ILLEGAL, WRITE(1, 1, 2, 7), READ(2, 3, 4, 8), WRITE(1, 5, 6, 8), READ(2, 7, 8, 7));
}

/* ------------------------------------- against every order there is */

#define MOST	6				/* operations in a random history */

/* Can the operations that did not happen yet explain themselves, from this state? */
static bool
explained(const Operation *ops, size_t n, uint32_t happened, const ListCell *list, uint64_t value)
{
	uint64_t	first_return = NEVER;
	bool		done = true;

	for (size_t i = 0; i < n; i++)
	{
		if (((happened >> i) & 1) || ops[i].status != OP_OK)
			continue;
		done = false;
		if (ops[i].returned < first_return)
			first_return = ops[i].returned;
	}
	if (done)
		return true;
	for (size_t i = 0; i < n; i++)
	{
		const Operation *op = &ops[i];
		const ListCell *next_list = list;
		uint64_t	next = value;

		if (((happened >> i) & 1) || op->status == OP_FAILED || op->invoked > first_return)
			continue;
		if (op->kind == OP_WRITE || (op->kind == OP_CAS && value == op->expected))
			next = op->argument;
		if (op->kind == OP_LIST_APPEND)
			next_list = list_append(list, op->argument);
		if (op->status == OP_OK && (op->kind == OP_READ || op->kind == OP_CAS) && op->result != value)
			continue;
		if (op->kind == OP_LIST_READ && op->status == OP_OK)
		{
			const ListCell *a = list,
					   *b = op->list;

			while (a != NULL && b != NULL && a->value == b->value)
				a = a->older, b = b->older;
			if (a != NULL || b != NULL)
				continue;
		}
		if (explained(ops, n, happened | UINT32_C(1) << i, next_list, next))
			return true;
	}
	return false;
}

/* Random operations with random results, half of the time on a list. */
static size_t
random_history(Rng *rng, Operation *ops)
{
	size_t		n = rng_between(rng, 2, MOST);
	bool		on_list = rng_percent(rng, 50);
	uint64_t	written = 0;

	for (size_t i = 0; i < n; i++)
	{
		Operation  *op = &ops[i];
		uint64_t	length = rng_below(rng, 4);

		*op = (Operation) {.client = (uint32_t) i, .invoked = 200 * i + 2 * rng_below(rng, 100)};
		op->returned = op->invoked + 1 + 2 * rng_below(rng, 400);
		if (on_list)
			op->kind = rng_percent(rng, 50) ? OP_LIST_READ : OP_LIST_APPEND;
		else
			op->kind = (OpKind) rng_below(rng, 3);
		op->status = rng_percent(rng, 70) ? OP_OK : rng_percent(rng, 70) ? OP_UNKNOWN : OP_FAILED;
		if (op->kind == OP_WRITE || op->kind == OP_CAS || op->kind == OP_LIST_APPEND)
			op->argument = ++written;
		op->expected = rng_below(rng, written + 1);
		op->result = rng_below(rng, 4);
		for (uint64_t k = 0; k < length && op->kind == OP_LIST_READ; k++)
			op->list = list_append(op->list, 1 + (rng_percent(rng, 70) ? k : rng_below(rng, 4)));
	}
	return n;
}

/* The checker says what trying every order says. */
static void
linearize_agrees_with_every_order(Lab *lab)
{
	uint32_t	legal = 0;
	const uint32_t histories = 500;

	for (uint32_t i = 0; i < histories; i++)
	{
		Operation	ops[MOST];
		size_t		n = random_history(&lab->rng_test, ops);
		bool		truth = explained(ops, n, 0, NULL, 0);
		LinearizeResult result = linearize(ops, n);

		lab_check(lab, result.verdict == (truth ? LINEARIZE_LEGAL : LINEARIZE_ILLEGAL),
				  "history %u is %s, the checker says otherwise: %s", i, truth ? "legal" : "illegal",
				  result.what);
		legal += truth;
	}
	lab_check(lab, legal > histories / 10 && legal < histories - histories / 10,
			  "%u of %u random histories are legal: too few of one kind", legal, histories);
}

/*
 * A history that cannot be decided within the bound says so: thirty writes at
 * once, all of them read in one order and then in another.
 */
static void
linearize_gives_up(Lab *lab)
{
	Operation	ops[61];
	size_t		n = 0;
	LinearizeResult result;

	for (uint64_t i = 1; i <= 30; i++)
		ops[n++] = (Operation) WRITE(1, i, 1000, i);
	for (uint64_t i = 1; i <= 30; i++)
		ops[n++] = (Operation) READ(2, 100 + 2 * i, 1000 + i, i);
	ops[n++] = (Operation) READ(3, 2000, 2001, 0);
	for (size_t i = 0; i < n; i++)
		ops[i].key = 0;
	result = linearize(ops, n);
	lab_check(lab, result.verdict == LINEARIZE_UNDECIDED, "the history was decided in %llu steps",
			  (unsigned long long) result.steps);
}

const LabTest linearize_tests[] = {
	{"linearize_accepts", "unit", 0, 1, linearize_accepts},
	{"linearize_refuses", "unit", 0, 1, linearize_refuses},
	{"linearize_agrees_with_every_order", "unit", 0, 20, linearize_agrees_with_every_order},
	{"linearize_gives_up", "unit", 0, 1, linearize_gives_up},
	{0}
};
