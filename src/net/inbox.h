/*-------------------------------------------------------------------------
 *
 * inbox.h
 *	  Frames on their way from the stream backends to the node worker: one
 *	  single-producer single-consumer byte ring in shared memory per peer.
 *
 * A frame lies in one piece in the ring, so that the reader decodes it in
 * place.  A new stream of the same peer takes the ring over from the old one;
 * what was in it stays.  All streams end with the node worker that reads them.
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
extern void raft_inboxes_shmem_init(void *memory);

/* --- stream backends --- */

typedef struct RaftInboxWriter RaftInboxWriter; /* private to the backend */

/*
 * Claims the ring of this sender.  Its older stream is told to end, and this call
 * waits (interruptibly) until it has.  ERROR 55000 while the inboxes are closed.
 * Whether the sender is the node that it says it is, the caller has found out
 * before (raft_check_peer_log), and looks at once more behind the stream that ended.
 * log_id: of its log, which the node worker learns with each frame.
 */
extern RaftInboxWriter *raft_inbox_claim(RaftInboxes *inboxes, RaftNodeId sender, uint64 log_id);

/*
 * False when the ring is full for now, or the writer must end (see lost).
 * ERROR 54000 when the frame is larger than the ring.
 */
extern bool raft_inbox_put(RaftInboxWriter *writer, const void *frame, Size size);

/* True when this stream must end: replaced by a newer one of the same sender, or closed. */
extern bool raft_inbox_lost(RaftInboxWriter *writer);

/* True when it must end because raft_inboxes_close() was called. */
extern bool raft_inbox_closed(RaftInboxWriter *writer);

/*
 * Asks the reader to set this backend's latch once there is room; call before
 * the last raft_inbox_put() that decides to sleep.
 */
extern void raft_inbox_want_room(RaftInboxWriter *writer);

extern void raft_inbox_release(RaftInboxWriter *writer);

/* --- the node worker --- */

/*
 * Ends every stream into this group (their backends notice at once) and refuses
 * new ones: at the worker's end, however it ends.
 */
extern void raft_inboxes_close(RaftInboxes *inboxes);

/*
 * Drops what is queued and opens the inboxes for new
 * streams: at the worker's start.  Streams of its former life end.
 */
extern void raft_inboxes_reset(RaftInboxes *inboxes);

/* Wakes the backends of all streams into this group: something concerns them. */
extern void raft_inboxes_wake(RaftInboxes *inboxes);

/*
 * The next frame over all rings, round robin, and the log of the node that it is from;
 * NULL when there is none.  It stays valid until raft_inbox_consume() with the same ring number.
 */
extern const uint8 *raft_inbox_next(RaftInboxes *inboxes, int *ring, Size *size, uint64 *log_id);
extern void raft_inbox_consume(RaftInboxes *inboxes, int ring);

/* Streams that are open now from this peer (0 or 1), for the status views. */
extern bool raft_inbox_connected(RaftInboxes *inboxes, RaftNodeId sender);

/*
 * Number of streams that have begun so far.  When it has changed, a peer is
 * evidently alive: see raft_peers_hurry().
 */
extern uint64 raft_inboxes_arrivals(RaftInboxes *inboxes);

#endif							/* RAFT_INBOX_H */
