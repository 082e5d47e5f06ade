/*-------------------------------------------------------------------------
 *
 * actions.c
 *	  Steps the core and executes its actions: the only place where a decision
 *	  of the algorithm meets the log, the network and the waiting backends.
 *
 * Actions are executed in their order.  Messages that depend on a write are
 * given out by the core only after raft_node_settle() has reported the write
 * durable, so that nothing here has to wait for anything.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <sys/time.h>

#include "access/xlog.h"
#include "host_mutants.h"
#include "node/node.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* --- configurations --- */

void
raft_node_keep_config(RaftNode *node, RaftIndex index, const uint8 *data, uint32 size)
{
	RaftGroupConfig *place = &node->configs[0];

	/* the same index (after a truncation), else the oldest */
	for (int i = 0; i < RAFT_MAX_CONFIGS; i++)
	{
		if (node->configs[i].index == index)
		{
			place = &node->configs[i];
			break;
		}
		if (node->configs[i].index < place->index)
			place = &node->configs[i];
	}

	Assert(size <= RAFT_MAX_CONFIG_BYTES);
	place->index = index;
	place->size = size;
	memcpy(place->data, data, size);
}

const RaftGroupConfig *
raft_node_config(RaftNode *node, RaftIndex index)
{
	for (int i = 0; i < RAFT_MAX_CONFIGS; i++)
	{
		if (node->configs[i].index == index)
			return &node->configs[i];
	}
	elog(ERROR, "configuration at index %llu of the Raft log is not at hand",
		 (unsigned long long) index);
}

/* Configurations that a truncation takes back. */
static void
forget_configs(RaftNode *node, RaftIndex from)
{
	for (int i = 0; i < RAFT_MAX_CONFIGS; i++)
	{
		if (node->configs[i].index >= from)
			node->configs[i].index = 0;
	}
}

/* --- writes --- */

uint64
raft_node_next_clock(RaftNode *node)
{
	struct timeval tv;
	uint64		wall;

	gettimeofday(&tv, NULL);
	wall = (uint64) tv.tv_sec * 1000000 + (uint64) tv.tv_usec;
	node->clock = Max(node->clock, wall);
	return node->clock;
}

/* The applier looks for such an entry ahead of those it skips, and nowhere else. */
static void
note_skip(RaftNode *node, RaftIndex index)
{
	if (pg_atomic_read_u64(&node->group->skips_end) < index)
		pg_atomic_write_u64(&node->group->skips_end, index);
}

static void
append_record(StringInfo out, RaftIndex index, const RaftEntry *entry)
{
	uint8		header[RAFT_RECORD_HEADER];

	raft_record_header(header, index, entry);
	appendBinaryStringInfo(out, (const char *) header, sizeof(header));
	if (entry->size > 0)
		appendBinaryStringInfo(out, (const char *) entry->data, entry->size);
}

/* Proposals and the no-op become records here: now their index and term are known. */
static void
encode_own_records(RaftNode *node, const RaftWrite *write, const RaftEntry *entries)
{
	resetStringInfo(&node->records);
	for (uint32 i = 0; i < write->n_entries; i++)
	{
		RaftEntry	entry = {.kind = RAFT_ENTRY_NOOP};

		if (entries != NULL)
		{
			entry = entries[write->skip + i];
			if (entry.kind == RAFT_ENTRY_CONFIG)
				raft_node_keep_config(node, write->first + i, entry.data, entry.size);
			else if (entry.kind == RAFT_ENTRY_SKIP)
				note_skip(node, write->first + i);
		}
		else
			entry.clock = raft_node_next_clock(node);
		entry.term = write->term;
		append_record(&node->records, write->first + i, &entry);
	}
}

/* Received entries are records already: finds those to be stored within the frame. */
static const char *
find_received_records(RaftNode *node, const RaftWrite *write, Size *size)
{
	const uint8 *first = node->frame + RAFT_FRAME_HEADER;
	const uint8 *end;

	for (uint32 i = 0; i < write->skip; i++)
		first += RAFT_RECORD_HEADER + node->received[i].size;
	end = first;
	for (uint32 i = write->skip; i < write->skip + write->n_entries; i++)
		end += RAFT_RECORD_HEADER + node->received[i].size;

	*size = end - first;
	return (const char *) first;
}

/* What this node has to know about received entries later on. */
static void
note_received(RaftNode *node, const RaftWrite *write)
{
	for (uint32 i = 0; i < write->n_entries; i++)
	{
		const RaftEntry *entry = &node->received[write->skip + i];

		node->clock = Max(node->clock, entry->clock);
		if (entry->kind == RAFT_ENTRY_CONFIG)
			raft_node_keep_config(node, write->first + i, entry->data, entry->size);
		else if (entry->kind == RAFT_ENTRY_SKIP)
			note_skip(node, write->first + i);
	}
}

static void
execute_write(RaftNode *node, const RaftEvent *event, const RaftWrite *write)
{
	const char *records = NULL;
	Size		size = 0;

	if (write->truncate_from != 0)
	{
		forget_configs(node, write->truncate_from);
		if (write->truncate_from <= node->range_last && !RAFT_HOST_MUTANT(SEND_CACHE_KEPT))
			node->range_first = node->range_last = 0;
	}

	if (write->source == RAFT_WRITE_EVENT && event->type == RAFT_EVENT_RECEIVE)
	{
		records = find_received_records(node, write, &size);
		note_received(node, write);
	}
	else if (write->source != RAFT_WRITE_NOTHING)
	{
		encode_own_records(node, write, write->source == RAFT_WRITE_EVENT ?
						   event->u.propose.entries : NULL);
		records = node->records.data;
		size = node->records.len;
	}

	raft_log_write(node->writer, write, records, size, node->commit);
	node->written = write->op;
	node->status.entries_appended += write->n_entries;
}

/* --- messages --- */

/* Reads entries for sending; several peers often get the same. */
static bool
read_range(RaftNode *node, RaftIndex first, RaftIndex last)
{
	if (node->range_first == first && node->range_last == last)
		return true;

	node->range_first = node->range_last = 0;
	resetStringInfo(&node->range);
	if (raft_log_read(node->reader, first, last, MaxAllocSize, &node->range) != last)
		return false;
	node->range_first = first;
	node->range_last = last;
	return true;
}

static void
execute_send(RaftNode *node, const RaftMessage *message)
{
	uint8		header[RAFT_FRAME_HEADER];
	const char *records = NULL;
	Size		size = 0;

	if (message->n_entries > 0)
	{
		/* not at hand: lost like a message on the network, the core asks again */
		if (!read_range(node, message->log_index + 1, message->log_index + message->n_entries))
			return;
		records = node->range.data;
		size = node->range.len;
	}
	raft_frame_header(header, node->group->group_id, message, (uint32) size);
	(void) raft_peer_send(node->peers, message->to, header, sizeof(header), records, size);
}

/* --- proposals --- */

/* No client waits for a configuration. */
static bool
is_config(const RaftEvent *event)
{
	return event->u.propose.entries[0].kind == RAFT_ENTRY_CONFIG;
}

static void
execute_placed(RaftNode *node, const RaftEvent *event, const RaftAction *action)
{
	if (is_config(event))
		return;
	for (uint32 i = 0; i < action->u.placed.n_entries; i++)
		raft_slot_placed(node->group->slots, &event->u.propose.entries[i].origin,
						 action->u.placed.first + i, action->u.placed.term);
}

static const char *
config_refusal_text(RaftRefusal reason)
{
	switch (reason)
	{
		case RAFT_REFUSED_NOT_LEADER:
			return "This node is no longer leader.";
		case RAFT_REFUSED_CONFIG_EARLY:
			return "No entry of this term is committed yet, or the previous configuration is not.";
		case RAFT_REFUSED_CONFIG_INVALID:
			return "It does not have the members of the active one.";
		case RAFT_REFUSED_STOPPED:
			return "A write to the log has failed.";
	}
	return "?";
}

static void
execute_refused(RaftNode *node, const RaftEvent *event, const RaftAction *action)
{
	RaftOutcome outcome = RAFT_OUTCOME_NOT_LEADER;

	if (is_config(event))
	{
		ereport(LOG,
				(errmsg("configuration that names the members' logs was refused"),
				 errdetail_internal("%s", config_refusal_text(action->u.refused.reason))));
		return;
	}
	if (action->u.refused.reason == RAFT_REFUSED_STOPPED)
		outcome = RAFT_OUTCOME_STOPPED;

	for (uint32 i = 0; i < event->u.propose.n_entries; i++)
		raft_slot_refused(node->group->slots, &event->u.propose.entries[i].origin,
						  outcome, action->u.refused.leader);
	node->status.proposals_refused += event->u.propose.n_entries;
}

/* --- commit, role, configuration --- */

static void
execute_commit(RaftNode *node, const RaftAction *action)
{
	node->commit = action->u.commit.commit;
	if (action->u.commit.ready > node->ready)
	{
		node->ready = action->u.commit.ready;
		pg_write_barrier();		/* whoever sees it sees skips_end as well */
		pg_atomic_write_u64(&node->group->ready, node->ready);
		node->ready_grew = true;
	}
}

/* A member's name for the server log. */
static const char *
member_name(RaftNode *node, RaftNodeId id)
{
	const char *name = raft_group_member_name(node->group, id);

	return name != NULL ? name : psprintf("%u", id);
}

static void
execute_role(RaftNode *node, const RaftAction *action)
{
	RaftGroup  *group = node->group;
	RaftRole	to = action->u.role.to;

	node->role = to;
	node->state_changed = true;
	pg_atomic_write_u64(&group->term, action->u.role.term);
	pg_atomic_write_u32(&group->role, to);
	pg_atomic_write_u32(&group->leader, action->u.role.leader);

	if (to == RAFT_LEADER)
		raft_node_lead_formation(node);
	if (action->u.role.from != to)
	{
		node->status.role_since = GetCurrentTimestamp();
		if (to == RAFT_CANDIDATE)
			node->status.elections++;
		else if (to == RAFT_LEADER)
			node->status.leaderships++;
	}

	/* a pre-vote that fails again and again is no news */
	if (to == RAFT_LEADER)
		ereport(LOG,
				(errmsg("Raft node \"%s\" became leader in term %llu",
						node->name, (unsigned long long) action->u.role.term)));
	else if (to == RAFT_FOLLOWER && action->u.role.leader != 0)
		ereport(LOG,
				(errmsg("Raft node \"%s\" follows node \"%s\" in term %llu",
						node->name, member_name(node, action->u.role.leader),
						(unsigned long long) action->u.role.term)));
	else if (action->u.role.from == RAFT_LEADER)
		ereport(LOG,
				(errmsg("Raft node \"%s\" is no longer leader in term %llu",
						node->name, (unsigned long long) action->u.role.term)));
}

static void
execute_peer_lost(RaftNode *node, const RaftAction *action)
{
	ereport(WARNING,
			(errmsg("Raft node \"%s\" has lost durable log entries",
					member_name(node, action->u.lost.peer)),
			 errdetail("It had acknowledged entries up to %llu, but its log matches only up to %llu. It no longer counts for any decision.",
					   (unsigned long long) action->u.lost.confirmed,
					   (unsigned long long) action->u.lost.agrees)));
}

/*
 * Every configuration that can become active is kept: those of the boot, and those
 * that were written since then.
 */
static void
execute_config(RaftNode *node, RaftIndex index)
{
	const RaftGroupConfig *config = raft_node_config(node, index);
	RaftConfig	decoded;
	RaftMemberInfo members[RAFT_MAX_MEMBERS];

	if (raft_config_decode(config->data, config->size, &decoded, members) != RAFT_DECODE_OK)
		elog(ERROR, "configuration at index %llu of the Raft log does not decode",
			 (unsigned long long) index);
	raft_peers_configure(node->peers, members, decoded.n_members);
	raft_node_take_members(node, index, &decoded, members);
	raft_node_publish_config(node, config);
}

/* --- stepping --- */

static void
execute(RaftNode *node, const RaftEvent *event, const RaftAction *action)
{
	switch (action->type)
	{
		case RAFT_ACTION_WRITE:
			execute_write(node, event, &action->u.write);
			break;
		case RAFT_ACTION_SEND:
			Assert(action->u.send.after <= node->durable);
			execute_send(node, &action->u.send.message);
			break;
		case RAFT_ACTION_COMMIT:
			execute_commit(node, action);
			break;
		case RAFT_ACTION_PLACED:
			execute_placed(node, event, action);
			break;
		case RAFT_ACTION_REFUSED:
			execute_refused(node, event, action);
			break;
		case RAFT_ACTION_ROLE:
			execute_role(node, action);
			break;
		case RAFT_ACTION_PEER_LOST:
			execute_peer_lost(node, action);
			break;
		case RAFT_ACTION_CONFIG:
			execute_config(node, action->u.config.index);
			break;
	}
}

void
raft_node_step(RaftNode *node, RaftEvent *event)
{
	const RaftActions *actions;

	event->now = node->now;
	actions = unlikely(node->recorder != NULL) ?
		raft_recorder_step(node, event) : raft_step(node->core, event);
	for (uint32 i = 0; i < actions->n; i++)
		execute(node, event, &actions->item[i]);
	node->deadline = actions->deadline;
}

/* --- the disk --- */

bool
raft_node_is_flushing(RaftNode *node)
{
	return node->durable < node->written;
}

/*
 * One flush serves everything that the turn has written.  Appends leave first:
 * the followers' disks work at the same time as ours (§10.2.1 of the
 * dissertation), and what must not leave yet has not been given out by the core.
 */
static void
request_flush(RaftNode *node)
{
	RaftGroup  *group = node->group;
	RaftUnflushed *last = &node->unflushed[Max(node->n_unflushed - 1, 0)];

	if (node->n_unflushed > 0 ? last->op == node->written : node->durable == node->written)
		return;
	raft_stop_point("placed");
	raft_peers_flush(node->peers);

	/* with no place left, the newest waits a little longer than it has to */
	if (node->n_unflushed > 0 && node->n_unflushed < RAFT_MAX_UNFLUSHED)
		last++;
	if (node->n_unflushed < RAFT_MAX_UNFLUSHED)
		node->n_unflushed++;
	last->op = node->written;
	last->end = raft_log_end(node->writer);

	if (last->end > GetFlushRecPtr(NULL))
	{
		pg_atomic_write_u64(&group->flush_wanted, last->end);
		raft_group_wake_flusher(group);
		node->status.flushes++;
	}
}

/* Tells the core what has become durable; false when that is nothing. */
static bool
report_durable(RaftNode *node)
{
	RaftEvent	event = {.type = RAFT_EVENT_WRITE_DURABLE};
	XLogRecPtr	flushed;
	int			n = 0;

	if (node->n_unflushed == 0)
		return false;
	flushed = GetFlushRecPtr(NULL);
	while (n < node->n_unflushed &&
		   (node->unflushed[n].end <= flushed || RAFT_HOST_MUTANT(DURABLE_BEFORE_FLUSH)))
		n++;
	if (n == 0)
		return false;

	/* what is acknowledged next has to survive a loss of power */
	if (node->unflushed[n - 1].end > GetFlushRecPtr(NULL))
		elog(FATAL, "the Raft log would be taken for durable up to WAL position %X/%X, which is not flushed",
			 LSN_FORMAT_ARGS(node->unflushed[n - 1].end));
	node->durable = event.u.op = node->unflushed[n - 1].op;
	node->n_unflushed -= n;
	memmove(node->unflushed, node->unflushed + n, node->n_unflushed * sizeof(RaftUnflushed));

	node->now = raft_now();
	raft_node_step(node, &event);
	return true;
}

void
raft_node_settle(RaftNode *node)
{
	do
		request_flush(node);
	while (report_durable(node));
}
