/*-------------------------------------------------------------------------
 *
 * pages.c
 *	  The pages of the table raft.log: layout, space on disk, reading.
 *
 * All access goes through shared buffers without a relcache entry, since the
 * node worker runs outside transactions.  Readers hold one share lock at a time
 * and copy; nothing here keeps a pin beyond the call, because a pin held by a
 * worker would let DROP EXTENSION spin for ever.
 *
 * A function that meets something unexpected on a page returns false instead
 * of raising an error: the writer may have moved on while the page was looked
 * for.  The caller looks at the positions again before it calls it damage.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "host_mutants.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/smgr.h"
#include "utils/memutils.h"

#include "log/pages.h"

StaticAssertDecl(RAFT_CONFIG_BLOCKS < 4,
				 "the base configuration and the meta page must fit one WAL record");
StaticAssertDecl(sizeof(RaftLogMeta) <= RAFT_PAGE_PAYLOAD,
				 "the meta data must fit block 0");
StaticAssertDecl(sizeof(RaftLogHistory) <= RAFT_PAGE_PAYLOAD,
				 "the history of starts must fit one block");
StaticAssertDecl(RAFT_PAGE_PAYLOAD < RAFT_PAGE_NO_START,
				 "offsets must fit 16 bits");

/* --- pins outside transactions --- */

static ResourceOwner own_owner = NULL;
static bool own_owner_busy = false;

/* Gives back what an error left pinned.  No phase may be left out (17). */
static void
release_own_owner(void)
{
	/* an error may have come while it was the current one: nobody may use it further */
	if (CurrentResourceOwner == own_owner)
		CurrentResourceOwner = NULL;
	ResourceOwnerRelease(own_owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, true);
	ResourceOwnerRelease(own_owner, RESOURCE_RELEASE_LOCKS, false, true);
	ResourceOwnerRelease(own_owner, RESOURCE_RELEASE_AFTER_LOCKS, false, true);
	ResourceOwnerDelete(own_owner);
	own_owner = NULL;
	own_owner_busy = false;
}

/*
 * A worker that ends by an error outside a transaction has nobody to unpin its
 * buffers; a pin that stays behind could never be removed.
 */
static void
release_at_exit(int code, Datum arg)
{
	if (own_owner == NULL)
		return;
	LWLockReleaseAll();
	release_own_owner();
}

/*
 * Prepares access to buffers; to be paired with raft_pages_end().  May be
 * nested.
 */
ResourceOwner
raft_pages_begin(void)
{
	static bool registered = false;
	ResourceOwner saved = CurrentResourceOwner;

	if (IsTransactionState() || (saved != NULL && saved == own_owner))
		return saved;

	if (own_owner_busy)
		release_own_owner();
	if (!registered)
	{
		before_shmem_exit(release_at_exit, (Datum) 0);
		registered = true;
	}
	if (own_owner == NULL)
		own_owner = ResourceOwnerCreate(NULL, "raft log");
	own_owner_busy = true;
	CurrentResourceOwner = own_owner;
	return saved;
}

void
raft_pages_end(ResourceOwner saved)
{
	if (CurrentResourceOwner == own_owner && saved != own_owner)
		own_owner_busy = false;
	CurrentResourceOwner = saved;
}

/* --- layout --- */

/* The page of the growing address lives in one block of the ring per lap. */
static BlockNumber
block_of(uint64 page_no, uint32 n_pages)
{
	return RAFT_RING_BLOCK + (BlockNumber) (page_no % n_pages);
}

void
raft_page_init(Page page, RaftPageKind kind, uint64 page_no)
{
	RaftPageSpecial *special;

	PageInit(page, BLCKSZ, sizeof(RaftPageSpecial));
	special = (RaftPageSpecial *) PageGetSpecialPointer(page);
	special->magic = RAFT_LOG_MAGIC;
	special->kind = kind;
	special->page_no = page_no;
	special->first_index = 0;
	special->first_offset = RAFT_PAGE_NO_START;
}

/*
 * The special space of a page, or NULL when it is not the page we look for:
 * never written, or written in another lap.
 */
RaftPageSpecial *
raft_page_check(Page page, RaftPageKind kind, uint64 page_no)
{
	RaftPageSpecial *special;

	if (PageIsNew(page) ||
		PageGetSpecialSize(page) != MAXALIGN(sizeof(RaftPageSpecial)))
		return NULL;
	special = (RaftPageSpecial *) PageGetSpecialPointer(page);
	if (special->magic != RAFT_LOG_MAGIC || special->kind != kind ||
		special->page_no != page_no)
		return NULL;
	return special;
}

/* Pins and share-locks a block. */
static Buffer
read_locked(RaftRelFile file, BlockNumber block, BufferAccessStrategy strategy)
{
	Buffer		buffer;

	buffer = ReadBufferWithoutRelcache(file, MAIN_FORKNUM, block, RBM_NORMAL,
									   strategy, true);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	return buffer;
}

/* --- space on disk --- */

#define BLOCKS_PER_STEP		2048	/* between two looks for interrupts */

/*
 * Makes the file as long as the ring needs and syncs it, so that consensus
 * never meets a full disk on this file.  The zeroed blocks are not WAL-logged:
 * each is logged as a full image when the ring first reaches it, and replay
 * extends the file where it has to.
 *
 * When the space for a new log does not suffice, the file is emptied again.
 */
void
raft_pages_reserve(RaftRelFile file, uint32 n_pages, bool creating)
{
	BlockNumber want = RAFT_RING_BLOCK + n_pages;
	BlockNumber have = smgrnblocks(raft_smgropen(file), MAIN_FORKNUM);

	if (have >= want)
		return;

	PG_TRY();
	{
		while (have < want)
		{
			BlockNumber next = have + Min(want - have, BLOCKS_PER_STEP);

			raft_smgr_zeroextend(raft_smgropen(file), have, next);
			have = next;
			CHECK_FOR_INTERRUPTS();
		}
		smgrimmedsync(raft_smgropen(file), MAIN_FORKNUM);
	}
	PG_CATCH();
	{
		if (creating)
			raft_smgr_empty(raft_smgropen(file));
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* --- block 0 --- */

static uint32
meta_crc(const RaftLogMeta *meta)
{
	return raft_host_crc32c(0, meta, offsetof(RaftLogMeta, crc));
}

uint32
raft_history_crc(const RaftLogHistory *history)
{
	return raft_host_crc32c(0, (const char *) history + sizeof(history->crc),
							sizeof(RaftLogHistory) - sizeof(history->crc));
}

/* To be called after the last change before the meta data is written. */
void
raft_meta_seal(RaftLogMeta *meta)
{
	meta->unused = 0;
	meta->crc = meta_crc(meta);
}

static RaftMetaResult
check_meta(const RaftLogMeta *meta)
{
	if (meta->magic != RAFT_LOG_MAGIC)
		return RAFT_META_DAMAGED;
	if (meta->format != RAFT_LOG_FORMAT || meta->page_payload != RAFT_PAGE_PAYLOAD)
		return RAFT_META_FORMAT;
	if (meta->crc != meta_crc(meta) ||
		meta->n_pages == 0 ||
		meta->config_size > RAFT_MAX_CONFIG_BYTES ||
		meta->first_index == 0 ||
		meta->first_index > meta->last_index + 1 ||
		meta->first_pos > meta->tail ||
		raft_page_of(meta->tail) - raft_page_of(meta->first_pos) > meta->n_pages)
		return RAFT_META_DAMAGED;
	return RAFT_META_OK;
}

/*
 * A log's first start has written its history before it did anything else.  So a block 0 of
 * zeros beside a history is no new table: the log has lost its block 0.
 */
static bool
has_history(RaftRelFile file)
{
	Buffer		buffer;
	bool		is_new;

	if (smgrnblocks(raft_smgropen(file), MAIN_FORKNUM) <= RAFT_HISTORY_BLOCK)
		return false;
	buffer = read_locked(file, RAFT_HISTORY_BLOCK, NULL);
	is_new = PageIsNew(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return !is_new;
}

RaftMetaResult
raft_pages_read_meta(RaftRelFile file, RaftLogMeta *meta)
{
	RaftMetaResult result = RAFT_META_DAMAGED;
	Buffer		buffer;
	Page		page;

	if (smgrnblocks(raft_smgropen(file), MAIN_FORKNUM) == 0)
		return RAFT_META_EMPTY;

	buffer = read_locked(file, RAFT_META_BLOCK, NULL);
	page = BufferGetPage(buffer);
	if (PageIsNew(page))
		result = RAFT_META_EMPTY;
	else if (raft_page_check(page, RAFT_PAGE_META, 0) != NULL)
	{
		memcpy(meta, PageGetContents(page), sizeof(RaftLogMeta));
		result = check_meta(meta);
	}
	UnlockReleaseBuffer(buffer);
	if (result == RAFT_META_EMPTY && has_history(file) && !RAFT_HOST_MUTANT(LOG_EMPTY_TRUSTED))
		result = RAFT_META_DAMAGED;
	return result;
}

/* Copies the base configuration, meta->config_size bytes. */
bool
raft_pages_read_config(RaftRelFile file, const RaftLogMeta *meta, uint8 *out)
{
	uint32		done = 0;

	for (uint32 i = 0; done < meta->config_size; i++)
	{
		Buffer		buffer = read_locked(file, RAFT_CONFIG_BLOCK + i, NULL);
		Page		page = BufferGetPage(buffer);
		uint32		part = Min(meta->config_size - done, RAFT_PAGE_PAYLOAD);
		bool		good = raft_page_check(page, RAFT_PAGE_CONFIG, i) != NULL;

		if (good)
			memcpy(out + done, PageGetContents(page), part);
		UnlockReleaseBuffer(buffer);
		if (!good)
			return false;
		done += part;
	}
	return raft_host_crc32c(0, out, done) == meta->config_crc || RAFT_HOST_MUTANT(LOG_CONFIG_UNCHECKED);
}

/* False when it is damaged. */
bool
raft_pages_read_history(RaftRelFile file, RaftLogHistory *history)
{
	Buffer		buffer = read_locked(file, RAFT_HISTORY_BLOCK, NULL);
	Page		page = BufferGetPage(buffer);
	bool		good = raft_page_check(page, RAFT_PAGE_HISTORY, 0) != NULL;

	if (good)
		memcpy(history, PageGetContents(page), sizeof(RaftLogHistory));
	UnlockReleaseBuffer(buffer);
	return good && history->n_starts <= RAFT_LOG_MAX_STARTS &&
		history->crc == raft_history_crc(history);
}

/* --- the ring --- */

/*
 * Copies the bytes at pos.  False when one of the pages is not (or no longer)
 * the one that holds them.
 */
bool
raft_pages_copy(RaftRelFile file, uint32 n_pages, uint64 pos, Size size,
				char *out, BufferAccessStrategy strategy)
{
	while (size > 0)
	{
		uint64		page_no = raft_page_of(pos);
		Size		offset = pos - raft_page_start(page_no);
		Size		part = Min(size, RAFT_PAGE_PAYLOAD - offset);
		Buffer		buffer = read_locked(file, block_of(page_no, n_pages), strategy);
		Page		page = BufferGetPage(buffer);
		bool		good;

		good = raft_page_check(page, RAFT_PAGE_RING, page_no) != NULL &&
			((PageHeader) page)->pd_lower >= RAFT_PAGE_HEADER + offset + part;
		if (good)
			memcpy(out, PageGetContents(page) + offset, part);
		UnlockReleaseBuffer(buffer);
		if (!good)
			return false;

		out += part;
		pos += part;
		size -= part;
	}
	return true;
}

/* The lowest index whose record starts on page page_no or a later one. */
bool
raft_pages_first_from(RaftRelFile file, uint32 n_pages, uint64 page_no,
					  RaftIndex *index)
{
	Buffer		buffer = read_locked(file, block_of(page_no, n_pages), NULL);
	RaftPageSpecial *special = raft_page_check(BufferGetPage(buffer), RAFT_PAGE_RING,
											   page_no);

	if (special != NULL)
		*index = special->first_index;
	UnlockReleaseBuffer(buffer);
	return special != NULL;
}

/*
 * Walks the records that start on a page up to index.  The length field of
 * each record before it lies on this page entirely, since index starts here too.
 */
static bool
walk_page(Page page, const RaftPageSpecial *special, RaftIndex index, uint64 *pos)
{
	const uint8 *payload = (const uint8 *) PageGetContents(page);
	Size		used = ((PageHeader) page)->pd_lower - RAFT_PAGE_HEADER;
	Size		offset = special->first_offset;

	if (offset == RAFT_PAGE_NO_START || special->first_index > index)
		return false;
	for (RaftIndex i = special->first_index; i < index; i++)
	{
		uint32		length;

		if (offset + sizeof(uint32) > used)
			return false;
		length = raft_record_length(payload + offset);
		if (length < RAFT_RECORD_HEADER || length >= used - offset)
			return false;
		offset += length;
	}
	*pos = raft_page_start(special->page_no) + offset;
	return true;
}

/*
 * Finds where the record of an index starts, between the first position and
 * the tail: a binary search over the pages, then a walk within one.
 */
bool
raft_pages_locate(RaftRelFile file, uint32 n_pages, uint64 first_pos,
				  uint64 tail, RaftIndex index, uint64 *pos)
{
	uint64		low = raft_page_of(first_pos);
	uint64		high;
	Buffer		buffer;
	RaftPageSpecial *special;
	bool		found;

	if (tail <= first_pos)
		return false;
	high = raft_page_of(tail - 1);

	/* the last page whose first record is not above index */
	while (low < high)
	{
		uint64		middle = low + (high - low + 1) / 2;
		RaftIndex	there;

		if (!raft_pages_first_from(file, n_pages, middle, &there))
			return false;
		if (there <= index)
			low = middle;
		else
			high = middle - 1;
	}

	buffer = read_locked(file, block_of(low, n_pages), NULL);
	special = raft_page_check(BufferGetPage(buffer), RAFT_PAGE_RING, low);
	found = special != NULL &&
		walk_page(BufferGetPage(buffer), special, index, pos);
	UnlockReleaseBuffer(buffer);
	return found;
}
