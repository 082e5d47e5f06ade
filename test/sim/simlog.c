/*-------------------------------------------------------------------------
 *
 * simlog.c
 *	  A log of encoded records.  Each node has two: the one in memory, which
 *	  the core has been told about, and the one on its disk.
 *
 * Records are kept as the bytes that the real server writes, so every entry of
 * every run goes through the real encoder and, on a restart or on the wire,
 * through the real decoder.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "lab.h"

uint64_t
lab_hash(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (; size >= 8; size -= 8, p += 8)
	{
		uint64_t	word;

		memcpy(&word, p, 8);
		hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 29;
	}
	for (; size > 0; size--, p++)
		hash = (hash ^ *p) * UINT64_C(1099511628211);
	return hash ^ (hash >> 32);
}

bool
simlog_has(const SimLog *log, RaftIndex index)
{
	return index >= log->first && index <= log->last;
}

const LogEntry *
simlog_at(const SimLog *log, RaftIndex index)
{
	if (index != 0 && index + 1 == log->first)
		return &log->base;
	if (!simlog_has(log, index))
		lab_fail(current_lab, 0, "host asked for entry %llu outside of its log %llu..%llu",
				 (unsigned long long) index, (unsigned long long) log->first,
				 (unsigned long long) log->last);
	return &log->entries[index - 1];
}

RaftTerm
simlog_term(const SimLog *log, RaftIndex index)
{
	if (index == 0 || (!simlog_has(log, index) && index + 1 != log->first))
		return 0;
	return simlog_at(log, index)->term;
}

void
simlog_append(SimLog *log, const LogEntry *entry)
{
	if (log->last == log->capacity)
	{
		size_t		capacity = log->capacity == 0 ? 64 : log->capacity * 2;
		LogEntry   *entries = run_alloc(capacity * sizeof(LogEntry));

		if (log->last > 0)
			memcpy(entries, log->entries, log->last * sizeof(LogEntry));
		log->entries = entries;
		log->capacity = capacity;
	}
	log->entries[log->last++] = *entry;
}

void
simlog_truncate(SimLog *log, RaftIndex from)
{
	if (from < log->first)
		lab_fail(current_lab, 15, "truncation from %llu in a log that begins at %llu",
				 (unsigned long long) from, (unsigned long long) log->first);
	while (log->last >= from)
		memset(&log->entries[--log->last], 0, sizeof(LogEntry));
}

/* Drops entries up to an index; what they were must not be needed again. */
void
simlog_compact(SimLog *log, RaftIndex upto)
{
	for (RaftIndex i = log->first; i <= upto; i++)
	{
		LogEntry   *entry = &log->entries[i - 1];

		log->base = *entry;
		if (entry->kind == RAFT_ENTRY_CONFIG)
		{
			log->config = *entry;
			log->config_index = i;
		}
		memset(entry, 0, sizeof(*entry));
		log->first = i + 1;
	}
}

/* Encodes an entry that is to stand at index, after the log's present end. */
LogEntry
simlog_make_entry(const SimLog *log, RaftIndex index, const RaftEntry *entry)
{
	LogEntry	result = {0};
	uint8_t    *record = run_alloc(RAFT_RECORD_HEADER + entry->size);
	const LogEntry *previous = NULL;

	if (index != log->last + 1)
		lab_fail(current_lab, 0, "entry for index %llu does not follow %llu",
				 (unsigned long long) index, (unsigned long long) log->last);
	if (index > 1)
		previous = simlog_at(log, index - 1);
	raft_record_header(record, index, entry);
	if (entry->size > 0)
		memcpy(record + RAFT_RECORD_HEADER, entry->data, entry->size);
	result.term = entry->term;
	result.origin = entry->origin;
	result.kind = entry->kind;
	result.length = RAFT_RECORD_HEADER + entry->size;
	result.record = record;
	result.digest = lab_hash(0, record, result.length);
	result.chain = lab_hash(previous ? previous->chain : 0, &result.digest, 8);
	result.commands = (previous ? previous->commands : 0) +
		(entry->kind == RAFT_ENTRY_COMMAND ? 1 : 0);
	return result;
}
