/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Disks that come back as they were before, copies of disks, new ones: who is
 *	  let in, as the server does it (src/log/identity.c, src/net/peer_log.c).
 *
 * Every start of a node draws a number and keeps it, durably, with those of the
 * starts before it.  Whoever hears a node keeps, durably too, the number of its
 * log, of its last start, what of its log was durable and known to it as committed, and
 * its term: that never becomes less, while entries that are not committed may.
 * Of a start that comes later the one that is known has to be in its history, and
 * it must not have less.  A copy is found out at home: its first block names the
 * file to which it was written, and that is another one.
 *
 * What nobody can tell is not tried: an earlier state of the very same file is
 * known as such by those only who have met a later start.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "host_mutants.h"

/* A disk with nothing on it is a new file, and a new log. */
void
identity_format(Lab *lab, Disk *disk)
{
	disk->file = disk->written_to = ++lab->files;
	disk->log_id = rng_next(&lab->rng_identity);
}

/* Why the server must not start as the node whose log this is; NULL = it may. */
const char *
identity_check_disk(const Disk *disk)
{
	if (disk->written_to != disk->file && !HOST_MUTANT(COPY_UNMARKED))
		return "the log of another file: it is a copy";
	return NULL;
}

/* A start: its number is durable before anybody hears of it. */
void
identity_begin(Lab *lab, Node *node)
{
	Disk	   *disk = &node->disk;
	NodeStart  *start = run_alloc(sizeof(NodeStart));

	if (node->start != NULL)
		node->start->over = true;
	start->log_id = disk->log_id;
	start->incarnation = rng_next(&lab->rng_identity);
	start->former = disk->last_start;
	disk->last_start = start;
	disk->written_to = disk->file;
	node->start = start;
}

/*
 * The core's durable index, not the end of the disk: that may still have entries which
 * gave way to others.
 */
NodeStanding
identity_standing(const Node *node)
{
	const RaftStatus *status = &node->status;

	return (NodeStanding) {
		.last = node->disk.log.last, .term = node->disk.term,
		.committed = status->commit < status->durable ? status->commit : status->durable
	};
}

static bool
is_in_history(const NodeStart *start, uint64_t incarnation)
{
	for (; start != NULL; start = start->former)
		if (start->incarnation == incarnation)
			return true;
	return false;
}

/* Who it was that is known, and what comes under its name now: may it be the same node? */
static bool
may_be_same(const PeerMet *known, const NodeStart *start, const NodeStanding *standing)
{
	if (known->incarnation == 0)
		return true;			/* never met */
	if (start->log_id != known->log_id)
		return HOST_MUTANT(WIPED_REJOINS);
	if (HOST_MUTANT(STARTS_UNCHECKED))
		return true;
	return is_in_history(start, known->incarnation) &&
		standing->last >= known->standing.committed && standing->term >= known->standing.term;
}

/*
 * A message of a start: is it listened to?  Who was let in once is heard, also when a
 * message comes late; but a newer start of a node takes the place of one that still runs.
 */
bool
identity_admits(Node *node, RaftNodeId peer, NodeStart *start, const NodeStanding *standing)
{
	PeerMet    *known = &node->disk.met[peer];
	uint32_t	self = UINT32_C(1) << node->id;

	if ((start->admitted & self) == 0 || (known->incarnation != start->incarnation && !start->over))
	{
		if (!may_be_same(known, start, standing))
			return false;
		start->admitted |= self;
		known->log_id = start->log_id;
		known->incarnation = start->incarnation;
	}
	if (known->standing.committed < standing->committed)
		known->standing.committed = standing->committed;
	if (known->standing.term < standing->term)
		known->standing.term = standing->term;
	return true;
}

/* Streams are opened, to and from all that can be reached: who starts is met before it says anything. */
void
identity_greet(Lab *lab, Node *node)
{
	NodeStanding own = identity_standing(node);

	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		Node	   *peer = &lab->nodes[i];
		NodeStanding theirs;

		if (peer == node || !peer->up || peer->paused_until > lab->now)
			continue;
		theirs = identity_standing(peer);
		if (lab->network.enabled[node->id][i])
			(void) identity_admits(peer, node->id, node->start, &own);
		if (lab->network.enabled[i][node->id])
			(void) identity_admits(node, i, peer->start, &theirs);
	}
}

/* Can all others tell a disk with this history from the newest state of the node? */
static bool
others_can_tell(Lab *lab, const Node *node, uint64_t log_id, const NodeStart *last)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		const PeerMet *known = &lab->nodes[i].disk.met[node->id];

		if (i == node->id)
			continue;
		if (known->incarnation == 0 || (known->log_id == log_id && is_in_history(last, known->incarnation)))
			return false;
	}
	return !cluster_is_quorum(lab, UINT32_C(1) << node->id);
}

/* An empty disk may come back as a new log: everybody who knew the old one refuses it. */
bool
identity_may_be_new(Lab *lab, const Node *node)
{
	return others_can_tell(lab, node, 0, NULL);
}

/* ------------------------------------------------------- images of disks */

static void
copy_log(SimLog *log)
{
	if (log->capacity > 0)
		log->entries = run_copy(log->entries, log->capacity * sizeof(LogEntry));
}

/* All that is durable on a disk, now. */
static Disk
copy_disk(const Disk *disk)
{
	Disk		copy = *disk;

	copy_log(&copy.log);
	if (copy.image.capacity > 0)
		copy.image.bytes = run_copy(copy.image.bytes, copy.image.capacity);
	copy.pending = NULL;
	copy.n_pending = copy.capacity = 0;
	copy.syncing = false;
	return copy;
}

/* A backup is taken while the server runs, or a snapshot of its machine. */
void
identity_keep_image(Lab *lab, Node *node)
{
	if (node->disk.flipped || node->disk.wiped || node->out)
		return;
	if (node->image == NULL)
		node->image = run_alloc(sizeof(Disk));
	*node->image = copy_disk(&node->disk);
	node->image->file = ++lab->files;
	node->image_of = node->disk.file;
}

/* It had more once; whoever was told so then was told the truth. */
void
identity_lose(Node *node)
{
	LostLog    *lost = run_alloc(sizeof(LostLog));

	lost->log = node->disk.log;
	lost->next = node->lost;
	node->lost = lost;
	node->older = true;
	node->losses++;
}

static bool
has_entry(const SimLog *log, RaftIndex index, const LogEntry *entry)
{
	return index <= log->last && index >= log->first && simlog_at(log, index)->chain == entry->chain;
}

/* Is an entry on the disk, or was it on one that is lost? */
bool
identity_has_or_had(const Node *node, RaftIndex index, const LogEntry *entry)
{
	bool		has = has_entry(&node->disk.log, index, entry);

	for (const LostLog *lost = node->lost; lost != NULL && !has; lost = lost->next)
		has = has_entry(&lost->log, index, entry);
	return has;
}

/*
 * The server dies, and starts with what was kept: in another file, or as an earlier
 * state of the same one.
 */
void
identity_restore_image(Lab *lab, Node *node, bool copied)
{
	if (node->image == NULL || node->disk.wiped || cluster_is_quorum(lab, UINT32_C(1) << node->id))
		return;
	if (!copied && !others_can_tell(lab, node, node->image->log_id, node->image->last_start))
		return;
	lab_trace(lab, "test: n%u comes back with %s", node->id,
			  copied ? "a copy of an older disk" : "an older state of its disk");
	node_crash(lab, node);
	identity_lose(node);
	node->disk = copy_disk(node->image);
	node->disk.file = copied ? ++lab->files : node->image_of;
	node_start(lab, node);
}

/*
 * A copy is started while the original is there, and then the original again: two live
 * copies of which each stands still while the other one runs.
 */
void
identity_swap_image(Lab *lab, Node *node)
{
	Disk		original;

	if (node->image == NULL || node->disk.wiped || cluster_is_quorum(lab, UINT32_C(1) << node->id))
		return;
	lab_trace(lab, "test: another copy of the disk of n%u runs now", node->id);
	node_crash(lab, node);
	identity_lose(node);
	original = node->disk;
	node->disk = *node->image;
	*node->image = original;
	node->image_of = original.file;
	node->out = false;
	node_start(lab, node);
}
