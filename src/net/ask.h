/*-------------------------------------------------------------------------
 *
 * ask.h
 *	  One query to other members, of all of them at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_ASK_H
#define RAFT_ASK_H

#include "raft_pg.h"

typedef struct RaftAnswer
{
	/* whom to ask */
	const char *name;
	const char *conninfo;

	/* what came back, palloc'd in the context of the caller */
	bool		reached;		/* a session was opened; the query may have failed all the same */
	char	   *error;			/* NULL = answered */
	int			n_rows;
	int			n_columns;
	char	  **values;			/* row by row, NULL for null */
} RaftAnswer;

/*
 * Asks all of them and returns when each has answered, failed, or not answered within
 * timeout_ms, which is for everything together.  Interruptible; leaves no connection
 * behind, also after an ERROR.  For ordinary backends: the node worker never asks.
 */
extern void raft_ask_members(RaftAnswer *answers, int n, const char *self_name,
							 const char *query, int timeout_ms);

static inline const char *
raft_answer_value(const RaftAnswer *answer, int row, int column)
{
	return answer->values[row * answer->n_columns + column];
}

#endif							/* RAFT_ASK_H */
