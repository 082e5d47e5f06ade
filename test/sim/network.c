/*-------------------------------------------------------------------------
 *
 * network.c
 *	  Directed links between nodes.
 *
 * Every message is encoded by the real codec, travels as bytes and is decoded
 * by the receiver.  A reliable link keeps the order of its messages, as a TCP
 * connection does; an unreliable network loses, delays and reorders them.
 * Requests are PREVOTE, VOTE and APPEND; everything else is a reply.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "lab.h"

#define RELIABLE_DELAY		(1 * MS)
#define UNORDERED_DELAY		(5 * MS)
#define REQUEST_DELAY		(26 * MS)	/* of the ladder's unreliable network .. */
#define REPLY_DELAY			(1 * MS)
#define LOSS_PERCENT		10
#define FAILED_CALL			(99 * MS)
#define FAILED_CALL_LONG	(6999 * MS)

const uint8_t lab_group[RAFT_GROUP_ID_BYTES] = "the laboratory";

static RaftEntry scratch[RAFT_MAX_MESSAGE_ENTRIES];

void
network_init(Lab *lab)
{
	memset(&lab->network, 0, sizeof(lab->network));
	lab->network.long_delays = true;
	lab->network.loss_percent = LOSS_PERCENT;
	lab->network.request_delay = REQUEST_DELAY;
	lab->network.reply_delay = REPLY_DELAY;
	for (uint32_t i = 1; i <= lab->n; i++)
		for (uint32_t j = 1; j <= lab->n; j++)
			lab->network.enabled[i][j] = true;
}

static bool
is_request(RaftMessageType type)
{
	return type == RAFT_MSG_PREVOTE || type == RAFT_MSG_VOTE || type == RAFT_MSG_APPEND;
}

/* Finds the records of a range, anew only when they are not those that were sent last. */
static void
read_range(Node *node, RaftIndex first, RaftIndex last)
{
	uint8_t    *records;
	uint32_t	size = 0;

	if (node->range_first == first && node->range_last == last)
		return;
	for (RaftIndex i = first; i <= last; i++)
		size += simlog_at(&node->log, i)->length;
	records = run_alloc(size);
	node->range_first = first;
	node->range_last = last;
	node->range = records;
	node->range_size = size;
	for (RaftIndex i = first; i <= last; i++)
	{
		const LogEntry *entry = simlog_at(&node->log, i);

		memcpy(records, entry->record, entry->length);
		records += entry->length;
	}
}

static uint8_t *
encode_frame(Lab *lab, Node *from, const RaftMessage *message, uint32_t *size)
{
	uint32_t	records = 0;
	uint8_t    *frame;

	if (message->n_entries > 0)
	{
		read_range(from, message->log_index + 1, message->log_index + message->n_entries);
		records = from->range_size;
	}
	*size = RAFT_FRAME_HEADER + records;
	frame = run_alloc(*size);
	raft_frame_header(frame, lab_group, message, records);
	if (records > 0)
		memcpy(frame + RAFT_FRAME_HEADER, from->range, records);
	if (message->n_entries > 1 && records > lab->settings.core.max_batch_bytes)
		lab_fail(lab, 19, "node %u sends %u bytes of entries in one message", from->id, records);
	return frame;
}

/*
 * A connection that breaks is an event in the server too, but a late and
 * uncertain one: half of the failed calls report it.
 */
static void
report_unreachable(Lab *lab, RaftNodeId node, RaftNodeId peer)
{
	Network    *net = &lab->network;

	if (net->unreachable_posted[node][peer] || rng_percent(&lab->rng_network, 50))
		return;
	net->unreachable_posted[node][peer] = true;
	sched_post(&lab->sched, (SimEvent) {
		.at = lab->now + rng_below(&lab->rng_network,
								   (net->long_delays ? FAILED_CALL_LONG : FAILED_CALL) + 1),
		.type = SIM_UNREACHABLE,
		.node = node,
		.peer = peer,
		.boot = lab->nodes[node].boot
	});
}

void
network_unreachable(Lab *lab, const SimEvent *event)
{
	Node	   *node = &lab->nodes[event->node];
	RaftEvent	step = {.type = RAFT_EVENT_PEER_UNREACHABLE, .now = lab->now};

	lab->network.unreachable_posted[event->node][event->peer] = false;
	if (!node->up || node->boot != event->boot)
		return;
	lab_trace(lab, "n%u  learns that n%u is unreachable", node->id, event->peer);
	step.u.peer = event->peer;
	node_step(lab, node, &step);
}

static void
post_frame(Lab *lab, RaftNodeId from, const SentFrame *sent, RaftTime at)
{
	sched_post(&lab->sched, (SimEvent) {
		.at = at,
		.type = SIM_MESSAGE,
		.node = sent->to,
		.peer = from,
		.boot = lab->network.connection[from][sent->to],
		.value = sent->size,
		.start = sent->start,
		.standing = sent->standing,
		.frame = sent->frame
	});
}

/* When a message on an unreliable network arrives. */
static RaftTime
unreliable_arrival(Lab *lab, bool request)
{
	Rng		   *rng = &lab->rng_network;
	RaftTime	most = request ? lab->network.request_delay : lab->network.reply_delay;
	RaftTime	delay = rng_below(rng, most + 1);

	if (!request && lab->network.long_reordering && rng_below(rng, 3) != 0)
		delay = 200 * MS + rng_below(rng, 1 + rng_below(rng, 2000)) * MS;
	return lab->now + delay;
}

/* What our own faults add to the ladder's network. */
static void
extra_faults(Lab *lab, RaftNodeId from, const SentFrame *sent, RaftTime at)
{
	Network    *net = &lab->network;
	Rng		   *rng = &lab->rng_network;

	if (rng_percent(rng, net->duplicate_percent))
		post_frame(lab, from, sent, at + rng_below(rng, 30 * MS));
	if (rng_percent(rng, net->replay_percent))
		post_frame(lab, from, sent, at + rng_below(rng, 3 * T));
	if (rng_percent(rng, net->corrupt_percent))
	{
		uint8_t    *bytes = run_copy(sent->frame, sent->size);
		SentFrame	bad = *sent;

		net->damaged = true;
		bytes[rng_below(rng, sent->size)] ^= (uint8_t) (1 << rng_below(rng, 8));
		bad.frame = bytes;
		post_frame(lab, from, &bad, at + rng_below(rng, 30 * MS));
	}
}

/* What a node sent before comes again, from somewhere, long after. */
void
network_replay(Lab *lab, RaftNodeId from, uint32_t n)
{
	Network    *net = &lab->network;
	uint64_t	kept = net->n_sent[from] < NETWORK_KEPT ? net->n_sent[from] : NETWORK_KEPT;

	for (uint32_t i = 0; i < n && kept > 0; i++)
	{
		const SentFrame *sent = &net->sent[from][rng_below(&lab->rng_network, kept)];

		post_frame(lab, from, sent, lab->now + rng_below(&lab->rng_network, 3 * T));
	}
}

/* A connection breaks: what is on its way is lost, and its sender may be told. */
void
network_reset(Lab *lab, RaftNodeId from, RaftNodeId to)
{
	lab->network.connection[from][to]++;
	lab_trace(lab, "test: the connection n%u -> n%u breaks", from, to);
	if (lab->nodes[from].up)
		report_unreachable(lab, from, to);
}

void
network_send(Lab *lab, Node *from, const RaftMessage *message)
{
	Network    *net = &lab->network;
	RaftNodeId	to = message->to;
	bool		request = is_request(message->type);
	SentFrame	sent = {
		.to = to, .start = from->start, .standing = identity_standing(from)
	};
	RaftTime	at;

	lab_check(lab, to >= 1 && to <= lab->n && to != from->id && message->from == from->id,
			  "node %u sends a message from %u to %u", from->id, message->from, to);
	sent.frame = encode_frame(lab, from, message, &sent.size);
	net->sent[from->id][net->n_sent[from->id]++ % NETWORK_KEPT] = sent;
	if (!net->enabled[from->id][to])
	{
		if (lab->tracing)
			trace_message(lab, "no link", message);
		report_unreachable(lab, from->id, to);
		return;
	}
	net->bytes += sent.size;
	net->messages++;
	if (net->unreliable && rng_percent(&lab->rng_network, net->loss_percent))
	{
		if (lab->tracing)
			trace_message(lab, "lost", message);
		return;
	}
	if (net->unreliable)
		at = unreliable_arrival(lab, request);
	else if (net->unordered)
		at = lab->now + rng_below(&lab->rng_network, UNORDERED_DELAY + 1);
	else
	{
		at = lab->now + rng_below(&lab->rng_network, RELIABLE_DELAY + 1);
		if (at < net->last_arrival[from->id][to])
			at = net->last_arrival[from->id][to];
		net->last_arrival[from->id][to] = at;
	}
	at += net->distance;
	if (lab->tracing)
		trace_message(lab, "send", message);
	post_frame(lab, from->id, &sent, at);
	extra_faults(lab, from->id, &sent, at);
}

void
network_deliver(Lab *lab, const SimEvent *event)
{
	Network    *net = &lab->network;
	Node	   *node = &lab->nodes[event->node];
	RaftMessage message;
	RaftEvent	step = {.type = RAFT_EVENT_RECEIVE, .now = lab->now};
	uint8_t		group[RAFT_GROUP_ID_BYTES];
	uint32_t	size = (uint32_t) event->value;
	RaftDecodeResult result;

	if (!node->up || !net->enabled[event->peer][event->node] ||
		event->boot != net->connection[event->peer][event->node])
		return;
	result = raft_frame_decode(event->frame, size, group, &message, scratch,
							   RAFT_MAX_MESSAGE_ENTRIES);
	if (result != RAFT_DECODE_OK || memcmp(group, lab_group, sizeof(group)) != 0)
	{
		lab_check(lab, net->damaged, "node %u cannot decode a frame: %s", node->id,
				  raft_decode_message(result));
		lab_trace(lab, "n%u  refuses a damaged frame: %s", node->id, raft_decode_message(result));
		return;
	}
	if (!identity_admits(node, event->peer, event->start, &event->standing))
	{
		lab_trace(lab, "n%u  does not listen to n%u", node->id, event->peer);
		return;
	}
	if (is_request(message.type))
		net->requests[node->id]++;
	if (lab->tracing)
		trace_message(lab, "recv", &message);
	step.u.receive.message = &message;
	step.u.receive.room = node_room(node);
	node_step(lab, node, &step);
}
