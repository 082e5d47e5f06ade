/*-------------------------------------------------------------------------
 *
 * inbox.h
 *	  Frames on their way from the stream backends to the node worker: one
 *	  single-producer single-consumer byte ring in shared memory per peer.
 *
 * A frame lies in one piece in the ring, so that the reader decodes it in
 * place.  The ring outlives both sides: a restarted worker reads on, a new
 * stream of the same peer takes the ring over from the old one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_INBOX_H
#define RAFT_INBOX_H

#include "raft_pg.h"
#include "storage/latch.h"

/* All rings of one group; lives in the group's block of shared memory. */
typedef struct RaftInboxes RaftInboxes;

extern Size raft_inboxes_shmem_size(void);
extern void raft_inboxes_shmem_init(RaftInboxes *inboxes);

/* --- stream backends --- */

typedef struct RaftInboxWriter RaftInboxWriter; /* private to the backend */

/*
 * Claims the ring of this sender (id, boot count).  An older stream of the same
 * sender and boot count, or of a lower one, is told to end; a lower boot count than seen is
 * refused with ERROR 55000: two servers use one identity, or it is a stale one.
 */
extern RaftInboxWriter *raft_inbox_claim(RaftInboxes *inboxes, RaftNodeId sender, uint64 boot);

/* False when the ring is full for now, or was claimed by a newer stream (see lost). */
extern bool raft_inbox_put(RaftInboxWriter *writer, const void *frame, Size size);

/* True when a newer stream of the same sender has taken the ring. */
extern bool raft_inbox_lost(RaftInboxWriter *writer);

/*
 * Asks the reader to set this backend's latch once there is room; call before
 * the last raft_inbox_put() that decides to sleep.
 */
extern void raft_inbox_want_room(RaftInboxWriter *writer);

extern void raft_inbox_release(RaftInboxWriter *writer);

/* --- the node worker --- */

/* Ends every stream into this group (their backends notice at once). */
extern void raft_inboxes_close(RaftInboxes *inboxes);

/* Drops what is queued: at the worker's start. */
extern void raft_inboxes_reset(RaftInboxes *inboxes);

/*
 * The next frame over all rings, round robin; NULL when there is none.  It stays
 * valid until raft_inbox_consume() with the same ring number.
 */
extern const uint8 *raft_inbox_next(RaftInboxes *inboxes, int *ring, Size *size);
extern void raft_inbox_consume(RaftInboxes *inboxes, int ring);

/* Streams that are open now from this peer (0 or 1), for the status views. */
extern bool raft_inbox_connected(RaftInboxes *inboxes, RaftNodeId sender);

#endif							/* RAFT_INBOX_H */
