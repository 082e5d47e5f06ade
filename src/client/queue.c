/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  A byte queue with many writers and one reader.
 *
 * Head, passed and tail are counts of bytes that only grow.  An item lies in the ring
 * in one piece; where it does not fit in front of the ring's end, a gap fills that.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/queue.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"

#define MIN_QUEUE_BYTES		(1024 * 1024)

/* Head of an item; its bytes follow. */
typedef struct ItemHead
{
	uint32		total;			/* bytes up to the next item */
	uint32		size;			/* bytes of this one, GAP: it is none */
} ItemHead;

#define GAP					PG_UINT32_MAX

/* So that the head of an item always fits between its position and the ring's end. */
#define ITEM_ALIGN			sizeof(ItemHead)
#define ITEM_TOTAL(size)	TYPEALIGN(ITEM_ALIGN, sizeof(ItemHead) + (size))

StaticAssertDecl(ITEM_ALIGN % MAXIMUM_ALIGNOF == 0 && PG_CACHE_LINE_SIZE % ITEM_ALIGN == 0,
				 "items are aligned, and the ring ends where one may begin");

struct RaftQueue
{
	pg_atomic_uint64 head;		/* bytes ever queued; writers, under their lock */
	pg_atomic_uint64 tail;		/* bytes ever freed; reader */
	uint64		passed;			/* reader: tail <= passed <= head */
	bool		open;			/* under the writers' lock */
	ConditionVariable room_cv;
	Size		size;
	char	   *bytes;
};

/* --- set-up --- */

static Size
queue_bytes(void)
{
	/* max_command_size can be raised by a reload: count with its bound */
	return TYPEALIGN(PG_CACHE_LINE_SIZE, Max(MIN_QUEUE_BYTES, 2 * raft_max_frame_bytes()));
}

Size
raft_queue_shmem_size(void)
{
	return add_size(CACHELINEALIGN(sizeof(RaftQueue)), queue_bytes());
}

void
raft_queue_shmem_init(void *memory)
{
	RaftQueue  *queue = memory;

	pg_atomic_init_u64(&queue->head, 0);
	pg_atomic_init_u64(&queue->tail, 0);
	queue->passed = 0;
	queue->open = false;
	ConditionVariableInit(&queue->room_cv);
	queue->size = queue_bytes();
	queue->bytes = (char *) queue + CACHELINEALIGN(sizeof(RaftQueue));
}

static ItemHead *
item_at(RaftQueue *queue, uint64 position)
{
	return (ItemHead *) (queue->bytes + position % queue->size);
}

/* --- writers --- */

bool
raft_queue_is_open(RaftQueue *queue)
{
	return queue->open;
}

void *
raft_queue_reserve(RaftQueue *queue, Size size)
{
	uint64		head = pg_atomic_read_u64(&queue->head);
	uint64		used = head - pg_atomic_read_u64(&queue->tail);
	Size		to_end = queue->size - head % queue->size;
	Size		total = ITEM_TOTAL(size);
	Size		gap = (to_end < total) ? to_end : 0;
	ItemHead   *item;

	pg_memory_barrier();		/* the reader has left what lies before tail */

	if (used + gap + total > queue->size)
		return NULL;

	if (gap > 0)
	{
		item = item_at(queue, head);
		item->total = (uint32) gap;
		item->size = GAP;
		raft_queue_publish(queue);
		head += gap;
	}

	item = item_at(queue, head);
	item->total = (uint32) total;
	item->size = (uint32) size;
	return item + 1;
}

void
raft_queue_publish(RaftQueue *queue)
{
	uint64		head = pg_atomic_read_u64(&queue->head);

	pg_write_barrier();
	pg_atomic_write_u64(&queue->head, head + item_at(queue, head)->total);
}

bool
raft_queue_await_room(RaftQueue *queue, Size size, RaftTime deadline)
{
	static uint32 wait_event = 0;
	bool		in_time = true;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftProposalQueue");

	ConditionVariablePrepareToSleep(&queue->room_cv);
	while (queue->open && in_time &&
		   pg_atomic_read_u64(&queue->head) - pg_atomic_read_u64(&queue->tail) +
		   2 * ITEM_TOTAL(size) > queue->size)
	{
		long		timeout = raft_remaining_ms(deadline);

		if (timeout == 0)
			in_time = false;
		else
			ConditionVariableTimedSleep(&queue->room_cv, timeout, wait_event);
	}
	ConditionVariableCancelSleep();
	return in_time;
}

/* --- reader --- */

void
raft_queue_open(RaftQueue *queue)
{
	queue->passed = pg_atomic_read_u64(&queue->head);
	pg_atomic_write_u64(&queue->tail, queue->passed);
	queue->open = true;
}

void
raft_queue_close(RaftQueue *queue)
{
	queue->open = false;
}

void
raft_queue_wake_writers(RaftQueue *queue)
{
	ConditionVariableBroadcast(&queue->room_cv);
}

bool
raft_queue_has_next(RaftQueue *queue)
{
	return queue->passed < pg_atomic_read_u64(&queue->head);
}

const void *
raft_queue_next(RaftQueue *queue, Size *size)
{
	while (raft_queue_has_next(queue))
	{
		const ItemHead *item = item_at(queue, queue->passed);

		pg_read_barrier();		/* what lies before head is complete */
		if (item->size != GAP)
		{
			*size = item->size;
			return item + 1;
		}
		queue->passed += item->total;
	}
	return NULL;
}

void
raft_queue_pass(RaftQueue *queue)
{
	queue->passed += item_at(queue, queue->passed)->total;
}

void
raft_queue_free_passed(RaftQueue *queue)
{
	if (pg_atomic_read_u64(&queue->tail) == queue->passed)
		return;

	pg_memory_barrier();		/* all reads of the items are over */
	pg_atomic_write_u64(&queue->tail, queue->passed);
	raft_queue_wake_writers(queue);
}
