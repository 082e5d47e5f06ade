/*-------------------------------------------------------------------------
 *
 * example.c
 *	  The smallest whole host: three cores in one process, a loop as transport,
 *	  memory as disk.  "make -C test/sim example" compiles and runs it.
 *
 * A real host does the same with sockets, files and a clock.  What differs is said
 * where it differs.
 *
 *-------------------------------------------------------------------------
 */
#include "raft.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES	3

typedef struct Node
{
	RaftNodeId	id;
	RaftCore   *core;
	RaftEntry	log[100];		/* entry i at i; a real host has them on disk, with their data */
	RaftIndex	last;
	RaftOp		written;		/* last op given to the disk .. */
	RaftOp		durable;		/* .. and reported as durable */
	RaftIndex	applied;
	RaftRole	role;
	RaftTime	deadline;
} Node;

typedef struct Letter
{
	RaftMessage message;
	RaftEntry	entry;			/* batch_end() below: at most one */
} Letter;

static Node nodes[NODES + 1];	/* by id */
static Letter post[1000];		/* the transport: a ring of what is under way */
static uint64_t sent,
			delivered;
static RaftTime now = 1;		/* a clock begins above 0 */

void
raft_host_panic(void *host, const char *file, int line, const char *what)
{
	fprintf(stderr, "node %u: %s:%d: assertion failed: %s\n", ((Node *) host)->id, file, line, what);
	abort();
}

/* Configurations never change here: the one of the boot is all there is. */
bool
raft_host_decode_config(const uint8_t *data, size_t size, RaftConfig *config)
{
	(void) data;
	(void) size;
	(void) config;
	return false;
}

/* A real host puts several entries into a message, up to max_bytes. */
static RaftIndex
batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	(void) last;
	(void) max_bytes;
	*bytes = RAFT_ENTRY_OVERHEAD + ((Node *) arg)->log[first].size;
	return first;
}

/* Here a real host starts a write, which becomes durable some time later. */
static void
write_log(Node *node, const RaftEvent *event, const RaftWrite *write)
{
	if (write->truncate_from != 0)
		node->last = write->truncate_from - 1;
	for (uint32_t i = 0; i < write->n_entries; i++)
	{
		RaftEntry	entry = {.kind = RAFT_ENTRY_NOOP};

		if (write->source == RAFT_WRITE_EVENT && event->type == RAFT_EVENT_RECEIVE)
			entry = event->u.receive.message->entries[write->skip + i];
		else if (write->source == RAFT_WRITE_EVENT)
			entry = event->u.propose.entries[write->skip + i];
		if (entry.term == 0)
			entry.term = write->term;
		node->log[++node->last] = entry;
	}
	node->written = write->op;
}

static void
post_message(Node *node, const RaftMessage *message, RaftOp after)
{
	Letter	   *letter = &post[sent++ % 1000];

	if (after > node->durable)
		abort();				/* an early promise */
	letter->message = *message;
	if (message->n_entries > 0)
		letter->entry = node->log[message->log_index + 1];
}

static void
apply(Node *node, RaftIndex ready)
{
	for (; node->applied < ready; node->applied++)
	{
		const RaftEntry *entry = &node->log[node->applied + 1];

		if (entry->kind == RAFT_ENTRY_HOST)
			printf("node %u applies %s\n", node->id, (const char *) entry->data);
	}
}

/* One step, and what follows from it. */
static void
step(Node *node, RaftEvent event)
{
	RaftIndex	applied = node->applied;
	const RaftActions *actions;

	event.now = now;
	actions = raft_step(node->core, &event);
	node->deadline = actions->deadline;
	for (uint32_t i = 0; i < actions->n; i++)
	{
		const RaftAction *action = &actions->item[i];

		if (action->type == RAFT_ACTION_WRITE)
			write_log(node, &event, &action->u.write);
		else if (action->type == RAFT_ACTION_SEND)
			post_message(node, &action->u.send.message, action->u.send.after);
		else if (action->type == RAFT_ACTION_COMMIT)
			apply(node, action->u.commit.ready);
		else if (action->type == RAFT_ACTION_ROLE)
			node->role = action->u.role.to;
	}
	if (node->applied > applied)
		step(node, (RaftEvent) {.type = RAFT_EVENT_APPLIED, .u.applied = {node->applied, node->applied}});
	if (node->written > node->durable)
	{
		node->durable = node->written;	/* memory is a fast disk */
		step(node, (RaftEvent) {.type = RAFT_EVENT_WRITE_DURABLE, .u.op = node->durable});
	}
}

/* Every log begins with the same configuration entry. */
static void
start(RaftNodeId id)
{
	Node	   *node = &nodes[id];
	void	   *memory = malloc(raft_core_size());
	RaftConfig	config = {.index = 1, .identified = true, .n_members = NODES};
	RaftRun		run = {.first = 1, .term = 1};
	RaftBoot	boot = {
		.term = 1, .first = 1, .last = 1, .commit = 1, .applied = 1, .runs = &run, .n_runs = 1,
		.configs = &config, .n_configs = 1
	};
	RaftInit	init = {
		.self = id, .boot = 1, .seed = id, .batch_end = batch_end, .batch_end_arg = node, .host = node,
		.settings = {
			.heartbeat_interval = 100000, .election_timeout = 300000, .commit_notice = 10000,
			.max_batch_bytes = 65536, .max_inflight = 8, .max_inflight_bytes = 1048576
		}
	};

	for (uint32_t i = 0; i < NODES; i++)
		config.members[i] = (RaftMember) {.id = i + 1, .flags = RAFT_MEMBER_VOTER};
	if (memory == NULL)
		abort();
	node->id = id;
	node->log[1] = (RaftEntry) {.term = 1, .kind = RAFT_ENTRY_CONFIG};
	node->last = node->applied = 1;
	node->core = raft_core_init(memory, &init);
	step(node, (RaftEvent) {.type = RAFT_EVENT_BOOT, .u.boot = &boot});
}

/* Delivers the oldest message, or lets time pass until a core wants its tick. */
static void
turn(void)
{
	Node	   *next = &nodes[1];

	if (delivered < sent)
	{
		Letter		letter = post[delivered++ % 1000];

		letter.message.entries = &letter.entry;
		step(&nodes[letter.message.to], (RaftEvent) {
			.type = RAFT_EVENT_RECEIVE, .u.receive = {&letter.message, RAFT_ROOM_ENOUGH}
		});
		return;
	}
	for (RaftNodeId id = 2; id <= NODES; id++)
		if (nodes[id].deadline < next->deadline)
			next = &nodes[id];
	now = next->deadline > now ? next->deadline : now;
	step(next, (RaftEvent) {.type = RAFT_EVENT_TICK});
}

int
main(void)
{
	RaftEntry	commands[] = {
		{.kind = RAFT_ENTRY_HOST, .size = 6, .data = (const uint8_t *) "apple"},
		{.kind = RAFT_ENTRY_HOST, .size = 5, .data = (const uint8_t *) "pear"}
	};
	Node	   *leader = NULL;

	for (RaftNodeId id = 1; id <= NODES; id++)
		start(id);
	while (leader == NULL)
	{
		turn();
		for (RaftNodeId id = 1; id <= NODES; id++)
			if (nodes[id].role == RAFT_LEADER)
				leader = &nodes[id];
	}
	printf("node %u leads\n", leader->id);
	step(leader, (RaftEvent) {.type = RAFT_EVENT_PROPOSE, .u.propose = {commands, 2}});
	while (nodes[1].applied + nodes[2].applied + nodes[3].applied < NODES * leader->last)
		turn();
	return 0;
}
