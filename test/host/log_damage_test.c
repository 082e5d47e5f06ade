/*-------------------------------------------------------------------------
 *
 * log_damage_test.c
 *	  src/log on a disk that does not keep what it was given: bits that flip, pages of
 *	  zeros, pages that are old or half old.
 *
 * Whatever happens to a page, a start and a reader get all that was written or an error; never
 * a shorter log, never other bytes.  And what happens to a page that holds nothing is no error.
 *
 *-------------------------------------------------------------------------
 */
#include "log_model.h"

#include "access/xact.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* --- pages --- */

static void
get_page(LogTest *test, BlockNumber block, char *out)
{
	Buffer		buffer = ReadBufferWithoutRelcache(test->file, MAIN_FORKNUM, block, RBM_NORMAL, NULL, true);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(out, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

static void
set_page(LogTest *test, BlockNumber block, const char *page)
{
	Buffer		buffer = ReadBufferWithoutRelcache(test->file, MAIN_FORKNUM, block, RBM_NORMAL, NULL, true);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	memcpy(BufferGetPage(buffer), page, BLCKSZ);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static BlockNumber
count_blocks(LogTest *test)
{
	return RAFT_RING_BLOCK + test->model.n_pages;
}

/* Does the block hold anything that counts? */
static bool
in_use(LogTest *test, BlockNumber block)
{
	const LogModel *model = &test->model;
	uint64		first_page = raft_page_of(model->first_pos);
	uint64		used = model->tail == model->first_pos ? 0 : raft_page_of(model->tail - 1) - first_page + 1;

	if (block == RAFT_META_BLOCK || block == RAFT_HISTORY_BLOCK)
		return true;
	if (block < RAFT_HISTORY_BLOCK)
		return model->base_config != 0 &&
			(block - RAFT_CONFIG_BLOCK) * RAFT_PAGE_PAYLOAD < model->base_config_entry.size;
	return (block - RAFT_RING_BLOCK + model->n_pages - first_page % model->n_pages) % model->n_pages < used;
}

/*
 * Old pages of block 0 are left out: alone they are an older log, and who could know?  Its peers
 * (net/peer_log.c).  The page header is left out, too: the server looks at it when it reads a page.
 */
static const char *
damage(LogTest *test, BlockNumber block, char *page, const char *old)
{
	static const char *const what[] = {"a bit flips", "zeros", "old", "first half old", "second half old"};
	PageHeader	header = (PageHeader) page;
	uint32		drawn = log_test_draw(test, block == RAFT_META_BLOCK ? 2 : 5);
	uint32		offset;

	switch (drawn)
	{
		case 0:
			if (log_test_draw(test, 4) == 0)
				offset = BLCKSZ - sizeof(RaftPageSpecial) + log_test_draw(test, sizeof(RaftPageSpecial));
			else
				offset = RAFT_PAGE_HEADER + log_test_draw(test, Max(header->pd_lower, RAFT_PAGE_HEADER + 1) - RAFT_PAGE_HEADER);
			page[offset] ^= 1 << log_test_draw(test, 8);
			break;
		case 1:
			memset(page, 0, BLCKSZ);
			break;
		case 2:
			memcpy(page, old, BLCKSZ);
			break;
		case 3:
			memcpy(page, old, BLCKSZ / 2);
			break;
		case 4:
			memcpy(page + BLCKSZ / 2, old + BLCKSZ / 2, BLCKSZ / 2);
			break;
	}
	return what[drawn];
}

/* --- what becomes of it --- */

/* SQLSTATE of the error that it ends with, 0 = none. */
static int
attempt(LogTest *test, void (*what) (LogTest *))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int sqlstate = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		what(test);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		sqlstate = geterrcode();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return sqlstate;
}

static void
read_cold(LogTest *test)
{
	log_test_check_all(test, test->cold);
}

static void
open_and_read(LogTest *test)
{
	log_test_open(test);
	log_test_check_recovery(test);
	log_test_check_all(test, test->warm);
	log_test_check_all(test, test->cold);
}

/* Another version's log, as it may look, is an error of its own. */
static bool
is_clear(int sqlstate, BlockNumber block)
{
	return sqlstate == ERRCODE_DATA_CORRUPTED ||
		(block == RAFT_META_BLOCK && sqlstate == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
}

static void
damage_one(LogTest *test, const char *old)
{
	BlockNumber block = log_test_draw(test, count_blocks(test));
	PGAlignedBlock before;
	PGAlignedBlock page;
	const char *what;
	int			reading;
	int			opening;

	if (log_test_draw(test, 6) == 0)
		block = log_test_draw(test, RAFT_RING_BLOCK);
	get_page(test, block, before.data);
	memcpy(page.data, before.data, BLCKSZ);
	what = damage(test, block, page.data, old + (Size) block * BLCKSZ);
	set_page(test, block, page.data);

	reading = attempt(test, read_cold);
	opening = attempt(test, open_and_read);
	log_test_expect(test, reading == 0 || is_clear(reading, block), "a reader meets damage with an error that does not say so");
	log_test_expect(test, opening == 0 || is_clear(opening, block), "a start meets damage with an error that does not say so");
	log_test_expect(test, in_use(test, block) || (reading == 0 && opening == 0), "damage where nothing is hinders");
	if (test->wrong != NULL)
	{
		test->wrong = psprintf("block %u, %s: %s (reading: %s, start: %s)", block, what, test->wrong,
							   reading == 0 ? "no error" : pstrdup(unpack_sql_state(reading)),
							   opening == 0 ? "no error" : unpack_sql_state(opening));
		return;
	}

	/* a start has written these two itself */
	if (opening != 0 || (block != RAFT_META_BLOCK && block != RAFT_HISTORY_BLOCK))
		set_page(test, block, before.data);
	open_and_read(test);
}

/* Does the page end where the log does?  After a truncation what was cut off may still be there. */
static bool
is_clean(LogTest *test, BlockNumber block, const char *page)
{
	uint64		end = test->model.tail;

	if (!in_use(test, block))
		return false;
	return block < RAFT_RING_BLOCK || block - RAFT_RING_BLOCK != raft_page_of(end - 1) % test->model.n_pages ||
		((PageHeader) page)->pd_lower == RAFT_PAGE_HEADER + (end - 1) % RAFT_PAGE_PAYLOAD + 1;
}

/*
 * A page that holds what was cut off later is none of the old ones: it has whole records, and
 * nothing about them is wrong.
 */
static void
keep_pages(LogTest *test, char *pages)
{
	for (BlockNumber block = 0; block < count_blocks(test); block++)
	{
		char	   *page = pages + (Size) block * BLCKSZ;

		get_page(test, block, page);
		if (!is_clean(test, block, page))
			memset(page, 0, BLCKSZ);
	}
}

static void
change_log(LogTest *test, char *old)
{
	uint64		end = test->model.tail;
	RaftIndex	last = test->model.last;
	const RaftWrite *write = &test->change.write;

	log_test_change(test);
	if (test->change.compact != 0 || write->truncate_from == 0 || write->truncate_from > last)
		return;
	for (uint64 page = raft_page_of(write->n_entries > 0 ? test->change.entries[0].pos : test->model.tail);
		 page <= raft_page_of(end - 1); page++)
		memset(old + (Size) (RAFT_RING_BLOCK + page % test->model.n_pages) * BLCKSZ, 0, BLCKSZ);
}

/* raft_test_log_damage(table, seed, rounds): what broke, NULL when nothing did. */
PG_FUNCTION_INFO_V1(raft_test_log_damage);
extern PGDLLEXPORT Datum raft_test_log_damage(PG_FUNCTION_ARGS);

Datum
raft_test_log_damage(PG_FUNCTION_ARGS)
{
	LogTest    *test = log_test_create(PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));
	int			rounds = PG_GETARG_INT32(2);
	char	   *old = palloc0((Size) count_blocks(test) * BLCKSZ);

	log_test_begin(test);
	for (int i = 0; i < rounds && test->wrong == NULL; i++)
	{
		if (log_test_draw(test, 10) == 0)
			keep_pages(test, old);
		for (int changes = log_test_draw(test, 10); changes > 0; changes--)
			change_log(test, old);
		damage_one(test, old);
		if (test->wrong != NULL)
			test->wrong = psprintf("round %d: %s", i, test->wrong);
	}
	LOG_TEST_RETURN(test);
}
