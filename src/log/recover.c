/*-------------------------------------------------------------------------
 *
 * recover.c
 *	  What a node finds in its log when it starts.
 *
 * The server's own recovery has replayed the pages before.  Between the first
 * position and the tail of block 0 every record must stand undamaged: indexes
 * without a gap, terms that never go back.  A record that is not as it was
 * written may have been acknowledged, so the node must not go on without it
 * under its old identity (it could elect a leader that lacks the entry).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "log/writer.h"

#define SCAN_BYTES		(64 * 1024)

/* Reads the records one after the other. */
typedef struct RecordScan
{
	RaftLogWriter *writer;
	BufferAccessStrategy strategy;	/* a log may be larger than the buffers */
	uint64		pos;			/* of the bytes in buffer */
	StringInfoData buffer;
	Size		used;			/* bytes of it that were returned already */
} RecordScan;

/* Makes at least want bytes available behind those used; false at the tail. */
static bool
scan_fill(RecordScan *scan, Size want)
{
	const RaftLogMeta *meta = &scan->writer->meta;
	StringInfo	buffer = &scan->buffer;
	Size		have = buffer->len - scan->used;
	Size		more;

	if (have >= want)
		return true;

	memmove(buffer->data, buffer->data + scan->used, have);
	buffer->len = have;
	scan->pos += scan->used;
	scan->used = 0;

	more = Min(Max(want - have, SCAN_BYTES), meta->tail - scan->pos - have);
	if (have + more < want)
		return false;
	enlargeStringInfo(buffer, more);
	if (!raft_pages_copy(scan->writer->pages->file, meta->n_pages, scan->pos + have,
						 more, buffer->data + have, scan->strategy))
		return false;
	buffer->len += more;
	return true;
}

/* The record of an index, which must be the next one; ERROR if it is damaged. */
static const uint8 *
scan_next(RecordScan *scan, RaftIndex index, RaftEntry *entry, uint32 *length)
{
	const uint8 *record;
	RaftIndex	found;
	RaftDecodeResult result;

	if (!scan_fill(scan, RAFT_RECORD_HEADER) ||
		!scan_fill(scan, raft_record_length((uint8 *) scan->buffer.data + scan->used)))
		raft_log_report_damage(index, "Its pages do not hold the whole record.");

	record = (uint8 *) scan->buffer.data + scan->used;
	result = raft_record_decode(record, scan->buffer.len - scan->used, MaxAllocSize,
								&found, entry, length);
	if (result != RAFT_DECODE_OK || found != index)
		raft_log_report_damage(index, raft_log_describe(result));
	scan->used += *length;
	return record;
}

/* Adds a run when the term changes. */
static void
note_term(RaftBoot *boot, uint32 *max_runs, RaftIndex index, RaftTerm term)
{
	RaftRun    *runs = (RaftRun *) boot->runs;

	if (boot->n_runs > 0 && runs[boot->n_runs - 1].term == term)
		return;
	if (boot->n_runs == *max_runs)
	{
		*max_runs *= 2;
		runs = repalloc(runs, *max_runs * sizeof(RaftRun));
		boot->runs = runs;
	}
	runs[boot->n_runs].first = index;
	runs[boot->n_runs].term = term;
	boot->n_runs++;
}

/*
 * Adds a configuration.  The core needs the newest few: what is below them can
 * not come back by a truncation any more.
 */
static void
note_config(RaftLogRecovery *recovery, RaftIndex index, const uint8 *data, uint32 size)
{
	RaftBoot   *boot = &recovery->boot;
	RaftConfig *configs = (RaftConfig *) boot->configs;

	if (boot->n_configs == RAFT_MAX_CONFIGS)
	{
		pfree(recovery->config_data[0]);
		boot->n_configs--;
		memmove(configs, configs + 1, boot->n_configs * sizeof(configs[0]));
		memmove(recovery->config_data, recovery->config_data + 1,
				boot->n_configs * sizeof(recovery->config_data[0]));
		memmove(recovery->config_size, recovery->config_size + 1,
				boot->n_configs * sizeof(recovery->config_size[0]));
	}
	if (raft_config_decode(data, size, &configs[boot->n_configs], NULL) != RAFT_DECODE_OK)
		raft_log_report_damage(index, "It is not a valid configuration.");
	configs[boot->n_configs].index = index;
	recovery->config_data[boot->n_configs] = palloc(size);
	memcpy(recovery->config_data[boot->n_configs], data, size);
	recovery->config_size[boot->n_configs] = size;
	boot->n_configs++;
}

/* The configuration that compaction has kept. */
static void
recover_base_config(RaftLogWriter *writer, RaftLogRecovery *recovery)
{
	const RaftLogMeta *meta = &writer->meta;
	uint8	   *data;

	if (meta->config_size == 0)
		return;
	data = palloc(meta->config_size);
	if (!raft_pages_read_config(writer->pages->file, meta, data))
		raft_log_report_damage(meta->config_index,
							   "The copy of this configuration is damaged.");
	note_config(recovery, meta->config_index, data, meta->config_size);
	pfree(data);
}

static void
recover_entries(RaftLogWriter *writer, RaftLogRecovery *recovery)
{
	const RaftLogMeta *meta = &writer->meta;
	RecordScan	scan = {.writer = writer, .pos = meta->first_pos};
	RaftTerm	term = meta->base_term;
	uint32		max_runs = 64;

	recovery->boot.runs = palloc(max_runs * sizeof(RaftRun));
	scan.strategy = GetAccessStrategy(BAS_BULKREAD);
	initStringInfo(&scan.buffer);

	for (RaftIndex index = meta->first_index; index <= meta->last_index; index++)
	{
		RaftEntry	entry;
		uint32		length;
		const uint8 *record = scan_next(&scan, index, &entry, &length);

		if (entry.term < term || entry.term > meta->term)
			raft_log_report_damage(index, psprintf("Its term %llu is not between %llu and %llu.",
												   (unsigned long long) entry.term,
												   (unsigned long long) term,
												   (unsigned long long) meta->term));
		term = entry.term;
		note_term(&recovery->boot, &max_runs, index, term);
		if (entry.kind == RAFT_ENTRY_CONFIG)
		{
			note_config(recovery, index, entry.data, entry.size);
			raft_log_note_config(writer, index);
		}
		raft_ring_append(writer->shared, index, 1, (const char *) record, length);
		CHECK_FOR_INTERRUPTS();
	}
	if (scan.pos + scan.used != meta->tail)
		raft_log_report_damage(meta->last_index, "Something unknown stands after it.");

	pfree(scan.buffer.data);
	FreeAccessStrategy(scan.strategy);
}

void
raft_log_recover(RaftLogWriter *writer, RaftLogRecovery *recovery)
{
	const RaftLogMeta *meta = &writer->meta;
	RaftBoot   *boot = &recovery->boot;

	memset(recovery, 0, sizeof(RaftLogRecovery));
	boot->term = meta->term;
	boot->vote = meta->vote;
	boot->first = meta->first_index;
	boot->last = meta->last_index;
	boot->base_term = meta->base_term;
	boot->commit = meta->commit;
	boot->applied = meta->first_index - 1;
	boot->configs = palloc(RAFT_MAX_CONFIGS * sizeof(RaftConfig));

	raft_ring_reset(writer->shared, writer->pages->file, meta->n_pages,
					meta->first_index, meta->first_pos);
	recover_base_config(writer, recovery);
	recover_entries(writer, recovery);
}
