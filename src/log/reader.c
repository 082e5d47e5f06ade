/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Reading the log, from any process: from the ring in shared memory when
 *	  it has what is asked for, else from the pages.
 *
 * The writer never waits for a reader.  So a reader takes a view of the positions,
 * copies, and looks at the positions again: when the tail was cut off
 * meanwhile it begins anew, and when the entries were compacted they are gone.
 * Only what is unexplained then is damage.
 *
 * Without the group's shared memory (the library is not preloaded, the group does
 * not run, a physical standby) the positions come from block 0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "host_mutants.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "log/reader.h"

/*
 * Where reading from the pages ended recently: the next batch for the same
 * slow peer starts there and needs no search.
 */
typedef struct ReadHint
{
	bool		shared;			/* generations of the two kinds of view do not compare */
	uint64		generation;
	RaftIndex	index;			/* 0 = unused */
	uint64		pos;
} ReadHint;

#define N_HINTS		RAFT_MAX_MEMBERS

/* Pages are read this far ahead, so that a large limit costs nothing. */
#define READ_AHEAD_BYTES	RAFT_MAX_BATCH_BYTES

/* Batches from the pages are measured by reading them: bounds the memory. */
#define MAX_MEASURED_BYTES	(1024 * 1024)

struct RaftLogReader
{
	RaftLogShared *shared;		/* NULL = none */
	RaftRelFile file;
	StringInfoData scratch;		/* batches that are only measured */
	ReadHint	hints[N_HINTS];
	int			next_hint;
};

RaftLogReader *
raft_log_reader_create(RaftLogShared *shared, RaftRelFile file)
{
	RaftLogReader *reader = palloc0(sizeof(RaftLogReader));

	reader->shared = shared;
	reader->file = file;
	initStringInfo(&reader->scratch);
	return reader;
}

void
raft_log_reader_free(RaftLogReader *reader)
{
	pfree(reader->scratch.data);
	pfree(reader);
}

/* --- the positions --- */

const char *
raft_log_describe(RaftDecodeResult result)
{
	switch (result)
	{
		case RAFT_DECODE_OK:
			return "Another entry stands in its place.";
		case RAFT_DECODE_CHECKSUM:
			return "Its checksum is wrong.";
		case RAFT_DECODE_LENGTH:
		case RAFT_DECODE_SHORT:
			return "Its length is impossible.";
		default:
			return "One of its fields is impossible.";
	}
}

void
raft_log_report_damage(RaftIndex index, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the Raft log is damaged at entry %llu", (unsigned long long) index),
			 detail ? errdetail_internal("%s", detail) : 0,
			 errhint("Without its log this server must not be started as the same node again; DROP EXTENSION raft_pg frees it for another group.")));
}

void
raft_log_check_meta(RaftMetaResult result, const RaftLogMeta *meta)
{
	switch (result)
	{
		case RAFT_META_OK:
		case RAFT_META_EMPTY:
			return;
		case RAFT_META_FORMAT:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the Raft log was written by an incompatible version of raft_pg"),
					 errdetail("The log has format %u with %u bytes per page, the library reads format %u with %u.",
							   meta->format, meta->page_payload,
							   RAFT_LOG_FORMAT, (unsigned int) RAFT_PAGE_PAYLOAD)));
			break;
		case RAFT_META_DAMAGED:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the Raft log is damaged in block 0"),
					 errhint("Without its log this server must not be started as the same node again; DROP EXTENSION raft_pg frees it for another group.")));
			break;
	}
}

/* The positions now.  False when there is no log yet. */
static bool
get_view(RaftLogReader *reader, RaftLogView *view)
{
	RaftLogMeta meta;
	RaftMetaResult result;

	if (reader->shared != NULL && raft_ring_view(reader->shared, reader->file, view))
		return true;

	result = raft_pages_read_meta(reader->file, &meta);
	raft_log_check_meta(result, &meta);
	if (result == RAFT_META_EMPTY)
		return false;
	view->shared = false;
	view->generation = meta.truncations;
	view->n_pages = meta.n_pages;
	view->first_index = meta.first_index;
	view->first_pos = meta.first_pos;
	view->last_index = meta.last_index;
	view->tail = meta.tail;
	return true;
}

/*
 * Can what was read under the view be trusted?  False when the tail was cut off
 * since, or the entry compacted.
 */
static bool
view_holds(RaftLogReader *reader, const RaftLogView *view, RaftIndex index)
{
	RaftLogView now;

	return get_view(reader, &now) &&
		now.shared == view->shared &&
		now.generation == view->generation &&
		now.first_index <= index;
}

/* --- reading pages --- */

static bool
find_hint(RaftLogReader *reader, const RaftLogView *view, RaftIndex index, uint64 *pos)
{
	for (int i = 0; i < N_HINTS; i++)
	{
		ReadHint   *hint = &reader->hints[i];

		if (hint->index == index && hint->shared == view->shared &&
			(hint->generation == view->generation || RAFT_HOST_MUTANT(LOG_HINT_KEPT)))
		{
			*pos = hint->pos;
			return true;
		}
	}
	return false;
}

static void
keep_hint(RaftLogReader *reader, const RaftLogView *view, RaftIndex index, uint64 pos)
{
	ReadHint   *hint;
	uint64		known;

	if (find_hint(reader, view, index, &known))
		return;
	hint = &reader->hints[reader->next_hint];
	reader->next_hint = (reader->next_hint + 1) % N_HINTS;
	hint->shared = view->shared;
	hint->generation = view->generation;
	hint->index = index;
	hint->pos = pos;
}

static bool
locate(RaftLogReader *reader, const RaftLogView *view, RaftIndex index, uint64 *pos)
{
	if (view->shared && raft_ring_position(reader->shared, index, pos))
		return true;
	return find_hint(reader, view, index, pos) ||
		raft_pages_locate(reader->file, view->n_pages, view->first_pos, view->tail,
						  index, pos);
}

/*
 * Extends the copy in out, which begins at pos and has *have bytes, to want
 * and, if it reads pages at all, further ahead up to limit.
 */
static bool
copy_more(RaftLogReader *reader, const RaftLogView *view, uint64 pos,
		  StringInfo out, Size *have, Size want, Size limit)
{
	if (want <= *have)
		return true;
	if (want > view->tail - pos)
		return false;
	want = Max(want, Min(*have + READ_AHEAD_BYTES, limit));
	enlargeStringInfo(out, want);
	if (!raft_pages_copy(reader->file, view->n_pages, pos + *have, want - *have,
						 out->data + out->len + *have, NULL))
		return false;
	*have = want;
	return true;
}

/*
 * Reads a batch from the pages.  Returns its last index, or 0 when something on
 * the pages is not what the view promised; *detail may say what.
 */
static RaftIndex
read_pages(RaftLogReader *reader, const RaftLogView *view, RaftIndex first,
		   RaftIndex last, Size max_bytes, StringInfo out, const char **detail)
{
	uint64		pos;
	Size		limit;
	Size		have = 0;		/* bytes copied to out, not counted in its len yet */
	Size		used = 0;		/* of these, whole records */
	RaftIndex	next;

	if (!locate(reader, view, first, &pos) || pos >= view->tail)
		return 0;
	limit = first == last ? 0 : Min(max_bytes, view->tail - pos);

	for (next = first; next <= last; next++)
	{
		RaftDecodeResult result;
		RaftIndex	index;
		RaftEntry	entry;
		uint32		length;

		if (next > first && used + RAFT_RECORD_HEADER > limit)
			break;
		if (!copy_more(reader, view, pos, out, &have, used + RAFT_RECORD_HEADER, limit))
			return 0;
		length = raft_record_length((uint8 *) out->data + out->len + used);
		if (next > first && used + (Size) length > limit)
			break;
		if (!copy_more(reader, view, pos, out, &have, used + (Size) length, limit))
			return 0;

		result = raft_record_decode((uint8 *) out->data + out->len + used, have - used,
									Min(view->tail - pos, MaxAllocSize), &index, &entry, &length);
		if (RAFT_HOST_MUTANT(LOG_READ_UNCHECKED) && result == RAFT_DECODE_CHECKSUM)
		{
			result = RAFT_DECODE_OK;
			index = next;
		}
		if (result != RAFT_DECODE_OK || index != next)
		{
			*detail = raft_log_describe(result);
			if (next > first)
				break;			/* the next call begins there and says so */
			return 0;
		}
		used += length;
	}

	out->len += used;
	keep_hint(reader, view, first, pos);
	keep_hint(reader, view, next, pos + used);
	return next - 1;
}

/* --- the interface --- */

RaftIndex
raft_log_read(RaftLogReader *reader, RaftIndex first, RaftIndex last,
			  Size max_bytes, StringInfo out)
{
	ResourceOwner saved = raft_pages_begin();
	int			len_before = out->len;
	RaftIndex	end = 0;

	for (;;)
	{
		RaftLogView view;
		Size		bytes;
		const char *detail = NULL;

		out->len = len_before;
		if (!get_view(reader, &view) ||
			first < view.first_index || first > Min(last, view.last_index))
			break;

		if (view.shared)
		{
			end = raft_ring_read(reader->shared, first, Min(last, view.last_index),
								 max_bytes, &bytes, out);
			if (end != 0 && raft_ring_unchanged(reader->shared, &view))
				break;
			out->len = len_before;
		}

		end = read_pages(reader, &view, first, Min(last, view.last_index),
						 max_bytes, out, &detail);
		if (view_holds(reader, &view, first))
		{
			if (end == 0)
				raft_log_report_damage(first, detail);
			break;
		}
		end = 0;
		CHECK_FOR_INTERRUPTS();
	}

	raft_pages_end(saved);
	return end;
}

RaftIndex
raft_log_batch_end(void *arg, RaftIndex first, RaftIndex last,
				   uint32_t max_bytes, uint32_t *bytes)
{
	RaftLogReader *reader = (RaftLogReader *) arg;
	RaftLogView view;
	RaftIndex	end;
	Size		size;

	if (reader->shared != NULL && raft_ring_view(reader->shared, reader->file, &view) &&
		view.first_index <= first && first <= Min(last, view.last_index))
	{
		end = raft_ring_read(reader->shared, first, Min(last, view.last_index),
							 max_bytes, &size, NULL);
		if (end != 0 && raft_ring_unchanged(reader->shared, &view))
		{
			*bytes = (uint32_t) size;
			return end;
		}
	}

	resetStringInfo(&reader->scratch);
	end = raft_log_read(reader, first, last, Min(max_bytes, MAX_MEASURED_BYTES),
						&reader->scratch);
	*bytes = (uint32_t) reader->scratch.len;
	return end;
}

void
raft_log_reader_range(RaftLogReader *reader, RaftIndex *first, RaftIndex *last,
					  BlockNumber *n_pages)
{
	ResourceOwner saved = raft_pages_begin();
	RaftLogView view;

	if (get_view(reader, &view))
	{
		*first = view.first_index;
		*last = view.last_index;
		if (n_pages != NULL)
			*n_pages = raft_page_of(view.tail) - raft_page_of(view.first_pos) + 1;
	}
	else
	{
		*first = 1;
		*last = 0;
		if (n_pages != NULL)
			*n_pages = 0;
	}
	raft_pages_end(saved);
}

uint64
raft_log_position(RaftLogReader *reader, RaftIndex index)
{
	RaftLogView view;
	uint64		pos;

	if (!get_view(reader, &view) ||
		index < view.first_index || index > view.last_index + 1)
		elog(ERROR, "entry %llu is not in the Raft log", (unsigned long long) index);
	if (index == view.last_index + 1)
		return view.tail;
	if (!locate(reader, &view, index, &pos))
		raft_log_report_damage(index, NULL);
	return pos;
}

RaftIndex
raft_log_index_to_free(RaftLogReader *reader, uint64 bytes)
{
	ResourceOwner saved = raft_pages_begin();
	RaftLogView view;
	RaftIndex	next = 0;

	while (get_view(reader, &view))
	{
		/* space comes back page by page: the first record of this page may stay */
		uint64		page_no = raft_page_of(view.first_pos) +
			(bytes + RAFT_PAGE_PAYLOAD - 1) / RAFT_PAGE_PAYLOAD;
		bool		found = true;

		next = view.last_index + 1;
		if (view.tail > view.first_pos && page_no <= raft_page_of(view.tail - 1))
			found = raft_pages_first_from(reader->file, view.n_pages, page_no, &next);
		if (view_holds(reader, &view, view.first_index))
		{
			if (!found)
				raft_log_report_damage(view.first_index, NULL);
			next = Max(Min(next, view.last_index + 1), view.first_index);
			break;
		}
		CHECK_FOR_INTERRUPTS();
	}
	raft_pages_end(saved);
	return next == 0 ? 0 : next - 1;
}

TimestampTz
raft_log_entry_time(RaftLogShared *shared, RaftRelFile file, RaftIndex index)
{
	RaftLogReader *reader = raft_log_reader_create(shared, file);
	StringInfoData record;
	RaftEntry	entry;
	uint32		length;
	TimestampTz time = 0;

	initStringInfo(&record);
	if (raft_log_read(reader, index, index, MaxAllocSize, &record) == index &&
		raft_record_decode((const uint8 *) record.data, record.len, record.len,
						   &index, &entry, &length) == RAFT_DECODE_OK)
		time = raft_log_timestamp(entry.clock);
	pfree(record.data);
	raft_log_reader_free(reader);
	return time;
}
