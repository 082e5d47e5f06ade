/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  A slot per backend for what came of its command.
 *
 * Every command has a serial that is never used again, also not by a later
 * incarnation of the server: an answer that comes too late finds another
 * serial in the slot and is dropped.  A backend may therefore leave at any
 * moment, by an error or by its end.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/slots.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/spin.h"

/* Boot count above, counter below: a year at 30,000 proposals a second. */
#define SERIAL_COUNTER_BITS 40

typedef enum SlotPhase
{
	SLOT_FREE,
	SLOT_QUEUED,				/* may still be withdrawn */
	SLOT_TAKEN,					/* the node worker has it: on its way into the log */
	SLOT_PLACED,				/* index and term are known */
	SLOT_SETTLED				/* outcome is known; the backend has not read it yet */
} SlotPhase;

typedef struct Slot
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
} Slot;

#define RESULT_HEAD			offsetof(RaftProposalResult, message)

StaticAssertDecl(RESULT_HEAD <= PG_CACHE_LINE_SIZE,
				 "what is copied under a slot's spinlock is short");

struct RaftSlots
{
	pg_atomic_uint64 next_serial;
	uint32		n;
	Slot		slot[FLEXIBLE_ARRAY_MEMBER];
};

/* --- set-up --- */

Size
raft_slots_shmem_size(void)
{
	return add_size(offsetof(RaftSlots, slot), mul_size(MaxBackends, sizeof(Slot)));
}

void
raft_slots_shmem_init(void *memory)
{
	RaftSlots  *slots = memory;

	pg_atomic_init_u64(&slots->next_serial, 1);
	slots->n = (uint32) MaxBackends;
	for (uint32 i = 0; i < slots->n; i++)
	{
		MemSet(&slots->slot[i], 0, sizeof(Slot));
		SpinLockInit(&slots->slot[i].mutex);
	}
}

/* --- settling: node worker and applier --- */

/*
 * The slot of an entry's origin, with its spinlock held, when it waits for that entry
 * in this phase; else NULL.
 */
static Slot *
lock_slot(RaftSlots *slots, const RaftOrigin *origin, SlotPhase phase)
{
	Slot	   *slot;

	/* an entry of an earlier incarnation may name a slot that is not there now */
	if (origin->slot >= slots->n)
		return NULL;

	slot = &slots->slot[origin->slot];
	SpinLockAcquire(&slot->mutex);
	if (slot->serial == origin->serial && slot->phase == phase)
		return slot;
	SpinLockRelease(&slot->mutex);
	return NULL;
}

/*
 * Ends the proposal in a slot, with the slot's spinlock held, and releases it.
 * "result" gives everything but index and term, unless it has them too, and but the
 * message, which is there already.
 */
static void
settle_and_unlock(Slot *slot, const RaftProposalResult *result)
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

/* --- node worker --- */

void
raft_slots_start(RaftSlots *slots, uint64 boot_count)
{
	uint64		first_serial = boot_count << SERIAL_COUNTER_BITS;

	if (pg_atomic_read_u64(&slots->next_serial) < first_serial)
		pg_atomic_write_u64(&slots->next_serial, first_serial);
}

bool
raft_slot_take(RaftSlots *slots, uint32 number, uint64 serial)
{
	RaftOrigin	origin = {.slot = number,.serial = serial};
	Slot	   *slot = lock_slot(slots, &origin, SLOT_QUEUED);

	if (slot == NULL)
		return false;
	slot->phase = SLOT_TAKEN;
	SpinLockRelease(&slot->mutex);
	return true;
}

void
raft_slot_placed(RaftSlots *slots, const RaftOrigin *origin, RaftIndex index, RaftTerm term)
{
	Slot	   *slot = lock_slot(slots, origin, SLOT_TAKEN);
	RaftProposalResult result = {.outcome = RAFT_OUTCOME_PLACED};

	if (slot == NULL)
		return;

	slot->result.index = index;
	slot->result.term = term;
	if (slot->mode == RAFT_WAIT_PLACED)
		settle_and_unlock(slot, &result);
	else
	{
		slot->phase = SLOT_PLACED;
		SpinLockRelease(&slot->mutex);
	}
}

void
raft_slot_refused(RaftSlots *slots, const RaftOrigin *origin,
				  RaftOutcome outcome, RaftNodeId leader)
{
	Slot	   *slot = lock_slot(slots, origin, SLOT_TAKEN);
	RaftProposalResult result = {.outcome = outcome,.leader = leader};

	if (slot != NULL)
		settle_and_unlock(slot, &result);
}

void
raft_slots_abandon(RaftSlots *slots)
{
	for (uint32 i = 0; i < slots->n; i++)
	{
		Slot	   *slot = &slots->slot[i];
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
}

/* --- applier --- */

/*
 * Puts the error's message into the slot, where nobody looks before it is settled, and
 * where the applier alone writes.
 */
static void
put_message(RaftSlots *slots, const RaftOrigin *origin, const char *message)
{
	Slot	   *slot = lock_slot(slots, origin, SLOT_PLACED);

	/* it may be settled, and its message is being read */
	if (slot == NULL)
		return;
	SpinLockRelease(&slot->mutex);
	strlcpy(slot->result.message, message,
			pg_mbcliplen(message, strlen(message), sizeof(slot->result.message) - 1) + 1);
}

void
raft_slot_applied(RaftSlots *slots, const RaftOrigin *origin, RaftIndex index, RaftTerm term,
				  int sqlstate, const char *message)
{
	Slot	   *slot;
	RaftProposalResult result = {.index = index,.term = term,.sqlstate = sqlstate};

	result.outcome = (sqlstate == 0) ? RAFT_OUTCOME_APPLIED : RAFT_OUTCOME_FAILED;
	if (sqlstate != 0)
		put_message(slots, origin, message ? message : "");

	slot = lock_slot(slots, origin, SLOT_PLACED);
	if (slot != NULL)
		settle_and_unlock(slot, &result);
}

/* Settles what was placed up to "last", and in a term below "below", but not up to "after". */
static void
settle_placed(RaftSlots *slots, RaftOutcome outcome, RaftIndex after, RaftIndex last, RaftTerm below)
{
	RaftProposalResult result = {.outcome = outcome};

	for (uint32 i = 0; i < slots->n; i++)
	{
		Slot	   *slot = &slots->slot[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->phase == SLOT_PLACED && slot->result.term < below &&
			slot->result.index > after && slot->result.index <= last)
			settle_and_unlock(slot, &result);
		else
			SpinLockRelease(&slot->mutex);
	}
}

void
raft_slots_applied_unseen(RaftSlots *slots, RaftIndex applied)
{
	settle_placed(slots, RAFT_OUTCOME_UNKNOWN, 0, applied, PG_UINT64_MAX);
}

void
raft_slots_supersede(RaftSlots *slots, RaftTerm term, RaftIndex unseen)
{
	settle_placed(slots, RAFT_OUTCOME_SUPERSEDED, unseen, PG_UINT64_MAX, term);
}

/* --- backends --- */

/* Where this backend waits for a command. */
static RaftSlots *entered = NULL;
static uint64 my_serial;

static void
leave_at_exit(int code, Datum arg)
{
	RaftProposalResult result;

	if (entered != NULL)
		raft_slot_leave(entered, RAFT_OUTCOME_NO_LEADER, &result);
}

uint64
raft_slot_enter(RaftSlots *slots, RaftWaitMode mode)
{
	static bool registered = false;
	Slot	   *slot = &slots->slot[raft_my_backend_slot()];

	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;

	entered = slots;
	my_serial = pg_atomic_fetch_add_u64(&slots->next_serial, 1);
	SpinLockAcquire(&slot->mutex);
	memset(&slot->result, 0, RESULT_HEAD);
	slot->serial = my_serial;
	slot->mode = mode;
	slot->latch = MyLatch;
	slot->phase = SLOT_QUEUED;
	SpinLockRelease(&slot->mutex);
	return my_serial;
}

bool
raft_slot_is_settled(RaftSlots *slots)
{
	Slot	   *slot = &slots->slot[raft_my_backend_slot()];
	bool		settled;

	SpinLockAcquire(&slot->mutex);
	settled = (slot->phase == SLOT_SETTLED);
	SpinLockRelease(&slot->mutex);
	return settled;
}

void
raft_slot_leave(RaftSlots *slots, RaftOutcome if_withdrawn, RaftProposalResult *result)
{
	Slot	   *slot = &slots->slot[raft_my_backend_slot()];

	Assert(entered == slots);
	entered = NULL;
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

bool
raft_slot_place(RaftSlots *slots, int number, RaftIndex *index, RaftTerm *term)
{
	Slot	   *slot = &slots->slot[number];
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
