/*-------------------------------------------------------------------------
 *
 * image_test.c
 *	  The bytes on a disk: whatever a crash leaves of a write, and whichever bit
 *	  changes, a start gets what was durable or refuses.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "lab.h"

#define ENTRIES		5

/* A log and its image, written op by op: some entries, a truncation, some more. */
typedef struct Written
{
	SimLog		log;
	DiskImage	image;
} Written;

static void
write_op(Written *written, DiskOp *op)
{
	if (op->truncate_from != 0)
		simlog_truncate(&written->log, op->truncate_from);
	for (uint32_t i = 0; i < op->n_entries; i++)
	{
		const LogEntry *last = written->log.last >= written->log.first ?
			simlog_at(&written->log, written->log.last) : &written->log.base;

		op->entries[i].position = last->position + last->length;
		simlog_append(&written->log, &op->entries[i]);
	}
	image_write(&written->image, &written->log, op);
}

/* An op that appends entries of random sizes, the log being as it is. */
static DiskOp
append_op(Lab *lab, const Written *written, RaftTerm term, uint32_t n)
{
	DiskOp		op = {.term = term, .vote = 2, .first = written->log.last + 1, .n_entries = n};
	SimLog		log = written->log;

	/* a copy: only the op is wanted */
	log.entries = run_copy(log.entries, log.capacity * sizeof(LogEntry));
	op.entries = run_alloc(n * sizeof(LogEntry));
	for (uint32_t i = 0; i < n; i++)
	{
		RaftEntry	entry = {.term = term, .kind = RAFT_ENTRY_COMMAND};

		entry.size = (uint32_t) rng_below(&lab->rng_test, 100);
		entry.data = cluster_random_command(lab, entry.size).data;
		op.entries[i] = simlog_make_entry(&log, op.first + i, &entry);
		simlog_append(&log, &op.entries[i]);
	}
	return op;
}

static Written
make_written(Lab *lab)
{
	Written		written = {.log = {.first = 1}};
	DiskOp		op;

	image_format(&written.image);
	op = append_op(lab, &written, 3, ENTRIES);
	write_op(&written, &op);
	op = (DiskOp) {.term = 4, .truncate_from = ENTRIES - 1};
	write_op(&written, &op);
	op = append_op(lab, &written, 4, 1);
	write_op(&written, &op);
	return written;
}

/* Reads an image into a new log; NULL when it is in order. */
static const char *
read_image(const Written *written, SimLog *log, RaftBoot *boot)
{
	*log = (SimLog) {.first = written->log.first, .last = written->log.first - 1, .base = written->log.base};
	if (log->first > 1)
	{
		log->entries = run_alloc((size_t) log->first * 2 * sizeof(LogEntry));
		log->capacity = (size_t) log->first * 2;
	}
	return image_read(&written->image, log, boot);
}

static void
expect_same(Lab *lab, const Written *written)
{
	SimLog		log;
	RaftBoot	boot;
	const char *wrong = read_image(written, &log, &boot);

	lab_check(lab, wrong == NULL, "the image is refused: %s", wrong);
	lab_check(lab, boot.term == 4 && boot.first == written->log.first && boot.last == written->log.last &&
			  simlog_at(&log, boot.last)->chain == simlog_at(&written->log, boot.last)->chain,
			  "the image gives entries %llu..%llu of another log", (unsigned long long) boot.first,
			  (unsigned long long) boot.last);
}

/* Records that never became durable lie behind the tail, whole or torn: nobody sees them. */
static void
image_torn(Lab *lab)
{
	Written		written = make_written(lab);

	expect_same(lab, &written);
	for (int i = 0; i < 200; i++)
	{
		DiskOp		op = append_op(lab, &written, 4, 1 + (uint32_t) rng_below(&lab->rng_test, 4));

		image_tear(&lab->rng_disk, &written.image, &op);
		expect_same(lab, &written);
	}
}

/* What is compacted is not looked at; the rest is as it was. */
static void
image_compacted(Lab *lab)
{
	Written		written = make_written(lab);

	simlog_compact(&written.log, 2);
	image_compact(&written.image, &written.log);
	expect_same(lab, &written);
}

/* Any single bit, of the first block or of a record: the start refuses. */
static void
image_flipped(Lab *lab)
{
	Written		written = make_written(lab);
	uint8_t    *block = (uint8_t *) &written.image.block;
	uint64_t	bits = 8 * (sizeof(DiskMeta) + written.image.meta.tail);

	for (uint64_t bit = 0; bit < bits; bit++)
	{
		uint64_t	byte = bit / 8;
		uint8_t    *at = byte < sizeof(DiskMeta) ? block + byte : written.image.bytes + byte - sizeof(DiskMeta);
		SimLog		log;
		RaftBoot	boot;

		*at ^= (uint8_t) (1 << (bit % 8));
		lab_check(lab, read_image(&written, &log, &boot) != NULL, "bit %llu of byte %llu changed unnoticed",
				  (unsigned long long) (bit % 8), (unsigned long long) byte);
		*at ^= (uint8_t) (1 << (bit % 8));
	}
	expect_same(lab, &written);
}

const LabTest image_tests[] = {
	{"image_torn", "unit", 0, 20, image_torn},
	{"image_compacted", "unit", 0, 20, image_compacted},
	{"image_flipped", "unit", 0, 5, image_flipped},
	{0}
};
