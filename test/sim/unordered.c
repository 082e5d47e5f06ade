/*-------------------------------------------------------------------------
 *
 * unordered.c
 *	  How long a commit takes where messages overtake each other or get lost.
 *
 * A transport of datagrams, or of one connection per message, keeps no order.  Virtual
 * time makes the measure exact: the same seed gives the same figures.  TRACE=1
 * shows them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "lab.h"

#define COMMANDS	1000
#define STEP		(500 * US)

static int
compare_times(const void *a, const void *b)
{
	RaftTime	x = *(const RaftTime *) a;
	RaftTime	y = *(const RaftTime *) b;

	return (x > y) - (x < y);
}

/* Offers commands with pauses in between; the times until its leader has each committed. */
static void
measure(Lab *lab, RaftTime shortest, RaftTime longest, RaftTime times[COMMANDS])
{
	RaftIndex	index[COMMANDS];
	RaftTime	offered[COMMANDS];
	RaftNodeId	leader = cluster_one_leader(lab);
	RaftTerm	term = cluster_term(lab, leader);
	RaftTime	next = lab->now;
	uint32_t	placed = 0;
	uint32_t	done = 0;

	while (done < COMMANDS)
	{
		const Node *node = &lab->nodes[leader];

		lab_check(lab, node->status.role == RAFT_LEADER && node->status.term == term, "the leader has changed");
		if (placed < COMMANDS && lab->now >= next)
		{
			Started		started = cluster_start(lab, leader, cluster_number(placed));

			lab_check(lab, started.leader, "the leader did not take a command");
			index[placed] = started.index;
			offered[placed++] = lab->now;
			next = lab->now + rng_between(&lab->rng_test, shortest, longest);
		}
		cluster_sleep(lab, STEP);
		for (; done < placed && node->status.commit >= index[done]; done++)
			times[done] = lab->now - offered[done];
	}
	qsort(times, COMMANDS, sizeof(RaftTime), compare_times);
}

static void
check_times(Lab *lab, RaftTime shortest, RaftTime longest, RaftTime half, RaftTime most)
{
	RaftTime   *times = run_alloc(COMMANDS * sizeof(RaftTime));

	measure(lab, shortest, longest, times);
	lab_trace(lab, "test: half of the commits take up to %.1f ms, 99 of 100 up to %.1f ms, %llu messages",
			  (double) times[COMMANDS / 2] / 1000.0, (double) times[COMMANDS * 99 / 100] / 1000.0,
			  (unsigned long long) lab->network.messages);
	lab_check(lab, times[COMMANDS / 2] <= half && times[COMMANDS * 99 / 100] <= most,
			  "half of the commits take up to %.1f ms, 99 of 100 up to %.1f ms",
			  (double) times[COMMANDS / 2] / 1000.0, (double) times[COMMANDS * 99 / 100] / 1000.0);
}

/* Nothing is lost, but any message may overtake another by 5 ms. */
static void
unordered_commits(Lab *lab)
{
	cluster_prepare(lab, 3);
	lab->network.unordered = true;
	cluster_boot(lab);
	check_times(lab, 1 * MS, 7 * MS, 8 * MS, 15 * MS);
}

/* The ladder's unreliable network: requests take up to 26 ms, and one message in ten is lost. */
static void
unreliable_commits(Lab *lab)
{
	cluster_prepare(lab, 3);
	lab->network.unreliable = true;
	cluster_boot(lab);
	check_times(lab, 1 * MS, 7 * MS, 20 * MS, 60 * MS);
}

/* The same where each command is alone: nothing follows it that would tell of a loss. */
static void
unreliable_lone_commits(Lab *lab)
{
	cluster_prepare(lab, 3);
	lab->network.unreliable = true;
	cluster_boot(lab);
	check_times(lab, 20 * MS, 150 * MS, 15 * MS, 90 * MS);
}

const LabTest unordered_tests[] = {
	{"unordered_commits", "lesson", 0, 50, unordered_commits},
	{"unreliable_commits", "lesson", 0, 50, unreliable_commits},
	{"unreliable_lone_commits", "lesson", 0, 50, unreliable_lone_commits},
	{0}
};
