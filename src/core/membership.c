/*-------------------------------------------------------------------------
 *
 * membership.c
 *	  Configurations and quorums (§6).
 *
 * A configuration acts from the moment it is appended, and is undone when its
 * entry is truncated.  While a joint one acts, every decision needs a
 * majority of the incoming and a majority of the outgoing voters.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

const RaftConfig *
membership_active(const RaftCore *core)
{
	raft_assert(core->n_configs > 0);
	return &core->configs[core->n_configs - 1];
}

/* Has the node a vote in the active configuration, incoming or outgoing? */
bool
membership_is_voter(const RaftCore *core, RaftNodeId id)
{
	const RaftConfig *config = membership_active(core);

	for (uint32_t i = 0; i < config->n_members; i++)
		if (config->members[i].id == id)
			return (config->members[i].flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING)) != 0;
	return false;
}

/*
 * The largest value that a majority of the voters with this flag has reached;
 * UINT64_MAX when nobody has the flag, so that it does not bind.
 */
static uint64_t
majority_value(const RaftCore *core, uint8_t flag, RaftMemberValue value)
{
	const RaftConfig *config = membership_active(core);
	uint64_t	sorted[RAFT_MAX_MEMBERS];	/* descending */
	uint32_t	n = 0;

	for (uint32_t i = 0; i < config->n_members; i++)
	{
		uint64_t	v;
		uint32_t	at;

		if ((config->members[i].flags & flag) == 0)
			continue;
		v = value(core, config->members[i].id);
		for (at = n++; at > 0 && sorted[at - 1] < v; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = v;
	}
	if (n == 0)
		return UINT64_MAX;
	if (MUTANT(QUORUM_SHORT))
		return sorted[(n - 1) / 2];
	/* the majority of n is n / 2 + 1, counted with oneself */
	return sorted[n / 2];
}

/*
 * The largest value that a quorum of the active configuration has reached.
 */
uint64_t
membership_quorum(const RaftCore *core, RaftMemberValue value)
{
	if (MUTANT(OUTGOING_IGNORED))
		return majority_value(core, RAFT_MEMBER_VOTER, value);
	return raft_min(majority_value(core, RAFT_MEMBER_VOTER, value),
					majority_value(core, RAFT_MEMBER_OUTGOING, value));
}

/* How many of the oldest configurations are not needed for any roll-back. */
static uint32_t
membership_settled(const RaftCore *core)
{
	uint32_t	settled = 0;

	while (settled + 1 < core->n_configs && core->configs[settled + 1].index <= core->commit)
		settled++;
	return settled;
}

/* Is there room for this many more? */
bool
membership_can_add(const RaftCore *core, uint32_t more)
{
	return core->n_configs - membership_settled(core) + more <= RAFT_MAX_CONFIGS;
}

/* Makes a configuration the active one. */
void
membership_add(RaftCore *core, const RaftConfig *config)
{
	uint32_t	settled = membership_settled(core);

	raft_assert(core->n_configs == 0 || config->index > membership_active(core)->index);
	for (uint32_t i = settled; settled > 0 && i < core->n_configs; i++)
		core->configs[i - settled] = core->configs[i];
	core->n_configs -= settled;
	raft_assert(core->n_configs < RAFT_MAX_CONFIGS);
	core->configs[core->n_configs++] = *config;
	raft_add_action(core, RAFT_ACTION_CONFIG)->u.config = membership_active(core);
}

/* Undoes the configurations of truncated entries. */
void
membership_truncate(RaftCore *core, RaftIndex from)
{
	uint32_t	before = core->n_configs;

	while (membership_active(core)->index >= from)
		core->n_configs--;
	if (core->n_configs < before)
		raft_add_action(core, RAFT_ACTION_CONFIG)->u.config = membership_active(core);
}
