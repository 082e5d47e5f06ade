/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  CALL raft.stream(): the receiving end of a peer's stream.
 *
 * A peer's node worker connects like any client and calls this procedure.
 * It checks who calls whom, takes the connection over with a CopyBothResponse
 * and from then on puts each CopyData message, which is one frame, into the
 * group's inbox for the node worker.
 *
 * What makes it different from a function that loops:
 *	- It leaves the transaction, as VACUUM does.  A transaction open for days
 *	  would hold back the removal of dead rows and block CREATE INDEX CONCURRENTLY.
 *	- It never blocks in a read, also not in the middle of a message, but waits
 *	  for the latch and the socket together.  Else DROP DATABASE, for one, would
 *	  wait for this backend for ever.
 *	- An ERROR ends the connection, since bytes of the client that were read
 *	  ahead cannot be given back: the session would take the rest of a frame
 *	  for a command.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

/*
 * libpq-be.h includes the headers of Kerberos when the server was built with
 * it, and they need not be installed.  Nothing here looks at the members that
 * depend on it, and struct Port is laid out the same without.
 */
#undef ENABLE_GSS

#include "group/group.h"
#include "net/environment.h"
#include "net/inbox.h"
#include "net/peer_log.h"
#include "net/refusals.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "port/pg_bswap.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/ps_status.h"
#include "utils/uuid.h"

#define RECEIVE_BYTES		(64 * 1024)
#define MESSAGE_HEADER		5	/* type and length of a protocol message */
#define NOTE_INTERVAL		(3 * USECS_PER_SEC) /* raft.peers is written no more often */

/* A node may have been away for as many elections; at one per second, that is 136 years. */
#define MAX_TERM_LEAD		UINT64CONST(0xFFFFFFFF)

/* What the caller says about the stream. */
typedef struct StreamCall
{
	int32		protocol;
	uint8		group[RAFT_GROUP_ID_BYTES];
	RaftPeerStart sender;
	char	   *environment;	/* of the sender's database */
	char	   *recipient;
} StreamCall;

typedef struct Stream
{
	StreamCall	call;
	bool		is_member;		/* the sender, as far as has been checked */
	RaftPeerNaming naming;		/* of the sender, by this version of the configuration */
	uint64		config_version;
	RaftGroup  *group;
	RaftNodeId	self;
	RaftInboxWriter *inbox;

	/* received and not yet delivered: buffer[start .. end] */
	uint8	   *buffer;
	uint32		size;
	uint32		start;
	uint32		end;
	bool		checked;		/* the frame at start has been checked */
	bool		news;			/* something the node worker is still to be waked for */
	RaftEntry  *entries;		/* scratch for the check */

	/* what the sender has promised, and what of it is noted in raft.peers */
	RaftIndex	acknowledged;
	RaftTerm	term;
	RaftIndex	noted_acknowledged;
	RaftTerm	noted_term;
	RaftTime	noted_at;
} Stream;

/* How far a look at the buffer came. */
typedef enum Delivery
{
	DELIVERED_ALL,				/* more must be received */
	DELIVERY_STUCK,				/* the inbox is full */
	DELIVERY_DONE				/* the peer ended the stream */
} Delivery;

RAFT_SQL_FUNCTION(raft_stream);

/* --- checks before the stream --- */

static void
check_context(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (!superuser() && !has_rolreplication(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser or replication role to open a Raft stream")));

	if (context == NULL || !IsA(context, CallContext) || context->atomic ||
		SPI_inside_nonatomic_context())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("raft.stream must be called at top level outside a transaction block")));
	PreventInTransactionBlock(true, "CALL raft.stream");

	/*
	 * A client that speaks on before it has seen the CopyBothResponse does not
	 * know this protocol; one that uses the extended query protocol has a Sync
	 * under way, which would be taken for a message of the stream.
	 */
	if (whereToSendOutput != DestRemote || MyProcPort == NULL || raft_client_bytes_buffered())
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("raft.stream must be called by a client in a simple query of its own")));
}

/* The starts that the sender remembers. */
static void
read_starts(ArrayType *array, RaftPeerStart *sender)
{
	Datum	   *elements;

	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("arguments of raft.stream must not be null")));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, NULL, &sender->n_former);
	sender->former = palloc(Max(sender->n_former, 1) * sizeof(uint64));
	for (int i = 0; i < sender->n_former; i++)
		sender->former[i] = (uint64) DatumGetInt64(elements[i]);
}

static void
read_call(FunctionCallInfo fcinfo, StreamCall *call)
{
	RaftPeerStart *sender = &call->sender;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("arguments of raft.stream must not be null")));
	}
	call->protocol = PG_GETARG_INT32(0);
	memcpy(call->group, PG_GETARG_UUID_P(1)->data, RAFT_GROUP_ID_BYTES);
	if (PG_GETARG_INT32(2) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number of a Raft node must be positive")));
	sender->id = (RaftNodeId) PG_GETARG_INT32(2);
	sender->name = text_to_cstring(PG_GETARG_TEXT_PP(3));
	sender->log_id = PG_GETARG_INT64(4);
	sender->boot = (uint64) PG_GETARG_INT64(5);
	sender->incarnation = (uint64) PG_GETARG_INT64(6);
	read_starts(PG_GETARG_ARRAYTYPE_P(7), sender);
	sender->last = (RaftIndex) PG_GETARG_INT64(8);
	sender->term = (RaftTerm) PG_GETARG_INT64(9);
	call->environment = text_to_cstring(PG_GETARG_TEXT_PP(10));
	call->recipient = text_to_cstring(PG_GETARG_TEXT_PP(11));
}

static RaftGroup *
running_group(void)
{
	RaftGroup  *group = raft_group_require();
	RaftGroupState state = raft_group_get_state(group, NULL, NULL);

	if (state != RAFT_GROUP_RUNNING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft group of this database is not accepting streams"),
				 errdetail("The group is in state \"%s\".", raft_group_state_name(state))));
	return group;
}

/*
 * What the newest configuration in the log here says of the sender, committed or not: the core
 * counts votes and acknowledgements by the same one.  A node that it does not name is refused:
 * whatever such a one said of itself, nobody could check it, and a leader is believed.
 */
static void
check_sender(Stream *stream)
{
	const RaftPeerStart *sender = &stream->call.sender;
	RaftPeerNaming naming = {0};
	bool		is_member = false;
	RaftGroupMember *members;
	int			n_members;

	stream->config_version = raft_published_version(&stream->group->config);
	n_members = raft_group_get_members(stream->group, &members);
	for (int i = 0; i < n_members; i++)
	{
		const RaftGroupMember *member = &members[i];
		bool		same_name = strcmp(member->name, sender->name) == 0;

		naming.forming |= member->flags != RAFT_MEMBER_LEARNER && member->log_id == 0;
		if (same_name && member->id == sender->id)
		{
			is_member = true;
			naming.log_id = member->log_id;
		}
	}
	if (!is_member)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("node \"%s\" is not a member of this Raft group", sender->name),
				 errdetail("No member has this name and id %u.", sender->id)));
	stream->is_member = true;
	stream->naming = naming;
	raft_check_named_log(sender, &naming);
}

/* Is this the group, the recipient and a sender that belong together? */
static void
check_identities(RaftGroup *group, const StreamCall *call)
{
	if (memcmp(group->group_id, call->group, RAFT_GROUP_ID_BYTES) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream belongs to another Raft group"),
				 errdetail("The group id of the stream is not that of the group in database \"%s\".",
						   get_database_name(MyDatabaseId)),
				 errhint("Check the connection strings of the members.")));

	if (strcmp(group->node_name, call->recipient) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream is for another Raft node"),
				 errdetail("It is for node \"%s\"; this is node \"%s\".",
						   call->recipient, group->node_name),
				 errhint("The connection string of node \"%s\" leads to the wrong server.",
						 call->recipient)));

	if (call->sender.id == group->node_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream comes from a node with this node's own identity"),
				 errdetail("Two servers may be using the identity of node \"%s\".",
						   group->node_name)));
}

/* --- what the sender has promised --- */

/*
 * A message leaves its sender when the term in it is durable there; an
 * acknowledgement says how much of this leader's log is.  What of that is
 * committed the sender will never be without.
 *
 * The commit index is read before the term: it belongs to this term, then, or
 * to an earlier one, whose committed entries this leader has.
 */
static void
take_promises(Stream *stream, const RaftMessage *message)
{
	RaftIndex	committed = pg_atomic_read_u64(&stream->group->ready);

	stream->term = Max(stream->term, message->term);
	if (message->type != RAFT_MSG_APPEND_REPLY || !message->granted)
		return;
	pg_read_barrier();
	if (pg_atomic_read_u64(&stream->group->term) == message->term)
		stream->acknowledged = Max(stream->acknowledged, Min(message->log_index, committed));
}

static bool
has_news(const Stream *stream)
{
	return stream->acknowledged > stream->noted_acknowledged ||
		stream->term > stream->noted_term;
}

static void
note_promises(Stream *stream)
{
	if (!has_news(stream))
		return;
	stream->noted_at = raft_now();
	if (!raft_note_peer_progress(stream->call.sender.id, stream->acknowledged, stream->term))
		return;					/* next time */
	stream->noted_acknowledged = stream->acknowledged;
	stream->noted_term = stream->term;
}

/* Notes what is due; milliseconds until something will be, -1 = nothing. */
static long
note_when_due(Stream *stream)
{
	RaftTime	since;

	if (!has_news(stream))
		return -1;
	since = raft_now() - stream->noted_at;
	if (since < NOTE_INTERVAL)
		return (long) ((NOTE_INTERVAL - since + 999) / 1000);
	note_promises(stream);
	return has_news(stream) ? (long) (NOTE_INTERVAL / 1000) : -1;
}

/* --- frames --- */

static void
protocol_violation(Stream *stream, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("invalid message on the stream of Raft node \"%s\"",
					stream->call.sender.name),
			 errdetail_internal("%s", detail)));
}

/*
 * Terms grow by one with each election.  One that is far ahead is no term that a group has
 * come to, and would be kept for good: a node never goes back to a lower one.
 */
static void
check_term(Stream *stream, RaftTerm term)
{
	RaftTerm	own = pg_atomic_read_u64(&stream->group->term);

	if (term > own && term - own > MAX_TERM_LEAD)
		protocol_violation(stream,
						   psprintf("The frame is of term " UINT64_FORMAT ", while this node is in term " UINT64_FORMAT ".",
									term, own));
}

/*
 * Checks a frame in full.  It costs this backend less than receiving it did,
 * it names the culprit, and it keeps garbage from the one node worker.  (Which
 * decodes it again all the same: shared memory is no proof of anything.)
 */
static void
check_frame(Stream *stream, const uint8 *frame, uint32 size)
{
	uint8		group[RAFT_GROUP_ID_BYTES];
	RaftMessage message;
	RaftDecodeResult result;

	if (raft_frame_length(frame) != size)
		protocol_violation(stream,
						   psprintf("The frame's length field says %u, the message has %u bytes.",
									raft_frame_length(frame), size));

	result = raft_frame_decode(frame, size, group, &message,
							   stream->entries, RAFT_MAX_MESSAGE_ENTRIES);
	if (result != RAFT_DECODE_OK)
		protocol_violation(stream,
						   psprintf("The frame does not decode: %s.",
									raft_decode_message(result)));

	if (memcmp(group, stream->call.group, RAFT_GROUP_ID_BYTES) != 0)
		protocol_violation(stream, "The frame belongs to another group.");
	if (message.from != stream->call.sender.id || message.to != stream->self ||
		message.boot != stream->call.sender.boot)
		protocol_violation(stream,
						   psprintf("The frame is from node %u (boot count " UINT64_FORMAT ") to node %u,"
									" the stream from node %u (boot count " UINT64_FORMAT ") to node %u.",
									message.from, message.boot, message.to, stream->call.sender.id,
									stream->call.sender.boot, stream->self));
	check_term(stream, message.term);
	take_promises(stream, &message);
}

/* Makes room for a whole message of so many bytes at start. */
static void
make_room(Stream *stream, uint32 bytes)
{
	if (stream->start > 0)
	{
		memmove(stream->buffer, stream->buffer + stream->start, stream->end - stream->start);
		stream->end -= stream->start;
		stream->start = 0;
	}
	if (bytes > stream->size)
	{
		stream->buffer = repalloc(stream->buffer, bytes);
		stream->size = bytes;
	}
}

/*
 * The length of the message at start, with its header, after a check of both
 * type and length: nothing is allocated for a length that is not allowed.
 */
static uint32
message_length(Stream *stream)
{
	const uint8 *bytes = stream->buffer + stream->start;
	uint8		type = bytes[0];
	uint32		length;			/* without the type, with itself */

	memcpy(&length, bytes + 1, sizeof(length));
	length = pg_ntoh32(length);

	if (type == 'd')
	{
		Size		max = raft_max_frame_bytes();

		if (length < 4 + RAFT_FRAME_HEADER || length > 4 + max)
			protocol_violation(stream,
							   psprintf("The message's length word is %u; %d to %zu are allowed.",
										length, 4 + RAFT_FRAME_HEADER, 4 + max));
	}
	else if ((type != 'c' && type != 'X') || length != 4)
		protocol_violation(stream,
						   psprintf("The message has type 0x%02x and the length word %u.",
									type, length));
	return 1 + length;
}

/*
 * The client has gone.  Whatever is said on the way out goes to the server's log
 * only: nothing is written to a connection that the other side has closed.
 */
pg_noreturn static void
end_session(Stream *stream)
{
	whereToSendOutput = DestNone;
	note_promises(stream);
	proc_exit(0);
}

/* Puts the complete messages of the buffer into the inbox. */
static Delivery
deliver(Stream *stream)
{
	while (stream->end - stream->start >= MESSAGE_HEADER)
	{
		const uint8 *message = stream->buffer + stream->start;
		uint32		length = message_length(stream);
		const uint8 *frame = message + MESSAGE_HEADER;
		uint32		size = length - MESSAGE_HEADER;

		if (stream->end - stream->start < length)
		{
			make_room(stream, length);
			return DELIVERED_ALL;
		}

		if (message[0] == 'X')
			end_session(stream);
		if (message[0] == 'c')
		{
			stream->start += length;
			return DELIVERY_DONE;
		}

		if (!stream->checked)
			check_frame(stream, frame, size);
		stream->checked = true;
		if (!raft_inbox_put(stream->inbox, frame, size))
			return DELIVERY_STUCK;
		stream->checked = false;
		stream->news = true;
		stream->start += length;
	}

	make_room(stream, MESSAGE_HEADER);
	return DELIVERED_ALL;
}

/* --- the stream --- */

/*
 * Receives what is there, without waiting.  False when nothing is.
 */
static bool
receive(Stream *stream)
{
	ssize_t		n;

	MyProcPort->noblock = true;
	errno = 0;
	n = secure_read(MyProcPort, stream->buffer + stream->end, stream->size - stream->end);
	if (n > 0)
	{
		stream->end += n;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;

	/* The peer is gone: nobody to tell, so it goes to the log only. */
	if (n < 0 && errno != 0)
		ereport(COMMERROR,
				(errcode_for_socket_access(),
				 errmsg("could not receive data of Raft node \"%s\": %m",
						stream->call.sender.name)));
	else
		ereport(COMMERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("unexpected end of the stream of Raft node \"%s\"",
						stream->call.sender.name)));
	end_session(stream);
}

static uint32
stream_wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = raft_wait_event_new("RaftStream");
	return event;
}

static void
wait_for_bytes(long timeout_ms)
{
	WaitEvent	event;

	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_READABLE, NULL);
	if (WaitEventSetWait(FeBeWaitSet, timeout_ms, &event, 1, stream_wait_event()) == 1 &&
		(event.events & WL_POSTMASTER_DEATH))
		proc_exit(1);
}

/* The members may have changed, or have agreed on their logs. */
static void
check_sender_again(Stream *stream)
{
	if (stream->config_version != raft_published_version(&stream->group->config))
		check_sender(stream);
}

static void
handle_interrupts(Stream *stream)
{
	CHECK_FOR_INTERRUPTS();

	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	/* Catalog invalidations must not pile up behind an idle stream. */
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();

	check_sender_again(stream);
	if (raft_inbox_closed(stream->inbox) || raft_inbox_lost(stream->inbox))
		note_promises(stream);
	if (raft_inbox_closed(stream->inbox))
		ereport(ERROR,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("the Raft group of this database has stopped")));
	if (raft_inbox_lost(stream->inbox))
		ereport(ERROR,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("stream of Raft node \"%s\" was replaced by a newer one",
						stream->call.sender.name)));
}

/* Returns when the peer has ended the stream in good order. */
static void
stream_loop(Stream *stream)
{
	for (;;)
	{
		Delivery	delivery;
		long		timeout_ms;

		ResetLatch(MyLatch);
		handle_interrupts(stream);
		timeout_ms = note_when_due(stream);

		delivery = deliver(stream);
		if (delivery == DELIVERY_STUCK)
		{
			raft_inbox_want_room(stream->inbox);
			stream->news = true;	/* a full inbox, perhaps with a skip to pass */
			delivery = deliver(stream);
		}
		if (stream->news)
			raft_group_wake_node(stream->group);
		stream->news = false;

		if (delivery == DELIVERY_DONE)
			return;
		if (delivery == DELIVERY_STUCK)
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout_ms < 0 ? 0 : WL_TIMEOUT),
							 timeout_ms, stream_wait_event());
		else if (!receive(stream))
			wait_for_bytes(timeout_ms);
	}
}

/* A process that ends has told its client why: after this, its socket gets closed. */
static void
release_inbox(int code, Datum arg)
{
	if (proc_exit_inprogress)
		whereToSendOutput = DestNone;
	raft_inbox_release((RaftInboxWriter *) DatumGetPointer(arg));
}

/*
 * What the sender says of itself is what a member is known by (peer_log.c).
 * pg_stat_activity shows the text of a call to others than superusers, and the
 * server's log would have it behind every message.
 */
static void
hide_call(const StreamCall *call)
{
	static char title[RAFT_MAX_NODE_NAME + 32];

	snprintf(title, sizeof(title), "Raft stream of %s", call->sender.name);
	debug_query_string = title;
	pgstat_report_activity(STATE_RUNNING, title);
}

/* Without a transaction, and without anything that one would hold. */
static void
leave_transaction(Stream *stream)
{
	char		title[RAFT_MAX_NODE_NAME + 32];

	ForgetPortalSnapshots();
	CommitTransactionCommand();
	MemoryContextSwitchTo(PortalContext);

	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	snprintf(title, sizeof(title), "Raft stream of %s", stream->call.sender.name);
	set_ps_display(title);
}

static void
return_to_transaction(void)
{
	pgstat_report_activity(STATE_RUNNING, NULL);	/* the text stays hidden */
	StartTransactionCommand();
}

static void
send_copy_both_response(void)
{
	StringInfoData message;

	pq_beginmessage(&message, 'W');
	pq_sendbyte(&message, 0);
	pq_sendint16(&message, 0);
	pq_endmessage(&message);
	pq_flush();
}

/* CopyDone answers CopyDone; the session goes on if nothing was sent behind it. */
static void
finish_stream(Stream *stream)
{
	if (stream->end > stream->start)
	{
		if (stream->buffer[stream->start] == 'X')
			end_session(stream);
		protocol_violation(stream, "More was sent behind the end of the stream.");
	}
	pq_putemptymessage('c');
}

static void
run_stream(Stream *stream)
{
	bool		exit_on_error = ExitOnAnyError;

	stream->size = RECEIVE_BYTES;
	stream->buffer = palloc(stream->size);
	stream->entries = palloc(sizeof(RaftEntry) * RAFT_MAX_MESSAGE_ENTRIES);
	stream->news = true;		/* the stream itself: see raft_inboxes_arrivals() */

	leave_transaction(stream);
	ExitOnAnyError = true;
	send_copy_both_response();
	stream_loop(stream);
	note_promises(stream);
	finish_stream(stream);
	ExitOnAnyError = exit_on_error;
	return_to_transaction();
}

/* For a caller that has not set it: until the transaction is left. */
static void
bound_lock_waits(void)
{
	char		timeout[16];

	snprintf(timeout, sizeof(timeout), "%d", raft_connect_timeout_ms);
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * raft.stream(protocol integer, group_id uuid, sender integer, sender_name text,
 *			   sender_log bigint, sender_boot bigint, incarnation bigint,
 *			   former_starts bigint[], last_index bigint, sender_term bigint,
 *			   environment text, recipient text)
 */
static void
serve(FunctionCallInfo fcinfo, Stream *stream)
{
	StreamCall *call = &stream->call;

	check_context(fcinfo);
	bound_lock_waits();
	read_call(fcinfo, call);
	hide_call(call);

	if (call->protocol != RAFT_PROTOCOL_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("unsupported Raft protocol version %d", call->protocol),
				 errdetail("This server speaks version %d.", RAFT_PROTOCOL_VERSION)));

	stream->group = running_group();
	check_identities(stream->group, call);
	check_sender(stream);
	raft_environment_check(call->sender.name, call->environment);
	raft_check_peer_log(&call->sender, &stream->naming);
	stream->self = stream->group->node_id;

	stream->inbox = raft_inbox_claim(stream->group->inboxes, call->sender.id,
									 (uint64) call->sender.log_id);
	PG_ENSURE_ERROR_CLEANUP(release_inbox, PointerGetDatum(stream->inbox));
	{
		/*
		 * While the claim waited, the group may have been replaced by another,
		 * and the former stream has noted what it was promised.
		 */
		check_identities(running_group(), call);
		check_sender_again(stream);
		raft_accept_peer_log(&call->sender, &stream->naming);
		raft_refusals_end(call->sender.id);
		run_stream(stream);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_inbox, PointerGetDatum(stream->inbox));
	raft_inbox_release(stream->inbox);
}

/*
 * The client gets every refusal; the server's log gets it when it begins, and
 * reminders, as the node at the other end will try for ever.
 */
pg_noreturn static void
refuse(const Stream *stream)
{
	ErrorData  *error = CopyErrorData();
	const char *sender = stream->call.sender.name;
	const char *reason = error->message;

	FlushErrorState();
	if (error->detail != NULL)
		reason = psprintf("%s (%s)", error->message, error->detail);
	if (!raft_refusals_note(stream->is_member ? stream->call.sender.id : 0, reason))
		error->output_to_server = false;
	error->hide_stmt = true;
	error->context = psprintf("stream of Raft node \"%s\" into database \"%s\"",
							  sender ? sender : "?", MyProcPort ? MyProcPort->database_name : "?");
	ReThrowError(error);
}

Datum
raft_stream(PG_FUNCTION_ARGS)
{
	MemoryContext old = CurrentMemoryContext;
	Stream	   *stream;

	raft_require_preload();

	/* The portal's memory outlives the transaction. */
	MemoryContextSwitchTo(PortalContext);
	stream = palloc0(sizeof(Stream));
	PG_TRY();
	{
		serve(fcinfo, stream);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(PortalContext);
		refuse(stream);
	}
	PG_END_TRY();

	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
