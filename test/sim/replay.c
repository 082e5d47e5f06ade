/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  Replays what a server recorded: the same core, given the same events,
 *	  must give the same actions, and these must obey the invariants.
 *
 * A recording holds what the core was started with, each event, the host's
 * answers about batches, and a digest of each step's actions (wire/eventlog.h).
 * Recordings of several nodes, or of several starts of one, are replayed one
 * after the other, group by group, and compared: they must agree about leaders,
 * entries and commits, and a start must keep what the one before it had promised.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"

#define ULL(x) ((unsigned long long) (x))

/* The record at hand, and which of its answers comes next. */
static RaftEventRecord record;
static uint32_t next_answer;

typedef struct ReplayFile
{
	const char *path;
	const uint8_t *bytes;
	size_t		size;
	RaftEventLogHeader header;
	RaftDecodeResult result;	/* of the header */
	const char *error;			/* it cannot be read */
} ReplayFile;

/* -------------------------------------------------------------- one step */

/*
 * RaftBatchEnd: what the host answered then.  Where the entries are known from
 * the events, the host's log must have measured them right.
 */
static RaftIndex
recorded_batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	Replay	   *replay = arg;
	const RaftBatchAnswer *answer = &record.answers[next_answer];
	RaftIndex	expected;

	if (next_answer == record.n_answers)
	{
		replay->ended = !record.complete;
		lab_fail(replay->lab, 20, "the core asks for a batch from %llu, the server's did not",
				 ULL(first));
	}
	next_answer++;
	if (answer->first != first || answer->last != last)
		lab_fail(replay->lab, 20, "the core asks for a batch from %llu to %llu, the server's asked "
				 "from %llu to %llu", ULL(first), ULL(last), ULL(answer->first), ULL(answer->last));
	expected = replay_batch_end(replay, first, last, max_bytes);
	lab_check(replay->lab, answer->end >= first && answer->end <= last &&
			  (expected == 0 || answer->end == expected),
			  "the server's log ends a batch from %llu, of at most %u bytes, at %llu instead of %llu",
			  ULL(first), max_bytes, ULL(answer->end), ULL(expected));
	*bytes = answer->bytes;
	return answer->end;
}

/* One line of the timeline for an event. */
static void
trace_event(Replay *replay, const RaftEvent *event)
{
	Lab		   *lab = replay->lab;
	RaftNodeId	id = replay->node.id;

	switch (event->type)
	{
		case RAFT_EVENT_BOOT:
			trace_line(lab, "n%u  starts: boot %llu, term %llu, vote %u, log %llu..%llu, commit %llu, "
					   "applied %llu", id, ULL(replay->header.boot), ULL(event->u.boot->term),
					   event->u.boot->vote, ULL(event->u.boot->first), ULL(event->u.boot->last),
					   ULL(event->u.boot->commit), ULL(event->u.boot->applied));
			break;
		case RAFT_EVENT_RECEIVE:
			trace_message(lab, "recv", event->u.receive.message);
			break;
		case RAFT_EVENT_PROPOSE:
			trace_line(lab, "n%u  is offered %u entries", id, event->u.propose.n_entries);
			break;
		case RAFT_EVENT_WRITE_DURABLE:
			trace_line(lab, "n%u  durable up to op %llu", id, ULL(event->u.op));
			break;
		case RAFT_EVENT_APPLIED:
			trace_line(lab, "n%u  applied up to %llu, durably up to %llu", id,
					   ULL(event->u.applied.visible), ULL(event->u.applied.durable));
			break;
		case RAFT_EVENT_COMPACTED:
			trace_line(lab, "n%u  compacts up to %llu", id, ULL(event->u.compacted));
			break;
		case RAFT_EVENT_PEER_UNREACHABLE:
			trace_line(lab, "n%u  learns that n%u is unreachable", id, event->u.peer);
			break;
		case RAFT_EVENT_TICK:
		case RAFT_EVENT_WRITE_FAILED:
		case RAFT_EVENT_SETTINGS:
			trace_line(lab, "n%u  %s", id, raft_event_name(event->type));
			break;
	}
}

/* Those that the core gives and the checks do not look at. */
static void
trace_rest(Replay *replay, const RaftActions *actions)
{
	RaftNodeId	id = replay->node.id;

	for (uint32_t i = 0; i < actions->n; i++)
	{
		const RaftAction *action = &actions->item[i];

		if (action->type == RAFT_ACTION_PLACED)
			trace_line(replay->lab, "n%u  places %u entries at %llu in term %llu", id,
					   action->u.placed.n_entries, ULL(action->u.placed.first),
					   ULL(action->u.placed.term));
		else if (action->type == RAFT_ACTION_REFUSED)
			trace_line(replay->lab, "n%u  refuses them, leader %u", id, action->u.refused.leader);
		else if (action->type == RAFT_ACTION_PEER_LOST)
			trace_line(replay->lab, "n%u  counts n%u no more: it confirmed %llu and agrees up to %llu",
					   id, action->u.lost.peer, ULL(action->u.lost.confirmed),
					   ULL(action->u.lost.agrees));
		else if (action->type == RAFT_ACTION_CONFIG)
			trace_line(replay->lab, "n%u  configuration of index %llu is active", id,
					   ULL(action->u.config.index));
	}
}

/* Steps the core with the record at hand; the digest goes on from *digest. */
static void
step(Replay *replay, uint64_t *digest)
{
	const RaftEvent *event = &record.event;
	const RaftActions *actions;
	Node	   *node = &replay->node;
	Lab		   *lab = replay->lab;

	replay->steps++;
	lab_check(lab, (event->type == RAFT_EVENT_BOOT) == (replay->steps == 1),
			  "step %llu is a %s", ULL(replay->steps), raft_event_name(event->type));
	if (event->type == RAFT_EVENT_RECEIVE)
		lab_check(lab, record.message.to == node->id &&
				  memcmp(record.group, replay->header.group, sizeof(record.group)) == 0,
				  "the core was given another node's message");
	if (lab->tracing)
		trace_event(replay, event);
	node->before = node->status;
	replay_check_event(replay, event);

	next_answer = 0;
	actions = raft_step(node->core, event);
	raft_core_status(node->core, &node->status);
	if (!record.complete)
	{
		replay->ended = true;
		lab_fail(lab, 0, "the server did not finish this step");
	}
	*digest = raft_eventlog_digest(*digest, event, actions);
	if (*digest != record.digest || next_answer != record.n_answers)
		lab_fail(lab, 20, "step %llu (%s): the core's actions are not those of the server's",
				 ULL(replay->steps), raft_event_name(event->type));
	if (lab->tracing)
		trace_rest(replay, actions);
	replay_check_step(replay, event, actions);
}

/* --------------------------------------------------------- one recording */

static void
begin(Replay *replay, Lab *lab, const RaftEventLogHeader *header)
{
	RaftInit	init = {
		.self = header->self, .boot = header->boot, .seed = header->seed,
		.settings = header->settings, .batch_end = recorded_batch_end, .batch_end_arg = replay
	};

	replay->header = *header;
	replay->node.id = header->self;
	replay->max_inflight = header->settings.max_inflight;
	replay->node.memory = malloc(raft_core_size());
	if (replay->node.memory == NULL)
		abort();
	current_lab = lab;
	replay->node.core = raft_core_init(replay->node.memory, &init);
}

static void
steps(Replay *replay, const Replay *past, const uint8_t *bytes, size_t size)
{
	Lab		   *lab = replay->lab;
	RaftTime	started = 0;
	uint64_t	digest = 0;
	size_t		at = RAFT_EVENTLOG_HEADER;

	while (at < size)
	{
		uint32_t	length;
		RaftDecodeResult result = raft_eventlog_decode(bytes + at, size - at, &record, &length);

		if (result == RAFT_DECODE_SHORT)
		{
			replay->ended = true;	/* killed while it wrote */
			break;
		}
		lab_check(lab, result == RAFT_DECODE_OK, "the record at byte %zu is damaged: %s", at,
				  raft_decode_message(result));
		at += length;
		if (record.event.type == RAFT_EVENT_BOOT)
			started = record.event.now;
		lab_check(lab, record.event.now >= started + lab->now, "time goes back");
		lab->now = record.event.now - started;
		step(replay, &digest);
		if (record.event.type == RAFT_EVENT_BOOT && past != NULL)
			replay_check_past(replay, past, record.event.u.boot);
	}
	lab_check(lab, replay->steps > 0 || replay->ended, "nothing was recorded");
}

bool
replay_run(Replay *replay, const Replay *past, Lab *lab, const uint8_t *bytes, size_t size)
{
	bool volatile passed = false;
	RaftEventLogHeader header;

	memset(replay, 0, sizeof(*replay));
	replay->lab = lab;
	lab->now = 0;
	memset(&lab->failure, 0, sizeof(lab->failure));
	if (setjmp(lab->failed) == 0)
	{
		RaftDecodeResult result = raft_eventlog_header_decode(bytes, size, &header);

		lab_check(lab, result != RAFT_DECODE_VERSION, "recorded by another version of raft_pg");
		lab_check(lab, result == RAFT_DECODE_OK, "not a recording: %s", raft_decode_message(result));
		begin(replay, lab, &header);
		steps(replay, past, bytes, size);
		passed = true;
	}
	/* the server's step did not return either: what came before has passed */
	return passed || replay->ended;
}

void
replay_free(Replay *replay)
{
	free(replay->node.memory);
	free(replay->entries);
	free(replay->pending);
	memset(replay, 0, sizeof(*replay));
}

/* ------------------------------------------------------------------ files */

static void
open_file(ReplayFile *file, const char *path)
{
	struct stat status;
	int			fd = open(path, O_RDONLY);

	file->path = path;
	file->result = RAFT_DECODE_SHORT;
	if (fd < 0 || fstat(fd, &status) != 0)
		file->error = strerror(errno);
	else if (status.st_size > 0)
	{
		file->size = (size_t) status.st_size;
		file->bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file->bytes == MAP_FAILED)
			file->error = strerror(errno);
		else
			file->result = raft_eventlog_header_decode(file->bytes, file->size, &file->header);
	}
	if (fd >= 0)
		close(fd);
}

/* By group, node and boot. */
static int
compare_files(const void *a, const void *b)
{
	const ReplayFile *x = a,
			   *y = b;
	int			order = memcmp(x->header.group, y->header.group, RAFT_GROUP_ID_BYTES);

	if (order != 0)
		return order;
	if (x->header.self != y->header.self)
		return x->header.self < y->header.self ? -1 : 1;
	return (x->header.boot > y->header.boot) - (x->header.boot < y->header.boot);
}

static bool
same_group(const ReplayFile *a, const ReplayFile *b)
{
	return memcmp(a->header.group, b->header.group, RAFT_GROUP_ID_BYTES) == 0;
}

/* Replays a file; prints its line. */
static bool
replay_file(Replay *replay, const Replay *past, Lab *lab, const ReplayFile *file)
{
	const char *slash = strrchr(file->path, '/');
	const RaftStatus *status = &replay->node.status;
	bool		passed;

	printf("replay  %-34s ", slash ? slash + 1 : file->path);
	if (file->error != NULL)
	{
		memset(replay, 0, sizeof(*replay));
		printf("failed: %s\n", file->error);
		return false;
	}
	if (lab->tracing)
		putchar('\n');
	passed = replay_run(replay, past, lab, file->bytes, file->size);
	printf("node %u, boot %llu: %8llu events  %9.3f s  term %llu  log %llu..%llu  commit %llu  %s%s\n",
		   replay->header.self, ULL(replay->header.boot), ULL(replay->steps),
		   (double) lab->now / (double) T, ULL(status->term), ULL(status->first),
		   ULL(status->last), ULL(status->commit), passed ? "passed" : "failed",
		   passed && replay->ended ? ", ends within a step" : "");
	if (passed)
		return true;
	printf("  at %.3f ms: ", (double) lab->now / 1000.0);
	if (lab->failure.invariant != 0)
		printf("invariant %d (%s): ", lab->failure.invariant, invariant_name(lab->failure.invariant));
	printf("%s\n", lab->failure.what);
	return false;
}

int
replay_files(Lab *lab, const char **paths, int n_paths, bool trace)
{
	static Replay replays[2];	/* the one at hand and the one before it */
	ReplayFile *files = calloc((size_t) n_paths + 1, sizeof(ReplayFile));
	int			passed = 0;

	if (files == NULL)
		abort();
	lab->tracing = lab->trace_print = trace;
	for (int i = 0; i < n_paths; i++)
		open_file(&files[i], paths[i]);
	qsort(files, (size_t) n_paths, sizeof(ReplayFile), compare_files);

	for (int i = 0; i < n_paths; i++)
	{
		Replay	   *replay = &replays[i % 2];
		const Replay *past = &replays[1 - i % 2];
		const ReplayFile *file = &files[i];
		bool		again = i > 0 && same_group(file, file - 1);

		if (!again)
			replay_group_reset(lab, i + 1 < n_paths && same_group(file, file + 1));
		if (!again || past->node.core == NULL || past->header.self != file->header.self ||
			past->header.boot >= file->header.boot)
			past = NULL;
		replay_free(replay);
		passed += replay_file(replay, past, lab, file);
	}
	replay_free(&replays[0]);
	replay_free(&replays[1]);
	replay_group_reset(lab, false);
	run_memory_reset();
	free(files);
	printf("%d passed, %d failed\n", passed, n_paths - passed);
	return passed == n_paths && passed > 0 ? 0 : 1;
}
