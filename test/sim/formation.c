/*-------------------------------------------------------------------------
 *
 * formation.c
 *	  A group that forms: until the configuration names the log of every voter, all
 *	  of them decide together.
 *
 *-------------------------------------------------------------------------
 */
#include "lab.h"

static void
begin(Lab *lab, uint32_t n)
{
	cluster_prepare(lab, n);
	lab->settings.forming = true;
	cluster_boot(lab);
}

/* The leader's host proposes the configuration that names the logs. */
static void
name_the_logs(Lab *lab, RaftNodeId leader)
{
	RaftMemberInfo members[LAB_MAX_NODES];
	uint8_t    *payload = run_alloc(RAFT_MAX_CONFIG_BYTES);
	RaftEntry	entry = {.kind = RAFT_ENTRY_CONFIG, .data = payload};

	for (uint32_t i = 0; i < lab->n; i++)
		members[i] = (RaftMemberInfo) {
			.id = i + 1, .log_id = 100 + i, .flags = RAFT_MEMBER_VOTER, .name = &"abcdefg"[i],
			.name_size = 1, .conninfo = ""
		};
	entry.size = (uint32_t) raft_config_encode(payload, RAFT_MAX_CONFIG_BYTES, members, lab->n);
	lab_check(lab, node_propose(lab, &lab->nodes[leader], &entry, 1).placed,
			  "the leader does not take the configuration");
}

static void
check_no_leader(Lab *lab, const char *when)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab_check(lab, lab->nodes[i].status.role != RAFT_LEADER, "node %u leads %s", i, when);
}

/*
 * Nothing is decided while one of them has not been met, whichever it is; once the logs
 * are named, a majority is enough, also for those that were away meanwhile.
 */
static void
formation_needs_all(Lab *lab)
{
	RaftNodeId	away = (RaftNodeId) rng_between(&lab->rng_test, 1, 3);
	RaftNodeId	leader;
	Started		started;

	begin(lab, 3);
	cluster_disconnect(lab, away);
	for (int i = 0; i < 30; i++)
	{
		cluster_sleep(lab, 100 * MS);
		check_no_leader(lab, "before all have met");
	}
	cluster_connect(lab, away);
	leader = cluster_one_leader(lab);
	cluster_one(lab, cluster_number(1), 3, true);

	/* one goes away again: nothing more is committed, and nobody leads on */
	leader = cluster_one_leader(lab);
	away = cluster_nth(lab, leader, (uint32_t) rng_between(&lab->rng_test, 1, 2));
	cluster_disconnect(lab, away);
	started = cluster_start(lab, leader, cluster_number(2));
	cluster_sleep(lab, 3 * T);
	lab_check(lab, !started.leader || cluster_committed(lab, started.command, NULL) == 0,
			  "two of three that are yet to form a group commit");
	check_no_leader(lab, "without the third");

	cluster_connect(lab, away);
	cluster_one(lab, cluster_number(3), 3, true);
	leader = cluster_one_leader(lab);
	cluster_one(lab, cluster_number(4), 3, true);
	away = cluster_nth(lab, leader, 1);
	cluster_disconnect(lab, away);
	name_the_logs(lab, leader);
	cluster_one(lab, cluster_number(5), 2, true);
	cluster_connect(lab, away);
	cluster_one(lab, cluster_number(6), 3, true);
	cluster_disconnect(lab, cluster_one_leader(lab));
	cluster_one(lab, cluster_number(7), 2, true);
}

const LabTest formation_tests[] = {
	{"formation_needs_all", "C", 0, 0, formation_needs_all},
	{0}
};
