/*-------------------------------------------------------------------------
 *
 * disk.c
 *	  The disk of a node: writes are started, and durable later.
 *
 * An op is atomic: term and vote, the truncation and the append come to the
 * image together, as one record does in the server's log.  With a latency, a
 * flush covers all that was started before it began, and what is started while
 * it runs waits for the next one, as with a WAL.  A crash leaves the image with
 * any prefix of the ops that were started after the last durable one.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "lab.h"

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
		members[i].flags = RAFT_MEMBER_VOTER;
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
}

/* Brings an op into the image. */
static void
disk_perform(Lab *lab, Node *node, const DiskOp *op)
{
	Disk	   *disk = &node->disk;

	disk->term = op->term;
	disk->vote = op->vote;
	if (op->truncate_from != 0 && op->truncate_from <= disk->log.last)
		simlog_truncate(&disk->log, op->truncate_from);
	for (uint32_t i = 0; i < op->n_entries; i++)
	{
		if (disk->log.last + 1 != op->first + i)
			lab_fail(lab, 0, "node %u: op %llu appends at %llu, its disk ends at %llu", node->id,
					 (unsigned long long) op->op, (unsigned long long) (op->first + i),
					 (unsigned long long) disk->log.last);
		simlog_append(&disk->log, &op->entries[i]);
	}
}

/* A flush begins; it covers what was started so far. */
static void
disk_begin_sync(Lab *lab, Node *node)
{
	Disk	   *disk = &node->disk;

	disk->syncing = true;
	disk->sync_upto = disk->pending[disk->n_pending - 1].op;
	sched_post(&lab->sched, (SimEvent) {
		.at = lab->now + rng_below(&lab->rng_disk, lab->settings.disk_latency + 1),
		.type = SIM_DISK_SYNC,
		.node = node->id,
		.boot = node->boot
	});
}

void
disk_start_write(Lab *lab, Node *node, const DiskOp *op)
{
	Disk	   *disk = &node->disk;

	if (lab->settings.disk_latency == 0)
	{
		disk_perform(lab, node, op);
		invariants_durable(lab, node);
		sched_post(&lab->sched, (SimEvent) {
			.at = lab->now,
			.type = SIM_DISK_DURABLE,
			.node = node->id,
			.boot = node->boot,
			.value = op->op
		});
		return;
	}
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
	if (!disk->syncing)
		disk_begin_sync(lab, node);
}

/* Brings the first n pending ops into the image. */
static void
disk_perform_pending(Lab *lab, Node *node, size_t n)
{
	Disk	   *disk = &node->disk;

	for (size_t i = 0; i < n; i++)
	{
		disk_perform(lab, node, &disk->pending[i]);
		invariants_durable(lab, node);
	}
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

	while (n < disk->n_pending && disk->pending[n].op <= upto)
		n++;
	disk_perform_pending(lab, node, n);
	disk->syncing = false;
	if (disk->n_pending > 0)
		disk_begin_sync(lab, node);
	event.u.op = upto;
	node->synced = upto;
	lab_trace(lab, "n%u  durable up to op %llu", node->id, (unsigned long long) upto);
	node_step(lab, node, &event);
}

/* Ends all writes under way: some prefix of them is in the image. */
static void
disk_abandon(Lab *lab, Node *node, const char *why)
{
	Disk	   *disk = &node->disk;
	size_t		kept = 0;

	if (lab->settings.crash_keeps_some)
		kept = rng_below(&lab->rng_disk, disk->n_pending + 1);
	lab_trace(lab, "n%u  %s: %zu of %zu writes under way are kept", node->id, why, kept,
			  disk->n_pending);
	disk_perform_pending(lab, node, kept);
	disk->n_pending = 0;
	disk->syncing = false;
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
	RaftEvent	event = {.type = RAFT_EVENT_WRITE_FAILED, .now = lab->now};

	if (!node->up || node->stopped || node->disk.n_pending == 0)
		return;
	event.u.op = node->disk.pending[0].op;
	disk_abandon(lab, node, "write error");
	node->stopped = true;
	node_step(lab, node, &event);
}

/*
 * Reads the image as a starting server does: every record through the decoder.
 * Fills the node's log in memory and what the core has to be told.
 */
void
disk_recover(Lab *lab, Node *node, RaftBoot *boot)
{
	const SimLog *image = &node->disk.log;
	size_t		n = (size_t) (image->last + 1 - image->first);
	RaftRun    *runs = run_alloc((n + 1) * sizeof(RaftRun));
	RaftConfig *configs = run_alloc((n + 1) * sizeof(RaftConfig));
	RaftIndex	index;
	RaftEntry	entry;
	uint32_t	length;

	memset(boot, 0, sizeof(*boot));
	node->log = (SimLog) {
		.first = image->first, .last = image->first - 1, .base = image->base,
		.config = image->config, .config_index = image->config_index
	};
	if (image->first > 1)
	{
		/* an entry stands at its index: the compacted part stays empty */
		node->log.entries = run_alloc((size_t) image->first * 2 * sizeof(LogEntry));
		node->log.capacity = (size_t) image->first * 2;
	}
	if (image->config_index != 0)
	{
		lab_check(lab, raft_record_decode(image->config.record, image->config.length,
										  image->config.length, &index, &entry,
										  &length) == RAFT_DECODE_OK &&
				  raft_config_decode(entry.data, entry.size, &configs[0], NULL) == RAFT_DECODE_OK,
				  "node %u cannot read its compacted configuration", node->id);
		configs[boot->n_configs++].index = image->config_index;
	}
	for (RaftIndex i = image->first; i <= image->last; i++)
	{
		const LogEntry *stored = simlog_at(image, i);
		RaftDecodeResult result = raft_record_decode(stored->record, stored->length,
													 stored->length, &index, &entry, &length);
		LogEntry	made;

		if (result != RAFT_DECODE_OK || index != i || length != stored->length)
			lab_fail(lab, 16, "node %u: record %llu on its disk: %s", node->id,
					 (unsigned long long) i, raft_decode_message(result));
		made = simlog_make_entry(&node->log, i, &entry);
		if (made.chain != stored->chain)
			lab_fail(lab, 16, "node %u: record %llu came back changed", node->id,
					 (unsigned long long) i);
		simlog_append(&node->log, &made);
		if (boot->n_runs == 0 || runs[boot->n_runs - 1].term != entry.term)
			runs[boot->n_runs++] = (RaftRun) {.first = i, .term = entry.term};
		if (entry.kind == RAFT_ENTRY_CONFIG)
		{
			lab_check(lab, raft_config_decode(entry.data, entry.size, &configs[boot->n_configs],
											  NULL) == RAFT_DECODE_OK,
					  "node %u cannot read the configuration at %llu", node->id,
					  (unsigned long long) i);
			configs[boot->n_configs++].index = i;
		}
	}
	boot->term = node->disk.term;
	boot->vote = node->disk.vote;
	boot->first = image->first;
	boot->last = image->last;
	boot->base_term = image->first > 1 ? image->base.term : 0;
	boot->commit = node->disk.applied;
	boot->applied = node->disk.applied;
	boot->runs = runs;
	boot->configs = configs;
}
