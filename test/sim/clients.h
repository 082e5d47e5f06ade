/*-------------------------------------------------------------------------
 *
 * clients.h
 *	  Clients of the replicated state machine, and what they put into the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_CLIENTS_H
#define RAFT_TEST_SIM_CLIENTS_H

#include "lab.h"
#include "linearize.h"

#define CLIENT_COMMAND_MAGIC	UINT64_C(0x636f6d6d616e6421)

/* The data of an entry that is an operation of a client. */
typedef struct ClientCommand
{
	uint64_t	magic;
	uint32_t	client;
	uint32_t	kind;			/* OpKind */
	uint64_t	key;
	uint64_t	serial;			/* grows with each operation of the client */
	uint64_t	argument;
	uint64_t	expected;
} ClientCommand;

extern MachineAnswer machine_peek(const Machine *machine, const ClientCommand *command);

#endif							/* RAFT_TEST_SIM_CLIENTS_H */
