/*-------------------------------------------------------------------------
 *
 * core.c
 *	  A core among members that are not to be trusted: whatever a well-formed
 *	  message says, the core keeps to its rules.
 *
 * The input is a programme: how the core starts, then what happens to it.
 * Messages are made of small numbers near the core's own state, or of raw bytes;
 * either way they pass the decoder first.  What this host does itself follows the
 * rules of raft.h.
 *
 * One answer is designed for messages that break Raft itself: the node stops
 * (raft_host_panic) when the leader of its term contradicts what is committed, or
 * what that leader has said before.  Any other assertion is a finding.
 *
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>
#include <string.h>

#include "fuzz.h"

#define SELF			1
#define GROUP			((const uint8_t *) "a group of fuzz.")
#define MAX_LOG			512		/* entries that this host keeps */
#define MAX_STEPS		200
#define MAX_FRAME		4096
#define N_ROUNDS		8		/* rounds of late requests, for replies that fit */
#define ELECTION_TIMEOUT	1000

typedef struct Host
{
	RaftCore   *core;
	RaftTime	now;
	RaftIndex	first;			/* of the log */
	RaftIndex	last;
	RaftTerm	terms[MAX_LOG];	/* of entry i, at i % MAX_LOG */
	uint32_t	sizes[MAX_LOG];	/* of its record */
	RaftStatus	status;
	RaftOp		written;
	uint64_t	rounds[N_ROUNDS];
	uint32_t	n_rounds;
	bool		full;			/* the run ends: no room for more, or the disk failed */
	uint8_t    *frame;			/* being received, in an allocation of its size */
} Host;

static jmp_buf stopped;

/* The answers to a leader that breaks Raft; see append.c. */
static const char *const designed[] = {
	"first > core->commit",
	"first > core->verified",
	"message->entries[n - 1].term == core->trail.base_term"
};

void
raft_host_panic(void *host, const char *file, int line, const char *what)
{
	(void) host;
	for (size_t i = 0; i < sizeof(designed) / sizeof(designed[0]); i++)
		if (strcmp(what, designed[i]) == 0)
			longjmp(stopped, 1);
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}

/* ------------------------------------------------------------- the host */

static RaftIndex
batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	const Host *host = arg;
	RaftIndex	end = first;

	fuzz_check(first >= host->first && first <= last && last <= host->last);
	*bytes = host->sizes[first % MAX_LOG];
	while (end < last && *bytes + host->sizes[(end + 1) % MAX_LOG] <= max_bytes)
		*bytes += host->sizes[++end % MAX_LOG];
	return end;
}

static void
append_entry(Host *host, RaftTerm term, uint32_t size)
{
	host->last++;
	host->terms[host->last % MAX_LOG] = term;
	host->sizes[host->last % MAX_LOG] = RAFT_RECORD_HEADER + size;
	host->full = host->full || host->last - host->first + 1 >= MAX_LOG - MAX_ENTRIES;
}

static void
execute_write(Host *host, const RaftEvent *event, const RaftWrite *write)
{
	fuzz_check(write->op == ++host->written);
	fuzz_check(write->term >= host->status.term);
	if (write->truncate_from != 0)
	{
		fuzz_check(write->truncate_from > host->status.commit && write->truncate_from <= host->last);
		host->last = write->truncate_from - 1;
	}
	fuzz_check(write->n_entries == 0 || write->first == host->last + 1);
	for (uint32_t i = 0; i < write->n_entries; i++)
	{
		if (write->source == RAFT_WRITE_NOOP)
			append_entry(host, write->term, 0);
		else if (event->type == RAFT_EVENT_PROPOSE)
		{
			fuzz_check(write->skip + i < event->u.propose.n_entries);
			append_entry(host, write->term, event->u.propose.entries[write->skip + i].size);
		}
		else
		{
			fuzz_check(event->type == RAFT_EVENT_RECEIVE);
			fuzz_check(write->skip + i < event->u.receive.message->n_entries);
			append_entry(host, event->u.receive.message->entries[write->skip + i].term,
						 event->u.receive.message->entries[write->skip + i].size);
		}
	}
}

/* What a core sends, a decoder accepts: the header at least, the entries are the host's. */
static void
execute_send(Host *host, const RaftMessage *message, RaftOp after)
{
	uint8_t		frame[RAFT_FRAME_HEADER];
	uint8_t		group[RAFT_GROUP_ID_BYTES];
	RaftMessage alone = *message;
	RaftMessage decoded;

	fuzz_check(after <= host->status.synced);
	fuzz_check(message->from == SELF && message->to != SELF && message->to != 0);
	/* a refusal that had to wait for the disk may speak of a tail that is gone */
	fuzz_check(message->log_index <= host->last || !message->granted);
	if (message->type == RAFT_MSG_APPEND || message->type == RAFT_MSG_VOTE)
		fuzz_check(message->log_index <= host->last && message->n_entries <= host->last - message->log_index);
	alone.n_entries = 0;
	raft_frame_header(frame, GROUP, &alone, 0);
	/* unless a member has driven the term to the end of what there is */
	fuzz_check(raft_frame_decode(frame, sizeof(frame), group, &decoded, NULL, 0) == RAFT_DECODE_OK ||
			   message->term > UINT64_MAX / 2);
	host->rounds[host->n_rounds++ % N_ROUNDS] = message->round;
}

static void
execute(Host *host, const RaftEvent *event, const RaftAction *action)
{
	switch (action->type)
	{
		case RAFT_ACTION_WRITE:
			execute_write(host, event, &action->u.write);
			break;
		case RAFT_ACTION_SEND:
			execute_send(host, &action->u.send.message, action->u.send.after);
			break;
		case RAFT_ACTION_COMMIT:
			fuzz_check(action->u.commit.commit <= host->last);
			fuzz_check(action->u.commit.ready <= action->u.commit.commit);
			break;
		case RAFT_ACTION_PLACED:
			fuzz_check(action->u.placed.first + action->u.placed.n_entries - 1 == host->last);
			break;
		case RAFT_ACTION_REFUSED:
			fuzz_check(event->type == RAFT_EVENT_PROPOSE);
			break;
		case RAFT_ACTION_ROLE:
			fuzz_check(raft_role_name(action->u.role.to)[0] != '?');
			break;
		case RAFT_ACTION_PEER_LOST:
			fuzz_check(action->u.lost.agrees < action->u.lost.confirmed);
			break;
		case RAFT_ACTION_CONFIG:
			fuzz_check(action->u.config.index == host->status.config->index);
			break;
	}
}

static void
check_after(const Host *host, const RaftStatus *before)
{
	const RaftStatus *status = &host->status;

	fuzz_check(status->term >= before->term && status->commit >= before->commit);
	fuzz_check(status->term > before->term || before->vote == 0 || status->vote == before->vote);
	fuzz_check(status->first == host->first && status->last == host->last);
	fuzz_check(host->last < host->first ||
			   raft_core_term_at(host->core, host->last) == host->terms[host->last % MAX_LOG]);
	for (uint32_t i = 0; i < status->n_peers; i++)
		fuzz_check(status->peers[i].match < status->peers[i].next &&
				   status->peers[i].next <= status->last + 1);
}

static void
step(Host *host, RaftEvent *event)
{
	RaftStatus	before = host->status;
	const RaftActions *actions;

	event->now = host->now;
	actions = raft_step(host->core, event);
	/* actions speak of the state before and after: "synced" is that after */
	raft_core_status(host->core, &host->status);
	host->status.term = before.term;
	host->status.commit = before.commit;
	for (uint32_t i = 0; i < actions->n; i++)
		execute(host, event, &actions->item[i]);
	raft_core_status(host->core, &host->status);
	check_after(host, &before);
}

/* ---------------------------------------------------------- the start */

static RaftConfig
take_config(Reader *reader, RaftIndex index)
{
	static const uint8_t flags[] = {
		RAFT_MEMBER_VOTER, RAFT_MEMBER_LEARNER, RAFT_MEMBER_OUTGOING,
		RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING, RAFT_MEMBER_LEARNER | RAFT_MEMBER_OUTGOING
	};
	RaftConfig	config = {.index = index, .n_members = 1 + take_below(reader, 5)};
	uint8_t		kinds = take_u8(reader);

	config.identified = kinds % 4 != 3;

	for (uint32_t i = 0; i < config.n_members; i++)
	{
		uint8_t		flag = kinds % 2 == 0 ? RAFT_MEMBER_VOTER : flags[take_below(reader, 5)];

		/* somebody has to vote */
		config.members[i] = (RaftMember) {.id = i + 1, .flags = i == 0 ? RAFT_MEMBER_VOTER : flag};
	}
	return config;
}

static void
start(Host *host, Reader *reader)
{
	RaftRun		runs[RAFT_MAX_RUNS];
	RaftBoot	boot = {.first = take_below(reader, 4) == 0 ? 1 : 1 + take_u8(reader), .runs = runs};
	RaftTerm	term = boot.first == 1 ? 0 : 1 + take_below(reader, 3);
	RaftConfig	config = take_config(reader, boot.first - 1);
	RaftEvent	event = {.type = RAFT_EVENT_BOOT};
	RaftInit	init = {
		.self = SELF, .boot = 1 + take_below(reader, 3), .seed = take_u8(reader),
		.batch_end = batch_end, .batch_end_arg = host,
		.settings = {
			.heartbeat_interval = ELECTION_TIMEOUT / 10, .election_timeout = ELECTION_TIMEOUT,
			.commit_notice = 50, .max_batch_bytes = 60 * (1 + take_below(reader, 8)),
			.max_inflight = 1 + take_below(reader, RAFT_MAX_INFLIGHT), .max_inflight_bytes = 500
		}
	};

	boot.base_term = term;
	host->first = boot.first;
	host->last = boot.first - 1;
	host->now = ELECTION_TIMEOUT;
	for (uint32_t n = take_below(reader, RAFT_MAX_RUNS + 1); boot.n_runs < n; boot.n_runs++)
	{
		term += 1 + take_below(reader, 3);
		runs[boot.n_runs] = (RaftRun) {.first = host->last + 1, .term = term};
		for (uint32_t i = take_below(reader, 4); i < 4; i++)
			append_entry(host, term, 0);
	}
	/* a first run may go on with the term of what was compacted */
	boot.last = host->last;
	boot.applied = boot.first - 1 + take_u8(reader) % (boot.last + 2 - boot.first);
	boot.commit = boot.applied + take_u8(reader) % (boot.last + 1 - boot.applied);
	boot.term = term + take_below(reader, 3);
	boot.vote = take_below(reader, 4);
	boot.configs = &config;
	boot.n_configs = 1;
	if (boot.term == 0)
		boot.term = 1;

	host->core = raft_core_init(host->core, &init);
	event.u.boot = &boot;
	step(host, &event);
}

/* --------------------------------------------------------- its messages */

/* A number near another one, or any number. */
static uint64_t
take_near(Reader *reader, uint64_t center)
{
	uint8_t		choice = take_u8(reader);

	if (choice >= 0xF0)
		return take_u64(reader);
	if (choice >= 0xE0)
		return choice & 15;
	return center + choice % 16 - (center >= 8 ? 8 : center);
}

static uint32_t
put_entries(Host *host, Reader *reader, uint8_t *frame, const RaftMessage *message)
{
	uint32_t	at = RAFT_FRAME_HEADER;
	RaftTerm	term = message->log_term;

	for (uint32_t i = 0; i < message->n_entries; i++)
	{
		uint8_t		data[RAFT_MAX_CONFIG_BYTES];
		RaftMemberInfo members[RAFT_MAX_MEMBERS];
		uint8_t		choice = take_u8(reader);
		RaftIndex	index = message->log_index + 1 + i;
		RaftEntry	entry = {.kind = (uint8_t) (1 + choice % RAFT_ENTRY_KIND_MAX), .data = data};

		/* often what this core has there already */
		term = (choice & 0x40) != 0 && raft_core_term_at(host->core, index) != 0 ?
			raft_core_term_at(host->core, index) : term + choice / 4 % 3;
		entry.term = term;
		entry.size = take_below(reader, 24);
		memset(data, choice, entry.size);
		if (entry.kind == RAFT_ENTRY_CONFIG && choice < 0x80)
		{
			uint32_t	n = 1 + take_below(reader, 5);

			for (uint32_t m = 0; m < n; m++)
				members[m] = (RaftMemberInfo) {
					.id = m + 1 + choice / 16, .log_id = choice % 8, .flags = (uint8_t) (1 + take_below(reader, 7)),
					.name = "n", .name_size = 1, .conninfo = ""
				};
			entry.size = (uint32_t) raft_config_encode(data, sizeof(data), members, n);
		}
		raft_record_header(frame + at, index, &entry);
		memcpy(frame + at + RAFT_RECORD_HEADER, data, entry.size);
		at += RAFT_RECORD_HEADER + entry.size;
	}
	return at;
}

/* A message made of numbers that may matter to this core, as a frame. */
static uint32_t
make_frame(Host *host, Reader *reader, uint8_t *frame)
{
	uint8_t		choice = take_u8(reader);
	RaftMessage message = {
		.type = (RaftMessageType) (1 + choice % RAFT_MSG_TYPE_MAX),
		.from = 2 + take_below(reader, 6), .to = SELF, .boot = 1, .granted = (choice & 0x80) != 0
	};
	uint32_t	size;

	message.term = take_near(reader, host->status.term);
	message.round = host->rounds[take_below(reader, N_ROUNDS)];
	message.log_index = take_near(reader, host->status.last);
	message.log_term = (choice & 0x40) != 0 ? raft_core_term_at(host->core, message.log_index) :
		take_near(reader, host->status.term);
	if (message.type == RAFT_MSG_APPEND_REPLY && message.granted)
		message.log_term = 0;
	message.commit = take_near(reader, host->status.last);
	message.floor = take_near(reader, host->status.commit);
	message.rejected = take_near(reader, host->status.last);
	if (message.type == RAFT_MSG_APPEND)
		message.n_entries = take_below(reader, 8);
	size = put_entries(host, reader, frame, &message);
	raft_frame_header(frame, GROUP, &message, size - RAFT_FRAME_HEADER);
	return size;
}

static uint32_t
raw_frame(Reader *reader, uint8_t *frame)
{
	uint8_t		flags = take_u8(reader);
	uint32_t	size = RAFT_FRAME_HEADER + take_u8(reader);

	for (uint32_t i = 0; i < size; i++)
		frame[i] = take_u8(reader);
	fuzz_fix_frame(frame, size, flags);
	return size;
}

static void
receive(Host *host, Reader *reader, bool raw)
{
	uint8_t		frame[MAX_FRAME];
	RaftEntry	scratch[MAX_ENTRIES];
	RaftMessage message;
	RaftEvent	event = {.type = RAFT_EVENT_RECEIVE};
	uint32_t	size = raw ? raw_frame(reader, frame) : make_frame(host, reader, frame);

	host->frame = malloc(size);
	fuzz_check(host->frame != NULL);
	memcpy(host->frame, frame, size);
	event.u.receive.message = &message;
	event.u.receive.room = take_below(reader, 4) != 3 ? RAFT_ROOM_ENOUGH : 2 * (uint64_t) take_u8(reader);
	if (fuzz_frame(host->frame, size, &message, scratch))
		step(host, &event);
	free(host->frame);
	host->frame = NULL;
}

/* --------------------------------------------------- what a host may do */

static void
propose(Host *host, Reader *reader)
{
	RaftEntry	entries[4] = {0};
	RaftEvent	event = {.type = RAFT_EVENT_PROPOSE};

	event.u.propose.n_entries = 1 + take_below(reader, 4);
	event.u.propose.entries = entries;
	for (uint32_t i = 0; i < 4; i++)
	{
		entries[i].kind = RAFT_ENTRY_COMMAND;
		entries[i].size = take_u8(reader);
	}
	step(host, &event);
}

static void
write_durable(Host *host, Reader *reader)
{
	RaftEvent	event = {.type = RAFT_EVENT_WRITE_DURABLE};
	RaftOp		waiting = host->status.written - host->status.synced;

	event.u.op = host->status.synced + (waiting == 0 ? 0 : 1 + take_u8(reader) % waiting);
	step(host, &event);
}

static void
applied(Host *host, Reader *reader)
{
	RaftEvent	event = {.type = RAFT_EVENT_APPLIED};
	const RaftStatus *status = &host->status;
	RaftIndex	bound = status->commit < status->durable ? status->commit : status->durable;

	if (bound < status->applied)
		return;
	event.u.applied.visible = bound;
	event.u.applied.durable = status->applied + take_u8(reader) % (bound - status->applied + 1);
	step(host, &event);
}

static void
compacted(Host *host, Reader *reader)
{
	RaftEvent	event = {.type = RAFT_EVENT_COMPACTED};
	const RaftStatus *status = &host->status;
	RaftIndex	bound = status->applied < status->floor ? status->applied : status->floor;

	if (bound < host->first)
		return;
	event.u.compacted = host->first + take_u8(reader) % (bound - host->first + 1);
	host->first = event.u.compacted + 1;
	step(host, &event);
}

static void
change_settings(Host *host, Reader *reader)
{
	RaftSettings settings = {
		.heartbeat_interval = 1 + take_u8(reader), .election_timeout = 300 + take_u8(reader),
		.commit_notice = take_u8(reader), .max_batch_bytes = 1 + take_u8(reader),
		.max_inflight = 1 + take_below(reader, RAFT_MAX_INFLIGHT), .max_inflight_bytes = 1 + take_u8(reader)
	};
	RaftEvent	event = {.type = RAFT_EVENT_SETTINGS};

	event.u.settings = &settings;
	step(host, &event);
}

static void
happen(Host *host, Reader *reader)
{
	uint8_t		choice = take_u8(reader);
	RaftEvent	event = {.type = RAFT_EVENT_TICK};

	host->now += take_below(reader, 8) * (choice >= 0x80 ? 500 : 20);
	switch (choice % 16)
	{
		case 0:
		case 1:
			step(host, &event);
			break;
		case 2:
			propose(host, reader);
			break;
		case 3:
		case 4:
		case 5:
			write_durable(host, reader);
			break;
		case 6:
			applied(host, reader);
			break;
		case 7:
			compacted(host, reader);
			break;
		case 8:
			event.type = RAFT_EVENT_PEER_UNREACHABLE;
			event.u.peer = take_below(reader, 8);
			step(host, &event);
			break;
		case 9:
			change_settings(host, reader);
			break;
		case 10:
			receive(host, reader, true);
			break;
		case 11:
			if (choice == 0xFB)
			{
				event.type = RAFT_EVENT_WRITE_FAILED;
				step(host, &event);
				propose(host, reader);	/* refused; nothing else happens any more */
				host->full = true;
				break;
			}
			/* fall through */
		default:
			receive(host, reader, false);
			break;
	}
}

void
fuzz_core(Reader *reader)
{
	static Host host;
	static void *memory;

	if (memory == NULL)
		memory = malloc(raft_core_size());
	fuzz_check(memory != NULL);
	memset(&host, 0, sizeof(host));
	host.core = memory;
	if (setjmp(stopped) != 0)
	{
		free(host.frame);
		return;
	}
	start(&host, reader);
	for (int i = 0; i < MAX_STEPS && reader->left > 0 && !host.full; i++)
		happen(&host, reader);
}
