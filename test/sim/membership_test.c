/*-------------------------------------------------------------------------
 *
 * membership_test.c
 *	  Configurations: whose word decides, who may be asked, and when the host is
 *	  told.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "../../src/core/internal.h"
#include "solo.h"

#define V	RAFT_MEMBER_VOTER
#define O	RAFT_MEMBER_OUTGOING

static const RaftMember three[] = {{1, V}, {2, V}, {3, V}};

/* Node 1 in a group of these members, with an empty log behind the configuration. */
static Solo
boot_members(Lab *lab, const RaftMember *members, uint32_t n, bool identified)
{
	RaftRun		run = {.first = 1, .term = 1};
	RaftConfig	config = {.index = 1, .identified = identified, .n_members = n};
	RaftBoot	boot = {
		.term = 1, .first = 1, .last = 1, .commit = 1, .applied = 1, .runs = &run, .n_runs = 1,
		.configs = &config, .n_configs = 1
	};

	memcpy(config.members, members, n * sizeof(RaftMember));
	return solo_boot_from(lab, &boot);
}

/* Everybody in the list answers yes to what was asked in this round. */
static void
grant(Solo *solo, RaftMessageType type, RaftTerm term, uint64_t round, const RaftNodeId *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		solo_receive(solo, solo_vote_reply(type, from[i], term, round, true));
}

/* Campaigns with the grants of these nodes; leads when they suffice. */
static void
campaign(Solo *solo, const RaftNodeId *from, uint32_t n)
{
	RaftTerm	term = solo->status.term;
	uint64_t	round = solo_begin_prevote(solo);

	grant(solo, RAFT_MSG_PREVOTE_REPLY, term, round, from, n);
	if (solo->status.role != RAFT_CANDIDATE)
		return;
	solo_durable(solo);
	round = solo_must_send(solo, RAFT_MSG_VOTE, 0)->round;
	grant(solo, RAFT_MSG_VOTE_REPLY, term + 1, round, from, n);
	if (solo->status.role == RAFT_LEADER)
		solo_durable(solo);
}

static void
propose(Solo *solo, const RaftEntry *entry)
{
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE};

	event.u.propose.entries = entry;
	event.u.propose.n_entries = 1;
	solo_step(solo, event);
}

static bool
refused(const Solo *solo, RaftRefusal reason)
{
	const RaftAction *action = solo_action(solo, RAFT_ACTION_REFUSED);

	return action != NULL && action->u.refused.reason == reason;
}

/*
 * As long as a voter's log is not known, every vote and every acknowledgement is needed;
 * with the configuration that names them a majority is enough.
 */
static void
membership_formation(Lab *lab)
{
	Solo		solo = boot_members(lab, three, 3, false);
	RaftEntry	named = solo_config(0, three, 3, 77);

	campaign(&solo, (RaftNodeId[]) {2}, 1);
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "two of three that never met elect");
	campaign(&solo, (RaftNodeId[]) {3, 2}, 2);
	lab_check(lab, solo.status.role == RAFT_LEADER, "all three do not elect");
	solo_receive(&solo, solo_ack(2, 2, 2));
	lab_check(lab, solo.status.commit == 1, "two of three that never met commit");
	propose(&solo, &named);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_EARLY), "a configuration before a commit in its term");
	solo_receive(&solo, solo_ack(3, 2, 2));
	lab_check(lab, solo.status.commit == 2, "all three do not commit");

	propose(&solo, &named);
	lab_check(lab, solo.status.config->index == 3 && solo.status.config->identified &&
			  solo.status.config->term == 2, "the leader does not use its configuration");
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 3));
	lab_check(lab, solo.status.commit == 3, "two of three identified ones do not commit");
}

/* Whoever has lost everything, and who never heard of anything, elect nobody. */
static void
membership_wiped_and_new(Lab *lab)
{
	Solo		fresh = boot_members(lab, three, 3, false);
	Solo		named = boot_members(lab, three, 3, true);

	/* node 1 never met anybody; node 2 is wiped and says yes; node 3, which knows more, is away */
	for (int i = 0; i < 3; i++)
		campaign(&fresh, (RaftNodeId[]) {2}, 1);
	lab_check(lab, fresh.status.role == RAFT_PRECANDIDATE, "a wiped node and a new one elect");
	campaign(&named, (RaftNodeId[]) {2}, 1);
	lab_check(lab, named.status.role == RAFT_LEADER, "two of three identified ones do not elect");
}

/* A leader that has not met all of them yet gives up when one stays away. */
static void
membership_formation_needs_contact(Lab *lab)
{
	const RaftMember members[] = {{1, V}, {2, V}, {3, V}, {4, RAFT_MEMBER_LEARNER}};
	Solo		solo = boot_members(lab, members, 4, false);

	campaign(&solo, (RaftNodeId[]) {2, 3}, 2);
	solo_hear_only(&solo, solo_ack(2, 2, 2));
	lab_check(lab, solo.status.role == RAFT_FOLLOWER, "a leader of some goes on");
}

/* A group of one waits for nobody, whatever is known of its log. */
static void
membership_of_one(Lab *lab)
{
	Solo		solo = boot_members(lab, three, 1, false);
	RaftEntry	named = solo_config(0, three, 1, 77);

	lab_check(lab, solo.actions->deadline == solo.now, "it waits for nobody");
	solo_tick(&solo);
	solo_durable(&solo);
	lab_check(lab, solo.status.role == RAFT_LEADER, "one of one does not lead");
	solo_durable(&solo);
	propose(&solo, &named);
	solo_durable(&solo);
	lab_check(lab, solo.status.commit == 3 && solo.status.config->identified, "it is not committed");
}

/* What a leader may propose, and when. */
static void
membership_proposals(Lab *lab)
{
	const RaftMember two[] = {{1, V}, {2, V}};
	const RaftMember others[] = {{1, V}, {2, V}, {4, V}};
	const RaftMember learner[] = {{1, V}, {2, V}, {3, RAFT_MEMBER_LEARNER}};
	Solo		solo = boot_members(lab, three, 3, true);
	RaftEntry	entry = solo_config(0, three, 3, 5);
	RaftEntry	garbage = {.kind = RAFT_ENTRY_CONFIG, .data = (const uint8_t *) "?", .size = 1};

	propose(&solo, &entry);
	lab_check(lab, refused(&solo, RAFT_REFUSED_NOT_LEADER), "a follower takes a configuration");
	campaign(&solo, (RaftNodeId[]) {2}, 1);
	propose(&solo, &entry);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_EARLY), "before a commit in its term");
	solo_receive(&solo, solo_ack(2, 2, 2));

	propose(&solo, &garbage);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_INVALID), "what does not decode is taken");
	garbage = solo_config(0, two, 2, 5);
	propose(&solo, &garbage);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_INVALID), "a member is dropped");
	garbage = solo_config(0, others, 3, 5);
	propose(&solo, &garbage);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_INVALID), "a member is replaced");
	garbage = solo_config(0, learner, 3, 5);
	propose(&solo, &garbage);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_INVALID), "a voter becomes a learner");
	garbage = solo_config(0, three, 3, 0);
	propose(&solo, &garbage);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_INVALID), "known logs are forgotten");

	propose(&solo, &entry);
	lab_check(lab, solo_action(&solo, RAFT_ACTION_PLACED) != NULL &&
			  solo_sent(&solo, RAFT_MSG_APPEND, 2) != NULL, "the configuration is not placed and sent");
	propose(&solo, &entry);
	lab_check(lab, refused(&solo, RAFT_REFUSED_CONFIG_EARLY), "a second one before the first is committed");
	solo_durable(&solo);
	solo_receive(&solo, solo_ack(2, 2, 3));
	for (RaftIndex i = 4; i < 4 + 2 * RAFT_MAX_CONFIGS; i++)
	{
		propose(&solo, &entry);
		solo_durable(&solo);
		solo_receive(&solo, solo_ack(2, 2, i));
		lab_check(lab, solo.status.commit == i && solo.status.config->index == i,
				  "configuration %llu is not committed", (unsigned long long) i);
	}
}

/* While a configuration is joint, both halves decide; each alone does not (§6). */
static void
membership_joint(Lab *lab)
{
	const RaftMember joint[] = {{1, V | O}, {2, O}, {3, O}, {4, V}, {5, V}};
	Solo		solo = boot_members(lab, joint, 5, true);

	campaign(&solo, (RaftNodeId[]) {4, 5}, 2);
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "the incoming half alone elects");
	solo = boot_members(lab, joint, 5, true);
	campaign(&solo, (RaftNodeId[]) {2, 3}, 2);
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "the outgoing half alone elects");
	campaign(&solo, (RaftNodeId[]) {4, 2}, 2);
	lab_check(lab, solo.status.role == RAFT_LEADER, "a majority of both does not elect");

	solo_receive(&solo, solo_ack(4, 2, 2));
	solo_receive(&solo, solo_ack(5, 2, 2));
	lab_check(lab, solo.status.commit == 1, "the incoming half alone commits");
	solo_receive(&solo, solo_ack(3, 2, 2));
	lab_check(lab, solo.status.commit == 2, "a majority of both does not commit");

	/* nor does one half keep a leader in office */
	for (int i = 0; i < 20 && solo.status.role == RAFT_LEADER; i++)
	{
		solo_tick(&solo);
		solo_receive(&solo, solo_ack(4, 2, 2));
		solo_receive(&solo, solo_ack(5, 2, 2));
	}
	lab_check(lab, solo.status.role == RAFT_FOLLOWER, "the incoming half alone keeps a leader");
}

/*
 * A node that slept through a replacement knows nothing of those who lead now: term and
 * log decide whom it follows and votes for, its own configuration whom it counts.
 */
static void
membership_strangers(Lab *lab)
{
	Solo		solo = boot_members(lab, three, 3, true);
	const RaftMember now[] = {{1, V}, {7, V}, {8, V}};
	RaftEntry	entries[] = {solo_config(5, now, 3, 9), {.term = 5, .kind = RAFT_ENTRY_COMMAND}};
	RaftMessage message = solo_vote_request(7, 4, 9, 4);
	uint64_t	round;

	solo_receive(&solo, message);
	solo_durable(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_VOTE_REPLY, 7) != NULL &&
			  solo_must_send(&solo, RAFT_MSG_VOTE_REPLY, 7)->granted, "a candidate that it does not know gets no vote");

	/* an unknown one's yes is no vote, its acknowledgement no copy */
	round = solo_begin_prevote(&solo);
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 7, 4, round, true));
	solo_receive(&solo, solo_vote_reply(RAFT_MSG_PREVOTE_REPLY, 8, 4, round, true));
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "votes of strangers count");

	message = solo_append(5, 1, 1, 3, NULL, 0);
	message.from = 8;
	message.entries = entries;
	message.n_entries = 2;
	solo_receive(&solo, message);
	solo_durable(&solo);
	lab_check(lab, solo.status.leader == 8 && solo.status.last == 3 && solo.status.commit == 3 &&
			  solo_sent(&solo, RAFT_MSG_APPEND_REPLY, 8) != NULL, "a leader that it does not know is not followed");
	lab_check(lab, solo.status.config->index == 2 && solo.status.config->members[1].id == 7,
			  "it does not learn who is in the group");
	campaign(&solo, (RaftNodeId[]) {2, 3}, 2);
	lab_check(lab, solo.status.role == RAFT_PRECANDIDATE, "votes of former members count");
	campaign(&solo, (RaftNodeId[]) {7}, 1);
	lab_check(lab, solo.status.role == RAFT_LEADER, "a new member's vote does not count");
	solo_receive(&solo, solo_ack(2, 6, 4));
	lab_check(lab, solo.status.commit == 3, "a former member's acknowledgement counts");
	solo_receive(&solo, solo_ack(8, 6, 4));
	lab_check(lab, solo.status.commit == 4, "a new member's acknowledgement does not count");
}

/* The host is told once per step, at its end, and by index and term. */
static void
membership_told_once(Lab *lab)
{
	Solo		solo = boot_members(lab, three, 3, true);
	RaftEntry	entries[3] = {solo_config(2, three, 3, 1), solo_config(2, three, 3, 2), solo_config(2, three, 3, 3)};
	RaftMessage message = solo_append(2, 1, 1, 1, NULL, 0);
	const RaftAction *last;

	lab_check(lab, solo_action(&solo, RAFT_ACTION_CONFIG) != NULL &&
			  solo_action(&solo, RAFT_ACTION_CONFIG)->u.config.index == 1 &&
			  solo_action(&solo, RAFT_ACTION_CONFIG)->u.config.term == 1, "the first one is not told");
	message.entries = entries;
	message.n_entries = 3;
	solo_receive(&solo, message);
	for (uint32_t i = 0, told = 0; i < solo.actions->n; i++)
	{
		told += solo.actions->item[i].type == RAFT_ACTION_CONFIG;
		lab_check(lab, told == (i + 1 == solo.actions->n), "not told once, after the write");
	}
	last = solo_action(&solo, RAFT_ACTION_CONFIG);
	lab_check(lab, last->u.config.index == 4 && last->u.config.term == 2, "another one is told");
	solo_durable(&solo);
	lab_check(lab, solo_action(&solo, RAFT_ACTION_CONFIG) == NULL, "it is told again");

	/* another leader has another one in the same place */
	entries[0] = solo_config(3, three, 3, 4);
	message = solo_append(3, 3, 2, 1, NULL, 0);
	message.entries = entries;
	message.n_entries = 1;
	solo_receive(&solo, message);
	last = solo_action(&solo, RAFT_ACTION_CONFIG);
	lab_check(lab, last != NULL && last->u.config.index == 4 && last->u.config.term == 3,
			  "another one at the same index is not told");

	/* a truncation alone */
	solo_receive(&solo, solo_append(4, 2, 2, 1, (RaftTerm[]) {4}, 1));
	last = solo_action(&solo, RAFT_ACTION_CONFIG);
	lab_check(lab, last != NULL && last->u.config.index == 2 && last->u.config.term == 2,
			  "the one that acts again is not told");
}

/* A start with a configuration below the log and newer ones in it. */
static void
membership_boot_with_several(Lab *lab)
{
	RaftRun		run = {.first = 5, .term = 2};
	RaftConfig	configs[] = {
		{.index = 3, .identified = true, .n_members = 3}, {.index = 6, .identified = true, .n_members = 3}
	};
	RaftBoot	boot = {
		.term = 2, .first = 5, .last = 7, .base_term = 2, .commit = 4, .applied = 4,
		.runs = &run, .n_runs = 1, .configs = configs, .n_configs = 2
	};
	Solo		solo;
	const RaftAction *told;

	memcpy(configs[0].members, three, sizeof(three));
	memcpy(configs[1].members, three, sizeof(three));
	solo = solo_boot_from(lab, &boot);
	told = solo_action(&solo, RAFT_ACTION_CONFIG);
	lab_check(lab, told != NULL && told->u.config.index == 6 && told->u.config.term == 2,
			  "another one than the newest is told");
	solo_receive(&solo, solo_append(3, 4, 2, 4, (RaftTerm[]) {3}, 1));
	told = solo_action(&solo, RAFT_ACTION_CONFIG);
	lab_check(lab, told != NULL && told->u.config.index == 3 && told->u.config.term == 0,
			  "the one below the log does not act again");
}

/* Other members act from the newest entry on; for the time being no leader proposes that. */
static void
change_members(Solo *solo, const RaftMember *members, uint32_t n)
{
	RaftConfig	config = {.identified = true, .n_members = n};

	solo_propose(solo, 1);
	config.index = solo->status.last;
	memcpy(config.members, members, n * sizeof(RaftMember));
	membership_add(solo->core, &config);
	progress_configure(solo->core);
	raft_core_status(solo->core, &solo->status);
}

/*
 * A leader whose members change: who stays keeps what is known of it, who goes is no longer
 * listened to, who comes begins with nothing.
 */
static void
membership_progress_follows(Lab *lab)
{
	Solo		solo = boot_members(lab, three, 3, true);
	const RaftMember now[] = {{1, V}, {2, V}, {4, RAFT_MEMBER_LEARNER}, {5, V}};
	const RaftPeerStatus *peers = solo.status.peers;

	campaign(&solo, (RaftNodeId[]) {3}, 1);
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo_receive(&solo, solo_ack(3, 2, 2));
	change_members(&solo, now, 4);
	lab_check(lab, solo.status.n_peers == 3 && peers[0].id == 2 && peers[1].id == 4 && peers[2].id == 5,
			  "not the members of the configuration, in their order");
	lab_check(lab, peers[0].match == 2 && peers[0].state == RAFT_REPLICATE && peers[0].contact != 0,
			  "what was known of a member is forgotten");
	lab_check(lab, peers[1].match == 0 && peers[1].flags == RAFT_MEMBER_LEARNER &&
			  peers[2].match == 0 && peers[2].state == RAFT_PROBE, "something is known of a new one");

	solo_durable(&solo);
	solo_receive(&solo, solo_ack(3, 2, 3));
	lab_check(lab, solo.status.commit == 2, "one that was removed counts");
	solo_receive(&solo, solo_ack(4, 2, 3));
	lab_check(lab, solo.status.commit == 2, "a learner counts");
	solo_tick(&solo);
	lab_check(lab, solo_sent(&solo, RAFT_MSG_APPEND, 3) == NULL && solo_sent(&solo, RAFT_MSG_APPEND, 5) != NULL,
			  "the removed one is sent something, or the new one nothing");
	solo_receive(&solo, solo_ack(5, 2, 3));
	lab_check(lab, solo.status.commit == 3, "a new voter does not count");

	/* the flags of one that stays are the new ones */
	change_members(&solo, (const RaftMember[]) {{1, V}, {2, RAFT_MEMBER_LEARNER}}, 2);
	lab_check(lab, solo.status.n_peers == 1 && peers[0].flags == RAFT_MEMBER_LEARNER && peers[0].match == 2,
			  "flags stay, or more than flags changes");
}

/*
 * A member that was removed and came back may have another log: what it answers to what it
 * was asked before counts for nothing, neither as a copy nor as a refusal nor as a sign of life.
 */
static void
membership_former_session(Lab *lab)
{
	Solo		solo = boot_members(lab, three, 3, true);
	const RaftPeerStatus *peers = solo.status.peers;
	RaftMessage late;

	campaign(&solo, (RaftNodeId[]) {3}, 1);
	solo_receive(&solo, solo_ack(2, 2, 2));
	solo_propose(&solo, 1);
	late = solo_ack(2, 2, 3);
	late.round = solo_must_send(&solo, RAFT_MSG_APPEND, 2)->round;
	change_members(&solo, (const RaftMember[]) {{1, V}, {3, V}}, 2);
	change_members(&solo, three, 3);
	lab_check(lab, peers[0].id == 2 && peers[0].match == 0, "it does not begin anew");

	solo_receive(&solo, late);
	lab_check(lab, peers[0].match == 0 && peers[0].contact == 0, "an answer of the former session counts");
	late.granted = false;
	late.rejected = late.log_index;
	late.log_index = 1;
	solo_receive(&solo, late);
	lab_check(lab, peers[0].next == 6 && peers[0].contact == 0, "a refusal of the former session counts");

	solo_tick(&solo);
	late = solo_ack(2, 2, 5);
	late.round = solo_must_send(&solo, RAFT_MSG_APPEND, 2)->round;
	solo_receive(&solo, late);
	lab_check(lab, peers[0].match == 5, "an answer of this session does not count");
}

const LabTest membership_tests[] = {
	{"membership_progress_follows", "unit", 0, 1, membership_progress_follows},
	{"membership_former_session", "unit", 0, 1, membership_former_session},
	{"membership_formation", "unit", 0, 3, membership_formation},
	{"membership_wiped_and_new", "unit", 0, 3, membership_wiped_and_new},
	{"membership_formation_needs_contact", "unit", 0, 3, membership_formation_needs_contact},
	{"membership_of_one", "unit", 0, 1, membership_of_one},
	{"membership_proposals", "unit", 0, 1, membership_proposals},
	{"membership_joint", "unit", 0, 3, membership_joint},
	{"membership_strangers", "unit", 0, 3, membership_strangers},
	{"membership_told_once", "unit", 0, 1, membership_told_once},
	{"membership_boot_with_several", "unit", 0, 1, membership_boot_with_several},
	{0}
};
