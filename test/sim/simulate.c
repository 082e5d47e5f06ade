/*-------------------------------------------------------------------------
 *
 * simulate.c
 *	  Anything that can happen to a group, drawn from the seed.
 *
 * First the world: how many servers, how large batches and windows are, how slow
 * disks, network and appliers, what clients do.  Then which classes of faults there
 * are in this run, so that some seeds see one class alone and some see all of them.
 * Then the steps, each a fault of one of the classes.  Everything goes into a plan
 * (plan.h), which then runs: a phase in which only safety counts, and one in which a
 * quorum is well and must work, whatever the others do (liveness.c).
 *
 *-------------------------------------------------------------------------
 */
#include "plan.h"

typedef struct Draw
{
	Lab		   *lab;
	Rng		   *rng;
	Plan	   *plan;
	RaftTime	at;
	uint32_t	doomed;			/* how many disks may be lost for good: a minority */
	RaftNodeId	first_doomed;
	bool		storm;			/* of elections, and nothing else */
	bool		returns;		/* disks come back as they were, and nothing else */
	bool		down[LAB_MAX_NODES + 1];	/* by a step drawn before */
} Draw;

static uint64_t
pick(Rng *rng, const uint64_t *choices, size_t n)
{
	return choices[rng_below(rng, n)];
}

#define pick_of(rng, ...) \
	pick((rng), (const uint64_t[]) {__VA_ARGS__}, sizeof((const uint64_t[]) {__VA_ARGS__}) / 8)

static RaftNodeId
draw_node(const Draw *draw)
{
	return (RaftNodeId) rng_between(draw->rng, 1, draw->plan->n);
}

static void
add(Draw *draw, const char *verb, uint64_t a, uint64_t b)
{
	plan_add(draw->plan, draw->at, verb, a, b, 0);
}

static void
add_later(Draw *draw, RaftTime later, const char *verb, uint64_t a, uint64_t b)
{
	plan_add(draw->plan, draw->at + later, verb, a, b, 0);
}

/* ------------------------------------------------- classes of faults */

static void
draw_partition(Draw *draw)
{
	RaftNodeId	i = draw_node(draw);
	RaftNodeId	j = draw_node(draw);
	uint64_t	sides = rng_below(draw->rng, UINT64_C(2) << draw->plan->n);

	switch (rng_below(draw->rng, 14))
	{
		case 0:
			add(draw, "alone", i, 0);
			break;
		case 1:
		case 2:
			add(draw, "split", sides, 0);
			break;
		case 3:
			add(draw, "leader-in-minority", rng_below(draw->rng, 2), 0);
			break;
		case 4:
			add(draw, "bridge", i, sides);
			break;
		case 5:
			add(draw, "ring", 0, 0);
			break;
		case 6:
			add(draw, "deafen", i, 0);
			break;
		case 7:
			add(draw, "mute", i, 0);
			break;
		case 8:
			add(draw, "cut", i, j);
			break;
		case 9:
			add(draw, "cut-link", i, j);
			break;
		default:
			add(draw, "heal-links", 0, 0);
			break;
	}
}

/* Links are cut one by one, and healed in another order. */
static void
draw_crumbling(Draw *draw)
{
	uint64_t	n = rng_between(draw->rng, 1, 6);

	for (uint64_t k = 0; k < n; k++)
	{
		RaftNodeId	i = draw_node(draw);
		RaftNodeId	j = draw_node(draw);

		add_later(draw, k * 50 * MS, "cut-link", i, j);
		add_later(draw, n * 50 * MS + rng_below(draw->rng, T), "heal-link", i, j);
	}
}

/* Whoever leads is cut off, and somebody else comes back. */
static void
draw_hunted(Draw *draw, RaftTime at)
{
	RaftNodeId	other = draw_node(draw);

	plan_add(draw->plan, at, "depose", 0, 0, 0);
	plan_add(draw->plan, at, "connect", other, 0, 0);
	plan_add(draw->plan, at, "offer", other, 1, 8);
}

static void
draw_hunt(Draw *draw)
{
	uint64_t	n = rng_between(draw->rng, 1, 8);
	RaftTime	later = 0;

	for (uint64_t k = 0; k < n; k++)
	{
		draw_hunted(draw, draw->at + later);
		later += rng_below(draw->rng, 500 * MS);
	}
}

static void
draw_ambush(Draw *draw, RaftNodeId victim)
{
	plan_add(draw->plan, draw->at, "ambush", victim, rng_between(draw->rng, 1, 6),
			 pick_of(draw->rng, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER));
}

/*
 * The leader stands still for about as long as its followers wait, and who
 * campaigns meanwhile dies, perhaps with a term that nobody else has heard of.
 */
static void
draw_stumble(Draw *draw)
{
	add(draw, "pause-leaders", rng_between(draw->rng, 200, 1200) * MS, 0);
	for (RaftNodeId i = 1; i <= draw->plan->n; i++)
	{
		draw_ambush(draw, i);
		add_later(draw, T + rng_below(draw->rng, 500 * MS), "start", i, 0);
	}
}

static void
draw_crash(Draw *draw)
{
	RaftNodeId	victim = draw_node(draw);

	if (draw->down[victim])
	{
		add(draw, "start", victim, 0);
		draw->down[victim] = false;
		return;
	}
	switch (rng_below(draw->rng, 4))
	{
		case 0:
			add(draw, "kill-in", victim, rng_between(draw->rng, 1, 30));
			break;
		case 1:
			draw_ambush(draw, victim);
			add_later(draw, rng_below(draw->rng, 2 * T), "start", victim, 0);
			return;
		default:
			add(draw, "kill", victim, 0);
			break;
	}
	if (rng_percent(draw->rng, 50))	/* soon: what it sent is still on its way */
		add_later(draw, rng_below(draw->rng, 300) * MS, "start", victim, 0);
	else
		draw->down[victim] = true;
}

static void
draw_power_cut(Draw *draw)
{
	add(draw, "power-cut", 0, 0);
	for (RaftNodeId i = 1; i <= draw->plan->n; i++)
		draw->down[i] = false;
}

static void
draw_disk(Draw *draw)
{
	Rng		   *rng = draw->rng;
	RaftNodeId	victim = draw_node(draw);

	if (rng_percent(rng, 30))
		add(draw, "stick-disk", victim, rng_below(rng, 3 * T));
	else
		add(draw, "slow-disk", victim, pick_of(rng, 0, 1 * MS, 20 * MS, 200 * MS, 2 * T, 10 * T));
}

/* A write fails, or all of them do; the server ends, and starts again later. */
static void
draw_disk_error(Draw *draw)
{
	RaftNodeId	victim = draw_node(draw);
	RaftTime	full = 0;

	if (rng_percent(draw->rng, 60))
		add(draw, "fail-write", victim, 0);
	else
	{
		full = rng_below(draw->rng, 2 * T);
		add(draw, "fill-disk", victim, full);
	}
	add_later(draw, full + rng_below(draw->rng, T), "start", victim, 0);
}

/* A log gets little room, or as much as it likes. */
static void
draw_room(Draw *draw)
{
	add(draw, "bound-log", draw_node(draw), pick_of(draw->rng, 0, 1500, 3000, 6000));
}

/* A disk is damaged or lost; only ever of the same minority. */
static void
draw_doom(Draw *draw)
{
	RaftNodeId	victim = cluster_nth(draw->lab, draw->first_doomed,
									 (uint32_t) rng_below(draw->rng, draw->doomed));

	if (draw->doomed == 0)
		return;
	if (rng_percent(draw->rng, 40))
		add(draw, "wipe", victim, 0);
	else
	{
		add(draw, "flip-bit", victim, 0);
		add_later(draw, rng_below(draw->rng, T), "kill", victim, 0);
		add_later(draw, T, "start", victim, 0);
	}
}

/*
 * A server comes back as a copy of what it was, as an earlier state of the same disk, of which
 * others have met a later start, or as a new one; after commands that it has
 * acknowledged while another server was alone.  Those two meet while the rest is down: in a
 * group of three they would be a majority.
 */
static void
draw_return(Draw *draw, RaftNodeId victim)
{
	RaftNodeId	lagging = cluster_nth(draw->lab, victim, 1 + (uint32_t) rng_below(draw->rng, 2));
	uint64_t	how = rng_below(draw->rng, 3);

	add_later(draw, 0, "heal-links", 0, 0);
	add_later(draw, 0, "keep-image", victim, 0);
	if (how == 1)
	{
		add_later(draw, 10 * MS, "kill", victim, 0);
		add_later(draw, 20 * MS, "start", victim, 0);
	}
	add_later(draw, T, "alone", lagging, 0);
	for (RaftTime later = T; later < 2 * T; later += 100 * MS)
		add_later(draw, later, "offer-leaders", 1, 20);
	if (how == 2)
		add_later(draw, 2 * T, "wipe", victim, 0);
	else
		add_later(draw, 2 * T, "restore-image", victim, how);
	add_later(draw, 2 * T, "heal-links", 0, 0);
	for (RaftNodeId i = 1; i <= draw->plan->n; i++)
		if (i != victim && i != lagging)
		{
			add_later(draw, 2 * T, "kill", i, 0);
			add_later(draw, 4 * T, "start", i, 0);
		}
}

/* A disk comes back as it was, or copies of it run; only ever of the same minority. */
static void
draw_images(Draw *draw)
{
	RaftNodeId	victim = cluster_nth(draw->lab, draw->first_doomed,
									 (uint32_t) rng_below(draw->rng, draw->doomed));

	if (draw->doomed == 0)
		return;
	switch (rng_below(draw->rng, 7))
	{
		case 0:
			add(draw, "restore-image", victim, 0);
			break;
		case 1:
			add(draw, "restore-image", victim, 1);
			break;
		case 2:
			add(draw, "swap-image", victim, 0);
			break;
		case 3:
		case 4:
		case 5:
			draw_return(draw, victim);
			break;
		default:
			add(draw, "keep-image", victim, 0);
			break;
	}
}

/* The process that is the node starts again, alone, perhaps after its applier. */
static void
draw_worker(Draw *draw)
{
	add(draw, "restart-worker", draw_node(draw), 0);
}

static void
draw_pause(Draw *draw)
{
	add(draw, "pause", draw_node(draw), rng_below(draw->rng, 2 * T));
}

static void
draw_time(Draw *draw)
{
	Rng		   *rng = draw->rng;
	RaftNodeId	victim = draw_node(draw);

	switch (rng_below(rng, 3))
	{
		case 0:
			add(draw, "step-clock", victim, rng_below(rng, pick_of(rng, 100 * MS, T, 100 * T)));
			break;
		case 1:
			add(draw, "clock-rate", victim, pick_of(rng, 250, 800, 950, 1000, 1050, 1250, 4000));
			break;
		default:
			add(draw, "starve", victim, rng_below(rng, 3 * T));
			break;
	}
}

static void
draw_applier(Draw *draw)
{
	Rng		   *rng = draw->rng;

	if (rng_percent(rng, 50))
		add(draw, "kill-applier", draw_node(draw), rng_below(rng, 2 * T));
	else
		add(draw, "slow-applier", draw_node(draw), pick_of(rng, 0, 50 * MS, T, 5 * T));
}

static void
draw_reset(Draw *draw)
{
	RaftNodeId	i = draw_node(draw);
	RaftNodeId	j = draw_node(draw);

	add(draw, "reset", i, j);
	if (rng_percent(draw->rng, 50))
		add(draw, "reset", j, i);
}

/* Messages of a node, perhaps of its life before, come again. */
static void
draw_replay(Draw *draw)
{
	RaftNodeId	victim = draw_node(draw);

	if (rng_percent(draw->rng, 30))
	{
		add(draw, "kill", victim, 0);
		add(draw, "start", victim, 0);
	}
	add(draw, "replay", victim, rng_between(draw->rng, 1, 20));
}

static const struct
{
	void		(*draw) (Draw *draw);
	uint32_t	percent;		/* of the seeds have this class */
}			classes[] = {
	{draw_partition, 50},
	{draw_crumbling, 20},
	{draw_hunt, 20},
	{draw_crash, 50},
	{draw_stumble, 20},
	{draw_power_cut, 15},
	{draw_disk, 30},
	{draw_disk_error, 20},
	{draw_room, 20},
	{draw_doom, 20},
	{draw_images, 25},
	{draw_worker, 15},
	{draw_pause, 20},
	{draw_time, 25},
	{draw_applier, 25},
	{draw_reset, 20},
	{draw_replay, 20},
};

/* ------------------------------------------------------------ the world */

/* Sizes and latencies far from the ladder's: small batches, small windows. */
static void
draw_host(Draw *draw)
{
	Rng		   *rng = draw->rng;
	LabSettings *s = &draw->lab->settings;

	s->core.max_batch_bytes = (uint32_t) pick_of(rng, 1, 200, 1000, 65536);
	s->core.max_inflight = (uint32_t) pick_of(rng, 1, 2, 8, 64);
	s->core.max_inflight_bytes = rng_percent(rng, 30) ? 2000 : 1024 * 1024;
	s->core.disk_timeout = pick_of(rng, 0, 500 * MS, 2 * T, 5 * T);
	s->disk_latency = pick_of(rng, 0, 1, 3, 20, 100) * MS;
	s->crash_keeps_some = rng_percent(rng, 70);
	s->tick_lateness = rng_percent(rng, 30) ? 20 * MS : 0;
	s->early_tick_percent = rng_percent(rng, 20) ? 20 : 0;
	s->apply_delay = rng_percent(rng, 50) ? rng_below(rng, 20 * MS) : 0;
	s->apply_durable_delay = rng_percent(rng, 80) ? rng_below(rng, 200 * MS) : 0;
	s->compact = rng_percent(rng, 50);
	s->compact_to_tip = rng_percent(rng, 50);
	if (draw->storm && s->disk_latency > 3 * MS)
		s->disk_latency = 3 * MS;
	if (rng_percent(rng, 40))
		s->max_pending = (uint32_t) rng_between(rng, 1, RAFT_MAX_PENDING < 4 ? RAFT_MAX_PENDING : 4);
	if (rng_percent(rng, 40))
		s->max_held = (uint32_t) rng_between(rng, 1, RAFT_MAX_HELD < 3 ? RAFT_MAX_HELD : 3);
	if (!draw->storm && rng_percent(rng, 10))
	{
		/* only compaction takes term runs away */
		s->max_runs = (uint32_t) rng_between(rng, 4, RAFT_MAX_RUNS < 20 ? RAFT_MAX_RUNS : 20);
		s->compact = true;
	}
}

/*
 * Who votes: all, or as if a change of the members were under way.  The same minority is
 * lost for good, when at all, and not more of it than both halves can do without.
 */
static void
draw_members(Draw *draw)
{
	LabSettings *s = &draw->lab->settings;
	uint32_t	all = ((UINT32_C(1) << draw->plan->n) - 1) << 1;

	if (draw->storm || draw->returns)
		return;
	s->forming = rng_percent(draw->rng, 5);
	if (!rng_percent(draw->rng, 15))
		return;
	do
	{
		s->voters = (uint32_t) rng_next(draw->rng) & all;
		s->outgoing = rng_percent(draw->rng, 80) ? (uint32_t) rng_next(draw->rng) & all : 0;
	}
	while (s->voters == 0);
}

/* Those that are not among the first so many of the doomed. */
static uint32_t
mask_without(const Draw *draw, uint32_t doomed)
{
	uint32_t	mask = ((UINT32_C(1) << draw->plan->n) - 1) << 1;

	for (uint32_t k = 0; k < doomed; k++)
		mask &= ~(UINT32_C(1) << cluster_nth(draw->lab, draw->first_doomed, k));
	return mask;
}

static void
draw_network(Draw *draw)
{
	Rng		   *rng = draw->rng;
	Network    *net = &draw->lab->network;

	net->unreliable = rng_percent(rng, 60);
	net->loss_percent = rng_percent(rng, 60) ? (uint32_t) rng_between(rng, 0, 30) : 0;
	net->request_delay = pick_of(rng, 1, 5, 26, 150) * MS;
	net->reply_delay = pick_of(rng, 1, 5, 26, 150) * MS;
	net->long_reordering = rng_percent(rng, 20);
	net->long_delays = rng_percent(rng, 30);
	net->duplicate_percent = rng_percent(rng, 40) ? (uint32_t) rng_between(rng, 1, 20) : 0;
	net->replay_percent = rng_percent(rng, 30) ? (uint32_t) pick_of(rng, 1, 5, 50) : 0;
	net->corrupt_percent = rng_percent(rng, 20) ? (uint32_t) rng_between(rng, 1, 5) : 0;
	net->unordered = rng_percent(rng, 25);
	if (!draw->storm)
		return;

	/* votes of campaigns long lost still arrive */
	net->unreliable = true;
	net->long_reordering = true;
	net->replay_percent = 90;
}

static void
draw_clients(Draw *draw)
{
	Rng		   *rng = draw->rng;
	LabSettings *s = &draw->lab->settings;

	s->clients = (uint32_t) rng_between(rng, 1, MACHINE_CLIENTS - 2);
	s->client_pause = pick_of(rng, 5, 50, 300) * MS;
	s->client_timeout = pick_of(rng, 50, 300, 1500) * MS;
	s->client_keys = (uint32_t) rng_between(rng, 1, MACHINE_KEYS);
	s->client_bytes = rng_percent(rng, 30) ? 300 : 0;
	s->client_gives_up_percent = (uint32_t) pick_of(rng, 5, 30, 70);
}

/*
 * In the end a single server may be linked with all others, which have too few friends
 * to lead: who is well must then follow just this one.
 */
static void
draw_bridge(Draw *draw)
{
	LabSettings *s = &draw->lab->settings;
	uint32_t	well = draw->plan->n / 2 + 1;

	if (well < 3 || s->voters != 0 || s->forming || !rng_percent(draw->rng, 40))
		return;
	/* any server that is well in any case */
	s->bridge = cluster_nth(draw->lab, draw->first_doomed,
							draw->plan->n - 1 - (uint32_t) rng_below(draw->rng, well));
	s->one_way = rng_percent(draw->rng, 50);
}

/* Commands that mean nothing, in bursts, mostly to who leads. */
static void
draw_load(Draw *draw)
{
	Rng		   *rng = draw->rng;
	RaftTime	pause = pick_of(rng, 10, 100, 500) * MS;
	uint64_t	burst = rng_between(rng, 1, pause == 10 * MS ? 2 : 20);
	uint64_t	size = rng_between(rng, 0, 300);

	if (rng_percent(rng, 30))
		return;
	for (draw->at = 0; draw->at < draw->plan->end; draw->at += 1 + rng_below(rng, pause))
	{
		uint64_t	n = rng_between(rng, 1, burst);

		if (rng_percent(rng, 80))
			add(draw, "offer-leaders", n, size);
		else
			plan_add(draw->plan, draw->at, "offer", draw_node(draw), n, size);
	}
}

static void
draw_faults(Draw *draw)
{
	Rng		   *rng = draw->rng;
	size_t		on[lengthof(classes)];
	size_t		n = 0;
	RaftTime	pause = rng_between(rng, 50, 1000) * MS;

	if (draw->storm)
	{
		for (draw->at = 0; draw->at < draw->plan->end; draw->at += rng_below(rng, 500 * MS))
			draw_hunted(draw, draw->at);
		return;
	}
	if (draw->returns)
	{
		for (draw->at = T; draw->at + 4 * T < draw->plan->end; draw->at += 5 * T)
			draw_return(draw, draw->first_doomed);
		return;
	}
	for (size_t i = 0; i < lengthof(classes); i++)
		if (rng_percent(rng, classes[i].percent))
			on[n++] = i;
	if (n == 0)
		on[n++] = rng_below(rng, lengthof(classes));
	for (draw->at = rng_below(rng, pause); draw->at < draw->plan->end; draw->at += 1 + rng_below(rng, pause))
		classes[on[rng_below(rng, n)]].draw(draw);
}

/*
 * Half of the runs heal everybody whose disk is not lost, the others no more than a
 * quorum: the rest goes on failing.
 */
static void
draw_fates(Draw *draw)
{
	Plan	   *plan = draw->plan;
	uint32_t	quorum = plan->n / 2 + 1;
	uint32_t	faulty = rng_percent(draw->rng, 50) ? plan->n - quorum : draw->doomed;
	RaftNodeId	first_well = cluster_nth(draw->lab, draw->first_doomed, plan->n - quorum);
	bool		all_vote = draw->lab->settings.voters == 0;

	while (!cluster_is_quorum(draw->lab, mask_without(draw, faulty)))
		faulty--;

	plan->heals = true;
	for (uint32_t k = 0; k < faulty; k++)
	{
		RaftNodeId	id = cluster_nth(draw->lab, draw->first_doomed, k);

		plan->fate[id] = (PlanFate) rng_between(draw->rng, PLAN_DOWN, PLAN_NO_APPLIER);
		/* where few vote a single friend would make another quorum */
		if (plan->fate[id] == PLAN_ONE_FRIEND && (plan->n <= 3 || !all_vote))
			plan->fate[id] = PLAN_DEAF;
		plan->friend[id] = cluster_nth(draw->lab, first_well, (uint32_t) rng_below(draw->rng, quorum));
	}
}

static void
simulate(Lab *lab)
{
	Plan	   *plan = lab->plan;
	Draw		draw = {.lab = lab, .rng = &lab->rng_test, .plan = plan};

	draw.storm = rng_percent(draw.rng, 8);
	draw.returns = !draw.storm && rng_percent(draw.rng, 4);
	plan_world(lab, plan, (uint32_t) (draw.storm ? pick_of(draw.rng, 3, 3, 5) : draw.returns ? 3 :
									  pick_of(draw.rng, 1, 2, 3, 3, 3, 4, 5, 5, 6, 7)));
	draw.first_doomed = draw_node(&draw);
	draw.doomed = draw.returns ? 1 : (uint32_t) rng_below(draw.rng, plan->n - plan->n / 2);
	draw_members(&draw);
	while (!cluster_is_quorum(lab, mask_without(&draw, draw.doomed)))
		draw.doomed--;
	plan->end = rng_between(draw.rng, 2, 8) * T * (draw.storm || draw.returns ? 4 : 1);
	draw_host(&draw);
	draw_network(&draw);
	draw_clients(&draw);
	draw_bridge(&draw);
	plan_take_knobs(plan, lab);
	draw_faults(&draw);
	draw_load(&draw);
	plan_sort(plan);
	draw_fates(&draw);
	plan_run(lab, plan);
}

const LabTest simulate_tests[] = {
	{"simulate", "simulate", 0, 0, simulate},
	{0}
};
