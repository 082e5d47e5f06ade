/*-------------------------------------------------------------------------
 *
 * link.c
 *	  The life of one outgoing stream.
 *
 *			deadline				answer				 libpq is done
 *	 waiting ---------> resolving ---------> connecting ----------------> calling
 *		^					|	 (a name)		 |							 | CopyBoth
 *		|					|					 |							 v
 *		+-------------------+--------------------+---------------------- streaming
 *				error, deadline passed
 *
 * Every call of libpq in this file returns at once; what it could not do is
 * done when the socket is ready (link->wants).  Those that would block
 * otherwise are guarded: PQgetResult() by PQisBusy(), PQputCopyData() and
 * PQflush() by PQsetnonblocking().  One thing cannot be guarded: libpq resolves
 * host names in the foreground.  So it is never left to libpq, which is given
 * an address beside the name (lookup.c).
 *
 * The peer answers nothing on this stream.  It is read for its end only: an
 * ERROR of the server becomes the link's last_error.  The server's log gets a
 * line when the trouble with a peer begins, changes or ends, and reminders.
 *
 * A peer whose server answers and says no is asked less and less often while its
 * reason stays the same: each attempt costs it a backend and perhaps a line in its
 * log, and it dials us by itself when things have changed over there.  Not so when it
 * lacks something that comes back by itself: nobody would dial us then.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <netdb.h>

#include "net/answer.h"
#include "net/link.h"
#include "stop_point.h"

#include "common/pg_prng.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#define MIN_BACKOFF_MS		100
#define MAX_BACKOFF_MS		5000
#define MAX_REFUSED_BACKOFF_MS	40000	/* a minute at most, as back-offs vary by half */
#define MIN_LIFE			(5 * USECS_PER_SEC) /* a stream this old resets the back-off */
#define HURRY_GAP			(50 * 1000) /* even then not two attempts closer than this */
#define ADDRESS_LIFE		(30 * USECS_PER_SEC)	/* then a name is looked up again */
#define HANDOVER_BYTES		(64 * 1024) /* given to libpq between two flushes */
#define SPARE_QUEUE_BYTES	(1024 * 1024)	/* a drained queue larger than this is freed */

const char *
raft_link_name(RaftPeerLink link)
{
	switch (link)
	{
		case RAFT_LINK_WAITING:
			return "waiting";
		case RAFT_LINK_RESOLVING:
			return "resolving";
		case RAFT_LINK_CONNECTING:
			return "connecting";
		case RAFT_LINK_CALLING:
			return "calling";
		case RAFT_LINK_STREAMING:
			return "streaming";
	}
	return "?";
}

void
raft_link_init(RaftLink *link, const RaftPeersInit *self,
			   const RaftOwnPosition *own, const RaftMemberInfo *member)
{
	memset(link, 0, sizeof(*link));
	link->id = member->id;
	memcpy(link->name, member->name, member->name_size);
	memcpy(link->conninfo, member->conninfo, member->conninfo_size);
	link->self = self;
	link->own = own;
	link->backoff_ms = MIN_BACKOFF_MS;
	link->lookup = -1;
	link->position = -1;
	link->stats.id = member->id;
	link->stats.link = RAFT_LINK_WAITING;
	initStringInfo(&link->queue);
}

/* --- ends --- */

/* The queue is as small as at the beginning again. */
static void
reset_queue(RaftLink *link)
{
	if (link->queue.maxlen > SPARE_QUEUE_BYTES)
	{
		link->queue.data = repalloc(link->queue.data, BLCKSZ);
		link->queue.maxlen = BLCKSZ;
	}
	resetStringInfo(&link->queue);
	link->sent = 0;
}

void
raft_link_close(RaftLink *link)
{
	if (link->conn != NULL)
	{
		PQfinish(link->conn);
		link->conn = NULL;
		ReleaseExternalFD();
	}
	link->stats.link = RAFT_LINK_WAITING;
	link->wants = 0;
	link->socket_changed = true;
	link->handed = 0;
	reset_queue(link);
}

static bool
begin_lookup(RaftLink *link)
{
	if (!AcquireExternalFD())
		return false;
	link->lookup = raft_lookup_begin(link->host);
	if (link->lookup < 0)
		ReleaseExternalFD();
	return link->lookup >= 0;
}

static void
end_lookup(RaftLink *link)
{
	if (link->lookup < 0)
		return;
	raft_lookup_end(link->lookup);
	link->lookup = -1;
	ReleaseExternalFD();
}

void
raft_link_end(RaftLink *link)
{
	raft_link_close(link);
	end_lookup(link);
	pfree(link->queue.data);
}

static void
set_next_attempt(RaftLink *link, RaftTime now, RaftTime when)
{
	link->deadline = when;
	link->stats.next_attempt = GetCurrentTimestamp() + (when > now ? (TimestampTz) (when - now) : 0);
	if (raft_mutant("impatient"))
		link->deadline = Min(when, now + HURRY_GAP);
}

/* Next attempt after the back-off, give or take half of it. */
static void
back_off(RaftLink *link, RaftTime now, int longest_ms)
{
	double		ms = Min(link->backoff_ms, longest_ms) *
		(0.5 + pg_prng_double(&pg_global_prng_state));

	set_next_attempt(link, now, now + (RaftTime) (ms * 1000));
	link->backoff_ms = Min(link->backoff_ms * 2, longest_ms);
}

/* What the views say of a refusal: since when, as long as it is the last word. */
static void
note_refusal(RaftLink *link, bool refused)
{
	if (!refused)
		link->stats.refused_since = 0;
	else if (link->stats.refused_since == 0)
		link->stats.refused_since = link->stats.last_error_time;
}

/* The attempt or the stream has ended; refused: the peer's server said no. */
static void
end_attempt(RaftLink *link, RaftTime now, const RaftAnswer *answer, bool refused)
{
	bool		was_open = link->stats.link == RAFT_LINK_STREAMING;
	char		error[sizeof(link->stats.last_error)];
	bool		same;

	raft_copy_one_line(error, sizeof(error), answer->reason);
	same = strcmp(error, link->stats.last_error) == 0;
	strlcpy(link->stats.last_error, error, sizeof(error));
	link->stats.last_error_time = GetCurrentTimestamp();
	note_refusal(link, refused);

	if (was_open && now - link->since >= MIN_LIFE)
	{
		link->backoff_ms = MIN_BACKOFF_MS;
		(void) raft_reminder_end(&link->trouble);
	}
	if (link->conn != NULL && !was_open)
		link->turn++;			/* the next attempt goes to the next address */
	raft_link_close(link);
	back_off(link, now, refused && same && !raft_answer_passes(answer) ?
			 MAX_REFUSED_BACKOFF_MS : MAX_BACKOFF_MS);

	if (raft_reminder_due(&link->trouble, error))
	{
		link->said_open = false;
		ereport(LOG,
				(was_open ?
				 errmsg("stream to Raft node \"%s\" ended: %s", link->name, error) :
				 errmsg("could not open stream to Raft node \"%s\": %s", link->name, error)));
	}

	link->broke = link->broke || was_open;
}

static void
link_failed(RaftLink *link, RaftTime now, const char *reason)
{
	RaftAnswer	answer = {0};

	strlcpy(answer.reason, reason, sizeof(answer.reason));
	end_attempt(link, now, &answer, false);
}

/*
 * The reason that the server gave in its ERROR, else libpq's.  Called when the
 * connection is of no more use: whatever is still to be read is read first, as
 * the reason may stand behind it.
 */
static void
link_failed_at_server(RaftLink *link, RaftTime now)
{
	RaftAnswer	answer = {0};
	PGresult   *result;
	char	   *data;
	bool		refused;

	(void) PQconsumeInput(link->conn);
	while (PQgetCopyData(link->conn, &data, 1) > 0)
		PQfreemem(data);

	while (!PQisBusy(link->conn) && (result = PQgetResult(link->conn)) != NULL)
	{
		ExecStatusType status = PQresultStatus(result);

		if (answer.reason[0] == '\0')
			raft_answer_of_result(result, &answer);
		PQclear(result);
		if (status == PGRES_COPY_BOTH || status == PGRES_COPY_IN || status == PGRES_COPY_OUT)
			break;				/* would come again and again */
	}

	refused = answer.reason[0] != '\0' && link->stats.link == RAFT_LINK_CALLING;
	if (answer.reason[0] == '\0')
		strlcpy(answer.reason, PQerrorMessage(link->conn), sizeof(answer.reason));
	if (answer.reason[0] == '\0')
		strlcpy(answer.reason, "the peer ended the stream", sizeof(answer.reason));
	end_attempt(link, now, &answer, refused);
}

/* --- beginnings --- */

/* Warnings of the peer's server: into our log. */
static void
receive_notice(void *arg, const PGresult *result)
{
	RaftLink   *link = arg;
	char		text[256];

	raft_copy_one_line(text, sizeof(text), PQresultErrorMessage(result));
	if (raft_reminder_due(&link->trouble, text))
		ereport(LOG, (errmsg("message of Raft node \"%s\": %s", link->name, text)));
}

static void
begin_connecting(RaftLink *link, RaftTime now)
{
	RaftAddresses *known = &link->addresses;
	RaftConnParams params;

	/* sockets of libpq count with those of the server's own files */
	if (!AcquireExternalFD())
	{
		link_failed(link, now, "too many open files in the node worker");
		return;
	}

	raft_conninfo_params(&params, link->conninfo,
						 known->n > 0 ? known->address[link->turn % known->n] : NULL,
						 link->self->self_name, link->name);
	link->conn = PQconnectStartParams(params.keywords, params.values, 1);
	if (link->conn == NULL)
	{
		ReleaseExternalFD();
		link_failed(link, now, "out of memory");
		return;
	}
	if (PQstatus(link->conn) == CONNECTION_BAD)
	{
		link_failed(link, now, PQerrorMessage(link->conn));
		return;
	}

	PQsetNoticeReceiver(link->conn, receive_notice, link);
	(void) PQsetErrorVerbosity(link->conn, PQERRORS_VERBOSE);	/* raft_answer_of_connection() */
	link->stats.link = RAFT_LINK_CONNECTING;
	link->deadline = now + (RaftTime) raft_connect_timeout_ms * 1000;
	link->wants = WL_SOCKET_WRITEABLE;
	link->socket_changed = true;
}

/* Waits for the answer, also for one that an earlier attempt has asked for. */
static void
begin_resolving(RaftLink *link, RaftTime now)
{
	if (link->lookup < 0 && !begin_lookup(link))
	{
		link_failed(link, now, psprintf("could not look up host name \"%s\": %m", link->host));
		return;
	}
	link->stats.link = RAFT_LINK_RESOLVING;
	link->deadline = now + (RaftTime) raft_connect_timeout_ms * 1000;
	link->wants = WL_SOCKET_READABLE;
	link->socket_changed = true;
}

void
raft_link_dial(RaftLink *link, RaftTime now)
{
	char		host[sizeof(link->host)];

	Assert(link->conn == NULL);
	link->attempted = now;
	link->stats.next_attempt = 0;

	/* a service file may name another host than before */
	raft_conninfo_host_name(link->conninfo, host, sizeof(host));
	if (strcmp(link->host, host) != 0)
	{
		strlcpy(link->host, host, sizeof(link->host));
		link->addresses.n = 0;
		end_lookup(link);
	}

	if (host[0] == '\0' ||
		(link->addresses.n > 0 && now - link->resolved < ADDRESS_LIFE))
		begin_connecting(link, now);
	else
		begin_resolving(link, now);
}

/*
 * Addresses that were right before serve on while there is no answer: the name
 * service may be what is down.
 */
static void
advance_resolving(RaftLink *link, RaftTime now)
{
	RaftAddresses found;

	if (!raft_lookup_answer(link->lookup, &found))
		return;
	end_lookup(link);

	if (found.n > 0)
	{
		link->addresses = found;
		link->resolved = now;
	}
	else if (found.error != EAI_AGAIN)
		link->addresses.n = 0;

	if (link->addresses.n > 0)
		begin_connecting(link, now);
	else
		link_failed(link, now,
					psprintf("could not translate host name \"%s\" to address: %s", link->host,
							 found.error == EAI_SYSTEM ? strerror(found.system_error) :
							 gai_strerror(found.error)));
}

/* CALL raft.stream(): the connection becomes a stream when the peer agrees. */
static void
send_call(RaftLink *link, RaftTime now)
{
	const RaftPeersInit *self = link->self;
	char	   *self_name = PQescapeLiteral(link->conn, self->self_name, strlen(self->self_name));
	char	   *peer_name = PQescapeLiteral(link->conn, link->name, strlen(link->name));
	char	   *environment = PQescapeLiteral(link->conn, self->environment, strlen(self->environment));
	char		group[2 * RAFT_GROUP_ID_BYTES + 1];
	StringInfoData call;
	bool		ok = self_name != NULL && peer_name != NULL && environment != NULL;

	(void) PQsetErrorVerbosity(link->conn, PQERRORS_DEFAULT);
	for (int i = 0; i < RAFT_GROUP_ID_BYTES; i++)
		snprintf(group + 2 * i, 3, "%02x", self->group[i]);

	initStringInfo(&call);
	if (ok)
	{
		appendStringInfo(&call, "CALL " RAFT_SCHEMA ".stream(%d, '%s'::pg_catalog.uuid, %u, %s, '"
						 INT64_FORMAT "'::pg_catalog.int8, " UINT64_FORMAT "::pg_catalog.int8, '"
						 INT64_FORMAT "'::pg_catalog.int8, '{",
						 RAFT_PROTOCOL_VERSION, group, self->self, self_name,
						 (int64) self->log_id, self->boot, (int64) self->incarnation);
		for (uint32 i = 0; i < self->n_former_starts; i++)
			appendStringInfo(&call, "%s" INT64_FORMAT, i > 0 ? "," : "",
							 (int64) self->former_starts[i]);
		appendStringInfo(&call, "}'::pg_catalog.int8[], " UINT64_FORMAT "::pg_catalog.int8, "
						 UINT64_FORMAT "::pg_catalog.int8, %s, %s)",
						 link->own->last, link->own->term, environment, peer_name);
		ok = PQsetnonblocking(link->conn, 1) == 0 && PQsendQuery(link->conn, call.data) == 1;
	}
	pfree(call.data);
	PQfreemem(self_name);
	PQfreemem(peer_name);
	PQfreemem(environment);

	if (!ok)
	{
		link_failed(link, now, PQerrorMessage(link->conn));
		return;
	}
	link->stats.link = RAFT_LINK_CALLING;
	raft_link_pump(link, now);
}

static void
advance_connecting(RaftLink *link, RaftTime now)
{
	ConnStatusType status = PQstatus(link->conn);
	RaftAnswer	answer;

	/* libpq may have replaced the socket, even by one of the same number */
	link->socket_changed = true;

	switch (PQconnectPoll(link->conn))
	{
		case PGRES_POLLING_READING:
			link->wants = WL_SOCKET_READABLE;
			break;
		case PGRES_POLLING_WRITING:
			link->wants = WL_SOCKET_WRITEABLE;
			break;
		case PGRES_POLLING_OK:
			send_call(link, now);
			break;
		default:
			/* once the start-up packet is answered, it is the server that says no */
			raft_answer_of_connection(link->conn, &answer);
			end_attempt(link, now, &answer,
						status == CONNECTION_AWAITING_RESPONSE || status == CONNECTION_AUTH_OK);
			break;
	}
}

static void
advance_calling(RaftLink *link, RaftTime now)
{
	PGresult   *result;
	ExecStatusType status;

	if (PQconsumeInput(link->conn) == 0)
	{
		link_failed_at_server(link, now);
		return;
	}
	if (PQisBusy(link->conn))
	{
		raft_link_pump(link, now);
		return;
	}

	result = PQgetResult(link->conn);
	status = PQresultStatus(result);
	if (status != PGRES_COPY_BOTH)
	{
		RaftAnswer	answer = {"raft.stream() did not open a stream", ""};

		raft_answer_of_result(result, &answer);
		PQclear(result);
		end_attempt(link, now, &answer, true);
		return;
	}
	PQclear(result);

	link->stats.link = RAFT_LINK_STREAMING;
	link->opened = true;
	link->stats.connects++;
	link->stats.last_connect = GetCurrentTimestamp();
	link->since = now;
	link->wants = WL_SOCKET_READABLE;
	note_refusal(link, false);

	/* one that breaks again and again within MIN_LIFE is no news each time */
	if (!link->said_open)
		ereport(LOG, (errmsg("stream to Raft node \"%s\" is open", link->name)));
	link->said_open = true;
}

/* --- while it is open --- */

static void
advance_streaming(RaftLink *link, RaftTime now)
{
	char	   *data;
	int			size;

	if (PQconsumeInput(link->conn) == 0)
	{
		link_failed_at_server(link, now);
		return;
	}

	/* Nothing is expected; what a later version may say is ignored. */
	while ((size = PQgetCopyData(link->conn, &data, 1)) > 0)
		PQfreemem(data);
	if (size < 0)
		link_failed_at_server(link, now);
	else
		raft_link_pump(link, now);
}

void
raft_link_advance(RaftLink *link, RaftTime now)
{
	switch (link->stats.link)
	{
		case RAFT_LINK_WAITING:
			break;
		case RAFT_LINK_RESOLVING:
			advance_resolving(link, now);
			break;
		case RAFT_LINK_CONNECTING:
			advance_connecting(link, now);
			break;
		case RAFT_LINK_CALLING:
			advance_calling(link, now);
			break;
		case RAFT_LINK_STREAMING:
			advance_streaming(link, now);
			break;
	}
}

pgsocket
raft_link_socket(const RaftLink *link)
{
	return link->conn != NULL ? PQsocket(link->conn) : link->lookup;
}

bool
raft_link_has_deadline(const RaftLink *link)
{
	return link->stats.link != RAFT_LINK_STREAMING;
}

void
raft_link_timeout(RaftLink *link, RaftTime now)
{
	switch (link->stats.link)
	{
		case RAFT_LINK_WAITING:
			raft_link_dial(link, now);
			break;
		case RAFT_LINK_RESOLVING:
			if (link->addresses.n > 0)
				begin_connecting(link, now);	/* as in advance_resolving() */
			else
				link_failed(link, now,
							psprintf("looking up host name \"%s\" takes longer than raft_pg.connect_timeout",
									 link->host));
			break;
		case RAFT_LINK_CONNECTING:
			link_failed(link, now, "connecting took longer than raft_pg.connect_timeout");
			break;
		case RAFT_LINK_CALLING:
			link_failed(link, now, "no answer to raft.stream() within raft_pg.connect_timeout");
			break;
		case RAFT_LINK_STREAMING:
			break;
	}
}

void
raft_link_hurry(RaftLink *link, RaftTime now)
{
	if (link->stats.link != RAFT_LINK_WAITING)
		return;
	set_next_attempt(link, now, Min(link->deadline, Max(now, link->attempted + HURRY_GAP)));
	link->backoff_ms = MIN_BACKOFF_MS;
}

/* --- sending --- */

Size
raft_link_backlog(const RaftLink *link)
{
	return link->handed + (link->queue.len - link->sent);
}

void
raft_link_queue(RaftLink *link, const void *header, Size header_size,
				const void *records, Size records_size)
{
	Assert(raft_frame_length(header) == header_size + records_size);

	/* make room at the end by dropping what has been handed over */
	if (link->sent >= link->queue.len / 2 &&
		link->queue.len + header_size + records_size >= (Size) link->queue.maxlen)
	{
		memmove(link->queue.data, link->queue.data + link->sent, link->queue.len - link->sent);
		link->queue.len -= link->sent;
		link->sent = 0;
	}
	appendBinaryStringInfo(&link->queue, header, (int) header_size);
	if (records_size > 0)
		appendBinaryStringInfo(&link->queue, records, (int) records_size);
}

/*
 * Gives libpq some frames of the queue, each as one CopyData.  libpq's own
 * buffer has no bound and does not tell how full it is: it is only filled
 * again when it is known to be empty.
 */
static bool
hand_over(RaftLink *link)
{
	while (link->sent < link->queue.len && link->handed < HANDOVER_BYTES)
	{
		const char *frame = link->queue.data + link->sent;
		int			size = (int) raft_frame_length((const uint8 *) frame);

		if (PQputCopyData(link->conn, frame, size) != 1)
			return false;
		link->sent += size;
		link->handed += size;
	}
	if (link->sent == link->queue.len)
		reset_queue(link);
	return true;
}

void
raft_link_pump(RaftLink *link, RaftTime now)
{
	for (;;)
	{
		int			rc = PQflush(link->conn);

		if (rc == 0)
		{
			link->handed = 0;
			link->wants = WL_SOCKET_READABLE;
			if (link->stats.link != RAFT_LINK_STREAMING || link->queue.len == 0)
				return;
			if (hand_over(link))
				continue;
			rc = -1;
		}
		if (rc < 0)
		{
			link_failed_at_server(link, now);
			return;
		}
		link->wants = WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE;
		return;
	}
}
