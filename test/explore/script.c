/*-------------------------------------------------------------------------
 *
 * script.c
 *	  Paths as text: a line per choice, and below it what came of it.
 *
 *		timeout 1
 *		deliver pre-vote 1 3
 *		deliver pre-vote-reply 3 1 #2 lapsed
 *		flush 1 1
 *		crash 2 1 forgets
 *		propose 1
 *
 * "#2" is the second of several such messages; "lapsed": the node has given its
 * silent leader up by then.  The number after "flush" and "crash" says how many of
 * the writes under way reach the disk; "forgets": the applied index does not.
 * Lines that begin with white space, "#" or "|" are comments, so that all that a search
 * prints can be read again.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "explore.h"

static const char *const kind_names[] = {
	[CHOOSE_DELIVER] = "deliver",
	[CHOOSE_DROP] = "drop",
	[CHOOSE_DUPLICATE] = "duplicate",
	[CHOOSE_FLUSH] = "flush",
	[CHOOSE_TIMEOUT] = "timeout",
	[CHOOSE_STEP_DOWN] = "step-down",
	[CHOOSE_CRASH] = "crash",
	[CHOOSE_PROPOSE] = "propose"
};
#define N_KINDS	(sizeof(kind_names) / sizeof(kind_names[0]))

/* A message's name in one word. */
static const char *
word_of(RaftMessageType type)
{
	static char word[32];

	snprintf(word, sizeof(word), "%s", raft_message_name(type));
	for (char *c = word; *c != '\0'; c++)
		if (*c == ' ')
			*c = '-';
	return word;
}

static bool
takes_message(uint8_t kind)
{
	return kind == CHOOSE_DELIVER || kind == CHOOSE_DROP || kind == CHOOSE_DUPLICATE;
}

/* ------------------------------------------------------------- printing */

/* 1c 2- 2a: terms, and c the configuration, - a no-op, a and b commands. */
void
script_print_log(FILE *out, Log log)
{
	for (unsigned i = 1; i <= log_length(log); i++)
	{
		uint8_t		entry = log_at(log, i);

		fprintf(out, "%s%u%c", i > 1 ? " " : "", ENTRY_TERM(entry),
				ENTRY_CARRIES(entry) == CARRIES_CONFIG ? 'c' :
				ENTRY_CARRIES(entry) == CARRIES_NOOP ? '-' : 'a' + ENTRY_CARRIES(entry) - CARRIES_COMMAND);
	}
}

void
script_print_message(FILE *out, const Envelope *envelope)
{
	const RaftMessage *message = &envelope->message;

	fprintf(out, "%s %u>%u term %llu", raft_message_name(message->type), message->from, message->to,
			ULL(message->term));
	switch (message->type)
	{
		case RAFT_MSG_PREVOTE:
		case RAFT_MSG_VOTE:
			fprintf(out, " last %llu of term %llu", ULL(message->log_index), ULL(message->log_term));
			break;
		case RAFT_MSG_PREVOTE_REPLY:
		case RAFT_MSG_VOTE_REPLY:
			fprintf(out, "%s", message->granted ? " yes" : " no");
			break;
		case RAFT_MSG_APPEND:
			fprintf(out, " after %llu of term %llu [", ULL(message->log_index), ULL(message->log_term));
			script_print_log(out, envelope->entries);
			fprintf(out, "] commit %llu", ULL(message->commit));
			break;
		case RAFT_MSG_APPEND_REPLY:
			if (message->granted)
				fprintf(out, " has %llu durable, %llu received", ULL(message->log_index),
						ULL(message->floor));
			else
				fprintf(out, " refuses %llu, try %llu of term %llu", ULL(message->rejected),
						ULL(message->log_index), ULL(message->log_term));
			break;
	}
	if (message->round == ROUND_STALE)
		fprintf(out, " (stale)");
}

static bool
is_alike(const World *world, uint32_t a, uint32_t b)
{
	const RaftMessage *x = &store_envelope_info(world->net[a])->envelope.message;
	const RaftMessage *y = &store_envelope_info(world->net[b])->envelope.message;

	return x->type == y->type && x->from == y->from && x->to == y->to;
}

void
script_print_choice(FILE *out, const World *world, Choice choice)
{
	fprintf(out, "%s", kind_names[choice.kind]);
	if (takes_message(choice.kind))
	{
		const RaftMessage *message = &store_envelope_info(world->net[choice.at])->envelope.message;
		unsigned	nth = 1;

		for (uint32_t i = 0; i < choice.at; i++)
			if (is_alike(world, i, choice.at))
				nth++;
		fprintf(out, " %s %u %u", word_of(message->type), message->from, message->to);
		if (nth > 1)
			fprintf(out, " #%u", nth);
		if (choice.lapsed)
			fprintf(out, " lapsed");
		return;
	}
	fprintf(out, " %u", choice.node);
	if (choice.kind == CHOOSE_FLUSH || choice.kind == CHOOSE_CRASH)
		fprintf(out, " %u", choice.at);
	if (choice.kind == CHOOSE_CRASH && choice.lapsed)
		fprintf(out, " forgets");
}

/* Does the step once more, telling what happens in it. */
static void
tell_step(const World *world, Choice choice)
{
	static NodeState state;
	static Result result;
	Event		event = world_event(world, choice);

	if (choice.kind == CHOOSE_DROP)
		return;
	if (event.envelope != NULL)
	{
		printf("          n%u receives ", choice.node);
		script_print_message(stdout, event.envelope);
		printf("\n");
	}
	store_load(world->node[choice.node], &state);
	trace = stdout;
	node_step(&state, &event, &result);
	trace = NULL;
}

static void
tell_world(const World *world)
{
	for (RaftNodeId id = 1; id <= N_NODES; id++)
	{
		const NodeInfo *node = store_node_info(world->node[id]);

		printf("# n%u %s of term %u (disk %u), commit %u, log [", id,
			   raft_role_name((RaftRole) node->role), node->term, node->disk_term, node->commit);
		script_print_log(stdout, node->log);
		printf("], disk [");
		script_print_log(stdout, node->disk);
		printf("]\n");
	}
}

/*
 * Prints a path from a world on, and the worlds at both ends.
 */
void
script_show(World world, const Choice *choices, uint32_t n)
{
	World		next;
	const char *violation = NULL;

	tell_world(&world);
	world_tells = true;
	for (uint32_t i = 0; i < n; i++)
	{
		script_print_choice(stdout, &world, choices[i]);
		printf("\n");
		tell_step(&world, choices[i]);
		if (world_apply(&world, choices[i], &next, &violation) == VERDICT_VIOLATION)
			break;
		world = next;
		if (i + 1 == n)
			violation = invariants_world(&world);
	}
	world_tells = false;
	tell_world(&world);
	if (violation != NULL)
		printf("# violated: %s\n", violation);
}

/* -------------------------------------------------------------- reading */

/* Finds the place of a message under way. */
static bool
find_message(const World *world, char *word, Choice *choice)
{
	char	   *name = strtok(word, " \t");
	char	   *from = strtok(NULL, " \t");
	char	   *to = strtok(NULL, " \t");
	unsigned	nth = 1;

	if (name == NULL || from == NULL || to == NULL)
		return false;
	for (char *rest = strtok(NULL, " \t"); rest != NULL; rest = strtok(NULL, " \t"))
	{
		if (rest[0] == '#')
			nth = (unsigned) atoi(rest + 1);
		else if (strcmp(rest, "lapsed") == 0)
			choice->lapsed = true;
		else
			return false;
	}
	choice->node = (uint8_t) atoi(to);
	for (uint32_t i = 0; i < world->n_net; i++)
	{
		const RaftMessage *message = &store_envelope_info(world->net[i])->envelope.message;

		if (strcmp(word_of(message->type), name) == 0 && message->from == (RaftNodeId) atoi(from) &&
			message->to == choice->node && --nth == 0)
		{
			choice->at = (uint8_t) i;
			return true;
		}
	}
	return false;
}

static bool
parse(const World *world, char *line, Choice *choice)
{
	char	   *space = strchr(line, ' ');
	char	   *rest;

	*choice = (Choice) {0};
	if (space == NULL)
		return false;
	*space = '\0';
	for (uint8_t kind = 1; kind < N_KINDS; kind++)
		if (strcmp(line, kind_names[kind]) == 0)
			choice->kind = kind;
	if (choice->kind == 0)
		return false;
	if (takes_message(choice->kind))
		return find_message(world, space + 1, choice);
	choice->node = (uint8_t) strtoul(space + 1, &rest, 10);
	choice->at = (uint8_t) strtoul(rest, &rest, 10);
	choice->lapsed = choice->kind == CHOOSE_CRASH && strstr(rest, "forgets") != NULL;
	return choice->node >= 1 && choice->node <= N_NODES;
}

/* May this be chosen? */
static bool
is_possible(const World *world, Choice choice)
{
	static Choice choices[MAX_CHOICES];
	uint32_t	n = world_choices(world, choices);

	for (uint32_t i = 0; i < n; i++)
		if (choices[i].kind == choice.kind && choices[i].node == choice.node &&
			choices[i].lapsed == choice.lapsed &&
			(choices[i].at == choice.at ||
			 (takes_message(choice.kind) && world->net[choices[i].at] == world->net[choice.at])))
			return true;
	return false;
}

/* One choice of a script, told when it is to be heard. */
static Verdict
play_choice(World *world, Choice choice, bool aloud)
{
	World		next;
	const char *violation = NULL;
	Verdict		verdict;

	world_tells = aloud;
	if (aloud)
	{
		script_print_choice(stdout, world, choice);
		printf("\n");
		tell_step(world, choice);
	}
	verdict = world_apply(world, choice, &next, &violation);
	if (verdict == VERDICT_NEW || verdict == VERDICT_IDLE)
	{
		*world = next;
		violation = invariants_world(world);
	}
	if (violation == NULL)
		return verdict;
	if (aloud)
		printf("# violated: %s\n", violation);
	return VERDICT_VIOLATION;
}

/*
 * Makes the choices of a file, one after another.  False when one is not possible, or
 * violates something.
 */
bool
script_play(const char *name, World *world, bool aloud)
{
	FILE	   *file = fopen(name, "r");
	char		line[256];
	unsigned	number = 0;
	bool		good = true;

	if (file == NULL)
	{
		perror(name);
		return false;
	}
	while (good && fgets(line, sizeof(line), file) != NULL)
	{
		Choice		choice;

		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || strchr("#| \t", line[0]) != NULL)
			continue;
		good = parse(world, line, &choice) && is_possible(world, choice);
		if (!good)
			fprintf(stderr, "%s:%u: not possible here\n", name, number);
		else
			good = play_choice(world, choice, aloud) <= VERDICT_IDLE;
	}
	fclose(file);
	if (aloud)
		tell_world(world);
	return good;
}
