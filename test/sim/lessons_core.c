/*-------------------------------------------------------------------------
 *
 * lessons_core.c
 *	  Lessons that others paid for, on one core with hand-made messages: each
 *	  test names one.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "solo.h"

/* ------------------------------------------------------------ elections */

/* A range as narrow as 300-500 ms ends in endless split votes; ours is 300-900. */
static void
lesson_timeouts_are_drawn_widely(Lab *lab)
{
	RaftTime	shortest = UINT64_MAX,
				longest = 0;

	for (int i = 0; i < 300; i++)
	{
		Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
		RaftTime	timeout = solo.actions->deadline - solo.now;

		shortest = timeout < shortest ? timeout : shortest;
		longest = timeout > longest ? timeout : longest;
	}
	lab_check(lab, shortest >= SOLO_TIMEOUT && longest < 3 * SOLO_TIMEOUT, "timeouts outside of [1, 3)");
	lab_check(lab, shortest < SOLO_TIMEOUT * 6 / 5 && longest > SOLO_TIMEOUT * 14 / 5,
			  "timeouts from %llu to %llu us", (unsigned long long) shortest,
			  (unsigned long long) longest);
}

/* A higher term in any request or reply makes one a follower at once (§5.1). */
static void
lesson_higher_term_steps_down(Lab *lab)
{
	RaftMessage messages[] = {
		solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 9, 1, false),
		solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 9, 1, false),
		solo_vote_reply(RAFT_MSG_APPEND_REPLY, 2, 9, 1, false),
		solo_append(9, 1, 1, 1, NULL, 0),
		solo_vote_request(2, 9, 1, 1)
	};

	for (size_t i = 0; i < lengthof(messages); i++)
	{
		Solo		candidate = solo_boot(lab, 3, 1, 0, NULL, 0);
		Solo		leader = solo_boot(lab, 3, 1, 0, NULL, 0);

		solo_begin_vote(&candidate, 1, 3);
		solo_receive(&candidate, messages[i]);
		lab_check(lab, candidate.status.role == RAFT_FOLLOWER && candidate.status.term == 9,
				  "a candidate stays after a %s", raft_message_name(messages[i].type));

		solo_become_leader(&leader, 1, 3);
		solo_receive(&leader, messages[i]);
		if (messages[i].type == RAFT_MSG_VOTE)
			continue;			/* not a sticky leader: §4.2.3 */
		lab_check(lab, leader.status.role == RAFT_FOLLOWER && leader.status.term == 9,
				  "a leader stays after a %s", raft_message_name(messages[i].type));
	}
}

static void
check_timer(Solo *solo, RaftMessage message, bool restarts, const char *what)
{
	RaftTime	before = solo->actions->deadline;

	solo->now += 1 * MS;
	solo_receive(solo, message);
	lab_check(solo->lab, (solo->actions->deadline != before) == restarts, "the timer %s on %s",
			  restarts ? "does not restart" : "restarts", what);
}

/*
 * The timer restarts only on a message of the current leader, on granting a
 * vote, and on starting an election.
 */
static void
lesson_timer_restarts_only_on_reason(Lab *lab)
{
	const RaftTerm terms[] = {2, 2};
	Solo		solo = solo_boot(lab, 3, 2, 0, terms, 2);
	RaftMessage prevote = solo_vote_request(3, 2, 9, 2);
	RaftTime	before;

	prevote.type = RAFT_MSG_PREVOTE;
	check_timer(&solo, solo_append(2, 3, 2, 1, NULL, 0), true, "a heartbeat of the leader");
	check_timer(&solo, solo_append(1, 1, 1, 1, NULL, 0), false, "an append of an older term");
	check_timer(&solo, prevote, false, "a pre-vote that is refused");
	check_timer(&solo, solo_vote_request(3, 3, 9, 2), false, "a vote request that is ignored");

	/* who asks may win: it is left a heartbeat's time, and not more */
	solo.now = solo.actions->deadline - 50 * MS;
	before = solo.now + 101 * MS;
	check_timer(&solo, prevote, true, "a pre-vote that is granted");
	lab_check(lab, solo.actions->deadline == before, "a pre-vote keeps this node waiting");
	solo_receive(&solo, solo_append(2, 3, 2, 1, NULL, 0));
	solo.now += SOLO_TIMEOUT;
	before = solo.actions->deadline;
	if (before > solo.now + 110 * MS)
		check_timer(&solo, prevote, false, "a pre-vote long before its end");
	check_timer(&solo, solo_vote_request(3, 3, 1, 1), false, "a refused vote");
	lab_check(lab, solo.status.term == 3, "a vote request's term is not taken over");
	check_timer(&solo, solo_vote_request(3, 3, 9, 2), true, "a granted vote");
	check_timer(&solo, solo_vote_request(2, 3, 9, 2), false, "a second candidate's request");
	check_timer(&solo, solo_ack(3, 3, 1), false, "a reply that nobody asked for");
	solo_durable(&solo);
	before = solo.actions->deadline;
	solo_begin_prevote(&solo);
	lab_check(lab, solo.actions->deadline > before, "an election does not restart the timer");
}

/*
 * Pre-votes bind nobody, and may take longer than a campaign: they count until a leader
 * is heard, the term changes, or the voter changes its mind.
 */
static void
lesson_late_prevotes_count(Lab *lab)
{
	Solo		solo = solo_boot(lab, 5, 1, 0, NULL, 0);
	uint64_t	early = solo_begin_prevote(&solo);

	/* an answer to each of two campaigns, both late */
	solo_begin_prevote(&solo);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 1, early, true));
	solo_begin_prevote(&solo);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 1, early, false));
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 3, 1, early, true));
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "a voter that changed its mind counts");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 4, 1, early, true));
	lab_check(lab, solo.status.role == RAFT_CANDIDATE, "late pre-votes do not count");

	/* a leader was heard since: nothing of before counts */
	solo = solo_boot(lab, 5, 1, 0, NULL, 0);
	early = solo_begin_prevote(&solo);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 3, 1, early, true));
	solo_receive(&solo, solo_append(1, 1, 1, 1, NULL, 0));
	solo_begin_prevote(&solo);
	for (RaftNodeId i = 2; i <= 5; i++)
		solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, i, 1, early, true));
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "pre-votes from before a leader count");
}

/* A vote is for the term: it counts also after its candidate has waited long enough to ask anew. */
static void
lesson_late_votes_count_in_their_term(Lab *lab)
{
	Solo		solo = solo_boot(lab, 5, 1, 0, NULL, 0);
	uint64_t	votes = solo_begin_vote(&solo, 1, 5);

	solo_begin_prevote(&solo);
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE && solo.status.vote == 1, "no new campaign");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 2, votes, true));
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 2, votes, true));
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "two of five elect");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 3, 2, votes, true));
	lab_check(lab, solo.status.role == RAFT_LEADER && solo.status.term == 2, "late votes do not count");

	/* requests that the disk kept back leave all the same */
	solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 1, solo_begin_prevote(&solo), true));
	solo_tick(&solo);
	solo_durable(&solo);
	votes = solo_must_send(&solo, RAFT_MSG_VOTE, 2)->round;
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 2, votes, true));
	lab_check(lab, solo.status.role == RAFT_LEADER, "a slow disk costs the election");
}

/*
 * An append that overtook its predecessor is refused, and so is the one behind a lost one: what
 * is missing leaves at once, and what comes then does not wait for an answer.
 */
static void
lesson_a_gap_is_filled_at_once(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftMessage refusal = solo_ack(2, 2, 2);
	const RaftMessage *append;

	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo_propose(&solo, 1);
	solo_propose(&solo, 1);
	refusal.granted = false;
	refusal.floor = 0;
	refusal.log_term = 2;
	refusal.rejected = 3;
	refusal.round = solo_must_send(&solo, RAFT_MSG_APPEND, 2)->round;
	solo_receive(&solo, refusal);
	append = solo_must_send(&solo, RAFT_MSG_APPEND, 2);
	lab_check(lab, append->log_index == 2 && append->n_entries == 2, "what is missing is not sent");
	solo_propose(&solo, 1);
	append = solo_must_send(&solo, RAFT_MSG_APPEND, 2);
	lab_check(lab, append->log_index == 4 && append->n_entries == 1, "what comes waits for an answer");

	/* where the logs differ, a probe has to find the place */
	solo_receive(&solo, solo_ack(2, 2, 2));
	refusal.log_index = 3;
	refusal.log_term = 1;
	refusal.rejected = 4;
	refusal.round = append->round;
	solo_receive(&solo, refusal);
	solo_propose(&solo, 1);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL, "no probe where the logs differ");
}

/*
 * A peer that is there and does not answer is asked again before a heartbeat is due: what it
 * was sent may be lost.  A silent one is not.
 */
static void
lesson_a_lost_message_is_asked_for_soon(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftTime	interval = 100 * MS;
	RaftTime	sent;

	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo.now = solo.actions->deadline + interval;
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_TICK});
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo_propose(&solo, 1);
	solo_durable(&solo);
	sent = solo.now;
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL && solo.status.peers[0].inflight == 1,
			  "nothing is on its way");
	while (solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL)
		solo_tick(&solo);
	lab_check(lab, solo.now == sent + interval / 4, "asked after %llu us",
			  (unsigned long long) (solo.now - sent));

	/* it does not answer that either: once it is silent, heartbeats are all it gets */
	while (solo.now < sent + 2 * interval)
		solo_tick(&solo);
	while (solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL)
		solo_tick(&solo);
	sent = solo.now;
	do
		solo_tick(&solo);
	while (solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL);
	lab_check(lab, solo.now == sent + interval, "a silent peer is asked after %llu us",
			  (unsigned long long) (solo.now - sent));
}

/* A vote that comes late does not count in a newer campaign. */
static void
lesson_late_vote_is_not_counted(Lab *lab)
{
	Solo		solo = solo_boot(lab, 5, 1, 0, NULL, 0);
	uint64_t	early;
	uint64_t	second;

	early = solo_begin_vote(&solo, 1, 5);
	second = solo_begin_vote(&solo, 2, 5);
	for (RaftNodeId i = 2; i <= 5; i++)
		solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, i, 2, early, true));
	lab_check(lab, solo.status.role == RAFT_CANDIDATE, "votes of an older term were counted");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 3, second, true));
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 3, second, true));
	lab_check(lab, solo.status.role == RAFT_CANDIDATE, "one voter was counted twice");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 3, 3, second, true));
	lab_check(lab, solo.status.role == RAFT_LEADER, "three of five do not elect");
}

static bool
votes_for(Solo *solo, RaftMessage request)
{
	const RaftMessage *reply;

	solo_receive(solo, request);
	reply = solo_sent(solo, RAFT_MSG_VOTE_REPLY, request.from);
	if (reply == NULL)
	{
		solo_durable(solo);
		reply = solo_sent(solo, RAFT_MSG_VOTE_REPLY, request.from);
	}
	lab_check(solo->lab, reply != NULL, "a vote request is not answered");
	return reply->granted;
}

/* One vote per term, and it is asked for again when the answer was lost. */
static void
lesson_one_vote_per_term(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);

	lab_check(lab, votes_for(&solo, solo_vote_request(2, 2, 1, 1)), "the first candidate gets no vote");
	lab_check(lab, !votes_for(&solo, solo_vote_request(3, 2, 1, 1)), "a second candidate gets a vote");
	lab_check(lab, votes_for(&solo, solo_vote_request(2, 2, 1, 1)), "the vote is not confirmed");

	/* nor after a restart */
	solo = solo_boot(lab, 3, 2, 2, NULL, 0);
	lab_check(lab, !votes_for(&solo, solo_vote_request(3, 2, 1, 1)), "a restart forgot the vote");
}

/* The newer log wins: by the last term first, then by the last index (§5.4.1). */
static void
lesson_vote_compares_term_then_index(Lab *lab)
{
	const RaftTerm terms[] = {2, 2, 3};
	static const struct
	{
		RaftIndex	last;
		RaftTerm	term;
		bool		granted;
	}			cases[] = {
		{100, 2, false}, {3, 3, false}, {4, 3, true}, {5, 3, true}, {2, 4, true}
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		Solo		solo = solo_boot(lab, 3, 5, 0, terms, 3);

		lab_check(lab, votes_for(&solo, solo_vote_request(2, 6, cases[i].last, cases[i].term)) ==
				  cases[i].granted, "a log that ends at %llu of term %llu is %s",
				  (unsigned long long) cases[i].last, (unsigned long long) cases[i].term,
				  cases[i].granted ? "refused" : "voted for");
	}
}

/* No vote and no vote request leaves before the disk has term and vote. */
static void
lesson_vote_waits_for_the_disk(Lab *lab)
{
	Solo		voter = solo_boot(lab, 3, 1, 0, NULL, 0);
	Solo		candidate = solo_boot(lab, 3, 1, 0, NULL, 0);
	uint64_t	round;

	solo_receive(&voter, solo_vote_request(2, 2, 1, 1));
	lab_check(lab, solo_sent(&voter, RAFT_MSG_VOTE_REPLY, 0) == NULL, "a vote left before it was durable");
	solo_durable(&voter);
	lab_check(lab, solo_sent(&voter, RAFT_MSG_VOTE_REPLY, 2) != NULL, "the durable vote does not leave");

	round = solo_begin_prevote(&candidate);
	solo_receive(&candidate, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 1, round, true));
	lab_check(lab, solo_sent(&candidate, RAFT_MSG_VOTE, 0) == NULL, "a request left before our vote was durable");
	solo_durable(&candidate);
	lab_check(lab, solo_sent(&candidate, RAFT_MSG_VOTE, 3) != NULL, "the vote request does not leave");
}

/* A pre-vote asks, and changes nothing; who hears a leader says no. */
static void
lesson_prevote_changes_nothing(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftMessage prevote = solo_vote_request(3, 8, 5, 8);

	prevote.type = RAFT_MSG_PREVOTE;
	solo_receive(&solo, prevote);
	lab_check(lab, solo.status.term == 1 && solo.status.vote == 0, "a pre-vote changed term or vote");
	lab_check(lab, solo_must_send(&solo, RAFT_MSG_PREVOTE_REPLY, 3)->granted, "a pre-vote is refused without reason");
	solo_receive(&solo, solo_append(1, 1, 1, 1, NULL, 0));
	solo_receive(&solo, prevote);
	lab_check(lab, !solo_must_send(&solo, RAFT_MSG_PREVOTE_REPLY, 3)->granted, "a pre-vote is granted against a live leader");
}

/* A leader that hears no quorum stops leading, and tells clients so. */
static void
lesson_leader_without_quorum_steps_down(Lab *lab)
{
	Solo		solo = solo_boot(lab, 5, 1, 0, NULL, 0);
	RaftTime	start;

	solo_become_leader(&solo, 1, 5);
	start = solo.now;
	solo_durable(&solo);
	solo_hear_only(&solo, solo_ack(2, 2, 2));	/* one of four peers is no quorum */
	lab_check(lab, solo.status.role == RAFT_FOLLOWER, "a leader without a quorum stays");
	lab_check(lab, solo.now <= start + 2 * SOLO_TIMEOUT, "it took %llu ms to step down",
			  (unsigned long long) ((solo.now - start) / MS));
}

/*
 * Only answers to its appends tell a leader that it leads: others of its term may come
 * from those who do not hear it.
 */
static void
lesson_only_answers_keep_a_leader(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftMessage prevote = solo_vote_request(2, 2, 1, 1);
	RaftTime	start;

	prevote.type = RAFT_MSG_PREVOTE;
	solo_become_leader(&solo, 1, 3);
	start = solo.now;
	solo_durable(&solo);
	while (solo.status.role == RAFT_LEADER && solo.now < start + 4 * SOLO_TIMEOUT)
	{
		solo_tick(&solo);
		solo_receive(&solo, prevote);
		solo_receive(&solo, solo_vote_request(3, 2, 1, 1));
		solo_receive(&solo, solo_vote_request(3, 1, 1, 1));
		solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 3, 2, 1, true));
		solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 3, 1, 1, false));
		solo_receive(&solo, solo_ack(2, 1, 1));
	}
	lab_check(lab, solo.now <= start + 2 * SOLO_TIMEOUT, "a leader that nobody follows stays");
}

/*
 * Answers that come later than an election timeout do not unseat a leader: its
 * followers, who wait up to three of them, still follow it.
 */
static void
lesson_late_answers_unseat_nobody(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftTime	start,
				answered;

	solo_become_leader(&solo, 1, 3);
	start = answered = solo.now;
	solo_durable(&solo);
	while (solo.now < start + 20 * SOLO_TIMEOUT)
	{
		solo_tick(&solo);
		lab_check(lab, solo.status.role == RAFT_LEADER, "the leader gives up %llu ms after an answer",
				  (unsigned long long) ((solo.now - answered) / MS));
		if (solo.now < answered + SOLO_TIMEOUT * 3 / 2)
			continue;
		solo_receive(&solo, solo_ack(2, 2, 2));
		answered = solo.now;
	}
}

/* ---------------------------------------------------------- replication */

/* A reply whose request belongs to an older term is dropped. */
static void
lesson_stale_reply_is_dropped(Lab *lab)
{
	const RaftTerm terms[] = {2, 2, 2};
	Solo		solo = solo_boot(lab, 3, 2, 0, terms, 3);
	RaftMessage rejection = solo_rejection(2, 3, 1, 4);
	RaftIndex	next;

	solo_become_leader(&solo, 2, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 5));
	lab_check(lab, solo.status.peers[0].match == 0 && solo.status.commit == 1,
			  "an acknowledgement of an older term was counted");

	/* nor does an old rejection take back what was confirmed */
	solo_receive(&solo, solo_ack(2, 3, 5));
	lab_check(lab, solo.status.peers[0].match == 5, "an acknowledgement was not counted");
	next = solo.status.peers[0].next;
	rejection.round = 1;
	solo_receive(&solo, rejection);
	lab_check(lab, solo.status.peers[0].match == 5 && solo.status.peers[0].next == next,
			  "a stale rejection moved match or next");
	solo_receive(&solo, solo_ack(2, 3, 2));
	lab_check(lab, solo.status.peers[0].match == 5, "a late acknowledgement took match back");
	solo_receive(&solo, solo_ack(3, 3, 500));
	lab_check(lab, solo.status.commit == 5, "an acknowledgement of entries that do not exist counts");
}

/* An old, shorter append that arrives late never truncates. */
static void
lesson_late_short_append_never_truncates(Lab *lab)
{
	const RaftTerm terms[] = {2, 2, 2, 2};
	Solo		solo = solo_boot(lab, 3, 2, 0, NULL, 0);

	solo_receive(&solo, solo_append(2, 1, 1, 1, terms, 4));
	solo_durable(&solo);
	lab_check(lab, solo.status.last == 5, "the entries were not taken");
	for (uint32_t n = 0; n < 4; n++)
	{
		const RaftMessage *reply;

		solo_receive(&solo, solo_append(2, 1, 1, 1, terms, n));
		reply = solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2);
		lab_check(lab, solo.status.last == 5, "a late append of %u entries truncated", n);
		lab_check(lab, reply != NULL && reply->granted && reply->log_index <= 5,
				  "a late append is not acknowledged");
	}
}

/* Leftovers of another term are neither acknowledged nor committed on a heartbeat. */
static void
lesson_only_what_the_leader_confirmed_counts(Lab *lab)
{
	const RaftTerm terms[] = {2, 2, 2, 2};
	Solo		solo = solo_boot(lab, 3, 3, 0, terms, 4);
	const RaftMessage *reply;

	solo_receive(&solo, solo_append(3, 1, 1, 5, NULL, 0));
	reply = solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2);
	lab_check(lab, reply != NULL && reply->granted && reply->log_index == 1,
			  "acknowledged more than the leader confirmed");
	lab_check(lab, solo.status.commit == 1, "committed more than the leader confirmed");

	/* a heartbeat is checked as any append: what it follows is not there */
	solo_receive(&solo, solo_append(3, 5, 3, 5, NULL, 0));
	reply = solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2);
	lab_check(lab, reply != NULL && !reply->granted, "a heartbeat skips the check of the previous entry");
	lab_check(lab, solo.status.commit == 1, "a rejected heartbeat moved commit");
}

/* An acknowledgement waits for the disk, for an append that repeats another too. */
static void
lesson_acknowledgement_waits_for_the_disk(Lab *lab)
{
	const RaftTerm terms[] = {2, 2};
	Solo		solo = solo_boot(lab, 3, 2, 0, NULL, 0);
	const RaftMessage *reply;

	for (int i = 0; i < 2; i++)
	{
		solo_receive(&solo, solo_append(2, 1, 1, 1, terms, 2));
		reply = solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2);
		lab_check(lab, reply == NULL || reply->log_index == 1, "acknowledged before it was durable");
	}
	solo_durable(&solo);
	reply = solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2);
	lab_check(lab, reply != NULL && reply->granted && reply->log_index == 3,
			  "what is durable is not acknowledged");
}

/* An entry of an older term is never committed by counting (§5.4.2, figure 8). */
static void
lesson_old_term_is_not_committed_by_counting(Lab *lab)
{
	const RaftTerm terms[] = {2};
	Solo		solo = solo_boot(lab, 3, 3, 0, terms, 1);

	solo_become_leader(&solo, 3, 3);
	solo_durable(&solo);
	lab_check(lab, solo.status.last == 3, "the new leader appended no entry of its term");
	solo_receive(&solo, solo_ack(2, 4, 2));
	solo_receive(&solo, solo_ack(3, 4, 2));
	lab_check(lab, solo.status.commit == 1, "an entry of term 2 is committed by counting");
	solo_receive(&solo, solo_ack(2, 4, 3));
	lab_check(lab, solo.status.commit == 3, "an entry of the leader's term does not commit");
}

/* The leader counts itself only with what its own disk has. */
static void
lesson_leader_counts_its_disk_only(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	Solo		alone = solo_boot(lab, 1, 1, 0, NULL, 0);

	solo_become_leader(&solo, 1, 3);
	solo_receive(&solo, solo_ack(2, 2, 2));
	lab_check(lab, solo.status.commit == 1, "the leader counted its own unsynced entry");
	solo_durable(&solo);
	lab_check(lab, solo.status.commit == 2, "the durable entry does not commit");

	/* two followers are a quorum without it */
	solo_propose(&solo, 1);
	solo_receive(&solo, solo_ack(2, 2, 3));
	solo_receive(&solo, solo_ack(3, 2, 3));
	lab_check(lab, solo.status.commit == 3, "two followers of three are no quorum");

	solo_tick(&alone);
	solo_durable(&alone);
	lab_check(lab, alone.status.role == RAFT_LEADER, "one of one does not lead");
	lab_check(lab, alone.status.commit == 1, "a single voter counted its unsynced entry");
	solo_durable(&alone);
	lab_check(lab, alone.status.commit == 2, "a single voter does not commit");
}

/* The majority of n is n/2 + 1, counted with oneself. */
static void
lesson_majority_counts_oneself(Lab *lab)
{
	for (uint32_t n = 2; n <= 7; n++)
	{
		Solo		solo = solo_boot(lab, n, 1, 0, NULL, 0);

		solo_become_leader(&solo, 1, n);
		solo_durable(&solo);
		for (RaftNodeId i = 2; i <= n; i++)
		{
			solo_receive(&solo, solo_ack(i, 2, 2));
			lab_check(lab, (solo.status.commit == 2) == (i >= n / 2 + 1),
					  "%u of %u: commit is %llu", i, n, (unsigned long long) solo.status.commit);
		}
	}
}

/* A rejection brings the logs together by whole terms, not entry by entry. */
static void
lesson_backup_skips_whole_terms(Lab *lab)
{
	RaftTerm	terms[200];
	Solo		solo;
	RaftMessage rejection;

	for (size_t i = 0; i < lengthof(terms); i++)
		terms[i] = i < 50 ? 2 : 4;
	solo = solo_boot(lab, 3, 4, 0, terms, lengthof(terms));
	solo_become_leader(&solo, 4, 3);
	solo_durable(&solo);
	rejection = solo_rejection(2, 5, 150, solo.status.peers[0].next - 1);	/* of term 3: we have none */
	rejection.log_term = 3;
	solo_receive(&solo, rejection);
	lab_check(lab, solo.status.peers[0].next == 52, "after a rejection next is %llu, not 52",
			  (unsigned long long) solo.status.peers[0].next);

	/* the follower's side: its 149 entries of term 3 are one term to skip */
	for (size_t i = 0; i < lengthof(terms); i++)
		terms[i] = i < 50 ? 2 : 3;
	solo = solo_boot(lab, 3, 4, 0, terms, lengthof(terms));
	solo_receive(&solo, solo_append(5, 150, 2, 1, NULL, 0));
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2) == NULL, "a rejection of term 5 left before the term was durable");
	solo_durable(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2) != NULL &&
			  solo_must_send(&solo, RAFT_MSG_APPEND_REPLY, 2)->log_index == 51,
			  "the hint does not skip the follower's term");
}

/* Proposals made while a peer's window is full leave together. */
static void
lesson_full_window_gathers_proposals(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	uint32_t	appends = 0;

	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 2));
	for (int i = 0; i < 100; i++)
	{
		solo_propose(&solo, 1);
		appends += solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL;
	}
	lab_check(lab, appends == 8, "%u appends are under way to one peer, 8 are allowed", appends);
	solo_receive(&solo, solo_ack(2, 2, 3));
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL &&
			  solo_must_send(&solo, RAFT_MSG_APPEND, 2)->n_entries == 92,
			  "what gathered does not leave in one append");
}

/* A write that failed stops the core: nothing is taken for durable any more. */
static void
lesson_failed_write_stops_the_core(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);

	solo_become_leader(&solo, 1, 3);
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_WRITE_FAILED, .u.op = solo.written});
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 2));
	lab_check(lab, solo.status.commit == 1 && solo.actions->n == 0, "a stopped core goes on");
	solo_propose(&solo, 1);
	lab_check(lab, solo.actions->n == 1 && solo.actions->item[0].type == RAFT_ACTION_REFUSED &&
			  solo.actions->item[0].u.refused.reason == RAFT_REFUSED_STOPPED,
			  "a stopped core takes a proposal");
}

const LabTest lesson_core_tests[] = {
	{"lesson_timeouts_are_drawn_widely", "lesson", 0, 5, lesson_timeouts_are_drawn_widely},
	{"lesson_higher_term_steps_down", "lesson", 0, 5, lesson_higher_term_steps_down},
	{"lesson_timer_restarts_only_on_reason", "lesson", 0, 5, lesson_timer_restarts_only_on_reason},
	{"lesson_late_prevotes_count", "lesson", 0, 5, lesson_late_prevotes_count},
	{"lesson_late_votes_count_in_their_term", "lesson", 0, 5, lesson_late_votes_count_in_their_term},
	{"lesson_a_gap_is_filled_at_once", "lesson", 0, 1, lesson_a_gap_is_filled_at_once},
	{"lesson_a_lost_message_is_asked_for_soon", "lesson", 0, 1, lesson_a_lost_message_is_asked_for_soon},
	{"lesson_late_vote_is_not_counted", "lesson", 0, 5, lesson_late_vote_is_not_counted},
	{"lesson_one_vote_per_term", "lesson", 0, 5, lesson_one_vote_per_term},
	{"lesson_vote_compares_term_then_index", "lesson", 0, 5, lesson_vote_compares_term_then_index},
	{"lesson_vote_waits_for_the_disk", "lesson", 0, 5, lesson_vote_waits_for_the_disk},
	{"lesson_prevote_changes_nothing", "lesson", 0, 5, lesson_prevote_changes_nothing},
	{"lesson_leader_without_quorum_steps_down", "lesson", 0, 5, lesson_leader_without_quorum_steps_down},
	{"lesson_only_answers_keep_a_leader", "lesson", 0, 5, lesson_only_answers_keep_a_leader},
	{"lesson_late_answers_unseat_nobody", "lesson", 0, 5, lesson_late_answers_unseat_nobody},
	{"lesson_stale_reply_is_dropped", "lesson", 0, 5, lesson_stale_reply_is_dropped},
	{"lesson_late_short_append_never_truncates", "lesson", 0, 5, lesson_late_short_append_never_truncates},
	{"lesson_only_what_the_leader_confirmed_counts", "lesson", 0, 5, lesson_only_what_the_leader_confirmed_counts},
	{"lesson_acknowledgement_waits_for_the_disk", "lesson", 0, 5, lesson_acknowledgement_waits_for_the_disk},
	{"lesson_old_term_is_not_committed_by_counting", "lesson", 0, 5, lesson_old_term_is_not_committed_by_counting},
	{"lesson_leader_counts_its_disk_only", "lesson", 0, 5, lesson_leader_counts_its_disk_only},
	{"lesson_majority_counts_oneself", "lesson", 0, 5, lesson_majority_counts_oneself},
	{"lesson_backup_skips_whole_terms", "lesson", 0, 5, lesson_backup_skips_whole_terms},
	{"lesson_full_window_gathers_proposals", "lesson", 0, 5, lesson_full_window_gathers_proposals},
	{"lesson_failed_write_stops_the_core", "lesson", 0, 5, lesson_failed_write_stops_the_core},
	{0}
};
