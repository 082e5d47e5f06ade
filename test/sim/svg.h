/*-------------------------------------------------------------------------
 *
 * svg.h
 *	  A run as a space-time diagram.
 *
 * While lab->drawing is set, the timeline reports here what happens (trace.c);
 * svg_write() makes a picture of a stretch of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_SVG_H
#define RAFT_TEST_SIM_SVG_H

#include "lab.h"

/* What a server is, until it becomes something else. */
typedef struct SvgState
{
	RaftTime	at;
	bool		up;
	bool		alone;			/* all its links are cut */
	bool		paused;
	bool		writing;
	RaftRole	role;
	RaftTerm	term;
	RaftIndex	commit;
	uint64_t	boot;
} SvgState;

typedef struct SvgLane
{
	SvgState   *states;
	size_t		n;
	size_t		capacity;
} SvgLane;

typedef struct SvgArrow
{
	RaftTime	sent;
	RaftTime	ends;			/* arrival; 0 = lost, or under way when the run ended */
	RaftNodeId	from;
	RaftNodeId	to;
	bool		lost;			/* known to be */
	bool		granted;
	uint8_t		type;
	uint32_t	n_entries;
	RaftTerm	term;
	RaftIndex	index;
	uint64_t	round;
} SvgArrow;

typedef struct SvgNote
{
	RaftTime	at;
	RaftNodeId	node;			/* a proposal to this server; 0 = about the group */
	int			row;			/* where its words stand */
	char		text[48];
} SvgNote;

/* --- svg_record.c --- */
extern SvgLane svg_lanes[LAB_MAX_NODES + 1];
extern SvgArrow *svg_arrows;
extern size_t svg_n_arrows;
extern SvgNote *svg_notes;
extern size_t svg_n_notes;

extern void svg_reset(void);
extern void svg_line(Lab *lab, const char *line);
extern void svg_message(Lab *lab, const char *verb, const RaftMessage *message);

/* --- svg.c --- */

/* Times in virtual microseconds; 0, 0 = the end of a failed run, else its begin. */
extern bool svg_write(const Lab *lab, const char *path, const char *title, RaftTime from, RaftTime to);

#endif							/* RAFT_TEST_SIM_SVG_H */
