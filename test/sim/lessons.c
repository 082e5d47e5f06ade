/*-------------------------------------------------------------------------
 *
 * lessons.c
 *	  Lessons that others paid for, on a whole group: each test names one.
 *
 * Those about one core and hand-made messages are in lessons_core.c.
 *
 *-------------------------------------------------------------------------
 */
#include "lab.h"

/* The majority of n is n/2 + 1, counted with oneself: 3 of 4, 2 of 2. */
static void
lesson_majority_of_even(Lab *lab)
{
	RaftNodeId	leader;
	Started		started;

	cluster_init(lab, 4);
	leader = cluster_one_leader(lab);
	cluster_one(lab, cluster_number(1), 4, false);

	/* two of four: the leader with one follower commits nothing */
	cluster_disconnect(lab, cluster_nth(lab, leader, 1));
	cluster_disconnect(lab, cluster_nth(lab, leader, 2));
	started = cluster_start(lab, leader, cluster_number(2));
	lab_check(lab, started.leader, "the leader did not take a command");
	cluster_sleep(lab, 3 * T);
	lab_check(lab, cluster_committed(lab, started.command, NULL) == 0, "two of four committed");
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab_check(lab, lab->nodes[i].status.role != RAFT_LEADER, "two of four lead");

	/* three of four do */
	cluster_connect(lab, cluster_nth(lab, leader, 1));
	cluster_one_leader(lab);
	cluster_one(lab, cluster_number(3), 3, true);
}

/* One of two is no majority; one of one is. */
static void
lesson_majority_of_one_and_two(Lab *lab)
{
	RaftNodeId	leader;

	cluster_init(lab, 1);
	cluster_one_leader(lab);
	cluster_one(lab, cluster_number(1), 1, false);

	sched_reset(&lab->sched);
	history_reset(lab);
	cluster_init(lab, 2);
	leader = cluster_one_leader(lab);
	cluster_one(lab, cluster_number(1), 2, false);
	cluster_disconnect(lab, leader);
	cluster_sleep(lab, 3 * T);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab_check(lab, lab->nodes[i].status.role != RAFT_LEADER, "one of two leads");
}

/*
 * Timeouts drawn from a wide range: with four of seven alive every vote is
 * needed, and a narrow range ends in endless split votes.
 */
static void
lesson_wide_timeouts(Lab *lab)
{
	RaftTime	start;
	RaftNodeId	leader = cluster_one_leader(lab);

	cluster_disconnect(lab, leader);
	cluster_disconnect(lab, cluster_nth(lab, leader, 1));
	cluster_disconnect(lab, cluster_nth(lab, leader, 2));
	start = lab->now;
	cluster_one_leader(lab);
	lab_check(lab, lab->now - start < 5 * T, "four of seven needed %llu ms for a leader",
			  (unsigned long long) ((lab->now - start) / MS));
}

/* A hundred proposals in 2 ms are not a hundred messages to each follower. */
static void
lesson_hundred_proposals_few_messages(Lab *lab)
{
	const uint64_t bound = 30;
	RaftNodeId	leader = cluster_one_leader(lab);
	uint64_t	before[LAB_MAX_NODES + 1];
	Started		last = {0};

	cluster_one(lab, cluster_number(1), 3, true);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		before[i] = lab->network.requests[i];
	for (uint64_t i = 0; i < 100; i++)
	{
		last = cluster_start(lab, leader, cluster_number(i));
		lab_check(lab, last.leader, "the leader did not take a command");
		cluster_sleep(lab, 20 * US);
	}
	cluster_wait(lab, last.command, 3, 0, NULL);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->network.requests[i] - before[i] > bound)
			lab_fail(lab, 19, "%llu requests to node %u for a hundred proposals",
					 (unsigned long long) (lab->network.requests[i] - before[i]), i);
}

/*
 * The proposer learns whether the entry at its index is its own: the index
 * alone does not tell, index and term do, and so does the origin.
 */
static void
lesson_proposer_learns_whose_entry(Lab *lab)
{
	RaftNodeId	first = cluster_one_leader(lab);
	RaftNodeId	second;
	Started		lost;
	const Committed *there;

	cluster_one(lab, cluster_number(1), 3, true);
	cluster_disconnect(lab, first);
	lost = cluster_start(lab, first, cluster_number(2));
	lab_check(lab, lost.leader, "the leader did not take a command");
	cluster_sleep(lab, 2 * T);
	second = cluster_one_leader(lab);
	cluster_start(lab, second, cluster_number(3));
	cluster_start(lab, second, cluster_number(4));
	cluster_sleep(lab, T);
	cluster_connect(lab, first);
	cluster_one(lab, cluster_number(5), 3, true);

	there = history_committed(lab, lost.index);
	lab_check(lab, there != NULL, "nothing was committed at the index");
	lab_check(lab, there->entry.term != lost.term, "the term does not tell the entries apart");
	lab_check(lab, there->entry.origin.serial != lost.serial, "the origin says it is ours");
	lab_check(lab, lab->nodes[first].visible >= lost.index, "the proposer did not apply there");
}

/* A sender that learns of a dead peer late, or never, does not delay the others. */
static void
lesson_one_dead_peer_delays_nobody(Lab *lab)
{
	RaftNodeId	leader = cluster_one_leader(lab);
	RaftTime	start;

	cluster_one(lab, cluster_number(1), 3, true);
	cluster_disconnect(lab, cluster_nth(lab, leader, 1));
	start = lab->now;
	for (uint64_t i = 0; i < 20; i++)
	{
		Started		started = cluster_start(lab, leader, cluster_number(i));

		lab_check(lab, started.leader, "the leader did not take a command");
		cluster_sleep(lab, 20 * MS);
		lab_check(lab, cluster_committed(lab, started.command, NULL) >= 1,
				  "command %llu is not committed after 20 ms",
				  (unsigned long long) started.command);
	}
	lab_check(lab, lab->now - start < T, "twenty commands took more than a second");
}

static bool
somebody_leads(Lab *lab, void *arg)
{
	(void) arg;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->nodes[i].status.role == RAFT_LEADER)
			return true;
	return false;
}

/*
 * Answers that take longer than any timeout that can be drawn: what was granted goes on
 * counting, votes for the term, pre-votes until a leader is heard, and one comes.
 */
static void
lesson_answers_slower_than_timeouts(Lab *lab)
{
	const RaftTime bound = 60 * T;

	cluster_prepare(lab, 3);
	lab->network.distance = 460 * MS;
	cluster_boot(lab);
	lab_check(lab, cluster_until(lab, bound, 1 * MS, somebody_leads, NULL), "no leader within %llu ms",
			  (unsigned long long) (bound / MS));
}

const LabTest lesson_tests[] = {
	{"lesson_majority_of_even", "lesson", 0, 50, lesson_majority_of_even},
	{"lesson_majority_of_one_and_two", "lesson", 0, 50, lesson_majority_of_one_and_two},
	{"lesson_wide_timeouts", "lesson", 7, 0, lesson_wide_timeouts},
	{"lesson_hundred_proposals_few_messages", "lesson", 3, 50, lesson_hundred_proposals_few_messages},
	{"lesson_proposer_learns_whose_entry", "lesson", 3, 50, lesson_proposer_learns_whose_entry},
	{"lesson_one_dead_peer_delays_nobody", "lesson", 3, 50, lesson_one_dead_peer_delays_nobody},
	{"lesson_answers_slower_than_timeouts", "lesson", 0, 50, lesson_answers_slower_than_timeouts},
	{0}
};
