/*-------------------------------------------------------------------------
 *
 * eventlog.c
 *	  The byte format of a recording: what a core was given, and a digest of
 *	  what it answered.  Layout: eventlog.h.
 *
 *-------------------------------------------------------------------------
 */
#include "wire/bytes.h"
#include "wire/eventlog.h"

#include <string.h>

#define BOOT_BYTES		60
#define RUN_BYTES		16
#define CONFIG_BYTES	16
#define MEMBER_BYTES	8
#define PROPOSED_BYTES	32

static const char magic[8] = {'R', 'A', 'F', 'T', 'P', 'G', 'E', 'V'};

/* A core with other bounds may decide otherwise. */
static const uint32_t bounds[] = {
	RAFT_MAX_MEMBERS, RAFT_MAX_CONFIGS, RAFT_MAX_HELD, RAFT_MAX_PENDING, RAFT_MAX_RUNS,
	RAFT_MAX_INFLIGHT
};

#define N_BOUNDS	(sizeof(bounds) / sizeof(bounds[0]))

const char *
raft_event_name(RaftEventType type)
{
	switch (type)
	{
		case RAFT_EVENT_BOOT:
			return "boot";
		case RAFT_EVENT_TICK:
			return "tick";
		case RAFT_EVENT_RECEIVE:
			return "receive";
		case RAFT_EVENT_PROPOSE:
			return "propose";
		case RAFT_EVENT_WRITE_DURABLE:
			return "write durable";
		case RAFT_EVENT_WRITE_FAILED:
			return "write failed";
		case RAFT_EVENT_APPLIED:
			return "applied";
		case RAFT_EVENT_COMPACTED:
			return "compacted";
		case RAFT_EVENT_PEER_UNREACHABLE:
			return "peer unreachable";
		case RAFT_EVENT_SETTINGS:
			return "settings";
	}
	return "?";
}

/* --- writing --- */

static void
put_settings(uint8_t *out, const RaftSettings *settings)
{
	put_u64(out, settings->heartbeat_interval);
	put_u64(out + 8, settings->election_timeout);
	put_u64(out + 16, settings->commit_notice);
	put_u32(out + 24, settings->max_batch_bytes);
	put_u32(out + 28, settings->max_inflight);
	put_u32(out + 32, settings->max_inflight_bytes);
	put_u64(out + 36, settings->disk_timeout);
}

void
raft_eventlog_header(uint8_t out[RAFT_EVENTLOG_HEADER], const RaftEventLogHeader *header)
{
	memset(out, 0, RAFT_EVENTLOG_HEADER);
	memcpy(out, magic, sizeof(magic));
	put_u16(out + 12, RAFT_EVENTLOG_VERSION);
	memcpy(out + 16, header->group, RAFT_GROUP_ID_BYTES);
	put_u32(out + 32, header->self);
	put_u64(out + 40, header->boot);
	put_u64(out + 48, header->seed);
	put_u64(out + 56, header->clock);
	put_settings(out + 64, &header->settings);
	for (size_t i = 0; i < N_BOUNDS; i++)
		put_u32(out + 108 + 4 * i, bounds[i]);
	put_u32(out + 8, raft_host_crc32c(0, out + 12, RAFT_EVENTLOG_HEADER - 12));
}

static size_t
boot_size(const RaftBoot *boot)
{
	size_t		size = BOOT_BYTES + (size_t) boot->n_runs * RUN_BYTES;

	for (uint32_t i = 0; i < boot->n_configs; i++)
		size += CONFIG_BYTES + (size_t) boot->configs[i].n_members * MEMBER_BYTES;
	return size;
}

size_t
raft_eventlog_event_size(const RaftEvent *event, size_t frame_size)
{
	size_t		size = RAFT_EVENTLOG_RECORD;

	switch (event->type)
	{
		case RAFT_EVENT_TICK:
			break;
		case RAFT_EVENT_BOOT:
			size += boot_size(event->u.boot);
			break;
		case RAFT_EVENT_RECEIVE:
			size += 8 + frame_size;
			break;
		case RAFT_EVENT_PROPOSE:
			size += 4;
			for (uint32_t i = 0; i < event->u.propose.n_entries; i++)
				size += PROPOSED_BYTES + (size_t) event->u.propose.entries[i].size;
			break;
		case RAFT_EVENT_WRITE_DURABLE:
		case RAFT_EVENT_WRITE_FAILED:
		case RAFT_EVENT_COMPACTED:
			size += 8;
			break;
		case RAFT_EVENT_APPLIED:
			size += 16;
			break;
		case RAFT_EVENT_PEER_UNREACHABLE:
			size += 4;
			break;
		case RAFT_EVENT_SETTINGS:
			size += RAFT_EVENTLOG_SETTINGS;
			break;
	}
	return size;
}

static void
put_boot(uint8_t *out, const RaftBoot *boot)
{
	put_u64(out, boot->term);
	put_u64(out + 8, boot->first);
	put_u64(out + 16, boot->last);
	put_u64(out + 24, boot->base_term);
	put_u64(out + 32, boot->commit);
	put_u64(out + 40, boot->applied);
	put_u32(out + 48, boot->vote);
	put_u32(out + 52, boot->n_runs);
	put_u32(out + 56, boot->n_configs);
	out += BOOT_BYTES;
	for (uint32_t i = 0; i < boot->n_runs; i++, out += RUN_BYTES)
	{
		put_u64(out, boot->runs[i].first);
		put_u64(out + 8, boot->runs[i].term);
	}
	for (uint32_t i = 0; i < boot->n_configs; i++)
	{
		const RaftConfig *config = &boot->configs[i];

		put_u64(out, config->index);
		put_u32(out + 8, config->n_members);
		put_u32(out + 12, config->identified);
		out += CONFIG_BYTES;
		for (uint32_t k = 0; k < config->n_members; k++, out += MEMBER_BYTES)
		{
			put_u32(out, config->members[k].id);
			put_u32(out + 4, config->members[k].flags);
		}
	}
}

static void
put_proposed(uint8_t *out, const RaftEntry *entries, uint32_t n_entries)
{
	put_u32(out, n_entries);
	out += 4;
	for (uint32_t i = 0; i < n_entries; i++)
	{
		const RaftEntry *entry = &entries[i];

		put_u64(out, entry->clock);
		put_u64(out + 8, entry->origin.serial);
		put_u32(out + 16, entry->origin.node);
		put_u32(out + 20, entry->origin.slot);
		put_u32(out + 24, entry->size);
		put_u32(out + 28, entry->kind);
		out += PROPOSED_BYTES;
		if (entry->size > 0)
			memcpy(out, entry->data, entry->size);
		out += entry->size;
	}
}

void
raft_eventlog_event(uint8_t *out, const RaftEvent *event, const uint8_t *frame, size_t frame_size)
{
	memset(out, 0, RAFT_EVENTLOG_RECORD);
	out[12] = (uint8_t) event->type;
	put_u64(out + 16, event->now);
	out += RAFT_EVENTLOG_RECORD;
	switch (event->type)
	{
		case RAFT_EVENT_TICK:
			break;
		case RAFT_EVENT_BOOT:
			put_boot(out, event->u.boot);
			break;
		case RAFT_EVENT_RECEIVE:
			put_u64(out, event->u.receive.room);
			memcpy(out + 8, frame, frame_size);
			break;
		case RAFT_EVENT_PROPOSE:
			put_proposed(out, event->u.propose.entries, event->u.propose.n_entries);
			break;
		case RAFT_EVENT_WRITE_DURABLE:
		case RAFT_EVENT_WRITE_FAILED:
			put_u64(out, event->u.op);
			break;
		case RAFT_EVENT_APPLIED:
			put_u64(out, event->u.applied.visible);
			put_u64(out + 8, event->u.applied.durable);
			break;
		case RAFT_EVENT_COMPACTED:
			put_u64(out, event->u.compacted);
			break;
		case RAFT_EVENT_PEER_UNREACHABLE:
			put_u32(out, event->u.peer);
			break;
		case RAFT_EVENT_SETTINGS:
			put_settings(out, event->u.settings);
			break;
	}
}

void
raft_eventlog_answer(uint8_t out[RAFT_EVENTLOG_ANSWER], const RaftBatchAnswer *answer)
{
	put_u64(out, answer->first);
	put_u32(out + 8, (uint32_t) (answer->last + 1 - answer->first));
	put_u32(out + 12, (uint32_t) (answer->end + 1 - answer->first));
	put_u32(out + 16, answer->bytes);
}

size_t
raft_eventlog_finish(uint8_t *record, size_t size, uint32_t n_answers, const uint64_t *digest)
{
	if (digest != NULL)
	{
		put_u64(record + size, *digest);
		size += RAFT_EVENTLOG_DIGEST;
		record[13] = 1;
	}
	put_u16(record + 14, (uint16_t) n_answers);
	put_u32(record, (uint32_t) size);
	put_u32(record + 4, raft_host_crc32c(0, record, 4));
	put_u32(record + 8, raft_host_crc32c(0, record + 12, size - 12));
	return size;
}

/* --- the digest --- */

static void
mix(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	*digest ^= *digest >> 32;
}

static void
mix_message(uint64_t *digest, const RaftMessage *message)
{
	mix(digest, message->type);
	mix(digest, message->from);
	mix(digest, message->to);
	mix(digest, message->boot);
	mix(digest, message->term);
	mix(digest, message->round);
	mix(digest, message->log_index);
	mix(digest, message->log_term);
	mix(digest, message->commit);
	mix(digest, message->floor);
	mix(digest, message->granted);
	mix(digest, message->rejected);
	mix(digest, message->n_entries);
}

static void
mix_write(uint64_t *digest, const RaftWrite *write)
{
	mix(digest, write->op);
	mix(digest, write->term);
	mix(digest, write->vote);
	mix(digest, write->truncate_from);
	mix(digest, write->source);
	mix(digest, write->skip);
	mix(digest, write->first);
	mix(digest, write->n_entries);
}

static void
mix_action(uint64_t *digest, const RaftAction *action)
{
	mix(digest, action->type);
	switch (action->type)
	{
		case RAFT_ACTION_WRITE:
			mix_write(digest, &action->u.write);
			break;
		case RAFT_ACTION_SEND:
			mix_message(digest, &action->u.send.message);
			mix(digest, action->u.send.after);
			break;
		case RAFT_ACTION_COMMIT:
			mix(digest, action->u.commit.commit);
			mix(digest, action->u.commit.ready);
			break;
		case RAFT_ACTION_PLACED:
			mix(digest, action->u.placed.first);
			mix(digest, action->u.placed.term);
			mix(digest, action->u.placed.n_entries);
			break;
		case RAFT_ACTION_REFUSED:
			mix(digest, action->u.refused.reason);
			mix(digest, action->u.refused.leader);
			break;
		case RAFT_ACTION_ROLE:
			mix(digest, action->u.role.from);
			mix(digest, action->u.role.to);
			mix(digest, action->u.role.term);
			mix(digest, action->u.role.leader);
			break;
		case RAFT_ACTION_PEER_LOST:
			mix(digest, action->u.lost.peer);
			mix(digest, action->u.lost.confirmed);
			mix(digest, action->u.lost.agrees);
			break;
		case RAFT_ACTION_CONFIG:
			mix(digest, action->u.config.index);
			mix(digest, action->u.config.term);
			break;
	}
}

uint64_t
raft_eventlog_digest(uint64_t before, const RaftEvent *event, const RaftActions *actions)
{
	uint64_t	digest = before;

	mix(&digest, event->type);
	mix(&digest, event->now);
	mix(&digest, actions->n);
	for (uint32_t i = 0; i < actions->n; i++)
		mix_action(&digest, &actions->item[i]);
	mix(&digest, actions->deadline);
	return digest;
}

/* --- reading --- */

static void
get_settings(const uint8_t *bytes, RaftSettings *settings)
{
	settings->heartbeat_interval = get_u64(bytes);
	settings->election_timeout = get_u64(bytes + 8);
	settings->commit_notice = get_u64(bytes + 16);
	settings->max_batch_bytes = get_u32(bytes + 24);
	settings->max_inflight = get_u32(bytes + 28);
	settings->max_inflight_bytes = get_u32(bytes + 32);
	settings->disk_timeout = get_u64(bytes + 36);
}

RaftDecodeResult
raft_eventlog_header_decode(const uint8_t *bytes, size_t available, RaftEventLogHeader *header)
{
	if (available < RAFT_EVENTLOG_HEADER)
		return RAFT_DECODE_SHORT;
	if (memcmp(bytes, magic, sizeof(magic)) != 0)
		return RAFT_DECODE_MALFORMED;
	if (get_u32(bytes + 8) != raft_host_crc32c(0, bytes + 12, RAFT_EVENTLOG_HEADER - 12))
		return RAFT_DECODE_CHECKSUM;
	if (get_u16(bytes + 12) != RAFT_EVENTLOG_VERSION)
		return RAFT_DECODE_VERSION;
	for (size_t i = 0; i < N_BOUNDS; i++)
		if (get_u32(bytes + 108 + 4 * i) != bounds[i])
			return RAFT_DECODE_VERSION;
	memcpy(header->group, bytes + 16, RAFT_GROUP_ID_BYTES);
	header->self = get_u32(bytes + 32);
	header->boot = get_u64(bytes + 40);
	header->seed = get_u64(bytes + 48);
	header->clock = get_u64(bytes + 56);
	get_settings(bytes + 64, &header->settings);
	return header->self != 0 && header->boot != 0 ? RAFT_DECODE_OK : RAFT_DECODE_MALFORMED;
}

/* What is left to decode of a record. */
typedef struct Rest
{
	const uint8_t *bytes;
	size_t		size;
} Rest;

/* The next bytes of the rest; NULL when it is shorter. */
static const uint8_t *
take(Rest *rest, size_t size)
{
	const uint8_t *bytes = rest->bytes;

	if (rest->size < size)
		return NULL;
	rest->bytes += size;
	rest->size -= size;
	return bytes;
}

static bool
get_config(Rest *rest, RaftConfig *config)
{
	const uint8_t *bytes = take(rest, CONFIG_BYTES);

	if (bytes == NULL)
		return false;
	config->index = get_u64(bytes);
	config->n_members = get_u32(bytes + 8);
	config->identified = get_u32(bytes + 12) != 0;
	if (config->n_members > RAFT_MAX_MEMBERS)
		return false;
	for (uint32_t i = 0; i < config->n_members; i++)
	{
		if ((bytes = take(rest, MEMBER_BYTES)) == NULL)
			return false;
		config->members[i].id = get_u32(bytes);
		config->members[i].flags = (uint8_t) get_u32(bytes + 4);
	}
	return true;
}

static bool
get_boot(Rest *rest, RaftEventRecord *record)
{
	const uint8_t *bytes = take(rest, BOOT_BYTES);
	RaftBoot   *boot = &record->boot;

	if (bytes == NULL)
		return false;
	boot->term = get_u64(bytes);
	boot->first = get_u64(bytes + 8);
	boot->last = get_u64(bytes + 16);
	boot->base_term = get_u64(bytes + 24);
	boot->commit = get_u64(bytes + 32);
	boot->applied = get_u64(bytes + 40);
	boot->vote = get_u32(bytes + 48);
	boot->n_runs = get_u32(bytes + 52);
	boot->n_configs = get_u32(bytes + 56);
	boot->runs = record->runs;
	boot->configs = record->configs;
	if (boot->n_runs > RAFT_MAX_RUNS || boot->n_configs > RAFT_MAX_CONFIGS)
		return false;
	for (uint32_t i = 0; i < boot->n_runs; i++)
	{
		if ((bytes = take(rest, RUN_BYTES)) == NULL)
			return false;
		record->runs[i].first = get_u64(bytes);
		record->runs[i].term = get_u64(bytes + 8);
	}
	for (uint32_t i = 0; i < boot->n_configs; i++)
		if (!get_config(rest, &record->configs[i]))
			return false;
	record->event.u.boot = boot;
	return true;
}

static bool
get_message(Rest *rest, RaftEventRecord *record)
{
	const uint8_t *bytes = take(rest, 8 + RAFT_FRAME_HEADER);
	uint32_t	size;

	if (bytes == NULL)
		return false;
	record->event.u.receive.room = get_u64(bytes);
	bytes += 8;
	size = raft_frame_length(bytes);
	if (size < RAFT_FRAME_HEADER || take(rest, size - RAFT_FRAME_HEADER) == NULL ||
		raft_frame_decode(bytes, size, record->group, &record->message, record->entries,
						  RAFT_MAX_MESSAGE_ENTRIES) != RAFT_DECODE_OK)
		return false;
	record->event.u.receive.message = &record->message;
	return true;
}

static bool
get_proposed(Rest *rest, RaftEventRecord *record)
{
	const uint8_t *bytes = take(rest, 4);
	uint32_t	n_entries;

	if (bytes == NULL)
		return false;
	n_entries = get_u32(bytes);
	if (n_entries < 1 || n_entries > RAFT_MAX_MESSAGE_ENTRIES)
		return false;
	for (uint32_t i = 0; i < n_entries; i++)
	{
		RaftEntry  *entry = &record->entries[i];

		if ((bytes = take(rest, PROPOSED_BYTES)) == NULL)
			return false;
		entry->term = 0;
		entry->clock = get_u64(bytes);
		entry->origin.serial = get_u64(bytes + 8);
		entry->origin.node = get_u32(bytes + 16);
		entry->origin.slot = get_u32(bytes + 20);
		entry->size = get_u32(bytes + 24);
		entry->kind = (uint8_t) get_u32(bytes + 28);
		if ((entry->data = take(rest, entry->size)) == NULL ||
			get_u32(bytes + 28) == 0 || get_u32(bytes + 28) > UINT8_MAX)
			return false;
	}
	record->event.u.propose.entries = record->entries;
	record->event.u.propose.n_entries = n_entries;
	return true;
}

/* What an event of this type carries. */
static bool
get_event(Rest *rest, RaftEventRecord *record)
{
	RaftEvent  *event = &record->event;
	const uint8_t *bytes;

	switch (event->type)
	{
		case RAFT_EVENT_TICK:
			return true;
		case RAFT_EVENT_BOOT:
			return get_boot(rest, record);
		case RAFT_EVENT_RECEIVE:
			return get_message(rest, record);
		case RAFT_EVENT_PROPOSE:
			return get_proposed(rest, record);
		case RAFT_EVENT_WRITE_DURABLE:
		case RAFT_EVENT_WRITE_FAILED:
			if ((bytes = take(rest, 8)) != NULL)
				event->u.op = get_u64(bytes);
			return bytes != NULL;
		case RAFT_EVENT_APPLIED:
			if ((bytes = take(rest, 16)) == NULL)
				return false;
			event->u.applied.visible = get_u64(bytes);
			event->u.applied.durable = get_u64(bytes + 8);
			return true;
		case RAFT_EVENT_COMPACTED:
			if ((bytes = take(rest, 8)) != NULL)
				event->u.compacted = get_u64(bytes);
			return bytes != NULL;
		case RAFT_EVENT_PEER_UNREACHABLE:
			if ((bytes = take(rest, 4)) != NULL)
				event->u.peer = get_u32(bytes);
			return bytes != NULL;
		case RAFT_EVENT_SETTINGS:
			if ((bytes = take(rest, RAFT_EVENTLOG_SETTINGS)) == NULL)
				return false;
			get_settings(bytes, &record->settings);
			event->u.settings = &record->settings;
			return true;
	}
	return false;
}

static bool
get_answers(Rest *rest, RaftEventRecord *record)
{
	if (record->n_answers > RAFT_MAX_ACTIONS)
		return false;
	for (uint32_t i = 0; i < record->n_answers; i++)
	{
		const uint8_t *bytes = take(rest, RAFT_EVENTLOG_ANSWER);
		RaftBatchAnswer *answer = &record->answers[i];

		if (bytes == NULL)
			return false;
		answer->first = get_u64(bytes);
		answer->last = answer->first + get_u32(bytes + 8) - 1;
		answer->end = answer->first + get_u32(bytes + 12) - 1;
		answer->bytes = get_u32(bytes + 16);
	}
	return true;
}

RaftDecodeResult
raft_eventlog_decode(const uint8_t *bytes, size_t available, RaftEventRecord *record,
					 uint32_t *length)
{
	Rest		rest;
	uint32_t	size;

	if (available < RAFT_EVENTLOG_RECORD)
		return RAFT_DECODE_SHORT;
	size = get_u32(bytes);
	if (get_u32(bytes + 4) != raft_host_crc32c(0, bytes, 4))
		return RAFT_DECODE_CHECKSUM;
	if (size < RAFT_EVENTLOG_RECORD)
		return RAFT_DECODE_LENGTH;
	if (size > available)
		return RAFT_DECODE_SHORT;
	if (get_u32(bytes + 8) != raft_host_crc32c(0, bytes + 12, size - 12))
		return RAFT_DECODE_CHECKSUM;

	record->event = (RaftEvent) {.type = (RaftEventType) bytes[12], .now = get_u64(bytes + 16)};
	record->complete = bytes[13] == 1;
	record->n_answers = get_u16(bytes + 14);
	rest.bytes = bytes + RAFT_EVENTLOG_RECORD;
	rest.size = size - RAFT_EVENTLOG_RECORD;
	if (bytes[13] > 1 || !get_event(&rest, record) || !get_answers(&rest, record))
		return RAFT_DECODE_MALFORMED;
	if (rest.size != (record->complete ? RAFT_EVENTLOG_DIGEST : 0))
		return RAFT_DECODE_LENGTH;
	record->digest = record->complete ? get_u64(rest.bytes) : 0;
	*length = size;
	return RAFT_DECODE_OK;
}
