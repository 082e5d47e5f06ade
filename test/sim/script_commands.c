/*-------------------------------------------------------------------------
 *
 * script_commands.c
 *	  The commands of scripts.
 *
 *		nodes N [batch=BYTES]	N servers start, all of them linked; BYTES of entries
 *								in one append, at least one entry
 *		tick N					time passes until N's timer, and it ticks
 *		wait MS					time passes, nobody ticks
 *		run MS					time passes and everything happens by itself; only
 *								changes are shown
 *		deliver A->B [TYPE]		the oldest message (of that type) arrives
 *		deliver all [TYPE]		all messages arrive, and those that they lead to
 *		drop A->B [TYPE]		it never arrives
 *		drop all [TYPE]
 *		hold A->B [TYPE] as NAME	it is kept aside
 *		release NAME			what was held arrives; again and again, if you like
 *		flush N					one flush of N's disk ends
 *		durable N | all			all that was written is durable
 *		settle					all messages, all writes, until nothing is left
 *		elect N					tick N and settle; only changes are shown
 *		quietly COMMAND			only changes of roles, terms and commit indexes are shown
 *		propose N WORD			a client offers a command to N
 *		crash N [keep=K]		of the writes under way K reach the disk, else none
 *		restart N
 *		disk N term=T vote=V log=T,T,...	of a crashed server: what it will find;
 *								the log's terms from index 2 on, all of them no-ops
 *		cut A->B | A-B			messages sent from now on are lost, one way or both
 *		join A->B | A-B | all
 *		unreachable A B			A learns that its connection to B broke
 *		state					one line per server
 *		flight					messages under way
 *
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scripts.h"

#define MAX_DELIVERIES	1000

/* A line of the timeline. */
void
script_hear(Lab *lab, const char *line)
{
	static const char *const details[] = {"->", "write", "durable", "learns", "starts:", "configuration"};
	char		about[16];		/* what follows "n1" or "test:" */

	(void) lab;
	if (sscanf(line, "%*s %15s", about) != 1 || script.shows == SCRIPT_NOTHING ||
		strcmp(about, "applied") == 0)
		return;					/* applied is, with every commit, what is ready */
	for (size_t i = 0; script.shows == SCRIPT_CHANGES && i < lengthof(details); i++)
		if (strcmp(about, details[i]) == 0)
			return;
	script_say("%s\n", line);
}

/* -------------------------------------------------- events of the queue */

typedef struct Wanted
{
	SimEventType type;
	RaftNodeId	from;			/* 0 = any */
	RaftNodeId	node;			/* 0 = any */
	const char *message;		/* its type; NULL = any */
} Wanted;

/* "append-reply" is what the core calls an append reply. */
static bool
is_called(uint8_t type, const char *name)
{
	const char *p = raft_message_name((RaftMessageType) type);

	for (; *p != '\0' && (*p == *name || (*p == ' ' && *name == '-')); p++)
		name++;
	return *p == *name;
}

static bool
is_wanted(const SimEvent *event, const void *arg)
{
	const Wanted *wanted = arg;

	return event->type == wanted->type &&
		(wanted->node == 0 || event->node == wanted->node) &&
		(wanted->from == 0 || event->peer == wanted->from) &&
		(wanted->message == NULL || is_called(event->frame[10], wanted->message));
}

/* Lets an event happen, and what follows without a disk or a network. */
static void
happen(SimEvent event)
{
	Lab		   *lab = script.lab;
	Wanted		apply = {.type = SIM_APPLY};

	if (event.at > lab->now)
		lab->now = event.at;
	node_handle(lab, &event);
	while (sched_take(&lab->sched, is_wanted, &apply, &event))
		node_handle(lab, &event);
}

static bool
deliver_one(const Wanted *wanted)
{
	SimEvent	event;

	if (!sched_take(&script.lab->sched, is_wanted, wanted, &event))
		return false;
	happen(event);
	return true;
}

static bool
flush_one(RaftNodeId node)
{
	Wanted		flush = {.type = SIM_DISK_SYNC, .node = node};

	return deliver_one(&flush);
}

/* ------------------------------------------------------------- commands */

static void
wrong(const char *why)
{
	lab_fail(script.lab, 0, "line %d: %s", script.line, why);
}

static RaftNodeId
node_of(const char *word)
{
	unsigned long node = word ? strtoul(word, NULL, 10) : 0;

	if (node < 1 || node > script.lab->n)
		wrong("there is no such server");
	return (RaftNodeId) node;
}

/* "2->3" or "2-3"; true when it is one way. */
static bool
link_of(const char *word, RaftNodeId *from, RaftNodeId *to)
{
	const char *minus = word ? strchr(word, '-') : NULL;
	bool		one_way = minus && minus[1] == '>';

	if (minus == NULL)
		wrong("a link is 1->2, or 1-2 for both ways");
	*from = node_of(word);
	*to = node_of(minus + 1 + one_way);
	return one_way;
}

/* "2->3 [TYPE]" or "all [TYPE]"; true when it is all. */
static bool
messages_of(char **words, Wanted *wanted)
{
	bool		all = words[1] && strcmp(words[1], "all") == 0;

	*wanted = (Wanted) {.type = SIM_MESSAGE};
	if (!all && !link_of(words[1], &wanted->from, &wanted->node))
		wrong("messages go one way: 1->2");
	if (words[1] && words[2] && strcmp(words[2], "as") != 0)
	{
		bool		known = false;

		for (uint8_t type = 1; type <= RAFT_MSG_TYPE_MAX; type++)
			known = known || is_called(type, words[2]);
		if (!known)
			wrong("there is no such type of message");
		wanted->message = words[2];
	}
	return all;
}

/* The number in a word of the form name=number. */
static uint64_t
value_of(char **words, const char *name, uint64_t otherwise)
{
	size_t		size = strlen(name);

	for (; *words != NULL; words++)
		if (strncmp(*words, name, size) == 0 && (*words)[size] == '=')
			return strtoull(*words + size + 1, NULL, 10);
	return otherwise;
}

static void
do_nodes(char **words)
{
	Lab		   *lab = script.lab;
	unsigned long n = words[1] ? strtoul(words[1], NULL, 10) : 0;

	if (n < 1 || n > LAB_MAX_NODES || lab->n != 0)
		wrong("once, 1 to 7 servers");
	cluster_prepare(lab, (uint32_t) n);
	lab->settings.core.max_batch_bytes = (uint32_t) value_of(words, "batch", 64 * 1024);
	lab->settings.disk_latency = 1;	/* nothing is durable by itself */
	lab->settings.crash_keeps_some = false;
	lab->settings.apply_delay = 0;
	lab->settings.apply_durable_delay = 0;
	lab->settings.compact = false;
	script.shows = SCRIPT_NOTHING;
	cluster_boot(lab);
	script.shows = SCRIPT_ALL;
	script_say("%lu servers, a configuration at index 1 of term 1\n", n);
}

static void
do_tick(char **words)
{
	Lab		   *lab = script.lab;
	Node	   *node = &lab->nodes[node_of(words[1])];

	if (!node->up || node->deadline == UINT64_MAX)
		wrong("it waits for nothing");
	happen((SimEvent) {
		.type = SIM_TICK, .at = node->deadline, .node = node->id, .boot = node->boot,
		.value = node->tick_at
	});
}

static void
do_wait(char **words)
{
	script.lab->now += (words[1] ? strtoull(words[1], NULL, 10) : 0) * MS;
}

static void
do_run(char **words)
{
	script.shows = SCRIPT_CHANGES;
	cluster_sleep(script.lab, (words[1] ? strtoull(words[1], NULL, 10) : 0) * MS);
	script.shows = SCRIPT_ALL;
}

static void
do_deliver(char **words)
{
	Wanted		wanted;
	int			n = 0;

	if (!messages_of(words, &wanted))
	{
		if (!deliver_one(&wanted))
			wrong("no such message is under way");
		return;
	}
	while (deliver_one(&wanted))
		if (++n > MAX_DELIVERIES)
			wrong("there is no end of messages");
}

static void
do_drop(char **words)
{
	Wanted		wanted;
	SimEvent	event;
	bool		all = messages_of(words, &wanted);
	int			n = 0;

	while ((all || n == 0) && sched_take(&script.lab->sched, is_wanted, &wanted, &event))
	{
		script_say("n%u -> n%u  dropped  %s\n", event.peer, event.node,
			raft_message_name((RaftMessageType) event.frame[10]));
		n++;
	}
	if (n == 0)
		wrong("no such message is under way");
}

static void
do_hold(char **words)
{
	Wanted		wanted;
	ScriptHeld *held = &script.held[script.n_held];
	char	  **as = words;

	while (*as != NULL && strcmp(*as, "as") != 0)
		as++;
	if (as[0] == NULL || as[1] == NULL || script.n_held == SCRIPT_MAX_HELD)
		wrong("hold LINK [TYPE] as NAME");
	if (messages_of(words, &wanted) ||
		!sched_take(&script.lab->sched, is_wanted, &wanted, &held->event))
		wrong("no such message is under way");
	snprintf(held->name, sizeof(held->name), "%s", as[1]);
	script.n_held++;
	script_say("n%u -> n%u  held     %s\n", held->event.peer, held->event.node,
		raft_message_name((RaftMessageType) held->event.frame[10]));
}

static void
do_release(char **words)
{
	for (size_t i = 0; words[1] != NULL && i < script.n_held; i++)
	{
		if (strcmp(script.held[i].name, words[1]) == 0)
		{
			happen(script.held[i].event);
			return;
		}
	}
	wrong("nothing is held under this name");
}

static void
do_flush(char **words)
{
	if (!flush_one(node_of(words[1])))
		wrong("it writes nothing");
}

static void
do_durable(char **words)
{
	RaftNodeId	node = words[1] && strcmp(words[1], "all") == 0 ? 0 : node_of(words[1]);

	if (!flush_one(node))
		wrong("it writes nothing");
	while (flush_one(node))
		;
}

static void
do_settle(char **words)
{
	Wanted		any = {.type = SIM_MESSAGE};
	int			n = 0;

	(void) words;
	while (deliver_one(&any) || flush_one(0))
		if (++n > MAX_DELIVERIES)
			wrong("there is no end of messages");
}

static void
do_elect(char **words)
{
	script.shows = SCRIPT_CHANGES;
	do_tick(words);
	do_settle(words);
	script.shows = SCRIPT_ALL;
}

static void
do_propose(char **words)
{
	RaftNodeId	node = node_of(words[1]);
	Started		started;

	if (words[2] == NULL)
		wrong("propose what?");
	started = cluster_start(script.lab, node, (Command) {
		.data = run_copy(words[2], strlen(words[2])), .size = (uint32_t) strlen(words[2])
	});
	if (!started.leader)
		script_say("n%u  refuses it\n", node);
}

static void
do_crash(char **words)
{
	Lab		   *lab = script.lab;
	Node	   *node = &lab->nodes[node_of(words[1])];

	if (!node->up)
		wrong("it is down already");
	disk_keep(lab, node, (size_t) value_of(words, "keep", 0));
	node_crash(lab, node);
}

static void
do_restart(char **words)
{
	Node	   *node = &script.lab->nodes[node_of(words[1])];

	if (node->up)
		wrong("it is up");
	node_start(script.lab, node);
}

static void
do_disk(char **words)
{
	Lab		   *lab = script.lab;
	Node	   *node = &lab->nodes[node_of(words[1])];
	Disk	   *disk = &node->disk;
	DiskOp		op = {0};

	if (node->up)
		wrong("it is up");
	disk_format(lab, disk);
	op.term = value_of(words, "term", 1);
	op.vote = (RaftNodeId) value_of(words, "vote", 0);
	disk_perform(lab, node, &op);
	for (; *words != NULL; words++)
	{
		char	   *at = strncmp(*words, "log=", 4) == 0 ? *words + 3 : NULL;

		for (; at != NULL && *at != '\0'; at = strchr(at + 1, ',') ? strchr(at + 1, ',') : "")
		{
			RaftEntry	noop = {.term = strtoull(at + 1, NULL, 10), .kind = RAFT_ENTRY_NOOP};
			LogEntry	entry = simlog_make_entry(&disk->log, disk->log.last + 1, &noop);

			op.first = disk->log.last + 1;
			op.n_entries = 1;
			op.entries = &entry;
			disk_perform(lab, node, &op);
			history_append(lab, node, disk->log.last, &entry);
		}
	}
}

static void
set_link(char **words, bool enabled)
{
	Network    *net = &script.lab->network;
	RaftNodeId	from,
				to;
	bool		one_way = link_of(words[1], &from, &to);

	net->enabled[from][to] = enabled;
	if (!one_way)
		net->enabled[to][from] = enabled;
}

static void
do_cut(char **words)
{
	set_link(words, false);
}

static void
do_join(char **words)
{
	if (words[1] == NULL || strcmp(words[1], "all") != 0)
		set_link(words, true);
	else
		for (RaftNodeId i = 1; i <= script.lab->n; i++)
			cluster_connect(script.lab, i);
}

static void
do_unreachable(char **words)
{
	Node	   *node = &script.lab->nodes[node_of(words[1])];

	happen((SimEvent) {
		.type = SIM_UNREACHABLE, .node = node->id, .peer = node_of(words[2]), .boot = node->boot
	});
}

/* An entry as its term and what it carries: "2:x". */
static void
say_entry(const LogEntry *entry)
{
	static const char marks[] = {[RAFT_ENTRY_NOOP] = '-', [RAFT_ENTRY_CONFIG] = 'c'};

	script_say(" %llu:", (unsigned long long) entry->term);
	if (entry->kind == RAFT_ENTRY_COMMAND)
		script_say("%.*s", (int) (entry->length - RAFT_RECORD_HEADER),
			(const char *) entry->record + RAFT_RECORD_HEADER);
	else
		script_say("%c", marks[entry->kind]);
}

static void
do_state(char **words)
{
	(void) words;
	for (RaftNodeId i = 1; i <= script.lab->n; i++)
	{
		const Node *node = &script.lab->nodes[i];
		const RaftStatus *status = &node->status;
		const SimLog *log = node->up ? &node->log : &node->disk.log;

		if (node->up)
			script_say("n%u  %-13s  term %llu  vote %u  leader %u  commit %llu  log", i,
				raft_role_name(status->role), (unsigned long long) status->term, status->vote,
				status->leader, (unsigned long long) status->commit);
		else
			script_say("n%u  %-13s  term %llu  vote %u  log", i, "down", (unsigned long long) node->disk.term,
				node->disk.vote);
		for (RaftIndex index = log->first; index <= log->last; index++)
		{
			if (node->up && index == status->durable + 1)
				script_say(" not durable:");
			say_entry(simlog_at(log, index));
		}
		script_say("\n");
	}
}

static void
do_flight(char **words)
{
	Lab		   *lab = script.lab;
	uint64_t	after = 0;

	(void) words;
	for (;;)
	{
		const SimEvent *next = NULL;

		for (size_t i = 0; i < lab->sched.n; i++)
		{
			const SimEvent *event = &lab->sched.heap[i];

			if (event->type == SIM_MESSAGE && event->number > after &&
				(next == NULL || event->number < next->number))
				next = event;
		}
		if (next == NULL)
			return;
		after = next->number;
		script_say("n%u -> n%u  %s\n", next->peer, next->node,
			raft_message_name((RaftMessageType) next->frame[10]));
	}
}

static const struct
{
	const char *name;
	void		(*run) (char **words);
}			commands[] = {
	{"nodes", do_nodes}, {"tick", do_tick}, {"wait", do_wait}, {"run", do_run},
	{"deliver", do_deliver}, {"drop", do_drop}, {"hold", do_hold}, {"release", do_release},
	{"flush", do_flush}, {"durable", do_durable}, {"settle", do_settle}, {"elect", do_elect},
	{"propose", do_propose}, {"crash", do_crash}, {"restart", do_restart}, {"disk", do_disk},
	{"cut", do_cut}, {"join", do_join}, {"unreachable", do_unreachable},
	{"state", do_state}, {"flight", do_flight}
};

void
script_command(const char *line)
{
	bool		quietly = strncmp(line, "quietly ", 8) == 0;
	char	   *copy = run_copy(line + (quietly ? 8 : 0), strlen(line) + 1 - (quietly ? 8 : 0));
	char	   *words[8] = {NULL};
	size_t		n = 0;

	for (char *word = strtok(copy, " \t"); word != NULL && n < lengthof(words) - 1;
		 word = strtok(NULL, " \t"))
		words[n++] = word;
	for (size_t i = 0; n > 0 && i < lengthof(commands); i++)
	{
		if (strcmp(commands[i].name, words[0]) == 0)
		{
			if (script.lab->n == 0 && i > 0)
				wrong("it begins with \"nodes\"");
			script.shows = quietly ? SCRIPT_CHANGES : SCRIPT_ALL;
			commands[i].run(words);
			script.shows = SCRIPT_ALL;
			return;
		}
	}
	wrong("there is no such command");
}
