/*-------------------------------------------------------------------------
 *
 * workers.h
 *	  Entry points of the background workers, and what the launcher does.
 *
 * launcher (one per server, no database): at start it reads the marks in
 * pg_shseclabel and takes a group slot for each marked database; from then on it
 * starts, restarts (back-off) and stops the workers of each group.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WORKERS_H
#define RAFT_WORKERS_H

#include "raft_pg.h"

/* Registers the launcher; from _PG_init. */
extern void raft_launcher_register(void);

/* Sets the launcher's latch. */
extern void raft_launcher_wake(void);

/*
 * The body of a worker, connected to a database (InvalidOid: to none).  When somebody asks for
 * its end, the process exits with this code.
 */
extern void raft_worker_run(Oid database, int exit_code, void (*body) (void *arg), void *arg);

/* In main loops, and wherever an ERROR is caught: exits when somebody has asked for that. */
extern void raft_worker_end_if_asked(void);

extern PGDLLEXPORT void raft_launcher_main(Datum arg);
extern PGDLLEXPORT void raft_node_main(Datum arg);	/* arg: database oid */
extern PGDLLEXPORT void raft_flusher_main(Datum arg);	/* arg: database oid */
extern PGDLLEXPORT void raft_applier_main(Datum arg);	/* arg: database oid; src/apply */

#endif							/* RAFT_WORKERS_H */
