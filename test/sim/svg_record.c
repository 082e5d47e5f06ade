/*-------------------------------------------------------------------------
 *
 * svg_record.c
 *	  What a space-time diagram shows, collected while a run goes on.
 *
 * The timeline reports each of its lines, and before them each message.  Nothing
 * here changes a run, so that a run that is drawn is the run that was not.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svg.h"

SvgLane		svg_lanes[LAB_MAX_NODES + 1];
SvgArrow   *svg_arrows;
size_t		svg_n_arrows;
SvgNote    *svg_notes;
size_t		svg_n_notes;

static size_t arrows_capacity;
static size_t notes_capacity;

/* Room for element n of an array that lives as long as the program. */
static void *
grown(void *array, size_t *capacity, size_t n, size_t element)
{
	if (n < *capacity)
		return array;
	*capacity = *capacity == 0 ? 256 : *capacity * 2;
	array = realloc(array, *capacity * element);
	if (array == NULL)
		abort();
	return array;
}

void
svg_reset(void)
{
	for (size_t i = 0; i < lengthof(svg_lanes); i++)
		svg_lanes[i].n = 0;
	svg_n_arrows = 0;
	svg_n_notes = 0;
}

static bool
is_alone(const Lab *lab, RaftNodeId node)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (i != node && (lab->network.enabled[node][i] || lab->network.enabled[i][node]))
			return false;
	return lab->n > 1;
}

/* What a server is now; remembered when it is something else than before. */
static void
look_at(Lab *lab, const Node *node)
{
	SvgLane	   *lane = &svg_lanes[node->id];
	SvgState	state = {
		.at = lab->now, .up = node->up, .alone = is_alone(lab, node->id),
		.paused = node->paused_until > lab->now,
		.writing = node->up && node->status.written > node->status.synced,
		.role = node->status.role, .term = node->status.term, .commit = node->status.commit,
		.boot = node->boot
	};

	if (lane->n > 0)
	{
		const SvgState *last = &lane->states[lane->n - 1];

		if (last->up == state.up && last->alone == state.alone && last->paused == state.paused &&
			last->writing == state.writing && last->role == state.role &&
			last->term == state.term && last->commit == state.commit && last->boot == state.boot)
			return;
	}
	lane->states = grown(lane->states, &lane->capacity, lane->n, sizeof(SvgState));
	lane->states[lane->n++] = state;
}

/*
 * A line of the timeline: something has changed somewhere.  What the test does
 * and says is itself part of the picture.
 */
void
svg_line(Lab *lab, const char *line)
{
	SvgNote		note = {.at = lab->now};
	const char *placed = strstr(line, ": placed at ");

	for (RaftNodeId i = 1; i <= lab->n; i++)
		look_at(lab, &lab->nodes[i]);
	if (strncmp(line, "client ", 7) == 0 && placed != NULL)
		note.node = (RaftNodeId) (placed[-1] - '0');	/* "at n2: placed at 7" */
	else if (strncmp(line, "test: ", 6) != 0 || strstr(line, " leads term ") != NULL)
		return;
	else if (strstr(line, " takes command ") != NULL)
		note.node = (RaftNodeId) (line[7] - '0');	/* "test: n2 takes .." */
	else
		snprintf(note.text, sizeof(note.text), "%s", line + 6);
	svg_notes = grown(svg_notes, &notes_capacity, svg_n_notes, sizeof(SvgNote));
	svg_notes[svg_n_notes++] = note;
}

/* How many entries the append had that this is the answer to. */
static uint32_t
entries_asked_for(const RaftMessage *reply)
{
	for (size_t i = svg_n_arrows; i > 0; i--)
		if (svg_arrows[i - 1].type == RAFT_MSG_APPEND && svg_arrows[i - 1].from == reply->to &&
			svg_arrows[i - 1].to == reply->from && svg_arrows[i - 1].round == reply->round)
			return svg_arrows[i - 1].n_entries;
	return 0;
}

static bool
is_same_message(const SvgArrow *a, const SvgArrow *b)
{
	return a->from == b->from && a->to == b->to && a->type == b->type && a->term == b->term &&
		a->round == b->round && a->index == b->index && a->granted == b->granted;
}

/*
 * A message is sent, lost, or received.  One that arrives belongs to the last one
 * like it that was sent; when that has arrived already, this is a copy of it.
 */
void
svg_message(Lab *lab, const char *verb, const RaftMessage *message)
{
	SvgArrow	arrow = {
		.sent = lab->now, .from = message->from, .to = message->to, .granted = message->granted,
		.type = (uint8_t) message->type, .n_entries = message->n_entries, .term = message->term,
		.index = message->log_index, .round = message->round,
		.lost = strcmp(verb, "send") != 0
	};

	if (strcmp(verb, "recv") == 0)
	{
		size_t		i = svg_n_arrows;

		while (i > 0 && !is_same_message(&svg_arrows[i - 1], &arrow))
			i--;
		if (i == 0)
			return;				/* damaged on its way, and still valid */
		if (svg_arrows[i - 1].ends == 0 && !svg_arrows[i - 1].lost)
		{
			svg_arrows[i - 1].ends = lab->now;
			return;
		}
		arrow.lost = false;
		arrow.sent = svg_arrows[i - 1].sent;
		arrow.ends = lab->now;
	}
	if (message->type == RAFT_MSG_APPEND_REPLY)
		arrow.n_entries = entries_asked_for(message);
	svg_arrows = grown(svg_arrows, &arrows_capacity, svg_n_arrows, sizeof(SvgArrow));
	svg_arrows[svg_n_arrows++] = arrow;
}
