/*-------------------------------------------------------------------------
 *
 * liveness.c
 *	  When the faults end: a quorum is well for good, the others stay faulty
 *	  for good, each in its own way.
 *
 * Then, each within a bounded time: one leader; every command commits and is
 * applied by all that are well; clients are answered; logs become equal; and
 * leadership stays where it is, however slow disks are.  The faulty must not keep the
 * others from it.
 *
 * A faulty server that is linked with all that are well may lead them: with a
 * stuck disk it commits through the others'.  It is only when such a leader fails
 * that leadership may move once more.
 *
 *-------------------------------------------------------------------------
 */
#include "plan.h"

#define LEADER_TIME		(5 * T)		/* an election timeout is 0.3 to 0.9 s */
#define COMMAND_TIME	(2 * T)
#define CONVERGE_TIME	(20 * T)
#define STABLE_TIME		(3 * T)
#define FAULTY_LEADERS	10
#define FLAP			T
#define LATEST_MESSAGE	(3500 * MS) /* sent before, it comes until then */
#define LATEST_REPORT	(7 * T)		/* of a failed call */
#define SLOW_FLUSH		T
#define SLOW_COMMANDS	5
#define STANDSTILL		(1200 * MS)
#define IDLE_TIME		(2 * T)
#define SMALL_MESSAGE	(RAFT_FRAME_HEADER + 2 * RAFT_RECORD_HEADER)

/* No more faults of the network as a whole, and sizes that work off a backlog. */
static void
calm(Lab *lab)
{
	Network    *net = &lab->network;
	LabSettings *s = &lab->settings;

	net->unreliable = false;	/* what may be unordered stays so */
	net->long_reordering = false;
	net->duplicate_percent = 0;
	net->replay_percent = 0;
	net->corrupt_percent = 0;
	if (s->core.disk_timeout != 0)
		s->core.disk_timeout = 3 * SLOW_FLUSH;	/* that a flush is waited for, and its own */
	s->core.max_batch_bytes = 64 * 1024;
	s->core.max_inflight_bytes = 1024 * 1024;
	if (s->core.max_inflight < 8)
		s->core.max_inflight = 8;
}

/*
 * A flush that takes seconds could end at any time, and bring a term to light that
 * nobody has heard of yet: it would depose a leader, once, and rightly.
 */
static void
settle_disk(Lab *lab, Node *node)
{
	Disk	   *disk = &node->disk;

	if (node->stopped || disk->syncing)
		node_crash(lab, node);
	if (disk->latency > 20 * MS)
		disk->latency = 20 * MS;
	disk->stuck_until = 0;
	disk->full_until = 0;
}

/* A server comes back for good, with all its links to those that did. */
static void
heal(Lab *lab, RaftNodeId id)
{
	Node	   *node = &lab->nodes[id];

	settle_disk(lab, node);
	node->crash_in = 0;
	node->ambush = 0;
	node->starved_until = 0;
	node->apply_slow = 0;
	if (node->applier_down_until > lab->now)
		node_kill_applier(lab, node, lab->now);
	if (node->up)
	{
		if (node->paused_until > lab->now)
			node->paused_until = lab->now;
		node_set_clock(lab, node, 0, 1000);
		node_settings(lab, node);
	}
	else
	{
		node->clock_rate = 1000;
		node_start(lab, node);
	}
	lab_check(lab, node->up, "node %u is to be well, and does not start", id);
	cluster_connect(lab, id);
}

/* Its next change between good and bad.  Ticks that have to wait come then. */
static void
post_flap(Lab *lab, RaftNodeId id)
{
	RaftTime	at = lab->now + FLAP / 10 + rng_below(&lab->rng_test, FLAP);

	if (lab->plan->fate[id] == PLAN_STARVED)
		lab->nodes[id].starved_until = at;
	sched_post(&lab->sched, (SimEvent) {
		.at = at,
		.type = SIM_FLAP,
		.node = id
	});
}

/* Is the other end of a link of a faulty server in order? */
static void
set_faulty_links(Lab *lab, RaftNodeId id, bool sends, bool hears)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		bool		well = lab->plan->fate[i] == PLAN_WELL;

		lab->network.enabled[id][i] = sends && well;
		lab->network.enabled[i][id] = hears && well;
	}
}

/* A server that crashes, or comes and goes, for ever. */
void
plan_flap(Lab *lab, const SimEvent *event)
{
	Node	   *node = &lab->nodes[event->node];
	bool		linked = lab->network.enabled[node->id][event->node];

	if (lab->settled)
		return;
	switch (lab->plan->fate[node->id])
	{
		case PLAN_CRASHING:
			if (node->up)
				node_crash(lab, node);
			else
				node_start(lab, node);
			break;
		case PLAN_COMES_AND_GOES:
			for (RaftNodeId i = 1; i <= lab->n; i++)
				linked = linked || lab->network.enabled[node->id][i];
			set_faulty_links(lab, node->id, !linked, !linked);
			break;
		case PLAN_STARVED:
			break;
		default:
			return;
	}
	post_flap(lab, node->id);
}

/* A server stays faulty for good: it must not disturb those that are well. */
static void
leave_faulty(Lab *lab, const Plan *plan, RaftNodeId id)
{
	Node	   *node = &lab->nodes[id];

	lab_trace(lab, "test: n%u stays faulty", id);
	settle_disk(lab, node);
	node->crash_in = 0;
	node->ambush = 0;
	if (!node->up && plan->fate[id] != PLAN_DOWN)
		node_start(lab, node);
	if (node->up)
		node_settings(lab, node);
	set_faulty_links(lab, id, true, true);
	switch (plan->fate[id])
	{
		case PLAN_DOWN:
			node_crash(lab, node);
			break;
		case PLAN_CUT_OFF:
			set_faulty_links(lab, id, false, false);
			break;
		case PLAN_DEAF:
			set_faulty_links(lab, id, true, false);
			break;
		case PLAN_MUTE:
			set_faulty_links(lab, id, false, true);
			break;
		case PLAN_ONE_FRIEND:
			set_faulty_links(lab, id, false, false);
			lab->network.enabled[id][plan->friend[id]] = true;
			lab->network.enabled[plan->friend[id]][id] = true;
			break;
		case PLAN_PAUSED:
			node->paused_until = lab->limit * 2;
			break;
		case PLAN_CRASHING:
		case PLAN_COMES_AND_GOES:
		case PLAN_STARVED:
			post_flap(lab, id);
			break;
		case PLAN_STUCK_DISK:
			node->disk.stuck_until = lab->limit * 2;
			break;
		case PLAN_NO_APPLIER:
			node_kill_applier(lab, node, lab->limit * 2);
			break;
		case PLAN_WELL:
			break;
	}
}

/* ------------------------------------------------------ what must come */

/* Whom all that are well follow; 0 = they do not agree. */
static RaftNodeId
leader_of_well(Lab *lab)
{
	RaftNodeId	leader = 0;
	RaftTerm	term = 0;

	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		const RaftStatus *status = &lab->nodes[i].status;

		if (lab->plan->fate[i] != PLAN_WELL)
			continue;
		if (status->leader == 0 || (term != 0 && (status->leader != leader || status->term != term)))
			return 0;
		leader = status->leader;
		term = status->term;
	}
	if (!lab->nodes[leader].up || lab->nodes[leader].status.role != RAFT_LEADER ||
		lab->nodes[leader].status.term != term)
		return 0;
	return leader;
}

/*
 * Nothing but compaction takes term runs away, and nothing but a leader's appends lets
 * anybody compact: where the newest logs have no room for another term, no leader has to
 * come.  Such a run has shown what it can.
 */
void
liveness_end_if_full_of_terms(Lab *lab)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->plan->fate[i] == PLAN_WELL && lab->nodes[i].status.n_runs >= raft_limits.runs)
			lab_end(lab, "a log is full of terms");
}

static bool
is_led(Lab *lab, void *arg)
{
	(void) arg;
	return leader_of_well(lab) != 0;
}

static RaftNodeId
expect_leader(Lab *lab)
{
	if (!cluster_until(lab, LEADER_TIME, 50 * MS, is_led, NULL))
	{
		liveness_end_if_full_of_terms(lab);
		lab_fail(lab, 0, "no leader, one was expected");
	}
	return leader_of_well(lab);
}

/* Has everybody who is well applied so many commands? */
static bool
have_applied(Lab *lab, void *arg)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->plan->fate[i] == PLAN_WELL && lab->nodes[i].commands < *(uint64_t *) arg)
			return false;
	return true;
}

/* A command that is given to the leader commits, and is applied by all that are well. */
static void
expect_command(Lab *lab, bool retry)
{
	RaftTime	end = lab->now + 5 * COMMAND_TIME;

	for (;;)
	{
		RaftNodeId	leader = expect_leader(lab);
		Started		started = cluster_start(lab, leader, cluster_number(lab->seed));

		if (!started.leader)
			cluster_sleep(lab, 50 * MS);
		else if (cluster_until(lab, COMMAND_TIME, 20 * MS, have_applied, &started.command) &&
				 history_offer(lab, started.serial)->committed_at != 0)
			return;
		liveness_end_if_full_of_terms(lab);
		if (started.leader)
			lab_check(lab, retry || lab->plan->fate[leader] != PLAN_WELL,
					  "command %llu is not applied by all that are well",
					  (unsigned long long) started.command);
		lab_check(lab, lab->now < end, "no agreement within %llu s",
				  (unsigned long long) (5 * COMMAND_TIME / T));
	}
}

/* Have all that are well applied everything, and do their logs end alike? */
static bool
has_converged(Lab *lab, void *arg)
{
	RaftIndex	last = 0;

	(void) arg;
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		const Node *node = &lab->nodes[i];

		if (lab->plan->fate[i] != PLAN_WELL)
			continue;
		if (last == 0)
			last = node->log.last;
		if (node->commands != lab->history.commands || node->log.last != last ||
			node->status.commit != last || node->visible != last)
			return false;
	}
	return true;
}

/* Who leads goes on leading; a faulty one may fail. */
static void
expect_stability(Lab *lab)
{
	uint32_t	faulty = 0;
	RaftNodeId	leader = expect_leader(lab);
	RaftTerm	term = cluster_term(lab, leader);
	RaftTime	end = lab->now + STABLE_TIME;

	while (lab->now < end)
	{
		cluster_sleep(lab, 50 * MS);
		if (lab->nodes[leader].up && lab->nodes[leader].status.role == RAFT_LEADER &&
			cluster_term(lab, leader) == term)
			continue;
		lab_check(lab, lab->plan->fate[leader] != PLAN_WELL && ++faulty <= FAULTY_LEADERS,
				  "leadership of node %u is not stable", leader);
		leader = expect_leader(lab);
		term = cluster_term(lab, leader);
		end = lab->now + STABLE_TIME;
	}
	lab_check(lab, cluster_until(lab, T, 50 * MS, is_led, NULL), "some do not follow the leader");
}

/* Disks that are slow delay commands; they must not cost a leader its place. */
static void
set_disks(Lab *lab, RaftTime latency)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->plan->fate[i] == PLAN_WELL)
			lab->nodes[i].disk.latency = latency;
}

/*
 * Where nothing is proposed, messages and bytes are bounded: heartbeats and their
 * answers, at most twice as many as are due; what those that fail again and again ask
 * for in their elections, and once the log for each time that they come back.  Where logs
 * had no room, the backlog may still be on its way, a little at a time.
 */
static void
expect_calm(Lab *lab, const char *when, uint64_t backlog)
{
	const LabSettings *s = &lab->settings;
	uint32_t	faulty = lab->n - plan_well(lab->plan);
	RaftNodeId	leader = expect_leader(lab);
	uint64_t	messages = lab->network.messages;
	uint64_t	bytes = lab->network.bytes;
	uint64_t	most = (lab->n - 1) * 4 * (IDLE_TIME / s->core.heartbeat_interval + 2);
	uint64_t	most_bytes;
	uint32_t	fastest = 1000;	/* of the clocks; those of the faulty go as they went */

	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->nodes[i].clock_rate > fastest)
			fastest = lab->nodes[i].clock_rate;
	most = most * fastest / 1000;
	if (backlog > 0)
		most *= 2;				/* entries that there is room for now, and the commit that tells of them */
	most += faulty * (lab->n - 1) * 8 * (IDLE_TIME / s->core.election_timeout + 2);
	cluster_sleep(lab, IDLE_TIME);
	most_bytes = most * SMALL_MESSAGE + backlog +
		faulty * (IDLE_TIME / (FLAP / 10) + 2) * node_log_bytes(&lab->nodes[leader]);
	messages = lab->network.messages - messages;
	bytes = lab->network.bytes - bytes;
	if (messages > most || bytes > most_bytes)
		lab_fail(lab, 19, "%s, nothing is proposed: %llu messages and %llu bytes within %llu ms, at most %llu "
				 "and %llu were expected", when, (unsigned long long) messages, (unsigned long long) bytes,
				 (unsigned long long) (IDLE_TIME / MS), (unsigned long long) most,
				 (unsigned long long) most_bytes);
}

/*
 * Logs that are full stay so while nobody asks for anything: that must be quiet.  Then
 * there is room, since a member that is away for good keeps the others from compacting.
 */
static void
expect_calm_of_full_logs(Lab *lab, RaftTime quiet)
{
	bool		bounded = false;

	for (RaftNodeId i = 1; i <= lab->n; i++)
		bounded = bounded || lab->nodes[i].log_capacity != 0;
	if (!bounded)
		return;
	clients_pause(lab, true);
	if (lab->now < quiet)
		cluster_sleep(lab, quiet - lab->now);
	expect_calm(lab, "with bounded logs", 2 * (lab->n - 1) * node_log_bytes(&lab->nodes[expect_leader(lab)]));
	clients_pause(lab, false);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab->nodes[i].log_capacity = 0;
}

/*
 * Everybody stands still for longer than any timeout, as on a machine that is suspended,
 * the leader a little longer.  What waited for it says that it is followed.
 */
static void
expect_leader_to_survive_standstill(Lab *lab)
{
	RaftNodeId	leader = expect_leader(lab);
	RaftTerm	term = cluster_term(lab, leader);

	lab_trace(lab, "test: all stand still");
	cluster_start(lab, leader, cluster_number(1));
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab->nodes[i].paused_until = lab->now + STANDSTILL + (i == leader ? 30 * MS : 0);
	cluster_sleep(lab, STANDSTILL + T);
	lab_check(lab, lab->nodes[leader].status.role == RAFT_LEADER && cluster_term(lab, leader) == term,
			  "a standstill costs node %u its leadership", leader);
}

/*
 * A disk that is stuck for longer than the timeout costs leadership, on purpose: somebody else
 * leads then, and commands commit.  When the disk works again, its server follows.
 */
static void
expect_stuck_disk_to_cost_leadership(Lab *lab)
{
	RaftNodeId	stuck = expect_leader(lab);
	Disk	   *disk = &lab->nodes[stuck].disk;
	RaftTime	until = lab->now + lab->settings.core.disk_timeout + LEADER_TIME + 2 * COMMAND_TIME;

	if (!cluster_is_quorum(lab, ~(UINT32_C(1) << stuck)))
		return;
	lab_trace(lab, "test: the disk of n%u, which leads, is stuck", stuck);
	disk->stuck_until = until;
	cluster_start(lab, stuck, cluster_number(1));
	cluster_sleep(lab, lab->settings.core.disk_timeout + 2 * lab->settings.core.heartbeat_interval);
	lab_check(lab, lab->nodes[stuck].status.role != RAFT_LEADER,
			  "node %u leads, though its disk is stuck", stuck);
	lab_check(lab, expect_leader(lab) != stuck, "node %u leads again, though its disk is stuck", stuck);
	if (lab->now < until)
		cluster_sleep(lab, until - lab->now);
	disk->stuck_until = 0;
	expect_command(lab, false);
	lab_check(lab, cluster_until(lab, CONVERGE_TIME, 50 * MS, has_converged, NULL),
			  "the logs do not become equal after a disk was stuck");
}

/* May two of those that are well, and are not the bridge, reach each other both ways? */
static bool
are_friends(Lab *lab, RaftNodeId a, RaftNodeId b)
{
	uint32_t	clique = lab->n / 2 - 1;	/* with the bridge one too few for a quorum */

	return cluster_nth(lab, a, lab->n - 1) / clique == cluster_nth(lab, b, lab->n - 1) / clique;
}

/*
 * Of a link between two others one direction may be left: who leads hears everybody then,
 * and is not heard.
 */
static bool
is_left(Lab *lab, RaftNodeId from, RaftNodeId to, RaftNodeId leader)
{
	if (!lab->settings.one_way)
		return false;
	if (from == leader || to == leader)
		return to == leader;
	return rng_percent(&lab->rng_test, 50) && (to > from || !lab->network.enabled[to][from]);
}

/*
 * A single server is linked with all others, and they have too few friends: it alone can
 * lead, and does, whoever led before.
 */
static void
expect_bridge_to_lead(Lab *lab)
{
	RaftNodeId	bridge = lab->settings.bridge;
	RaftNodeId	leader = expect_leader(lab);

	lab_trace(lab, "test: n%u alone is linked with all others", bridge);
	lab->settled = true;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		for (RaftNodeId j = 1; j <= lab->n; j++)
			lab->network.enabled[i][j] = lab->plan->fate[i] == PLAN_WELL && lab->plan->fate[j] == PLAN_WELL &&
				(i == bridge || j == bridge || are_friends(lab, i, j) || is_left(lab, i, j, leader));
	cluster_sleep(lab, 2 * T);	/* who led before has given up */
	lab_check(lab, expect_leader(lab) == bridge, "node %u leads, and not the bridge %u",
			  leader_of_well(lab), bridge);
	expect_command(lab, false);
	expect_stability(lab);
	lab_check(lab, leader_of_well(lab) == bridge, "the bridge %u leads no more", bridge);
}

void
liveness_phase(Lab *lab, const Plan *plan)
{
	RaftTime	quiet = lab->now + (lab->network.long_delays ? LATEST_REPORT : LATEST_MESSAGE);
	RaftNodeId	leader;

	lab_trace(lab, "test: %u of %u are well from now on", plan_well(plan), plan->n);
	calm(lab);
	for (RaftNodeId i = 1; i <= plan->n; i++)
		cluster_disconnect(lab, i);
	for (RaftNodeId i = 1; i <= plan->n; i++)
		if (plan->fate[i] == PLAN_WELL)
			heal(lab, i);
	for (RaftNodeId i = 1; i <= plan->n; i++)
		if (plan->fate[i] != PLAN_WELL)
			leave_faulty(lab, plan, i);

	expect_leader(lab);
	expect_calm_of_full_logs(lab, quiet);
	expect_command(lab, true);
	clients_finish(lab, true);
	lab_check(lab, cluster_until(lab, CONVERGE_TIME, 50 * MS, has_converged, NULL),
			  "the logs do not become equal");

	/* the last message with a term that nobody has heard of, the last report: all have come */
	if (lab->now < quiet)
		cluster_sleep(lab, quiet - lab->now);
	leader = expect_leader(lab);
	if (plan->fate[leader] == PLAN_WELL)	/* else an election may be due */
		set_disks(lab, SLOW_FLUSH);
	for (int i = 0; i < SLOW_COMMANDS; i++)
		cluster_start(lab, leader, cluster_number((uint64_t) i));
	expect_stability(lab);
	set_disks(lab, 0);
	expect_command(lab, false);
	cluster_sleep(lab, T / 2);
	expect_calm(lab, "in the end", 0);
	if (lab->n > 1 && plan_well(plan) == lab->n)
		expect_leader_to_survive_standstill(lab);
	if (lab->settings.core.disk_timeout != 0 && plan_well(plan) == lab->n)
		expect_stuck_disk_to_cost_leadership(lab);
	if (lab->settings.bridge != 0)
		expect_bridge_to_lead(lab);
}
