/*-------------------------------------------------------------------------
 *
 * answer.h
 *	  What a peer's server says when it says no.  Private to src/net.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_ANSWER_H
#define RAFT_ANSWER_H

#include "libpq-fe.h"

typedef struct RaftAnswer
{
	char		reason[256];
	char		sqlstate[6];	/* "" = the reason is libpq's own */
} RaftAnswer;

/* The error in a result; left as it is when there is none. */
extern void raft_answer_of_result(const PGresult *result, RaftAnswer *answer);

/* Why a connection, in PQERRORS_VERBOSE, could not be made. */
extern void raft_answer_of_connection(const PGconn *conn, RaftAnswer *answer);

/* Does the reason go away without anybody's doing? */
extern bool raft_answer_passes(const RaftAnswer *answer);

/* Copies a text to one line of at most size bytes. */
extern void raft_copy_one_line(char *to, Size size, const char *from);

#endif							/* RAFT_ANSWER_H */
