/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  The timeline of a run: one line per thing that happened, and a hash over
 *	  all lines, by which two runs of one seed are compared.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "svg.h"

void
trace_line(Lab *lab, const char *format,...)
{
	char		line[512];
	int			n;
	va_list		args;

	n = snprintf(line, sizeof(line), "%10.3f  ", (double) lab->now / 1000.0);
	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - (size_t) n, format, args);
	va_end(args);
	lab->trace_hash = lab_hash(lab->trace_hash, line, strlen(line));
	lab->trace_lines++;
	if (lab->trace_print)
		puts(line);
	if (lab->drawing)
		svg_line(lab, line + n);
	if (lab->trace_to != NULL)
		lab->trace_to(lab, line + n);
}

/*
 * One line for a message: who, what, and the fields that its type uses.  A round
 * is shown as the boot count of the node that asked and its number since.
 */
void
trace_message(Lab *lab, const char *verb, const RaftMessage *m)
{
	char		rest[200] = "";

	if (lab->drawing)
		svg_message(lab, verb, m);
	switch (m->type)
	{
		case RAFT_MSG_PREVOTE:
		case RAFT_MSG_VOTE:
			snprintf(rest, sizeof(rest), "last %llu of term %llu",
					 (unsigned long long) m->log_index, (unsigned long long) m->log_term);
			break;
		case RAFT_MSG_PREVOTE_REPLY:
		case RAFT_MSG_VOTE_REPLY:
			snprintf(rest, sizeof(rest), "%s", m->granted ? "granted" : "refused");
			break;
		case RAFT_MSG_APPEND:
			snprintf(rest, sizeof(rest), "after %llu of term %llu, %u entries, commit %llu, floor %llu",
					 (unsigned long long) m->log_index, (unsigned long long) m->log_term,
					 m->n_entries, (unsigned long long) m->commit, (unsigned long long) m->floor);
			break;
		case RAFT_MSG_APPEND_REPLY:
			if (m->granted)
				snprintf(rest, sizeof(rest), "match %llu, received %llu",
						 (unsigned long long) m->log_index, (unsigned long long) m->floor);
			else
				snprintf(rest, sizeof(rest), "rejects %llu, hint %llu of term %llu",
						 (unsigned long long) m->rejected, (unsigned long long) m->log_index,
						 (unsigned long long) m->log_term);
			break;
	}
	trace_line(lab, "n%u -> n%u  %-7s  %s  term %llu  round %llu.%llu  %s", m->from, m->to, verb,
			   raft_message_name(m->type), (unsigned long long) m->term,
			   (unsigned long long) (m->round >> 32), (unsigned long long) (m->round & UINT32_MAX),
			   rest);
}

/* One line for a write: what it does to the log. */
void
trace_write(Lab *lab, const Node *node, const RaftWrite *w)
{
	char		truncates[40] = "";
	char		appends[60] = "";

	if (w->truncate_from != 0)
		snprintf(truncates, sizeof(truncates), ", truncates from %llu",
				 (unsigned long long) w->truncate_from);
	if (w->n_entries != 0)
		snprintf(appends, sizeof(appends), ", appends %llu..%llu", (unsigned long long) w->first,
				 (unsigned long long) (w->first + w->n_entries - 1));
	trace_line(lab, "n%u  write op %llu: term %llu, vote %u%s%s", node->id,
			   (unsigned long long) w->op, (unsigned long long) w->term, w->vote, truncates, appends);
}
