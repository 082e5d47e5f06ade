/*-------------------------------------------------------------------------
 *
 * environment.h
 *	  What a database must have in common with those of the other members.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_ENVIRONMENT_H
#define RAFT_ENVIRONMENT_H

#include "raft_pg.h"

/* Of this database, as one line; palloc'd.  In a transaction. */
extern char *raft_environment(void);

/* ERROR 55000 when that of another node differs from ours. */
extern void raft_environment_check(const char *name, const char *environment);

#endif							/* RAFT_ENVIRONMENT_H */
