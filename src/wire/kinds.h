/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  Kinds of log entries beyond those that the core acts on.
 *
 * Numbers that all nodes have to agree on, and no more than that: neither the core
 * nor any decoder looks at them.  Log and wire carry an entry of any kind, so that a
 * node can keep, and pass on, what only a newer version can execute.  What the
 * applier does with each kind is in src/apply/kinds.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_KINDS_H
#define RAFT_WIRE_KINDS_H

#include "core/raft.h"

/* Never given to something else.  1 and 2 are the core's; a record has one byte for it. */
typedef enum RaftHostEntryKind
{
	RAFT_ENTRY_COMMAND = RAFT_ENTRY_HOST,	/* an application command */
	RAFT_ENTRY_SET_APPLY = 4,	/* names the function that gets the commands */
	RAFT_ENTRY_SKIP = 5			/* names a committed command that is not to be executed */
} RaftHostEntryKind;
#define RAFT_ENTRY_KIND_MAX		RAFT_ENTRY_SKIP /* that has a name in this version */

#endif							/* RAFT_WIRE_KINDS_H */
