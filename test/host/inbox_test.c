/*-------------------------------------------------------------------------
 *
 * inbox_test.c
 *	  net/inbox.c by itself, against a model: what the streams of several senders
 *	  put into tiny rings comes out whole, in the order of each sender, and nothing else
 *	  does; rings are handed on only when they are empty; the end of an epoch
 *	  ends everything.
 *
 * Writer and reader take turns in one process, drawn from a seed.  Two streams of one
 * sender at a time, and a reader and a writer at the same time, are for tests with
 * several servers.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "common/pg_prng.h"
#include "fmgr.h"
#include "net/inbox.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define RINGS			3
#define SENDERS			5
#define RING_KB			1
#define MAX_FRAME		(RING_KB * 1024 - 16)
#define LOG_OF(sender)	((sender) * UINT64CONST(1000000007))
#define MAX_QUEUED		64		/* frames of a sender: more than a ring holds */

/* How each frame begins; the rest follows from it. */
typedef struct FrameHead
{
	uint32		sender;
	uint32		serial;
	uint32		size;
} FrameHead;

typedef struct Model
{
	RaftInboxes *inboxes;
	pg_prng_state random;
	RaftInboxWriter *writer;	/* NULL: nobody holds a ring */
	RaftNodeId	sender;			/* whose stream that is */
	bool		lost;			/* its epoch is over */
	bool		open;
	uint32		next_serial;
	FrameHead	queue[SENDERS + 1][MAX_QUEUED];
	int			queued[SENDERS + 1];
	bool		blocked[SENDERS + 1];	/* its ring may hold what is no frame to be read */
	char	   *wrong;			/* what broke; NULL = nothing */
} Model;

static uint32
draw(Model *model, uint32 n)
{
	return (uint32) pg_prng_uint64_range(&model->random, 0, n - 1);
}

static void
expect(Model *model, bool holds, const char *what)
{
	if (!holds && model->wrong == NULL)
		model->wrong = pstrdup(what);
}

static void
build_frame(uint8 *frame, const FrameHead *head)
{
	memcpy(frame, head, sizeof(*head));
	for (uint32 i = sizeof(*head); i < head->size; i++)
		frame[i] = (uint8) (head->serial * 31 + head->sender * 7 + i);
}

/* --- the reader --- */

/* Takes one frame; false when there was none. */
static bool
read_one(Model *model)
{
	uint8		wanted[MAX_FRAME];
	const uint8 *frame;
	FrameHead	head;
	FrameHead  *first;
	Size		size;
	uint64		log_id;
	int			ring;

	frame = raft_inbox_next(model->inboxes, &ring, &size, &log_id);
	if (frame == NULL)
	{
		for (int s = 1; s <= SENDERS; s++)
		{
			expect(model, model->queued[s] == 0, "a frame was lost");
			model->blocked[s] = false;
		}
		return false;
	}

	expect(model, size >= sizeof(head) && size <= MAX_FRAME, "a frame has an impossible size");
	if (model->wrong)
		return false;
	memcpy(&head, frame, sizeof(head));
	expect(model, head.sender >= 1 && head.sender <= SENDERS && model->queued[head.sender] > 0,
		   "a frame that nobody has put");
	if (model->wrong)
		return false;
	expect(model, log_id == LOG_OF(head.sender), "a frame of another log");
	first = model->queue[head.sender];
	build_frame(wanted, first);
	expect(model, size == first->size && memcmp(frame, wanted, size) == 0,
		   "a frame is not the next one of its sender, or not whole");
	raft_inbox_consume(model->inboxes, ring);
	model->queued[head.sender]--;
	memmove(first, first + 1, model->queued[head.sender] * sizeof(*first));
	return true;
}

static void
drain(Model *model)
{
	while (model->wrong == NULL && read_one(model))
		;
}

/* --- the streams --- */

/* A put whose ERROR, if there is one, is an answer, too. */
static bool
try_put(Model *model, const void *frame, Size size, int *sqlstate)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	*sqlstate = 0;
	PG_TRY();
	{
		done = raft_inbox_put(model->writer, frame, size);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*sqlstate = geterrcode();
		FlushErrorState();
	}
	PG_END_TRY();
	return done;
}

static void
put(Model *model)
{
	uint8		frame[MAX_FRAME];
	FrameHead	head = {.sender = model->sender, .serial = model->next_serial++};
	uint32		most = draw(model, 4) == 0 ? MAX_FRAME : 100;
	bool		empty = model->queued[model->sender] == 0 && draw(model, 8) == 0;
	bool		done;
	int			sqlstate;

	head.size = (uint32) sizeof(head) + draw(model, most - sizeof(head) + 1);
	build_frame(frame, &head);
	if (empty)
		drain(model);
	done = try_put(model, frame, head.size, &sqlstate);
	if (empty && !done && !model->lost)
	{
		drain(model);			/* passes a skip */
		done = try_put(model, frame, head.size, &sqlstate);
		expect(model, done, "an empty ring refuses a frame that fits into it");
	}
	expect(model, sqlstate == 0, "a frame that fits is an error");
	expect(model, !(done && model->lost), "a stream goes on after the end of its epoch");
	if (!done)
	{
		model->blocked[model->sender] = true;
		raft_inbox_want_room(model->writer);
		return;
	}
	expect(model, model->queued[model->sender] < MAX_QUEUED, "more frames than a ring can hold");
	if (model->wrong == NULL)
		model->queue[model->sender][model->queued[model->sender]++] = head;
}

static void
put_oversized(Model *model)
{
	uint8		frame[MAX_FRAME + 1] = {0};
	int			sqlstate;

	(void) try_put(model, frame, sizeof(frame), &sqlstate);
	expect(model, sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED, "a frame that is larger than the ring is no error");
}

static void
claim(Model *model)
{
	MemoryContext context = CurrentMemoryContext;
	RaftNodeId	sender = 1 + draw(model, SENDERS);
	volatile int sqlstate = 0;
	int			busy = 0;
	int			may_be_busy = 0;

	for (int s = 1; s <= SENDERS; s++)
	{
		if (s == (int) sender)
			continue;
		busy += model->queued[s] > 0;
		may_be_busy += model->queued[s] > 0 || model->blocked[s];
	}

	PG_TRY();
	{
		model->writer = raft_inbox_claim(model->inboxes, sender, LOG_OF(sender));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		sqlstate = geterrcode();
		FlushErrorState();
	}
	PG_END_TRY();

	if (!model->open)
		expect(model, sqlstate == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "a stream into closed inboxes");
	else if (busy >= RINGS)
		expect(model, sqlstate == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "a ring was handed on with frames in it");
	else if (may_be_busy < RINGS)
		expect(model, sqlstate == 0, "a ring is free, and a stream is refused");
	if (sqlstate != 0)
		return;
	model->sender = sender;
	model->lost = false;
	expect(model, raft_inbox_connected(model->inboxes, sender), "a stream that is not connected");
}

static void
release(Model *model)
{
	raft_inbox_release(model->writer);
	model->writer = NULL;
}

/* --- epochs --- */

/* Nobody reads frames of an epoch that is over, though they are in their rings still. */
static void
close_all(Model *model)
{
	raft_inboxes_close(model->inboxes);
	for (int s = 1; s <= SENDERS; s++)
	{
		model->blocked[s] = model->blocked[s] || model->queued[s] > 0;
		model->queued[s] = 0;
	}
	model->open = false;
	model->lost = true;
}

/* What is queued is dropped. */
static void
reopen(Model *model)
{
	raft_inboxes_reset(model->inboxes);
	model->open = true;
	model->lost = true;
	memset(model->queued, 0, sizeof(model->queued));
	memset(model->blocked, 0, sizeof(model->blocked));
}

/* --- the run --- */

static void
take_step(Model *model)
{
	uint32		drawn = draw(model, 1000);

	if (drawn < 2)
		close_all(model);
	else if (drawn < 6)
		reopen(model);
	else if (drawn < 30)
		drain(model);
	else if (drawn < 400)
		(void) read_one(model);
	else if (model->writer == NULL)
		claim(model);
	else if (drawn < 410)
		put_oversized(model);
	else if (drawn < 460)
		release(model);
	else
		put(model);
	if (!model->open && draw(model, 10) == 0)
		reopen(model);
}

/* raft_test_inbox(seed, steps): what broke, NULL when nothing did. */
PG_FUNCTION_INFO_V1(raft_test_inbox);
extern PGDLLEXPORT Datum raft_test_inbox(PG_FUNCTION_ARGS);

Datum
raft_test_inbox(PG_FUNCTION_ARGS)
{
	Model	   *model = palloc0(sizeof(Model));
	int			steps = PG_GETARG_INT32(1);
	int			saved_members = raft_max_members;
	int			saved_kb = raft_inbox_size_kb;

	pg_prng_seed(&model->random, (uint64) PG_GETARG_INT64(0));
	raft_max_members = RINGS;
	raft_inbox_size_kb = RING_KB;
	PG_TRY();
	{
		model->inboxes = palloc0(raft_inboxes_shmem_size());
		raft_inboxes_shmem_init(model->inboxes);
		reopen(model);
		for (int step = 0; step < steps && model->wrong == NULL; step++)
		{
			take_step(model);
			if (model->wrong != NULL)
				model->wrong = psprintf("step %d: %s", step, model->wrong);
		}
		drain(model);
	}
	PG_FINALLY();
	{
		raft_max_members = saved_members;
		raft_inbox_size_kb = saved_kb;
	}
	PG_END_TRY();

	if (model->wrong == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(model->wrong));
}
