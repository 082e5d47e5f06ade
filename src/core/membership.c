/*-------------------------------------------------------------------------
 *
 * membership.c
 *	  Configurations and quorums (§6).
 *
 * A configuration acts from the moment it is appended, and is undone when its
 * entry is truncated.  While a joint one acts, every decision needs a
 * majority of the incoming and a majority of the outgoing voters; while the
 * voters' logs are not identified, it needs them all.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

const RaftConfig *
membership_active(const RaftCore *core)
{
	raft_assert(core, core->n_configs > 0);
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

/* The value that every voter has reached, incoming or outgoing. */
static uint64_t
common_value(const RaftCore *core, RaftMemberValue value)
{
	const RaftConfig *config = membership_active(core);
	uint64_t	lowest = UINT64_MAX;

	for (uint32_t i = 0; i < config->n_members; i++)
		if ((config->members[i].flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING)) != 0)
			lowest = raft_min(lowest, value(core, config->members[i].id));
	return lowest;
}

/*
 * The largest value that a quorum of the active configuration has reached.
 *
 * All voters, as long as their logs are not known: every majority of the identified
 * configuration that follows has a member in common with that.
 */
uint64_t
membership_quorum(const RaftCore *core, RaftMemberValue value)
{
	if (!membership_active(core)->identified && !MUTANT(FORMED_BY_MAJORITY))
		return common_value(core, value);
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

/*
 * May a leader propose this one now?  For the time being it can say more about the
 * members of the active one, but not change them.
 */
bool
membership_may_follow(const RaftCore *core, const RaftConfig *config)
{
	const RaftConfig *active = membership_active(core);

	if (config->n_members != active->n_members || (active->identified && !config->identified))
		return false;
	for (uint32_t i = 0; i < config->n_members; i++)
		if (config->members[i].id != active->members[i].id ||
			config->members[i].flags != active->members[i].flags)
			return false;
	return true;
}

/* Is there room for this many more? */
bool
membership_can_add(const RaftCore *core, uint32_t more)
{
	return core->n_configs - membership_settled(core) + more <= RAFT_MAX_CONFIGS;
}

/* Makes a configuration, whose entry the trail has already, the active one. */
void
membership_add(RaftCore *core, const RaftConfig *config)
{
	uint32_t	settled = membership_settled(core);

	raft_assert(core, core->n_configs == 0 || config->index > membership_active(core)->index);
	for (uint32_t i = settled; settled > 0 && i < core->n_configs; i++)
		core->configs[i - settled] = core->configs[i];
	core->n_configs -= settled;
	raft_assert(core, core->n_configs < RAFT_MAX_CONFIGS);
	core->configs[core->n_configs] = *config;
	core->configs[core->n_configs].term = trail_term_at(&core->trail, config->index);
	core->n_configs++;
}

/* Undoes the configurations of truncated entries. */
void
membership_truncate(RaftCore *core, RaftIndex from)
{
	while (membership_active(core)->index >= from)
		core->n_configs--;
}
