/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  A byte queue in shared memory, from the backends to the node worker.
 *
 * It has many writers, one at a time, and one reader, which needs no lock.  What an
 * item means is the business of those who write and read it.
 *
 * The queue is open while there is a reader.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_QUEUE_H
#define RAFT_QUEUE_H

#include "raft_pg.h"

typedef struct RaftQueue RaftQueue;

extern Size raft_queue_shmem_size(void);
extern void raft_queue_shmem_init(void *memory);

/* --- backends; except for the wait, under a lock that all writers take --- */

extern bool raft_queue_is_open(RaftQueue *queue);

/* Room for an item of this size, MAXALIGNed; NULL when there is none now. */
extern void *raft_queue_reserve(RaftQueue *queue, Size size);

/* Shows the reader the item that was reserved last. */
extern void raft_queue_publish(RaftQueue *queue);

/*
 * Without the lock: waits until there may be room for an item of this size, or the queue
 * is closed.  False when the deadline passed.
 */
extern bool raft_queue_await_room(RaftQueue *queue, Size size, RaftTime deadline);

/* --- node worker --- */

/* Drops what is queued, and opens; under the writers' lock. */
extern void raft_queue_open(RaftQueue *queue);

/* Under the writers' lock. */
extern void raft_queue_close(RaftQueue *queue);

/* Nobody waits for room in a closed queue. */
extern void raft_queue_wake_writers(RaftQueue *queue);

/* Is there an item that was not passed? */
extern bool raft_queue_has_next(RaftQueue *queue);

/* The first item that was not passed, NULL when there is none; it stays where it is. */
extern const void *raft_queue_next(RaftQueue *queue, Size *size);
extern void raft_queue_pass(RaftQueue *queue);

/* Frees all that was passed, and wakes writers that wait for room. */
extern void raft_queue_free_passed(RaftQueue *queue);

#endif							/* RAFT_QUEUE_H */
