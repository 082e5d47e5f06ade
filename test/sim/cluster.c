/*-------------------------------------------------------------------------
 *
 * cluster.c
 *	  The helpers that tests are written with: run the world for a while, see
 *	  who leads, offer commands, disconnect, crash, restart.
 *
 * Servers are numbered 1..n.  A command is a string of bytes; its number is
 * its place among the commands, since a leader's no-op takes an index too.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "plan.h"

#define START_TIME			(1 * MS)	/* 0 stands for "never" in the core */
#define LEADER_TRIES		10
#define ONE_TIME			(10 * T)
#define ONE_WAIT			(2 * T)
#define ONE_POLL			(20 * MS)
#define ONE_RETRY			(50 * MS)	/* nobody accepted */
#define WAIT_POLLS			30

/*
 * Half of the seeds have an instant disk, as the ladder says; the others write
 * for up to 3 ms, apply late or compact as they go: the ladder must not notice.
 */
static void
draw_settings(Lab *lab)
{
	LabSettings *s = &lab->settings;
	Rng			rng;

	rng_seed(&rng, lab->seed, "settings");
	memset(s, 0, sizeof(*s));
	s->core.heartbeat_interval = 100 * MS;
	s->core.election_timeout = 300 * MS;
	s->core.commit_notice = 10 * MS;
	s->core.max_batch_bytes = 64 * 1024;
	s->core.max_inflight = 8;
	s->core.max_inflight_bytes = 1024 * 1024;
	if (rng_percent(&rng, 50))
		s->disk_latency = 3 * MS;
	if (rng_percent(&rng, 50))
	{
		s->apply_delay = rng_below(&rng, 5 * MS);
		s->apply_durable_delay = rng_below(&rng, 20 * MS);
	}
	s->compact = rng_percent(&rng, 33);
	s->max_pending = RAFT_MAX_PENDING;
	s->max_held = RAFT_MAX_HELD;
	s->max_runs = RAFT_MAX_RUNS;
}

/* The world of a group of n servers, none of which has started yet. */
void
cluster_prepare(Lab *lab, uint32_t n)
{
	lab->n = n;
	lab->now = START_TIME;
	lab->limit = START_TIME + LAB_TEST_LIMIT;
	lab->next_start = 0;
	lab->settled = false;
	lab->clients = NULL;
	draw_settings(lab);
	network_init(lab);
}

/* What a server is in the configuration that stands on every new disk. */
uint8_t
cluster_member_flags(const Lab *lab, RaftNodeId id)
{
	uint32_t	voters = lab->settings.voters;
	uint8_t		flags = 0;

	if (voters == 0 || ((voters >> id) & 1) != 0)
		flags |= RAFT_MEMBER_VOTER;
	if (((lab->settings.outgoing >> id) & 1) != 0)
		flags |= RAFT_MEMBER_OUTGOING;
	return flags != 0 ? flags : RAFT_MEMBER_LEARNER;
}

/* Are the servers of a bit mask a quorum, of both halves in a joint configuration, all of a group that is formed? */
bool
cluster_is_quorum(const Lab *lab, uint32_t mask)
{
	uint32_t	of[2] = {0},
				in[2] = {0};

	for (RaftNodeId id = 1; id <= lab->n; id++)
	{
		uint8_t		flags = cluster_member_flags(lab, id);

		for (int half = 0; half < 2; half++)
		{
			bool		votes = (flags & (half == 0 ? RAFT_MEMBER_VOTER : RAFT_MEMBER_OUTGOING)) != 0;

			of[half] += votes;
			in[half] += votes && ((mask >> id) & 1) != 0;
		}
	}
	if (lab->settings.forming)
		return in[0] == of[0] && in[1] == of[1];
	return in[0] * 2 > of[0] && (of[1] == 0 || in[1] * 2 > of[1]);
}

/* All of them start now, connected, with new disks. */
void
cluster_boot(Lab *lab)
{
	raft_limits = (RaftLimits) {
		.pending = lab->settings.max_pending, .held = lab->settings.max_held, .runs = lab->settings.max_runs
	};
	for (uint32_t i = 1; i <= lab->n; i++)
	{
		Node	   *node = &lab->nodes[i];
		void	   *memory = node->memory;

		memset(node, 0, sizeof(*node));
		node->memory = memory;
		node->id = i;
		node->connected = true;
		node->clock_rate = 1000;
		disk_format(lab, &node->disk);
	}
	history_append(lab, &lab->nodes[1], 1, simlog_at(&lab->nodes[1].disk.log, 1));
	lab->nodes[1].status.term = 1;
	history_commit(lab, &lab->nodes[1], 1, simlog_at(&lab->nodes[1].disk.log, 1));
	for (uint32_t i = 1; i <= lab->n; i++)
		node_start(lab, &lab->nodes[i]);
}

void
cluster_init(Lab *lab, uint32_t n)
{
	cluster_prepare(lab, n);
	cluster_boot(lab);
}

/* Lets the world run. */
void
cluster_sleep(Lab *lab, RaftTime duration)
{
	RaftTime	until = lab->now + duration;
	SimEvent	event;

	while (sched_next(&lab->sched, until, &event))
	{
		if (event.at > lab->now)
			lab->now = event.at;
		if (lab->sched.handled > LAB_EVENT_LIMIT)
			lab_fail(lab, 19, "more than %d events", LAB_EVENT_LIMIT);
		if (event.type == SIM_CLIENT)
			clients_wake(lab, &event);
		else if (event.type == SIM_FLAP)
			plan_flap(lab, &event);
		else
			node_handle(lab, &event);
	}
	lab->now = until;
	lab_check(lab, lab->now <= lab->limit, "the test takes more than %llu s of virtual time",
			  (unsigned long long) (LAB_TEST_LIMIT / T));
}

/* Looks at a condition every step until it holds or the time is over. */
bool
cluster_until(Lab *lab, RaftTime duration, RaftTime step,
			  bool (*condition) (Lab *lab, void *arg), void *arg)
{
	RaftTime	end = lab->now + duration;

	while (!condition(lab, arg))
	{
		if (lab->now >= end)
			return false;
		cluster_sleep(lab, step);
	}
	return true;
}

/* The server that many places after another, round the ring. */
RaftNodeId
cluster_nth(Lab *lab, RaftNodeId node, uint32_t distance)
{
	return (node - 1 + distance) % lab->n + 1;
}

/* ------------------------------------------------------------- commands */

Command
cluster_number(uint64_t number)
{
	return (Command) {.data = run_copy(&number, sizeof(number)), .size = sizeof(number)};
}

Command
cluster_random_command(Lab *lab, uint32_t size)
{
	uint8_t    *data = run_alloc(size);

	for (uint32_t i = 0; i < size; i++)
		data[i] = (uint8_t) rng_next(&lab->rng_test);
	return (Command) {.data = data, .size = size};
}

static bool
same_command(Command a, Command b)
{
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* -------------------------------------------------------------- leaders */

static bool
is_connected(const Node *node)
{
	return node->up && node->connected;
}

/* The leader of the highest term among connected servers; 0 = none. */
static RaftNodeId
leader_now(Lab *lab)
{
	RaftNodeId	leader = 0;

	for (uint32_t i = 1; i <= lab->n; i++)
	{
		const RaftStatus *status = &lab->nodes[i].status;

		if (!is_connected(&lab->nodes[i]) || status->role != RAFT_LEADER)
			continue;
		for (uint32_t j = i + 1; j <= lab->n; j++)
			lab_check(lab, !is_connected(&lab->nodes[j]) ||
					  lab->nodes[j].status.role != RAFT_LEADER ||
					  lab->nodes[j].status.term != status->term,
					  "nodes %u and %u both lead term %llu", i, j,
					  (unsigned long long) status->term);
		if (leader == 0 || status->term > lab->nodes[leader].status.term)
			leader = i;
	}
	return leader;
}

/* Looks up to ten times, about half a second apart, for a leader. */
RaftNodeId
cluster_one_leader(Lab *lab)
{
	for (int i = 0; i < LEADER_TRIES; i++)
	{
		RaftNodeId	leader;

		cluster_sleep(lab, (450 + rng_below(&lab->rng_test, 100)) * MS);
		leader = leader_now(lab);
		if (leader != 0)
		{
			lab_trace(lab, "test: n%u leads term %llu", leader,
					  (unsigned long long) lab->nodes[leader].status.term);
			return leader;
		}
	}
	lab_fail(lab, 0, "no leader, one was expected");
}

void
cluster_no_leader(Lab *lab)
{
	for (uint32_t i = 1; i <= lab->n; i++)
		lab_check(lab, !is_connected(&lab->nodes[i]) ||
				  lab->nodes[i].status.role != RAFT_LEADER,
				  "node %u leads, no leader was expected", i);
}

RaftTerm
cluster_term(Lab *lab, RaftNodeId node)
{
	return lab->nodes[node].status.term;
}

/* The term that all connected servers agree on. */
RaftTerm
cluster_same_term(Lab *lab)
{
	RaftTerm	term = 0;

	for (uint32_t i = 1; i <= lab->n; i++)
	{
		if (!is_connected(&lab->nodes[i]))
			continue;
		lab_check(lab, term == 0 || term == cluster_term(lab, i), "servers disagree on the term");
		term = cluster_term(lab, i);
	}
	return term;
}

/* ------------------------------------------------------------ agreement */

/*
 * How many servers applied command number i, and what it is.  That they
 * applied the same is invariant 12, checked at each apply.
 */
uint32_t
cluster_committed(Lab *lab, uint64_t command, Command *value)
{
	uint32_t	n = 0;
	RaftIndex	index;
	const LogEntry *entry;

	for (uint32_t i = 1; i <= lab->n; i++)
		if (lab->nodes[i].commands >= command)
			n++;
	if (n == 0 || value == NULL)
		return n;
	index = lab->history.command_index[command - 1];
	entry = &history_committed(lab, index)->entry;
	value->data = entry->record + RAFT_RECORD_HEADER;
	value->size = entry->length - RAFT_RECORD_HEADER;
	return n;
}

/* Offers a command to one server. */
Started
cluster_start(Lab *lab, RaftNodeId id, Command command)
{
	Node	   *node = &lab->nodes[id];
	Started		started = {0};
	RaftEntry	entry = {0};
	ProposeResult result;
	Offer	   *offer;

	if (!node->up || node->paused_until > lab->now)
		return started;
	started.serial = history_new_offer(lab, id);
	entry.kind = RAFT_ENTRY_COMMAND;
	entry.clock = lab->now;
	entry.origin.node = id;
	entry.origin.serial = started.serial;
	entry.data = command.data;
	entry.size = command.size;
	result = node_propose(lab, node, &entry, 1);
	offer = history_offer(lab, started.serial);
	offer->placed = result.placed;
	offer->unknown = result.died;
	offer->index = result.first;
	offer->term = result.term;
	if (!result.placed || result.died)
		return started;
	started.leader = true;
	started.index = result.first;
	started.term = result.term;
	started.command = simlog_at(&node->log, result.first)->commands;
	lab_trace(lab, "test: n%u takes command %llu at index %llu of term %llu", id,
			  (unsigned long long) started.command, (unsigned long long) started.index,
			  (unsigned long long) started.term);
	return started;
}

/*
 * Offers to each connected server in turn until one accepts; the command's
 * number, 0 when nobody does.
 */
uint64_t
cluster_start_anywhere(Lab *lab, Command command)
{
	for (uint32_t i = 0; i < lab->n; i++)
	{
		Started		started;

		lab->next_start = lab->next_start % lab->n + 1;
		if (!is_connected(&lab->nodes[lab->next_start]))
			continue;
		started = cluster_start(lab, lab->next_start, command);
		if (started.leader)
			return started.command;
	}
	return 0;
}

/* True when n servers apply that very command there within two seconds. */
static bool
agreed(Lab *lab, uint64_t number, Command command, uint32_t n)
{
	RaftTime	end = lab->now + ONE_WAIT;

	while (lab->now < end)
	{
		Command		value;
		uint32_t	have = cluster_committed(lab, number, &value);

		if (have >= n && same_command(value, command))
			return true;
		cluster_sleep(lab, ONE_POLL);
	}
	return false;
}

/*
 * Gets one command agreed upon by n servers; returns its number.  With retry
 * it is offered again when it did not come through, as after a change of
 * leader.
 */
uint64_t
cluster_one(Lab *lab, Command command, uint32_t n, bool retry)
{
	RaftTime	end = lab->now + ONE_TIME;

	while (lab->now < end)
	{
		uint64_t	number = cluster_start_anywhere(lab, command);

		if (number == 0)
		{
			cluster_sleep(lab, ONE_RETRY);
			continue;
		}
		if (agreed(lab, number, command, n))
			return number;
		lab_check(lab, retry, "command %llu is not agreed upon by %u servers",
				  (unsigned long long) number, n);
	}
	lab_fail(lab, 0, "no agreement within %llu s", (unsigned long long) (ONE_TIME / T));
}

/*
 * Waits until n servers applied a command; false when a server left the term
 * (0 = any term), since then nobody can tell.
 */
bool
cluster_wait(Lab *lab, uint64_t command, uint32_t n, RaftTerm term, Command *value)
{
	RaftTime	pause = 10 * MS;

	for (int i = 0; i < WAIT_POLLS && cluster_committed(lab, command, NULL) < n; i++)
	{
		cluster_sleep(lab, pause);
		if (pause < T)
			pause *= 2;
		for (uint32_t j = 1; term != 0 && j <= lab->n; j++)
			if (cluster_term(lab, j) > term)
				return false;
	}
	lab_check(lab, cluster_committed(lab, command, value) >= n,
			  "command %llu is applied by %u servers, not by %u", (unsigned long long) command,
			  cluster_committed(lab, command, NULL), n);
	return true;
}

/* Requests that reached any server's handler. */
uint64_t
cluster_requests(Lab *lab)
{
	uint64_t	sum = 0;

	for (uint32_t i = 1; i <= lab->n; i++)
		sum += lab->network.requests[i];
	return sum;
}

/* --------------------------------------------------------------- faults */

static void
set_links(Lab *lab, RaftNodeId node)
{
	for (uint32_t i = 1; i <= lab->n; i++)
	{
		bool		enabled = lab->nodes[node].connected && lab->nodes[i].connected;

		lab->network.enabled[node][i] = enabled;
		lab->network.enabled[i][node] = enabled;
	}
}

void
cluster_connect(Lab *lab, RaftNodeId node)
{
	lab->nodes[node].connected = true;
	set_links(lab, node);
	lab_trace(lab, "test: connect n%u", node);
}

void
cluster_disconnect(Lab *lab, RaftNodeId node)
{
	lab->nodes[node].connected = false;
	set_links(lab, node);
	lab_trace(lab, "test: disconnect n%u", node);
}

void
cluster_crash(Lab *lab, RaftNodeId node)
{
	cluster_disconnect(lab, node);
	node_crash(lab, &lab->nodes[node]);
}

void
cluster_restart(Lab *lab, RaftNodeId node)
{
	node_start(lab, &lab->nodes[node]);
	cluster_connect(lab, node);
}
