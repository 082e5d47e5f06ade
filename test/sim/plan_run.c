/*-------------------------------------------------------------------------
 *
 * plan_run.c
 *	  Executes a plan: the verbs, and what follows when the faults end.
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

/* ------------------------------------------------- when the faults end */

/* No more faults of the network as a whole, and sizes that work off a backlog. */
static void
calm(Lab *lab)
{
	Network    *net = &lab->network;
	LabSettings *s = &lab->settings;

	net->unreliable = false;
	net->long_reordering = false;
	net->duplicate_percent = 0;
	net->replay_percent = 0;
	net->corrupt_percent = 0;
	if (s->disk_latency > 20 * MS)
		s->disk_latency = 20 * MS;
	s->core.max_batch_bytes = 64 * 1024;
	s->core.max_inflight_bytes = 1024 * 1024;
	if (s->core.max_inflight < 8)
		s->core.max_inflight = 8;
}

/* A server comes back for good, with all its links to those that did. */
static void
heal(Lab *lab, RaftNodeId id)
{
	Node	   *node = &lab->nodes[id];

	if (node->stopped)
		node_crash(lab, node);
	if (node->up)
	{
		if (node->paused_until > lab->now)
			node->paused_until = lab->now;
		node_settings(lab, node);
	}
	else
		node_start(lab, node);
	cluster_connect(lab, id);
}

/* A server stays faulty for good: it must not disturb those that are well. */
static void
leave_faulty(Lab *lab, RaftNodeId id, PlanFate fate, RaftNodeId friend)
{
	if (fate == PLAN_DOWN)
	{
		node_crash(lab, &lab->nodes[id]);
		return;
	}
	lab_trace(lab, "test: n%u stays %s", id, fate == PLAN_CUT_OFF ? "cut off" :
			  fate == PLAN_DEAF ? "deaf" : fate == PLAN_MUTE ? "mute" : "with a single friend");
	if (!lab->nodes[id].up)
		node_start(lab, &lab->nodes[id]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		bool		is_friend = fate == PLAN_ONE_FRIEND && i == friend;

		lab->network.enabled[id][i] = fate == PLAN_DEAF || is_friend;
		lab->network.enabled[i][id] = fate == PLAN_MUTE || is_friend;
	}
}

/* Have all connected servers applied everything, and do their logs end alike? */
static bool
has_converged(Lab *lab, void *arg)
{
	RaftIndex	last = 0;

	(void) arg;
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		const Node *node = &lab->nodes[i];

		if (!node->connected)
			continue;
		if (last == 0)
			last = node->log.last;
		if (node->commands != lab->history.commands || node->log.last != last ||
			node->status.commit != last)
			return false;
	}
	return true;
}

/* Liveness: who is well has a leader, commits, converges, and stays so. */
static void
expect_liveness(Lab *lab, uint32_t well)
{
	RaftNodeId	leader;

	cluster_one_leader(lab);
	cluster_one(lab, cluster_number(lab->seed), well, true);
	lab_check(lab, cluster_until(lab, 20 * T, 50 * MS, has_converged, NULL),
			  "the logs do not become equal");

	/* all reports of failed calls have come too; from now on nothing changes */
	cluster_sleep(lab, 7 * T);
	leader = cluster_one_leader(lab);
	for (int i = 0; i < 3; i++)
		lab_check(lab, cluster_one_leader(lab) == leader, "leadership is not stable");
	cluster_one(lab, cluster_number(lab->seed + 1), well, false);
}

static void
heal_group(Lab *lab, const Plan *plan)
{
	uint32_t	well = plan_well(plan);

	lab_trace(lab, "test: heal %u of %u", well, plan->n);
	calm(lab);
	for (RaftNodeId i = 1; i <= plan->n; i++)
		cluster_disconnect(lab, i);
	for (RaftNodeId i = 1; i <= plan->n; i++)
		if (plan->fate[i] == PLAN_WELL)
			heal(lab, i);
	for (RaftNodeId i = 1; i <= plan->n; i++)
		if (plan->fate[i] != PLAN_WELL)
			leave_faulty(lab, i, plan->fate[i], plan->friend[i]);
	expect_liveness(lab, well);
}

/* ------------------------------------------------------------- the run */

void
plan_run(Lab *lab, const Plan *plan)
{
	RaftTime	start;

	rng_seed(&lab->rng_test, plan->seed, "plan");
	cluster_prepare(lab, plan->n);
	plan_give_knobs(plan, lab);
	cluster_boot(lab);
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
		heal_group(lab, plan);
}
