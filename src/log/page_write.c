/*-------------------------------------------------------------------------
 *
 * page_write.c
 *	  The one place that changes pages of the table raft.log.
 *
 * Every change is one or more generic WAL records of up to four buffers each.
 * The meta page stands in the last one: what a torn sequence wrote before it
 * lies beyond the tail that block 0 still names, and nobody looks there.
 *
 * The hole of a page is what lies between pd_lower and pd_upper, and GenericXLog
 * zeroes it: pd_lower always stands after the last payload byte in use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xlogutils.h"
#include "host_mutants.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "log/pages.h"

/* What one WAL record changes. */
typedef struct PageChange
{
	GenericXLogState *state;
	int			n_buffers;
	Buffer		buffers[MAX_GENERIC_XLOG_PAGES];
} PageChange;

/* Follows the records of a write, to know which starts on which page. */
typedef struct RecordWalk
{
	const uint8 *next;			/* the record at pos */
	uint64		pos;			/* where it starts */
	uint64		end;			/* after the last record */
	RaftIndex	index;			/* its index */
} RecordWalk;

/*
 * GenericXLogStart() allocates a state of about 100 kB per record.  In a
 * generation context with one block that holds it, no write calls malloc.
 */
#define STATE_BLOCK_SIZE	(1024 * 1024)

RaftLogPages *
raft_pages_open(RaftRelFile file)
{
	RaftLogPages *pages = palloc0(sizeof(RaftLogPages));

	pages->file = file;
	pages->relation = CreateFakeRelcacheEntry(file);
	pages->context = GenerationContextCreate(CurrentMemoryContext, "raft log write",
											 0, STATE_BLOCK_SIZE, STATE_BLOCK_SIZE);
	return pages;
}

static void
begin_change(RaftLogPages *pages, PageChange *change)
{
	change->state = GenericXLogStart(pages->relation);
	change->n_buffers = 0;
}

static XLogRecPtr
finish_change(PageChange *change)
{
	XLogRecPtr	lsn = GenericXLogFinish(change->state);

	for (int i = 0; i < change->n_buffers; i++)
		UnlockReleaseBuffer(change->buffers[i]);
	return lsn;
}

/*
 * Locks a page that gets new contents altogether; what it held is not even
 * read from disk.
 */
static Page
fresh_page(RaftLogPages *pages, PageChange *change, BlockNumber block,
		   RaftPageKind kind, uint64 page_no)
{
	Buffer		buffer;
	Page		image;

	buffer = ReadBufferWithoutRelcache(pages->file, MAIN_FORKNUM, block,
									   RBM_ZERO_AND_LOCK, NULL, true);
	change->buffers[change->n_buffers++] = buffer;
	image = GenericXLogRegisterBuffer(change->state, buffer, GENERIC_XLOG_FULL_IMAGE);
	raft_page_init(image, kind, page_no);
	return image;
}

/* Locks a page whose contents stay, but for what the caller changes. */
static Page
existing_page(RaftLogPages *pages, PageChange *change, BlockNumber block,
			  RaftPageKind kind, uint64 page_no)
{
	Buffer		buffer;
	Page		image;

	buffer = ReadBufferWithoutRelcache(pages->file, MAIN_FORKNUM, block,
									   RBM_NORMAL, NULL, true);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	change->buffers[change->n_buffers++] = buffer;
	image = GenericXLogRegisterBuffer(change->state, buffer, 0);
	if (raft_page_check(image, kind, page_no) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %u of the Raft log has unexpected contents", block)));
	return image;
}

/* Sets the payload at offset; everything after it is gone. */
static void
set_payload(Page image, Size offset, const void *data, Size size)
{
	memcpy(PageGetContents(image) + offset, data, size);
	((PageHeader) image)->pd_lower = RAFT_PAGE_HEADER + offset + size;
}

static void
put_meta(RaftLogPages *pages, PageChange *change, const RaftLogMeta *meta)
{
	Buffer		buffer;
	Page		image;

	buffer = ReadBufferWithoutRelcache(pages->file, MAIN_FORKNUM, RAFT_META_BLOCK,
									   RBM_NORMAL, NULL, true);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	change->buffers[change->n_buffers++] = buffer;
	image = GenericXLogRegisterBuffer(change->state, buffer,
									  PageIsNew(BufferGetPage(buffer)) ?
									  GENERIC_XLOG_FULL_IMAGE : 0);
	if (PageIsNew(image))
		raft_page_init(image, RAFT_PAGE_META, 0);
	set_payload(image, 0, meta, sizeof(RaftLogMeta));
}

/*
 * Notes in the special space which record is the first to start on a page, or
 * after it.  When that record is not written yet, it will start at walk->end.
 */
static void
set_page_start(Page image, uint64 page_no, RecordWalk *walk)
{
	RaftPageSpecial *special = (RaftPageSpecial *) PageGetSpecialPointer(image);
	uint64		start = raft_page_start(page_no);

	while (walk->pos < start + (RAFT_HOST_MUTANT(LOG_BOUNDARY_PASSED) ? 1 : 0))
	{
		uint32		length = raft_record_length(walk->next);

		walk->next += length;
		walk->pos += length;
		walk->index++;
	}
	special->first_index = walk->index;
	if (walk->pos < start + RAFT_PAGE_PAYLOAD)
		special->first_offset = walk->pos - start;
}

/* The part of the records that falls on one page of the ring. */
static Size
put_ring_page(RaftLogPages *pages, PageChange *change, uint32 n_pages, uint64 pos,
			  const char *data, Size size, RecordWalk *walk)
{
	uint64		page_no = raft_page_of(pos);
	BlockNumber block = RAFT_RING_BLOCK + (BlockNumber) (page_no % n_pages);
	Size		offset = pos - raft_page_start(page_no);
	Size		part = Min(size, RAFT_PAGE_PAYLOAD - offset);
	Page		image;

	if (offset == 0)
	{
		image = fresh_page(pages, change, block, RAFT_PAGE_RING, page_no);
		set_page_start(image, page_no, walk);
	}
	else
		image = existing_page(pages, change, block, RAFT_PAGE_RING, page_no);

	set_payload(image, offset, data, part);
	return part;
}

/* Pages that size bytes at pos touch. */
static uint64
pages_touched(uint64 pos, Size size)
{
	return size == 0 ? 0 : raft_page_of(pos + size - 1) - raft_page_of(pos) + 1;
}

/* Do the records and the meta page fit one WAL record? */
bool
raft_pages_write_is_atomic(uint64 pos, Size size)
{
	return pages_touched(pos, size) < MAX_GENERIC_XLOG_PAGES;
}

/*
 * Writes records at pos, the first of which has index first, and the meta
 * data.  Without records (size 0) the meta data alone.
 *
 * More than three pages take several WAL records: a crash between them leaves
 * the old meta page, so the caller must not overwrite what that one refers to.
 */
XLogRecPtr
raft_pages_write(RaftLogPages *pages, const RaftLogMeta *meta, uint64 pos,
				 RaftIndex first, const char *records, Size size)
{
	MemoryContext caller = MemoryContextSwitchTo(pages->context);
	RecordWalk	walk = {(const uint8 *) records, pos, pos + size, first};
	XLogRecPtr	lsn;
	bool		last;

	do
	{
		PageChange	change;
		int			room = MAX_GENERIC_XLOG_PAGES;

		last = raft_pages_write_is_atomic(pos, size);
		begin_change(pages, &change);
		while (size > 0 && room-- > 0)
		{
			Size		part = put_ring_page(pages, &change, meta->n_pages, pos,
											 records, size, &walk);

			records += part;
			pos += part;
			size -= part;
		}
		if (last)
			put_meta(pages, &change, meta);
		lsn = finish_change(&change);
	} while (!last);

	MemoryContextSwitchTo(caller);
	return lsn;
}

/*
 * Writes the base configuration, meta->config_size bytes, and the meta data,
 * as one WAL record.
 */
XLogRecPtr
raft_pages_write_config(RaftLogPages *pages, const RaftLogMeta *meta,
						const uint8 *config)
{
	MemoryContext caller = MemoryContextSwitchTo(pages->context);
	PageChange	change;
	uint32		done = 0;
	XLogRecPtr	lsn;

	begin_change(pages, &change);
	for (uint32 i = 0; done < meta->config_size; i++)
	{
		uint32		part = Min(meta->config_size - done, RAFT_PAGE_PAYLOAD);
		Page		image = fresh_page(pages, &change, RAFT_CONFIG_BLOCK + i,
									   RAFT_PAGE_CONFIG, i);

		set_payload(image, 0, config + done, part);
		done += part;
	}
	put_meta(pages, &change, meta);
	lsn = finish_change(&change);

	MemoryContextSwitchTo(caller);
	return lsn;
}

/*
 * Writes the history of starts together with the meta data, as one WAL record.
 */
XLogRecPtr
raft_pages_write_history(RaftLogPages *pages, const RaftLogMeta *meta,
						 RaftLogHistory *history)
{
	MemoryContext caller = MemoryContextSwitchTo(pages->context);
	PageChange	change;
	XLogRecPtr	lsn;

	history->crc = raft_history_crc(history);
	begin_change(pages, &change);
	set_payload(fresh_page(pages, &change, RAFT_HISTORY_BLOCK, RAFT_PAGE_HISTORY, 0),
				0, history, sizeof(RaftLogHistory));
	put_meta(pages, &change, meta);
	lsn = finish_change(&change);

	MemoryContextSwitchTo(caller);
	return lsn;
}
