/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Addresses of a host name, without waiting for them.  Private to src/net.
 *
 * Plain C, as lookup.c is: see there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOOKUP_H
#define RAFT_LOOKUP_H

#include <stdbool.h>

#define RAFT_MAX_ADDRESSES		6	/* of a name; more of them are not used */
#define RAFT_MAX_ADDRESS_TEXT	64	/* an IPv6 address with its scope */

/* n > 0 exactly when error is 0. */
typedef struct RaftAddresses
{
	int			error;			/* EAI_*, 0 = found */
	int			system_error;	/* errno, when error is EAI_SYSTEM */
	int			n;
	char		address[RAFT_MAX_ADDRESSES][RAFT_MAX_ADDRESS_TEXT];
} RaftAddresses;

/* Asks; a file descriptor that can be read once the answer is there, or -1 with errno. */
extern int	raft_lookup_begin(const char *name);

/* Takes the answer; false when it is not there yet. */
extern bool raft_lookup_answer(int lookup, RaftAddresses *addresses);

/* The lookup has been answered, or nobody is interested any more. */
extern void raft_lookup_end(int lookup);

#endif							/* RAFT_LOOKUP_H */
