/*-------------------------------------------------------------------------
 *
 * peer.c
 *	  All outgoing streams of the node worker, and its one wait.
 *
 * raft_peers_wait() is where the worker sleeps; nothing else in src/net does
 * on its behalf.  It is the only place that touches the WaitEventSet.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "net/link.h"
#include "net/peer.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"

/*
 * An unread socket is looked at after this long, even when the latch is set
 * all the time: WaitEventSetWait() reports nothing else then.
 */
#define SOCKET_PATIENCE		(5 * 1000)

/* Frames that may wait for a peer's socket, in largest frames. */
#define BACKLOG_FRAMES		4

struct RaftPeers
{
	RaftPeersInit self;
	char		self_name[RAFT_MAX_NODE_NAME + 1];
	RaftOwnPosition position;
	RaftLink	links[RAFT_MAX_MEMBERS];
	WaitEventSet *set;
	bool		rebuild;		/* the set does not have the present sockets */
	RaftTime	sockets_seen;	/* when the sockets were last asked for events */
};

/* Events that are no socket's: latch and postmaster death. */
#define OWN_EVENTS	2

/* --- the members --- */

static void
close_all(int code, Datum arg)
{
	RaftPeers  *peers = (RaftPeers *) DatumGetPointer(arg);

	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (peers->links[i].conn != NULL)
			PQfinish(peers->links[i].conn);
		peers->links[i].conn = NULL;
	}
}

RaftPeers *
raft_peers_create(const RaftPeersInit *init)
{
	RaftPeers  *peers = palloc0(sizeof(RaftPeers));

	peers->self = *init;
	strlcpy(peers->self_name, init->self_name, sizeof(peers->self_name));
	peers->self.self_name = peers->self_name;
	peers->self.environment = pstrdup(init->environment);
	peers->rebuild = true;
	before_shmem_exit(close_all, PointerGetDatum(peers));
	return peers;
}

static RaftLink *
find_link(RaftPeers *peers, RaftNodeId id)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (peers->links[i].id == id)
			return &peers->links[i];
	}
	return NULL;
}

static bool
is_same_member(const RaftLink *link, const RaftMemberInfo *member)
{
	return strlen(link->name) == member->name_size &&
		memcmp(link->name, member->name, member->name_size) == 0 &&
		strlen(link->conninfo) == member->conninfo_size &&
		memcmp(link->conninfo, member->conninfo, member->conninfo_size) == 0;
}

static void
remove_link(RaftPeers *peers, RaftLink *link)
{
	raft_link_end(link);
	memset(link, 0, sizeof(*link));
	peers->rebuild = true;
}

void
raft_peers_configure(RaftPeers *peers, const RaftMemberInfo *members, uint32 n_members)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(peers));

	Assert(n_members <= RAFT_MAX_MEMBERS);

	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];
		bool		stays = false;

		for (uint32 m = 0; m < n_members && link->id != 0; m++)
			stays = stays || (members[m].id == link->id && is_same_member(link, &members[m]));
		if (link->id != 0 && !stays)
			remove_link(peers, link);
	}

	for (uint32 m = 0; m < n_members; m++)
	{
		if (members[m].id != peers->self.self && find_link(peers, members[m].id) == NULL)
			raft_link_init(find_link(peers, 0), &peers->self, &peers->position,
						   &members[m]);
	}
	MemoryContextSwitchTo(old);
}

void
raft_peers_set_position(RaftPeers *peers, RaftIndex last, RaftTerm term)
{
	peers->position.last = last;
	peers->position.term = term;
}

void
raft_peers_hurry(RaftPeers *peers, RaftNodeId id)
{
	RaftLink   *link = find_link(peers, id);

	if (link != NULL)
		raft_link_hurry(link, raft_now());
}

/* --- sending --- */

bool
raft_peer_send(RaftPeers *peers, RaftNodeId to, const void *header, Size header_size,
			   const void *records, Size records_size)
{
	RaftLink   *link = find_link(peers, to);
	Size		size = header_size + records_size;
	Size		bound = BACKLOG_FRAMES * raft_max_frame_bytes();

	if (link == NULL)
		return false;

	/*
	 * Votes, heartbeats and replies may use as much again: a peer that is slow
	 * to take entries must not take its leader for dead.
	 */
	if (records_size == 0)
		bound *= 2;

	if (link->stats.link != RAFT_LINK_STREAMING || raft_link_backlog(link) + size > bound)
	{
		link->stats.dropped_messages++;
		return false;
	}

	raft_link_queue(link, header, header_size, records, records_size);
	link->stats.sent_messages++;
	link->stats.sent_bytes += size;
	return true;
}

void
raft_peers_flush(RaftPeers *peers)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];

		if (link->stats.link == RAFT_LINK_STREAMING && raft_link_backlog(link) > 0)
			raft_link_pump(link, raft_now());
	}
}

/* --- the wait --- */

/* The set with the sockets as they are now. */
static void
rebuild_set(RaftPeers *peers)
{
	if (peers->set != NULL)
		FreeWaitEventSet(peers->set);
	peers->set = NULL;
	peers->set = raft_create_wait_event_set(OWN_EVENTS + RAFT_MAX_MEMBERS);
	AddWaitEventToSet(peers->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(peers->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);

	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];

		link->socket_changed = false;
		if (link->wants == 0)
			continue;
		link->position = AddWaitEventToSet(peers->set, link->wants,
										   raft_link_socket(link), NULL, link);
	}
	peers->rebuild = false;
}

/* Building a set costs as much as a message: only when a socket has changed. */
static void
update_set(RaftPeers *peers)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
		peers->rebuild = peers->rebuild || peers->links[i].socket_changed;

	if (peers->rebuild)
	{
		rebuild_set(peers);
		return;
	}
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];

		if (link->wants != 0)
			ModifyWaitEvent(peers->set, link->position, link->wants, NULL);
	}
}

/* Waits once; advances the links whose sockets are ready.  True: the latch was set. */
static bool
wait_once(RaftPeers *peers, long timeout_ms, uint32 wait_event_info)
{
	WaitEvent	events[OWN_EVENTS + RAFT_MAX_MEMBERS];
	bool		latch = false;
	RaftTime	now;
	int			n;

	update_set(peers);
	n = WaitEventSetWait(peers->set, timeout_ms, events, lengthof(events), wait_event_info);
	now = raft_now();

	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			latch = true;
		}
		else
			raft_link_advance(events[i].user_data, now);
	}
	if (!latch || n > 1)
		peers->sockets_seen = now;
	return latch;
}

/* Dials whose back-off is over; ends attempts that take too long. */
static void
check_deadlines(RaftPeers *peers)
{
	RaftTime	now = raft_now();

	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];

		if (link->id != 0 && raft_link_has_deadline(link) && now >= link->deadline)
			raft_link_timeout(link, now);
	}
}

static void
report_changes(RaftPeers *peers)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];

		if (link->opened)
			peers->self.opened(peers->self.arg, link->id);
		if (link->broke)
			peers->self.unreachable(peers->self.arg, link->id);
		link->opened = link->broke = false;
	}
}

bool
raft_peers_wait(RaftPeers *peers, long timeout_ms, uint32 wait_event_info)
{
	RaftTime	now = raft_now();
	RaftTime	deadline = raft_peers_deadline(peers);
	bool		latch;

	if (deadline != 0)
	{
		long		remaining = deadline <= now ? 0 : (long) ((deadline - now + 999) / 1000);

		if (timeout_ms < 0 || remaining < timeout_ms)
			timeout_ms = remaining;
	}

	latch = wait_once(peers, timeout_ms, wait_event_info);
	if (latch && raft_now() - peers->sockets_seen >= SOCKET_PATIENCE)
	{
		(void) wait_once(peers, 0, wait_event_info);
		peers->sockets_seen = raft_now();
	}

	check_deadlines(peers);
	report_changes(peers);
	return latch;
}

RaftTime
raft_peers_deadline(RaftPeers *peers)
{
	RaftTime	deadline = 0;

	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		RaftLink   *link = &peers->links[i];

		if (link->id != 0 && raft_link_has_deadline(link) &&
			(deadline == 0 || link->deadline < deadline))
			deadline = Max(link->deadline, 1);
	}
	return deadline;
}

/* --- status --- */

int
raft_peers_stats(RaftPeers *peers, RaftLinkStats *stats, int max)
{
	int			n = 0;

	for (int i = 0; i < RAFT_MAX_MEMBERS && n < max; i++)
	{
		if (peers->links[i].id != 0)
			stats[n++] = peers->links[i].stats;
	}
	return n;
}
