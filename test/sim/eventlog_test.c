/*-------------------------------------------------------------------------
 *
 * eventlog_test.c
 *	  Recordings: the format, and replays of runs that the laboratory recorded.
 *
 * A replay must pass whatever happened in the run, fail when anything of the
 * recording was changed, and find an old bug that the recorded core had.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "mutant_runs.h"
#include "plan.h"
#include "replay.h"

#define MAX_ENTRIES		8

static RaftEventRecord decoded;
static Recordings recordings;
static Replay replay_of[2];		/* the one at hand and the one before it */
static Plan inner_plan;
static Lab	inner = {.plan = &inner_plan};	/* the run that is recorded, then its replay */

/* ------------------------------------------------------------ the format */

static RaftSettings
random_settings(Rng *rng)
{
	return (RaftSettings) {
		.heartbeat_interval = rng_next(rng), .election_timeout = rng_next(rng),
		.commit_notice = rng_next(rng), .max_batch_bytes = (uint32_t) rng_next(rng),
		.max_inflight = (uint32_t) rng_next(rng), .max_inflight_bytes = (uint32_t) rng_next(rng),
		.disk_timeout = rng_next(rng)
	};
}

static bool
same_settings(const RaftSettings *a, const RaftSettings *b)
{
	return a->heartbeat_interval == b->heartbeat_interval &&
		a->election_timeout == b->election_timeout && a->commit_notice == b->commit_notice &&
		a->max_batch_bytes == b->max_batch_bytes && a->max_inflight == b->max_inflight &&
		a->max_inflight_bytes == b->max_inflight_bytes && a->disk_timeout == b->disk_timeout;
}

static RaftEntry *
random_entries(Rng *rng, uint32_t n, RaftTerm term)
{
	RaftEntry  *entries = run_alloc(n * sizeof(RaftEntry));

	for (uint32_t i = 0; i < n; i++)
	{
		uint8_t    *data;

		entries[i] = (RaftEntry) {
			.term = term, .clock = rng_next(rng), .size = (uint32_t) rng_below(rng, 30),
			.kind = (uint8_t) rng_between(rng, 1, UINT8_MAX),
			.origin = {.node = (RaftNodeId) rng_next(rng), .slot = (uint32_t) rng_next(rng),
			.serial = rng_next(rng)}
		};
		data = run_alloc(entries[i].size);
		for (uint32_t k = 0; k < entries[i].size; k++)
			data[k] = (uint8_t) rng_next(rng);
		entries[i].data = data;
	}
	return entries;
}

static bool
same_entries(const RaftEntry *a, const RaftEntry *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (a[i].term != b[i].term || a[i].clock != b[i].clock || a[i].kind != b[i].kind ||
			a[i].origin.node != b[i].origin.node || a[i].origin.slot != b[i].origin.slot ||
			a[i].origin.serial != b[i].origin.serial || a[i].size != b[i].size ||
			(a[i].size > 0 && memcmp(a[i].data, b[i].data, a[i].size) != 0))
			return false;
	return true;
}

static RaftBoot *
random_boot(Rng *rng)
{
	RaftBoot   *boot = run_alloc(sizeof(RaftBoot));
	uint32_t	n_runs = (uint32_t) rng_below(rng, 5);
	uint32_t	n_configs = (uint32_t) rng_below(rng, RAFT_MAX_CONFIGS + 1);
	RaftRun    *runs = run_alloc((n_runs + 1) * sizeof(RaftRun));
	RaftConfig *configs = run_alloc((n_configs + 1) * sizeof(RaftConfig));

	for (uint32_t i = 0; i < n_runs; i++)
		runs[i] = (RaftRun) {.first = rng_next(rng), .term = rng_next(rng)};
	for (uint32_t i = 0; i < n_configs; i++)
	{
		configs[i].index = rng_next(rng);
		configs[i].identified = rng_percent(rng, 50);
		configs[i].n_members = (uint32_t) rng_below(rng, RAFT_MAX_MEMBERS + 1);
		for (uint32_t k = 0; k < configs[i].n_members; k++)
			configs[i].members[k] = (RaftMember) {
				.id = (RaftNodeId) rng_next(rng), .flags = (uint8_t) rng_next(rng)
			};
	}
	*boot = (RaftBoot) {
		.term = rng_next(rng), .vote = (RaftNodeId) rng_next(rng), .first = rng_next(rng),
		.last = rng_next(rng), .base_term = rng_next(rng), .commit = rng_next(rng),
		.applied = rng_next(rng), .runs = runs, .n_runs = n_runs, .configs = configs,
		.n_configs = n_configs
	};
	return boot;
}

static bool
same_boot(const RaftBoot *a, const RaftBoot *b)
{
	if (a->term != b->term || a->vote != b->vote || a->first != b->first || a->last != b->last ||
		a->base_term != b->base_term || a->commit != b->commit || a->applied != b->applied ||
		a->n_runs != b->n_runs || a->n_configs != b->n_configs)
		return false;
	for (uint32_t i = 0; i < a->n_runs; i++)
		if (a->runs[i].first != b->runs[i].first || a->runs[i].term != b->runs[i].term)
			return false;
	for (uint32_t i = 0; i < a->n_configs; i++)
	{
		if (a->configs[i].index != b->configs[i].index ||
			a->configs[i].identified != b->configs[i].identified ||
			a->configs[i].n_members != b->configs[i].n_members)
			return false;
		for (uint32_t k = 0; k < a->configs[i].n_members; k++)
			if (a->configs[i].members[k].id != b->configs[i].members[k].id ||
				a->configs[i].members[k].flags != b->configs[i].members[k].flags)
				return false;
	}
	return true;
}

/* An event of a type; a message comes in *frame. */
static RaftEvent
random_event(Rng *rng, RaftEventType type, uint8_t **frame, size_t *frame_size)
{
	RaftEvent	event = {.type = type, .now = rng_next(rng)};
	uint32_t	n = (uint32_t) rng_between(rng, 1, MAX_ENTRIES);
	RaftMessage *message;
	RaftSettings *settings;

	*frame = NULL;
	*frame_size = 0;
	switch (type)
	{
		case RAFT_EVENT_BOOT:
			event.u.boot = random_boot(rng);
			break;
		case RAFT_EVENT_RECEIVE:
			message = run_alloc(sizeof(RaftMessage));
			*message = (RaftMessage) {
				.type = RAFT_MSG_APPEND, .from = 1, .to = 2, .boot = 1, .term = 9, .round = rng_next(rng),
				.log_index = rng_between(rng, 1, 1000), .log_term = 3, .n_entries = n,
				.entries = random_entries(rng, n, 5)
			};
			*frame = recording_frame(message, frame_size);
			event.u.receive.message = message;
			event.u.receive.room = rng_next(rng);
			break;
		case RAFT_EVENT_PROPOSE:
			event.u.propose.entries = random_entries(rng, n, 0);
			event.u.propose.n_entries = n;
			break;
		case RAFT_EVENT_WRITE_DURABLE:
		case RAFT_EVENT_WRITE_FAILED:
			event.u.op = rng_next(rng);
			break;
		case RAFT_EVENT_APPLIED:
			event.u.applied.visible = rng_next(rng);
			event.u.applied.durable = rng_next(rng);
			break;
		case RAFT_EVENT_COMPACTED:
			event.u.compacted = rng_next(rng);
			break;
		case RAFT_EVENT_PEER_UNREACHABLE:
			event.u.peer = (RaftNodeId) rng_next(rng);
			break;
		case RAFT_EVENT_SETTINGS:
			settings = run_alloc(sizeof(RaftSettings));
			*settings = random_settings(rng);
			event.u.settings = settings;
			break;
		case RAFT_EVENT_TICK:
			break;
	}
	return event;
}

static bool
same_event(const RaftEvent *a, const RaftEvent *b)
{
	if (a->type != b->type || a->now != b->now)
		return false;
	switch (a->type)
	{
		case RAFT_EVENT_TICK:
			return true;
		case RAFT_EVENT_BOOT:
			return same_boot(a->u.boot, b->u.boot);
		case RAFT_EVENT_RECEIVE:
			return a->u.receive.room == b->u.receive.room &&
				a->u.receive.message->round == b->u.receive.message->round &&
				a->u.receive.message->log_index == b->u.receive.message->log_index &&
				a->u.receive.message->n_entries == b->u.receive.message->n_entries &&
				same_entries(a->u.receive.message->entries, b->u.receive.message->entries, a->u.receive.message->n_entries);
		case RAFT_EVENT_PROPOSE:
			return a->u.propose.n_entries == b->u.propose.n_entries &&
				same_entries(a->u.propose.entries, b->u.propose.entries, a->u.propose.n_entries);
		case RAFT_EVENT_WRITE_DURABLE:
		case RAFT_EVENT_WRITE_FAILED:
			return a->u.op == b->u.op;
		case RAFT_EVENT_APPLIED:
			return a->u.applied.visible == b->u.applied.visible &&
				a->u.applied.durable == b->u.applied.durable;
		case RAFT_EVENT_COMPACTED:
			return a->u.compacted == b->u.compacted;
		case RAFT_EVENT_PEER_UNREACHABLE:
			return a->u.peer == b->u.peer;
		case RAFT_EVENT_SETTINGS:
			return same_settings(a->u.settings, b->u.settings);
	}
	return false;
}

/* A record of a random event, in an allocation of its size. */
static uint8_t *
random_record(Rng *rng, RaftEventType type, RaftEvent *event, RaftBatchAnswer *answer,
			  uint64_t *digest, size_t *size)
{
	uint8_t    *frame;
	size_t		frame_size;
	uint8_t    *bytes;
	bool		complete = rng_percent(rng, 80);
	size_t		at;

	*event = random_event(rng, type, &frame, &frame_size);
	at = raft_eventlog_event_size(event, frame_size);
	*size = at + RAFT_EVENTLOG_ANSWER + (complete ? RAFT_EVENTLOG_DIGEST : 0);
	bytes = run_alloc(*size);
	raft_eventlog_event(bytes, event, frame, frame_size);
	answer->first = rng_between(rng, 1, 1000);
	answer->last = answer->first + rng_below(rng, 1000);
	answer->end = rng_between(rng, answer->first, answer->last);
	answer->bytes = (uint32_t) rng_next(rng);
	raft_eventlog_answer(bytes + at, answer);
	*digest = complete ? rng_next(rng) | 1 : 0;
	*size = raft_eventlog_finish(bytes, at + RAFT_EVENTLOG_ANSWER, 1, complete ? digest : NULL);
	return bytes;
}

static void
eventlog_round_trip(Lab *lab)
{
	for (int i = 0; i < 10 * (RAFT_EVENT_SETTINGS + 1); i++)
	{
		RaftEvent	event;
		RaftBatchAnswer answer;
		uint64_t	digest;
		size_t		size;
		uint32_t	length;
		RaftEventType type = (RaftEventType) (i % (RAFT_EVENT_SETTINGS + 1));
		uint8_t    *bytes = random_record(&lab->rng_test, type, &event, &answer, &digest, &size);
		RaftDecodeResult result = raft_eventlog_decode(bytes, size, &decoded, &length);

		lab_check(lab, result == RAFT_DECODE_OK && length == size, "a %s is refused: %s",
				  raft_event_name(type), raft_decode_message(result));
		lab_check(lab, same_event(&event, &decoded.event), "a %s came back changed",
				  raft_event_name(type));
		lab_check(lab, decoded.complete == (digest != 0) && decoded.digest == digest &&
				  decoded.n_answers == 1 && decoded.answers[0].first == answer.first &&
				  decoded.answers[0].last == answer.last && decoded.answers[0].end == answer.end &&
				  decoded.answers[0].bytes == answer.bytes, "an answer or a digest came back changed");
	}
}

/* Cut off, a record is short; with a flipped bit it is none. */
static void
eventlog_damage(Lab *lab)
{
	for (RaftEventType type = RAFT_EVENT_BOOT; type <= RAFT_EVENT_SETTINGS; type++)
	{
		RaftEvent	event;
		RaftBatchAnswer answer;
		uint64_t	digest;
		size_t		size;
		uint32_t	length;
		uint8_t    *bytes = random_record(&lab->rng_test, type, &event, &answer, &digest, &size);

		for (size_t cut = 0; cut < size; cut++)
			lab_check(lab, raft_eventlog_decode(run_copy(bytes, cut), cut, &decoded, &length) ==
					  RAFT_DECODE_SHORT, "a %s cut after %zu bytes is not short",
					  raft_event_name(type), cut);
		for (size_t bit = 0; bit < size * 8; bit++)
		{
			RaftDecodeResult result;

			bytes[bit / 8] ^= (uint8_t) (1 << (bit % 8));
			result = raft_eventlog_decode(bytes, size, &decoded, &length);
			lab_check(lab, result != RAFT_DECODE_OK && result != RAFT_DECODE_SHORT,
					  "a %s with bit %zu flipped is %s", raft_event_name(type), bit,
					  raft_decode_message(result));
			bytes[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		}
	}
}

/* Bytes that nobody meant, with checksums that are right. */
static void
eventlog_forged(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	for (int i = 0; i < 3000; i++)
	{
		RaftEvent	event;
		RaftBatchAnswer answer;
		uint64_t	digest;
		size_t		size;
		uint32_t	length;
		RaftEventType type = (RaftEventType) rng_below(rng, RAFT_EVENT_SETTINGS + 1);
		uint8_t    *bytes = random_record(rng, type, &event, &answer, &digest, &size);
		uint64_t	n = rng_between(rng, 1, 4);
		uint8_t		complete;

		size = rng_between(rng, RAFT_EVENTLOG_RECORD, size);
		bytes = run_copy(bytes, size);
		for (uint64_t k = 0; k < n && size > 12; k++)
			bytes[rng_between(rng, 12, rng_percent(rng, 50) || size <= 60 ? size - 1 : 60)] =
				(uint8_t) (rng_percent(rng, 50) ? rng_next(rng) : rng_below(rng, 3));
		complete = bytes[13];
		raft_eventlog_finish(bytes, size, (uint32_t) rng_below(rng, 3), NULL);
		bytes[13] = complete;
		raft_eventlog_decode(bytes, size, &decoded, &length);
	}
}

static void
eventlog_header(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	RaftEventLogHeader header = {
		.self = (RaftNodeId) rng_between(rng, 1, UINT32_MAX), .boot = rng_between(rng, 1, UINT64_MAX - 1),
		.seed = rng_next(rng), .clock = rng_next(rng), .settings = random_settings(rng)
	};
	RaftEventLogHeader back;
	uint8_t    *bytes = run_alloc(RAFT_EVENTLOG_HEADER);

	memcpy(header.group, lab_group, sizeof(header.group));
	raft_eventlog_header(bytes, &header);
	lab_check(lab, raft_eventlog_header_decode(bytes, RAFT_EVENTLOG_HEADER, &back) == RAFT_DECODE_OK &&
			  memcmp(back.group, header.group, sizeof(back.group)) == 0 && back.self == header.self &&
			  back.boot == header.boot && back.seed == header.seed && back.clock == header.clock &&
			  same_settings(&back.settings, &header.settings), "a header came back changed");
	for (size_t cut = 0; cut < RAFT_EVENTLOG_HEADER; cut++)
		lab_check(lab, raft_eventlog_header_decode(run_copy(bytes, cut), cut, &back) == RAFT_DECODE_SHORT,
				  "a header cut after %zu bytes is not short", cut);
	for (size_t bit = 0; bit < RAFT_EVENTLOG_HEADER * 8; bit++)
	{
		bytes[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		lab_check(lab, raft_eventlog_header_decode(bytes, RAFT_EVENTLOG_HEADER, &back) != RAFT_DECODE_OK,
				  "a header with bit %zu flipped is accepted", bit);
		bytes[bit / 8] ^= (uint8_t) (1 << (bit % 8));
	}
	header.self = 0;
	raft_eventlog_header(bytes, &header);
	lab_check(lab, raft_eventlog_header_decode(bytes, RAFT_EVENTLOG_HEADER, &back) ==
			  RAFT_DECODE_MALFORMED, "a recording of nobody is accepted");
	header.self = 1;
	header.boot = 0;
	raft_eventlog_header(bytes, &header);
	lab_check(lab, raft_eventlog_header_decode(bytes, RAFT_EVENTLOG_HEADER, &back) ==
			  RAFT_DECODE_MALFORMED, "a recording before the first boot is accepted");
}

/* Of another version, or of a core with other bounds: the checksum is right. */
static void
eventlog_other_versions(Lab *lab)
{
	RaftEventLogHeader header = {.self = 1, .boot = 1};
	RaftEventLogHeader back;
	uint8_t    *bytes = run_alloc(RAFT_EVENTLOG_HEADER);
	static const size_t places[] = {12, 108, 112, 116, 120, 124, 128};

	for (size_t i = 0; i < lengthof(places); i++)
	{
		uint32_t	crc;

		raft_eventlog_header(bytes, &header);
		bytes[places[i]]++;
		crc = raft_host_crc32c(0, bytes + 12, RAFT_EVENTLOG_HEADER - 12);
		for (int k = 0; k < 4; k++)
			bytes[8 + k] = (uint8_t) (crc >> (8 * k));
		lab_check(lab, raft_eventlog_header_decode(bytes, RAFT_EVENTLOG_HEADER, &back) ==
				  RAFT_DECODE_VERSION, "a header with another byte %zu is accepted", places[i]);
	}
}

/* Types that there are not, and lengths and counts that cannot be. */
static void
eventlog_refused(Lab *lab)
{
	RaftEvent	event = {.type = (RaftEventType) (RAFT_EVENT_SETTINGS + 1)};
	RaftActions *actions = run_alloc(sizeof(RaftActions));
	uint64_t	digest = 1,
				plain = raft_eventlog_digest(0, &event, actions);
	uint8_t    *bytes = run_alloc(RAFT_EVENTLOG_RECORD + RAFT_EVENTLOG_DIGEST);
	size_t		size;
	uint32_t	length;

	for (RaftEventType type = RAFT_EVENT_BOOT; type <= RAFT_EVENT_SETTINGS; type++)
		lab_check(lab, raft_event_name(type)[0] != '?', "event %d has no name", type);
	lab_check(lab, raft_event_name(event.type)[0] == '?', "there is an event %d", event.type);
	actions->n = 1;
	actions->item[0].type = (RaftActionType) (RAFT_ACTION_CONFIG + 1);
	lab_check(lab, raft_eventlog_digest(0, &event, actions) != plain, "an action left no trace");
	actions->item[0].type = RAFT_ACTION_REFUSED;
	plain = raft_eventlog_digest(0, &event, actions);
	actions->item[0].u.refused.leader = 7;
	lab_check(lab, raft_eventlog_digest(0, &event, actions) != plain, "a refusal left no trace");
	actions->item[0].type = RAFT_ACTION_PEER_LOST;
	plain = raft_eventlog_digest(0, &event, actions);
	actions->item[0].u.lost.agrees = 7;
	lab_check(lab, raft_eventlog_digest(0, &event, actions) != plain, "a lost peer left no trace");

	size = raft_eventlog_event_size(&event, 0);
	raft_eventlog_event(bytes, &event, NULL, 0);
	size = raft_eventlog_finish(bytes, size, 0, &digest);
	lab_check(lab, raft_eventlog_decode(bytes, size, &decoded, &length) == RAFT_DECODE_MALFORMED,
			  "an unknown event is accepted");
	event.type = RAFT_EVENT_TICK;
	raft_eventlog_event(bytes, &event, NULL, 0);
	size = raft_eventlog_finish(bytes, RAFT_EVENTLOG_RECORD, RAFT_MAX_ACTIONS + 1, &digest);
	lab_check(lab, raft_eventlog_decode(bytes, size, &decoded, &length) == RAFT_DECODE_MALFORMED,
			  "more answers than questions are accepted");
	raft_eventlog_finish(bytes, RAFT_EVENTLOG_RECORD - 1, 0, NULL);
	lab_check(lab, raft_eventlog_decode(bytes, size, &decoded, &length) == RAFT_DECODE_LENGTH,
			  "a record shorter than its head is accepted");
}

/* --------------------------------------------------------------- replays */

/* A run of another test, recorded, to its end or until it fails. */
static void
record_run(Lab *lab, const LabTest *test, uint64_t seed)
{
	recordings.n = 0;
	inner.recordings = &recordings;
	lab_run(&inner, test, seed);
	inner.recordings = NULL;
	recordings_close(&recordings);
	current_lab = lab;
}

/* Replays a recording; inner.failure tells why it failed. */
static bool
replay_one(Lab *lab, Replay *replay, const Replay *past, const uint8_t *bytes, size_t size)
{
	bool		passed;

	replay_free(replay);
	passed = replay_run(replay, past, &inner, bytes, size);
	current_lab = lab;
	return passed;
}

/* Replays all recordings, those of a node in their order.  True when all pass. */
static bool
replay_all(Lab *lab)
{
	bool		passed = true;

	replay_group_reset(&inner, true);
	for (RaftNodeId id = 1; passed && id <= inner.n; id++)
	{
		const Replay *past = NULL;
		uint32_t	losses = 0;

		for (size_t i = 0; passed && i < recordings.n; i++)
		{
			const Recording *recording = &recordings.item[i];
			Replay	   *replay = &replay_of[i % 2];
			RaftEventLogHeader header;

			raft_eventlog_header_decode(recording->bytes, recording->size, &header);
			if (header.self != id)
				continue;
			if (replay == past)
				replay = &replay_of[1 - i % 2];
			if (recording->losses != losses)
				past = NULL;	/* it came back with another disk */
			losses = recording->losses;
			passed = replay_one(lab, replay, past, recording->bytes, recording->size);
			past = replay;
		}
	}
	return passed;
}

/* Where the records of a recording begin; returns how many there are. */
static size_t
find_records(Lab *lab, const Recording *recording, size_t *begin)
{
	size_t		at = RAFT_EVENTLOG_HEADER;
	size_t		n = 0;

	while (at < recording->size)
	{
		uint32_t	length;

		lab_check(lab, raft_eventlog_decode(recording->bytes + at, recording->size - at, &decoded,
											&length) == RAFT_DECODE_OK, "a record is refused");
		begin[n++] = at;
		at += length;
	}
	begin[n] = at;
	return n;
}

/* Anything that is changed in a recording is noticed. */
static void
tamper(Lab *lab, const Recording *recording)
{
	Rng		   *rng = &lab->rng_test;
	size_t	   *begin = run_alloc((recording->size / RAFT_EVENTLOG_RECORD + 2) * sizeof(size_t));
	size_t		n = find_records(lab, recording, begin);
	size_t		victim = (size_t) rng_below(rng, n - 1);	/* without the last one it is a shorter run */
	size_t		gone = begin[victim + 1] - begin[victim];
	size_t		cut = (size_t) rng_between(rng, begin[1], recording->size);
	uint8_t    *bytes = run_copy(recording->bytes, recording->size);

	memmove(bytes + begin[victim], bytes + begin[victim + 1], recording->size - begin[victim + 1]);
	replay_group_reset(&inner, false);
	lab_check(lab, !replay_one(lab, &replay_of[0], NULL, bytes, recording->size - gone),
			  "event %zu of %zu is missing, and the replay passes", victim, n);

	bytes = run_copy(recording->bytes, recording->size);
	bytes[rng_below(rng, recording->size)] ^= (uint8_t) rng_between(rng, 1, 255);
	replay_group_reset(&inner, false);
	lab_check(lab, !replay_one(lab, &replay_of[0], NULL, bytes, recording->size),
			  "a byte was changed, and the replay passes");

	replay_group_reset(&inner, false);
	lab_check(lab, replay_one(lab, &replay_of[0], NULL, run_copy(recording->bytes, cut), cut),
			  "the replay of a beginning fails: %s", inner.failure.what);
}

/* A test that has servers, by chance. */
static const LabTest *
random_test(Rng *rng)
{
	const LabTest *const suites[] = {ladder_a_tests, ladder_b_tests, ladder_c_tests, simulate_tests};
	const LabTest *suite = suites[rng_below(rng, lengthof(suites))];
	size_t		n = 0;

	while (suite[n].name != NULL)
		n++;
	return &suite[rng_below(rng, n)];
}

static void
replay_of_runs(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	const LabTest *test = random_test(rng);

	record_run(lab, test, lab->seed);	/* its own failure would be another test's */
	lab_check(lab, replay_all(lab), "the replay of %s, seed %llu, fails: %s", test->name,
			  (unsigned long long) lab->seed, inner.failure.what);
	tamper(lab, &recordings.item[rng_below(rng, recordings.n)]);
	replay_free(&replay_of[0]);
	replay_free(&replay_of[1]);
	recordings_free(&recordings);
}

#ifdef RAFT_MUTANTS

/*
 * Old bugs of the core that show on one node.  The replay has the same bug, so that the
 * digests agree: only the invariants can tell.
 */
static void
replay_finds(Lab *lab)
{
	static const char *const names[] = {
		"COMMIT_OLD_TERM", "VOTE_ANY_LOG", "VOTE_TWICE", "TRUNCATE_ALWAYS", "ACK_LAST_INDEX",
		"COMMIT_UNVERIFIED", "ACK_BEFORE_DURABLE", "VOTE_BEFORE_DURABLE", "SELF_COUNT_EARLY",
		"QUORUM_SHORT", "LATE_VOTE"
	};
	RaftMutant	before = raft_mutant;

	for (size_t i = 0; i < lengthof(names); i++)
	{
		bool		found = false;
		uint64_t	seed;

		lab_check(lab, mutant_set(names[i]), "there is no mutant %s", names[i]);
		for (seed = 1; !found && seed <= 50; seed++)
		{
			record_run(lab, &simulate_tests[0], seed);
			found = !replay_all(lab);
		}
		raft_mutant = before;
		lab_trace(lab, "%s: seed %llu, invariant %d: %s", names[i], (unsigned long long) seed - 1,
				  inner.failure.invariant, inner.failure.what);
		lab_check(lab, found, "no replay finds %s", names[i]);
	}
	replay_free(&replay_of[0]);
	replay_free(&replay_of[1]);
	recordings_free(&recordings);
}

#endif

const LabTest eventlog_tests[] = {
	{"eventlog_round_trip", "unit", 0, 20, eventlog_round_trip},
	{"eventlog_damage", "unit", 0, 5, eventlog_damage},
	{"eventlog_forged", "unit", 0, 5, eventlog_forged},
	{"eventlog_header", "unit", 0, 5, eventlog_header},
	{"eventlog_other_versions", "unit", 0, 1, eventlog_other_versions},
	{"eventlog_refused", "unit", 0, 1, eventlog_refused},
	{"replay_of_runs", "unit", 0, 0, replay_of_runs},
#ifdef RAFT_MUTANTS
	{"replay_finds", "unit", 0, 1, replay_finds},
#endif
	{0}
};
