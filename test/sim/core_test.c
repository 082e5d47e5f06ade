/*-------------------------------------------------------------------------
 *
 * core_test.c
 *	  The core's rare ways: what a healthy group never does, and what its parts
 *	  promise each other.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "../../src/wire/bytes.h"
#include "../../src/wire/eventlog.h"
#include "../../src/core/internal.h"
#include "solo.h"

/* A statement that must stop the core, with an assertion of these words. */
#define expect_stop(lab, statement, words) \
	do { \
		jmp_buf		outer; \
		bool volatile stopped = true; \
		\
		memcpy(&outer, &(lab)->failed, sizeof(outer)); \
		if (setjmp((lab)->failed) == 0) \
		{ \
			statement; \
			stopped = false; \
		} \
		memcpy(&(lab)->failed, &outer, sizeof(outer)); \
		lab_check((lab), stopped && strstr((lab)->failure.what, words) != NULL, \
				  "the core does not stop with \"%s\"", words); \
		memset(&(lab)->failure, 0, sizeof((lab)->failure)); \
	} while (0)

/* ---------------------------------------------------------------- parts */

static void
core_names(Lab *lab)
{
	const char *seen[32];
	size_t		n = 0;

	for (int role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++)
		seen[n++] = raft_role_name((RaftRole) role);
	for (int type = 1; type <= RAFT_MSG_TYPE_MAX; type++)
		seen[n++] = raft_message_name((RaftMessageType) type);
	for (uint8_t kind = 1; kind <= RAFT_ENTRY_KIND_MAX; kind++)
		seen[n++] = raft_entry_kind_name(kind);
	for (int result = RAFT_DECODE_OK; result <= RAFT_DECODE_MALFORMED; result++)
		seen[n++] = raft_decode_message((RaftDecodeResult) result);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			lab_check(lab, strcmp(seen[i], seen[j]) != 0 && seen[i][0] != '?',
					  "two names are \"%s\"", seen[i]);
	for (int type = RAFT_EVENT_BOOT; type <= RAFT_EVENT_SETTINGS; type++)
		lab_check(lab, raft_event_name((RaftEventType) type)[0] != '?', "an event without a name");
	lab_check(lab, raft_role_name((RaftRole) 99)[0] == '?' &&
			  raft_message_name((RaftMessageType) 99)[0] == '?' &&
			  raft_entry_kind_name(99) == NULL && raft_entry_kind_name(0) == NULL && raft_event_name((RaftEventType) 99)[0] == '?' &&
			  raft_decode_message((RaftDecodeResult) 99)[0] == '?', "a name for nothing");
}

/* Recordings whose checksums are right and whose fields are not. */
static void
core_recording_domain(Lab *lab)
{
	static RaftEventRecord decoded;
	RaftEventLogHeader header = {.self = 1, .boot = 1};
	RaftEventLogHeader back;
	uint8_t		bytes[RAFT_EVENTLOG_HEADER];
	uint8_t		record[RAFT_EVENTLOG_RECORD] = {0};
	RaftEvent	event = {.type = RAFT_EVENT_TICK};
	RaftActions actions = {.n = 1};
	uint32_t	length;
	static const struct
	{
		size_t		at;
		RaftDecodeResult result;
	}			cases[] = {
		{12, RAFT_DECODE_VERSION}, {108, RAFT_DECODE_VERSION}, {32, RAFT_DECODE_MALFORMED},
		{40, RAFT_DECODE_MALFORMED}
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		raft_eventlog_header(bytes, &header);
		bytes[cases[i].at] ^= 1;
		put_u32(bytes + 8, raft_host_crc32c(0, bytes + 12, RAFT_EVENTLOG_HEADER - 12));
		lab_check(lab, raft_eventlog_header_decode(bytes, sizeof(bytes), &back) == cases[i].result,
				  "a header with another byte at %zu is taken", cases[i].at);
	}

	raft_eventlog_event(record, &event, NULL, 0);
	raft_eventlog_finish(record, sizeof(record), RAFT_MAX_ACTIONS + 1, NULL);
	lab_check(lab, raft_eventlog_decode(record, sizeof(record), &decoded, &length) ==
			  RAFT_DECODE_MALFORMED, "more answers than there can be");
	put_u32(record, RAFT_EVENTLOG_RECORD - 1);
	put_u32(record + 4, raft_host_crc32c(0, record, 4));
	lab_check(lab, raft_eventlog_decode(record, sizeof(record), &decoded, &length) ==
			  RAFT_DECODE_LENGTH, "a record that is less than its head");

	/* what there is not takes no room and changes no digest */
	actions.item[0].type = (RaftActionType) 99;
	event.type = (RaftEventType) 99;
	lab_check(lab, raft_eventlog_event_size(&event, 0) == RAFT_EVENTLOG_RECORD, "an unknown event");
	raft_eventlog_event(record, &event, NULL, 0);
	raft_eventlog_digest(0, &event, &actions);
}

/* What a core can not begin with stops it at once; and the host is told which core it was. */
static void
core_boundary(Lab *lab)
{
	RaftConfig	config = {.index = 1, .identified = true, .n_members = 1, .members = {{1, RAFT_MEMBER_VOTER}}};
	RaftRun		run = {.first = 1, .term = 1};
	RaftBoot	boot = {
		.term = 1, .first = 1, .last = 1, .commit = 1, .applied = 1, .runs = &run, .n_runs = 1,
		.configs = &config, .n_configs = 1
	};
	Solo		solo = solo_boot_from(lab, &boot);
	const RaftAction *role = solo_action(&solo, RAFT_ACTION_ROLE);
	RaftEvent	event = {.type = RAFT_EVENT_BOOT, .now = 1, .u.boot = &boot};
	RaftInit	init = {.self = 1, .boot = 1, .settings = solo.core->settings};

	lab_check(lab, role != NULL && role->u.role.from == RAFT_FOLLOWER && role->u.role.to == RAFT_FOLLOWER &&
			  role->u.role.term == 1 && role->u.role.leader == 0, "the boot does not tell the role");
	expect_stop(lab, raft_core_init(solo.core, &init), "init->batch_end != NULL");

	init.batch_end = solo_batch_end;
	init.host = &lab->nodes[1];
	event.now = 0;
	expect_stop(lab, raft_step(raft_core_init(solo.core, &init), &event), "core->now > 0");
	lab_check(lab, panicked_host == &lab->nodes[1], "the host is not told which core stops");
	event.now = 1;
	run.term = 0;
	boot.term = 0;
	expect_stop(lab, raft_step(raft_core_init(solo.core, &init), &event), "state->term > 0");
}

static uint32_t
count_sent(const Solo *solo, RaftNodeId to)
{
	uint32_t	n = 0;

	for (uint32_t i = 0; i < solo->actions->n; i++)
		n += solo->actions->item[i].type == RAFT_ACTION_SEND &&
			solo->actions->item[i].u.send.message.to == to;
	return n;
}

/* A window that opens at once is filled in several steps, one right after the other. */
static void
core_bursts(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftSettings settings = solo.core->settings;

	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	settings.max_batch_bytes = 1;
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_SETTINGS, .u.settings = &settings});
	solo_propose(&solo, 20);
	lab_check(lab, count_sent(&solo, 2) == 0, "a peer that is probed is sent more");
	solo_receive(&solo, solo_ack(2, 2, 2));
	lab_check(lab, count_sent(&solo, 2) == RAFT_MAX_BURST && solo.actions->deadline == solo.now,
			  "not a burst, or the next step is not to come at once");
	solo_tick(&solo);
	lab_check(lab, count_sent(&solo, 2) == settings.max_inflight - RAFT_MAX_BURST &&
			  solo.status.peers[0].inflight == settings.max_inflight, "the window is not filled");
	lab_check(lab, solo.actions->deadline > solo.now, "a step is to come for nothing");
}

/* Each entry depends on the newest write that holds any of those up to it. */
static void
core_op_of_an_entry(Lab *lab)
{
	const RaftTerm terms[] = {5, 5};
	Solo		solo = solo_boot(lab, 3, 5, 0, terms, 1);

	solo_receive(&solo, solo_append(5, 2, 5, 1, terms, 2));
	solo_receive(&solo, solo_append(5, 4, 5, 1, terms, 1));
	lab_check(lab, writes_op_of(solo.core, 2) == 0 && writes_op_of(solo.core, 3) == 1 &&
			  writes_op_of(solo.core, 4) == 1 && writes_op_of(solo.core, 5) == 2, "another op");
	solo_durable(&solo);
	lab_check(lab, writes_op_of(solo.core, 5) == 2, "what made it durable is forgotten");
}

/* A peer that has to be probed and has no room gets heartbeats. */
static void
core_probe_without_room(Lab *lab)
{
	const RaftTerm terms[] = {1, 1};
	Solo		solo = solo_boot(lab, 3, 1, 0, terms, 2);
	RaftMessage refusal = solo_ack(2, 2, 2);

	solo_become_leader(&solo, 1, 3);
	refusal.granted = false;
	refusal.floor = 0;
	refusal.room = 0;
	refusal.log_term = 0;
	refusal.rejected = 3;
	refusal.round = solo_must_send(&solo, RAFT_MSG_APPEND, 2)->round;
	solo_receive(&solo, refusal);
	lab_check(lab, solo.status.peers[0].state == RAFT_PROBE && solo_sent(&solo, RAFT_MSG_APPEND, 2) == NULL,
			  "it is sent entries");
	solo_tick(&solo);
	lab_check(lab, solo_must_send(&solo, RAFT_MSG_APPEND, 2)->n_entries == 0, "not a heartbeat");
}

/* A trail against a plain list of terms. */
static void
core_trail(Lab *lab)
{
	static RaftTrail trail;
	RaftTerm	terms[300] = {0};	/* by index; 0 = none */
	RaftIndex	first = 1,
				last = 0;
	RaftTerm	term = 1;
	Rng		   *rng = &lab->rng_test;

	trail_init(&trail, NULL, 1, 0);
	for (int step = 0; step < 200; step++)
	{
		uint32_t	count = (uint32_t) rng_between(rng, 1, 4);
		RaftIndex	asked = rng_below(rng, lengthof(terms));
		RaftTerm	limit = rng_below(rng, term + 2);
		RaftIndex	expected = raft_min(asked, last);

		switch (rng_below(rng, 4))
		{
			case 0:
			case 1:
				if (last + count >= lengthof(terms))
					break;
				if (trail_can_begin_term(&trail))
					term += rng_below(rng, 2);
				trail_append(&trail, term, count);
				while (count-- > 0)
					terms[++last] = term;
				break;
			case 2:
				if (last < first)
					break;
				count = (uint32_t) raft_min(count, last + 1 - first);
				trail_truncate(&trail, last + 1 - count);
				while (count-- > 0)
					terms[last--] = 0;
				break;
			case 3:
				if (last < first || rng_percent(rng, 80))
					break;
				first = rng_between(rng, first, last) + 1;
				trail_compact(&trail, first - 1);
				break;
		}
		term = raft_max(term, terms[last]);
		for (RaftIndex i = 0; i < lengthof(terms); i++)
			lab_check(lab, trail_term_at(&trail, i) == (i + 1 < first ? 0 : terms[i]),
					  "entry %llu of %llu..%llu has the wrong term", (unsigned long long) i,
					  (unsigned long long) first, (unsigned long long) last);

		expected = raft_min(asked, last);
		while (expected >= first && terms[expected] > limit)
			expected--;
		expected = expected < first ? raft_min(asked, first - 1) : expected;
		lab_check(lab, trail_last_not_above(&trail, asked, limit) == expected,
				  "wrong place to agree with (%llu, %llu)", (unsigned long long) asked,
				  (unsigned long long) limit);
	}
}

/* Only the changes of convert.c's picture are possible. */
static void
core_roles(Lab *lab)
{
	Solo		follower = solo_boot(lab, 3, 1, 0, NULL, 0);
	Solo		candidate = solo_boot(lab, 3, 1, 0, NULL, 0);
	Solo		leader = solo_boot(lab, 3, 1, 0, NULL, 0);
	Solo		asking = solo_boot(lab, 3, 1, 0, NULL, 0);
	const char *words = "is_legal";

	solo_begin_prevote(&asking);
	solo_begin_vote(&candidate, 1, 3);
	solo_become_leader(&leader, 1, 3);

	expect_stop(lab, convert_to(follower.core, RAFT_FOLLOWER, 1, 1), words);	/* of itself */
	expect_stop(lab, convert_to(leader.core, RAFT_PRECANDIDATE, 2, 0), words);
	expect_stop(lab, convert_to(follower.core, RAFT_PRECANDIDATE, 2, 0), words);
	expect_stop(lab, convert_to(follower.core, RAFT_PRECANDIDATE, 1, 2), words);
	expect_stop(lab, convert_to(follower.core, RAFT_CANDIDATE, 2, 0), words);	/* without a pre-vote */
	expect_stop(lab, convert_to(asking.core, RAFT_CANDIDATE, 3, 0), words);
	expect_stop(lab, convert_to(asking.core, RAFT_CANDIDATE, 2, 2), words);
	expect_stop(lab, convert_to(follower.core, RAFT_LEADER, 1, 1), words);
	expect_stop(lab, convert_to(candidate.core, RAFT_LEADER, 3, 1), words);
	expect_stop(lab, convert_to(candidate.core, RAFT_LEADER, 2, 2), words);
	expect_stop(lab, convert_to(follower.core, (RaftRole) 99, 1, 0), words);
	expect_stop(lab, convert_to(candidate.core, RAFT_FOLLOWER, 1, 0), "term >= core->term");

	candidate.core->vote = 3;
	expect_stop(lab, convert_to(candidate.core, RAFT_LEADER, 2, 1), words);
}

/* -------------------------------------------------------- configurations */

/* A configuration entry of members with these flags, ids from 1. */
static RaftEntry
config_entry(RaftTerm term, const uint8_t *flags, uint32_t n)
{
	RaftMember	members[RAFT_MAX_MEMBERS];

	for (uint32_t i = 0; i < n; i++)
		members[i] = (RaftMember) {.id = i + 1, .flags = flags[i]};
	return solo_config(term, members, n, 1);
}

static void
receive_entries(Solo *solo, RaftTerm term, RaftIndex previous, RaftTerm previous_term,
				RaftIndex commit, const RaftEntry *entries, uint32_t n)
{
	RaftMessage message = solo_append(term, previous, previous_term, commit, NULL, 0);

	message.entries = entries;
	message.n_entries = n;
	solo_receive(solo, message);
	solo_durable(solo);
}

/* A configuration acts when it is appended, and is undone when it is truncated (§6). */
static void
core_configurations(Lab *lab)
{
	static const uint8_t voters[] = {
		RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER
	};
	Solo		solo = solo_boot(lab, 3, 2, 0, NULL, 0);
	RaftEntry	entries[RAFT_MAX_CONFIGS + 1];

	for (uint32_t i = 0; i < lengthof(entries); i++)
		entries[i] = config_entry(2, voters, 2 + i % 4);

	/* with the one at index 1 there is room for all but one of them and itself */
	receive_entries(&solo, 2, 1, 1, 1, entries, RAFT_MAX_CONFIGS + 1);
	lab_check(lab, solo.status.last == RAFT_MAX_CONFIGS, "%llu configurations are kept",
			  (unsigned long long) solo.status.last);
	lab_check(lab, solo.status.config->index == solo.status.last &&
			  solo.status.config->n_members == 4, "the newest one does not act");

	/* a new leader overwrites the last two */
	receive_entries(&solo, 3, 2, 2, 1, &(RaftEntry) {.term = 3, .kind = RAFT_ENTRY_NOOP}, 1);
	lab_check(lab, solo.status.last == 3 && solo.status.config->index == 2 &&
			  solo.status.config->n_members == 2, "a truncated configuration acts");

	/* once committed, older ones need no room */
	for (RaftIndex i = 3; i < 10; i++)
	{
		entries[0] = config_entry(3, voters, 2 + i % 4);
		receive_entries(&solo, 3, i, 3, i, entries, 1);
		lab_check(lab, solo.status.config->index == i + 1, "configuration %llu does not act",
				  (unsigned long long) (i + 1));
	}
}

/* What does not decode is not taken, nor what follows; what conflicts goes all the same. */
static void
core_undecodable_configuration(Lab *lab)
{
	const RaftTerm terms[] = {2, 2};
	Solo		solo = solo_boot(lab, 3, 2, 0, terms, 2);
	RaftEntry	entries[] = {
		{.term = 3, .kind = RAFT_ENTRY_CONFIG, .data = (const uint8_t *) "?", .size = 1},
		{.term = 3, .kind = RAFT_ENTRY_COMMAND}
	};

	receive_entries(&solo, 3, 2, 2, 1, entries, 2);
	lab_check(lab, solo.status.last == 2 && solo.status.verified == 2, "the log ends at %llu",
			  (unsigned long long) solo.status.last);
}

/* Learners neither vote nor are they asked; who has no vote does not campaign. */
static void
core_learners(Lab *lab)
{
	RaftRun		run = {.first = 1, .term = 1};
	RaftConfig	config = {.index = 1, .identified = true, .n_members = 4};
	RaftBoot	boot = {
		.term = 1, .first = 1, .last = 1, .commit = 1, .applied = 1, .runs = &run, .n_runs = 1,
		.configs = &config, .n_configs = 1
	};
	Solo		solo;
	uint64_t	round;

	for (uint32_t i = 0; i < 4; i++)
		config.members[i] = (RaftMember) {
			.id = i + 1, .flags = i == 1 ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER
		};
	solo = solo_boot_from(lab, &boot);
	round = solo_begin_prevote(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_PREVOTE, 2) == NULL, "a learner is asked");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 1, round, true));
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "a learner's vote counts");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 99, 1, round, true));
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "a stranger's vote counts");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 3, 1, round, true));
	lab_check(lab, solo.status.role == RAFT_CANDIDATE, "a voter's vote does not count");

	config.members[0].flags = RAFT_MEMBER_LEARNER;
	solo = solo_boot_from(lab, &boot);
	solo_tick(&solo);
	lab_check(lab, solo.status.role == RAFT_FOLLOWER && solo.actions->n == 0, "a learner campaigns");

	/* a group of one, of which this node is not */
	config.n_members = 1;
	config.members[0] = (RaftMember) {.id = 2, .flags = RAFT_MEMBER_VOTER};
	solo = solo_boot_from(lab, &boot);
	lab_check(lab, solo.actions->deadline > solo.now, "a stranger does not wait");
	solo_tick(&solo);
	lab_check(lab, solo.status.role == RAFT_FOLLOWER, "a stranger campaigns");
}

/* A log full of term runs takes no entry of another term, and no office either. */
static void
core_full_of_terms(Lab *lab)
{
	RaftTerm   *terms = run_alloc((RAFT_MAX_RUNS - 1) * sizeof(RaftTerm));
	const RaftTerm newer[] = {RAFT_MAX_RUNS, RAFT_MAX_RUNS + 1};
	Solo		solo;

	for (uint32_t i = 0; i < RAFT_MAX_RUNS - 1; i++)
		terms[i] = 2 + i;
	solo = solo_boot(lab, 3, RAFT_MAX_RUNS + 1, 0, terms, RAFT_MAX_RUNS - 1);
	lab_check(lab, solo.status.n_runs == RAFT_MAX_RUNS && solo.status.runs_full, "%u runs", solo.status.n_runs);
	solo_receive(&solo, solo_append(RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS, RAFT_MAX_RUNS, 1, newer, 2));
	solo_durable(&solo);
	lab_check(lab, solo.status.last == RAFT_MAX_RUNS + 1 && solo.status.n_runs == RAFT_MAX_RUNS,
			  "one entry of the last run's term fits, the log ends at %llu",
			  (unsigned long long) solo.status.last);
	solo_receive(&solo, solo_append(RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS, 1, newer + 1, 1));
	lab_check(lab, solo.status.last == RAFT_MAX_RUNS + 1 &&
			  solo_must_send(&solo, RAFT_MSG_APPEND_REPLY, 2)->log_index == RAFT_MAX_RUNS + 1,
			  "what was not taken is acknowledged");
	lab_check(lab, solo_must_send(&solo, RAFT_MSG_APPEND_REPLY, 2)->room == 0, "the leader is told to go on");
	solo_receive(&solo, solo_append(RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS, 2, NULL, 0));
	lab_check(lab, solo_must_send(&solo, RAFT_MSG_APPEND_REPLY, 2)->room == RAFT_ROOM_ENOUGH,
			  "a commit is no reason to try again");
	solo_receive(&solo, solo_append(RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS, 1, newer + 1, 1));
	lab_check(lab, solo_must_send(&solo, RAFT_MSG_APPEND_REPLY, 2)->room == 0, "the leader is told to go on");
	solo_tick(&solo);
	lab_check(lab, solo.status.role == RAFT_FOLLOWER, "it campaigns without room for a term");

	/* compaction makes room, for the leader and for a campaign */
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_APPLIED, .u.applied = {2, 2}});
	solo.core->floor = 2;
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_COMPACTED, .u.compacted = 2});
	solo_receive(&solo, solo_append(RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS + 1, RAFT_MAX_RUNS, 1, newer + 1, 1));
	solo_durable(&solo);
	lab_check(lab, solo.status.last == RAFT_MAX_RUNS + 2 &&
			  solo_must_send(&solo, RAFT_MSG_APPEND_REPLY, 2)->log_index == RAFT_MAX_RUNS + 2,
			  "compaction makes no room for a term");
	lab_check(lab, !solo.status.runs_full, "there is room for one more");
}

/* What the leader may send after an answer that waited for the disk. */
static uint64_t
answered_room(Solo *solo)
{
	const RaftMessage *reply = solo_sent(solo, RAFT_MSG_APPEND_REPLY, 2);

	if (reply == NULL)
	{
		solo_durable(solo);
		reply = solo_sent(solo, RAFT_MSG_APPEND_REPLY, 2);
	}
	lab_check(solo->lab, reply != NULL, "an append is not answered");
	return reply->room;
}

/*
 * Received entries take no more than the room that the host names, and what a
 * truncation frees; the answer tells what is left.
 */
static void
core_room_for_entries(Lab *lab)
{
	const RaftTerm terms[] = {2, 2, 2, 2};
	const RaftTerm newer[] = {3, 3, 3, 3, 3, 3};
	Solo		solo = solo_boot(lab, 3, 2, 0, NULL, 0);

	/* records without data */
	solo.room = 2 * RAFT_RECORD_HEADER + 20;
	solo_receive(&solo, solo_append(2, 1, 1, 1, terms, 4));
	lab_check(lab, solo.status.last == 3, "room for two entries, the log ends at %llu",
			  (unsigned long long) solo.status.last);
	lab_check(lab, answered_room(&solo) == 20, "another room is told");

	/* entries that stand here need none */
	solo.room = 20;
	solo_receive(&solo, solo_append(2, 1, 1, 1, terms, 2));
	lab_check(lab, solo.status.last == 3 && answered_room(&solo) == 20, "what is here takes room");
	solo_receive(&solo, solo_append(2, 3, 2, 1, terms, 1));
	lab_check(lab, solo.status.last == 3 && answered_room(&solo) == 20, "an entry without room is taken");
	solo_receive(&solo, solo_append(2, 9, 2, 1, NULL, 0));
	lab_check(lab, answered_room(&solo) == 20, "a rejection tells another room");

	/* what may still give way to the leader's entries is not counted before they are here .. */
	solo.room = 0;
	solo_receive(&solo, solo_append(3, 1, 1, 1, NULL, 0));
	lab_check(lab, answered_room(&solo) == RAFT_ROOM_ENOUGH, "entries that may be in conflict are no room");
	solo_receive(&solo, solo_append(3, 9, 3, 1, NULL, 0));
	lab_check(lab, answered_room(&solo) == 0, "a rejection at the log's end tells of room");
	solo_receive(&solo, solo_append(3, 2, 3, 1, NULL, 0));
	lab_check(lab, answered_room(&solo) == RAFT_ROOM_ENOUGH, "a rejection within the log is no room");

	/* .. and is room then: two entries of solo_batch_end()'s 60 bytes */
	solo.room = RAFT_RECORD_HEADER;
	solo_receive(&solo, solo_append(3, 1, 1, 1, newer, 6));
	lab_check(lab, solo.status.last == 4, "with the room of what gave way the log ends at %llu",
			  (unsigned long long) solo.status.last);
	lab_check(lab, answered_room(&solo) == 2 * 60 - 2 * RAFT_RECORD_HEADER, "another room is told");
}

/* No room for term runs or configurations: nothing is sent until there is. */
static void
core_blocked_by_configurations(Lab *lab)
{
	static const uint8_t voters[] = {
		RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER
	};
	Solo		solo = solo_boot(lab, 3, 2, 0, NULL, 0);
	RaftEntry	entries[RAFT_MAX_CONFIGS];

	for (uint32_t i = 0; i < lengthof(entries); i++)
		entries[i] = config_entry(2, voters, 3);
	receive_entries(&solo, 2, 1, 1, 1, entries, RAFT_MAX_CONFIGS);
	lab_check(lab, answered_room(&solo) == 0, "the leader is told to go on");
	solo_receive(&solo, solo_append(2, RAFT_MAX_CONFIGS, 2, 1, NULL, 0));
	lab_check(lab, answered_room(&solo) == 0, "a heartbeat is told to go on");
	solo_receive(&solo, solo_append(2, RAFT_MAX_CONFIGS, 2, 2, NULL, 0));
	lab_check(lab, answered_room(&solo) == RAFT_ROOM_ENOUGH, "a commit makes no room");

	/* the next leader has other entries */
	receive_entries(&solo, 2, RAFT_MAX_CONFIGS, 2, 2, entries, RAFT_MAX_CONFIGS);
	lab_check(lab, answered_room(&solo) == 0, "the leader is told to go on");
	solo_receive(&solo, solo_append(3, solo.status.last, 2, 2, NULL, 0));
	lab_check(lab, answered_room(&solo) == RAFT_ROOM_ENOUGH, "a new leader is told to wait");
}

/* --------------------------------------------- messages and events amiss */

/* Messages that no member of the group sends to this node. */
static void
core_strange_messages(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftMessage message = solo_append(5, 1, 1, 1, NULL, 0);
	RaftEvent	event = {.type = RAFT_EVENT_RECEIVE, .u.receive.message = &message};

	message.boot = 1;
	message.to = 2;
	solo_step(&solo, event);
	message.to = 1;
	message.from = 1;
	solo_step(&solo, event);
	message.from = 0;
	solo_step(&solo, event);
	lab_check(lab, solo.status.term == 1 && solo.actions->n == 0, "a message for nobody is heard");

	/* a type that there is not says nothing but its term */
	for (RaftTerm term = 4; term > 0; term -= 2)
	{
		message = (RaftMessage) {.type = (RaftMessageType) 99, .from = 2, .to = 1, .term = term};
		solo_step(&solo, event);
		solo_step(&solo, event);
		lab_check(lab, solo.status.term == 4 && solo_sent(&solo, (RaftMessageType) 99, 0) == NULL,
				  "an unknown message is answered");
	}
	solo_step(&solo, (RaftEvent) {.type = (RaftEventType) 99});
	lab_check(lab, solo.actions->n == 0, "an unknown event does something");
}

/* Two leaders in one term cannot be: who comes second is a stranger. */
static void
core_second_leader(Lab *lab)
{
	Solo		follower = solo_boot(lab, 3, 2, 0, NULL, 0);
	Solo		leader = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftMessage message = solo_append(2, 1, 1, 1, NULL, 0);

	solo_receive(&follower, message);
	message.from = 3;
	solo_receive(&follower, message);
	lab_check(lab, follower.status.leader == 2 && follower.actions->n == 0, "a second leader is followed");

	solo_become_leader(&leader, 1, 3);
	solo_receive(&leader, message);
	lab_check(lab, leader.status.role == RAFT_LEADER && leader.actions->n == 0,
			  "a leader follows another one of its term");
	solo_receive(&leader, solo_ack(99, 2, 2));
	lab_check(lab, leader.status.commit == 1, "a stranger's acknowledgement counts");
	solo_step(&leader, (RaftEvent) {.type = RAFT_EVENT_PEER_UNREACHABLE, .u.peer = 99});
	lab_check(lab, leader.actions->n == 0, "a stranger is out of reach");
}

/* A vote of this term, but of no campaign that is under way. */
static void
core_vote_of_no_campaign(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	uint64_t	round = solo_begin_vote(&solo, 1, 3);

	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 2, round - 1, true));
	lab_check(lab, solo.status.role == RAFT_CANDIDATE, "a vote of another campaign counts");
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, 2, 2, round, false));
	lab_check(lab, solo.status.role == RAFT_CANDIDATE, "a refusal counts");
}

/* Hosts that say a thing twice, or what is known already. */
static void
core_repeated_reports(Lab *lab)
{
	const RaftTerm terms[] = {1, 1, 1};
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftInit	init = {.self = 1, .boot = 1, .settings = lab->settings.core, .batch_end = solo_batch_end};
	RaftStatus	status;
	uint64_t	round;

	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_PEER_UNREACHABLE, .u.peer = 0});
	lab_check(lab, solo.actions->n == 0, "nobody is unreachable");

	solo_receive(&solo, solo_append(1, 1, 1, 4, terms, 3));
	solo_durable(&solo);
	solo_durable(&solo);
	lab_check(lab, solo.actions->n == 0 && solo.status.durable == 4, "durable twice");
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_APPLIED, .u.applied = {4, 4}});
	solo.core->floor = 3;
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_COMPACTED, .u.compacted = 3});
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_COMPACTED, .u.compacted = 2});
	lab_check(lab, solo.status.first == 4, "compacted twice, the log begins at %llu",
			  (unsigned long long) solo.status.first);

	/* an append from before that point, a part of which is compacted here */
	solo_receive(&solo, solo_append(1, 1, 1, 4, terms, 3));
	lab_check(lab, solo.status.last == 4 && solo.status.verified == 4, "a compacted entry conflicts");

	/* the vote request leaves once, and not before the op that has the vote */
	solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	solo_receive(&solo, solo_append(1, 1, 1, 1, terms, 3));
	round = solo_begin_prevote(&solo);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 1, round, true));
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_WRITE_DURABLE, .u.op = solo.written - 1});
	lab_check(lab, solo_sent(&solo, RAFT_MSG_VOTE, 0) == NULL, "a request before its vote is durable");
	solo_durable(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_VOTE, 0) != NULL, "no request");
	solo_durable(&solo);
	lab_check(lab, solo.actions->n == 0, "a request twice");

	if (init.settings.heartbeat_interval == 0)
		init.settings = solo.core->settings;
	raft_core_status(raft_core_init(run_alloc(raft_core_size()), &init), &status);
	lab_check(lab, status.config == NULL, "a configuration before the boot");
}

/* A vote that waits for the disk is void when the term has moved on meanwhile. */
static void
core_overtaken_vote(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);

	solo_receive(&solo, solo_vote_request(2, 2, 1, 1));
	solo_receive(&solo, solo_vote_request(3, 3, 1, 1));
	solo_durable(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_VOTE_REPLY, 2) == NULL, "a vote of an older term leaves");
	lab_check(lab, solo_sent(&solo, RAFT_MSG_VOTE_REPLY, 3) != NULL, "the vote of this term does not");
}

/* More answers wait for the disk than there is room for: the rest is lost, and asked for again. */
static void
core_many_held_answers(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	uint32_t	answers = 0;

	for (int i = 0; i < RAFT_MAX_HELD + 5; i++)
		solo_receive(&solo, solo_vote_request(2, 2, 1, 1));
	solo_durable(&solo);
	for (uint32_t i = 0; i < solo.actions->n; i++)
		answers += solo.actions->item[i].type == RAFT_ACTION_SEND;
	lab_check(lab, answers == RAFT_MAX_HELD, "%u answers leave", answers);
}

/*
 * A connection to the leader that breaks: another one may be followed, and soon, but not
 * before the leader has been silent for two heartbeats.
 */
static void
core_leader_unreachable(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 2, 0, NULL, 0);
	RaftMessage prevote = solo_vote_request(3, 2, 1, 1);

	prevote.type = RAFT_MSG_PREVOTE;
	solo_receive(&solo, solo_append(2, 1, 1, 1, NULL, 0));
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_TICK});	/* early: nothing happens */
	lab_check(lab, solo.status.role == RAFT_FOLLOWER && solo.actions->n == 0, "an early tick");
	solo_receive(&solo, prevote);
	lab_check(lab, !solo_must_send(&solo, RAFT_MSG_PREVOTE_REPLY, 3)->granted, "the leader is alive");
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_PEER_UNREACHABLE, .u.peer = 2});
	lab_check(lab, solo.actions->deadline > solo.now + 200 * MS &&
			  solo.actions->deadline <= solo.now + 300 * MS, "no election after two heartbeats");
	solo.now += 199 * MS;
	solo_receive(&solo, prevote);
	lab_check(lab, !solo_must_send(&solo, RAFT_MSG_PREVOTE_REPLY, 3)->granted,
			  "a broken connection makes this node forget its leader");
	solo.now += 1 * MS;
	solo_receive(&solo, prevote);
	lab_check(lab, solo_must_send(&solo, RAFT_MSG_PREVOTE_REPLY, 3)->granted, "a leader out of reach is alive");

	/* it is heard all the same: nothing has happened */
	solo_receive(&solo, solo_append(2, 1, 1, 1, NULL, 0));
	lab_check(lab, solo.actions->deadline >= solo.now + SOLO_TIMEOUT, "an election against a living leader");
	solo.now += 250 * MS;
	solo_receive(&solo, prevote);
	lab_check(lab, !solo_must_send(&solo, RAFT_MSG_PREVOTE_REPLY, 3)->granted, "a leader that was heard is not alive");
}

/* A campaign that was refused is repeated soon, three times, and once for all refusals. */
static void
core_refused_campaigns(Lab *lab)
{
	Solo		solo = solo_boot(lab, 5, 1, 0, NULL, 0);
	uint64_t	round;
	RaftTime	deadline;

	for (int i = 0; i < 4; i++)
	{
		round = i == 0 ? solo_begin_vote(&solo, 1, 5) : solo_begin_prevote(&solo);
		solo_receive(&solo, solo_vote_reply(i == 0 ? RAFT_MSG_VOTE_REPLY : RAFT_MSG_PREVOTE_REPLY, 2,
											2, round, false));
		deadline = solo.actions->deadline;
		if (i < 3)
			lab_check(lab, deadline >= solo.now + 100 * MS &&
					  deadline <= solo.now + 100 * MS + SOLO_TIMEOUT / 2, "refusal %d", i);
		else
			lab_check(lab, deadline >= solo.now + SOLO_TIMEOUT, "it asks without end");
		solo_receive(&solo, solo_vote_reply(i == 0 ? RAFT_MSG_VOTE_REPLY : RAFT_MSG_PREVOTE_REPLY, 3,
											2, round, false));
		lab_check(lab, solo.actions->deadline == deadline, "a second refusal moves the timer");
	}

	/* a leader was heard in between */
	solo_receive(&solo, solo_append(2, 1, 1, 1, NULL, 0));
	round = solo_begin_prevote(&solo);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 2, 2, round, false));
	lab_check(lab, solo.actions->deadline <= solo.now + 100 * MS + SOLO_TIMEOUT / 2, "a first refusal");
}

/*
 * More writes are under way than there is room for: those that share a place are durable
 * with the youngest of them, never with an older one.
 */
static void
core_many_writes(Lab *lab)
{
	const RaftTerm terms[] = {1};
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	const uint32_t n = RAFT_MAX_PENDING + 3;
	RaftIndex	last = 1;

	for (uint32_t i = 1; i <= n; i++)
		solo_receive(&solo, solo_append(1, i, 1, 1, terms, 1));
	for (RaftOp op = 1; op <= n; op++)
	{
		const RaftMessage *reply;

		solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_WRITE_DURABLE, .u.op = op});
		reply = solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2);
		lab_check(lab, solo.status.durable <= 1 + op && solo.status.durable >= last,
				  "after write %llu of %u the log is durable up to %llu", (unsigned long long) op, n,
				  (unsigned long long) solo.status.durable);
		lab_check(lab, reply != NULL && reply->log_index <= 1 + op, "what is not durable is acknowledged");
		last = solo.status.durable;
	}
	lab_check(lab, last == 1 + n, "what is durable is not known to be");
}

/* The oldest entry of a compacted log is compared as any other. */
static void
core_first_after_compaction(Lab *lab)
{
	Solo		solo = solo_boot_compacted(lab);

	solo_receive(&solo, solo_append(4, 5, 3, 4, NULL, 0));
	solo_durable(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2) != NULL &&
			  !solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 2)->granted, "another entry is taken for the same");
	lab_check(lab, solo.status.verified == 0, "another entry is taken for confirmed");
	solo_receive(&solo, solo_append(4, 4, 2, 4, (RaftTerm[]) {3}, 1));
	lab_check(lab, solo.status.last == 5 && raft_core_term_at(solo.core, 5) == 3, "it does not give way");
}

/* --------------------------------------------------------------- leaders */

/* Proposals of one event that are more than one message holds. */
static void
core_batch_of_one_step(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftSettings settings = solo.core->settings;

	settings.max_batch_bytes = 150;	/* two entries of 60 bytes */
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_SETTINGS, .u.settings = &settings});
	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo_propose(&solo, 5);
	for (uint32_t i = 0, entries = 0; i < solo.actions->n; i++)
	{
		const RaftMessage *message = &solo.actions->item[i].u.send.message;

		if (solo.actions->item[i].type != RAFT_ACTION_SEND || message->to != 2)
			continue;
		entries += message->n_entries;
		lab_check(lab, message->n_entries == (entries == 5 ? 1 : 2), "%u entries in one message",
				  message->n_entries);
	}
}

/* A window is full when its bytes are, whatever its messages. */
static void
core_window_of_bytes(Lab *lab)
{
	Solo		solo = solo_boot(lab, 3, 1, 0, NULL, 0);
	RaftSettings settings = solo.core->settings;
	uint32_t	appends = 0;

	settings.max_inflight_bytes = 150;	/* the third entry of 60 bytes fills it */
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_SETTINGS, .u.settings = &settings});
	solo_become_leader(&solo, 1, 3);
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 2));
	for (int i = 0; i < 8; i++)
	{
		solo_propose(&solo, 1);
		appends += solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL;
	}
	lab_check(lab, appends == 3, "%u appends are under way", appends);
}

/* A peer whose log was lost cannot be brought up from a compacted one. */
static void
core_compacted_below_a_peer(Lab *lab)
{
	Solo		solo = solo_boot_compacted(lab);

	solo_become_leader(&solo, 2, 2);
	solo_durable(&solo);
	solo_receive(&solo, solo_rejection(2, 3, 0, 6));
	lab_check(lab, solo.status.peers[0].next == 1 && solo_sent(&solo, RAFT_MSG_APPEND, 0) == NULL,
			  "entries that are gone are sent");
	solo_tick(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL &&
			  solo_must_send(&solo, RAFT_MSG_APPEND, 2)->log_index == 4, "no heartbeat at the log's begin");
}

/* Answers that fit to nothing that was sent lead nowhere. */
static void
core_odd_answers(Lab *lab)
{
	const RaftTerm terms[] = {2, 2, 2, 2};
	Solo		solo = solo_boot(lab, 3, 2, 0, terms, 4);
	RaftIndex	next;

	solo_become_leader(&solo, 2, 3);
	solo_durable(&solo);
	next = solo.status.peers[0].next;

	/* it has less than what it was asked to follow: probing goes on */
	solo_receive(&solo, solo_ack(2, 3, 2));
	lab_check(lab, solo.status.peers[0].state == RAFT_PROBE && solo.status.peers[0].match == 2,
			  "an answer below the probe ends the probing");

	/* it refuses what it was not sent */
	solo_receive(&solo, solo_rejection(2, 3, 2, next + 10));
	lab_check(lab, solo.status.peers[0].next == next, "next follows a refusal of nothing");
	solo_receive(&solo, solo_rejection(2, 3, 2, 0));
	lab_check(lab, !solo.status.peers[0].lost && solo.status.peers[0].next == next,
			  "a refusal of the beginning of every log means something");
}

const LabTest core_tests[] = {
	{"core_names", "unit", 0, 1, core_names},
	{"core_recording_domain", "unit", 0, 1, core_recording_domain},
	{"core_op_of_an_entry", "unit", 0, 1, core_op_of_an_entry},
	{"core_probe_without_room", "unit", 0, 1, core_probe_without_room},
	{"core_bursts", "unit", 0, 1, core_bursts},
	{"core_boundary", "unit", 0, 1, core_boundary},
	{"core_trail", "unit", 0, 0, core_trail},
	{"core_roles", "unit", 0, 1, core_roles},
	{"core_configurations", "unit", 0, 1, core_configurations},
	{"core_undecodable_configuration", "unit", 0, 1, core_undecodable_configuration},
	{"core_learners", "unit", 0, 5, core_learners},
	{"core_full_of_terms", "unit", 0, 1, core_full_of_terms},
	{"core_room_for_entries", "unit", 0, 1, core_room_for_entries},
	{"core_blocked_by_configurations", "unit", 0, 1, core_blocked_by_configurations},
	{"core_strange_messages", "unit", 0, 1, core_strange_messages},
	{"core_second_leader", "unit", 0, 1, core_second_leader},
	{"core_vote_of_no_campaign", "unit", 0, 1, core_vote_of_no_campaign},
	{"core_repeated_reports", "unit", 0, 1, core_repeated_reports},
	{"core_overtaken_vote", "unit", 0, 1, core_overtaken_vote},
	{"core_many_held_answers", "unit", 0, 1, core_many_held_answers},
	{"core_leader_unreachable", "unit", 0, 1, core_leader_unreachable},
	{"core_many_writes", "unit", 0, 1, core_many_writes},
	{"core_first_after_compaction", "unit", 0, 1, core_first_after_compaction},
	{"core_refused_campaigns", "unit", 0, 5, core_refused_campaigns},
	{"core_batch_of_one_step", "unit", 0, 1, core_batch_of_one_step},
	{"core_window_of_bytes", "unit", 0, 1, core_window_of_bytes},
	{"core_compacted_below_a_peer", "unit", 0, 1, core_compacted_below_a_peer},
	{"core_odd_answers", "unit", 0, 1, core_odd_answers},
	{0}
};
