/*-------------------------------------------------------------------------
 *
 * ladder_b.c
 *	  Ladder B: agreement on the log.
 *
 * Indexes in the checks are numbers of commands: a leader's no-op takes an
 * index of the log, but no command's number.
 *
 *-------------------------------------------------------------------------
 */
#include "lab.h"

#define ONCE	false
#define RETRY	true

static uint64_t
one(Lab *lab, uint64_t number, uint32_t n, bool retry)
{
	return cluster_one(lab, cluster_number(number), n, retry);
}

static uint64_t
one_random(Lab *lab, uint32_t n, bool retry)
{
	return cluster_one(lab, cluster_random_command(lab, 8), n, retry);
}

static Started
start(Lab *lab, RaftNodeId node, uint64_t number)
{
	return cluster_start(lab, node, cluster_number(number));
}

static void
nobody_committed(Lab *lab, uint64_t command)
{
	lab_check(lab, cluster_committed(lab, command, NULL) == 0,
			  "command %llu is committed without a majority", (unsigned long long) command);
}

/* Commands land one after the other, each when it is offered. */
static void
basic_agree(Lab *lab)
{
	for (uint64_t i = 1; i <= 3; i++)
	{
		lab_check(lab, cluster_committed(lab, i, NULL) == 0, "committed before it was offered");
		lab_check(lab, one(lab, 100 * i, 3, ONCE) == i, "another place than %llu",
				  (unsigned long long) i);
	}
}

/*
 * Each command is sent to each peer once.  The bound is ours, tighter than the
 * ladder's 3 * 50,000 + 50,000: two peers get each command as one record in one
 * frame, and 8,000 bytes are room for acknowledgements, commit notices and
 * heartbeats (104 bytes each) in the time that the ten commands take.
 */
static void
rpc_bytes(Lab *lab)
{
	const uint64_t commands = 10;
	const uint32_t size = 5000;
	uint64_t	expected = commands * 2 * (size + RAFT_RECORD_HEADER + RAFT_FRAME_HEADER);
	uint64_t	before,
				sent;

	one(lab, 99, 3, ONCE);
	before = lab->network.bytes;
	for (uint64_t i = 0; i < commands; i++)
		cluster_one(lab, cluster_random_command(lab, size), 3, ONCE);
	sent = lab->network.bytes - before;
	if (sent > expected + 8000)
		lab_fail(lab, 19, "%llu bytes for %llu commands of %u bytes to 2 peers",
				 (unsigned long long) sent, (unsigned long long) commands, size);
}

/* Agreement goes on while followers fail one by one, until no majority is left. */
static void
follower_failure(Lab *lab)
{
	RaftNodeId	leader;
	Started		started;

	one(lab, 101, 3, ONCE);
	leader = cluster_one_leader(lab);
	cluster_disconnect(lab, cluster_nth(lab, leader, 1));
	one(lab, 102, 2, ONCE);
	cluster_sleep(lab, T);
	one(lab, 103, 2, ONCE);

	leader = cluster_one_leader(lab);
	cluster_disconnect(lab, cluster_nth(lab, leader, 1));
	cluster_disconnect(lab, cluster_nth(lab, leader, 2));
	started = start(lab, leader, 104);
	lab_check(lab, started.leader && started.command == 4, "the leader did not take command 4");
	cluster_sleep(lab, 2 * T);
	nobody_committed(lab, 4);
}

/* The same with leaders that fail. */
static void
leader_failure(Lab *lab)
{
	one(lab, 101, 3, ONCE);
	cluster_disconnect(lab, cluster_one_leader(lab));
	one(lab, 102, 2, ONCE);
	cluster_sleep(lab, T);
	one(lab, 103, 2, ONCE);

	cluster_disconnect(lab, cluster_one_leader(lab));
	for (RaftNodeId i = 1; i <= lab->n; i++)
		start(lab, i, 104);
	cluster_sleep(lab, 2 * T);
	nobody_committed(lab, 4);
}

/* A follower that was away catches up. */
static void
fail_agree(Lab *lab)
{
	RaftNodeId	away;

	one(lab, 101, 3, ONCE);
	away = cluster_nth(lab, cluster_one_leader(lab), 1);
	cluster_disconnect(lab, away);
	one(lab, 102, 2, ONCE);
	one(lab, 103, 2, ONCE);
	cluster_sleep(lab, T);
	one(lab, 104, 2, ONCE);
	one(lab, 105, 2, ONCE);

	cluster_connect(lab, away);
	one(lab, 106, 3, RETRY);
	cluster_sleep(lab, T);
	one(lab, 107, 3, RETRY);
}

/* Nothing is agreed upon without a majority; with one again, everything is. */
static void
fail_no_agree(Lab *lab)
{
	RaftNodeId	leader;
	Started		started;

	one(lab, 10, 5, ONCE);
	leader = cluster_one_leader(lab);
	for (uint32_t k = 1; k <= 3; k++)
		cluster_disconnect(lab, cluster_nth(lab, leader, k));
	started = start(lab, leader, 20);
	lab_check(lab, started.leader && started.command == 2, "the leader did not take command 2");
	cluster_sleep(lab, 2 * T);
	nobody_committed(lab, 2);

	for (uint32_t k = 1; k <= 3; k++)
		cluster_connect(lab, cluster_nth(lab, leader, k));
	leader = cluster_one_leader(lab);
	started = start(lab, leader, 30);
	lab_check(lab, started.leader && (started.command == 2 || started.command == 3),
			  "the leader took command %llu, not 2 or 3", (unsigned long long) started.command);
	one(lab, 1000, 5, RETRY);
}

/* Five commands offered at once to one leader; false when the term moved on. */
static bool
concurrent_starts_once(Lab *lab)
{
	RaftNodeId	leader = cluster_one_leader(lab);
	Started		first = start(lab, leader, 1);
	Started		started[5];
	bool		found[5] = {false};

	if (!first.leader)
		return false;
	for (uint64_t i = 0; i < lengthof(started); i++)
	{
		started[i] = start(lab, leader, 100 + i);
		if (!started[i].leader || started[i].term != first.term)
			return false;
		cluster_sleep(lab, rng_below(&lab->rng_test, 100) * US);
	}
	for (size_t i = 0; i < lengthof(started); i++)
	{
		Command		value;

		if (!cluster_wait(lab, started[i].command, 3, first.term, &value))
			return false;
		for (uint64_t k = 0; k < lengthof(found); k++)
			if (value.size == 8 && *(const uint64_t *) cluster_number(100 + k).data ==
				*(const uint64_t *) run_copy(value.data, 8))
				found[k] = true;
	}
	for (size_t i = 0; i < lengthof(found); i++)
		lab_check(lab, found[i], "command %zu is missing among those committed", 100 + i);
	return true;
}

/* Commands offered at the same moment are all agreed upon. */
static void
concurrent_starts(Lab *lab)
{
	for (int i = 0; i < 5; i++)
	{
		if (i > 0)
			cluster_sleep(lab, 3 * T);
		if (concurrent_starts_once(lab))
			return;
	}
	lab_fail(lab, 0, "the term changed in each of five tries");
}

/*
 * A leader that was cut off with entries of its own comes back.  The commands
 * after a change of leader are offered again when they do not come through: the
 * old leader, back and not yet told, may accept one that it then loses.
 */
static void
rejoin(Lab *lab)
{
	RaftNodeId	first,
				second;

	one(lab, 101, 3, ONCE);
	first = cluster_one_leader(lab);
	cluster_disconnect(lab, first);
	start(lab, first, 102);
	start(lab, first, 103);
	start(lab, first, 104);
	one(lab, 103, 2, RETRY);

	second = cluster_one_leader(lab);
	cluster_disconnect(lab, second);
	cluster_connect(lab, first);
	one(lab, 104, 2, RETRY);

	cluster_connect(lab, second);
	one(lab, 105, 3, RETRY);
}

/*
 * Long divergent logs are backed up fast.  A rejected append must bring the
 * logs together by more than one entry: the whole test needs a handful of
 * rejections per follower, where one entry per message would need fifty.
 */
static void
backup(Lab *lab)
{
	const uint64_t rejections_bound = 5;
	RaftNodeId	first,
				second,
				other;

	one_random(lab, 5, RETRY);
	first = cluster_one_leader(lab);
	for (uint32_t k = 2; k <= 4; k++)
		cluster_disconnect(lab, cluster_nth(lab, first, k));
	for (int i = 0; i < 50; i++)
		cluster_start(lab, first, cluster_random_command(lab, 8));
	cluster_sleep(lab, T / 2);

	/* the leader and one follower go, with 50 entries; the other three agree */
	cluster_disconnect(lab, first);
	cluster_disconnect(lab, cluster_nth(lab, first, 1));
	for (uint32_t k = 2; k <= 4; k++)
		cluster_connect(lab, cluster_nth(lab, first, k));
	for (int i = 0; i < 50; i++)
		one_random(lab, 3, RETRY);

	/* their leader stays with one follower, and takes 50 that nobody commits */
	second = cluster_one_leader(lab);
	other = cluster_nth(lab, first, 2);
	if (other == second)
		other = cluster_nth(lab, second, 1);
	cluster_disconnect(lab, other);
	for (int i = 0; i < 50; i++)
		cluster_start(lab, second, cluster_random_command(lab, 8));
	cluster_sleep(lab, T / 2);

	/* the first leader and its follower come back together with the other */
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_disconnect(lab, i);
	cluster_connect(lab, first);
	cluster_connect(lab, cluster_nth(lab, first, 1));
	cluster_connect(lab, other);
	for (int i = 0; i < 50; i++)
		one_random(lab, 3, RETRY);

	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_connect(lab, i);
	one_random(lab, 5, RETRY);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->network.rejections[i] > rejections_bound)
			lab_fail(lab, 19, "node %u refused %llu appends", i,
					 (unsigned long long) lab->network.rejections[i]);
}

/* Twelve commands; false when the term moved on, so that nothing can be counted. */
static bool
count_once(Lab *lab)
{
	const uint64_t commands = 10;
	RaftNodeId	leader = cluster_one_leader(lab);
	uint64_t	before = cluster_requests(lab);
	uint64_t	requests;
	Started		first = start(lab, leader, 1);

	if (!first.leader)
		return false;
	for (uint64_t i = 1; i <= commands + 1; i++)
	{
		Started		next = start(lab, leader, 1000 + i);

		if (!next.leader || next.term != first.term)
			return false;
		lab_check(lab, next.command == first.command + i, "a command takes another place");
	}
	for (uint64_t i = 0; i < commands; i++)
		if (!cluster_wait(lab, first.command + i, 3, first.term, NULL))
			return false;
	requests = cluster_requests(lab) - before;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (cluster_term(lab, i) != first.term)
			return false;
	if (requests > (commands + 1 + 3) * 3)
		lab_fail(lab, 19, "%llu requests for %llu commands", (unsigned long long) requests,
				 (unsigned long long) (commands + 2));
	return true;
}

/*
 * The number of messages is bounded.  The ladder allows 30 for the first
 * election; pre-vote adds a request to each peer for every attempt, and the
 * bound is kept nevertheless.
 */
static void
count(Lab *lab)
{
	uint64_t	requests;
	bool		counted = false;

	cluster_one_leader(lab);
	requests = cluster_requests(lab);
	if (requests < 1 || requests > 30)
		lab_fail(lab, 19, "%llu requests to elect the first leader",
				 (unsigned long long) requests);

	for (int i = 0; i < 5 && !counted; i++)
	{
		if (i > 0)
			cluster_sleep(lab, 3 * T);
		counted = count_once(lab);
	}
	lab_check(lab, counted, "the term changed in each of five tries");

	requests = cluster_requests(lab);
	cluster_sleep(lab, T);
	requests = cluster_requests(lab) - requests;
	if (requests > 60)
		lab_fail(lab, 19, "%llu requests in an idle second", (unsigned long long) requests);
}

const LabTest ladder_b_tests[] = {
	{"basic_agree", "B", 3, 0, basic_agree},
	{"rpc_bytes", "B", 3, 0, rpc_bytes},
	{"follower_failure", "B", 3, 0, follower_failure},
	{"leader_failure", "B", 3, 0, leader_failure},
	{"fail_agree", "B", 3, 0, fail_agree},
	{"fail_no_agree", "B", 5, 0, fail_no_agree},
	{"concurrent_starts", "B", 3, 0, concurrent_starts},
	{"rejoin", "B", 3, 0, rejoin},
	{"backup", "B", 5, 0, backup},
	{"count", "B", 3, 0, count},
	{0}
};
