/*-------------------------------------------------------------------------
 *
 * disk.c
 *	  The disk of a node: writes are started, and durable later.
 *
 * An op is atomic: term and vote, the truncation and the append come to the
 * image together, as one record does in the server's log (image.c has the bytes).
 * With a latency, a flush covers all that was started before it began, and what
 * is started while it runs waits for the next one, as with a WAL.  A crash
 * leaves the image with any prefix of the ops that were started after the last
 * durable one, and the next one torn.
 *
 * What should be durable is kept beside the bytes, so that each recovery can be
 * compared with it.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "host_mutants.h"

#define BOOTSTRAP_INDEX	1
#define BOOTSTRAP_TERM	1

/*
 * A new disk: the configuration of all servers as voters stands at index 1,
 * committed by construction, since every disk is formatted alike.
 */
void
disk_format(Lab *lab, Disk *disk)
{
	RaftMemberInfo members[LAB_MAX_NODES];
	uint8_t		payload[RAFT_MAX_CONFIG_BYTES];
	RaftEntry	entry = {0};
	LogEntry	made;

	memset(disk, 0, sizeof(*disk));
	for (uint32_t i = 0; i < lab->n; i++)
	{
		members[i] = (RaftMemberInfo) {0};
		members[i].id = i + 1;
		members[i].flags = cluster_member_flags(lab, i + 1);
		members[i].log_id = lab->settings.forming ? 0 : i + 1;
		members[i].name = &"abcdefg"[i];
		members[i].name_size = 1;
		members[i].conninfo = "";
	}
	entry.term = BOOTSTRAP_TERM;
	entry.kind = RAFT_ENTRY_CONFIG;
	entry.data = payload;
	entry.size = (uint32_t) raft_config_encode(payload, sizeof(payload), members, lab->n);
	lab_check(lab, entry.size > 0, "the bootstrap configuration cannot be encoded");

	disk->term = BOOTSTRAP_TERM;
	disk->applied = BOOTSTRAP_INDEX;
	disk->log.first = BOOTSTRAP_INDEX;
	made = simlog_make_entry(&disk->log, BOOTSTRAP_INDEX, &entry);
	simlog_append(&disk->log, &made);
	disk->latency = lab->settings.disk_latency;
	identity_format(lab, disk);
	image_format(&disk->image);
	image_write(&disk->image, &disk->log, &(DiskOp) {
		.term = BOOTSTRAP_TERM, .first = BOOTSTRAP_INDEX, .n_entries = 1, .commit = BOOTSTRAP_INDEX
	});
}

/* Where the next record would come. */
static uint64_t
tail_position(const SimLog *log)
{
	const LogEntry *last = log->last >= log->first ? simlog_at(log, log->last) : &log->base;

	return last->position + last->length;
}

static void
perform_compaction(Disk *disk, RaftIndex upto)
{
	simlog_compact(&disk->log, upto);
	image_compact(&disk->image, &disk->log);
}

/* Brings an op into the image, where it is durable. */
void
disk_perform(Lab *lab, Node *node, const DiskOp *op)
{
	Disk	   *disk = &node->disk;
	DiskOp		written = *op;

	if (op->compact != 0)
	{
		perform_compaction(disk, op->compact);
		return;
	}
	disk->term = op->term;
	disk->vote = op->vote;
	if (op->truncate_from != 0 && op->truncate_from <= disk->log.last)
		simlog_truncate(&disk->log, op->truncate_from);
	for (uint32_t i = 0; i < op->n_entries; i++)
	{
		LogEntry	entry = op->entries[i];

		if (disk->log.last + 1 != op->first + i)
			lab_fail(lab, 16, "node %u: op %llu appends at %llu, its disk ends at %llu", node->id,
					 (unsigned long long) op->op, (unsigned long long) (op->first + i),
					 (unsigned long long) disk->log.last);
		entry.position = tail_position(&disk->log);
		simlog_append(&disk->log, &entry);
	}
	if (HOST_MUTANT(VOTE_APART) && op->n_entries == 0)
		written.vote = disk->image.meta.term == op->term ? (RaftNodeId) disk->image.meta.vote : 0;
	image_write(&disk->image, &disk->log, &written);
	invariants_durable(lab, node);
}

/* A flush begins; it covers what was started so far. */
static void
disk_begin_sync(Lab *lab, Node *node)
{
	Disk	   *disk = &node->disk;

	disk->syncing = true;
	disk->sync_upto = disk->pending[disk->n_pending - 1].op;
	disk->sync_end = lab->now + rng_below(&lab->rng_disk, disk->latency + 1);
	if (disk->sync_end < disk->stuck_until)
		disk->sync_end = disk->stuck_until;
	sched_post(&lab->sched, (SimEvent) {
		.at = disk->sync_end,
		.type = SIM_DISK_SYNC,
		.node = node->id,
		.boot = node->boot
	});
}

static void
post_durable(Lab *lab, Node *node, RaftOp op)
{
	sched_post(&lab->sched, (SimEvent) {
		.at = lab->now,
		.type = SIM_DISK_DURABLE,
		.node = node->id,
		.boot = node->boot,
		.value = op
	});
}

static void
add_pending(Disk *disk, const DiskOp *op)
{
	if (disk->n_pending == disk->capacity)
	{
		size_t		capacity = disk->capacity == 0 ? 16 : disk->capacity * 2;
		DiskOp	   *pending = run_alloc(capacity * sizeof(DiskOp));

		if (disk->n_pending > 0)
			memcpy(pending, disk->pending, disk->n_pending * sizeof(DiskOp));
		disk->pending = pending;
		disk->capacity = capacity;
	}
	disk->pending[disk->n_pending++] = *op;
}

void
disk_start_write(Lab *lab, Node *node, const DiskOp *op)
{
	Disk	   *disk = &node->disk;
	bool		instant = disk->latency == 0 && disk->n_pending == 0 &&
		disk->stuck_until <= lab->now && disk->full_until <= lab->now;

	if (instant)
	{
		disk_perform(lab, node, op);
		post_durable(lab, node, op->op);
		return;
	}
	add_pending(disk, op);
	if (!disk->syncing)
		disk_begin_sync(lab, node);
	if (HOST_MUTANT(LAZY_FSYNC))
		post_durable(lab, node, op->op);
}

/* Drops entries; like any write after those that were started before. */
void
disk_compact(Lab *lab, Node *node, RaftIndex upto)
{
	Disk	   *disk = &node->disk;

	if (disk->n_pending == 0)
		perform_compaction(disk, upto);
	else
		add_pending(disk, &(DiskOp) {
			.op = disk->pending[disk->n_pending - 1].op, .compact = upto
		});
	lab_trace(lab, "n%u  compacts up to %llu", node->id, (unsigned long long) upto);
}

/* Brings the first n pending ops into the image. */
static void
disk_perform_pending(Lab *lab, Node *node, size_t n)
{
	Disk	   *disk = &node->disk;

	for (size_t i = 0; i < n; i++)
		disk_perform(lab, node, &disk->pending[i]);
	disk->n_pending -= n;
	if (disk->n_pending > 0)
		memmove(disk->pending, disk->pending + n, disk->n_pending * sizeof(DiskOp));
}

/* A flush ended: its ops are in the image, and the core is told of the last. */
void
disk_sync_done(Lab *lab, Node *node)
{
	Disk	   *disk = &node->disk;
	RaftOp		upto = disk->sync_upto;
	size_t		n = 0;
	RaftEvent	event = {.type = RAFT_EVENT_WRITE_DURABLE, .now = lab->now};

	if (lab->now < disk->full_until)
	{
		disk_fail(lab, node);
		return;
	}
	while (n < disk->n_pending && disk->pending[n].op <= upto)
		n++;
	disk_perform_pending(lab, node, n);
	if (HOST_MUTANT(FLUSH_COVERS_LATER))
		upto = node->written;
	disk->syncing = false;
	if (disk->n_pending > 0)
		disk_begin_sync(lab, node);
	event.u.op = upto;
	if (node->synced < upto)
		node->synced = upto;
	lab_trace(lab, "n%u  durable up to op %llu", node->id, (unsigned long long) upto);
	node_step(lab, node, &event);
}

/*
 * The op that the failure meets half-way: its truncation may have been written of
 * itself, and a part of its records behind the tail.
 */
static void
disk_tear(Lab *lab, Node *node, const DiskOp *op)
{
	Disk	   *disk = &node->disk;
	bool		truncates = op->truncate_from != 0 && op->truncate_from <= disk->log.last;
	DiskOp		truncation = *op;

	if (op->n_entries == 0 || rng_percent(&lab->rng_disk, 30))
		return;
	if (truncates)
	{
		truncation.n_entries = 0;
		disk_perform(lab, node, &truncation);
	}
	image_tear(&lab->rng_disk, &disk->image, op);
}

/* Ends all writes under way: some prefix of them is in the image. */
static void
disk_abandon(Lab *lab, Node *node, const char *why)
{
	Disk	   *disk = &node->disk;
	size_t		n = disk->n_pending,
				kept = 0;

	if (lab->settings.crash_keeps_some)
		kept = rng_below(&lab->rng_disk, n + 1);
	lab_trace(lab, "n%u  %s: %zu of %zu writes under way are kept", node->id, why, kept, n);
	disk_perform_pending(lab, node, kept);
	if (kept < n && lab->settings.crash_keeps_some)
		disk_tear(lab, node, &disk->pending[0]);
	disk->n_pending = 0;
	disk->syncing = false;
}

/* All that was started is flushed. */
void
disk_settle(Lab *lab, Node *node)
{
	disk_perform_pending(lab, node, node->disk.n_pending);
	node->disk.syncing = false;
}

/* The first writes under way reach the image just before the power fails. */
void
disk_keep(Lab *lab, Node *node, size_t n)
{
	lab_check(lab, n <= node->disk.n_pending, "node %u has only %zu writes under way", node->id,
			  node->disk.n_pending);
	disk_perform_pending(lab, node, n);
}

/* The power fails. */
void
disk_crash(Lab *lab, Node *node)
{
	disk_abandon(lab, node, "crash");
}

/*
 * A flush reports an error: what of it reached the disk nobody knows, and the
 * core must not go on.
 */
void
disk_fail(Lab *lab, Node *node)
{
	Disk	   *disk = &node->disk;
	RaftEvent	event = {.type = RAFT_EVENT_WRITE_FAILED, .now = lab->now};
	RaftOp		last;

	if (!node->up || node->stopped || disk->n_pending == 0)
		return;
	event.u.op = disk->pending[0].op;
	last = disk->pending[disk->n_pending - 1].op;
	disk_abandon(lab, node, "write error");
	if (HOST_MUTANT(FSYNC_RETRIED))
	{
		post_durable(lab, node, last);
		return;
	}
	node->stopped = true;
	node_step(lab, node, &event);
}

/* Is what was read the log that should be there?  Invariant 16. */
static void
check_recovered(Lab *lab, const Node *node, const RaftBoot *boot)
{
	const Disk *disk = &node->disk;

	if (boot->term != disk->term || boot->vote != disk->vote)
		lab_fail(lab, 16, "node %u comes back with term %llu and a vote for %u, durable was term %llu, %u",
				 node->id, (unsigned long long) boot->term, boot->vote,
				 (unsigned long long) disk->term, disk->vote);
	if (boot->first != disk->log.first || boot->last != disk->log.last)
		lab_fail(lab, 16, "node %u comes back with entries %llu..%llu, durable was %llu..%llu", node->id,
				 (unsigned long long) boot->first, (unsigned long long) boot->last,
				 (unsigned long long) disk->log.first, (unsigned long long) disk->log.last);
	if (boot->last >= boot->first &&
		simlog_at(&node->log, boot->last)->chain != simlog_at(&disk->log, boot->last)->chain)
		lab_fail(lab, 16, "node %u comes back with other entries than were durable", node->id);
}

/*
 * Reads the disk as a starting server does: every record through the decoder.
 * Fills the node's log in memory and what the core has to be told.  Returns
 * why the node must not start; NULL = it may.
 */
const char *
disk_recover(Lab *lab, Node *node, RaftBoot *boot)
{
	Disk	   *disk = &node->disk;
	const SimLog *durable = &disk->log;
	const char *wrong;

	if (disk->wiped)
		return "it is empty";
	node->log = (SimLog) {
		.first = durable->first, .last = durable->first - 1, .base = durable->base,
		.config = durable->config, .config_index = durable->config_index
	};
	if (durable->first > 1)
	{
		/* what lies below the first entry is kept in a place of its own */
		node->log.entries = run_alloc((size_t) durable->first * 2 * sizeof(LogEntry));
		node->log.capacity = (size_t) durable->first * 2;
	}
	wrong = image_read(&disk->image, &node->log, boot);
	if (wrong != NULL)
	{
		if (!disk->flipped)
			lab_fail(lab, 16, "node %u does not start, though its disk was never damaged: %s", node->id, wrong);
		return wrong;
	}
	check_recovered(lab, node, boot);
	if (boot->commit < disk->applied)
		boot->commit = disk->applied;
	boot->applied = disk->applied;
	return NULL;
}
