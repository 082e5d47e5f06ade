/*-------------------------------------------------------------------------
 *
 * solo.c
 *	  One core with hand-made messages.
 *
 * Each helper is one step of the core, or a message for one.
 *
 *-------------------------------------------------------------------------
 */
#include "solo.h"

#define ENTRY_BYTES		(RAFT_RECORD_HEADER + 8)


RaftIndex
solo_batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	RaftIndex	n = max_bytes / ENTRY_BYTES;

	(void) arg;
	if (n < 1)
		n = 1;
	if (n > last + 1 - first)
		n = last + 1 - first;
	*bytes = (uint32_t) n * ENTRY_BYTES;
	return first + n - 1;
}

void
solo_step(Solo *solo, RaftEvent event)
{
	event.now = solo->now;
	solo->actions = raft_step(solo->core, &event);
	for (uint32_t i = 0; i < solo->actions->n; i++)
		if (solo->actions->item[i].type == RAFT_ACTION_WRITE)
			solo->written = solo->actions->item[i].u.write.op;
	raft_core_status(solo->core, &solo->status);
}

/* Node 1, with what was durable. */
Solo
solo_boot_from(Lab *lab, const RaftBoot *boot)
{
	Solo		solo = {.lab = lab, .now = 10 * T, .room = RAFT_ROOM_ENOUGH};
	RaftInit	init = {
		.self = 1, .boot = 1, .seed = rng_next(&lab->rng_test), .batch_end = solo_batch_end,
		.settings = {
			.heartbeat_interval = 100 * MS, .election_timeout = SOLO_TIMEOUT, .commit_notice = 10 * MS,
			.max_batch_bytes = 64 * 1024, .max_inflight = 8, .max_inflight_bytes = 1024 * 1024
		}
	};

	solo.core = raft_core_init(run_alloc(raft_core_size()), &init);
	solo_step(&solo, (RaftEvent) {.type = RAFT_EVENT_BOOT, .u.boot = boot});
	return solo;
}

/* Node 1 of n voters, with the terms of its entries from index 2 on. */
Solo
solo_boot(Lab *lab, uint32_t n, RaftTerm term, RaftNodeId vote, const RaftTerm *terms, uint32_t n_terms)
{
	RaftConfig	config = {.index = 1, .identified = true, .n_members = n};
	RaftRun    *runs = run_alloc((n_terms + 1) * sizeof(RaftRun));
	RaftBoot	boot = {
		.term = term, .vote = vote, .first = 1, .last = 1 + n_terms, .commit = 1, .applied = 1,
		.runs = runs, .n_runs = 1, .configs = &config, .n_configs = 1
	};

	for (uint32_t i = 0; i < n; i++)
		config.members[i] = (RaftMember) {.id = i + 1, .flags = RAFT_MEMBER_VOTER};
	runs[0] = (RaftRun) {.first = 1, .term = 1};
	for (uint32_t i = 0; i < n_terms; i++)
		if (runs[boot.n_runs - 1].term != terms[i])
			runs[boot.n_runs++] = (RaftRun) {.first = 2 + i, .term = terms[i]};
	return solo_boot_from(lab, &boot);
}

Solo
solo_boot_compacted(Lab *lab)
{
	RaftRun		run = {.first = 5, .term = 2};
	RaftConfig	config = {.index = 1, .identified = true, .n_members = 2, .members = {
			{.id = 1, .flags = RAFT_MEMBER_VOTER}, {.id = 2, .flags = RAFT_MEMBER_VOTER}
		}};
	RaftBoot	boot = {
		.term = 2, .first = 5, .last = 6, .base_term = 2, .commit = 4, .applied = 4,
		.runs = &run, .n_runs = 1, .configs = &config, .n_configs = 1
	};

	return solo_boot_from(lab, &boot);
}

void
solo_receive(Solo *solo, RaftMessage message)
{
	message.to = 1;
	message.boot = 1;
	solo_step(solo, (RaftEvent) {
		.type = RAFT_EVENT_RECEIVE, .u.receive = {.message = &message, .room = solo->room}
	});
}

/* Lets time pass until the core wants its tick. */
void
solo_tick(Solo *solo)
{
	if (solo->now < solo->actions->deadline)
		solo->now = solo->actions->deadline;
	solo_step(solo, (RaftEvent) {.type = RAFT_EVENT_TICK});
}

/* All that was written is durable. */
void
solo_durable(Solo *solo)
{
	solo_step(solo, (RaftEvent) {.type = RAFT_EVENT_WRITE_DURABLE, .u.op = solo->written});
}

void
solo_propose(Solo *solo, uint32_t n)
{
	RaftEntry  *entries = run_alloc(n * sizeof(RaftEntry));
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE};

	for (uint32_t i = 0; i < n; i++)
		entries[i] = (RaftEntry) {.kind = RAFT_ENTRY_COMMAND, .size = 8, .data = run_alloc(8)};
	event.u.propose.entries = entries;
	event.u.propose.n_entries = n;
	solo_step(solo, event);
}

/* A configuration entry; the logs of its voters are known when log_id is not 0. */
RaftEntry
solo_config(RaftTerm term, const RaftMember *members, uint32_t n, uint64_t log_id)
{
	RaftMemberInfo info[RAFT_MAX_MEMBERS] = {{0}};
	uint8_t    *data = run_alloc(RAFT_MAX_CONFIG_BYTES);
	RaftEntry	entry = {.term = term, .kind = RAFT_ENTRY_CONFIG, .data = data};

	for (uint32_t i = 0; i < n; i++)
		info[i] = (RaftMemberInfo) {
			.id = members[i].id, .flags = members[i].flags, .name = "x", .name_size = 1,
			.conninfo = "", .log_id = log_id
		};
	entry.size = (uint32_t) raft_config_encode(data, RAFT_MAX_CONFIG_BYTES, info, n);
	return entry;
}

/* The last action of that type in the last step. */
const RaftAction *
solo_action(const Solo *solo, RaftActionType type)
{
	const RaftAction *found = NULL;

	for (uint32_t i = 0; i < solo->actions->n; i++)
		if (solo->actions->item[i].type == type)
			found = &solo->actions->item[i];
	return found;
}

/* The message of that type that the last step sent to a node; to 0 = to anyone. */
const RaftMessage *
solo_sent(const Solo *solo, RaftMessageType type, RaftNodeId to)
{
	for (uint32_t i = 0; i < solo->actions->n; i++)
	{
		const RaftAction *action = &solo->actions->item[i];

		if (action->type == RAFT_ACTION_SEND && action->u.send.message.type == type &&
			(to == 0 || action->u.send.message.to == to))
			return &action->u.send.message;
	}
	return NULL;
}

/* The same where there must be one: with an old bug put back there may be none. */
const RaftMessage *
solo_must_send(const Solo *solo, RaftMessageType type, RaftNodeId to)
{
	const RaftMessage *message = solo_sent(solo, type, to);

	lab_check(solo->lab, message != NULL, "no %s is sent to node %u", raft_message_name(type), to);
	return message;
}

/* An append of the leader, node 2: entries of the given terms after previous. */
RaftMessage
solo_append(RaftTerm term, RaftIndex previous, RaftTerm previous_term, RaftIndex commit,
	   const RaftTerm *terms, uint32_t n)
{
	RaftEntry  *entries = run_alloc((n + 1) * sizeof(RaftEntry));

	for (uint32_t i = 0; i < n; i++)
		entries[i] = (RaftEntry) {.term = terms[i], .kind = RAFT_ENTRY_COMMAND};
	return (RaftMessage) {
		.type = RAFT_MSG_APPEND, .from = 2, .term = term, .round = 7, .log_index = previous,
		.log_term = previous_term, .commit = commit, .n_entries = n, .entries = entries
	};
}

RaftMessage
solo_ack(RaftNodeId from, RaftTerm term, RaftIndex match)
{
	return (RaftMessage) {
		.type = RAFT_MSG_APPEND_REPLY, .from = from, .term = term, .round = UINT64_C(1) << 40,
		.granted = true, .log_index = match, .room = RAFT_ROOM_ENOUGH, .floor = match
	};
}

RaftMessage
solo_rejection(RaftNodeId from, RaftTerm term, RaftIndex last, RaftIndex rejected)
{
	RaftMessage message = solo_ack(from, term, last);

	message.granted = false;
	message.floor = 0;
	message.rejected = rejected;
	return message;
}

RaftMessage
solo_vote_request(RaftNodeId from, RaftTerm term, RaftIndex last, RaftTerm last_term)
{
	return (RaftMessage) {
		.type = RAFT_MSG_VOTE, .from = from, .term = term, .round = 9, .log_index = last,
		.log_term = last_term
	};
}

RaftMessage
solo_vote_reply(RaftMessageType type, RaftNodeId from, RaftTerm term, uint64_t round, bool granted)
{
	return (RaftMessage) {
		.type = type, .from = from, .term = term, .round = round, .granted = granted
	};
}

/* Ticks into a pre-vote; returns its round. */
uint64_t
solo_begin_prevote(Solo *solo)
{
	solo_tick(solo);
	lab_check(solo->lab, solo_sent(solo, RAFT_MSG_PREVOTE, 0) != NULL, "no pre-vote after a timeout");
	return solo_must_send(solo, RAFT_MSG_PREVOTE, 0)->round;
}

/* Goes on to a candidacy in the next term; returns its round. */
uint64_t
solo_begin_vote(Solo *solo, RaftTerm term, uint32_t n)
{
	uint64_t	round = solo_begin_prevote(solo);

	for (RaftNodeId i = 2; i <= 1 + n / 2; i++)
		solo_receive(solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, i, term, round, true));
	lab_check(solo->lab, solo->status.role == RAFT_CANDIDATE && solo->status.term == term + 1,
			  "no candidacy after a quorum of pre-votes");
	solo_durable(solo);
	lab_check(solo->lab, solo_sent(solo, RAFT_MSG_VOTE, 0) != NULL, "no vote requests");
	return solo_must_send(solo, RAFT_MSG_VOTE, 0)->round;
}

/* Wins the election of term + 1. */
void
solo_become_leader(Solo *solo, RaftTerm term, uint32_t n)
{
	uint64_t	round = solo_begin_vote(solo, term, n);

	for (RaftNodeId i = 2; i <= 1 + n / 2; i++)
		solo_receive(solo, solo_vote_reply(RAFT_MSG_VOTE_REPLY, i, term + 1, round, true));
	lab_check(solo->lab, solo->status.role == RAFT_LEADER, "no leadership after a quorum of votes");
}

void
solo_hear_only(Solo *solo, RaftMessage answer)
{
	RaftTime	start = solo->now;

	while (solo->status.role == RAFT_LEADER && solo->now < start + 4 * SOLO_TIMEOUT)
	{
		solo_tick(solo);
		solo_receive(solo, answer);
	}
}
