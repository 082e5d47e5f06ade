/*-------------------------------------------------------------------------
 *
 * image.c
 *	  The bytes on a node's disk: a first block, and entry records behind it,
 *	  in the shape that the server's log has.
 *
 *		meta: term, vote, first, last, positions			 tail
 *		bytes	... | record | record | record | record |^| left over, torn
 *				^ first_position
 *
 * Records are written first, the first block last and as one: what a crash leaves
 * behind the tail was never durable, and nobody looks there.  An append that
 * follows a truncation could overwrite records that the old first block still names,
 * so the truncation is written before it, of itself.  Between the first position and
 * the tail each record must stand undamaged: it may have been acknowledged, so
 * that a node that has lost it must not go on under its identity.
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>
#include <string.h>

#include "host_mutants.h"

static uint64_t
meta_crc(const DiskMeta *meta)
{
	return raft_host_crc32c(0, meta, offsetof(DiskMeta, crc));
}

/* The first block is written as a whole, from what the node knows. */
static void
write_meta(DiskImage *image)
{
	image->meta.crc = meta_crc(&image->meta);
	image->block = image->meta;
}

/* A disk with a first block and nothing else. */
void
image_format(DiskImage *image)
{
	memset(image, 0, sizeof(*image));
	image->meta.first = 1;
	write_meta(image);
}

static void
put_bytes(DiskImage *image, uint64_t position, const void *data, size_t size)
{
	if (position + size > image->capacity)
	{
		size_t		capacity = (position + size) * 2 + 1024;
		uint8_t    *bytes = run_alloc(capacity);

		if (image->size > 0)
			memcpy(bytes, image->bytes, image->size);
		image->bytes = bytes;
		image->capacity = capacity;
	}
	memcpy(image->bytes + position, data, size);
	if (position + size > image->size)
		image->size = position + size;
}

/* An op reaches the disk; the log is as it is after the op, with positions. */
void
image_write(DiskImage *image, const SimLog *log, const DiskOp *op)
{
	DiskMeta   *meta = &image->meta;

	for (uint32_t i = 0; i < op->n_entries; i++)
	{
		const LogEntry *entry = simlog_at(log, op->first + i);

		put_bytes(image, entry->position, entry->record, entry->length);
	}
	meta->term = op->term;
	meta->vote = op->vote;
	meta->last = log->last;
	if (log->last >= log->first)
		meta->tail = simlog_at(log, log->last)->position + simlog_at(log, log->last)->length;
	else
		meta->tail = meta->first_position;
	if (meta->commit < op->commit)
		meta->commit = op->commit < meta->last ? op->commit : meta->last;
	write_meta(image);
}

/* The power fails while records are written: some bytes of them come behind the tail. */
void
image_tear(Rng *rng, DiskImage *image, const DiskOp *op)
{
	uint64_t	position = image->meta.tail;
	uint64_t	total = 0,
				torn;

	for (uint32_t i = 0; i < op->n_entries; i++)
		total += op->entries[i].length;
	torn = rng_below(rng, total + 1);
	for (uint32_t i = 0; i < op->n_entries && torn > 0; i++)
	{
		const LogEntry *entry = &op->entries[i];
		uint64_t	part = torn < entry->length ? torn : entry->length;

		put_bytes(image, position, entry->record, part);
		position += part;
		torn -= part;
	}
}

/* The log was compacted: its first records are not looked at any more. */
void
image_compact(DiskImage *image, const SimLog *log)
{
	DiskMeta   *meta = &image->meta;

	meta->first = log->first;
	meta->base_term = log->base.term;
	meta->first_position = log->base.position + log->base.length;
	if (meta->commit < log->first - 1)
		meta->commit = log->first - 1;
	write_meta(image);
}

/* One bit changes, among what a start looks at. */
void
image_flip(Rng *rng, DiskImage *image)
{
	uint64_t	records = image->meta.tail - image->meta.first_position;
	uint8_t		bit = (uint8_t) (1 << rng_below(rng, 8));

	if (records == 0 || rng_percent(rng, 10))
		((uint8_t *) &image->block)[rng_below(rng, sizeof(DiskMeta))] ^= bit;
	else
		image->bytes[image->meta.first_position + rng_below(rng, records)] ^= bit;
}

/* -------------------------------------------------------------- reading */

/* The record of an index; NULL, and why, when it is not what was written. */
static const char *
read_record(const DiskImage *image, uint64_t position, uint64_t end, RaftIndex index,
			RaftEntry *entry, uint32_t *length)
{
	RaftIndex	found;
	RaftDecodeResult result;

	result = raft_record_decode(image->bytes + position, end - position, end - position,
								&found, entry, length);
	if (result != RAFT_DECODE_OK)
		return raft_decode_message(result);
	return found == index ? NULL : "another index";
}

static const char *
take_entry(SimLog *log, RaftBoot *boot, RaftIndex index, const RaftEntry *entry, uint64_t position)
{
	RaftRun    *runs = (RaftRun *) boot->runs;
	RaftConfig *configs = (RaftConfig *) boot->configs;
	LogEntry	made = simlog_make_entry(log, index, entry);

	made.position = position;
	simlog_append(log, &made);
	if (boot->n_runs == 0 || runs[boot->n_runs - 1].term != entry->term)
		runs[boot->n_runs++] = (RaftRun) {.first = index, .term = entry->term};
	if (entry->kind != RAFT_ENTRY_CONFIG)
		return NULL;
	if (raft_config_decode(entry->data, entry->size, &configs[boot->n_configs], NULL) != RAFT_DECODE_OK)
		return "a configuration that is none";
	configs[boot->n_configs++].index = index;
	return NULL;
}

/* The configuration that compaction has kept in a place of its own. */
static const char *
take_base_config(SimLog *log, RaftBoot *boot)
{
	RaftConfig *configs = (RaftConfig *) boot->configs;
	RaftEntry	entry;
	RaftIndex	index;
	uint32_t	length;

	if (log->config_index == 0)
		return NULL;
	if (raft_record_decode(log->config.record, log->config.length, log->config.length, &index,
						   &entry, &length) != RAFT_DECODE_OK ||
		raft_config_decode(entry.data, entry.size, &configs[0], NULL) != RAFT_DECODE_OK)
		return "no compacted configuration";
	configs[boot->n_configs++].index = log->config_index;
	return NULL;
}

/*
 * Reads the records into a log that has its base already, and fills in what a
 * core has to be told.  Returns what is wrong with the disk; NULL = nothing.
 */
const char *
image_read(const DiskImage *image, SimLog *log, RaftBoot *boot)
{
	const DiskMeta *meta = &image->block;
	uint64_t	position = meta->first_position;
	uint64_t	end = HOST_MUTANT(RESURRECT_TAIL) ? image->size : meta->tail;
	RaftTerm	term = meta->base_term;
	const char *wrong;
	size_t		most;

	memset(boot, 0, sizeof(*boot));
	if (meta->crc != meta_crc(meta))
		return "a first block with a wrong checksum";
	most = (size_t) (meta->last + 2 - meta->first) + (HOST_MUTANT(RESURRECT_TAIL) ? image->size / RAFT_RECORD_HEADER : 0);
	boot->runs = run_alloc(most * sizeof(RaftRun));
	boot->configs = run_alloc(most * sizeof(RaftConfig));
	boot->term = meta->term;
	boot->vote = (RaftNodeId) meta->vote;
	boot->first = meta->first;
	boot->base_term = meta->base_term;
	boot->commit = meta->commit;
	if ((wrong = take_base_config(log, boot)) != NULL)
		return wrong;

	for (boot->last = meta->first - 1; position < end; boot->last++)
	{
		RaftEntry	entry;
		uint32_t	length;

		wrong = read_record(image, position, end, boot->last + 1, &entry, &length);
		if (wrong == NULL && (entry.term < term || entry.term > meta->term))
			wrong = "a term out of order";
		if (wrong == NULL)
			wrong = take_entry(log, boot, boot->last + 1, &entry, position);
		if (wrong != NULL && (HOST_MUTANT(CORRUPT_CUT) ||
							  (HOST_MUTANT(RESURRECT_TAIL) && boot->last >= meta->last)))
			return NULL;
		if (wrong != NULL)
			return wrong;
		term = entry.term;
		position += length;
	}
	if (boot->last < meta->last)
		return "fewer records than its first block says";
	if (HOST_MUTANT(TORN_UNBOOTABLE) && image->size > meta->tail)
	{
		RaftEntry	entry;
		uint32_t	length;

		return read_record(image, meta->tail, image->size, meta->last + 1, &entry, &length);
	}
	return NULL;
}
