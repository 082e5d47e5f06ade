/*-------------------------------------------------------------------------
 *
 * plan_faults.c
 *	  Verbs of a plan, one for each fault: links, processes, disks, clocks,
 *	  appliers.
 *
 * Unlike "crash" and "disconnect" of the ladder these change one thing only: a
 * process that is killed keeps its links, and a link that is cut stays cut when a
 * process starts.
 *
 *-------------------------------------------------------------------------
 */
#include "plan.h"

/* ---------------------------------------------------------------- links */

static void
set_link(Lab *lab, RaftNodeId a, RaftNodeId b, bool enabled)
{
	lab->network.enabled[a][b] = enabled;
	lab->network.enabled[b][a] = enabled;
}

static void
verb_heal_links(Lab *lab, const uint64_t *args)
{
	(void) args;
	lab_trace(lab, "test: all links are healed");
	for (RaftNodeId i = 1; i <= lab->n; i++)
		for (RaftNodeId j = 1; j <= lab->n; j++)
			lab->network.enabled[i][j] = true;
}

/* A single link, both ways. */
static void
verb_heal_link(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: link n%u - n%u is healed", (RaftNodeId) args[0], (RaftNodeId) args[1]);
	set_link(lab, (RaftNodeId) args[0], (RaftNodeId) args[1], true);
}

static void
verb_cut_link(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: link n%u - n%u is cut", (RaftNodeId) args[0], (RaftNodeId) args[1]);
	set_link(lab, (RaftNodeId) args[0], (RaftNodeId) args[1], false);
}

static void
verb_alone(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: n%u is alone", (RaftNodeId) args[0]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		set_link(lab, (RaftNodeId) args[0], i, false);
}

/* It sends, and hears nothing. */
static void
verb_deafen(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: n%u hears nothing", (RaftNodeId) args[0]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab->network.enabled[i][args[0]] = false;
}

/* It hears, and is not heard. */
static void
verb_mute(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: n%u is not heard", (RaftNodeId) args[0]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		lab->network.enabled[args[0]][i] = false;
}

/* Two sides, and one server that is linked with both. */
static void
verb_bridge(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: n%u is the bridge between two sides", (RaftNodeId) args[0]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		for (RaftNodeId j = 1; j <= lab->n; j++)
			lab->network.enabled[i][j] = i == args[0] || j == args[0] ||
				((args[1] >> i) & 1) == ((args[1] >> j) & 1);
}

/* Each is linked with its two neighbours. */
static void
verb_ring(Lab *lab, const uint64_t *args)
{
	(void) args;
	lab_trace(lab, "test: the links are a ring");
	for (RaftNodeId i = 1; i <= lab->n; i++)
		for (RaftNodeId j = 1; j <= lab->n; j++)
			lab->network.enabled[i][j] = cluster_nth(lab, i, 1) == j || cluster_nth(lab, j, 1) == i;
}

/* Whoever leads is left with too few others. */
static void
verb_leader_in_minority(Lab *lab, const uint64_t *args)
{
	uint32_t	friends = (lab->n - 1) / 2;

	for (RaftNodeId leader = 1; leader <= lab->n; leader++)
	{
		if (!lab->nodes[leader].up || lab->nodes[leader].status.role != RAFT_LEADER)
			continue;
		lab_trace(lab, "test: n%u leads a minority", leader);
		for (uint32_t i = 0; i < lab->n; i++)
			for (uint32_t j = 0; j < lab->n; j++)
				lab->network.enabled[cluster_nth(lab, leader, i)][cluster_nth(lab, leader, j)] =
					(i < friends + args[0] % 2) == (j < friends + args[0] % 2);
		return;
	}
}

static void
verb_reset(Lab *lab, const uint64_t *args)
{
	network_reset(lab, (RaftNodeId) args[0], (RaftNodeId) args[1]);
}

static void
verb_replay(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: old messages of n%u come again", (RaftNodeId) args[0]);
	network_replay(lab, (RaftNodeId) args[0], (uint32_t) args[1]);
}

/* ------------------------------------------------------------ processes */

static void
verb_kill(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: n%u dies", (RaftNodeId) args[0]);
	node_crash(lab, &lab->nodes[args[0]]);
}

static void
verb_start(Lab *lab, const uint64_t *args)
{
	Node	   *node = &lab->nodes[args[0]];

	if (node->up && !node->stopped)
		return;
	node_crash(lab, node);
	node_start(lab, node);
}

/* Only the process that is the node, not its server. */
static void
verb_restart_worker(Lab *lab, const uint64_t *args)
{
	node_restart_worker(lab, &lab->nodes[args[0]]);
}

/* It dies between two actions, so many from now. */
static void
verb_kill_in(Lab *lab, const uint64_t *args)
{
	if (lab->nodes[args[0]].up)
		lab->nodes[args[0]].crash_in = args[1];
}

/* The same, from when it gets a role: in the middle of an election. */
static void
verb_ambush(Lab *lab, const uint64_t *args)
{
	Node	   *node = &lab->nodes[args[0]];

	if (!node->up)
		return;
	node->ambush = args[1];
	node->ambush_as = (RaftRole) (args[2] % (RAFT_LEADER + 1));
}

/* Whoever leads stands still for a while: others may begin an election, or not. */
static void
verb_pause_leaders(Lab *lab, const uint64_t *args)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		Node	   *node = &lab->nodes[i];

		if (!node->up || node->status.role != RAFT_LEADER)
			continue;
		lab_trace(lab, "test: n%u, who leads, stands still", i);
		node->paused_until = lab->now + args[0];
	}
}

/* Everybody dies, and starts again. */
static void
verb_power_cut(Lab *lab, const uint64_t *args)
{
	(void) args;
	lab_trace(lab, "test: all die");
	for (RaftNodeId i = 1; i <= lab->n; i++)
		node_crash(lab, &lab->nodes[i]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		node_start(lab, &lab->nodes[i]);
}

/* ---------------------------------------------------------------- disks */

static void
verb_slow_disk(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: a flush of n%u takes up to %llu ms", (RaftNodeId) args[0],
			  (unsigned long long) (args[1] / MS));
	lab->nodes[args[0]].disk.latency = args[1];
}

static void
verb_stick_disk(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the disk of n%u is stuck", (RaftNodeId) args[0]);
	lab->nodes[args[0]].disk.stuck_until = lab->now + args[1];
}

static void
verb_fill_disk(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the disk of n%u is full", (RaftNodeId) args[0]);
	lab->nodes[args[0]].disk.full_until = lab->now + args[1];
}

/* Its log takes no more than so many bytes; what is there stays. */
static void
verb_bound_log(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the log of n%u takes %llu bytes", (RaftNodeId) args[0], (unsigned long long) args[1]);
	lab->nodes[args[0]].log_capacity = args[1];
}

/* A bit changes on the disk; the next start must notice. */
static void
verb_flip_bit(Lab *lab, const uint64_t *args)
{
	Disk	   *disk = &lab->nodes[args[0]].disk;

	if (disk->wiped)
		return;
	lab_trace(lab, "test: a bit on the disk of n%u flips", (RaftNodeId) args[0]);
	image_flip(&lab->rng_disk, &disk->image);
	disk->flipped = true;
}

/* The machine is gone, and comes back with an empty disk. */
static void
verb_wipe(Lab *lab, const uint64_t *args)
{
	Node	   *node = &lab->nodes[args[0]];

	lab_trace(lab, "test: the disk of n%u is wiped", node->id);
	node_crash(lab, node);
	node->disk.wiped = true;
	node_start(lab, node);
}

/* A backup of a server that runs, or a snapshot of its machine. */
static void
verb_keep_image(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the disk of n%u is copied", (RaftNodeId) args[0]);
	identity_keep_image(lab, &lab->nodes[args[0]]);
}

/* What was kept is restored, as a copy (0) or as the very same disk. */
static void
verb_restore_image(Lab *lab, const uint64_t *args)
{
	identity_restore_image(lab, &lab->nodes[args[0]], args[1] == 0);
}

static void
verb_swap_image(Lab *lab, const uint64_t *args)
{
	identity_swap_image(lab, &lab->nodes[args[0]]);
}

/* ----------------------------------------------------------------- time */

static void
verb_step_clock(Lab *lab, const uint64_t *args)
{
	Node	   *node = &lab->nodes[args[0]];

	lab_trace(lab, "test: the clock of n%u steps by %llu ms", node->id,
			  (unsigned long long) (args[1] / MS));
	node_set_clock(lab, node, args[1], node->clock_rate);
}

static void
verb_clock_rate(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the clock of n%u goes at %llu %%", (RaftNodeId) args[0],
			  (unsigned long long) (args[1] / 10));
	node_set_clock(lab, &lab->nodes[args[0]], 0, (uint32_t) args[1]);
}

static void
verb_starve(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: n%u gets no ticks", (RaftNodeId) args[0]);
	lab->nodes[args[0]].starved_until = lab->now + args[1];
}

/* -------------------------------------------------------------- applier */

static void
verb_slow_applier(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the applier of n%u is slow", (RaftNodeId) args[0]);
	lab->nodes[args[0]].apply_slow = args[1];
}

static void
verb_kill_applier(Lab *lab, const uint64_t *args)
{
	lab_trace(lab, "test: the applier of n%u dies", (RaftNodeId) args[0]);
	node_kill_applier(lab, &lab->nodes[args[0]], lab->now + args[1]);
}

const PlanVerb fault_verbs[] = {
	{"heal-links", "", verb_heal_links},
	{"heal-link", "nn", verb_heal_link},
	{"cut-link", "nn", verb_cut_link},
	{"alone", "n", verb_alone},
	{"deafen", "n", verb_deafen},
	{"mute", "n", verb_mute},
	{"bridge", "ns", verb_bridge},
	{"ring", "", verb_ring},
	{"leader-in-minority", "z", verb_leader_in_minority},
	{"reset", "nn", verb_reset},
	{"replay", "nc", verb_replay},
	{"kill", "n", verb_kill},
	{"start", "n", verb_start},
	{"restart-worker", "n", verb_restart_worker},
	{"kill-in", "nc", verb_kill_in},
	{"ambush", "ncz", verb_ambush},
	{"pause-leaders", "t", verb_pause_leaders},
	{"power-cut", "", verb_power_cut},
	{"slow-disk", "nt", verb_slow_disk},
	{"stick-disk", "nt", verb_stick_disk},
	{"fill-disk", "nt", verb_fill_disk},
	{"bound-log", "nz", verb_bound_log},
	{"flip-bit", "n", verb_flip_bit},
	{"wipe", "n", verb_wipe},
	{"keep-image", "n", verb_keep_image},
	{"restore-image", "nz", verb_restore_image},
	{"swap-image", "n", verb_swap_image},
	{"step-clock", "nt", verb_step_clock},
	{"clock-rate", "nc", verb_clock_rate},
	{"starve", "nt", verb_starve},
	{"slow-applier", "nt", verb_slow_applier},
	{"kill-applier", "nt", verb_kill_applier},
	{0}
};
