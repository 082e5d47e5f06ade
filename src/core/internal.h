/*-------------------------------------------------------------------------
 *
 * internal.h
 *	  The state of a core and the functions its files offer each other.
 *
 * step.c		  events in, actions out		convert.c	  the only place where a role changes
 * election.c	  pre-vote and vote				append.c	  follower: AppendEntries
 * replication.c  leader: what is sent when		progress.c	  leader: what a peer has
 * writes.c		  what waits for the disk		membership.c  configurations and quorums
 * trail.c		  which index has which term
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_CORE_INTERNAL_H
#define RAFT_CORE_INTERNAL_H

#include "limits.h"
#include "mutants.h"
#include "raft.h"

#define RAFT_NEVER	UINT64_MAX

/* Assertions of a core, or of a trail, which says whose it is. */
#define raft_assert(owner, condition) \
	do { \
		if (!(condition)) \
			raft_host_panic((owner)->host, __FILE__, __LINE__, #condition); \
	} while (0)

static inline uint64_t
raft_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
raft_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The terms of first .. last, and the term of the entry before them. */
typedef struct RaftTrail
{
	void	   *host;			/* of the core */
	RaftIndex	first;			/* >= 1 */
	RaftIndex	last;			/* >= first - 1 */
	RaftTerm	base_term;		/* of entry first - 1 */
	uint32_t	n_runs;			/* runs cover first .. last, terms ascend strictly */
	RaftRun		runs[RAFT_MAX_RUNS];
} RaftTrail;

/* Appends under way to a peer, oldest first, in a ring. */
typedef struct RaftInflight
{
	uint32_t	start;
	uint32_t	count;			/* <= settings.max_inflight */
	uint64_t	bytes;			/* of all together */
	struct
	{
		RaftIndex	last;		/* last index of the append */
		uint32_t	bytes;
	}			item[RAFT_MAX_INFLIGHT];
} RaftInflight;

/* The leader's view of one peer. */
typedef struct RaftProgress
{
	RaftNodeId	id;
	uint8_t		flags;			/* RAFT_MEMBER_* of the active configuration */
	RaftProgressState state;
	RaftIndex	match;			/* durable there and equal to ours; never goes back */
	RaftIndex	next;			/* next entry to send; 0 <= match < next <= last + 1 */
	bool		probing;		/* PROBE: an append is under way */
	bool		more;			/* a step sent as many appends as it may: the next goes on at once */
	uint64_t	session;		/* answers to older rounds are to a member that was removed since */
	uint64_t	min_round;		/* rejections of older rounds are stale */
	RaftIndex	confirmed;		/* match when min_round was set: no newer round is rejected there */
	bool		lost;			/* rejected all the same: its log is not what it was */
	uint64_t	room;			/* bytes of entries that it can take behind what it received */
	RaftIndex	told_commit;	/* newest commit index sent */
	RaftTime	sent;			/* when anything was sent last */
	RaftTime	contact;		/* when anything of this term came last; 0 = never */
	RaftInflight inflight;
} RaftProgress;

/* A write that was started: once durable, the log is durable up to last. */
typedef struct RaftPending
{
	RaftOp		op;
	RaftIndex	first;			/* appended first .. last; first > last: nothing, or not any more */
	RaftIndex	last;
	RaftTime	started;		/* of the oldest op that shares this place */
} RaftPending;

/* A message that may leave once op is durable. */
typedef struct RaftHeld
{
	RaftOp		op;
	RaftMessage message;
} RaftHeld;

/* Who granted us something, each once. */
typedef struct RaftGrants
{
	uint64_t	round;			/* of the requests that count; 0 = none */
	uint32_t	n;
	RaftNodeId	from[RAFT_MAX_MEMBERS];
} RaftGrants;

struct RaftCore
{
	/* given at init */
	RaftNodeId	self;
	uint64_t	boot;
	RaftSettings settings;
	RaftBatchEnd batch_end;
	void	   *batch_end_arg;
	void	   *host;			/* for raft_host_panic() */
	uint64_t	random;			/* state of the generator */

	bool		booted;
	bool		stopped;		/* a write failed: nothing is done any more */
	RaftTime	now;			/* of the current event */
	const RaftEvent *event;		/* the current event */
	RaftIndex	step_first;		/* leader: first entry appended in this step; 0 = none */

	/* hard state: durable before anything that depends on it leaves */
	RaftTerm	term;			/* never goes back */
	RaftNodeId	vote;			/* in this term; once set it stays for the term */
	bool		hard_dirty;		/* term or vote changed, write not yet handed out */
	RaftOp		term_op;		/* the write that holds term and vote */

	RaftRole	role;
	RaftNodeId	leader;			/* of this term; 0 = unknown */

	/* log */
	RaftTrail	trail;
	RaftIndex	durable;		/* <= trail.last */
	RaftIndex	commit;			/* never goes back */
	RaftIndex	told_commit;	/* last RAFT_ACTION_COMMIT */
	RaftIndex	told_ready;
	RaftIndex	visible;		/* applied: <= min(commit, durable) */
	RaftIndex	applied;		/* durably applied: <= visible */
	RaftIndex	floor;			/* every member has it durably: <= commit */

	/* configurations, ascending by index; the last one is active (§6) */
	uint32_t	n_configs;
	RaftConfig	configs[RAFT_MAX_CONFIGS];
	RaftIndex	told_config;	/* last RAFT_ACTION_CONFIG */
	RaftTerm	told_config_term;

	/* writes */
	RaftOp		written;		/* last op handed out */
	RaftOp		synced;			/* last op durable: <= written */
	RaftOp		durable_op;		/* the one that made entries up to "durable" so; 0 = it was at boot */
	uint32_t	n_pending;		/* ops ascend, all in (synced, written] */
	RaftPending pending[RAFT_MAX_PENDING];
	uint32_t	n_held;
	RaftHeld	held[RAFT_MAX_HELD];

	/* acknowledgement that waits for the disk: of appends with these ops */
	RaftOp		ack_first;		/* 0 = none */
	RaftOp		ack_last;
	uint64_t	ack_round;		/* round of the newest of them */

	/* follower */
	RaftTime	leader_contact; /* last message of the leader; 0 = none */
	bool		leader_broken;	/* our connection to it broke since then */
	RaftTime	election_deadline;
	RaftIndex	verified;		/* prefix known to agree with the log of this term's leader */
	uint64_t	room;			/* bytes of records that the log can take */
	bool		blocked;		/* what was received needed more than bytes */

	/* candidates */
	uint64_t	round;			/* unique number of a request; grows over restarts */
	RaftGrants	prevotes;		/* since we became a pre-candidate */
	RaftGrants	votes;			/* of this term */
	RaftOp		vote_op;		/* the write with our own vote */
	bool		vote_sent;		/* vote requests have left */
	bool		campaign_refused;	/* somebody said no */
	uint32_t	hurried;		/* campaigns that were repeated soon, since a leader was heard */

	/* leader */
	RaftTime	leader_since;
	RaftTime	notice_deadline;	/* tell idle peers of a commit; RAFT_NEVER = nothing to tell */
	uint32_t	n_progress;		/* members of the active configuration but ourselves */
	RaftProgress progress[RAFT_MAX_MEMBERS];

	RaftActions actions;
};

/* --- raft.c --- */
extern RaftAction *raft_add_action(RaftCore *core, RaftActionType type);
extern uint64_t raft_random(RaftCore *core, uint64_t below);

/* --- trail.c --- */
extern void trail_init(RaftTrail *trail, void *host, RaftIndex first, RaftTerm base_term);
extern RaftTerm trail_term_at(const RaftTrail *trail, RaftIndex index);
extern RaftTerm trail_last_term(const RaftTrail *trail);
extern bool trail_can_begin_term(const RaftTrail *trail);
extern void trail_append(RaftTrail *trail, RaftTerm term, uint32_t count);
extern void trail_truncate(RaftTrail *trail, RaftIndex from);
extern void trail_compact(RaftTrail *trail, RaftIndex upto);
extern RaftIndex trail_last_not_above(const RaftTrail *trail, RaftIndex index, RaftTerm term);

/* --- membership.c --- */
typedef uint64_t (*RaftMemberValue) (const RaftCore *core, RaftNodeId id);

extern const RaftConfig *membership_active(const RaftCore *core);
extern bool membership_is_voter(const RaftCore *core, RaftNodeId id);
extern uint64_t membership_quorum(const RaftCore *core, RaftMemberValue value);
extern bool membership_may_follow(const RaftCore *core, const RaftConfig *config);
extern bool membership_can_add(const RaftCore *core, uint32_t more);
extern void membership_add(RaftCore *core, const RaftConfig *config);
extern void membership_truncate(RaftCore *core, RaftIndex from);

/* --- writes.c --- */
extern RaftOp writes_start(RaftCore *core, RaftIndex truncate_from,
						   RaftWriteSource source, uint32_t skip, uint32_t n_entries);
extern void writes_persist_hard_state(RaftCore *core);
extern void writes_truncated(RaftCore *core, RaftIndex from);
extern void writes_durable(RaftCore *core, RaftOp op);
extern RaftTime writes_stuck_at(const RaftCore *core);
extern RaftOp writes_op_of(const RaftCore *core, RaftIndex upto);
extern void writes_send(RaftCore *core, RaftMessage *message, RaftOp depends);

/* --- convert.c --- */
extern void convert_tell(RaftCore *core, RaftRole from);
extern void convert_to(RaftCore *core, RaftRole role, RaftTerm term, RaftNodeId leader);

/* --- election.c --- */
extern void election_reset_timer(RaftCore *core);
extern bool election_leader_is_alive(const RaftCore *core);
extern void election_tick(RaftCore *core);
extern void election_wrote(RaftCore *core);
extern void election_leader_unreachable(RaftCore *core);
extern void election_receive_prevote(RaftCore *core, const RaftMessage *message);
extern void election_receive_prevote_reply(RaftCore *core, const RaftMessage *message);
extern void election_receive_vote(RaftCore *core, const RaftMessage *message);
extern void election_receive_vote_reply(RaftCore *core, const RaftMessage *message);

/* --- append.c --- */
extern void append_receive(RaftCore *core, const RaftMessage *message);
extern void append_refuse_old_term(RaftCore *core, const RaftMessage *message);
extern void append_wrote(RaftCore *core);

/* --- progress.c --- */
extern RaftProgress *progress_find(RaftCore *core, RaftNodeId id);
extern const RaftProgress *progress_of(const RaftCore *core, RaftNodeId id);
extern void progress_configure(RaftCore *core);
extern void progress_probe(RaftCore *core, RaftProgress *progress, RaftIndex next);
extern void progress_replicate(const RaftCore *core, RaftProgress *progress);
extern bool progress_window_open(const RaftCore *core, const RaftProgress *progress);
extern void progress_sent(const RaftCore *core, RaftProgress *progress, RaftIndex last,
						  uint32_t bytes);
extern void progress_freed(const RaftCore *core, RaftProgress *progress, RaftIndex upto);
extern RaftTime progress_quorum_contact(const RaftCore *core);

/* --- replication.c --- */
extern void replication_begin(RaftCore *core);
extern void replication_propose(RaftCore *core);
extern void replication_receive_reply(RaftCore *core, const RaftMessage *message);
extern void replication_wrote(RaftCore *core);
extern void replication_tick(RaftCore *core);
extern void replication_peer_unreachable(RaftCore *core, RaftNodeId peer);
extern RaftTime replication_deadline(const RaftCore *core);

#endif							/* RAFT_CORE_INTERNAL_H */
