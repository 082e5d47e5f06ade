/*-------------------------------------------------------------------------
 *
 * log_harness.c
 *	  A log beside its model: changes both in the same way, and compares them.
 *
 * The log lies in an empty table of any kind: what src/log needs of it is a file.
 *
 *-------------------------------------------------------------------------
 */
#include "log_model.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

uint32
log_test_draw(LogTest *test, uint32 n)
{
	return (uint32) pg_prng_uint64_range(&test->random, 0, n - 1);
}

void
log_test_expect(LogTest *test, bool holds, const char *what)
{
	if (!holds && test->wrong == NULL)
		test->wrong = pstrdup(what);
}

/* --- opening --- */

/* Another server start, as it were: its shared memory is new. */
static void
renew_shared(LogTest *test)
{
	int			saved_kb = raft_ring_size_kb;

	raft_ring_size_kb = test->ring_kb;
	test->shared = palloc(raft_log_shmem_size());
	raft_log_shmem_init(test->shared);
	raft_ring_size_kb = saved_kb;
	test->has_view = false;
}

/* The seed says how large the rings are. */
LogTest *
log_test_create(Oid table, uint64 seed)
{
	LogTest    *test = palloc0(sizeof(LogTest));
	Relation	relation = relation_open(table, AccessShareLock);

	test->file = raft_rel_file(relation);
	relation_close(relation, NoLock);
	log_model_init(&test->model, seed);
	pg_prng_seed(&test->random, ~seed);
	test->ring_kb = 4 << (2 * log_test_draw(test, 3));

	test->identity.node = 1;
	test->identity.system_identifier = GetSystemIdentifier();
	test->identity.timeline = GetWALInsertionTimeLine();
	test->identity.database = MyDatabaseId;
	test->context = AllocSetContextCreate(CurrentMemoryContext, "raft log test", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&test->records);
	initStringInfo(&test->copy);
	renew_shared(test);
	return test;
}

void
log_test_open(LogTest *test)
{
	MemoryContext caller = CurrentMemoryContext;
	StringInfoData bootstrap;

	initStringInfo(&bootstrap);
	log_model_data(&bootstrap, log_model_entry(&test->model, 1));
	MemoryContextReset(test->context);
	test->writer = NULL;
	if (log_test_draw(test, 3) == 0)
	{
		pfree(test->shared);
		renew_shared(test);
	}

	MemoryContextSwitchTo(test->context);
	test->writer = raft_log_open(test->shared, test->file, &test->identity,
								 (uint8 *) bootstrap.data, bootstrap.len, &test->recovery);
	test->warm = raft_log_reader_create(test->shared, test->file);
	test->cold = raft_log_reader_create(NULL, test->file);
	MemoryContextSwitchTo(caller);
	pfree(bootstrap.data);
}

/* Makes the log, and its ring of pages so small that it comes round all the time. */
void
log_test_begin(LogTest *test)
{
	int			saved_mb = raft_log_size_mb;
	RaftLogMeta *meta;

	raft_log_size_mb = 1;
	log_test_open(test);
	raft_log_size_mb = saved_mb;

	meta = &test->writer->meta;
	meta->n_pages = test->model.n_pages;
	raft_meta_seal(meta);
	XLogFlush(raft_pages_write(test->writer->pages, meta, meta->tail, meta->last_index + 1, NULL, 0));
	test->boot_count = test->recovery.boot_count;
	log_test_open(test);
	log_test_check_recovery(test);
}

/* --- changing --- */

void
log_test_change(LogTest *test)
{
	LogChange  *change = &test->change;

	log_model_draw(&test->model, change);
	if (change->compact != 0)
		raft_log_compact(test->writer, change->compact);
	else
	{
		resetStringInfo(&test->records);
		for (uint32 i = 0; i < change->write.n_entries; i++)
			log_model_record(&test->records, change->write.first + i, &change->entries[i]);
		raft_log_write(test->writer, &change->write, test->records.data, test->records.len, change->commit);
	}
	log_model_apply(&test->model, change);
}

/* --- comparing --- */

static void
check_runs(LogTest *test)
{
	const LogModel *model = &test->model;
	const RaftBoot *boot = &test->recovery.boot;
	uint32		n = 0;

	for (RaftIndex i = model->first; i <= model->last; i++)
	{
		RaftTerm	term = log_model_entry(model, i)->term;

		if (i > model->first && term == log_model_entry(model, i - 1)->term)
			continue;
		if (n == boot->n_runs || boot->runs[n].first != i || boot->runs[n].term != term)
		{
			log_test_expect(test, false, "recovery finds another run of terms");
			return;
		}
		n++;
	}
	log_test_expect(test, n == boot->n_runs, "recovery finds a run of terms too many");
}

/* The newest few, from the newest on. */
static void
check_configs(LogTest *test)
{
	const LogModel *model = &test->model;
	const RaftBoot *boot = &test->recovery.boot;
	RaftIndex	index = log_model_config_below(model, model->last);
	uint32		left = boot->n_configs;

	for (int i = 0; i < RAFT_MAX_CONFIGS && index != 0; i++)
	{
		const ModelEntry *entry = index == model->base_config ? &model->base_config_entry :
			log_model_entry(model, index);

		resetStringInfo(&test->copy);
		log_model_data(&test->copy, entry);
		if (left == 0 || boot->configs[left - 1].index != index ||
			test->recovery.config_size[left - 1] != entry->size ||
			memcmp(test->recovery.config_data[left - 1], test->copy.data, entry->size) != 0)
		{
			log_test_expect(test, false, "recovery finds another configuration");
			return;
		}
		left--;
		index = index < model->first ? 0 : log_model_config_below(model, index - 1);
	}
	log_test_expect(test, left == 0, "recovery finds a configuration too many");
}

void
log_test_check_recovery(LogTest *test)
{
	const LogModel *model = &test->model;
	const RaftBoot *boot = &test->recovery.boot;

	log_test_expect(test, boot->term == model->term && boot->vote == model->vote, "another term or vote is recovered");
	log_test_expect(test, boot->first == model->first && boot->last == model->last, "other entries are recovered");
	log_test_expect(test, boot->base_term == model->base_term, "the term below the first entry is another one");
	log_test_expect(test, boot->commit == model->commit, "another commit index is recovered");
	log_test_expect(test, test->boot_count == 0 || test->recovery.boot_count == test->boot_count + 1, "the starts are counted wrongly");
	log_test_expect(test, test->recovery.n_former_starts == Min(test->recovery.boot_count - 1, RAFT_LOG_MAX_STARTS), "a start was forgotten");
	test->boot_count = test->recovery.boot_count;
	if (test->wrong)
		return;
	check_runs(test);
	check_configs(test);
}

void
log_test_check_positions(LogTest *test)
{
	const LogModel *model = &test->model;
	RaftLogReader *readers[] = {test->warm, test->cold};

	for (int i = 0; i < 2; i++)
	{
		RaftIndex	first;
		RaftIndex	last;
		BlockNumber n_pages;

		raft_log_reader_range(readers[i], &first, &last, &n_pages);
		log_test_expect(test, first == model->first && last == model->last, "a reader sees another first or last entry");
		log_test_expect(test, n_pages == raft_page_of(model->tail) - raft_page_of(model->first_pos) + 1, "a reader sees other pages in use");
	}
	log_test_expect(test, raft_log_free(test->writer) == log_model_free(model), "the free room is another one");
	log_test_expect(test, test->writer->meta.term == model->term && test->writer->meta.vote == model->vote, "another term or vote is written");
}

/* Are these the records from first on? */
static bool
same_records(LogTest *test, RaftIndex first, RaftIndex last, const StringInfo got)
{
	resetStringInfo(&test->records);
	for (RaftIndex i = first; i <= last; i++)
		log_model_record(&test->records, i, log_model_entry(&test->model, i));
	return got->len == test->records.len && memcmp(got->data, test->records.data, got->len) == 0;
}

/* The last entry that a reader is to get. */
static RaftIndex
end_of_batch(const LogModel *model, RaftIndex first, RaftIndex last, uint64 max_bytes)
{
	RaftIndex	end = first;
	uint64		start = log_model_entry(model, first)->pos;

	if (first < model->first || first > Min(last, model->last))
		return 0;
	last = Min(last, model->last);
	for (RaftIndex i = first + 1; i <= last; i++)
	{
		const ModelEntry *entry = log_model_entry(model, i);

		if (entry->pos + RAFT_RECORD_HEADER + entry->size - start > max_bytes)
			break;
		end = i;
	}
	return end;
}

static void
check_batch(LogTest *test, RaftLogReader *reader, RaftIndex first, RaftIndex last, uint32 max_bytes)
{
	RaftIndex	wanted = end_of_batch(&test->model, first, last, max_bytes);
	RaftIndex	end;
	uint32		bytes;

	resetStringInfo(&test->copy);
	end = raft_log_read(reader, first, last, max_bytes, &test->copy);
	log_test_expect(test, end == wanted, "a reader gets more or fewer entries than it asked for");
	if (end == 0 || test->wrong)
	{
		log_test_expect(test, test->copy.len == 0, "bytes without entries are read");
		return;
	}
	log_test_expect(test, same_records(test, first, end, &test->copy), "a reader gets bytes that nobody has written there");
	log_test_expect(test, raft_log_batch_end(reader, first, last, max_bytes, &bytes) == wanted &&
					bytes == (uint32) test->copy.len, "a batch is measured wrongly");
}

/* Some range, at times outside the log. */
void
log_test_check_read(LogTest *test, RaftLogReader *reader)
{
	const LogModel *model = &test->model;
	uint32		n = (uint32) (model->last - model->first + 1);
	RaftIndex	first = model->first + log_test_draw(test, n + 3);
	uint32		max_bytes = log_test_draw(test, 4) == 0 ? log_test_draw(test, 300) : log_test_draw(test, 100000);

	first -= Min(first - 1, 1);
	if (log_test_draw(test, 2) == 0 && model->last > 10)
		first = model->last - log_test_draw(test, 10);	/* the tail, which is hot */
	check_batch(test, reader, first, first + log_test_draw(test, n + 3), max_bytes);
}

void
log_test_check_all(LogTest *test, RaftLogReader *reader)
{
	RaftIndex	next = test->model.first;

	while (next <= test->model.last && test->wrong == NULL)
	{
		RaftIndex	end;

		resetStringInfo(&test->copy);
		end = raft_log_read(reader, next, test->model.last, 64 * 1024, &test->copy);
		log_test_expect(test, end >= next && same_records(test, next, end, &test->copy),
						"not all entries are what was written");
		next = end + 1;
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * A reader that has looked at the positions is overtaken by the writer: what it copies from the
 * ring then, and what it learns about positions, is either as it was or not to be believed.
 */
void
log_test_check_view(LogTest *test)
{
	RaftIndex	first;
	RaftIndex	end;
	uint64		pos;
	Size		bytes;

	if (!test->has_view)
	{
		test->has_view = raft_ring_view(test->shared, test->file, &test->view) &&
			test->view.first_index <= test->view.last_index;
		return;
	}
	first = test->view.last_index - log_test_draw(test, (uint32) (test->view.last_index - test->view.first_index + 1));
	resetStringInfo(&test->copy);
	end = raft_ring_read(test->shared, first, test->view.last_index, log_test_draw(test, 10000), &bytes, &test->copy);
	if (end != 0 && raft_ring_unchanged(test->shared, &test->view))
		log_test_expect(test, same_records(test, first, end, &test->copy), "a reader believes what was overwritten in the ring");
	if (raft_ring_position(test->shared, first, &pos) && raft_ring_unchanged(test->shared, &test->view))
		log_test_expect(test, pos == log_model_entry(&test->model, first)->pos, "a reader believes a position that was overwritten");
	test->has_view = log_test_draw(test, 4) > 0;
}

/* The last entry to be dropped to free so many bytes: it does, and the one before does not. */
void
log_test_check_freeing(LogTest *test)
{
	const LogModel *model = &test->model;
	uint64		bytes = log_test_draw(test, model->n_pages * RAFT_PAGE_PAYLOAD);
	RaftIndex	index = raft_log_index_to_free(log_test_draw(test, 2) ? test->warm : test->cold, bytes);
	uint64		page_no = raft_page_of(model->first_pos) + (bytes + RAFT_PAGE_PAYLOAD - 1) / RAFT_PAGE_PAYLOAD;

	log_test_expect(test, index >= model->first - 1 && index <= model->last, "dropping entries that are not there is advised");
	if (test->wrong)
		return;
	if (index < model->last)
		log_test_expect(test, raft_page_of(log_model_entry(model, index + 1)->pos) >= page_no, "too few entries are dropped to free bytes");
	if (index >= model->first)
		log_test_expect(test, raft_page_of(log_model_entry(model, index)->pos) < page_no, "too many entries are dropped to free bytes");
}
