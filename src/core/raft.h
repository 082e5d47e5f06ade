/*-------------------------------------------------------------------------
 *
 * raft.h
 *	  The Raft algorithm as a plain-C state machine: one event in, a list of
 *	  actions out.
 *
 * The core does no I/O, reads no clock, allocates nothing after
 * raft_core_init() and never jumps out of a call.  Time arrives inside each
 * event, randomness from a seed, and everything that must happen in the world
 * leaves as an action.  The same objects are linked into the PostgreSQL server
 * and into the laboratory (test/sim).
 *
 * The core knows term runs (index, term), configurations and the progress of
 * each peer.  Payloads stay with the host: messages name ranges of indexes.
 *
 * Rules of the boundary
 *	- The host executes the actions of one step in order, before the next step.
 *	  Pointers inside an action are valid until the next call of raft_step().
 *	- Each RAFT_ACTION_WRITE carries an op number that grows by one and is never
 *	  reused; the host answers with RAFT_EVENT_WRITE_DURABLE, which is cumulative.
 *	- The core holds back whatever depends on a write until that write is
 *	  durable.  A RAFT_ACTION_SEND names the op in "after": the one that holds term
 *	  and vote, and of an acknowledgement the one that wrote what it acknowledges.
 *	  The host should assert that it is durable (op 0: depends on nothing).
 *	- The clock begins above 0, never goes back, and is this core's alone.
 *	- The core takes messages that are lost, late, doubled or out of order.  The
 *	  host checks who sent them and that their bytes are whole; it has room for
 *	  RAFT_MAX_MESSAGE_ENTRIES decoded entries of one message.
 *	- A core is used by one thread at a time.  Cores share nothing.
 *
 * To begin
 *	- Every member's log begins alike, with an entry of kind RAFT_ENTRY_CONFIG
 *	  at index 1 in term 1, committed and applied; its term is the first
 *	  RaftBoot.term, so that no core ever boots in term 0.
 *	- Each start has a new RaftInit.boot, durable before the first message leaves:
 *	  rounds begin with it, and an answer to a former start would count otherwise.
 *	- raft_core_init(), then RAFT_EVENT_BOOT with what is durable.  That step tells
 *	  the role, the commit index and the configuration like any other.
 *
 * Never
 *	- report a write as durable that the disk may still lose, or boot from less than
 *	  was reported durable: a node that has lost its log is another member
 *	- try a failed write again: RAFT_EVENT_WRITE_FAILED, and start anew
 *	- report RAFT_EVENT_PEER_UNREACHABLE for a message that was lost: it means
 *	  that the connection broke.  Each report for a leader makes its follower ask for
 *	  an election soon, and a healthy group would not come to rest
 *	- give two nodes one identity, or change what raft_step() is given by
 *	  anything but the events
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_CORE_RAFT_H
#define RAFT_CORE_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t RaftIndex;		/* position of an entry in the log, from 1 */
typedef uint64_t RaftTerm;		/* election term, from 1; 0 = before any */
typedef uint64_t RaftOp;		/* number of a write, from 1; 0 = none */
typedef uint64_t RaftTime;		/* microseconds of a clock that never goes back */
typedef uint32_t RaftNodeId;	/* identity of a node, from 1; 0 = none */

/*
 * Bounds of a core.  All of them can be given smaller on the command line: the
 * exploration in test/explore copies and hashes whole cores, millions of times.
 */
#ifndef RAFT_MAX_MEMBERS
#define RAFT_MAX_MEMBERS	15	/* voters of both configurations and learners */
#endif
#ifndef RAFT_MAX_CONFIGS
#define RAFT_MAX_CONFIGS	4	/* configurations the core keeps at once */
#endif
#ifndef RAFT_MAX_HELD
#define RAFT_MAX_HELD		16	/* messages that wait for a write */
#endif
#ifndef RAFT_MAX_PENDING
#define RAFT_MAX_PENDING	64	/* writes that are started and not durable */
#endif
#ifndef RAFT_MAX_RUNS
#define RAFT_MAX_RUNS		16384	/* term runs in the uncompacted log */
#endif
#ifndef RAFT_MAX_INFLIGHT
#define RAFT_MAX_INFLIGHT	64	/* upper bound of settings.max_inflight */
#endif
#define RAFT_MAX_MESSAGE_ENTRIES	8192	/* entries in one message */
/* Bytes that an entry takes in the log and on the wire beyond its data. */
#define RAFT_ENTRY_OVERHEAD	52
/* Room for entries that does not bind: a host may say more, a message never does. */
#define RAFT_ROOM_ENOUGH	(UINT64_MAX / 2)

#define RAFT_MAX_BURST		4	/* appends to one peer in one step */
#define RAFT_MAX_ACTIONS	(16 + RAFT_MAX_HELD + RAFT_MAX_MEMBERS * (RAFT_MAX_BURST + 2))

typedef enum RaftRole
{
	RAFT_FOLLOWER,
	RAFT_PRECANDIDATE,
	RAFT_CANDIDATE,
	RAFT_LEADER
} RaftRole;

/* Kinds of log entries.  The core acts on two; any other number above 0 is the host's. */
typedef enum RaftEntryKind
{
	RAFT_ENTRY_NOOP = 1,		/* first entry of each leader (§8) */
	RAFT_ENTRY_CONFIG = 2,		/* a configuration, acts when appended (§6) */
	RAFT_ENTRY_HOST = 3			/* the first of the host's */
} RaftEntryKind;

/* Who proposed an entry: lets the proposer's own node wake it. */
typedef struct RaftOrigin
{
	RaftNodeId	node;			/* 0 = the core itself */
	uint32_t	slot;			/* waiting place within that node */
	uint64_t	serial;			/* unique within the node, never reused */
} RaftOrigin;

/*
 * One log entry.  In a proposal the term is 0: the core assigns it.
 */
typedef struct RaftEntry
{
	RaftTerm	term;
	uint64_t	clock;			/* leader's wall clock, microseconds since 1970 */
	RaftOrigin	origin;
	uint8_t		kind;			/* RaftEntryKind, or what the host knows */
	uint32_t	size;			/* bytes of data */
	const uint8_t *data;
} RaftEntry;

/* A stretch of entries of one term, from first up to the next run. */
typedef struct RaftRun
{
	RaftIndex	first;
	RaftTerm	term;
} RaftRun;

/* Flags of a member; a member has at least one. */
#define RAFT_MEMBER_VOTER		0x01	/* votes in the current (incoming) configuration */
#define RAFT_MEMBER_OUTGOING	0x02	/* votes in the outgoing one: joint consensus (§6) */
#define RAFT_MEMBER_LEARNER		0x04	/* gets entries, has no vote */

typedef struct RaftMember
{
	RaftNodeId	id;
	uint8_t		flags;
} RaftMember;

/*
 * A configuration and the entry that carries it.
 *
 * An identified one names the log of each voter.  One that does not is there while a
 * group is formed, and needs all its voters for every decision: whoever has never
 * been met could have been replaced by one that has lost what it promised.
 */
typedef struct RaftConfig
{
	RaftIndex	index;
	RaftTerm	term;			/* set by the core; 0 = the entry is compacted */
	bool		identified;		/* the logs of all voters are known */
	uint32_t	n_members;		/* <= RAFT_MAX_MEMBERS, ids ascending, unique */
	RaftMember	members[RAFT_MAX_MEMBERS];
} RaftConfig;

typedef enum RaftMessageType
{
	RAFT_MSG_PREVOTE = 1,		/* would you vote for me in the next term? */
	RAFT_MSG_PREVOTE_REPLY = 2,
	RAFT_MSG_VOTE = 3,			/* RequestVote (§5.2) */
	RAFT_MSG_VOTE_REPLY = 4,
	RAFT_MSG_APPEND = 5,		/* AppendEntries (§5.3); without entries a heartbeat */
	RAFT_MSG_APPEND_REPLY = 6
} RaftMessageType;
#define RAFT_MSG_TYPE_MAX 6

/*
 * A message between nodes.  "term" is always the sender's current term.
 *
 *					log_index		log_term	commit/room		floor
 * PREVOTE, VOTE	last index		its term	-				-
 * ..._REPLY		-				-			-				-
 * APPEND			previous index	its term	leader's commit	lowest match of all members
 * APPEND_REPLY		ok: match		0			room			received prefix
 *					rejected: hint	term of hint	room
 *
 * An accepted append is answered with what is durable ("match") and with what
 * was received and agrees with the leader's log, durable or not ("floor").
 * A rejected one carries the follower's best guess of where the logs can still
 * agree: the leader continues with it (§5.3, fast back-up).  Both tell how many bytes
 * of entries the follower can take behind the received prefix, or the hint, so that
 * a leader sends no entries that there is no room for.
 */
typedef struct RaftMessage
{
	RaftMessageType type;
	RaftNodeId	from;
	RaftNodeId	to;
	uint64_t	boot;			/* sender's boot count */
	RaftTerm	term;
	uint64_t	round;			/* request: number unique to the sender; reply: echoed */
	RaftIndex	log_index;
	RaftTerm	log_term;
	union
	{
		RaftIndex	commit;		/* APPEND */
		uint64_t	room;		/* APPEND_REPLY; RAFT_ROOM_ENOUGH = enough, or not known */
	};
	RaftIndex	floor;
	bool		granted;		/* replies: vote granted, append accepted */
	RaftIndex	rejected;		/* APPEND_REPLY rejected: the previous index refused */
	uint32_t	n_entries;		/* APPEND: entries log_index + 1 .. log_index + n_entries */
	const RaftEntry *entries;	/* received: the entries; sent: NULL, host adds the range */
} RaftMessage;

/* Intervals in microseconds, sizes in bytes. */
typedef struct RaftSettings
{
	RaftTime	heartbeat_interval; /* leader: silence towards a peer at most this long */
	RaftTime	election_timeout;	/* timeouts are drawn from [1, 3) times this */
	RaftTime	commit_notice;	/* leader: tell an idle peer of a commit after this */
	uint32_t	max_batch_bytes;	/* encoded entries in one message (one entry may exceed) */
	uint32_t	max_inflight;	/* unanswered appends per peer, 1..RAFT_MAX_INFLIGHT */
	uint32_t	max_inflight_bytes;
	RaftTime	disk_timeout;	/* a write that takes longer costs leadership; 0 = never */
} RaftSettings;

/*
 * What the core asks of the host's log: the last index of a batch that starts
 * at first, ends at or before last and has at most max_bytes of encoded
 * entries, but at least one entry; *bytes gets its size.
 */
typedef RaftIndex (*RaftBatchEnd) (void *arg, RaftIndex first, RaftIndex last,
								   uint32_t max_bytes, uint32_t *bytes);

typedef struct RaftInit
{
	RaftNodeId	self;
	uint64_t	boot;			/* count of this start, from 1, durable; see "To begin" */
	uint64_t	seed;			/* for election timeouts */
	RaftSettings settings;
	RaftBatchEnd batch_end;
	void	   *batch_end_arg;
	void	   *host;			/* handed to raft_host_panic(): which core it is */
} RaftInit;

typedef enum RaftEventType
{
	RAFT_EVENT_BOOT,			/* first event, once: what was durable */
	RAFT_EVENT_TICK,			/* the deadline was reached (early is harmless) */
	RAFT_EVENT_RECEIVE,			/* a message arrived */
	RAFT_EVENT_PROPOSE,			/* entries to append, all or none */
	RAFT_EVENT_WRITE_DURABLE,	/* every op up to this one is durable */
	RAFT_EVENT_WRITE_FAILED,	/* the disk is not to be trusted any more: the core stops */
	RAFT_EVENT_APPLIED,			/* the applier's progress */
	RAFT_EVENT_COMPACTED,		/* entries up to index were dropped from the log */
	RAFT_EVENT_PEER_UNREACHABLE,	/* the connection to a peer broke; no message was lost by itself */
	RAFT_EVENT_SETTINGS			/* intervals or sizes changed */
} RaftEventType;

typedef struct RaftBoot
{
	RaftTerm	term;			/* from 1 */
	RaftNodeId	vote;
	RaftIndex	first;			/* first index in the log; last + 1 when empty */
	RaftIndex	last;
	RaftTerm	base_term;		/* term of entry first - 1; 0 when first = 1 */
	RaftIndex	commit;			/* known to be committed, >= first - 1 */
	RaftIndex	applied;		/* durably applied, <= commit */
	const RaftRun *runs;		/* of first..last, ascending */
	uint32_t	n_runs;
	const RaftConfig *configs;	/* ascending by index; the first may lie below first */
	uint32_t	n_configs;
} RaftBoot;

typedef struct RaftEvent
{
	RaftEventType type;
	RaftTime	now;
	union
	{
		const RaftBoot *boot;
		struct
		{
			const RaftMessage *message;
			uint64_t	room;	/* bytes of records that received entries may take in the
								 * log, on top of what a truncation frees */
		}			receive;
		struct
		{
			const RaftEntry *entries;
			uint32_t	n_entries;
		}			propose;
		RaftOp		op;			/* WRITE_DURABLE, WRITE_FAILED */
		struct
		{
			RaftIndex	visible;	/* effects can be read */
			RaftIndex	durable;	/* effects survive a crash */
		}			applied;
		RaftIndex	compacted;
		RaftNodeId	peer;
		const RaftSettings *settings;
	}			u;
} RaftEvent;

typedef enum RaftActionType
{
	RAFT_ACTION_WRITE,
	RAFT_ACTION_SEND,
	RAFT_ACTION_COMMIT,
	RAFT_ACTION_PLACED,
	RAFT_ACTION_REFUSED,
	RAFT_ACTION_ROLE,
	RAFT_ACTION_PEER_LOST,
	RAFT_ACTION_CONFIG			/* the last one of its step */
} RaftActionType;

typedef enum RaftWriteSource
{
	RAFT_WRITE_NOTHING,			/* term and vote only */
	RAFT_WRITE_EVENT,			/* entries of this event, beginning with "skip" */
	RAFT_WRITE_NOOP				/* one no-op entry of the term, made by the host */
} RaftWriteSource;

/*
 * One atomic write: term and vote, then the truncation, then the append.
 */
typedef struct RaftWrite
{
	RaftOp		op;
	RaftTerm	term;
	RaftNodeId	vote;
	RaftIndex	truncate_from;	/* drop entries from here on; 0 = none */
	RaftWriteSource source;
	uint32_t	skip;			/* RAFT_WRITE_EVENT: entries of the event to pass over */
	RaftIndex	first;			/* index of the first entry appended */
	uint32_t	n_entries;		/* appended entries; in a proposal they get term "term" */
} RaftWrite;

typedef enum RaftRefusal
{
	RAFT_REFUSED_NOT_LEADER,
	RAFT_REFUSED_CONFIG_EARLY,	/* nothing is committed in this term, or the last configuration
								 * is not: try again */
	RAFT_REFUSED_CONFIG_INVALID,	/* no configuration that may follow the active one */
	RAFT_REFUSED_STOPPED		/* a write failed */
} RaftRefusal;

typedef struct RaftAction
{
	RaftActionType type;
	union
	{
		RaftWrite	write;
		struct
		{
			RaftMessage message;
			RaftOp		after;	/* durable already: the op that the message depends on */
		}			send;
		struct
		{
			RaftIndex	commit; /* commit index */
			RaftIndex	ready;	/* min(commit, locally durable): may be applied */
		}			commit;
		struct
		{
			RaftIndex	first;	/* the event's entries stand here .. */
			RaftTerm	term;	/* .. in this term */
			uint32_t	n_entries;
		}			placed;
		struct
		{
			RaftRefusal reason;
			RaftNodeId	leader; /* 0 = unknown */
		}			refused;
		struct
		{
			RaftRole	from;
			RaftRole	to;
			RaftTerm	term;
			RaftNodeId	leader;	/* also sent when only the known leader changed, and by BOOT */
		}			role;
		struct
		{
			RaftNodeId	peer;	/* it has lost what it had confirmed as durable: .. */
			RaftIndex	confirmed;	/* .. entries up to here, of which .. */
			RaftIndex	agrees; /* .. it has no more than those up to here */
		}			lost;
		struct
		{
			RaftIndex	index;	/* this configuration became active: raft_core_status() has it */
			RaftTerm	term;	/* 0 = the entry is compacted */
		}			config;
	}			u;
} RaftAction;

typedef struct RaftActions
{
	uint32_t	n;
	RaftTime	deadline;		/* send RAFT_EVENT_TICK at this time */
	RaftAction	item[RAFT_MAX_ACTIONS];
} RaftActions;

typedef enum RaftProgressState
{
	RAFT_PROBE,					/* one append at a time until the logs agree */
	RAFT_REPLICATE				/* a window of appends under way */
} RaftProgressState;

/* The leader's view of one peer. */
typedef struct RaftPeerStatus
{
	RaftNodeId	id;
	uint8_t		flags;			/* RAFT_MEMBER_* */
	RaftProgressState state;
	RaftIndex	match;			/* 0 <= match < next */
	RaftIndex	next;
	uint32_t	inflight;		/* unanswered appends */
	bool		lost;			/* it has lost durable entries: counts for nothing any more */
	RaftTime	contact;		/* last message of this term from it; 0 = never */
} RaftPeerStatus;

typedef struct RaftStatus
{
	RaftNodeId	self;
	RaftRole	role;
	RaftTerm	term;
	RaftNodeId	vote;
	RaftNodeId	leader;			/* 0 = unknown */
	RaftIndex	first;			/* first index in the log */
	RaftIndex	last;
	RaftIndex	durable;		/* last index that is durable here */
	RaftIndex	verified;		/* follower: prefix that the leader of this term confirmed */
	RaftIndex	commit;
	RaftIndex	applied;		/* durably applied */
	RaftIndex	floor;			/* every member has entries up to here: may be compacted */
	uint32_t	n_runs;			/* term runs from first to last, <= RAFT_MAX_RUNS */
	bool		runs_full;		/* no room for another term: no campaign, and no entry of another
								 * term is taken, until compaction makes room */
	RaftOp		written;		/* last op handed out */
	RaftOp		synced;			/* last op reported durable */
	bool		has_quorum;		/* leader: heard from a quorum; follower: hears a leader */
	RaftTime	leader_contact;	/* last message of the leader */
	RaftTime	quorum_contact;	/* leader: when a quorum had been heard from; else 0 */
	const RaftConfig *config;	/* active configuration; NULL before boot */
	uint32_t	n_peers;		/* leader only */
	RaftPeerStatus peers[RAFT_MAX_MEMBERS];
} RaftStatus;

typedef struct RaftCore RaftCore;

/* Bytes that raft_core_init() needs; the memory must be aligned for uint64_t. */
extern size_t raft_core_size(void);

/* Prepares a core in the given memory.  RAFT_EVENT_BOOT must follow. */
extern RaftCore *raft_core_init(void *memory, const RaftInit *init);

/* The one entry point.  The result is valid until the next call. */
extern const RaftActions *raft_step(RaftCore *core, const RaftEvent *event);

/* A copy of the visible state. */
extern void raft_core_status(const RaftCore *core, RaftStatus *status);

/* Term of the entry at index; 0 when it is not in the log (nor its base). */
extern RaftTerm raft_core_term_at(const RaftCore *core, RaftIndex index);

/*
 * Supplied by the host: called when an assertion of a core fails, with the "host" of
 * its RaftInit; must not return.  Assertions stay on in production: a consensus core
 * in an impossible state has to stop.
 */
extern void raft_host_panic(void *host, const char *file, int line, const char *what)
			__attribute__((noreturn));

/*
 * Supplied by the host: what a configuration entry says.  False for a payload that is
 * none.  Index and term of the result are not looked at.
 */
extern bool raft_host_decode_config(const uint8_t *data, size_t size, RaftConfig *config);

#endif							/* RAFT_CORE_RAFT_H */
