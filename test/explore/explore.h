/*-------------------------------------------------------------------------
 *
 * explore.h
 *	  Exhaustive exploration of three nodes: the words that its files share.
 *
 *	world		a state of everything: three nodes, the messages under way, and
 *				what history has to remember
 *	node state	one node: its core in canonical form, the log its host keeps, and
 *				its disk.  Equal ones are stored once and named by a number.
 *	envelope	a message under way, with the entries that its range stands for.
 *				Stored once and named by a number, too.
 *	choice		what happens next: a delivery, a timeout, a crash, a flush, ...
 *	step		what one event does to one node.  It depends on that node's state
 *				and the event alone, so that its outcome is remembered.
 *	history		what must not be forgotten to judge a run, though no node knows it:
 *				leaders and votes of each term, and what was committed.
 *
 * node.c		one step of one node			canonical.c	 equal states made equal bytes
 * store.c		states and messages by number	world.c		 choices and what they lead to
 * history.c	leaders, votes, commits			invariants.c what holds in every world
 * visited.c	worlds seen before				frontier.c	 levels and paths
 * search.c		breadth first, by depth			script.c	 paths as text, in and out
 * agree.c		canonical.c on trial			main.c		 options
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_EXPLORE_H
#define RAFT_EXPLORE_H

#include <stdio.h>

#include "../../src/core/internal.h"
#include "../../src/wire/names.h"

#define N_NODES		3
#define N_PERMS		6			/* ways to rename three nodes */
#define MAX_LOG		8			/* entries of a log, the bootstrap entry included */
#define MAX_TERM	15
#define MAX_WRITES	6			/* writes under way on one disk */
#define MAX_SENT	8			/* messages that one step sends */
#define MAX_NET		80			/* messages under way */

#define PROGRESS_SECONDS	10	/* between lines that tell how far a search is */

#define ULL(x) ((unsigned long long) (x))

/* ------------------------------------------------------------------ logs */

/*
 * A log in a word: byte i - 1 is entry i, its term in the upper half and what
 * it carries in the lower one.  0 = no entry.
 */
typedef uint64_t Log;

#define CARRIES_CONFIG	1
#define CARRIES_NOOP	2
#define CARRIES_COMMAND	3		/* and up: the first command, the second, ... */

#define ENTRY(term, carries)	((uint8_t) ((term) << 4 | (carries)))
#define ENTRY_TERM(entry)		((entry) >> 4)
#define ENTRY_CARRIES(entry)	((entry) & 15)

static inline uint8_t
log_at(Log log, unsigned index)
{
	return (uint8_t) (log >> (8 * (index - 1)));
}

static inline Log
log_prefix(Log log, unsigned length)
{
	return length >= MAX_LOG ? log : log & ((UINT64_C(1) << (8 * length)) - 1);
}

static inline unsigned
log_length(Log log)
{
	return log == 0 ? 0 : (unsigned) (71 - __builtin_clzll(log)) / 8;
}

static inline bool
log_agrees(Log a, Log b, unsigned length)
{
	return log_prefix(a ^ b, length) == 0;
}

/* ------------------------------------------------------- nodes, messages */

/* A write that was started and is not durable. */
typedef struct DiskOp
{
	Log			entries;		/* appended, the first one in byte 0 */
	uint8_t		term;
	uint8_t		vote;
	uint8_t		truncate_from;	/* 0 = nothing */
	uint8_t		first;			/* index of the first entry */
	uint8_t		n_entries;
	uint8_t		unused[3];
} DiskOp;

typedef struct NodeState
{
	Log			log;			/* as the core was told */
	Log			disk;			/* what a crash leaves */
	uint8_t		disk_term;
	uint8_t		disk_vote;
	uint8_t		n_pending;
	uint8_t		unused[5];
	DiskOp		pending[MAX_WRITES];
	RaftCore	core;			/* up to its actions, which are no state */
} NodeState;

#define NODE_BYTES	(offsetof(NodeState, core) + offsetof(RaftCore, actions))

typedef struct Envelope
{
	RaftMessage message;		/* its entries are NULL */
	Log			entries;		/* the first one in byte 0 */
} Envelope;

/* Rounds of messages, as they are kept: see canonical.c. */
#define ROUND_STALE	1
#define ROUND_LIVE	2

typedef enum EventKind
{
	EVENT_DELIVER = 1,			/* envelope; lapsed: silence of the leader came first */
	EVENT_FLUSH,				/* count of writes that become durable */
	EVENT_TIMEOUT,				/* election timeout; of a leader: heartbeat */
	EVENT_STEP_DOWN,			/* a leader notices that it has heard from nobody */
	EVENT_CRASH,				/* count of writes that survive; lapsed: applied index lost */
	EVENT_PROPOSE,				/* count: number of the command */
	EVENT_STALE					/* rounds of the owner became void */
} EventKind;

typedef struct Event
{
	EventKind	kind;
	bool		lapsed;
	unsigned	count;
	const Envelope *envelope;
	RaftNodeId	owner;			/* STALE: whose ... */
	uint8_t		stale;			/* ... STALE_VOTES, STALE_PREVOTES, STALE_APPENDS */
} Event;

#define STALE_VOTES			1
#define STALE_PREVOTES		(1 << (N_NODES + 1))
#define STALE_APPENDS(peer)	(1 << (peer))	/* appends between the owner and this peer */

/* What a step did. */
typedef struct Result
{
	const char *violation;		/* of an invariant that one node can check; NULL = none */
	bool		pruned;			/* beyond the bounds of this program */
	bool		led;			/* won an election */
	bool		committed;		/* reported a commit index */
	uint8_t		stale;			/* its rounds that became void */
	RaftIndex	commit_before;
	uint32_t	n_sent;
	Envelope	sent[MAX_SENT];
} Result;

/* What is looked at often of a stored node state. */
typedef struct NodeInfo
{
	uint64_t	hash[N_PERMS];	/* of the state under each renaming */
	Log			log;
	Log			disk;
	uint8_t		role;
	uint8_t		leader;
	uint8_t		term;
	uint8_t		disk_term;
	uint8_t		commit;
	uint8_t		ready;			/* applied at once */
	uint8_t		n_pending;
	bool		sticky;			/* hears its leader */
	uint8_t		owes;			/* bit i: keeps a round of node i */
	uint8_t		floor;
	uint8_t		match[N_NODES + 1]; /* leader */
} NodeInfo;

typedef struct EnvelopeInfo
{
	uint64_t	hash;
	Envelope	envelope;
	uint32_t	renamed[N_PERMS];	/* the same between nodes of other names */
	uint32_t	stale_form;		/* the same with a stale round */
	uint8_t		owner;			/* whose round it carries: the asking side */
	uint8_t		stale_bit;		/* STALE_... of the owner that makes it stale */
} EnvelopeInfo;

/* --------------------------------------------------------------- history */

/* Leaders and votes: two bits per term. */
typedef struct History
{
	Log			committed;		/* anywhere, ever */
	uint32_t	by_term;		/* four bits per entry: term of the leader that committed it */
	uint32_t	leaders;
	uint32_t	votes[N_NODES + 1]; /* sent by each node, in terms that it may still be in */
	uint8_t		proposed;		/* commands so far */
	uint8_t		drops;			/* explicit ones that may still come */
	uint8_t		duplicates;		/* the same */
	uint8_t		unused;
} History;

typedef struct HistoryInfo
{
	uint64_t	hash[N_PERMS];
	History		history;
} HistoryInfo;

/* ---------------------------------------------------------------- worlds */

typedef struct World
{
	uint32_t	node[N_NODES + 1];	/* from 1 */
	uint8_t		crashes[N_NODES + 1];	/* that a node may still suffer */
	uint8_t		timeouts[N_NODES + 1];	/* that it may still have */
	uint32_t	history;
	uint32_t	n_net;
	uint32_t	net[MAX_NET];	/* ascending */
} World;

typedef enum ChoiceKind
{
	CHOOSE_DELIVER = 1,			/* at: place among the messages under way */
	CHOOSE_DROP,
	CHOOSE_DUPLICATE,			/* deliver, and keep a copy under way */
	CHOOSE_FLUSH,				/* at: how many writes */
	CHOOSE_TIMEOUT,
	CHOOSE_STEP_DOWN,
	CHOOSE_CRASH,				/* at: how many writes survive */
	CHOOSE_PROPOSE
} ChoiceKind;

typedef struct Choice
{
	uint8_t		kind;
	uint8_t		node;
	uint8_t		at;
	bool		lapsed;
} Choice;

#define MAX_CHOICES	(3 * MAX_NET + N_NODES * (4 + 3 * MAX_WRITES))

typedef enum Verdict
{
	VERDICT_NEW,				/* leads to another world */
	VERDICT_IDLE,				/* leads to nothing that this world does not hold */
	VERDICT_PRUNED,
	VERDICT_VIOLATION
} Verdict;

/* -------------------------------------------------------------- settings */

typedef struct Bounds
{
	unsigned	commands;		/* proposals in a run */
	unsigned	crashes;		/* per node */
	unsigned	timeouts;		/* per node: elections, heartbeats, steps down */
	unsigned	drops;			/* explicit ones in a run */
	unsigned	duplicates;		/* in a run */
	unsigned	batch;			/* entries in a message */
	unsigned	inflight;		/* appends under way to a peer */
	bool		instant;		/* writes are durable at once */
	bool		again;			/* a message that changed nothing where it arrived may do so again */
	bool		covering;		/* leave out what an earlier world covers */
	bool		outcome;		/* check only what can be seen from outside */
} Bounds;

extern Bounds bounds;
extern FILE *trace;				/* steps are told here, when not NULL */

/* canonical.c */
extern bool canonical_is_live(const RaftCore *owner, const RaftMessage *message);
extern RaftNodeId canonical_owner(const RaftMessage *message);
extern uint8_t canonical_stale_bit(const RaftMessage *message);
extern void canonical_rounds(NodeState *state, RaftRole before, Result *result);
extern void canonical_rest(NodeState *state);
extern void canonical_stale(NodeState *state, RaftNodeId owner, uint8_t stale);
extern void canonical_permute(NodeState *out, const NodeState *state, unsigned perm);
extern void canonical_permute_message(RaftMessage *message, unsigned perm);
extern RaftNodeId canonical_renamed(RaftNodeId id, unsigned perm);

/* node.c */
extern void node_format(NodeState *state, RaftNodeId id);
extern void node_step(NodeState *state, const Event *event, Result *result);
extern bool node_is_sticky(const RaftCore *core);

/* store.c */
extern uint64_t store_hash(const void *data, size_t size);
extern uint32_t store_node(const NodeState *state);
extern void store_load(uint32_t number, NodeState *state);
extern const NodeInfo *store_node_info(uint32_t number);
extern uint32_t store_envelope(const Envelope *envelope);
extern const EnvelopeInfo *store_envelope_info(uint32_t number);
extern uint32_t store_history(const History *history);
extern const HistoryInfo *store_history_info(uint32_t number);
extern uint32_t store_n_nodes(void);
extern uint32_t store_n_envelopes(void);
extern size_t store_bytes(void);

/* history.c */
extern void history_init(History *history);
extern void history_permute(History *out, const History *history, unsigned perm);
extern const char *history_step(History *history, const World *world, RaftNodeId id,
								bool led, bool committed, const uint32_t *sent, uint32_t n_sent);

/* invariants.c */
extern const char *invariants_world(const World *world);

/* world.c */
extern bool world_tells;		/* of arrivals that nobody has chosen */
extern void world_init(World *world);
extern uint32_t world_choices(const World *world, Choice *choices);
extern Verdict world_apply(const World *from, Choice choice, World *to, const char **violation);
extern Event world_event(const World *world, Choice choice);
extern bool world_is_dead(const World *world, uint32_t message);

/* visited.c */
extern void visited_init(size_t max_bytes);
extern uint64_t visited_key(const World *world, uint64_t sums[N_PERMS]);
extern void visited_prefetch(uint64_t key);
extern bool visited_add(const World *world);
extern void visited_next_level(void);
extern bool visited_stands(const World *world);
extern bool visited_is_full(void);
extern uint64_t visited_n_keys(void);
extern size_t visited_bytes(void);

/* frontier.c */
typedef struct Level Level;
extern Level *level_create(void);
extern void level_put(Level *level, const World *world, uint64_t number);
extern void level_rewind(Level *level);
extern bool level_get(Level *level, World *world, uint64_t *number);
extern void level_close(Level *level);
extern void path_init(void);
extern void path_put(uint64_t number, uint64_t parent, Choice choice);
extern uint32_t path_get(uint64_t number, Choice *choices, uint32_t max);

/* search.c */
extern int	search_run(const World *start, unsigned max_depth, double max_seconds, size_t max_bytes);

/* script.c */
extern void script_print_choice(FILE *out, const World *world, Choice choice);
extern void script_print_message(FILE *out, const Envelope *envelope);
extern void script_print_log(FILE *out, Log log);
extern bool script_play(const char *file, World *world, bool aloud);
extern void script_show(World world, const Choice *choices, uint32_t n);

/* agree.c */
extern int	agree_run(uint64_t seed, double max_seconds);

#endif							/* RAFT_EXPLORE_H */
