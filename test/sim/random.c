/*-------------------------------------------------------------------------
 *
 * random.c
 *	  Any crash, any restart, any partition: faults drawn from the seed while
 *	  clients propose, then everything heals and must agree.
 *
 * Which classes of faults there are and how hard they hit is drawn first, so
 * that some seeds see one fault alone and some see all of them.  All of it goes
 * into a plan, which then runs: a phase of faults, in which only safety counts,
 * and a healed one, in which a leader must come, proposals must commit and all
 * logs must become equal (plan_run.c).
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "plan.h"

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
	bool		down[LAB_MAX_NODES + 1];	/* by a step drawn before */
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
	plan_take_knobs(lab->plan, lab);

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
	lab->plan->end = rng_between(rng, 4, 10) * T;
}

static RaftNodeId
draw_node(Lab *lab)
{
	return (RaftNodeId) rng_between(&lab->rng_test, 1, lab->n);
}

static void
draw_partition(Lab *lab, RaftTime at, bool one_way)
{
	Rng		   *rng = &lab->rng_test;
	RaftNodeId	i = draw_node(lab);
	RaftNodeId	j = draw_node(lab);

	switch (rng_below(rng, 4))
	{
		case 0:
			plan_add(lab->plan, at, "connect-all", 0, 0, 0);
			break;
		case 1:					/* one alone */
			plan_add(lab->plan, at, "disconnect", i, 0, 0);
			break;
		case 2:
			plan_add(lab->plan, at, "split", rng_below(rng, 2u << lab->n), 0, 0);
			break;
		case 3:					/* a single link, perhaps one way only */
			plan_add(lab->plan, at, "cut", i, j, 0);
			if (!one_way)
				plan_add(lab->plan, at, "cut", j, i, 0);
			break;
	}
}

static void
draw_fault(Lab *lab, Faults *faults, RaftTime at)
{
	Rng		   *rng = &lab->rng_test;
	Plan	   *plan = lab->plan;
	RaftNodeId	victim = draw_node(lab);

	if (faults->partitions && rng_percent(rng, 50))
		draw_partition(lab, at, faults->one_way);
	if (faults->pauses && rng_percent(rng, 30))
	{
		plan_add(plan, at, "pause", victim, rng_below(rng, 2 * T), 0);
		return;
	}
	if (faults->write_errors && rng_percent(rng, 30))
	{
		plan_add(plan, at, "fail-write", victim, 0, 0);
		faults->down[victim] = true;
		return;
	}
	if (faults->down[victim])
	{
		plan_add(plan, at, "restart", victim, 0, 0);
		faults->down[victim] = false;
		return;
	}
	if (!faults->crashes)
		return;
	if (rng_percent(rng, faults->all_crash_percent))
	{
		plan_add(plan, at, "restart-all", 0, 0, 0);
		for (RaftNodeId i = 1; i <= lab->n; i++)
			faults->down[i] = false;
	}
	else if (rng_percent(rng, 50))
	{
		plan_add(plan, at, "crash", victim, 0, 0);
		if (rng_percent(rng, 50))	/* at once: what it sent is still on its way */
			plan_add(plan, at, "restart", victim, 0, 0);
		else
			faults->down[victim] = true;
	}
}

/* A client offers some commands, mostly to who leads. */
static void
draw_offer(Lab *lab, const Faults *faults, RaftTime at)
{
	Rng		   *rng = &lab->rng_test;
	uint64_t	n = rng_between(rng, 1, faults->burst);

	if (rng_percent(rng, 80))
		plan_add(lab->plan, at, "offer-leaders", n, faults->command_size, 0);
	else
		plan_add(lab->plan, at, "offer", draw_node(lab), n, faults->command_size);
}

static void
draw_steps(Lab *lab, Faults *faults)
{
	Rng		   *rng = &lab->rng_test;

	for (RaftTime at = rng_below(rng, faults->pause); at < lab->plan->end;
		 at += 1 + rng_below(rng, faults->pause))
		draw_fault(lab, faults, at);
	for (RaftTime at = 0; at < lab->plan->end; at += 1 + rng_below(rng, faults->client_pause))
		draw_offer(lab, faults, at);
	plan_sort(lab->plan);
}

/*
 * Only a quorum is healed; the others go on failing, each in its own way.  (In a
 * group of three a single friend would make another quorum.)
 */
static void
draw_fates(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	Plan	   *plan = lab->plan;
	uint32_t	quorum = plan->n / 2 + 1;
	RaftNodeId	first = draw_node(lab);

	for (uint32_t k = quorum; k < plan->n; k++)
	{
		RaftNodeId	id = cluster_nth(lab, first, k);

		plan->fate[id] = (PlanFate) rng_between(rng, PLAN_DOWN, plan->n > 3 ? PLAN_ONE_FRIEND : PLAN_MUTE);
		plan->friend[id] = cluster_nth(lab, first, (uint32_t) rng_below(rng, quorum));
	}
}

static void
draw_plan(Lab *lab, uint32_t n, bool all_heal)
{
	Faults		faults = {0};

	plan_world(lab, lab->plan, n);
	draw_world(lab, &faults);
	draw_steps(lab, &faults);
	lab->plan->heals = true;
	if (!all_heal)
		draw_fates(lab);
}

static void
random_run(Lab *lab, uint32_t n, bool all_heal)
{
	draw_plan(lab, n, all_heal);
	plan_run(lab, lab->plan);
}

static void
random_faults_of_3(Lab *lab)
{
	random_run(lab, 3, true);
}

static void
random_faults_of_any_size(Lab *lab)
{
	static const uint32_t sizes[] = {1, 2, 4, 5, 6, 7};

	random_run(lab, pick(&lab->rng_test, sizes, lengthof(sizes)), true);
}

static void
random_faults_quorum_heals(Lab *lab)
{
	random_run(lab, (uint32_t) rng_between(&lab->rng_test, 3, 7), false);
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
	Plan	   *plan = lab->plan;

	plan_world(lab, plan, rng_percent(rng, 50) ? 3 : 5);
	lab->network.unreliable = true;
	lab->network.long_reordering = true;
	lab->network.replay_percent = 50;
	plan_take_knobs(plan, lab);
	for (int i = 0; i < 150; i++)
	{
		RaftNodeId	other = draw_node(lab);

		plan_add(plan, plan->end, "depose", 0, 0, 0);
		plan_add(plan, plan->end, "connect", other, 0, 0);
		plan_add(plan, plan->end, "offer", other, 1, 8);
		plan->end += rng_below(rng, 500) * MS;
	}
	plan->heals = true;
	plan_run(lab, plan);
}

static char *
plan_text(Lab *lab, const Plan *plan)
{
	FILE	   *file = tmpfile();
	size_t		size = 0;
	char	   *text;

	lab_check(lab, file != NULL, "no temporary file");
	plan_print(plan, "", file);
	size = (size_t) ftell(file);
	text = run_alloc(size + 1);
	rewind(file);
	lab_check(lab, fread(text, 1, size, file) == size, "a plan's text is cut");
	fclose(file);
	return text;
}

/* A plan that is printed and read back is the same plan; a broken one is refused. */
static void
plan_text_round_trip(Lab *lab)
{
	static Plan again;
	char	   *text;
	FILE	   *file = tmpfile();
	const char *error;
	bool		readable;

	draw_plan(lab, (uint32_t) rng_between(&lab->rng_test, 1, LAB_MAX_NODES), false);
	text = plan_text(lab, lab->plan);
	lab_check(lab, file != NULL, "no temporary file");
	plan_print(lab->plan, "", file);
	rewind(file);
	readable = plan_read(&again, file, &error);
	lab_check(lab, readable, "a printed plan is not readable: %s", error);
	lab_check(lab, strcmp(text, plan_text(lab, &again)) == 0, "a plan came back changed");
	lab_check(lab, again.n_steps == lab->plan->n_steps &&
			  memcmp(again.knobs, lab->plan->knobs, sizeof(again.knobs)) == 0,
			  "a plan lost something on paper");

	fputs("at 5.000 levitate 1\n", file);
	rewind(file);
	readable = plan_read(&again, file, &error);
	lab_check(lab, !readable && strstr(error, "levitate") != NULL, "a plan with an unknown verb is read");
	fclose(file);
}

const LabTest random_tests[] = {
	{"plan_text_round_trip", "unit", 0, 0, plan_text_round_trip},
	{"random_elections", "random", 0, 0, random_elections},
	{"random_faults_of_3", "random", 0, 0, random_faults_of_3},
	{"random_faults_of_any_size", "random", 0, 0, random_faults_of_any_size},
	{"random_faults_quorum_heals", "random", 0, 0, random_faults_quorum_heals},
	{0}
};
