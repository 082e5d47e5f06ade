/*-------------------------------------------------------------------------
 *
 * machine.c
 *	  The state machine that commands are applied to: registers and lists, and
 *	  for each client its latest operation, so that a retry is applied once.
 *
 * A client numbers its operations and has one at a time: the same number again
 * is a repetition and gets the same answer; a lower one is an old copy that came
 * late, whose client has gone on without it.  Commands of the ladder are bytes
 * without a meaning: they only count.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "clients.h"
#include "host_mutants.h"

static bool
decode_command(const LogEntry *entry, ClientCommand *command)
{
	if (entry->kind != RAFT_ENTRY_COMMAND || entry->length < RAFT_RECORD_HEADER + sizeof(*command))
		return false;
	memcpy(command, entry->record + RAFT_RECORD_HEADER, sizeof(*command));
	return command->magic == CLIENT_COMMAND_MAGIC;
}

/* The operation itself. */
static void
operate(Machine *machine, const ClientCommand *command, MachineAnswer *answer)
{
	uint64_t   *value = &machine->registers[command->key % MACHINE_REGISTERS];
	const ListCell **list = &machine->lists[command->key % MACHINE_LISTS];

	switch ((OpKind) command->kind)
	{
		case OP_READ:
			answer->value = *value;
			break;
		case OP_WRITE:
			*value = command->argument;
			break;
		case OP_CAS:
			answer->value = *value;
			if (*value == command->expected)
				*value = command->argument;
			break;
		case OP_LIST_READ:
			answer->list = *list;
			break;
		case OP_LIST_APPEND:
			*list = list_append(*list, command->argument);
			break;
	}
}

/* Applies an entry that is committed, the next one. */
MachineAnswer
machine_apply(Machine *machine, const LogEntry *entry)
{
	ClientCommand command;
	MachineAnswer answer = {0};

	machine->digest = lab_hash(machine->digest, &entry->digest, sizeof(entry->digest));
	if (!decode_command(entry, &command))
		return answer;
	answer.client = command.client;
	answer.serial = command.serial;
	if (command.serial > machine->last[command.client].serial || HOST_MUTANT(RETRY_TWICE))
	{
		answer.effective = true;
		operate(machine, &command, &answer);
		machine->last[command.client] = answer;
	}
	else if (command.serial == machine->last[command.client].serial)
	{
		answer = machine->last[command.client];
		answer.effective = false;
	}
	machine->digest = lab_hash(machine->digest, &answer.value, sizeof(answer.value));
	return answer;
}

/* What a read would answer now, beside the log: only a broken host does that. */
MachineAnswer
machine_peek(const Machine *machine, const ClientCommand *command)
{
	Machine		copy = *machine;
	MachineAnswer answer = {.client = command->client, .serial = command->serial};

	operate(&copy, command, &answer);
	return answer;
}
