/*-------------------------------------------------------------------------
 *
 * peer_log.c
 *	  A member is known by its log, not by its name.
 *
 * A node that has lost its log, and comes back under its old name with an empty
 * one, has forgotten what it voted and what it acknowledged.  Together with a
 * member that never heard of the same commands it would be a majority, elect a
 * leader and put others in their places.  So each log has a random number,
 * a stream names that of its sender, and each node remembers whom it has met with which
 * log: a member with another one is not listened to, and so has no vote.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "net/peer_log.h"
#include "utils/guc.h"

#define FIND_PEER \
	"SELECT log_id FROM " RAFT_SCHEMA ".peers WHERE node_id OPERATOR(pg_catalog.=) $1"
#define NOTE_PEER \
	"INSERT INTO " RAFT_SCHEMA ".peers (node_id, log_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"

/* The log that this member was met with; false when it was not met yet. */
static bool
find_log(Datum *values, int64 *log_id)
{
	static Oid	types[] = {INT4OID};
	bool		isnull;

	if (SPI_execute_with_args(FIND_PEER, 1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read table \"%s.peers\"", RAFT_SCHEMA);
	if (SPI_processed == 0)
		return false;
	*log_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return true;
}

/* Durable at the commit that precedes the stream's first byte. */
static void
note_log(Datum *values)
{
	static Oid	types[] = {INT4OID, INT8OID};

	/* on this server's disk; a standby that is away must not keep members apart */
	(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	if (SPI_execute_with_args(NOTE_PEER, 2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write table \"%s.peers\"", RAFT_SCHEMA);
}

void
raft_check_peer_log(RaftNodeId sender, const char *name, int64 log_id)
{
	Datum		values[] = {Int32GetDatum((int32) sender), Int64GetDatum(log_id)};
	int64		known = log_id;
	Oid			user;
	int			security;

	/* the role that opens the stream has no right on the table */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (!find_log(values, &known))
	{
		note_log(values);
		/* a stream that came at the same time may have been first */
		(void) find_log(values, &known);
	}
	SPI_finish();
	SetUserIdAndSecContext(user, security);

	if (known != log_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft node \"%s\" comes with another log than before", name),
				 errdetail("A node that has lost its log has forgotten its votes and what it acknowledged, so it is not listened to."),
				 errhint("Bring the server with the former log back.")));
}
