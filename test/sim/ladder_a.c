/*-------------------------------------------------------------------------
 *
 * ladder_a.c
 *	  Ladder A: elections.
 *
 *-------------------------------------------------------------------------
 */
#include "lab.h"

/* A leader is elected, and stays while nothing fails. */
static void
initial_election(Lab *lab)
{
	RaftTerm	term;

	cluster_one_leader(lab);

	/* the followers learn of the election; then all terms agree */
	cluster_sleep(lab, 50 * MS);
	term = cluster_same_term(lab);
	lab_check(lab, term >= 1, "the term is %llu", (unsigned long long) term);

	cluster_sleep(lab, 2 * T);
	lab_check(lab, cluster_same_term(lab) == term, "the term changed though nothing failed");
	cluster_one_leader(lab);
}

/* A lost leader is replaced, a returning one changes nothing, no quorum no leader. */
static void
re_election(Lab *lab)
{
	RaftNodeId	first = cluster_one_leader(lab);
	RaftNodeId	second;

	cluster_disconnect(lab, first);
	cluster_one_leader(lab);

	cluster_connect(lab, first);
	second = cluster_one_leader(lab);

	cluster_disconnect(lab, second);
	cluster_disconnect(lab, cluster_nth(lab, second, 1));
	cluster_sleep(lab, 2 * T);
	cluster_no_leader(lab);

	cluster_connect(lab, cluster_nth(lab, second, 1));
	cluster_one_leader(lab);

	cluster_connect(lab, second);
	cluster_one_leader(lab);
}

/* Again and again three of seven go: either the leader lives or a new one comes. */
static void
many_elections(Lab *lab)
{
	cluster_one_leader(lab);
	for (int i = 0; i < 9; i++)
	{
		RaftNodeId	gone[3];

		for (size_t k = 0; k < lengthof(gone); k++)
		{
			gone[k] = (RaftNodeId) rng_between(&lab->rng_test, 1, lab->n);
			cluster_disconnect(lab, gone[k]);
		}
		cluster_one_leader(lab);
		for (size_t k = 0; k < lengthof(gone); k++)
			cluster_connect(lab, gone[k]);
	}
	cluster_one_leader(lab);
}

const LabTest ladder_a_tests[] = {
	{"initial_election", "A", 3, 0, initial_election},
	{"re_election", "A", 3, 0, re_election},
	{"many_elections", "A", 7, 0, many_elections},
	{0}
};
