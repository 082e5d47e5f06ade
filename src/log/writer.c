/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  Changing the log.  One process does it: the node worker of the group.
 *
 * A change goes to the pages first, as WAL records, and then to the ring, where
 * readers see it.  Nothing waits for the disk but raft_log_open(): others flush.
 *
 * After an ERROR the writer must not be used again: the worker ends, and the
 * next raft_log_open() goes by what stands in block 0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "host_mutants.h"
#include "utils/memutils.h"

#include "log/writer.h"

/* --- opening --- */

/* Keeps the index of a configuration in the log: compaction asks for it. */
void
raft_log_note_config(RaftLogWriter *writer, RaftIndex index)
{
	if (writer->n_configs == writer->max_configs)
	{
		writer->max_configs *= 2;
		writer->configs = repalloc(writer->configs,
								   writer->max_configs * sizeof(RaftIndex));
	}
	writer->configs[writer->n_configs++] = index;
}

StaticAssertDecl(UINT64CONST(1024) * 1024 * RAFT_MAX_LOG_SIZE_MB / BLCKSZ < MaxBlockNumber,
				 "the pages of the largest log can be numbered");

/* Whose group has no other member names its log at once: there is nobody to wait for. */
static uint32
name_single_log(uint8 config[RAFT_MAX_CONFIG_BYTES], const uint8 *bootstrap, uint32 size, uint64 log_id)
{
	RaftConfig	decoded;
	RaftMemberInfo members[RAFT_MAX_MEMBERS];

	if (raft_config_decode(bootstrap, size, &decoded, members) != RAFT_DECODE_OK)
		elog(ERROR, "invalid configuration for a new Raft log");
	if (decoded.n_members == 1)
		members[0].log_id = log_id;
	return (uint32) raft_config_encode(config, RAFT_MAX_CONFIG_BYTES, members, decoded.n_members);
}

/*
 * Makes the table a log.  Its space is taken first and block 0 written last,
 * so that a full disk or a crash leaves an empty table or a whole log.
 */
static void
create_log(RaftLogWriter *writer, const RaftLogIdentity *identity,
		   const uint8 *bootstrap, uint32 bootstrap_size)
{
	RaftLogMeta *meta = &writer->meta;
	uint64		log_id = raft_log_random();
	uint8	   *config = palloc(RAFT_MAX_CONFIG_BYTES);
	RaftEntry	entry = {.term = 1,.kind = RAFT_ENTRY_CONFIG,.data = config};
	uint8		header[RAFT_RECORD_HEADER];

	entry.size = name_single_log(config, bootstrap, bootstrap_size, log_id);
	memset(meta, 0, sizeof(RaftLogMeta));
	meta->magic = RAFT_LOG_MAGIC;
	meta->format = RAFT_LOG_FORMAT;
	meta->n_pages = (uint32) ((uint64) raft_log_size_mb * 1024 * 1024 / BLCKSZ - RAFT_RING_BLOCK);
	meta->page_payload = RAFT_PAGE_PAYLOAD;
	memcpy(meta->group, identity->group, RAFT_GROUP_ID_BYTES);
	meta->node = identity->node;
	meta->log_id = log_id;
	meta->term = 1;
	meta->first_index = 1;
	meta->last_index = 1;
	meta->tail = RAFT_RECORD_HEADER + entry.size;

	raft_pages_reserve(writer->pages->file, meta->n_pages, true);
	raft_log_set_identity(meta, writer->pages->file, identity);
	raft_meta_seal(meta);

	raft_record_header(header, 1, &entry);
	resetStringInfo(&writer->scratch);
	appendBinaryStringInfo(&writer->scratch, (char *) header, RAFT_RECORD_HEADER);
	appendBinaryStringInfo(&writer->scratch, (const char *) config, entry.size);
	raft_pages_write(writer->pages, meta, 0, 1, writer->scratch.data, writer->scratch.len);
	pfree(config);
}

RaftLogWriter *
raft_log_open(RaftLogShared *shared, RaftRelFile file, const RaftLogIdentity *identity,
			  const uint8 *bootstrap, uint32 bootstrap_size,
			  RaftLogRecovery *recovery)
{
	ResourceOwner saved = raft_pages_begin();
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "raft log",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	RaftLogWriter *writer = palloc0(sizeof(RaftLogWriter));
	RaftMetaResult result;

	writer->context = context;
	writer->shared = shared;
	writer->pages = raft_pages_open(file);
	writer->reader = raft_log_reader_create(shared, file);
	initStringInfo(&writer->scratch);
	writer->max_configs = 16;
	writer->configs = palloc(writer->max_configs * sizeof(RaftIndex));

	result = raft_pages_read_meta(file, &writer->meta);
	raft_log_check_meta(result, &writer->meta);
	if (result == RAFT_META_EMPTY)
		create_log(writer, identity, bootstrap, bootstrap_size);
	else
	{
		raft_log_check_identity(&writer->meta, file, identity);
		/* the blocks that WAL never named are missing after some restores */
		raft_pages_reserve(file, writer->meta.n_pages, false);
	}

	MemoryContextSwitchTo(caller);
	raft_log_recover(writer, recovery);

	raft_log_begin_incarnation(writer, recovery);
	XLogFlush(writer->lsn);
	recovery->log_id = writer->meta.log_id;

	raft_ring_set_ready(shared);
	raft_pages_end(saved);
	return writer;
}

/* --- writing --- */

uint64
raft_log_capacity(RaftLogWriter *writer)
{
	return (uint64) writer->meta.n_pages * RAFT_PAGE_PAYLOAD;
}

/* The page with the first record is not free, however much of it is dropped. */
static uint64
free_after(const RaftLogMeta *meta)
{
	if (RAFT_HOST_MUTANT(LOG_FREE_PART_PAGE))
		return (uint64) meta->n_pages * RAFT_PAGE_PAYLOAD - (meta->tail - meta->first_pos);
	return (uint64) meta->n_pages * RAFT_PAGE_PAYLOAD -
		(meta->tail - raft_page_start(raft_page_of(meta->first_pos)));
}

uint64
raft_log_free(RaftLogWriter *writer)
{
	return free_after(&writer->meta);
}

/*
 * The caller's promises.  Nothing is written when one is broken, but what
 * the core believes about the log is no longer so: the worker ends, and only the
 * worker, since the server's data are unharmed.
 */
static void
check_write(const RaftLogMeta *meta, const RaftWrite *write, const char *records, Size size)
{
	Size		seen = 0;

	if (write->term < meta->term)
		elog(FATAL, "term %llu of the Raft log would go back to %llu",
			 (unsigned long long) meta->term, (unsigned long long) write->term);
	if (write->n_entries > 0 && write->first != meta->last_index + 1)
		elog(FATAL, "entry %llu would follow entry %llu of the Raft log",
			 (unsigned long long) write->first, (unsigned long long) meta->last_index);
	for (uint32 i = 0; i < write->n_entries; i++)
	{
		uint32		length = 0;

		if (seen + RAFT_RECORD_HEADER <= size)
			length = raft_record_length((const uint8 *) records + seen);
		if (length < RAFT_RECORD_HEADER || length > size - seen)
			elog(FATAL, "the records to write to the Raft log are malformed");
		seen += length;
	}
	if (seen != size)
		elog(FATAL, "the records to write to the Raft log are malformed");
	if (size > free_after(meta))
		elog(FATAL, "%zu bytes do not fit the " UINT64_FORMAT " bytes that are free in the Raft log",
			 size, free_after(meta));
}

/* Cuts off the entries from an index on, in meta and for readers. */
static void
truncate_tail(RaftLogWriter *writer, RaftLogMeta *meta, RaftIndex from)
{
	uint64		pos;

	if (from < meta->first_index || from <= meta->commit)
		elog(FATAL, "entries from %llu on would be cut off the Raft log, which begins at %llu and is committed up to %llu",
			 (unsigned long long) from, (unsigned long long) meta->first_index,
			 (unsigned long long) meta->commit);

	pos = raft_log_position(writer->reader, from);
	meta->last_index = from - 1;
	meta->tail = pos;
	meta->truncations++;
	while (writer->n_configs > 0 && writer->configs[writer->n_configs - 1] >= from &&
		   !RAFT_HOST_MUTANT(LOG_CONFIG_KEPT))
		writer->n_configs--;
	raft_ring_truncate(writer->shared, from, pos);
}

/* Remembers which of the new entries are configurations. */
static void
note_configs(RaftLogWriter *writer, const RaftWrite *write, const char *records)
{
	const uint8 *record = (const uint8 *) records;

	for (uint32 i = 0; i < write->n_entries; i++)
	{
		if (raft_record_kind(record) == RAFT_ENTRY_CONFIG)
			raft_log_note_config(writer, write->first + i);
		record += raft_record_length(record);
	}
}

void
raft_log_write(RaftLogWriter *writer, const RaftWrite *write, const char *records,
			   Size size, RaftIndex commit)
{
	ResourceOwner saved = raft_pages_begin();
	RaftLogMeta meta = writer->meta;
	uint64		pos;
	bool		truncate = write->truncate_from != 0 &&
		write->truncate_from <= meta.last_index;

	if (truncate)
		truncate_tail(writer, &meta, write->truncate_from);
	check_write(&meta, write, records, size);

	meta.term = write->term;
	if (write->vote != 0 || !RAFT_HOST_MUTANT(LOG_VOTE_KEPT))
		meta.vote = write->vote;
	pos = meta.tail;

	/*
	 * Records of more than three pages take several WAL records.  A crash
	 * between them must not leave the old tail over new bytes, so the
	 * truncation goes first, of itself: as if the leader had sent the entries
	 * in a second message.
	 */
	if (truncate && !raft_pages_write_is_atomic(pos, size))
	{
		raft_meta_seal(&meta);
		raft_pages_write(writer->pages, &meta, pos, write->first, NULL, 0);
	}

	if (write->n_entries > 0)
		meta.last_index = write->first + write->n_entries - 1;
	meta.tail = pos + size;
	meta.commit = Max(meta.commit, Min(commit, meta.last_index));
	raft_meta_seal(&meta);
	writer->lsn = raft_pages_write(writer->pages, &meta, pos, write->first, records, size);
	writer->meta = meta;

	if (write->n_entries > 0)
	{
		note_configs(writer, write, records);
		raft_ring_append(writer->shared, write->first, write->n_entries, records, size);
	}
	raft_pages_end(saved);
}

XLogRecPtr
raft_log_end(RaftLogWriter *writer)
{
	return writer->lsn;
}

/* --- compaction --- */

/*
 * Decodes one entry into scratch.
 */
static void
fetch_entry(RaftLogWriter *writer, RaftIndex index, RaftEntry *entry)
{
	RaftIndex	found;
	uint32		length;

	resetStringInfo(&writer->scratch);
	if (raft_log_read(writer->reader, index, index, 0, &writer->scratch) != index ||
		raft_record_decode((uint8 *) writer->scratch.data, writer->scratch.len,
						   MaxAllocSize, &found, entry, &length) != RAFT_DECODE_OK ||
		found != index)
		raft_log_report_damage(index, NULL);
}

/* The newest configuration at or below an index that is still in the log, or 0. */
static RaftIndex
take_config_below(RaftLogWriter *writer, RaftIndex index)
{
	RaftIndex	newest = 0;
	uint32		n = 0;

	while (n < writer->n_configs && writer->configs[n] <= index)
		newest = writer->configs[n++];
	memmove(writer->configs, writer->configs + n,
			(writer->n_configs - n) * sizeof(RaftIndex));
	writer->n_configs -= n;
	return newest;
}

void
raft_log_compact(RaftLogWriter *writer, RaftIndex index)
{
	ResourceOwner saved;
	RaftLogMeta meta = writer->meta;
	RaftIndex	config_index;
	RaftEntry	entry;

	if (index < meta.first_index)
		return;
	if (index > meta.last_index)
		elog(FATAL, "entry %llu is not in the Raft log, which ends at %llu",
			 (unsigned long long) index, (unsigned long long) meta.last_index);

	saved = raft_pages_begin();
	meta.first_pos = raft_log_position(writer->reader, index + 1);
	meta.first_index = index + 1;
	meta.commit = Max(meta.commit, index);
	fetch_entry(writer, index, &entry);
	meta.base_term = entry.term;

	config_index = take_config_below(writer, index);
	if (config_index != 0)
	{
		fetch_entry(writer, config_index, &entry);
		meta.config_index = config_index;
		meta.config_size = entry.size;
		meta.config_crc = raft_host_crc32c(0, entry.data, entry.size);
		raft_meta_seal(&meta);
		writer->lsn = raft_pages_write_config(writer->pages, &meta, entry.data);
	}
	else
	{
		raft_meta_seal(&meta);
		writer->lsn = raft_pages_write(writer->pages, &meta, meta.tail,
									   meta.last_index + 1, NULL, 0);
	}
	writer->meta = meta;
	raft_ring_compact(writer->shared, meta.first_index, meta.first_pos);
	raft_pages_end(saved);
}
