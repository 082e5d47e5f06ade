/*-------------------------------------------------------------------------
 *
 * inbox.c
 *	  Frames on their way from the stream backends to the node worker: one
 *	  single-producer single-consumer byte ring in shared memory per peer.
 *
 * Positions only grow; a byte lies at (position mod ring size).  Each frame
 * is preceded by a RingMark and begins at a multiple of 8.  A frame that does
 * not fit before the end of the ring starts at its beginning; a mark of size 0
 * tells the reader to skip the rest.
 *
 *		 head (reader)						  tail (writer)
 *		   v									v
 *		  [mark|frame][mark|frame][mark|frame   ]......[mark 0 ~~skip~~]
 *
 * The writer publishes a frame by storing tail after a write barrier, the
 * reader gives bytes back by storing head after it has used them.  Nothing is
 * locked on that path.
 *
 * Who may write is settled under a spinlock.  A claim draws a ticket; only the
 * bearer of the ring's newest ticket may go on, and the ring is handed over
 * when its former owner has let go of it, so that two writers never meet in
 * one ring.  One life of the node worker is an epoch: closing the inboxes
 * ends all streams of the epoch, and each mark carries its epoch, so that a
 * late frame of an earlier one (of another group, even, that had this slot of
 * shared memory) is never read.  It carries the sender's log as well: what a
 * former stream of another log left there is not taken for the word of this one.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "host_mutants.h"
#include "net/inbox.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/spin.h"

#define RING_ALIGN		16
#define RING_ALIGNED(size)	TYPEALIGN(RING_ALIGN, (size))

/* Stands before each frame. */
typedef struct RingMark
{
	uint32		size;			/* of the frame; 0 = skip to the ring's beginning */
	uint32		epoch;			/* low half of the epoch that it was written in */
	uint64		log_id;			/* of the sender */
} RingMark;

StaticAssertDecl(UINT64CONST(1024) * RAFT_MAX_INBOX_SIZE_KB * RAFT_MAX_MEMBERS < PG_INT32_MAX,
				 "offsets into a group's rings fit 32 bits");
StaticAssertDecl(sizeof(RingMark) == RING_ALIGN, "a ring mark keeps frames aligned");

typedef struct Ring
{
	/* under RaftInboxes.mutex; sender is read without it as well */
	pg_atomic_uint32 sender;	/* whose ring this is, 0 = nobody's yet */
	pg_atomic_uint32 owned;		/* 1 while a stream holds the ring */
	Latch	   *owner_latch;	/* of the backend that holds the ring */

	pg_atomic_uint64 ticket;	/* newest claim; grows */

	/* each on a cache line of its own: written by different processes */
	char		pad1[PG_CACHE_LINE_SIZE];
	pg_atomic_uint64 tail;		/* the writer's: bytes up to here are filled */
	char		pad2[PG_CACHE_LINE_SIZE];
	pg_atomic_uint64 head;		/* the reader's: bytes up to here are free again */
	pg_atomic_uint64 room_wanted;	/* free bytes that the writer waits for, 0 = none */
	char		pad3[PG_CACHE_LINE_SIZE];
} Ring;

struct RaftInboxes
{
	slock_t		mutex;			/* claims and releases */
	ConditionVariable released; /* a stream let go of its ring */
	pg_atomic_uint64 epoch;		/* odd: open; even: closed */
	pg_atomic_uint64 arrivals;	/* claims that got their ring */
	uint32		ring_size;		/* fixed at server start */
	uint32		cursor;			/* the reader's: ring to look at first */
	Ring		rings[RAFT_MAX_MEMBERS];
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* the rings' bytes, one after the other */
};

struct RaftInboxWriter
{
	RaftInboxes *inboxes;
	Ring	   *ring;
	char	   *data;
	uint64		log_id;			/* of the sender */
	uint64		epoch;
	uint64		ticket;
	uint64		tail;			/* the shared one, known here best */
	uint64		head;			/* as read last: at least so much is free */
	uint64		needed;			/* free bytes that the last refused frame needs */
};

/* A backend serves one stream at a time. */
static RaftInboxWriter my_writer;

/* Offset of the rings' bytes, aligned for the marks. */
#define DATA_OFFSET		MAXALIGN(offsetof(RaftInboxes, data))

static Size
ring_bytes(void)
{
	return TYPEALIGN_DOWN(RING_ALIGN, (Size) raft_inbox_size_kb * 1024);
}

static char *
ring_data(RaftInboxes *inboxes, int ring)
{
	return (char *) inboxes + DATA_OFFSET + (Size) ring * inboxes->ring_size;
}

Size
raft_inboxes_shmem_size(void)
{
	return add_size(DATA_OFFSET, mul_size(raft_max_members, ring_bytes()));
}

void
raft_inboxes_shmem_init(void *memory)
{
	RaftInboxes *inboxes = memory;

	memset(inboxes, 0, DATA_OFFSET);
	SpinLockInit(&inboxes->mutex);
	ConditionVariableInit(&inboxes->released);
	pg_atomic_init_u64(&inboxes->epoch, 0);
	pg_atomic_init_u64(&inboxes->arrivals, 0);
	inboxes->ring_size = ring_bytes();

	for (int i = 0; i < raft_max_members; i++)
	{
		Ring	   *ring = &inboxes->rings[i];

		pg_atomic_init_u32(&ring->sender, 0);
		pg_atomic_init_u32(&ring->owned, 0);
		pg_atomic_init_u64(&ring->ticket, 0);
		pg_atomic_init_u64(&ring->tail, 0);
		pg_atomic_init_u64(&ring->head, 0);
		pg_atomic_init_u64(&ring->room_wanted, 0);
	}
}

/* --- claiming and releasing --- */

static bool
epoch_is_open(uint64 epoch)
{
	return (epoch & 1) != 0;
}

/* Bytes that the reader has not given back. */
static uint64
ring_used(Ring *ring)
{
	return pg_atomic_read_u64(&ring->tail) - pg_atomic_read_u64(&ring->head);
}

/*
 * The ring of this sender: the one it had, else a fresh one, else one whose
 * sender has gone and left nothing to read.  Called under the mutex; NULL when
 * there is none.
 */
static Ring *
ring_of_sender(RaftInboxes *inboxes, RaftNodeId sender)
{
	Ring	   *fresh = NULL;
	Ring	   *left = NULL;

	for (int i = 0; i < raft_max_members; i++)
	{
		Ring	   *ring = &inboxes->rings[i];
		RaftNodeId	holder = pg_atomic_read_u32(&ring->sender);

		if (holder == sender)
			return ring;
		if (holder == 0)
			fresh = fresh ? fresh : ring;
		else if (pg_atomic_read_u32(&ring->owned) == 0 &&
				 (ring_used(ring) == 0 || RAFT_HOST_MUTANT(INBOX_RING_REUSED)))
			left = left ? left : ring;
	}
	return fresh ? fresh : left;
}

/* What one look at the rings said to a claimant. */
typedef enum ClaimResult
{
	CLAIM_GRANTED,
	CLAIM_WAIT,					/* the former owner has been told to let go */
	CLAIM_CLOSED,
	CLAIM_OVERTAKEN,			/* a newer claim came while this one waited */
	CLAIM_NO_RING
} ClaimResult;

/*
 * One step of a claim, under the mutex.  Draws a ticket in the first step.
 */
static ClaimResult
claim_step(RaftInboxWriter *writer, RaftNodeId sender, Latch **owner)
{
	RaftInboxes *inboxes = writer->inboxes;
	Ring	   *ring = writer->ring;
	uint64		epoch = pg_atomic_read_u64(&inboxes->epoch);

	*owner = NULL;
	if (!epoch_is_open(epoch) || (ring != NULL && epoch != writer->epoch))
		return CLAIM_CLOSED;

	if (ring == NULL)
	{
		ring = ring_of_sender(inboxes, sender);
		if (ring == NULL)
			return CLAIM_NO_RING;
		pg_atomic_write_u32(&ring->sender, sender);
		writer->ring = ring;
		writer->data = ring_data(inboxes, ring - inboxes->rings);
		writer->epoch = epoch;
		writer->ticket = pg_atomic_add_fetch_u64(&ring->ticket, 1);
	}
	else if (pg_atomic_read_u64(&ring->ticket) != writer->ticket)
		return CLAIM_OVERTAKEN;

	if (pg_atomic_read_u32(&ring->owned) != 0)
	{
		*owner = ring->owner_latch;
		return CLAIM_WAIT;
	}

	pg_atomic_write_u32(&ring->owned, 1);
	ring->owner_latch = &MyProc->procLatch;
	pg_atomic_write_u64(&ring->room_wanted, 0);
	writer->tail = pg_atomic_read_u64(&ring->tail);
	writer->head = pg_atomic_read_u64(&ring->head);
	pg_atomic_fetch_add_u64(&inboxes->arrivals, 1);
	return CLAIM_GRANTED;
}

static void
report_claim_failure(ClaimResult result, RaftNodeId sender)
{
	switch (result)
	{
		case CLAIM_CLOSED:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("Raft group of this database is not accepting streams"),
					 errdetail("Its node worker is not running.")));
			break;
		case CLAIM_OVERTAKEN:
			ereport(ERROR,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("stream of Raft node %u was replaced by a newer one", sender)));
			break;
		case CLAIM_NO_RING:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("too many Raft streams into this database"),
					 errdetail("At most %d nodes can send to one group.", raft_max_members),
					 errhint("Increase \"raft_pg.max_members\" and restart the server.")));
			break;
		case CLAIM_GRANTED:
		case CLAIM_WAIT:
			break;
	}
}

RaftInboxWriter *
raft_inbox_claim(RaftInboxes *inboxes, RaftNodeId sender, uint64 log_id)
{
	RaftInboxWriter *writer = &my_writer;
	ClaimResult result;

	memset(writer, 0, sizeof(*writer));
	writer->inboxes = inboxes;
	writer->log_id = log_id;

	ConditionVariablePrepareToSleep(&inboxes->released);
	for (;;)
	{
		Latch	   *owner;

		SpinLockAcquire(&inboxes->mutex);
		result = claim_step(writer, sender, &owner);
		SpinLockRelease(&inboxes->mutex);

		if (result != CLAIM_WAIT)
			break;
		SetLatch(owner);
		ConditionVariableSleep(&inboxes->released, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	/* Those who wait with an older ticket give up. */
	ConditionVariableBroadcast(&inboxes->released);
	if (result != CLAIM_GRANTED)
		report_claim_failure(result, sender);
	return writer;
}

bool
raft_inbox_lost(RaftInboxWriter *writer)
{
	return pg_atomic_read_u64(&writer->ring->ticket) != writer->ticket ||
		raft_inbox_closed(writer);
}

bool
raft_inbox_closed(RaftInboxWriter *writer)
{
	return pg_atomic_read_u64(&writer->inboxes->epoch) != writer->epoch;
}

void
raft_inbox_release(RaftInboxWriter *writer)
{
	RaftInboxes *inboxes = writer->inboxes;
	Ring	   *ring = writer->ring;

	SpinLockAcquire(&inboxes->mutex);
	Assert(pg_atomic_read_u32(&ring->owned) == 1);
	pg_atomic_write_u64(&ring->room_wanted, 0);
	ring->owner_latch = NULL;
	pg_atomic_write_u32(&ring->owned, 0);
	SpinLockRelease(&inboxes->mutex);

	ConditionVariableBroadcast(&inboxes->released);
}

/* --- writing --- */

/* Is so much free now?  Looks at the shared head only when its copy says no. */
static bool
ring_has_room(RaftInboxWriter *writer, uint64 bytes)
{
	uint64		size = writer->inboxes->ring_size + (RAFT_HOST_MUTANT(INBOX_OVERFILLED) ? RING_ALIGN : 0);

	if (size - (writer->tail - writer->head) >= bytes)
		return true;

	writer->head = pg_atomic_read_u64(&writer->ring->head);
	/* the reader has finished with those bytes before they are overwritten */
	pg_memory_barrier();
	if (size - (writer->tail - writer->head) >= bytes)
		return true;

	writer->needed = bytes;
	return false;
}

static void
ring_publish(RaftInboxWriter *writer, uint64 bytes)
{
	writer->tail += bytes;
	pg_write_barrier();
	pg_atomic_write_u64(&writer->ring->tail, writer->tail);
}

bool
raft_inbox_put(RaftInboxWriter *writer, const void *frame, Size size)
{
	uint64		ring_size = writer->inboxes->ring_size;
	uint64		bytes = sizeof(RingMark) + RING_ALIGNED(size);
	uint64		offset = writer->tail % ring_size;
	RingMark	mark;

	if (bytes > ring_size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("Raft message of %zu bytes does not fit into the inbox", size),
				 errdetail("The inbox of each peer has " UINT64_FORMAT " bytes.", ring_size),
				 errhint("Increase \"raft_pg.inbox_size\" and restart the server.")));

	if (raft_inbox_lost(writer) && !RAFT_HOST_MUTANT(INBOX_PUT_WHEN_LOST))
		return false;

	mark.epoch = (uint32) writer->epoch;
	mark.log_id = writer->log_id;

	/*
	 * The rest of the ring is skipped in a step of its own, so that a frame as
	 * large as the ring still finds room once the reader has passed the skip.
	 */
	if (offset + bytes > ring_size)
	{
		if (!ring_has_room(writer, ring_size - offset) && !RAFT_HOST_MUTANT(INBOX_SKIP_UNCHECKED))
			return false;
		mark.size = 0;
		memcpy(writer->data + offset, &mark, sizeof(mark));
		ring_publish(writer, ring_size - offset);
		offset = 0;
	}

	if (!ring_has_room(writer, bytes))
		return false;
	mark.size = (uint32) size;
	memcpy(writer->data + offset, &mark, sizeof(mark));
	memcpy(writer->data + offset + sizeof(mark), frame, size);
	ring_publish(writer, bytes);
	return true;
}

void
raft_inbox_want_room(RaftInboxWriter *writer)
{
	/*
	 * A quarter of the ring at least: waking a backend for the room of one
	 * small frame each time would cost more than the frame.
	 */
	uint64		wanted = Max(writer->needed, writer->inboxes->ring_size / 4);

	pg_atomic_write_u64(&writer->ring->room_wanted, wanted);
	/* pairs with ring_give_back(): either it sees the wish or we see the room */
	pg_memory_barrier();
}

/* --- the node worker --- */

void
raft_inboxes_wake(RaftInboxes *inboxes)
{
	Latch	   *latches[RAFT_MAX_MEMBERS];
	int			n = 0;

	SpinLockAcquire(&inboxes->mutex);
	for (int i = 0; i < raft_max_members; i++)
	{
		if (pg_atomic_read_u32(&inboxes->rings[i].owned) != 0)
			latches[n++] = inboxes->rings[i].owner_latch;
	}
	SpinLockRelease(&inboxes->mutex);

	for (int i = 0; i < n; i++)
		SetLatch(latches[i]);
	ConditionVariableBroadcast(&inboxes->released);
}

void
raft_inboxes_close(RaftInboxes *inboxes)
{
	SpinLockAcquire(&inboxes->mutex);
	if (epoch_is_open(pg_atomic_read_u64(&inboxes->epoch)))
		pg_atomic_fetch_add_u64(&inboxes->epoch, 1);
	SpinLockRelease(&inboxes->mutex);

	raft_inboxes_wake(inboxes);	/* so that they see the new epoch */
}

void
raft_inboxes_reset(RaftInboxes *inboxes)
{
	raft_inboxes_close(inboxes);

	/*
	 * A stream of the former epoch that has not yet noticed may still add a
	 * frame behind this; its mark will give it away.
	 */
	SpinLockAcquire(&inboxes->mutex);
	for (int i = 0; i < raft_max_members; i++)
	{
		Ring	   *ring = &inboxes->rings[i];

		pg_atomic_write_u64(&ring->head, pg_atomic_read_u64(&ring->tail));
		if (pg_atomic_read_u32(&ring->owned) == 0)
			pg_atomic_write_u32(&ring->sender, 0);
	}
	inboxes->cursor = 0;
	pg_atomic_fetch_add_u64(&inboxes->epoch, 1);
	SpinLockRelease(&inboxes->mutex);
}

/* Gives bytes back to the writer, and wakes it when it waits for them. */
static void
ring_give_back(RaftInboxes *inboxes, Ring *ring, uint64 bytes)
{
	uint64		head = pg_atomic_read_u64(&ring->head) + bytes;
	uint64		wanted;

	/* what was read has been read before the writer may overwrite it */
	pg_memory_barrier();
	pg_atomic_write_u64(&ring->head, head);
	pg_memory_barrier();

	wanted = pg_atomic_read_u64(&ring->room_wanted);
	if (wanted != 0 &&
		inboxes->ring_size - (pg_atomic_read_u64(&ring->tail) - head) >= wanted)
	{
		Latch	   *latch;

		SpinLockAcquire(&inboxes->mutex);
		pg_atomic_write_u64(&ring->room_wanted, 0);
		latch = ring->owner_latch;
		SpinLockRelease(&inboxes->mutex);
		if (latch != NULL)
			SetLatch(latch);
	}
}

/* The first frame of this ring that belongs to the present epoch, or NULL. */
static const uint8 *
ring_first(RaftInboxes *inboxes, int number, Size *size, uint64 *log_id)
{
	Ring	   *ring = &inboxes->rings[number];
	uint32		epoch = (uint32) pg_atomic_read_u64(&inboxes->epoch);

	for (;;)
	{
		uint64		head = pg_atomic_read_u64(&ring->head);
		uint64		offset = head % inboxes->ring_size;
		char	   *place;
		RingMark	mark;

		if (pg_atomic_read_u64(&ring->tail) == head)
			return NULL;
		pg_read_barrier();

		place = ring_data(inboxes, number) + offset;
		memcpy(&mark, place, sizeof(mark));
		if (mark.size == 0)
			ring_give_back(inboxes, ring, inboxes->ring_size - offset);
		else if (mark.epoch != epoch)
			ring_give_back(inboxes, ring, sizeof(mark) + RING_ALIGNED(mark.size));
		else
		{
			*size = mark.size;
			*log_id = mark.log_id;
			return (const uint8 *) place + sizeof(mark);
		}
	}
}

const uint8 *
raft_inbox_next(RaftInboxes *inboxes, int *ring, Size *size, uint64 *log_id)
{
	for (int i = 0; i < raft_max_members; i++)
	{
		int			number = (inboxes->cursor + (uint32) i) % (uint32) raft_max_members;
		const uint8 *frame = ring_first(inboxes, number, size, log_id);

		if (frame != NULL)
		{
			*ring = number;
			return frame;
		}
	}
	return NULL;
}

void
raft_inbox_consume(RaftInboxes *inboxes, int ring)
{
	Ring	   *r = &inboxes->rings[ring];
	uint64		offset = pg_atomic_read_u64(&r->head) % inboxes->ring_size;
	RingMark	mark;

	memcpy(&mark, ring_data(inboxes, ring) + offset, sizeof(mark));
	inboxes->cursor = (ring + 1) % raft_max_members;
	ring_give_back(inboxes, r, sizeof(mark) + RING_ALIGNED(mark.size));
}

/* --- status --- */

bool
raft_inbox_connected(RaftInboxes *inboxes, RaftNodeId sender)
{
	for (int i = 0; i < raft_max_members; i++)
	{
		Ring	   *ring = &inboxes->rings[i];

		if (pg_atomic_read_u32(&ring->sender) == sender)
			return pg_atomic_read_u32(&ring->owned) != 0;
	}
	return false;
}

uint64
raft_inboxes_arrivals(RaftInboxes *inboxes)
{
	return pg_atomic_read_u64(&inboxes->arrivals);
}
