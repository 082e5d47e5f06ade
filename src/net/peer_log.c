/*-------------------------------------------------------------------------
 *
 * peer_log.c
 *	  A member is known by its log, and by the starts that it remembers.
 *
 * A node that comes back with less than it had has forgotten what it voted and
 * acknowledged.  Together with a member that never heard of the same commands
 * it would be a majority, elect a leader and put others in their places.  So
 * each node remembers of each other one, in raft.peers:
 *
 *	- The random number of its log.  One that comes with another has lost its log.
 *	  Once the group is formed, the configuration has that number, for those as well who
 *	  have never met the node; before, another log takes the place of the one that was met.
 *	- The random number of its last start that was met here.  One that does not
 *	  have it in its history comes from a copy made before that start.
 *	- How far its log was durable and committed, and its term.  One that has less
 *	  was set back since its last start.
 *
 * The table is read and written directly: a role without any right on it may
 * open streams.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "net/peer_log.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "tables/table.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Columns of raft.peers (raft_peers_table). */
enum
{
	PEER_NODE_ID,
	PEER_LOG_ID,
	PEER_FIRST_SEEN,
	PEER_INCARNATION,
	PEER_BOOT_COUNT,
	PEER_START_SEEN,
	PEER_ACKNOWLEDGED,
	PEER_TERM,
	PEER_COLUMNS
};

/* A row of it. */
typedef struct Peer
{
	HeapTuple	tuple;			/* NULL = there is none */
	Datum		values[PEER_COLUMNS];
	bool		nulls[PEER_COLUMNS];
} Peer;

#define PEER_INT64(peer, column)	((uint64) DatumGetInt64((peer)->values[column]))

/* --- the table --- */

/* As it is now: what another stream has committed counts. */
static void
read_peer(Relation relation, RaftNodeId id, Peer *peer)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = raft_beginscan(relation, snapshot);
	HeapTuple	tuple;

	peer->tuple = NULL;
	while (peer->tuple == NULL && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		raft_table_deform(&raft_peers_table, relation, tuple, peer->values, peer->nulls);
		if (DatumGetInt32(peer->values[PEER_NODE_ID]) == (int32) id)
			peer->tuple = heap_copytuple(tuple);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/*
 * Locks the row, to update it.  False when it is locked or was changed; the holder's process is
 * told where that is known (0: a prepared transaction, or one with savepoints).
 */
static bool
lock_peer(Relation relation, const Peer *peer, LockWaitPolicy wait, int *holder)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(relation, &peer->tuple->t_self, snapshot, slot,
							  GetCurrentCommandId(true), LockTupleNoKeyExclusive, wait, 0, &failure);
	*holder = 0;
	if (result == TM_WouldBlock && TransactionIdIsNormal(failure.xmax))
		*holder = BackendXidGetPid(failure.xmax);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

/* Says which lock it was that a stream has waited for in vain. */
static void
say_what_is_locked(void *holder)
{
	if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
		return;
	errmsg("table \"%s.peers\" is locked", RAFT_SCHEMA);
	if (*(int *) holder != 0)
		errdetail("Process %d holds the row of this node.", *(int *) holder);
	else
		errdetail("A stream is not taken before it is noted there.");
}

/* When two streams meet here, the later one gets an error, and its node dials again. */
static void
write_peer(Relation relation, Peer *peer)
{
	if (peer->tuple == NULL)
		raft_table_insert(relation, peer->values, peer->nulls);
	else
		(void) raft_table_update(relation, peer->tuple, peer->values, peer->nulls);
}

/* What the commit of this transaction waits for. */
static void
set_synchronous_commit(const char *value)
{
	(void) set_config_option("synchronous_commit", value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/* --- checks --- */

static bool
remembers(const RaftPeerStart *start, uint64 incarnation)
{
	for (int i = 0; i < start->n_former; i++)
	{
		if (start->former[i] == incarnation)
			return true;
	}
	return false;
}

static void
check_start(const RaftPeerStart *start, const Peer *known)
{
	uint64		boot = PEER_INT64(known, PEER_BOOT_COUNT);
	uint64		incarnation = PEER_INT64(known, PEER_INCARNATION);

	/* the number of a start belongs to it: a later one counts on */
	if (start->incarnation == incarnation ? start->boot == boot :
		start->boot > boot && remembers(start, incarnation))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("Raft node \"%s\" comes in an older state than before", start->name),
			 errdetail("Its start number %llu does not descend from its start number %llu, which this node met at %s.",
					   (unsigned long long) start->boot, (unsigned long long) boot,
					   timestamptz_to_str(DatumGetTimestampTz(known->values[PEER_START_SEEN]))),
			 errhint("It was restored from a backup or a snapshot, or two servers use its identity. Bring the server with its newest state back. If this is the newest, and start %llu was that of an older state, let a superuser run DELETE FROM %s.peers WHERE node_id = %u here.",
					 (unsigned long long) boot, RAFT_SCHEMA, start->id)));
}

static void
check_progress(const RaftPeerStart *start, const Peer *known)
{
	RaftIndex	acknowledged = PEER_INT64(known, PEER_ACKNOWLEDGED);
	RaftTerm	term = PEER_INT64(known, PEER_TERM);

	if (start->last >= acknowledged && start->term >= term)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("Raft node \"%s\" has lost a part of its log", start->name),
			 errdetail("Its log ends at index %llu in term %llu; it has acknowledged index %llu, and was in term %llu, before.",
					   (unsigned long long) start->last, (unsigned long long) start->term,
					   (unsigned long long) acknowledged, (unsigned long long) term),
			 errhint("Its machine was set back to an earlier state, or its disk loses what was synced. Bring the server with its newest state back.")));
}

void
raft_check_named_log(const RaftPeerStart *start, const RaftPeerNaming *naming)
{
	if (naming->log_id == 0 || naming->log_id == (uint64) start->log_id)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("Raft node \"%s\" comes with another log than before", start->name),
			 errdetail("The members of the group have agreed on the log that this node votes with. A node that has lost its log has forgotten its votes and what it acknowledged, so it is not listened to."),
			 errhint("Bring the server with the former log back.")));
}

/*
 * What is known of another log is void when the members have agreed on this one, and
 * while they have agreed on none.
 */
static bool
is_void(const RaftPeerStart *start, const RaftPeerNaming *naming, const Peer *known)
{
	return known->tuple != NULL && DatumGetInt64(known->values[PEER_LOG_ID]) != start->log_id &&
		(naming->log_id != 0 || naming->forming);
}

static void
check_known(const RaftPeerStart *start, const RaftPeerNaming *naming, const Peer *known)
{
	raft_check_named_log(start, naming);
	if (known->tuple == NULL || is_void(start, naming, known))
		return;
	if (DatumGetInt64(known->values[PEER_LOG_ID]) != start->log_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft node \"%s\" comes with another log than before", start->name),
				 errdetail("It was first met at %s. A node that has lost its log has forgotten its votes and what it acknowledged, so it is not listened to.",
						   timestamptz_to_str(DatumGetTimestampTz(known->values[PEER_FIRST_SEEN]))),
				 errhint("Bring the server with the former log back.")));
	check_start(start, known);
	check_progress(start, known);
}

void
raft_check_peer_log(const RaftPeerStart *start, const RaftPeerNaming *naming)
{
	Relation	relation = raft_table_open(&raft_peers_table, AccessShareLock);
	Peer		known;

	read_peer(relation, start->id, &known);
	check_known(start, naming, &known);
	table_close(relation, AccessShareLock);
}

void
raft_accept_peer_log(const RaftPeerStart *start, const RaftPeerNaming *naming)
{
	Datum		now = TimestampTzGetDatum(GetCurrentTimestamp());
	int			holder = 0;
	ErrorContextCallback locked = {error_context_stack, say_what_is_locked, &holder};
	Relation	relation;
	Peer		peer;

	error_context_stack = &locked;
	relation = raft_table_open(&raft_peers_table, RowExclusiveLock);
	read_peer(relation, start->id, &peer);
	check_known(start, naming, &peer);

	if (peer.tuple == NULL || PEER_INT64(&peer, PEER_INCARNATION) != start->incarnation)
	{
		if (peer.tuple == NULL || is_void(start, naming, &peer))
		{
			memset(peer.nulls, 0, sizeof(peer.nulls));
			peer.values[PEER_NODE_ID] = Int32GetDatum((int32) start->id);
			peer.values[PEER_LOG_ID] = Int64GetDatum(start->log_id);
			peer.values[PEER_FIRST_SEEN] = now;
			peer.values[PEER_ACKNOWLEDGED] = Int64GetDatum(0);
			peer.values[PEER_TERM] = Int64GetDatum(0);
		}
		peer.values[PEER_INCARNATION] = Int64GetDatum((int64) start->incarnation);
		peer.values[PEER_BOOT_COUNT] = Int64GetDatum((int64) start->boot);
		peer.values[PEER_START_SEEN] = now;
		if (peer.tuple != NULL)
			(void) lock_peer(relation, &peer, LockWaitSkip, &holder);
		write_peer(relation, &peer);	/* waits as long as lock_timeout says */

		/* on this server's disk; a standby that is away must not keep members apart */
		set_synchronous_commit("local");
	}
	error_context_stack = locked.previous;
	table_close(relation, NoLock);
}

/* --- progress --- */

bool
raft_note_peer_progress(RaftNodeId id, RaftIndex position, RaftTerm term)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			table;
	bool		noted = false;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	set_synchronous_commit("off");

	table = get_relname_relid("peers", get_namespace_oid(RAFT_SCHEMA, false));
	if (OidIsValid(table) && ConditionalLockRelationOid(table, RowExclusiveLock))
	{
		Relation	relation = raft_table_open(&raft_peers_table, RowExclusiveLock);
		Peer		peer;
		int			holder;

		/* no row: a superuser has had this member forgotten */
		read_peer(relation, id, &peer);
		noted = peer.tuple == NULL || lock_peer(relation, &peer, LockWaitSkip, &holder);
		if (noted && peer.tuple != NULL)
		{
			position = Max(position, PEER_INT64(&peer, PEER_ACKNOWLEDGED));
			term = Max(term, PEER_INT64(&peer, PEER_TERM));
			peer.values[PEER_ACKNOWLEDGED] = Int64GetDatum((int64) position);
			peer.values[PEER_TERM] = Int64GetDatum((int64) term);
			write_peer(relation, &peer);
		}
		table_close(relation, NoLock);
	}

	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return noted;
}
