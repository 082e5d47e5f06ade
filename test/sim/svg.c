/*-------------------------------------------------------------------------
 *
 * svg.c
 *	  A run as a space-time diagram: time to the right, a lane for each server,
 *	  messages as arrows between them.
 *
 * A lane is coloured by role and says its term; a dark line at its lower edge is a
 * write under way, a mark with a number a new commit index.  A message that nobody
 * gets ends in a cross.  What the test does to the group stands on top.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "svg.h"

#define WIDTH		1080
#define LEFT		46.0
#define RIGHT		20.0
#define BAR			22.0
#define LANE		96.0		/* from one lane to the next */
#define CIRCLE		12.0		/* of a start */
#define NOTE_ROWS	6
#define NOTE_ROW	16.0
#define TITLE		44.0
#define LETTER		6.6			/* width of one, about */

static const char *const role_class[] = {"fo", "pr", "ca", "le"};
static const char *const role_label[] = {"follower", "pre-candidate", "candidate", "leader"};

static const char style[] =
"text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#334e68}"
".ti{font-size:16px;font-weight:600;fill:#102a43}"
".su{fill:#627d98}.nm{font-size:14px;font-weight:600;fill:#102a43}.in{font-size:11.5px;fill:#102a43}"
".ax{stroke:#e4e9ee;stroke-width:1}.nt{stroke:#829ab1;stroke-width:1;stroke-dasharray:1 4}"
".bar{stroke-width:1}.fo{fill:#dfe7ef;stroke:#a9bacb}.pr{fill:#fdeebf;stroke:#d9b44a}"
".ca{fill:#fbc98a;stroke:#d98324}.le{fill:#a9dfbf;stroke:#3c9d68}"
".dn{stroke:#c3ccd5;stroke-width:1.5;stroke-dasharray:2 5;fill:none}"
".al{stroke:#c92a2a;stroke-width:1.6;stroke-dasharray:5 3;fill:none}"
".pa{fill:url(#hatch);stroke:none}.wr{stroke:#486581;stroke-width:2.4}"
".cm{font-size:10.5px;fill:#14633a}.cf{stroke:#1f7a4a;stroke-width:1.3}"
".pp{fill:#0b69a3;stroke:#fff;stroke-width:.8}.x{stroke:#c92a2a;stroke-width:1.5;fill:none}"
".bo{fill:#fff;stroke:#1f7a4a;stroke-width:1.6}.cr{stroke:#c92a2a;stroke-width:3;fill:none}"
".fail{stroke:#c92a2a;stroke-width:1.5}.ft{fill:#c92a2a;font-weight:600}"
".m{fill:none;stroke-width:1.15}.r{stroke-dasharray:5 2.5}.l{opacity:.55}"
".v5{stroke:#9c36b5}.h5{fill:#9c36b5}"
".v1{stroke:#b8860b}.v2{stroke:#d9480f}.v3{stroke:#0b69a3}.v4{stroke:#9fb6cd}"
".h1{fill:#b8860b}.h2{fill:#d9480f}.h3{fill:#0b69a3}.h4{fill:#9fb6cd}.no{fill:#fff}";

typedef struct View
{
	FILE	   *out;
	const Lab  *lab;
	RaftTime	from;
	RaftTime	to;
	double		lanes_top;
} View;

static double
x_of(const View *view, RaftTime at)
{
	if (at < view->from)
		at = view->from;
	if (at > view->to)
		at = view->to;
	return LEFT + (WIDTH - LEFT - RIGHT) * (double) (at - view->from) / (double) (view->to - view->from);
}

/* The middle of a server's lane. */
static double
y_of(const View *view, RaftNodeId node)
{
	return view->lanes_top + LANE * (node - 0.6);
}

static bool
is_visible(const View *view, RaftTime at)
{
	return at >= view->from && at <= view->to;
}

/* Text with what XML wants escaped. */
static void
put_text(const View *view, double x, double y, const char *class, const char *anchor, const char *text)
{
	fprintf(view->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class, anchor);
	for (; *text != '\0'; text++)
	{
		if (*text == '<' || *text == '>' || *text == '&')
			fprintf(view->out, "&%s;", *text == '<' ? "lt" : *text == '>' ? "gt" : "amp");
		else
			fputc(*text, view->out);
	}
	fputs("</text>\n", view->out);
}

/* ---------------------------------------------------------------- lanes */

/* When a server is in another role or term than in this state. */
static size_t
next_role(const SvgLane *lane, size_t i)
{
	size_t		next = i + 1;

	while (next < lane->n && lane->states[next].up == lane->states[i].up &&
		   lane->states[next].role == lane->states[i].role &&
		   lane->states[next].term == lane->states[i].term &&
		   lane->states[next].boot == lane->states[i].boot)
		next++;
	return next;
}

static RaftTime
end_of_role(const SvgLane *lane, size_t i)
{
	size_t		next = next_role(lane, i);

	return next < lane->n ? lane->states[next].at : UINT64_MAX;
}

/* Does a server start here, and a circle say so? */
static bool
is_start(const View *view, const SvgState *state, const SvgState *before)
{
	return is_visible(view, state->at) && state->up && state->boot != before->boot;
}

/* How much of the begin of a bar is hidden by the circle of a start. */
static double
circle_width(const View *view, const SvgLane *lane, size_t i)
{
	double		x = x_of(view, lane->states[i].at);
	size_t		start = i;

	while (start > 0 && lane->states[start - 1].up && lane->states[start - 1].boot == lane->states[i].boot)
		start--;
	if (start == 0 || !is_start(view, &lane->states[start], &lane->states[start - 1]))
		return 0;
	return fmax(0, x_of(view, lane->states[start].at) + CIRCLE - x);
}

/* A stretch of a lane in one role and one term. */
static void
draw_bar(const View *view, RaftNodeId node, const SvgState *state, double circle, RaftTime until)
{
	double		x = x_of(view, state->at);
	double		width = x_of(view, until) - x;
	double		y = y_of(view, node);
	bool		wide = width - circle > 50;
	char		label[40];

	if (width <= 0)
		return;
	if (!state->up)
	{
		fprintf(view->out, "<path class=\"dn\" d=\"M%.1f %.1fh%.1f\"/>\n", x, y, width);
		return;
	}
	fprintf(view->out, "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" rx=\"2\"/>\n",
			role_class[state->role], x, y - BAR / 2, width, BAR);
	snprintf(label, sizeof(label), width - circle > 140 ? "term %llu · %s" : wide ? "term %llu" : "%llu",
			 (unsigned long long) state->term, role_label[state->role]);
	if (width - circle > 9)
		put_text(view, x + circle + (wide ? 6 : (width - circle) / 2), y + 4, "in",
				 wide ? "start" : "middle", label);
}

/* Bars, with a crash at their end, a start at their begin. */
static void
draw_roles(const View *view, RaftNodeId node)
{
	const SvgLane *lane = &svg_lanes[node];
	double		y = y_of(view, node);

	for (size_t i = 0; i < lane->n; i = next_role(lane, i))
		draw_bar(view, node, &lane->states[i], circle_width(view, lane, i), end_of_role(lane, i));
	for (size_t i = 1; i < lane->n; i++)
	{
		const SvgState *state = &lane->states[i];
		double		x = x_of(view, state->at);

		if (!is_visible(view, state->at))
			continue;
		if (state[-1].up && !state->up)
			fprintf(view->out, "<path class=\"cr\" d=\"M%.1f %.1fl12 12m0-12l-12 12\"/>\n", x - 12, y - 6);
		else if (is_start(view, state, state - 1))
			fprintf(view->out, "<circle class=\"bo\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n", x + 6, y);
	}
}

/* The stretches in which something holds, each as one line. */
static void
draw_stretches(const View *view, RaftNodeId node, bool (*holds) (const SvgState *state),
			   void (*draw) (const View *view, double x, double width, double y))
{
	const SvgLane *lane = &svg_lanes[node];

	for (size_t i = 0; i < lane->n;)
	{
		size_t		next = i + 1;
		double		x = x_of(view, lane->states[i].at);
		double		end;

		if (!holds(&lane->states[i]))
		{
			i++;
			continue;
		}
		while (next < lane->n && holds(&lane->states[next]))
			next++;
		end = x_of(view, next < lane->n ? lane->states[next].at : view->to);
		if (end > x)
			draw(view, x, end - x, y_of(view, node));
		i = next;
	}
}

static bool
holds_alone(const SvgState *state)
{
	return state->alone && state->up;
}

static bool
holds_paused(const SvgState *state)
{
	return state->paused;
}

static bool
holds_writing(const SvgState *state)
{
	return state->writing;
}

static void
draw_alone(const View *view, double x, double width, double y)
{
	fprintf(view->out, "<rect class=\"al\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" rx=\"4\"/>\n",
			x, y - BAR / 2 - 5, width, BAR + 10);
}

static void
draw_paused(const View *view, double x, double width, double y)
{
	fprintf(view->out, "<rect class=\"pa\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\"/>\n",
			x, y - BAR / 2, width, BAR);
}

static void
draw_writing(const View *view, double x, double width, double y)
{
	fprintf(view->out, "<path class=\"wr\" d=\"M%.1f %.1fh%.1f\"/>\n", x, y + BAR / 2 - 1.2,
			width < 1 ? 1 : width);
}

/* How wide the words at the begin of a bar are. */
static double
label_width(double bar)
{
	return bar > 140 ? 110 : bar > 50 ? 50 : 0;
}

/* A mark in the bar for each commit index, with its number where there is room. */
static void
draw_commits(const View *view, RaftNodeId node)
{
	const SvgLane *lane = &svg_lanes[node];
	double		taken = 0;		/* up to here there are words */

	for (size_t i = 0; i < lane->n; i++)
	{
		const SvgState *state = &lane->states[i];
		const SvgState *before = i > 0 ? state - 1 : NULL;
		double		x = x_of(view, state->at);
		double		y = y_of(view, node);
		double		width;
		char		label[24];

		if (!state->up)
			continue;
		if (before == NULL || !before->up || before->role != state->role || before->term != state->term)
			taken = x + label_width(x_of(view, end_of_role(lane, i)) - x);
		if (before == NULL || state->boot != before->boot || state->commit <= before->commit ||
			!is_visible(view, state->at))
			continue;
		fprintf(view->out, "<path class=\"cf\" d=\"M%.1f %.1fv%.0f\"/>\n", x, y - BAR / 2,
				x < taken ? BAR / 4 : BAR);
		snprintf(label, sizeof(label), "%llu", (unsigned long long) state->commit);
		width = 3 + LETTER * (double) strlen(label);
		/* of several that are close the last one has its number */
		if (x < taken || x + width > WIDTH - RIGHT ||
			(i + 1 < lane->n && state[1].commit > state->commit && x_of(view, state[1].at) < x + width))
			continue;
		put_text(view, x + 2, y - 2, "cm", "start", label);
		taken = x + width;
	}
}

/* Proposals of clients. */
static void
draw_proposals(const View *view)
{
	for (size_t i = 0; i < svg_n_notes; i++)
		if (svg_notes[i].node != 0 && is_visible(view, svg_notes[i].at))
			fprintf(view->out, "<circle class=\"pp\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\"/>\n",
					x_of(view, svg_notes[i].at), y_of(view, svg_notes[i].node) + BAR / 4);
}

/* ------------------------------------------------------------- messages */

/* 1 pre-vote, 2 vote, 3 append, 4 heartbeat, 5 append refused: their classes. */
static int
colour_of(const SvgArrow *arrow)
{
	switch ((RaftMessageType) arrow->type)
	{
		case RAFT_MSG_PREVOTE:
		case RAFT_MSG_PREVOTE_REPLY:
			return 1;
		case RAFT_MSG_VOTE:
		case RAFT_MSG_VOTE_REPLY:
			return 2;
		case RAFT_MSG_APPEND:
			return arrow->n_entries > 0 ? 3 : 4;
		case RAFT_MSG_APPEND_REPLY:
			return !arrow->granted ? 5 : arrow->n_entries > 0 ? 3 : 4;
	}
	return 4;
}

static bool
is_reply(const SvgArrow *arrow)
{
	return arrow->type == RAFT_MSG_PREVOTE_REPLY || arrow->type == RAFT_MSG_VOTE_REPLY ||
		arrow->type == RAFT_MSG_APPEND_REPLY;
}

static void
draw_head(const View *view, double x, double y, double dx, double dy, int colour, bool hollow)
{
	double		length = sqrt(dx * dx + dy * dy);
	double		ux = dx / length,
				uy = dy / length;

	fprintf(view->out, "<path class=\"m v%d %s%d\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fz\"/>", colour,
			hollow ? "no h" : "h", colour, x, y,
			x - 7 * ux - 3 * uy, y - 7 * uy + 3 * ux, x - 7 * ux + 3 * uy, y - 7 * uy - 3 * ux);
}

/* Is its frame in the network still, at the end of the run? */
static bool
is_under_way(const Lab *lab, const SvgArrow *arrow)
{
	RaftMessage message;
	uint8_t		group[RAFT_GROUP_ID_BYTES];
	static RaftEntry entries[RAFT_MAX_MESSAGE_ENTRIES];

	for (size_t i = 0; i < lab->sched.n; i++)
	{
		const SimEvent *event = &lab->sched.heap[i];

		if (event->type == SIM_MESSAGE && event->node == arrow->to && event->peer == arrow->from &&
			raft_frame_decode(event->frame, (size_t) event->value, group, &message, entries,
							  RAFT_MAX_MESSAGE_ENTRIES) == RAFT_DECODE_OK &&
			message.type == arrow->type && message.round == arrow->round)
			return true;
	}
	return false;
}

static void
draw_arrow(const View *view, const SvgArrow *arrow)
{
	double		down = arrow->to > arrow->from ? 1 : -1;
	double		x1 = x_of(view, arrow->sent);
	double		y1 = y_of(view, arrow->from) + down * BAR / 2;
	double		x2 = x_of(view, arrow->ends);
	double		y2 = y_of(view, arrow->to) - down * BAR / 2;
	int			colour = colour_of(arrow);

	if (!is_visible(view, arrow->sent) || arrow->ends > view->to)
		return;
	fprintf(view->out, "<g><title>n%u to n%u: %s, term %llu, index %llu", arrow->from, arrow->to,
			raft_message_name((RaftMessageType) arrow->type), (unsigned long long) arrow->term,
			(unsigned long long) arrow->index);
	if (arrow->n_entries > 0)
		fprintf(view->out, ", %u entries", arrow->n_entries);
	if (is_reply(arrow))
		fputs(arrow->granted ? ", granted" : ", refused", view->out);
	fputs(arrow->ends > 0 ? "</title>" : ", lost</title>", view->out);
	if (arrow->ends == 0)
	{
		/* it goes astray next to its sender's lane */
		x2 = x1 + 4;
		y2 = y1 + down * LANE * 0.3;
	}
	fprintf(view->out, "<path class=\"m v%d%s%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", colour,
			is_reply(arrow) ? " r" : "", arrow->ends > 0 ? "" : " l", x1, y1, x2, y2);
	if (arrow->ends > 0)
		draw_head(view, x2, y2, x2 - x1, y2 - y1, colour, is_reply(arrow) && !arrow->granted);
	else if (arrow->lost || !is_under_way(view->lab, arrow))
		fprintf(view->out, "<path class=\"x\" d=\"M%.1f %.1fl6 6m0-6l-6 6\"/>", x2 - 3, y2 - 3);
	fputs("</g>\n", view->out);
}

/* ---------------------------------------------------------- around them */

/* A tick every 1, 2 or 5 times a power of ten, at least 60 pixels apart. */
static void
draw_axis(const View *view, double bottom)
{
	static const int steps[] = {1, 2, 5};
	RaftTime	step = 1 * MS;
	char		label[40];

	for (int i = 0; x_of(view, view->from + step) - LEFT < 60; i++)
		step = (RaftTime) steps[(i + 1) % 3] * MS * (RaftTime) pow(10, (i + 1) / 3);
	for (RaftTime at = (view->from + step - 1) / step * step; at <= view->to; at += step)
	{
		fprintf(view->out, "<path class=\"ax\" d=\"M%.1f %.1fV%.1f\"/>\n", x_of(view, at),
				view->lanes_top, bottom);
		snprintf(label, sizeof(label), "%llu%s", (unsigned long long) (at / MS),
				 at < view->from + step ? " ms" : "");
		put_text(view, x_of(view, at), bottom + 14, "su", "middle", label);
	}
}

static double
note_start(const View *view, const SvgNote *note)
{
	double		x = x_of(view, note->at);
	double		width = LETTER * (double) strlen(note->text) + 12;

	return x + width > WIDTH ? x - width : x;
}

/* Gives the words on top rows, so that they do not cover each other. */
static int
place_notes(const View *view)
{
	double		ends[NOTE_ROWS] = {0};
	int			rows = 0;

	for (size_t i = 0; i < svg_n_notes; i++)
	{
		SvgNote	   *note = &svg_notes[i];

		note->row = 0;
		if (note->node != 0 || !is_visible(view, note->at))
			continue;
		while (note->row < NOTE_ROWS && ends[note->row] > note_start(view, note))
			note->row++;
		if (note->row == NOTE_ROWS)
			continue;			/* no room: a line alone must do */
		ends[note->row] = note_start(view, note) + LETTER * (double) strlen(note->text) + 12;
		if (note->row >= rows)
			rows = note->row + 1;
	}
	return rows;
}

/* What the test does to the group. */
static void
draw_notes(const View *view, double bottom)
{
	for (size_t i = 0; i < svg_n_notes; i++)
	{
		const SvgNote *note = &svg_notes[i];
		double		x = x_of(view, note->at);
		double		y = TITLE + NOTE_ROW * note->row;
		bool		left = note_start(view, note) < x;

		if (note->node != 0 || !is_visible(view, note->at))
			continue;
		fprintf(view->out, "<path class=\"nt\" d=\"M%.1f %.1fV%.1f\"/>\n", x,
				note->row < NOTE_ROWS ? y : view->lanes_top, bottom);
		if (note->row < NOTE_ROWS)
			put_text(view, x + (left ? -4 : 4), y + 10, "su", left ? "end" : "start", note->text);
	}
}

/* Words of the legend; where the next thing stands. */
static double
legend_text(const View *view, double x, double y, const char *text)
{
	put_text(view, x, y, "su", "start", text);
	return x + LETTER * (double) strlen(text) + 14;
}

static double
legend_arrow(const View *view, double x, double y, int colour, bool reply, const char *text)
{
	fprintf(view->out, "<path class=\"m v%d%s\" d=\"M%.1f %.1fh22\"/>", colour, reply ? " r" : "", x, y - 4);
	draw_head(view, x + 27, y - 4, 1, 0, colour, false);
	return legend_text(view, x + 33, y, text);
}

static void
draw_legend(const View *view, double y)
{
	double		x = LEFT;

	for (int role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++)
	{
		fprintf(view->out, "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"22\" height=\"11\" rx=\"2\"/>",
				role_class[role], x, y - 9.5);
		x = legend_text(view, x + 28, y, role_label[role]);
	}
	fprintf(view->out, "<rect class=\"al\" x=\"%.1f\" y=\"%.1f\" width=\"22\" height=\"11\" rx=\"3\"/>", x, y - 9.5);
	x = legend_text(view, x + 28, y, "cut off");
	fprintf(view->out, "<path class=\"dn\" d=\"M%.1f %.1fh22\"/>", x, y - 4);
	x = legend_text(view, x + 28, y, "down");
	fprintf(view->out, "<path class=\"cr\" d=\"M%.1f %.1fl9 9m0-9l-9 9\"/>", x, y - 9);
	x = legend_text(view, x + 15, y, "crash");
	fprintf(view->out, "<circle class=\"bo\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/>", x + 5, y - 4);
	x = legend_text(view, x + 15, y, "start");
	fprintf(view->out, "<rect class=\"bar pa\" x=\"%.1f\" y=\"%.1f\" width=\"22\" height=\"11\"/>", x, y - 9.5);
	legend_text(view, x + 28, y, "stands still");

	x = LEFT;
	y += 20;
	x = legend_arrow(view, x, y, 1, false, "pre-vote");
	x = legend_arrow(view, x, y, 2, false, "vote");
	x = legend_arrow(view, x, y, 3, false, "append");
	x = legend_arrow(view, x, y, 4, false, "heartbeat");
	x = legend_arrow(view, x, y, 3, true, "its answer");
	x = legend_arrow(view, x, y, 5, true, "append refused");
	fprintf(view->out, "<path class=\"m v3 l\" d=\"M%.1f %.1fh20\"/><path class=\"x\" d=\"M%.1f %.1fl6 6m0-6l-6 6\"/>",
			x, y - 4, x + 18, y - 7);
	legend_text(view, x + 32, y, "lost");

	x = LEFT;
	y += 20;
	fprintf(view->out, "<circle class=\"pp\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\"/>", x + 3, y - 4);
	x = legend_text(view, x + 13, y, "proposal");
	fprintf(view->out, "<path class=\"wr\" d=\"M%.1f %.1fh20\"/>", x, y - 4);
	x = legend_text(view, x + 26, y, "write under way");
	fprintf(view->out, "<path class=\"cf\" d=\"M%.1f %.1fv-11\"/>", x, y);
	put_text(view, x + 2, y - 2, "cm", "start", "7");
	legend_text(view, x + 15, y, "commit index");
}

static void
draw_failure(const View *view, double bottom)
{
	const LabFailure *failure = &view->lab->failure;

	if (failure->what[0] == '\0' || !is_visible(view, failure->at))
		return;
	fprintf(view->out, "<path class=\"fail\" d=\"M%.1f %.1fV%.1f\"/>\n", x_of(view, failure->at),
			view->lanes_top, bottom);
	put_text(view, WIDTH - RIGHT, 26, "ft", "end", failure->what);
}

/* The stretch that is shown when none was asked for. */
static void
choose_stretch(const Lab *lab, RaftTime *from, RaftTime *to)
{
	RaftTime	length = 1500 * MS;

	if (*to == 0)
		*to = lab->failure.what[0] != '\0' && *from == 0 ? lab->now : *from + length;
	if (*to > lab->now)
		*to = lab->now;
	if (*from == 0 && *to > length)
		*from = *to - length;
	if (*to <= *from)
		*to = *from + 1 * MS;
}

bool
svg_write(const Lab *lab, const char *path, const char *title, RaftTime from, RaftTime to)
{
	View		view = {.out = fopen(path, "w"), .lab = lab};
	double		bottom;

	if (view.out == NULL)
		return false;
	choose_stretch(lab, &from, &to);
	view.from = from;
	view.to = to;
	view.lanes_top = TITLE + NOTE_ROW * place_notes(&view);
	bottom = view.lanes_top + LANE * lab->n - 20;
	fprintf(view.out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
			"viewBox=\"0 0 %d %.0f\">\n<style>%s</style>\n"
			"<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
			"patternTransform=\"rotate(45)\"><path d=\"M0 0v6\" stroke=\"#486581\" stroke-width=\"2\" "
			"opacity=\".5\"/></pattern></defs>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
			WIDTH, bottom + 94, WIDTH, bottom + 94, style);
	put_text(&view, LEFT, 26, "ti", "start", title);
	draw_axis(&view, bottom);
	draw_notes(&view, bottom);
	for (size_t i = 0; i < svg_n_arrows; i++)
		draw_arrow(&view, &svg_arrows[i]);
	for (RaftNodeId node = 1; node <= lab->n; node++)
	{
		char		name[8];

		snprintf(name, sizeof(name), "n%u", node);
		put_text(&view, LEFT - 12, y_of(&view, node) + 5, "nm", "end", name);
		draw_roles(&view, node);
		draw_stretches(&view, node, holds_paused, draw_paused);
		draw_stretches(&view, node, holds_writing, draw_writing);
		draw_stretches(&view, node, holds_alone, draw_alone);
		draw_commits(&view, node);
	}
	draw_proposals(&view);
	draw_failure(&view, bottom);
	draw_legend(&view, bottom + 40);
	fputs("</svg>\n", view.out);
	return fclose(view.out) == 0;
}
