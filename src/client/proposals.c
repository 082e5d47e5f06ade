/*-------------------------------------------------------------------------
 *
 * proposals.c
 *	  From a backend to the node worker and back: a byte queue for the
 *	  commands, a slot per backend for the answer.
 *
 *	  backend								worker
 *	  FREE -> QUEUED --------- take ------> TAKEN
 *	    ^       |								|-- refused ---------> SETTLED
 *	    |   withdraw							'-- placed -> PLACED
 *	    |       v								                |-- applied (applier) --> SETTLED
 *	    '----- FREE								                '-- superseded ---------> SETTLED
 *
 * Every proposal has a serial that is never used again, also not by a later
 * incarnation of the server: an answer that comes too late finds another
 * serial in the slot and is dropped.  A backend may therefore leave at any
 * moment, by an error or by its end; what is still queued then is withdrawn.
 *
 * What the client is told, by the way out of the wait:
 *
 *	way out								while QUEUED			once TAKEN or PLACED
 *	--------------------------------	--------------------	--------------------------
 *	refused by the node worker			-						25006, 57P03, 53400
 *	applied (applier)					-						index, or the command's error
 *	superseded (applier)				-						40001
 *	timeout of the call					57P03					08007
 *	cancel, statement_timeout			57014					08007
 *	any other ERROR in the wait			that error				08007
 *	termination							FATAL 57P01				FATAL 08007
 *	any other end of the process		withdrawn				nobody is there to be told
 *	end of the node worker (its			proposed again until	08007
 *	error, raft_stop(), a drop,			the timeout; 55000 in
 *	failure of the group)				a stopped group
 *	error of the applier after it has	-						08007
 *	committed, before it tells
 *	crash of the server					-						connection lost
 *
 * 08007 leaves the outcome open, or says that the command is in the log.  All
 * others are certain.
 *
 * And when the answer is here, but the statement has not ended (api/statement.c):
 *
 *	the command's own error, nothing else proposed by the statement		that error
 *	any other ERROR: of the next proposal (57P03, 25006, its command's
 *	error, 54000 ..), a cancel, whatever else the statement does		08007
 *	termination															FATAL 08007
 *	an error of the commit itself: a deferred constraint, 40001 of a
 *	serializable transaction that has written							that error
 *
 * An error is an answer only when it is all that there is to say of what the statement
 * has put into the log.  test/t/031_interrupts.pl tries each.
 *
 * The queue has many writers (under proposal_lock) and one reader, which needs
 * no lock: head and tail are counts of bytes that only grow.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/proposals.h"
#include "client/waiting.h"
#include "group/group.h"
#include "group/shared.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "stop_point.h"
#include "storage/ipc.h"

/* Boot count above, counter below: a year at 30,000 proposals a second. */
#define SERIAL_COUNTER_BITS 40

#define MIN_QUEUE_BYTES		(1024 * 1024)

typedef enum SlotPhase
{
	SLOT_FREE,
	SLOT_QUEUED,				/* may still be withdrawn */
	SLOT_TAKEN,					/* the node worker has it: on its way into the log */
	SLOT_PLACED,				/* index and term are known */
	SLOT_SETTLED				/* outcome is known; the backend has not read it yet */
} SlotPhase;

typedef struct ProposalSlot
{
	slock_t		mutex;
	SlotPhase	phase;
	RaftWaitMode mode;
	uint64		serial;
	Latch	   *latch;			/* of the waiting backend */

	/*
	 * The message is long, so that it is not copied under the spinlock: the applier
	 * writes it before it settles a slot, the backend reads it after that.
	 */
	RaftProposalResult result;
} ProposalSlot;

#define RESULT_HEAD			offsetof(RaftProposalResult, message)

StaticAssertDecl(RESULT_HEAD <= PG_CACHE_LINE_SIZE,
				 "what is copied under a slot's spinlock is short");

/* One command in the queue, followed by its data; the next begins ITEM_ALIGNed. */
typedef struct QueueItem
{
	uint32		total;			/* bytes up to the next item */
	uint32		size;			/* bytes of data */
	uint32		slot;			/* NO_SLOT: filler up to the end of the ring */
	uint32		kind;
	uint64		serial;
} QueueItem;

#define NO_SLOT				PG_UINT32_MAX
#define ITEM_HEADER			MAXALIGN(sizeof(QueueItem))

/* So that the head of an item always fits between its position and the ring's end. */
#define ITEM_ALIGN			32

StaticAssertDecl(ITEM_ALIGN >= ITEM_HEADER && PG_CACHE_LINE_SIZE % ITEM_ALIGN == 0,
				 "a filler at the end of the queue must not reach beyond it");

struct RaftProposals
{
	pg_atomic_uint64 next_serial;
	pg_atomic_uint64 head;		/* bytes ever queued; writers, under proposal_lock */
	pg_atomic_uint64 tail;		/* bytes ever freed; node worker */
	uint64		taken;			/* node worker: read up to here, tail <= taken <= head */
	bool		open;			/* under proposal_lock: there is a node worker */
	ConditionVariable room_cv;
	uint32		n_slots;
	Size		queue_bytes;
	ProposalSlot *slots;
	char	   *queue;
};

/* --- set-up --- */

static Size
queue_bytes(void)
{
	/* max_command_size can be raised by a reload: count with its bound */
	return TYPEALIGN(PG_CACHE_LINE_SIZE, Max(MIN_QUEUE_BYTES, 2 * raft_max_frame_bytes()));
}

static Size
slots_offset(void)
{
	return CACHELINEALIGN(sizeof(RaftProposals));
}

static Size
queue_offset(void)
{
	return CACHELINEALIGN(add_size(slots_offset(), mul_size(MaxBackends, sizeof(ProposalSlot))));
}

Size
raft_proposals_shmem_size(void)
{
	return add_size(queue_offset(), queue_bytes());
}

void
raft_proposals_shmem_init(void *memory)
{
	RaftProposals *proposals = memory;

	pg_atomic_init_u64(&proposals->next_serial, 1);
	pg_atomic_init_u64(&proposals->head, 0);
	pg_atomic_init_u64(&proposals->tail, 0);
	proposals->taken = 0;
	proposals->open = false;
	ConditionVariableInit(&proposals->room_cv);
	proposals->n_slots = (uint32) MaxBackends;
	proposals->queue_bytes = queue_bytes();
	proposals->slots = (ProposalSlot *) ((char *) proposals + slots_offset());
	proposals->queue = (char *) proposals + queue_offset();

	for (uint32 i = 0; i < proposals->n_slots; i++)
	{
		MemSet(&proposals->slots[i], 0, sizeof(ProposalSlot));
		SpinLockInit(&proposals->slots[i].mutex);
	}
}

/* --- settling a slot: node worker and applier --- */

static ProposalSlot *
slot_of(RaftGroup *group, const RaftOrigin *origin)
{
	/* an entry of an earlier incarnation may name a slot that is not there now */
	if (origin->slot >= group->proposals->n_slots)
		return NULL;
	return &group->proposals->slots[origin->slot];
}

/*
 * Ends the proposal in a slot, with the slot's spinlock held, and releases it.
 * "result" gives everything but index and term, unless it has them too, and but the
 * message, which is there already.
 */
static void
settle_and_unlock(ProposalSlot *slot, const RaftProposalResult *result)
{
	Latch	   *latch = slot->latch;
	RaftIndex	index = slot->result.index;
	RaftTerm	term = slot->result.term;

	memcpy(&slot->result, result, RESULT_HEAD);
	if (result->index == 0)
	{
		slot->result.index = index;
		slot->result.term = term;
	}
	slot->phase = SLOT_SETTLED;
	SpinLockRelease(&slot->mutex);

	SetLatch(latch);
}

void
raft_proposal_placed(RaftGroup *group, const RaftOrigin *origin, RaftIndex index, RaftTerm term)
{
	ProposalSlot *slot = slot_of(group, origin);

	SpinLockAcquire(&slot->mutex);
	if (slot->serial != origin->serial || slot->phase != SLOT_TAKEN)
	{
		SpinLockRelease(&slot->mutex);
		return;
	}

	slot->result.index = index;
	slot->result.term = term;
	if (slot->mode == RAFT_WAIT_PLACED)
	{
		RaftProposalResult result = {.outcome = RAFT_OUTCOME_PLACED};

		settle_and_unlock(slot, &result);
		return;
	}
	slot->phase = SLOT_PLACED;
	SpinLockRelease(&slot->mutex);
}

void
raft_proposal_refused(RaftGroup *group, const RaftOrigin *origin,
					  RaftOutcome outcome, RaftNodeId leader)
{
	ProposalSlot *slot = slot_of(group, origin);
	RaftProposalResult result = {.outcome = outcome,.leader = leader};

	SpinLockAcquire(&slot->mutex);
	if (slot->serial == origin->serial && slot->phase == SLOT_TAKEN)
		settle_and_unlock(slot, &result);
	else
		SpinLockRelease(&slot->mutex);
}

/*
 * Puts the error's message into the slot, where nobody looks before it is settled, and
 * where the applier alone writes.
 */
static void
put_message(ProposalSlot *slot, const RaftOrigin *origin, const char *message)
{
	bool		awaited;

	SpinLockAcquire(&slot->mutex);
	awaited = slot->serial == origin->serial && slot->phase == SLOT_PLACED;
	SpinLockRelease(&slot->mutex);

	/* else it may be settled, and its message is being read */
	if (awaited)
		strlcpy(slot->result.message, message,
				pg_mbcliplen(message, strlen(message), sizeof(slot->result.message) - 1) + 1);
}

void
raft_proposal_applied(RaftGroup *group, const RaftOrigin *origin, RaftIndex index,
					  RaftTerm term, int sqlstate, const char *message)
{
	ProposalSlot *slot = slot_of(group, origin);
	RaftProposalResult result = {.index = index,.term = term,.sqlstate = sqlstate};

	if (slot == NULL)
		return;

	result.outcome = (sqlstate == 0) ? RAFT_OUTCOME_APPLIED : RAFT_OUTCOME_FAILED;
	if (sqlstate != 0)
		put_message(slot, origin, message ? message : "");

	SpinLockAcquire(&slot->mutex);
	if (slot->serial == origin->serial && slot->phase == SLOT_PLACED)
		settle_and_unlock(slot, &result);
	else
		SpinLockRelease(&slot->mutex);
}

void
raft_proposals_applied_unseen(RaftGroup *group, RaftIndex applied)
{
	RaftProposals *proposals = group->proposals;
	RaftProposalResult result = {.outcome = RAFT_OUTCOME_UNKNOWN};

	for (uint32 i = 0; i < proposals->n_slots; i++)
	{
		ProposalSlot *slot = &proposals->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->phase == SLOT_PLACED && slot->result.index <= applied)
			settle_and_unlock(slot, &result);
		else
			SpinLockRelease(&slot->mutex);
	}
}

void
raft_proposals_supersede(RaftGroup *group, RaftTerm term, RaftIndex unseen)
{
	RaftProposals *proposals = group->proposals;
	RaftProposalResult result = {.outcome = RAFT_OUTCOME_SUPERSEDED};

	for (uint32 i = 0; i < proposals->n_slots; i++)
	{
		ProposalSlot *slot = &proposals->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->phase == SLOT_PLACED && slot->result.term < term &&
			slot->result.index > unseen)
			settle_and_unlock(slot, &result);
		else
			SpinLockRelease(&slot->mutex);
	}
}

/* --- the queue: node worker --- */

void
raft_proposals_open(RaftGroup *group)
{
	RaftProposals *proposals = group->proposals;
	uint64		first_serial = (uint64) group->boot_count << SERIAL_COUNTER_BITS;

	LWLockAcquire(group->proposal_lock, LW_EXCLUSIVE);
	proposals->taken = pg_atomic_read_u64(&proposals->head);
	pg_atomic_write_u64(&proposals->tail, proposals->taken);
	if (pg_atomic_read_u64(&proposals->next_serial) < first_serial)
		pg_atomic_write_u64(&proposals->next_serial, first_serial);
	proposals->open = true;
	LWLockRelease(group->proposal_lock);
}

void
raft_proposals_abandon(RaftGroup *group)
{
	RaftProposals *proposals = group->proposals;

	/* nobody enters the queue after this, so the sweep below misses nobody */
	LWLockAcquire(group->proposal_lock, LW_EXCLUSIVE);
	proposals->open = false;
	LWLockRelease(group->proposal_lock);

	for (uint32 i = 0; i < proposals->n_slots; i++)
	{
		ProposalSlot *slot = &proposals->slots[i];
		RaftProposalResult result = {.outcome = RAFT_OUTCOME_UNKNOWN};

		SpinLockAcquire(&slot->mutex);
		if (slot->phase == SLOT_QUEUED)
			result.outcome = RAFT_OUTCOME_STOPPED;
		if (slot->phase == SLOT_QUEUED || slot->phase == SLOT_TAKEN ||
			slot->phase == SLOT_PLACED)
			settle_and_unlock(slot, &result);
		else
			SpinLockRelease(&slot->mutex);
	}

	ConditionVariableBroadcast(&proposals->room_cv);
}

int
raft_proposals_take(RaftGroup *group, RaftTaken *taken, int max, Size max_bytes)
{
	RaftProposals *proposals = group->proposals;
	uint64		head = pg_atomic_read_u64(&proposals->head);
	Size		bytes = 0;
	int			n = 0;

	raft_stop_point("take");
	pg_read_barrier();			/* the items up to head are complete */

	while (proposals->taken < head && n < max)
	{
		QueueItem  *item = (QueueItem *)
			(proposals->queue + proposals->taken % proposals->queue_bytes);

		if (item->slot != NO_SLOT)
		{
			ProposalSlot *slot = &proposals->slots[item->slot];
			bool		wanted;

			if (n > 0 && bytes + item->size > max_bytes)
				break;

			SpinLockAcquire(&slot->mutex);
			wanted = (slot->serial == item->serial && slot->phase == SLOT_QUEUED);
			if (wanted)
				slot->phase = SLOT_TAKEN;
			SpinLockRelease(&slot->mutex);

			if (wanted)
			{
				taken[n].origin.node = group->node_id;
				taken[n].origin.slot = item->slot;
				taken[n].origin.serial = item->serial;
				taken[n].kind = (uint8) item->kind;
				taken[n].size = item->size;
				taken[n].data = (const uint8 *) item + ITEM_HEADER;
				bytes += item->size;
				n++;
			}
		}
		proposals->taken += item->total;
	}
	return n;
}

bool
raft_proposals_queued(RaftGroup *group)
{
	return group->proposals->taken < pg_atomic_read_u64(&group->proposals->head);
}

void
raft_proposals_done(RaftGroup *group)
{
	RaftProposals *proposals = group->proposals;

	if (pg_atomic_read_u64(&proposals->tail) == proposals->taken)
		return;

	pg_memory_barrier();		/* all reads of the items are over */
	pg_atomic_write_u64(&proposals->tail, proposals->taken);
	ConditionVariableBroadcast(&proposals->room_cv);
}

/* --- the queue: backends --- */

typedef enum EnqueueResult
{
	ENQUEUED,
	ENQUEUE_NO_ROOM,
	ENQUEUE_CLOSED				/* there is no node worker now */
} EnqueueResult;

static void
put_item(RaftProposals *proposals, uint64 position, const QueueItem *item, const char *data)
{
	char	   *where = proposals->queue + position % proposals->queue_bytes;

	memcpy(where, item, sizeof(*item));
	memcpy(where + ITEM_HEADER, data, item->size);
}

/* Puts a command in one piece into the ring; the slot is marked with it. */
static EnqueueResult
enqueue(RaftGroup *group, ProposalSlot *slot, QueueItem *item, const char *data,
		RaftWaitMode mode)
{
	RaftProposals *proposals = group->proposals;
	EnqueueResult result = ENQUEUED;

	LWLockAcquire(group->proposal_lock, LW_EXCLUSIVE);

	/*
	 * While we waited, the place may have gone to the group of another
	 * database; as long as the queue is open, it cannot go on to a third.
	 */
	if (!proposals->open || group->database != MyDatabaseId)
		result = ENQUEUE_CLOSED;
	else
	{
		uint64		head = pg_atomic_read_u64(&proposals->head);
		uint64		used = head - pg_atomic_read_u64(&proposals->tail);
		Size		to_end = proposals->queue_bytes - head % proposals->queue_bytes;
		Size		filler = (to_end < item->total) ? to_end : 0;

		pg_memory_barrier();	/* the worker has left what lies before tail */

		if (used + filler + item->total > proposals->queue_bytes)
			result = ENQUEUE_NO_ROOM;
		else
		{
			if (filler > 0)
			{
				QueueItem  *gap = (QueueItem *)
					(proposals->queue + head % proposals->queue_bytes);

				gap->total = (uint32) filler;
				gap->slot = NO_SLOT;
				head += filler;
			}

			item->serial = pg_atomic_fetch_add_u64(&proposals->next_serial, 1);
			SpinLockAcquire(&slot->mutex);
			memset(&slot->result, 0, RESULT_HEAD);
			slot->serial = item->serial;
			slot->mode = mode;
			slot->latch = MyLatch;
			slot->phase = SLOT_QUEUED;
			SpinLockRelease(&slot->mutex);

			put_item(proposals, head, item, data);
			pg_write_barrier();
			pg_atomic_write_u64(&proposals->head, head + item->total);
		}
	}
	LWLockRelease(group->proposal_lock);
	return result;
}

/* What this backend has in the queue or waits for. */
static ProposalSlot *my_slot = NULL;
static uint64 my_serial;

/*
 * Takes this backend out of its slot.  What it still waited for ends here:
 * withdrawn when the node worker has not taken it, else its outcome is unknown.
 */
static void
leave_slot(RaftOutcome if_withdrawn, RaftProposalResult *result)
{
	ProposalSlot *slot = my_slot;

	my_slot = NULL;
	SpinLockAcquire(&slot->mutex);
	Assert(slot->serial == my_serial);
	memcpy(result, &slot->result, RESULT_HEAD);
	if (slot->phase == SLOT_QUEUED)
		result->outcome = if_withdrawn;
	else if (slot->phase == SLOT_TAKEN || slot->phase == SLOT_PLACED)
		result->outcome = RAFT_OUTCOME_UNKNOWN;
	slot->phase = SLOT_FREE;
	SpinLockRelease(&slot->mutex);

	/* nobody writes there before this backend has proposed again */
	if (result->outcome == RAFT_OUTCOME_FAILED)
		strlcpy(result->message, slot->result.message, sizeof(result->message));
	else
		result->message[0] = '\0';
}

/* The process ends, in whatever way: nobody waits for the command any more. */
static void
leave_at_exit(int code, Datum arg)
{
	RaftProposalResult result;

	if (my_slot != NULL)
		leave_slot(RAFT_OUTCOME_NO_LEADER, &result);
}

static void
enter_slot(ProposalSlot *slot, uint64 serial)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;
	my_slot = slot;
	my_serial = serial;
}

/* May the command be in the log now, or get there later? */
static bool
is_handed_over(const RaftProposalResult *result)
{
	switch (result->outcome)
	{
		case RAFT_OUTCOME_PLACED:
		case RAFT_OUTCOME_APPLIED:
		case RAFT_OUTCOME_FAILED:
		case RAFT_OUTCOME_UNKNOWN:
			return true;
		default:
			return false;
	}
}

/* --- waiting: backends --- */

/*
 * Waits until this node leads, as far as it knows.  Otherwise false, and the
 * result says why.
 */
static bool
await_leadership(RaftGroup *group, RaftTime deadline, RaftProposalResult *result)
{
	static uint32 wait_event = 0;
	RaftNodeId	leader = pg_atomic_read_u32(&group->leader);
	RaftOutcome outcome = RAFT_OUTCOME_PENDING;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftLeader");

	if (leader == 0)
	{
		raft_waiting_begin(RAFT_WAITING_LEADER, 0);
		ConditionVariablePrepareToSleep(&group->state_cv);
	}
	while ((leader = pg_atomic_read_u32(&group->leader)) == 0 ||
		   group->database != MyDatabaseId)
	{
		RaftGroupState state = raft_group_get_state(group, NULL, NULL);
		long		timeout = raft_remaining_ms(deadline);

		if (group->database != MyDatabaseId ||
			(state != RAFT_GROUP_STARTING && state != RAFT_GROUP_RUNNING))
			outcome = RAFT_OUTCOME_STOPPED;
		else if (timeout == 0)
			outcome = RAFT_OUTCOME_NO_LEADER;
		if (outcome != RAFT_OUTCOME_PENDING)
			break;

		ConditionVariableTimedSleep(&group->state_cv, timeout, wait_event);
	}
	ConditionVariableCancelSleep();

	if (outcome == RAFT_OUTCOME_PENDING && leader != group->node_id)
		outcome = RAFT_OUTCOME_NOT_LEADER;
	if (outcome == RAFT_OUTCOME_PENDING)
		return true;

	result->outcome = outcome;
	result->leader = leader;
	return false;
}

/* Waits until the queue may have room; false when the deadline passed. */
static bool
await_room(RaftGroup *group, RaftTime deadline, Size needed)
{
	static uint32 wait_event = 0;
	RaftProposals *proposals = group->proposals;
	bool		in_time = true;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftProposalQueue");

	raft_waiting_begin(RAFT_WAITING_QUEUE, 0);
	ConditionVariablePrepareToSleep(&proposals->room_cv);
	while (proposals->open && in_time &&
		   pg_atomic_read_u64(&proposals->head) - pg_atomic_read_u64(&proposals->tail) +
		   2 * needed > proposals->queue_bytes)
	{
		long		timeout = raft_remaining_ms(deadline);

		if (timeout == 0)
			in_time = false;
		else
			ConditionVariableTimedSleep(&proposals->room_cv, timeout, wait_event);
	}
	ConditionVariableCancelSleep();
	return in_time;
}

/*
 * The session is being terminated.  A client that looks at the SQLSTATE alone must
 * not take the end of its connection for a refusal.
 */
static void
end_session(void)
{
	RaftProposalResult result;

	leave_slot(RAFT_OUTCOME_NO_LEADER, &result);
	if (is_handed_over(&result))
		ereport(FATAL,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("terminating connection due to administrator command"),
				 errdetail("The outcome of a command that was handed to the leader is unknown: it may or may not be applied later.")));
	CHECK_FOR_INTERRUPTS();
}

bool
raft_proposal_place(RaftGroup *group, int slot_number, RaftIndex *index, RaftTerm *term)
{
	ProposalSlot *slot = &group->proposals->slots[slot_number];
	bool		placed;

	SpinLockAcquire(&slot->mutex);
	placed = slot->phase == SLOT_PLACED || slot->phase == SLOT_SETTLED;
	if (placed)
	{
		*index = slot->result.index;
		*term = slot->result.term;
	}
	SpinLockRelease(&slot->mutex);
	return placed && *index != 0;
}

/* The wait event for what the command waits for now. */
static uint32
outcome_wait_event(RaftGroup *group)
{
	static uint32 place = 0;
	static uint32 quorum = 0;
	static uint32 applier = 0;
	RaftIndex	index;
	RaftTerm	term;

	if (place == 0)
	{
		place = raft_wait_event_new("RaftProposalPlace");
		quorum = raft_wait_event_new("RaftProposalQuorum");
		applier = raft_wait_event_new("RaftProposalApplier");
	}
	if (!raft_proposal_place(group, raft_my_backend_slot(), &index, &term))
		return place;
	return index <= pg_atomic_read_u64(&group->ready) ? applier : quorum;
}

/* Waits until the slot is settled or the deadline has passed. */
static void
await_outcome(RaftGroup *group, RaftTime deadline)
{
	ProposalSlot *slot = my_slot;
	long		look_ms = RAFT_WAIT_EVENT_LOOK_MS;

	raft_waiting_begin(RAFT_WAITING_COMMAND, 0);
	for (;;)
	{
		bool		settled;
		long		timeout;

		SpinLockAcquire(&slot->mutex);
		settled = (slot->phase == SLOT_SETTLED);
		SpinLockRelease(&slot->mutex);
		if (settled || (timeout = raft_remaining_ms(deadline)) == 0)
			return;

		/*
		 * Nobody is waked because its command has come a step further, which would cost
		 * each one two switches of processes.  So who waits long looks by itself now and
		 * then whether its wait event is still the right one.
		 */
		if (look_ms > 0)
		{
			timeout = timeout < 0 ? look_ms : Min(timeout, look_ms);
			look_ms = Min(look_ms * 2, RAFT_WAIT_EVENT_LOOK_MAX_MS);
		}
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, outcome_wait_event(group));
		ResetLatch(MyLatch);
		raft_stop_point("awaiting");
		if (ProcDiePending && INTERRUPTS_CAN_BE_PROCESSED())
			end_session();
		CHECK_FOR_INTERRUPTS();
	}
}

/* Puts the command into the queue.  False, and the result says why, when it did not get there. */
static bool
queue_command(RaftGroup *group, RaftEntryKind kind, const char *data, Size size,
			  RaftWaitMode mode, RaftTime deadline, RaftProposalResult *result)
{
	ProposalSlot *slot = &group->proposals->slots[raft_my_backend_slot()];
	QueueItem	item;

	memset(&item, 0, sizeof(item));
	item.total = (uint32) TYPEALIGN(ITEM_ALIGN, ITEM_HEADER + size);
	item.size = (uint32) size;
	item.slot = (uint32) raft_my_backend_slot();
	item.kind = (uint32) kind;

	for (;;)
	{
		EnqueueResult enqueued = enqueue(group, slot, &item, data, mode);

		if (enqueued == ENQUEUED)
			break;
		result->outcome = RAFT_OUTCOME_NO_LEADER;
		if (enqueued == ENQUEUE_CLOSED || !await_room(group, deadline, item.total))
			return false;
	}
	enter_slot(slot, item.serial);
	raft_group_wake_node(group);
	return true;
}

/* One attempt at a node that seems to lead. */
static void
propose_once(RaftGroup *group, RaftEntryKind kind, const char *data, Size size,
			 RaftWaitMode mode, RaftTime deadline, RaftProposalResult *result)
{
	MemoryContext context = CurrentMemoryContext;

	if (!queue_command(group, kind, data, size, mode, deadline, result))
		return;

	PG_TRY();
	{
		await_outcome(group, deadline);
		leave_slot(RAFT_OUTCOME_NO_LEADER, result);
	}
	PG_CATCH();
	{
		leave_slot(RAFT_OUTCOME_NO_LEADER, result);
		if (!is_handed_over(result))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		result->interrupted = CopyErrorData()->message;
		FlushErrorState();
	}
	PG_END_TRY();
}

static void
propose_until(RaftGroup *group, RaftEntryKind kind, const char *data, Size size,
			  RaftWaitMode mode, RaftTime deadline, RaftProposalResult *result)
{
	for (;;)
	{
		memset(result, 0, sizeof(*result));
		if (!await_leadership(group, deadline, result))
			return;

		propose_once(group, kind, data, size, mode, deadline, result);

		/* not appended, and nobody to turn to: there may be a leader soon */
		if ((result->outcome == RAFT_OUTCOME_NOT_LEADER && result->leader == 0) ||
			result->outcome == RAFT_OUTCOME_NO_LEADER ||
			result->outcome == RAFT_OUTCOME_STOPPED)
		{
			Assert(result->index == 0);
			if (raft_remaining_ms(deadline) != 0)
				continue;
			result->outcome = RAFT_OUTCOME_NO_LEADER;
		}
		return;
	}
}

void
raft_propose(RaftGroup *group, RaftEntryKind kind, const char *data, Size size,
			 RaftWaitMode mode, long timeout_ms, RaftProposalResult *result)
{
	PG_TRY();
	{
		propose_until(group, kind, data, size, mode, raft_deadline_in(timeout_ms), result);
	}
	PG_CATCH();
	{
		raft_waiting_end();
		PG_RE_THROW();
	}
	PG_END_TRY();
	raft_waiting_end();
}
