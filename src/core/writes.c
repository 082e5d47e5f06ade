/*-------------------------------------------------------------------------
 *
 * writes.c
 *	  What was handed to the disk, and what waits for it.
 *
 * Writes form one ordered stream of numbered ops and become durable in that
 * order, so "durable up to op" is one number.  Nothing that says "I have this
 * term, this vote, these entries" leaves before the op that wrote it is
 * durable; what waits is dropped when the term has moved on meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

/*
 * Hands out the one write of this step: term and vote, truncation, append.
 * The trail must already show the log as it is after the write.
 */
RaftOp
writes_start(RaftCore *core, RaftIndex truncate_from, RaftWriteSource source,
			 uint32_t skip, uint32_t n_entries)
{
	RaftAction *action = raft_add_action(core, RAFT_ACTION_WRITE);
	RaftWrite  *write = &action->u.write;

	write->op = ++core->written;
	write->term = core->term;
	write->vote = core->vote;
	write->truncate_from = truncate_from;
	write->source = source;
	write->skip = skip;
	write->first = core->trail.last + 1 - n_entries;
	write->n_entries = n_entries;

	if (core->hard_dirty)
	{
		core->term_op = write->op;
		core->hard_dirty = false;
	}

	/*
	 * Durable is cumulative, so that two ops can share a place: the earlier one then is
	 * noticed with the later one, which is late but never wrong.
	 */
	if (core->n_pending == RAFT_LIMIT_PENDING)
		core->n_pending--;
	else
	{
		core->pending[core->n_pending].started = core->now;
		core->pending[core->n_pending].first = RAFT_NEVER;
	}
	if (n_entries > 0)
		core->pending[core->n_pending].first =
			raft_min(core->pending[core->n_pending].first, write->first);
	if (!MUTANT(OLDER_OP_VOUCHES) || core->n_pending + 1 < RAFT_LIMIT_PENDING)
		core->pending[core->n_pending].op = write->op;
	core->pending[core->n_pending].last = core->trail.last;
	core->n_pending++;
	return write->op;
}

/* Writes term and vote when they changed and nothing else did it yet. */
void
writes_persist_hard_state(RaftCore *core)
{
	if (core->hard_dirty)
		writes_start(core, 0, RAFT_WRITE_NOTHING, 0, 0);
}

/*
 * Entries from here on are gone: ops that wrote them no longer vouch for
 * these indexes, though they will be reported durable (append ABA).
 */
void
writes_truncated(RaftCore *core, RaftIndex from)
{
	core->durable = raft_min(core->durable, from - 1);
	if (MUTANT(DURABLE_KEPT))
		return;
	for (uint32_t i = 0; i < core->n_pending; i++)
		core->pending[i].last = raft_min(core->pending[i].last, from - 1);
}

/*
 * The op on which entries up to this one depend: of those under way the newest that
 * appended any of them, else the one that made the durable ones so.
 */
RaftOp
writes_op_of(const RaftCore *core, RaftIndex upto)
{
	for (uint32_t i = core->n_pending; i > 0; i--)
	{
		const RaftPending *pending = &core->pending[i - 1];

		if (pending->first <= raft_min(upto, pending->last))
			return pending->op;
	}
	return core->durable_op;
}

static void
emit_send(RaftCore *core, const RaftMessage *message, RaftOp after)
{
	RaftAction *action = raft_add_action(core, RAFT_ACTION_SEND);

	raft_assert(core, after <= core->synced ||
				MUTANT(ACK_BEFORE_DURABLE) || MUTANT(ACK_LAST_INDEX) || MUTANT(DURABLE_KEPT) ||
				MUTANT(VOTE_BEFORE_DURABLE) || MUTANT(REQUEST_BEFORE_DURABLE));
	raft_assert(core, message->to != core->self && message->to != 0);
	action->u.send.message = *message;
	action->u.send.after = after;
}

/*
 * Sends a message of the current term as soon as term and vote are durable.
 * Fills in sender, boot count and term.  What else it depends on is durable already.
 */
void
writes_send(RaftCore *core, RaftMessage *message, RaftOp depends)
{
	writes_persist_hard_state(core);
	message->from = core->self;
	message->boot = core->boot;
	message->term = core->term;
	depends = MUTANT(ACK_NAMES_TERM) ? core->term_op : raft_max(core->term_op, depends);
	if (core->term_op <= core->synced ||
		(MUTANT(VOTE_BEFORE_DURABLE) && message->type == RAFT_MSG_VOTE_REPLY) ||
		(MUTANT(REQUEST_BEFORE_DURABLE) && message->type == RAFT_MSG_VOTE))
		emit_send(core, message, depends);
	else if (core->n_held < RAFT_LIMIT_HELD)
	{
		core->held[core->n_held].op = depends;
		core->held[core->n_held].message = *message;
		core->n_held++;
	}
	/* else lost, as the network may lose it: its sender asks again */
}

/*
 * Everything up to op is durable: moves the durable index and lets go what
 * waited for it.
 */
void
writes_durable(RaftCore *core, RaftOp op)
{
	uint32_t	done = 0;
	uint32_t	kept = 0;

	raft_assert(core, op <= core->written);
	if (op <= core->synced)
		return;
	core->synced = op;

	while (done < core->n_pending && core->pending[done].op <= op)
	{
		if (core->pending[done].first <= core->pending[done].last)
			core->durable_op = core->pending[done].op;
		core->durable = core->pending[done++].last;
	}
	for (uint32_t i = done; i < core->n_pending; i++)
		core->pending[i - done] = core->pending[i];
	core->n_pending -= done;
	raft_assert(core, core->durable <= core->trail.last);

	for (uint32_t i = 0; i < core->n_held; i++)
	{
		const RaftHeld *held = &core->held[i];

		if (held->op > core->synced)
			core->held[kept++] = *held;
		else if (held->message.term == core->term)
			emit_send(core, &held->message, held->op);
	}
	core->n_held = kept;
}

/*
 * When the disk is stuck, unless the oldest write is durable before; RAFT_NEVER when
 * nothing is under way.
 */
RaftTime
writes_stuck_at(const RaftCore *core)
{
	if (core->n_pending == 0 || core->settings.disk_timeout == 0 || MUTANT(STUCK_DISK_LEADS))
		return RAFT_NEVER;
	return core->pending[0].started + core->settings.disk_timeout;
}
