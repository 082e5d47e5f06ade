/*-------------------------------------------------------------------------
 *
 * lessons_faults.c
 *	  Lessons about parts that fail and go on failing: a log that is full or was
 *	  lost, a disk that hangs, connections that break.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "../../src/core/internal.h"
#include "solo.h"

/* Node 2 refuses the next append that it is sent; its log ends at "last". */
static void
reject(Solo *solo, RaftTerm term, RaftIndex last)
{
	const RaftMessage *append;
	RaftMessage rejection;

	while ((append = solo_sent(solo, RAFT_MSG_APPEND, 2)) == NULL)
		solo_tick(solo);
	rejection = solo_rejection(2, term, last, append->log_index);
	rejection.round = append->round;
	rejection.log_term = last == 0 ? 0 : 1;
	solo_receive(solo, rejection);
}

/*
 * A follower that refuses what it had confirmed as durable has lost it.  It counts for
 * nothing any more: neither for a commit, nor as a sign of life, nor for what may be
 * dropped; and the host is told, once.
 */
static void
lesson_lost_entries_are_noticed(Lab *lab)
{
	const RaftMember members[] = {
		{1, RAFT_MEMBER_VOTER}, {2, RAFT_MEMBER_VOTER}, {3, RAFT_MEMBER_VOTER}
	};
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftEntry	named = solo_config(0, members, 3, 7);
	const RaftAction *told;
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE};

	solo_become_leader(&solo, 1, 3);
	solo_propose(&solo, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 5));
	lab_check(lab, solo.status.commit == 5, "not committed");

	/* nobody noticed that it was away: a heartbeat is refused, and asked once more */
	reject(&solo, 2, 1);
	lab_check(lab, !solo.status.peers[0].lost, "what may be old is taken for a loss");
	reject(&solo, 2, 1);
	told = solo_action(&solo, RAFT_ACTION_PEER_LOST);
	lab_check(lab, told != NULL && told->u.lost.peer == 2 && told->u.lost.confirmed == 5 &&
			  told->u.lost.agrees == 1, "the host is not told");
	lab_check(lab, solo.status.peers[0].lost && solo.status.peers[0].match == 5, "it is not marked");
	solo_tick(&solo);
	reject(&solo, 2, 1);
	lab_check(lab, solo_action(&solo, RAFT_ACTION_PEER_LOST) == NULL, "the host is told twice");

	/* what it says now is worth nothing */
	solo_propose(&solo, 1);
	solo_durable(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL, "it is sent entries");
	solo_receive(&solo, solo_ack(2, 2, 6));
	lab_check(lab, solo.status.commit == 5, "its acknowledgement counts");
	solo_receive(&solo, solo_ack(3, 2, 6));
	lab_check(lab, solo.status.commit == 6 && solo.status.floor == 6, "the group stands still without it");

	/* a new configuration lets it begin anew */
	event.u.propose.entries = &named;
	event.u.propose.n_entries = 1;
	solo_step(&solo, event);
	lab_check(lab, !solo.status.peers[0].lost && solo.status.peers[0].match == 0, "it does not begin anew");
	reject(&solo, 2, 1);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL &&
			  solo_must_send(&solo, RAFT_MSG_APPEND, 2)->log_index == 1, "it is not brought up");
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 7));
	lab_check(lab, solo.status.commit == 7, "its acknowledgement does not count");

	/* with a connection that broke in between, the first answer is proof; nor is it a sign of life */
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_PEER_UNREACHABLE, .u.peer = 2});
	reject(&solo, 2, 1);
	lab_check(lab, solo_action(&solo, RAFT_ACTION_PEER_LOST) != NULL, "a loss is not noticed");
	solo_hear_only(&solo, solo_ack(2, 2, 1));
	lab_check(lab, solo.status.role == RAFT_FOLLOWER, "it is a quorum with the leader");
}

/* A rejection that was overtaken by what came after it is no loss. */
static void
lesson_late_rejection_is_no_loss(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftMessage late = solo_rejection(2, 2, 1, 3);

	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	late.log_term = 1;

	/* refused on its way: an append that came before the one it follows */
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo_propose(&solo, 1);
	solo_propose(&solo, 1);
	late.round = solo_must_send(&solo, RAFT_MSG_APPEND, 2)->round;
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 4));
	solo_receive(&solo, late);
	solo_receive(&solo, late);
	lab_check(lab, solo_action(&solo, RAFT_ACTION_PEER_LOST) == NULL && !solo.status.peers[0].lost,
			  "a late rejection is taken for a loss");
	lab_check(lab, solo.status.peers[0].match == 4, "a late rejection took match back");
	solo_receive(&solo, solo_ack(2, 2, 4));
	solo_propose(&solo, 1);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL, "its answer does not end the asking");
}

/*
 * An acknowledgement names the write that holds what it acknowledges, not just the one that
 * holds the term: it is by this that a host can see one that leaves early.
 */
static void
lesson_acknowledgement_names_its_write(Lab *lab)
{
	const RaftTerm terms[] = {5, 5};
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	const RaftAction *send;

	/* op 1 has the term and entry 2, op 2 has entry 3 */
	solo_receive(&solo, solo_append(5, 1, 1, 1, terms, 1));
	solo_receive(&solo, solo_append(5, 2, 5, 1, terms, 1));
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_WRITE_DURABLE, .u.op = 1});
	send = solo_action(&solo, RAFT_ACTION_SEND);
	lab_check(lab, send != NULL && send->u.send.message.log_index == 2 && send->u.send.after == 1,
			  "entry 2 is not acknowledged after op 1");
	solo_durable(&solo);
	send = solo_action(&solo, RAFT_ACTION_SEND);
	lab_check(lab, send != NULL && send->u.send.message.log_index == 3 && send->u.send.after == 2,
			  "entry 3 is not acknowledged after op 2");

	/* what was durable at boot depends on the term alone; op 3 has that */
	solo_receive(&solo, solo_append(6, 3, 5, 1, NULL, 0));
	solo_durable(&solo);
	send = solo_action(&solo, RAFT_ACTION_SEND);
	lab_check(lab, send != NULL && send->u.send.message.log_index == 3 && send->u.send.after == 3,
			  "a term that is newer than the entries is not named");
}

#ifdef RAFT_MUTANTS
/*
 * With disks that are as fast as the message nobody sees an early acknowledgement but the
 * host, which knows what has been reported durable.
 */
static void
lesson_early_acknowledgement_is_seen_by_the_host(Lab *lab)
{
	RaftMutant	present = raft_mutant;
	jmp_buf		outer;
	int			stopped;

	cluster_prepare(lab, 3);
	lab->settings.disk_latency = 0;
	cluster_boot(lab);
	cluster_one_leader(lab);
	memcpy(&outer, &lab->failed, sizeof(outer));
	raft_mutant = MUTANT_ACK_BEFORE_DURABLE;
	stopped = setjmp(lab->failed);
	if (stopped == 0)
		cluster_one(lab, cluster_number(1), 3, true);
	raft_mutant = present;
	memcpy(&lab->failed, &outer, sizeof(outer));
	lab_check(lab, stopped != 0 && lab->failure.invariant == 10, "the host does not see it");
	memset(&lab->failure, 0, sizeof(lab->failure));
}
#endif

/* A disk that hangs costs leadership after a stated time, and no node campaigns with one. */
static void
lesson_stuck_disk_costs_leadership(Lab *lab)
{
	const RaftTerm terms[] = {2};
	Solo		leader = solo_boot(lab, 3, 1, 0, NULL, 0);
	Solo		follower = solo_boot(lab, 3, 2, 0, NULL, 0);
	RaftSettings settings = leader.core->settings;
	RaftEvent	event = {.type = RAFT_EVENT_SETTINGS, .u.settings = &settings};
	RaftTime	start;

	solo_become_leader(&leader, 1, 3);
	start = leader.now;
	while (leader.now < start + 5 * T)
	{
		solo_tick(&leader);
		solo_receive(&leader, solo_ack(2, 2, 1));
		solo_receive(&leader, solo_ack(3, 2, 1));
	}
	lab_check(lab, leader.status.role == RAFT_LEADER, "a slow disk costs leadership though nobody asked for it");

	settings.disk_timeout = 6 * T;
	solo_step(&leader, event);
	while (leader.status.role == RAFT_LEADER && leader.now < start + 20 * T)
	{
		solo_tick(&leader);
		solo_receive(&leader, solo_ack(2, 2, 1));
		solo_receive(&leader, solo_ack(3, 2, 1));
	}
	lab_check(lab, leader.status.role == RAFT_FOLLOWER && leader.now == start + 6 * T,
			  "a leader with a stuck disk goes on");
	for (int i = 0; i < 10; i++)
		solo_tick(&leader);
	lab_check(lab, leader.status.role == RAFT_FOLLOWER, "it campaigns");
	solo_durable(&leader);
	solo_tick(&leader);
	lab_check(lab, leader.status.role == RAFT_PRECANDIDATE, "it does not campaign though its disk is well");

	/* a follower, whose second write is younger than the first */
	solo_step(&follower, event);
	solo_receive(&follower, solo_append(2, 1, 1, 1, terms, 1));
	follower.now += 5 * T;
	solo_receive(&follower, solo_append(2, 2, 2, 1, terms, 1));
	solo_step(&follower, (RaftEvent) {.type = RAFT_EVENT_WRITE_DURABLE, .u.op = 1});
	follower.now += 2 * T;
	solo_step(&follower, (RaftEvent) {.type = RAFT_EVENT_TICK});
	lab_check(lab, follower.status.role == RAFT_PRECANDIDATE, "the age of a durable write counts");
	follower.now += 5 * T;
	solo_step(&follower, (RaftEvent) {.type = RAFT_EVENT_TICK});
	lab_check(lab, solo_sent(&follower, RAFT_MSG_PREVOTE, 2) == NULL, "a node with a stuck disk campaigns");
}

/*
 * What is sent to a follower is bounded: "taken" bytes once each, and once more for what
 * had to be asked, and heartbeats with their answers.
 */
static void
check_traffic(Lab *lab, RaftTime duration, uint64_t taken, const char *what)
{
	uint64_t	messages = lab->network.messages;
	uint64_t	bytes = lab->network.bytes;
	uint64_t	most;

	cluster_sleep(lab, duration);
	messages = lab->network.messages - messages;
	bytes = lab->network.bytes - bytes;
	/* to each of two peers and back, and a little for those under way */
	most = 4 * (duration / lab->settings.core.heartbeat_interval + 2);
	if (messages > most + 4 * taken / 100 || bytes > most * RAFT_FRAME_HEADER + 6 * taken)
		lab_fail(lab, 19, "%s: %llu messages, %llu bytes in %llu ms, which is too much", what,
				 (unsigned long long) messages, (unsigned long long) bytes,
				 (unsigned long long) (duration / MS));
}

/*
 * A follower without room for what it lacks costs heartbeats, however much waits for
 * it, and no command commits any later; once it has room, it catches up.
 */
static void
lesson_full_follower_costs_little(Lab *lab)
{
	RaftNodeId	leader = cluster_one_leader(lab);
	Node	   *full = &lab->nodes[cluster_nth(lab, leader, 1)];
	Started		last = {0};
	RaftIndex	before;

	lab->settings.compact = false;
	cluster_one(lab, cluster_number(1), 3, true);
	full->log_capacity = 3000;
	for (int i = 0; i < 60; i++)
	{
		last = cluster_start(lab, leader, cluster_random_command(lab, 500));
		lab_check(lab, last.leader, "the leader did not take a command");
		cluster_sleep(lab, 10 * MS);
	}
	cluster_wait(lab, last.command, 2, 0, NULL);
	cluster_sleep(lab, T);
	check_traffic(lab, 20 * T, 0, "idle with a full follower");

	before = full->status.last;
	/* a little room at a time leads to a little traffic at a time */
	for (int i = 0; i < 20; i++)
	{
		full->log_capacity += 600;
		check_traffic(lab, 200 * MS, 2000, "a full follower gets a little room");
	}
	lab_check(lab, full->status.last < last.index && full->status.last > before + 10,
			  "its log ends at %llu", (unsigned long long) full->status.last);

	/* it changes leaders, which know nothing of its room */
	cluster_disconnect(lab, leader);
	cluster_sleep(lab, 3 * T);
	cluster_connect(lab, leader);
	cluster_sleep(lab, 3 * T);
	check_traffic(lab, 20 * T, 0, "idle with a full follower and a new leader");
	full->log_capacity = 0;
	cluster_sleep(lab, T);
	lab_check(lab, full->status.last >= last.index, "a follower with room again does not catch up");
}

/* The connections of a node that died break, on the others' side. */
static void
connections_break(Lab *lab, RaftNodeId dead)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		RaftEvent	event = {.type = RAFT_EVENT_PEER_UNREACHABLE, .u.peer = dead};

		if (i != dead)
			node_step(lab, &lab->nodes[i], &event);
		cluster_sleep(lab, rng_below(&lab->rng_test, 2 * MS));
	}
}

static bool
another_leads(Lab *lab, void *arg)
{
	(void) arg;
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (lab->nodes[i].up && lab->nodes[i].status.role == RAFT_LEADER)
			return true;
	return false;
}

/*
 * Who is killed is replaced soon: its followers learn that their connections broke,
 * wait for two heartbeats that do not come, and ask.  Nearly always the first
 * election is the last one; one that fails is repeated soon.
 */
static void
lesson_killed_leader_is_replaced_soon(Lab *lab)
{
	RaftTime	took[100];
	RaftSettings *settings = &lab->settings.core;

	settings->election_timeout = 600 * MS;
	lab->settings.compact = lab->settings.compact_to_tip = true;	/* so many terms are too many for one log */
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		lab->nodes[i].disk.latency = 10 * MS;
		node_settings(lab, &lab->nodes[i]);
	}
	for (size_t i = 0; i < lengthof(took); i++)
	{
		RaftNodeId	leader;
		RaftTime	start;

		lab_check(lab, cluster_until(lab, 20 * T, MS, another_leads, NULL), "nobody leads");
		leader = cluster_one_leader(lab);
		cluster_sleep(lab, 500 * MS + rng_below(&lab->rng_test, 100 * MS));
		start = lab->now;
		cluster_crash(lab, leader);
		connections_break(lab, leader);
		lab_check(lab, cluster_until(lab, 20 * T, MS, another_leads, NULL), "nobody leads after a crash");
		took[i] = lab->now - start;
		cluster_restart(lab, leader);
		lab->limit = lab->now + LAB_TEST_LIMIT;
	}
	for (size_t i = 1; i < lengthof(took); i++)
		for (size_t k = i; k > 0 && took[k - 1] > took[k]; k--)
		{
			RaftTime	moving = took[k];

			took[k] = took[k - 1];
			took[k - 1] = moving;
		}
	lab_check(lab, took[lengthof(took) / 2] <= 270 * MS && took[lengthof(took) * 95 / 100] <= 400 * MS &&
			  took[lengthof(took) - 1] <= 800 * MS,
			  "half of the leaders are replaced within %llu ms, 95 of 100 within %llu, all within %llu",
			  (unsigned long long) (took[lengthof(took) / 2] / MS),
			  (unsigned long long) (took[lengthof(took) * 95 / 100] / MS),
			  (unsigned long long) (took[lengthof(took) - 1] / MS));
}

const LabTest lesson_fault_tests[] = {
	{"lesson_acknowledgement_names_its_write", "lesson", 0, 1, lesson_acknowledgement_names_its_write},
#ifdef RAFT_MUTANTS
	{"lesson_early_acknowledgement_is_seen_by_the_host", "lesson", 0, 5, lesson_early_acknowledgement_is_seen_by_the_host},
#endif
	{"lesson_killed_leader_is_replaced_soon", "lesson", 3, 10, lesson_killed_leader_is_replaced_soon},
	{"lesson_lost_entries_are_noticed", "lesson", 0, 5, lesson_lost_entries_are_noticed},
	{"lesson_late_rejection_is_no_loss", "lesson", 0, 5, lesson_late_rejection_is_no_loss},
	{"lesson_stuck_disk_costs_leadership", "lesson", 0, 5, lesson_stuck_disk_costs_leadership},
	{"lesson_full_follower_costs_little", "lesson", 3, 20, lesson_full_follower_costs_little},
	{0}
};
