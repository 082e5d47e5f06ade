/*-------------------------------------------------------------------------
 *
 * linearize.h
 *	  Could what clients saw have happened one operation after the other?
 *
 * A history is legal when every operation that was acknowledged can be given a
 * moment between its call and its return at which it happened at once, and the
 * results are those of that order.  An operation whose fate is unknown may have
 * happened at any time after its call, or never; one that failed never did.
 *
 * Keys are independent of each other (linearizability is local), so each is
 * checked by itself.  A key is a register (read, write, compare-and-set; 0 at
 * first) or a list (append, read; empty at first).  The values that are written
 * or appended must be different from each other and from 0.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_LINEARIZE_H
#define RAFT_TEST_SIM_LINEARIZE_H

#include "lab.h"

typedef enum OpKind
{
	OP_READ,
	OP_WRITE,
	OP_CAS,
	OP_LIST_READ,
	OP_LIST_APPEND
} OpKind;

typedef enum OpStatus
{
	OP_UNKNOWN,					/* not answered (yet) */
	OP_OK,
	OP_FAILED					/* it is known that it did not happen, and never will */
} OpStatus;

/* A list, its newest element first; never changed, so that lists share their tails. */
typedef struct ListCell
{
	uint64_t	value;
	size_t		length;			/* with this one */
	const struct ListCell *older;
} ListCell;

typedef struct Operation
{
	OpKind		kind;
	OpStatus	status;
	uint32_t	client;
	uint32_t	key;
	uint64_t	argument;		/* WRITE, CAS, APPEND: the value */
	uint64_t	expected;		/* CAS: written only over this value */
	uint64_t	result;			/* READ, CAS: the value found there */
	const ListCell *list;		/* LIST_READ: what it holds, NULL = nothing */
	uint64_t	invoked;		/* places in the order of all calls and returns */
	uint64_t	returned;		/* looked at when OK */
} Operation;

typedef enum LinearizeVerdict
{
	LINEARIZE_LEGAL,
	LINEARIZE_ILLEGAL,
	LINEARIZE_UNDECIDED			/* too many orders to try: counts as a failure */
} LinearizeVerdict;

typedef struct LinearizeResult
{
	LinearizeVerdict verdict;
	uint32_t	key;			/* of the first that is not legal */
	uint64_t	steps;			/* orders tried, over all keys */
	char		what[200];
} LinearizeResult;

extern const ListCell *list_append(const ListCell *list, uint64_t value);
extern const char *op_kind_name(OpKind kind);
extern LinearizeResult linearize(const Operation *operations, size_t n);

#endif							/* RAFT_TEST_SIM_LINEARIZE_H */
