/*-------------------------------------------------------------------------
 *
 * random.c
 *	  Any crash, any restart, any partition: faults drawn from the seed while
 *	  clients propose, then everything heals and must agree.
 *
 * Which classes of faults there are and how hard they hit is drawn first, so
 * that some seeds see one fault alone and some see all of them.  A run has a
 * phase of faults, in which only safety counts, and a healed one, in which a
 * leader must come, proposals must commit and all logs must become equal.
 *
 *-------------------------------------------------------------------------
 */
#include "lab.h"

typedef struct Faults
{
	bool		crashes;
	bool		partitions;
	bool		one_way;
	bool		pauses;
	bool		write_errors;
	uint32_t	all_crash_percent;
	RaftTime	pause;			/* between two faults, at most */
	RaftTime	client_pause;	/* between two proposals, at most */
	uint32_t	burst;			/* proposals at once, at most */
	uint32_t	command_size;	/* at most */
	RaftTime	duration;
} Faults;

static uint32_t
pick(Rng *rng, const uint32_t *choices, size_t n)
{
	return choices[rng_below(rng, n)];
}

/* Sizes and latencies far from the ladder's: small batches, small windows. */
static void
draw_world(Lab *lab, Faults *faults)
{
	static const uint32_t batches[] = {1, 200, 1000, 65536};
	static const uint32_t windows[] = {1, 2, 8, 64};
	static const uint32_t latencies[] = {0, 3, 20, 100};
	static const uint32_t pauses[] = {5, 50, 300};
	Rng		   *rng = &lab->rng_test;
	LabSettings *s = &lab->settings;

	s->core.max_batch_bytes = pick(rng, batches, lengthof(batches));
	s->core.max_inflight = pick(rng, windows, lengthof(windows));
	s->core.max_inflight_bytes = rng_percent(rng, 30) ? 2000 : 1024 * 1024;
	s->disk_latency = pick(rng, latencies, lengthof(latencies)) * MS;
	s->crash_keeps_some = rng_percent(rng, 50);
	s->tick_lateness = rng_percent(rng, 30) ? 20 * MS : 0;
	s->apply_durable_delay = rng_below(rng, 200 * MS);

	lab->network.unreliable = rng_percent(rng, 60);
	lab->network.long_reordering = rng_percent(rng, 30);
	lab->network.duplicate_percent = rng_percent(rng, 40) ? (uint32_t) rng_below(rng, 20) : 0;
	lab->network.replay_percent = rng_percent(rng, 40) ? (uint32_t) rng_below(rng, 5) : 0;
	lab->network.corrupt_percent = rng_percent(rng, 30) ? (uint32_t) rng_below(rng, 5) : 0;

	faults->crashes = rng_percent(rng, 70);
	faults->partitions = rng_percent(rng, 70);
	faults->one_way = rng_percent(rng, 50);
	faults->pauses = rng_percent(rng, 30);
	faults->write_errors = rng_percent(rng, 30);
	faults->all_crash_percent = rng_percent(rng, 30) ? 10 : 0;
	faults->pause = rng_between(rng, 50, 1500) * MS;
	faults->client_pause = pick(rng, pauses, lengthof(pauses)) * MS;
	faults->burst = (uint32_t) rng_between(rng, 1, 20);
	faults->command_size = (uint32_t) rng_between(rng, 0, 300);
	faults->duration = rng_between(rng, 4, 10) * T;
}

/* Restarts every server, so that new settings reach each core. */
static void
restart_all(Lab *lab)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		node_crash(lab, &lab->nodes[i]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_restart(lab, i);
}

static void
draw_partition(Lab *lab, bool one_way)
{
	Rng		   *rng = &lab->rng_test;

	switch (rng_below(rng, 4))
	{
		case 0:					/* heal */
			for (RaftNodeId i = 1; i <= lab->n; i++)
				cluster_connect(lab, i);
			break;
		case 1:					/* one alone */
			cluster_disconnect(lab, (RaftNodeId) rng_between(rng, 1, lab->n));
			break;
		case 2:					/* two sides */
			{
				uint64_t	sides = rng_next(rng);

				lab_trace(lab, "test: split into two sides");
				for (RaftNodeId i = 1; i <= lab->n; i++)
					for (RaftNodeId j = 1; j <= lab->n; j++)
						lab->network.enabled[i][j] = ((sides >> i) & 1) == ((sides >> j) & 1);
				break;
			}
		case 3:					/* a single link, perhaps one way only */
			{
				RaftNodeId	i = (RaftNodeId) rng_between(rng, 1, lab->n);
				RaftNodeId	j = (RaftNodeId) rng_between(rng, 1, lab->n);

				lab_trace(lab, "test: cut n%u -> n%u%s", i, j, one_way ? "" : " and back");
				lab->network.enabled[i][j] = false;
				if (!one_way)
					lab->network.enabled[j][i] = false;
				break;
			}
	}
}

static void
one_fault(Lab *lab, const Faults *faults)
{
	Rng		   *rng = &lab->rng_test;
	RaftNodeId	victim = (RaftNodeId) rng_between(rng, 1, lab->n);

	if (faults->partitions && rng_percent(rng, 50))
		draw_partition(lab, faults->one_way);
	if (faults->pauses && rng_percent(rng, 30) && lab->nodes[victim].up)
	{
		lab->nodes[victim].paused_until = lab->now + rng_below(rng, 2 * T);
		lab_trace(lab, "test: n%u stands still until %llu ms", victim,
				  (unsigned long long) (lab->nodes[victim].paused_until / MS));
		return;
	}
	if (lab->nodes[victim].stopped)
		cluster_crash(lab, victim);	/* as the server does after a failed flush */
	else if (faults->write_errors && rng_percent(rng, 30))
	{
		disk_fail(lab, &lab->nodes[victim]);
		return;
	}
	if (!faults->crashes)
		return;
	if (rng_percent(rng, faults->all_crash_percent))
		restart_all(lab);
	else if (!lab->nodes[victim].up)
		cluster_restart(lab, victim);
	else if (rng_percent(rng, 50))
	{
		cluster_crash(lab, victim);
		if (rng_percent(rng, 50))	/* at once: what it sent is still on its way */
			cluster_restart(lab, victim);
	}
}

/* A client offers some commands to a server, mostly to one that leads. */
static void
offer(Lab *lab, const Faults *faults)
{
	Rng		   *rng = &lab->rng_test;
	RaftNodeId	node = (RaftNodeId) rng_between(rng, 1, lab->n);
	uint64_t	n = rng_between(rng, 1, faults->burst);

	for (RaftNodeId i = 1; i <= lab->n && rng_percent(rng, 90); i++)
		if (lab->nodes[i].up && lab->nodes[i].status.role == RAFT_LEADER)
			node = i;
	for (uint64_t i = 0; i < n; i++)
		cluster_start(lab, node, cluster_random_command(lab, (uint32_t) rng_below(rng, faults->command_size + 1)));
}

static void
fault_phase(Lab *lab, const Faults *faults)
{
	Rng		   *rng = &lab->rng_test;
	RaftTime	end = lab->now + faults->duration;
	RaftTime	next_fault = lab->now + rng_below(rng, faults->pause);
	RaftTime	next_offer = lab->now;

	while (lab->now < end)
	{
		RaftTime	next = next_fault < next_offer ? next_fault : next_offer;

		if (next > lab->now)
			cluster_sleep(lab, next - lab->now);
		if (lab->now >= next_fault)
		{
			one_fault(lab, faults);
			next_fault = lab->now + rng_below(rng, faults->pause);
		}
		if (lab->now >= next_offer)
		{
			offer(lab, faults);
			next_offer = lab->now + 1 + rng_below(rng, faults->client_pause);
		}
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

/*
 * A server stays faulty for good: down, cut off, deaf, mute, or with a single
 * friend among the healed (in a group of three those two would be a quorum).
 * None of these may disturb a quorum that is well.
 */
static void
leave_faulty(Lab *lab, RaftNodeId id, RaftNodeId friend)
{
	uint64_t	kind = rng_below(&lab->rng_test, lab->n > 3 ? 5 : 4);

	cluster_disconnect(lab, id);
	if (kind == 0)
	{
		node_crash(lab, &lab->nodes[id]);
		return;
	}
	lab_trace(lab, "test: n%u stays %s", id, kind == 1 ? "cut off" : kind == 2 ? "deaf" :
			  kind == 3 ? "mute" : "with a single friend");
	if (!lab->nodes[id].up)
		node_start(lab, &lab->nodes[id]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		lab->network.enabled[id][i] = kind == 2 || (kind == 4 && i == friend);
		lab->network.enabled[i][id] = kind == 3 || (kind == 4 && i == friend);
	}
}

/* Liveness: who is healed has a leader, commits, converges, and stays so. */
static void
expect_liveness(Lab *lab, uint32_t healed)
{
	RaftNodeId	leader;

	cluster_one_leader(lab);
	cluster_one(lab, cluster_number(lab->seed), healed, true);
	lab_check(lab, cluster_until(lab, 20 * T, 50 * MS, has_converged, NULL),
			  "the logs do not become equal");

	/* all reports of failed calls have come too; from now on nothing changes */
	cluster_sleep(lab, 7 * T);
	leader = cluster_one_leader(lab);
	for (int i = 0; i < 3; i++)
		lab_check(lab, cluster_one_leader(lab) == leader, "leadership is not stable");
	cluster_one(lab, cluster_number(lab->seed + 1), healed, false);
}

static void
heal_all(Lab *lab)
{
	lab_trace(lab, "test: heal");
	calm(lab);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab->nodes[i].connected = false;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		heal(lab, i);
	expect_liveness(lab, lab->n);
}

/* Only a quorum is healed; the others go on failing, each in its own way. */
static void
heal_quorum(Lab *lab)
{
	uint32_t	quorum = lab->n / 2 + 1;
	RaftNodeId	first = (RaftNodeId) rng_between(&lab->rng_test, 1, lab->n);

	lab_trace(lab, "test: heal %u of %u", quorum, lab->n);
	calm(lab);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_disconnect(lab, i);
	for (uint32_t k = 0; k < quorum; k++)
		heal(lab, cluster_nth(lab, first, k));
	for (uint32_t k = quorum; k < lab->n; k++)
		leave_faulty(lab, cluster_nth(lab, first, k),
					 cluster_nth(lab, first, (uint32_t) rng_below(&lab->rng_test, quorum)));
	expect_liveness(lab, quorum);
}

static void
random_run(Lab *lab, uint32_t n, void (*heal_phase) (Lab *lab))
{
	Faults		faults;

	cluster_init(lab, n);
	draw_world(lab, &faults);
	restart_all(lab);
	fault_phase(lab, &faults);
	heal_phase(lab);
}

static void
random_faults_of_3(Lab *lab)
{
	random_run(lab, 3, heal_all);
}

static void
random_faults_of_any_size(Lab *lab)
{
	static const uint32_t sizes[] = {1, 2, 4, 5, 6, 7};

	random_run(lab, pick(&lab->rng_test, sizes, lengthof(sizes)), heal_all);
}

static void
random_faults_quorum_heals(Lab *lab)
{
	random_run(lab, (uint32_t) rng_between(&lab->rng_test, 3, 7), heal_quorum);
}

/*
 * Elections without end while replies come seconds late: leaders are cut off as
 * soon as they lead, two candidates run at once, and votes of campaigns long lost
 * still arrive.
 */
static void
random_elections(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	cluster_init(lab, rng_percent(rng, 50) ? 3 : 5);
	lab->network.unreliable = true;
	lab->network.long_reordering = true;
	lab->network.replay_percent = 50;
	for (int i = 0; i < 150; i++)
	{
		RaftNodeId	other = (RaftNodeId) rng_between(rng, 1, lab->n);

		for (RaftNodeId k = 1; k <= lab->n; k++)
			if (lab->nodes[k].connected && lab->nodes[k].status.role == RAFT_LEADER)
				cluster_disconnect(lab, k);
		cluster_connect(lab, other);
		cluster_start(lab, other, cluster_number((uint64_t) i));
		cluster_sleep(lab, rng_below(rng, 500) * MS);
	}
	heal_all(lab);
}

const LabTest random_tests[] = {
	{"random_elections", "random", 0, 0, random_elections},
	{"random_faults_of_3", "random", 0, 0, random_faults_of_3},
	{"random_faults_of_any_size", "random", 0, 0, random_faults_of_any_size},
	{"random_faults_quorum_heals", "random", 0, 0, random_faults_quorum_heals},
	{0}
};
