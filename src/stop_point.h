/*-------------------------------------------------------------------------
 *
 * stop_point.h
 *	  Named places in the code where a test can hold a process, make it fail,
 *	  or put an old bug back.
 *
 * They exist only in a build with RAFT_STOP_POINTS (make STOP_POINTS=1), which is for
 * tests; in any other they are nothing at all.  A test sets a point by a file
 * of its name in the directory "raft_pg_stop" below the data directory; the
 * file says what is to happen, and optionally to which process alone:
 *
 *		wait [pid]		hold the process, without looking at its interrupts, as long as
 *						the file is there; "name.reached" appears meanwhile
 *		error [pid]		raise an ERROR
 *		damage [pid]	raise an ERROR as if data were damaged
 *		fatal [pid]		raise a FATAL
 *		crash [pid]		end like kill -9
 *		mutant			what raft_mutant() asks for
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_STOP_POINT_H
#define RAFT_STOP_POINT_H

#ifdef RAFT_STOP_POINTS

extern void raft_stop_point(const char *name);

/* Is the old bug of this name to be there? */
extern bool raft_mutant(const char *name);

#else

#define raft_stop_point(name)	((void) 0)
#define raft_mutant(name)		false

#endif

#endif							/* RAFT_STOP_POINT_H */
