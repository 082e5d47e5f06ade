/*-------------------------------------------------------------------------
 *
 * proposals.c
 *	  Commands go through the group's queue, each bound to the slot of its
 *	  backend.
 *
 * The slot is marked before the node worker sees the command.  A command whose backend
 * has left its slot, or waits for another one there, is withdrawn: it is passed over.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/proposals.h"
#include "client/queue.h"
#include "miscadmin.h"
#include "stop_point.h"
#include "storage/lwlock.h"

/* An item of the queue. */
typedef struct Command
{
	uint64		serial;
	uint32		slot;
	uint32		kind;
	uint8		data[FLEXIBLE_ARRAY_MEMBER];
} Command;

#define COMMAND_HEADER		offsetof(Command, data)

/* --- backends --- */

RaftPut
raft_proposals_put(RaftGroup *group, uint8 kind, const char *data, Size size,
				   RaftWaitMode mode)
{
	RaftPut		result = RAFT_PUT_QUEUED;
	Command    *command;

	LWLockAcquire(group->proposal_lock, LW_EXCLUSIVE);

	/*
	 * While we waited, the place may have gone to the group of another
	 * database; as long as the queue is open, it cannot go on to a third.
	 */
	if (!raft_queue_is_open(group->queue) || group->database != MyDatabaseId)
		result = RAFT_PUT_CLOSED;
	else if ((command = raft_queue_reserve(group->queue, COMMAND_HEADER + size)) == NULL)
		result = RAFT_PUT_NO_ROOM;
	else
	{
		command->serial = raft_slot_enter(group->slots, mode);
		command->slot = (uint32) raft_my_backend_slot();
		command->kind = (uint32) kind;
		memcpy(command->data, data, size);
		raft_queue_publish(group->queue);
	}
	LWLockRelease(group->proposal_lock);
	return result;
}

bool
raft_proposals_await_room(RaftGroup *group, Size size, RaftTime deadline)
{
	return raft_queue_await_room(group->queue, COMMAND_HEADER + size, deadline);
}

/* --- node worker --- */

void
raft_proposals_open(RaftGroup *group)
{
	LWLockAcquire(group->proposal_lock, LW_EXCLUSIVE);
	raft_slots_start(group->slots, group->boot_count);
	raft_queue_open(group->queue);
	LWLockRelease(group->proposal_lock);
}

void
raft_proposals_abandon(RaftGroup *group)
{
	/* nobody enters the queue after this, so the sweep of the slots misses nobody */
	LWLockAcquire(group->proposal_lock, LW_EXCLUSIVE);
	raft_queue_close(group->queue);
	LWLockRelease(group->proposal_lock);

	raft_slots_abandon(group->slots);
	raft_queue_wake_writers(group->queue);
}

bool
raft_proposals_queued(RaftGroup *group)
{
	return raft_queue_has_next(group->queue);
}

int
raft_proposals_take(RaftGroup *group, RaftTaken *taken, int max, Size max_bytes)
{
	const Command *command;
	Size		item_size;
	Size		bytes = 0;
	int			n = 0;

	raft_stop_point("take");

	while (n < max && (command = raft_queue_next(group->queue, &item_size)) != NULL)
	{
		Size		size = item_size - COMMAND_HEADER;

		if (n > 0 && bytes + size > max_bytes)
			break;

		if (raft_slot_take(group->slots, command->slot, command->serial))
		{
			taken[n].origin.node = group->node_id;
			taken[n].origin.slot = command->slot;
			taken[n].origin.serial = command->serial;
			taken[n].kind = (uint8) command->kind;
			taken[n].size = (uint32) size;
			taken[n].data = command->data;
			bytes += size;
			n++;
		}
		raft_queue_pass(group->queue);
	}
	return n;
}

void
raft_proposals_done(RaftGroup *group)
{
	raft_queue_free_passed(group->queue);
}
