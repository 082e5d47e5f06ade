/*-------------------------------------------------------------------------
 *
 * plan_run.c
 *	  Executes a plan: its verbs, but for those of single faults, which are in
 *	  plan_faults.c; what follows when the faults end is in liveness.c.
 *
 * A verb does what it can in the state that it finds: a server that is down is
 * not crashed again.  So any part of a plan is a plan.
 *
 *-------------------------------------------------------------------------
 */
#include "plan.h"

/* ---------------------------------------------------------------- verbs */

static void
verb_crash(Lab *lab, const uint64_t *args)
{
	cluster_crash(lab, (RaftNodeId) args[0]);
}

static void
verb_restart(Lab *lab, const uint64_t *args)
{
	Node	   *node = &lab->nodes[args[0]];

	if (node->up && !node->stopped)
		return;
	node_crash(lab, node);		/* as the server does after a failed flush */
	cluster_restart(lab, node->id);
}

/* The power fails everywhere, and comes back. */
static void
verb_restart_all(Lab *lab, const uint64_t *args)
{
	(void) args;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		node_crash(lab, &lab->nodes[i]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_restart(lab, i);
}

/* A write under way fails, and with it the node's core. */
static void
verb_fail_write(Lab *lab, const uint64_t *args)
{
	disk_fail(lab, &lab->nodes[args[0]]);
}

/* The process stands still; what happens to it waits. */
static void
verb_pause(Lab *lab, const uint64_t *args)
{
	Node	   *node = &lab->nodes[args[0]];

	if (!node->up)
		return;
	node->paused_until = lab->now + args[1];
	lab_trace(lab, "test: n%u stands still until %llu ms", node->id,
			  (unsigned long long) (node->paused_until / MS));
}

static void
verb_connect(Lab *lab, const uint64_t *args)
{
	cluster_connect(lab, (RaftNodeId) args[0]);
}

static void
verb_connect_all(Lab *lab, const uint64_t *args)
{
	(void) args;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_connect(lab, i);
}

static void
verb_disconnect(Lab *lab, const uint64_t *args)
{
	cluster_disconnect(lab, (RaftNodeId) args[0]);
}

/* Cuts off whoever leads. */
static void
verb_depose(Lab *lab, const uint64_t *args)
{
	(void) args;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->nodes[i].connected && lab->nodes[i].status.role == RAFT_LEADER)
			cluster_disconnect(lab, i);
}

static void
verb_split(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: split into two sides");
	for (RaftNodeId i = 1; i <= lab->n; i++)
		for (RaftNodeId j = 1; j <= lab->n; j++)
			lab->network.enabled[i][j] = ((args[0] >> i) & 1) == ((args[0] >> j) & 1);
}

/* One direction of one link. */
static void
verb_cut(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: cut n%u -> n%u", (RaftNodeId) args[0], (RaftNodeId) args[1]);
	lab->network.enabled[args[0]][args[1]] = false;
}

static void
offer(Lab *lab, RaftNodeId node, const uint64_t *args)
{
	for (uint64_t i = 0; i < args[0]; i++)
		cluster_start(lab, node, cluster_random_command(lab, (uint32_t) rng_below(&lab->rng_test, args[1] + 1)));
}

/* A client offers commands to one server. */
static void
verb_offer(Lab *lab, const uint64_t *args)
{
	offer(lab, (RaftNodeId) args[0], args + 1);
}

/* A client offers commands to whoever believes to lead. */
static void
verb_offer_leaders(Lab *lab, const uint64_t *args)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->nodes[i].up && lab->nodes[i].status.role == RAFT_LEADER)
			offer(lab, i, args);
}

const PlanVerb plan_verbs[] = {
	{"crash", "n", verb_crash},
	{"restart", "n", verb_restart},
	{"restart-all", "", verb_restart_all},
	{"fail-write", "n", verb_fail_write},
	{"pause", "nt", verb_pause},
	{"connect", "n", verb_connect},
	{"connect-all", "", verb_connect_all},
	{"disconnect", "n", verb_disconnect},
	{"depose", "", verb_depose},
	{"split", "s", verb_split},
	{"cut", "nn", verb_cut},
	{"offer", "ncz", verb_offer},
	{"offer-leaders", "cz", verb_offer_leaders},
	{0}
};

/* ------------------------------------------------------------- the run */

void
plan_run(Lab *lab, const Plan *plan)
{
	RaftTime	start;

	rng_seed(&lab->rng_test, plan->seed, "plan");
	cluster_prepare(lab, plan->n);
	plan_give_knobs(plan, lab);
	cluster_boot(lab);
	clients_start(lab);
	start = lab->now;
	for (size_t i = 0; i < plan->n_steps; i++)
	{
		const PlanStep *step = &plan->steps[i];

		if (start + step->at > lab->now)
			cluster_sleep(lab, start + step->at - lab->now);
		step->verb->run(lab, step->args);
	}
	if (start + plan->end > lab->now)
		cluster_sleep(lab, start + plan->end - lab->now);
	if (plan->heals)
		liveness_phase(lab, plan);
	else
		clients_finish(lab, false);
}
