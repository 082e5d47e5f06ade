/*-------------------------------------------------------------------------
 *
 * clients.c
 *	  Clients: each issues one operation after the other, and remembers what it
 *	  was told.
 *
 * A client asks a server, its home, which hands the command to the leader that it
 * knows and answers when it has applied it itself.  A refusal, or another entry in
 * the command's place, says that this attempt came to nothing.  Silence says
 * nothing: the client tries again elsewhere under the same serial number, or goes
 * on without knowing.
 *
 *		  ok		an answer came
 *		  failed	every attempt is known to have come to nothing
 *		  unknown	anything else
 *
 * In the end one client reads every key, and the history of all operations must
 * have an order that explains it (linearize.c).  Beside that, each operation is
 * applied at most once, and a failed one never: invariant 17.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "clients.h"
#include "host_mutants.h"

#define RETRY_PAUSE		(30 * MS)
#define AUDIT_TIME		(20 * T)
#define GIVES_UP_AT_ONCE	3	/* percent, after a refusal */

typedef enum ClientState
{
	CLIENT_IDLE,
	CLIENT_TRYING,				/* has an operation, and asks again soon */
	CLIENT_WAITING				/* for an answer */
} ClientState;

typedef struct Client
{
	uint32_t	id;
	ClientState state;
	RaftNodeId	home;
	size_t		op;				/* the present operation */
	bool		maybe;			/* an attempt has an unknown outcome */
	uint64_t	wake;			/* number of its latest wake-up */
	uint64_t	seen[MACHINE_KEYS]; /* the value that it knows of */

	/* the attempt that it waits for */
	uint64_t	boot;			/* of its home */
	RaftIndex	index;
	uint64_t	offer;
} Client;

typedef struct Clients
{
	uint32_t	n;				/* numbered from 1; n + 1 audits in the end */
	Client		client[MACHINE_CLIENTS];
	Operation  *operations;		/* in the order of their calls */
	RaftIndex  *applied_at;		/* of each operation; 0 = not yet */
	size_t		n_operations;
	size_t		capacity;
	uint64_t	places;			/* calls and returns so far */
	RaftIndex	applied;		/* the highest entry applied anywhere */
	bool		paused;			/* nobody asks for anything */
	bool		finishing;		/* no more operations */
	uint32_t	audited;		/* keys that were read in the end */
} Clients;

static void try(Lab *lab, Client *client);

static bool
is_auditor(const Lab *lab, const Client *client)
{
	return client->id > lab->clients->n;
}

static void
wake_after(Lab *lab, Client *client, RaftTime pause)
{
	sched_post(&lab->sched, (SimEvent) {
		.at = lab->now + pause,
		.type = SIM_CLIENT,
		.node = client->id,
		.value = ++client->wake
	});
}

void
clients_start(Lab *lab)
{
	Clients    *clients;

	if (lab->settings.clients == 0)
		return;
	lab_check(lab, lab->settings.clients + 2 <= MACHINE_CLIENTS, "too many clients");
	clients = run_alloc(sizeof(Clients));
	lab->clients = clients;
	clients->n = lab->settings.clients;
	for (uint32_t id = 1; id <= clients->n + 1; id++)
	{
		clients->client[id].id = id;
		clients->client[id].home = (RaftNodeId) rng_between(&lab->rng_clients, 1, lab->n);
		if (id <= clients->n)
			wake_after(lab, &clients->client[id], rng_below(&lab->rng_clients, T));
	}
}

/* ----------------------------------------------------------- operations */

static Operation *
new_operation(Lab *lab, Client *client)
{
	Clients    *clients = lab->clients;
	Operation  *op;

	if (clients->n_operations == clients->capacity)
	{
		size_t		capacity = clients->capacity * 2 + 256;
		Operation  *operations = run_alloc(capacity * sizeof(Operation));
		RaftIndex  *applied_at = run_alloc(capacity * sizeof(RaftIndex));

		if (clients->n_operations > 0)
		{
			memcpy(operations, clients->operations, clients->n_operations * sizeof(Operation));
			memcpy(applied_at, clients->applied_at, clients->n_operations * sizeof(RaftIndex));
		}
		clients->operations = operations;
		clients->applied_at = applied_at;
		clients->capacity = capacity;
	}
	client->op = clients->n_operations++;
	op = &clients->operations[client->op];
	*op = (Operation) {.client = client->id, .invoked = ++clients->places};
	client->maybe = false;
	client->state = CLIENT_TRYING;
	return op;
}

static OpKind
draw_kind(Lab *lab, uint32_t key)
{
	uint64_t	dice = rng_below(&lab->rng_clients, 100);

	if (key >= MACHINE_REGISTERS)
		return dice < 40 ? OP_LIST_READ : OP_LIST_APPEND;
	return dice < 40 ? OP_READ : dice < 75 ? OP_WRITE : OP_CAS;
}

static void
begin(Lab *lab, Client *client)
{
	Operation  *op = new_operation(lab, client);

	if (is_auditor(lab, client))
	{
		op->key = lab->clients->audited;
		op->kind = op->key >= MACHINE_REGISTERS ? OP_LIST_READ : OP_READ;
		return;
	}
	op->key = MACHINE_KEYS - 1 - (uint32_t) rng_below(&lab->rng_clients, lab->settings.client_keys);
	op->kind = draw_kind(lab, op->key);
	op->argument = client->op + 1;	/* no two operations have the same */
	op->expected = client->seen[op->key];
}

/* The present operation is over; another one follows. */
static void
conclude(Lab *lab, Client *client)
{
	client->state = CLIENT_IDLE;
	wake_after(lab, client, rng_below(&lab->rng_clients, lab->settings.client_pause + 1));
}

static void
answered(Lab *lab, Client *client, const MachineAnswer *answer)
{
	Operation  *op = &lab->clients->operations[client->op];

	op->status = OP_OK;
	op->returned = ++lab->clients->places;
	op->result = answer->value;
	op->list = answer->list;
	if (op->kind != OP_LIST_READ && op->kind != OP_LIST_APPEND)
		client->seen[op->key] = op->kind == OP_READ ||
			(op->kind == OP_CAS && op->result != op->expected) ? op->result : op->argument;
	lab_trace(lab, "client %u: %s of key %u is answered: %llu", client->id, op_kind_name(op->kind),
			  op->key, (unsigned long long) (op->list ? op->list->length : op->result));
	if (is_auditor(lab, client))
		lab->clients->audited++;
	conclude(lab, client);
}

/* No more attempts. */
static void
give_up(Lab *lab, Client *client)
{
	Operation  *op = &lab->clients->operations[client->op];
	RaftIndex	applied_at = lab->clients->applied_at[client->op];

	op->status = client->maybe ? OP_UNKNOWN : OP_FAILED;
	lab_trace(lab, "client %u: %s of key %u %s", client->id, op_kind_name(op->kind), op->key,
			  op->status == OP_FAILED ? "failed" : "has an unknown outcome");
	if (op->status == OP_FAILED && applied_at != 0)
		lab_fail(lab, 17, "client %u was told that its %s failed, it was applied at %llu", client->id,
				 op_kind_name(op->kind), (unsigned long long) applied_at);
	conclude(lab, client);
}

/* ------------------------------------------------------------- attempts */

static RaftNodeId
draw_home(Lab *lab, const Client *client)
{
	RaftNodeId	home = (RaftNodeId) rng_between(&lab->rng_clients, 1, lab->n);

	/* the auditor asks servers that are well */
	while (is_auditor(lab, client) && !lab->nodes[home].connected)
		home = cluster_nth(lab, home, 1);
	return home;
}

/* This attempt came to nothing: asks again soon, perhaps somebody else. */
static void
refused(Lab *lab, Client *client)
{
	if (!is_auditor(lab, client) &&
		(lab->clients->finishing || rng_percent(&lab->rng_clients, GIVES_UP_AT_ONCE)))
	{
		give_up(lab, client);
		return;
	}
	client->state = CLIENT_TRYING;
	client->home = draw_home(lab, client);
	wake_after(lab, client, 1 + rng_below(&lab->rng_clients, RETRY_PAUSE));
}

/* No answer came: nobody knows. */
static void
timed_out(Lab *lab, Client *client)
{
	client->maybe = !HOST_MUTANT(FAILED_EARLY);
	if (!is_auditor(lab, client) &&
		(lab->clients->finishing || HOST_MUTANT(FAILED_EARLY) ||
		 rng_percent(&lab->rng_clients, lab->settings.client_gives_up_percent)))
	{
		give_up(lab, client);
		return;
	}
	client->home = draw_home(lab, client);
	try(lab, client);
}

/* The server that a home would hand a command to; NULL = it knows none, or cannot. */
static Node *
leader_for(Lab *lab, const Node *home)
{
	Node	   *leader;

	if (!home->up || home->stopped || home->paused_until > lab->now)
		return NULL;
	if (home->status.role == RAFT_LEADER)
		return &lab->nodes[home->id];
	if (home->status.leader == 0 || !lab->network.enabled[home->id][home->status.leader])
		return NULL;
	leader = &lab->nodes[home->status.leader];
	return leader->up && leader->paused_until <= lab->now ? leader : NULL;
}

static RaftEntry
make_entry(Lab *lab, const Client *client, const ClientCommand *command)
{
	RaftEntry	entry = {.kind = RAFT_ENTRY_COMMAND, .clock = lab->now};
	uint8_t    *data;

	entry.size = (uint32_t) (sizeof(*command) +
							 rng_below(&lab->rng_clients, lab->settings.client_bytes + 1));
	data = run_alloc(entry.size);
	memcpy(data, command, sizeof(*command));
	entry.data = data;
	entry.origin.node = client->home;
	entry.origin.slot = client->id;
	entry.origin.serial = history_new_offer(lab, client->home);
	return entry;
}

/* A host with a bug answers a read from what it has, without asking anybody. */
static bool
reads_by_itself(const Node *home, const Operation *op)
{
	if ((op->kind != OP_READ && op->kind != OP_LIST_READ) || !home->up)
		return false;
	return HOST_MUTANT(READ_AT_FOLLOWER) ||
		(HOST_MUTANT(READ_AT_LEADER) && home->status.role == RAFT_LEADER);
}

/* Asks the home for the present operation. */
static void
try(Lab *lab, Client *client)
{
	const Operation *op = &lab->clients->operations[client->op];
	Node	   *home = &lab->nodes[client->home];
	Node	   *leader = leader_for(lab, home);
	ClientCommand command = {
		.magic = CLIENT_COMMAND_MAGIC, .client = client->id, .kind = op->kind, .key = op->key,
		.serial = client->op + 1, .argument = op->argument, .expected = op->expected
	};
	RaftEntry	entry;
	ProposeResult result;
	Offer	   *offer;

	if (leader == NULL)
	{
		refused(lab, client);
		return;
	}
	if (reads_by_itself(home, op))
	{
		MachineAnswer answer = machine_peek(&home->machine, &command);

		answered(lab, client, &answer);
		return;
	}
	entry = make_entry(lab, client, &command);
	client->boot = home->boot;
	client->offer = entry.origin.serial;
	result = node_propose(lab, leader, &entry, 1);
	offer = history_offer(lab, client->offer);
	offer->placed = result.placed;
	offer->index = result.first;
	offer->term = result.term;
	offer->unknown = result.died;
	lab_trace(lab, "client %u: %s %llu of key %u at n%u: %s at %llu", client->id, op_kind_name(op->kind),
			  (unsigned long long) op->argument, op->key, client->home,
			  result.died ? "unknown" : result.placed ? "placed" : "refused",
			  (unsigned long long) result.first);
	if (!result.placed && !result.died)
	{
		refused(lab, client);
		return;
	}
	client->state = CLIENT_WAITING;
	client->index = result.died ? 0 : result.first;
	wake_after(lab, client, lab->settings.client_timeout +
			   rng_below(&lab->rng_clients, lab->settings.client_timeout + 1));
}

/* ------------------------------------------------------------- what comes */

void
clients_wake(Lab *lab, const SimEvent *event)
{
	Client	   *client = &lab->clients->client[event->node];

	if (event->value != client->wake)
		return;
	if (lab->clients->paused)
	{
		wake_after(lab, client, 50 * MS);
		return;
	}
	switch (client->state)
	{
		case CLIENT_IDLE:
			if (is_auditor(lab, client) ? lab->clients->audited == MACHINE_KEYS : lab->clients->finishing)
				return;
			begin(lab, client);
			try(lab, client);
			break;
		case CLIENT_TRYING:
			try(lab, client);
			break;
		case CLIENT_WAITING:
			timed_out(lab, client);
			break;
	}
}

/* An operation was applied for the first time, somewhere. */
static void
note_applied(Lab *lab, RaftIndex index, const MachineAnswer *answer)
{
	Clients    *clients = lab->clients;
	const Operation *op;

	if (index <= clients->applied)
		return;
	clients->applied = index;
	if (!answer->effective)
		return;
	lab_check(lab, answer->serial >= 1 && answer->serial <= clients->n_operations,
			  "entry %llu is an operation that nobody issued", (unsigned long long) index);
	op = &clients->operations[answer->serial - 1];
	if (clients->applied_at[answer->serial - 1] != 0)
		lab_fail(lab, 17, "client %u's %s was applied at %llu, and again at %llu", op->client,
				 op_kind_name(op->kind), (unsigned long long) clients->applied_at[answer->serial - 1],
				 (unsigned long long) index);
	if (op->status == OP_FAILED)
		lab_fail(lab, 17, "client %u was told that its %s failed, it is applied at %llu", op->client,
				 op_kind_name(op->kind), (unsigned long long) index);
	clients->applied_at[answer->serial - 1] = index;
}

/* A node has applied an entry: those who wait for it there learn what became of theirs. */
void
clients_applied(Lab *lab, Node *node, RaftIndex index, const LogEntry *entry,
				const MachineAnswer *answer)
{
	note_applied(lab, index, answer);
	for (uint32_t id = 1; id <= lab->clients->n + 1; id++)
	{
		Client	   *client = &lab->clients->client[id];

		if (client->state != CLIENT_WAITING || client->home != node->id ||
			client->boot != node->boot || client->index != index)
			continue;
		if (entry->origin.serial == client->offer || HOST_MUTANT(ANSWERS_CROSSED))
			answered(lab, client, answer);
		else
			refused(lab, client);	/* another entry took its place */
	}
}

/* ----------------------------------------------------------- the end */

/* Nobody asks for anything, until they may. */
void
clients_pause(Lab *lab, bool paused)
{
	if (lab->clients != NULL)
		lab->clients->paused = paused;
}

static bool
all_idle(Lab *lab, void *arg)
{
	(void) arg;
	for (uint32_t id = 1; id <= lab->clients->n; id++)
		if (lab->clients->client[id].state != CLIENT_IDLE)
			return false;
	return true;
}

static bool
is_audited(Lab *lab, void *arg)
{
	(void) arg;
	return lab->clients->audited == MACHINE_KEYS;
}

/*
 * The clients come to an end, everything is read once more if the group is well,
 * and the history must be a possible one.
 */
void
clients_finish(Lab *lab, bool audit)
{
	Clients    *clients = lab->clients;
	LinearizeResult result;

	if (clients == NULL)
		return;
	clients->finishing = true;
	lab_check(lab, cluster_until(lab, 3 * lab->settings.client_timeout + T, 20 * MS, all_idle, NULL),
			  "the clients do not come to an end");
	if (audit)
	{
		wake_after(lab, &clients->client[clients->n + 1], 0);
		if (!cluster_until(lab, AUDIT_TIME, 20 * MS, is_audited, NULL))
		{
			liveness_end_if_full_of_terms(lab);
			lab_fail(lab, 0, "clients are not answered by servers that are well");
		}
	}
	result = linearize(clients->operations, clients->n_operations);
	lab_trace(lab, "test: %zu operations of clients, %llu steps to explain them",
			  clients->n_operations, (unsigned long long) result.steps);
	if (result.verdict != LINEARIZE_LEGAL)
		lab_fail(lab, 17, "not linearizable: %s", result.what);
}
