/*-------------------------------------------------------------------------
 *
 * lab.h
 *	  The laboratory: several cores on a simulated network, in virtual time.
 *
 * One run is one test with one seed.  Everything random in it comes from that
 * seed and everything that happens is an event in one queue ordered by (time,
 * number), so the same seed gives the same run byte for byte.  A test reads
 * like its specification: its helpers run the queue until a virtual time and
 * return, and every event is followed by the invariants.
 *
 *	  rng.c			random numbers from a seed, one stream per purpose
 *	  sched.c		virtual time: the event queue
 *	  memory.c		memory that lives as long as a run
 *	  simlog.c		a log of encoded records: in memory and on disk
 *	  identity.c	copies of disks, and who is listened to
 *	  disk.c		writes started, durable, lost in a crash
 *	  image.c		the bytes on a disk, and recovery from them
 *	  network.c		links between nodes, frames on them
 *	  node.c		the host of one core: executes its actions, applies
 *	  machine.c		the state machine that commands are applied to
 *	  clients.c		who issue operations, and keep a history of them
 *	  linearize.c	could that history have happened?
 *	  invariants.c	what must hold after every event
 *	  history.c		what happened in the run: terms, entries, commits, commands
 *	  mutant_runs.c	old bugs put back, and found
 *	  cluster.c		the helpers that tests are written with
 *	  plan.c		what a random test will do, drawn before it does it
 *	  trace.c		the timeline, and its hash
 *	  scripts.c		races as text files
 *	  svg.c			a run as a space-time diagram
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_LAB_H
#define RAFT_TEST_SIM_LAB_H

#include <setjmp.h>
#include <stdarg.h>

#include "../../src/core/raft.h"
#include "../../src/core/limits.h"
#include "../../src/core/mutants.h"
#include "../../src/wire/config.h"
#include "../../src/wire/frame.h"
#include "../../src/wire/names.h"

#define LAB_MAX_NODES	7
#define US				((RaftTime) 1)
#define MS				((RaftTime) 1000)
#define T				(1000 * MS) /* the ladder's unit: an election is over by then */
#define LAB_TEST_LIMIT	(120 * T)	/* virtual time that one test may take */
#define LAB_EVENT_LIMIT	3000000		/* events that one test may take */

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Lab Lab;
typedef struct Node Node;
typedef struct Plan Plan;

/* ---------------------------------------------------------------- rng.c */

typedef struct Rng
{
	uint64_t	state;
} Rng;

extern void rng_seed(Rng *rng, uint64_t seed, const char *stream);
extern uint64_t rng_next(Rng *rng);
extern uint64_t rng_below(Rng *rng, uint64_t bound);	/* [0, bound); bound 0 gives 0 */
extern uint64_t rng_between(Rng *rng, uint64_t low, uint64_t high); /* both included */
extern bool rng_percent(Rng *rng, uint32_t percent);

/* ------------------------------------------------------------- memory.c */

/* Zeroed memory that run_memory_reset() takes back, all of it at once. */
extern void *run_alloc(size_t size);
extern void *run_copy(const void *data, size_t size);
extern void run_memory_reset(void);

/* ------------------------------------------------------------- simlog.c */

typedef struct LogEntry
{
	RaftTerm	term;
	RaftOrigin	origin;
	uint8_t		kind;
	uint32_t	length;			/* of the record */
	const uint8_t *record;		/* as on disk and on the wire */
	uint64_t	digest;			/* of the record */
	uint64_t	chain;			/* of this and all records before it */
	uint64_t	commands;		/* RAFT_ENTRY_COMMAND entries up to and with this one */
	uint64_t	position;		/* of the record among the bytes of a disk */
	RaftOp		op;				/* that wrote it .. */
	uint64_t	boot;			/* .. in this start; not on the disk */
} LogEntry;

typedef struct SimLog
{
	RaftIndex	first;			/* entries below were compacted */
	RaftIndex	last;
	LogEntry	base;			/* the entry at first - 1; zero when first = 1 */
	LogEntry	config;			/* latest configuration at or below the base */
	RaftIndex	config_index;	/* 0 = none */
	LogEntry   *entries;		/* entry i stands at i - 1 */
	size_t		capacity;
} SimLog;

extern const LogEntry *simlog_at(const SimLog *log, RaftIndex index);
extern RaftTerm simlog_term(const SimLog *log, RaftIndex index);	/* 0 = not there */
extern bool simlog_has(const SimLog *log, RaftIndex index);
extern void simlog_append(SimLog *log, const LogEntry *entry);
extern void simlog_truncate(SimLog *log, RaftIndex from);
extern void simlog_compact(SimLog *log, RaftIndex upto);
extern LogEntry simlog_make_entry(const SimLog *log, RaftIndex index, const RaftEntry *entry);
extern uint64_t lab_hash(uint64_t hash, const void *data, size_t size);

/* ------------------------------------------------------------ machine.c */

#define MACHINE_REGISTERS	3
#define MACHINE_LISTS		2
#define MACHINE_KEYS		(MACHINE_REGISTERS + MACHINE_LISTS)
#define MACHINE_CLIENTS		7	/* numbered from 1 */

typedef struct ListCell ListCell;

/* What a command answered, and whether it was applied for the first time. */
typedef struct MachineAnswer
{
	uint32_t	client;			/* 0 = not a client's operation */
	uint64_t	serial;
	bool		effective;		/* else a repetition: nothing was done */
	uint64_t	value;
	const ListCell *list;
} MachineAnswer;

/* The state that all nodes must have after the same entries. */
typedef struct Machine
{
	uint64_t	digest;			/* of all entries applied and what they answered */
	uint64_t	registers[MACHINE_REGISTERS];
	const ListCell *lists[MACHINE_LISTS];
	MachineAnswer last[MACHINE_CLIENTS];	/* each client's latest operation */
} Machine;

extern MachineAnswer machine_apply(Machine *machine, const LogEntry *entry);

/* -------------------------------------------------------------- image.c */

/* The first block of a disk, written as one: what the records behind it are. */
typedef struct DiskMeta
{
	RaftTerm	term;
	uint64_t	vote;
	RaftIndex	first;			/* of the records .. */
	RaftIndex	last;
	RaftTerm	base_term;		/* of entry first - 1 */
	RaftIndex	commit;			/* known when it was written */
	uint64_t	first_position;	/* .. which begin here .. */
	uint64_t	tail;			/* .. and end here */
	uint64_t	crc;
} DiskMeta;

typedef struct DiskImage
{
	DiskMeta	meta;			/* as the node knows it .. */
	DiskMeta	block;			/* .. and as it stands on the disk */
	uint8_t    *bytes;
	size_t		size;			/* written ever; the tail may lie before that */
	size_t		capacity;
} DiskImage;

/* A write that was started: what RaftWrite asks for, with its records. */
typedef struct DiskOp
{
	RaftOp		op;
	RaftTerm	term;
	RaftNodeId	vote;
	RaftIndex	truncate_from;
	RaftIndex	first;
	uint32_t	n_entries;
	LogEntry   *entries;
	RaftIndex	commit;			/* known when it was started */
	RaftIndex	compact;		/* drop entries up to here; 0 = none */
} DiskOp;

extern void image_format(DiskImage *image);
extern void image_write(DiskImage *image, const SimLog *log, const DiskOp *op);
extern void image_tear(Rng *rng, DiskImage *image, const DiskOp *op);
extern void image_compact(DiskImage *image, const SimLog *log);
extern void image_flip(Rng *rng, DiskImage *image);
extern const char *image_read(const DiskImage *image, SimLog *log, RaftBoot *boot);

/* --------------------------------------------------------------- disk.c */

/* One start of a node, and those before it. */
typedef struct NodeStart
{
	uint64_t	log_id;
	uint64_t	incarnation;	/* a number drawn by this start */
	const struct NodeStart *former;
	uint32_t	admitted;		/* nodes that listen to it, a bit for each */
	bool		over;
} NodeStart;

/* What a node has durably. */
typedef struct NodeStanding
{
	RaftIndex	last;
	RaftIndex	committed;		/* of it, as far as the node knows: that stays */
	RaftTerm	term;
} NodeStanding;

/* What a node knows of another one, durably. */
typedef struct PeerMet
{
	uint64_t	log_id;
	uint64_t	incarnation;	/* 0 = never met */
	NodeStanding standing;
} PeerMet;

typedef struct LostLog
{
	SimLog		log;
	struct LostLog *next;
} LostLog;

typedef struct Disk
{
	/* who this is, and who the others are (identity.c) */
	uint64_t	file;			/* that it is: no copy keeps it */
	uint64_t	written_to;		/* the file that its first block names */
	uint64_t	log_id;
	const NodeStart *last_start;
	PeerMet		met[LAB_MAX_NODES + 1];

	/* what is durable, as the laboratory knows it .. */
	RaftTerm	term;
	RaftNodeId	vote;
	SimLog		log;
	RaftIndex	applied;
	Machine		machine;		/* at applied */
	/* .. and what stands on the disk */
	DiskImage	image;

	/* started and not yet durable, in order */
	DiskOp	   *pending;
	size_t		n_pending;
	size_t		capacity;
	bool		syncing;
	RaftOp		sync_upto;		/* the flush under way covers these */
	RaftTime	sync_end;

	/* faults */
	RaftTime	latency;		/* of a flush, at most */
	RaftTime	stuck_until;	/* no flush ends before */
	RaftTime	full_until;		/* every flush fails before */
	bool		flipped;		/* a bit of the image was */
	bool		wiped;			/* there is nothing on it */
} Disk;

extern void disk_format(Lab *lab, Disk *disk);
extern void disk_perform(Lab *lab, Node *node, const DiskOp *op);
extern void disk_start_write(Lab *lab, Node *node, const DiskOp *op);
extern void disk_compact(Lab *lab, Node *node, RaftIndex upto);
extern void disk_sync_done(Lab *lab, Node *node);
extern void disk_fail(Lab *lab, Node *node);
extern void disk_settle(Lab *lab, Node *node);
extern void disk_keep(Lab *lab, Node *node, size_t n);
extern void disk_crash(Lab *lab, Node *node);
extern const char *disk_recover(Lab *lab, Node *node, RaftBoot *boot);

/* ----------------------------------------------------------- identity.c */

extern void identity_format(Lab *lab, Disk *disk);
extern const char *identity_check_disk(const Disk *disk);
extern NodeStanding identity_standing(const Node *node);
extern void identity_begin(Lab *lab, Node *node);
extern bool identity_admits(Node *node, RaftNodeId peer, NodeStart *start, const NodeStanding *standing);
extern void identity_greet(Lab *lab, Node *node);
extern bool identity_may_be_new(Lab *lab, const Node *node);
extern void identity_lose(Node *node);
extern bool identity_has_or_had(const Node *node, RaftIndex index, const LogEntry *entry);
extern void identity_keep_image(Lab *lab, Node *node);
extern void identity_restore_image(Lab *lab, Node *node, bool copied);
extern void identity_swap_image(Lab *lab, Node *node);

/* -------------------------------------------------------------- sched.c */

typedef enum SimEventType
{
	SIM_TICK,
	SIM_MESSAGE,
	SIM_UNREACHABLE,
	SIM_DISK_SYNC,				/* a flush ended */
	SIM_DISK_DURABLE,			/* an instant write is reported */
	SIM_APPLY,
	SIM_APPLY_DURABLE,
	SIM_CLIENT,					/* a client does what comes next */
	SIM_FLAP					/* a server that stays faulty fails, or comes back */
} SimEventType;

typedef struct SimEvent
{
	RaftTime	at;
	uint64_t	number;			/* order of posting breaks ties */
	SimEventType type;
	RaftNodeId	node;			/* whose event it is */
	RaftNodeId	peer;			/* MESSAGE: sender; UNREACHABLE: the peer */
	bool		late;			/* TICK: it waited with other events */
	uint64_t	boot;			/* of the node when posted; APPLY..: its life; MESSAGE: of the connection */
	uint64_t	value;			/* DISK_DURABLE: op; APPLY: its number; APPLY_DURABLE: index;
								 * MESSAGE: size; CLIENT: number of the wake-up */
	NodeStart  *start;			/* MESSAGE: the sender's .. */
	NodeStanding standing;		/* .. and what it had then */
	union
	{
		const uint8_t *frame;	/* MESSAGE */
		const Machine *machine; /* APPLY_DURABLE */
	};
} SimEvent;

typedef struct Sched
{
	SimEvent   *heap;
	size_t		n;
	size_t		capacity;
	uint64_t	posted;
	uint64_t	handled;
} Sched;

extern void sched_reset(Sched *sched);
extern void sched_post(Sched *sched, SimEvent event);
extern bool sched_next(Sched *sched, RaftTime until, SimEvent *event);
extern bool sched_take(Sched *sched, bool (*matches) (const SimEvent *event, const void *arg),
					   const void *arg, SimEvent *event);

/* ------------------------------------------------------------ network.c */

#define NETWORK_KEPT	32		/* frames kept, to be sent again by a replay */

typedef struct SentFrame
{
	RaftNodeId	to;
	uint32_t	size;
	const uint8_t *frame;
	NodeStart  *start;
	NodeStanding standing;
} SentFrame;

typedef struct Network
{
	bool		enabled[LAB_MAX_NODES + 1][LAB_MAX_NODES + 1];
	bool		unreliable;
	bool		unordered;		/* nothing is lost, but messages overtake each other */
	bool		long_reordering;
	bool		long_delays;
	uint32_t	duplicate_percent;	/* 0 in the ladder */
	uint32_t	corrupt_percent;	/* a flipped bit; 0 in the ladder */
	uint32_t	replay_percent; /* a copy that comes seconds later; 0 in the ladder */
	RaftTime	distance;		/* every message takes that much longer; 0 in the ladder */
	bool		damaged;		/* a frame was: the decoder may refuse one from now on */

	/* when unreliable */
	uint32_t	loss_percent;
	RaftTime	request_delay;	/* at most */
	RaftTime	reply_delay;	/* at most, but for long reordering */

	RaftTime	last_arrival[LAB_MAX_NODES + 1][LAB_MAX_NODES + 1];
	bool		unreachable_posted[LAB_MAX_NODES + 1][LAB_MAX_NODES + 1];
	uint64_t	requests[LAB_MAX_NODES + 1];	/* that reached this server's handler */
	uint64_t	rejections[LAB_MAX_NODES + 1];	/* appends that this server refused */
	uint64_t	bytes;			/* sent by anyone to anyone */
	uint64_t	messages;		/* the same */
	uint64_t	connection[LAB_MAX_NODES + 1][LAB_MAX_NODES + 1];	/* grows with each reset */
	SentFrame	sent[LAB_MAX_NODES + 1][NETWORK_KEPT];	/* the latest of each node */
	uint64_t	n_sent[LAB_MAX_NODES + 1];
} Network;

extern const uint8_t lab_group[RAFT_GROUP_ID_BYTES];

extern void network_init(Lab *lab);
extern void network_send(Lab *lab, Node *from, const RaftMessage *message);
extern void network_reset(Lab *lab, RaftNodeId from, RaftNodeId to);
extern void network_replay(Lab *lab, RaftNodeId from, uint32_t n);
extern void network_deliver(Lab *lab, const SimEvent *event);
extern void network_unreachable(Lab *lab, const SimEvent *event);

/* --------------------------------------------------------------- node.c */

typedef struct ProposeResult
{
	bool		placed;
	RaftIndex	first;
	RaftTerm	term;
	RaftNodeId	leader;			/* refused: who leads, 0 = unknown */
	bool		full;			/* refused: there is no room in the log */
	bool		died;			/* the process did, meanwhile: placed or not, who knows */
} ProposeResult;

struct Node
{
	RaftNodeId	id;
	bool		up;
	bool		connected;		/* as the test sees it */
	bool		stopped;		/* a write failed: its core does nothing any more */
	bool		out;			/* its disk is not to be trusted: it does not start again */
	RaftTime	paused_until;	/* the process stands still, and what happens to it waits */
	RaftTime	starved_until;	/* no tick comes before */
	uint64_t	crash_in;		/* the process dies before this action from now; 0 = not */
	uint64_t	ambush;			/* .. or from when it gets this role; 0 = not */
	RaftRole	ambush_as;
	uint64_t	boot;			/* boot count */
	uint64_t	life;			/* of the server: its applier survives a start of the node's worker */
	void	   *memory;
	RaftCore   *core;
	SimLog		log;
	uint64_t	log_capacity;	/* bytes of records that its log takes; 0 = no bound */
	Disk		disk;
	Disk	   *image;			/* an older one that was kept; NULL = none */
	uint64_t	image_of;		/* the file that it is a copy of, or is */
	NodeStart  *start;			/* the present one, or the last */
	bool		older;			/* it came back with less than it had: it must not be listened to .. */
	uint32_t	losses;			/* how often it came back with another disk */
	struct LostLog *lost;		/* .. any more; this it had, and may have acknowledged */

	RaftStatus	status;			/* after the last step */
	RaftStatus	before;			/* before it: what the invariants compare with */
	RaftOp		written;		/* last op that the core handed out */
	RaftOp		synced;			/* last op that it was told is durable */
	RaftIndex	ready;			/* may be applied */
	RaftIndex	visible;		/* applied, as the applier says .. */
	RaftIndex	told_visible;	/* .. and as the core was told */
	RaftIndex	told_durable;
	Machine		machine;		/* at visible */
	RaftIndex	applying;		/* end of the apply under way, 0 = none */
	uint64_t	apply_number;	/* of the apply under way */
	RaftTime	apply_slow;		/* an apply takes up to this longer */
	RaftTime	applier_down_until;
	uint64_t	commands;		/* applied ones */
	RaftTime	tick_at;		/* earliest tick posted, 0 = none */
	RaftTime	deadline;		/* by its own clock */
	ProposeResult result;

	/* the entries that were sent last: several peers often get the same */
	RaftIndex	range_first;	/* 0 = none */
	RaftIndex	range_last;
	const uint8_t *range;
	uint32_t	range_size;

	/* its clock: clock_local at the time clock_true, and how fast it goes since then */
	RaftTime	clock_true;
	RaftTime	clock_local;
	uint32_t	clock_rate;		/* in thousandths */
};

extern void node_start(Lab *lab, Node *node);
extern void node_restart_worker(Lab *lab, Node *node);
extern void node_crash(Lab *lab, Node *node);
extern void node_settings(Lab *lab, Node *node);
extern RaftTime node_clock(const Lab *lab, const Node *node);
extern void node_set_clock(Lab *lab, Node *node, RaftTime step, uint32_t rate);
extern void node_kill_applier(Lab *lab, Node *node, RaftTime until);
extern uint64_t node_room(const Node *node);
extern uint64_t node_log_bytes(const Node *node);
extern void node_step(Lab *lab, Node *node, const RaftEvent *event);
extern void node_handle(Lab *lab, const SimEvent *event);
extern ProposeResult node_propose(Lab *lab, Node *node, const RaftEntry *entries, uint32_t n);

/* ------------------------------------------------------------ history.c */

/* An entry that was committed; never changes again. */
typedef struct Committed
{
	LogEntry	entry;
	RaftTerm	by_term;		/* of the leader that committed it first */
	bool		applied;		/* somewhere, and this was the state machine's digest then */
	uint64_t	machine;
} Committed;

/* What a client knows about a command that it offered. */
typedef struct Offer
{
	RaftNodeId	node;
	bool		placed;			/* else refused: must never be applied */
	bool		unknown;		/* the node died meanwhile: placed or not */
	RaftIndex	index;
	RaftTerm	term;
	RaftIndex	committed_at;	/* 0 = not yet */
	RaftTime	committed_time;
} Offer;

typedef struct History
{
	RaftNodeId *leader_of;		/* by term */
	size_t		n_terms;
	RaftNodeId *cast[LAB_MAX_NODES + 1];	/* vote by term, as far as anybody could see it */
	size_t		n_cast[LAB_MAX_NODES + 1];
	Committed  *committed;		/* by index - 1 */
	size_t		committed_capacity;
	RaftIndex	commit;			/* highest committed anywhere */
	RaftIndex  *command_index;	/* by command number - 1 */
	size_t		command_capacity;
	uint64_t	commands;
	Offer	   *offers;			/* by serial - 1 */
	size_t		offers_capacity;
	uint64_t	n_offers;
	RaftTerm	newest_seen[LAB_MAX_NODES + 1]; /* durable term, never goes back */
} History;

extern void history_leader(Lab *lab, Node *node, RaftTerm term);
extern void history_vote(Lab *lab, Node *node, RaftTerm term, RaftNodeId vote);
extern void history_append(Lab *lab, Node *node, RaftIndex index, const LogEntry *entry);
extern void history_commit(Lab *lab, Node *node, RaftIndex index, const LogEntry *entry);
extern void history_applied(Lab *lab, Node *node, RaftIndex index, uint64_t machine);
extern const Committed *history_committed(Lab *lab, RaftIndex index);
extern Offer *history_offer(Lab *lab, uint64_t serial);
extern uint64_t history_new_offer(Lab *lab, RaftNodeId node);
extern void history_reset(Lab *lab);

/* --------------------------------------------------------- invariants.c */

extern void invariants_write(Lab *lab, Node *node, const RaftWrite *write);
extern void invariants_proposal_config(Lab *lab, Node *node, RaftIndex index, const RaftEntry *entry);
extern void invariants_send(Lab *lab, Node *node, const RaftMessage *message, RaftOp after);
extern void invariants_commit(Lab *lab, Node *node, RaftIndex commit, RaftIndex ready);
extern void invariants_apply(Lab *lab, Node *node, RaftIndex index);
extern void invariants_durable(Lab *lab, Node *node);
extern void invariants_recovered(Lab *lab, Node *node, const RaftBoot *boot);
extern void invariants_leader(Lab *lab, Node *node);
extern void invariants_after_step(Lab *lab, Node *node);
extern const char *invariant_name(int number);

/* ------------------------------------------------------------ the run */

/* How the world behaves in this run; drawn from the seed. */
typedef struct LabSettings
{
	RaftSettings core;
	RaftTime	disk_latency;	/* 0 = persistence is atomic and instant */
	bool		crash_keeps_some;	/* else a crash loses all that is not durable */
	RaftTime	apply_delay;
	RaftTime	apply_durable_delay;
	RaftTime	tick_lateness;
	uint32_t	early_tick_percent;
	bool		compact;
	bool		compact_to_tip; /* always as far as it may; else somewhere below */
	uint32_t	max_pending;	/* bounds that the core keeps */
	uint32_t	max_held;
	uint32_t	max_runs;
	uint32_t	voters;			/* sets of servers, a bit for each; 0 = all of them .. */
	uint32_t	outgoing;		/* .. 0 = none; who is in neither learns only */
	bool		forming;		/* nobody's log is known yet: all have to decide */
	RaftNodeId	bridge;			/* in the end this server alone is linked with all others; 0 = all are */
	bool		one_way;		/* .. and of the others' links one direction is left */

	/* clients: none in the ladder */
	uint32_t	clients;		/* <= MACHINE_CLIENTS - 2: the last one audits */
	RaftTime	client_pause;	/* between two operations, at most */
	RaftTime	client_timeout; /* an answer is waited for at least this long */
	uint32_t	client_keys;	/* 1..MACHINE_KEYS */
	uint32_t	client_bytes;	/* of a command beyond what it needs, at most */
	uint32_t	client_gives_up_percent;	/* after a timeout; else it tries again */
} LabSettings;

typedef struct LabFailure
{
	int			invariant;		/* 0 = the test's own check */
	char		what[400];
	RaftTime	at;
} LabFailure;

struct Lab
{
	const char *test;
	uint64_t	seed;
	uint32_t	n;				/* servers, ids 1..n; 0 = the test builds its own */
	RaftTime	now;
	RaftTime	limit;
	LabSettings settings;
	Sched		sched;
	Network		network;
	Node		nodes[LAB_MAX_NODES + 1];
	History		history;

	Rng			rng_test;		/* the test's own choices */
	Rng			rng_network;
	Rng			rng_disk;
	Rng			rng_host;
	Rng			rng_clients;
	Rng			rng_identity;
	uint64_t	files;			/* made so far */

	bool		tracing;		/* lines are formatted .. */
	bool		trace_print;	/* .. and printed */
	void		(*trace_to) (Lab *lab, const char *line);	/* .. and heard, without the time */
	bool		drawing;		/* svg.c looks at what is traced */
	uint64_t	trace_hash;
	uint64_t	trace_lines;

	jmp_buf		failed;
	LabFailure	failure;
	uint32_t	next_start;		/* one(): the server that is offered the command next */
	bool		settled;		/* no server that stays faulty comes and goes any more */
	Plan	   *plan;			/* of this run, when it has one */
	struct Clients *clients;	/* NULL = none */
	struct Recordings *recordings;	/* of every start of a node; NULL = none (replay.h) */
};

extern void *panicked_host;	/* of the core that stopped last */
extern Lab *current_lab;		/* for raft_host_panic() */

/* The run ends here, and has passed. */
#define LAB_ENDED 2
extern void lab_end(Lab *lab, const char *why) __attribute__((noreturn));

extern void lab_fail(Lab *lab, int invariant, const char *format,...)
			__attribute__((format(printf, 3, 4), noreturn));

#define lab_check(lab, condition, ...) \
	do { \
		if (!(condition)) \
			lab_fail((lab), 0, __VA_ARGS__); \
	} while (0)

/* ------------------------------------------------------------ clients.c */

extern void clients_start(Lab *lab);
extern void clients_wake(Lab *lab, const SimEvent *event);
extern void clients_applied(Lab *lab, Node *node, RaftIndex index, const LogEntry *entry,
							const MachineAnswer *answer);
extern void clients_pause(Lab *lab, bool paused);
extern void clients_finish(Lab *lab, bool audit);

/* ----------------------------------------------------------- liveness.c */

extern void liveness_end_if_full_of_terms(Lab *lab);

/* -------------------------------------------------------------- trace.c */

extern void trace_line(Lab *lab, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void trace_message(Lab *lab, const char *verb, const RaftMessage *message);
extern void trace_write(Lab *lab, const Node *node, const RaftWrite *write);

#define lab_trace(lab, ...) \
	do { \
		if ((lab)->tracing) \
			trace_line((lab), __VA_ARGS__); \
	} while (0)

/* ------------------------------------------------------------ cluster.c */

typedef struct Command
{
	const void *data;
	uint32_t	size;
} Command;

typedef struct Started
{
	bool		leader;			/* accepted */
	uint64_t	command;		/* its number among the commands */
	RaftIndex	index;
	RaftTerm	term;
	uint64_t	serial;
} Started;

extern void cluster_prepare(Lab *lab, uint32_t n);
extern void cluster_boot(Lab *lab);
extern void cluster_init(Lab *lab, uint32_t n);
extern uint8_t cluster_member_flags(const Lab *lab, RaftNodeId id);
extern bool cluster_is_quorum(const Lab *lab, uint32_t mask);
extern void cluster_sleep(Lab *lab, RaftTime duration);
extern bool cluster_until(Lab *lab, RaftTime duration, RaftTime step,
						  bool (*condition) (Lab *lab, void *arg), void *arg);
extern RaftNodeId cluster_nth(Lab *lab, RaftNodeId node, uint32_t distance);

extern Command cluster_number(uint64_t number);
extern Command cluster_random_command(Lab *lab, uint32_t size);

extern RaftNodeId cluster_one_leader(Lab *lab);
extern void cluster_no_leader(Lab *lab);
extern RaftTerm cluster_same_term(Lab *lab);
extern uint32_t cluster_committed(Lab *lab, uint64_t command, Command *value);
extern uint64_t cluster_one(Lab *lab, Command command, uint32_t n, bool retry);
extern bool cluster_wait(Lab *lab, uint64_t command, uint32_t n, RaftTerm term, Command *value);
extern Started cluster_start(Lab *lab, RaftNodeId node, Command command);
extern uint64_t cluster_start_anywhere(Lab *lab, Command command);
extern RaftTerm cluster_term(Lab *lab, RaftNodeId node);
extern uint64_t cluster_requests(Lab *lab);

extern void cluster_connect(Lab *lab, RaftNodeId node);
extern void cluster_disconnect(Lab *lab, RaftNodeId node);
extern void cluster_crash(Lab *lab, RaftNodeId node);
extern void cluster_restart(Lab *lab, RaftNodeId node);

/* --------------------------------------------------------------- tests */

typedef struct LabTest
{
	const char *name;
	const char *group;			/* A, B, C, simulate, lesson, script, unit */
	uint32_t	servers;		/* 0 = the test builds its own */
	uint32_t	max_seeds;		/* 0 = as many as asked for */
	void		(*run) (Lab *lab);
} LabTest;

extern const LabTest ladder_a_tests[];	/* each ends with a NULL name */
extern const LabTest ladder_b_tests[];
extern const LabTest ladder_c_tests[];
extern const LabTest simulate_tests[];
extern const LabTest formation_tests[];
extern const LabTest lesson_tests[];
extern const LabTest lesson_core_tests[];
extern const LabTest lesson_fault_tests[];
extern const LabTest unordered_tests[];
extern const LabTest codec_tests[];
extern const LabTest core_tests[];
extern const LabTest membership_tests[];
extern const LabTest plan_tests[];
extern const LabTest linearize_tests[];
extern const LabTest image_tests[];
extern const LabTest eventlog_tests[];

#endif							/* RAFT_TEST_SIM_LAB_H */
