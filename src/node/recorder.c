/*-------------------------------------------------------------------------
 *
 * recorder.c
 *	  Recording: what this node's core is given, in a file that the laboratory
 *	  can replay (wire/eventlog.h, test/sim/replay.c).
 *
 * One file for each start of the node worker, since a replay has to begin where
 * the core began.  Records gather in a buffer and leave once per turn, after the
 * turn's messages.  The file is not flushed to disk: it is there to explain
 * what happened, nothing depends on it.  So nothing that fails here is an
 * error: recording ends with a warning, and the node goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <sys/stat.h>
#include <sys/time.h>

#include "miscadmin.h"
#include "node/node.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "wire/eventlog.h"

#define EVENTS_DIRECTORY	"raft_pg_events"	/* below the data directory */
#define BUFFER_BYTES		(256 * 1024)

struct RaftRecorder
{
	RaftNode   *node;
	File		file;
	char		path[MAXPGPATH];
	off_t		size;			/* of the file */
	uint64		digest;			/* of all steps so far */

	uint8	   *buffer;
	Size		capacity;
	Size		used;			/* whole records, and the open one */

	bool		open;			/* a step is under way */
	Size		record;			/* where its record begins */
	uint32		n_answers;
};

/* The setting as it was seen last. */
static bool wanted = false;

/* Ends the recording.  The recorder itself stays: the core may ask it about batches. */
static void
end_recording(RaftRecorder *recorder)
{
	FileClose(recorder->file);
	recorder->node->recorder = NULL;
	recorder->open = false;
}

/* Writes what is in the buffer; the open record, if any, has to be finished or dropped before. */
static void
write_buffer(RaftRecorder *recorder)
{
	static uint32 wait_event = 0;
	int			written;

	if (recorder->used == 0)
		return;
	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftRecordWrite");

	written = FileWrite(recorder->file, (char *) recorder->buffer, recorder->used,
						recorder->size, wait_event);
	if (written < 0 || (Size) written != recorder->used)
	{
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not write to file \"%s\": %m", recorder->path),
				 errdetail("Events of node \"%s\" are no longer recorded.", recorder->node->name)));
		end_recording(recorder);
		return;
	}
	recorder->size += written;
	recorder->used = 0;

	if (recorder->size >= (off_t) raft_record_events_limit_mb * 1024 * 1024)
	{
		ereport(LOG,
				(errmsg("file \"%s\" has reached \"raft_pg.record_events_limit\" (%d MB)",
						recorder->path, raft_record_events_limit_mb),
				 errdetail("Events of node \"%s\" are no longer recorded.", recorder->node->name)));
		end_recording(recorder);
	}
}

/* Room for that many more bytes.  False when there is none: then recording has ended. */
static bool
reserve(RaftRecorder *recorder, Size bytes)
{
	Size		capacity = recorder->capacity;
	uint8	   *buffer;

	if (bytes <= capacity - recorder->used)
		return true;
	while (capacity - recorder->used < bytes)
		capacity *= 2;

	buffer = MemoryContextAllocExtended(TopMemoryContext, capacity,
										MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (buffer == NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Events of node \"%s\" are no longer recorded.", recorder->node->name)));
		end_recording(recorder);
		return false;
	}
	memcpy(buffer, recorder->buffer, recorder->used);
	pfree(recorder->buffer);
	recorder->buffer = buffer;
	recorder->capacity = capacity;
	return true;
}

/* --- a step --- */

/* RaftBatchEnd: the log's answer, which a replay could not know. */
static RaftIndex
answer_batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes, uint32_t *bytes)
{
	RaftRecorder *recorder = arg;
	RaftIndex	end = raft_log_batch_end(recorder->node->reader, first, last, max_bytes, bytes);
	RaftBatchAnswer answer = {.first = first, .last = last, .end = end, .bytes = *bytes};

	if (recorder->open && reserve(recorder, RAFT_EVENTLOG_ANSWER))
	{
		raft_eventlog_answer(recorder->buffer + recorder->used, &answer);
		recorder->used += RAFT_EVENTLOG_ANSWER;
		recorder->n_answers++;
	}
	return end;
}

/* digest: NULL when the step does not return. */
static void
finish_record(RaftRecorder *recorder, const uint64 *digest)
{
	if (!recorder->open || !reserve(recorder, RAFT_EVENTLOG_DIGEST))
		return;
	recorder->used = recorder->record +
		raft_eventlog_finish(recorder->buffer + recorder->record,
							 recorder->used - recorder->record, recorder->n_answers, digest);
	recorder->open = false;
}

static void
begin_record(RaftRecorder *recorder, const RaftEvent *event)
{
	const uint8 *frame = recorder->node->frame;
	Size		frame_size = event->type == RAFT_EVENT_RECEIVE ? raft_frame_length(frame) : 0;
	Size		size = raft_eventlog_event_size(event, frame_size);

	if (!reserve(recorder, size))
		return;
	recorder->open = true;
	recorder->record = recorder->used;
	recorder->n_answers = 0;
	raft_eventlog_event(recorder->buffer + recorder->used, event, frame, frame_size);
	recorder->used += size;
}

const RaftActions *
raft_recorder_step(RaftNode *node, const RaftEvent *event)
{
	RaftRecorder *recorder = node->recorder;
	const RaftActions *actions;

	if (recorder->used >= BUFFER_BYTES)
		write_buffer(recorder);
	if (node->recorder != NULL)
		begin_record(recorder, event);
	actions = raft_step(node->core, event);

	recorder->digest = raft_eventlog_digest(recorder->digest, event, actions);
	finish_record(recorder, &recorder->digest);
	return actions;
}

void
raft_recorder_flush(RaftNode *node)
{
	if (node->recorder != NULL)
		write_buffer(node->recorder);
}

/* --- begin and end --- */

/*
 * Every ERROR ends the process.  One thrown within a step, as by an assertion of the
 * core, leaves an open record: its event is the one that matters.
 */
static void
at_exit(int code, Datum arg)
{
	RaftNode   *node = (RaftNode *) DatumGetPointer(arg);

	if (node->recorder != NULL)
		finish_record(node->recorder, NULL);
	raft_recorder_flush(node);
}

/* Opens the file; -1, after a warning, when that fails. */
static File
open_file(const char *path)
{
	File		file;

	if (MakePGDirectory(EVENTS_DIRECTORY) < 0 && errno != EEXIST)
	{
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", EVENTS_DIRECTORY),
				 errdetail("Raft events are not recorded.")));
		return -1;
	}
	file = PathNameOpenFile(path, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	if (file < 0)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path),
				 errdetail("Raft events are not recorded.")));
	return file;
}

static void
write_header(RaftRecorder *recorder, const RaftInit *init)
{
	RaftEventLogHeader header = {.self = init->self, .boot = init->boot, .seed = init->seed,
	.settings = init->settings};
	struct timeval tv;

	gettimeofday(&tv, NULL);
	header.clock = (uint64) tv.tv_sec * 1000000 + (uint64) tv.tv_usec;
	memcpy(header.group, recorder->node->group->group_id, sizeof(header.group));
	raft_eventlog_header(recorder->buffer, &header);
	recorder->used = RAFT_EVENTLOG_HEADER;
}

void
raft_recorder_start(RaftNode *node, RaftInit *init)
{
	RaftRecorder *recorder;

	wanted = raft_record_events;
	if (!wanted)
		return;

	recorder = MemoryContextAllocZero(TopMemoryContext, sizeof(RaftRecorder));
	snprintf(recorder->path, sizeof(recorder->path), "%s/db%u-node%u-boot%llu.events",
			 EVENTS_DIRECTORY, MyDatabaseId, init->self, (unsigned long long) init->boot);
	recorder->file = open_file(recorder->path);
	if (recorder->file < 0)
	{
		pfree(recorder);
		return;
	}
	recorder->node = node;
	recorder->capacity = 2 * BUFFER_BYTES;
	recorder->buffer = MemoryContextAlloc(TopMemoryContext, recorder->capacity);
	write_header(recorder, init);

	init->batch_end = answer_batch_end;
	init->batch_end_arg = recorder;
	node->recorder = recorder;
	before_shmem_exit(at_exit, PointerGetDatum(node));
	ereport(LOG,
			(errmsg("recording events of Raft node \"%s\" in file \"%s\"",
					node->name, recorder->path)));
}

void
raft_recorder_reload(RaftNode *node)
{
	if (raft_record_events == wanted)
		return;
	wanted = raft_record_events;

	if (!wanted && node->recorder != NULL)
	{
		RaftRecorder *recorder = node->recorder;

		write_buffer(recorder);
		if (node->recorder == NULL)
			return;
		ereport(LOG,
				(errmsg("stopped recording events of Raft node \"%s\"", node->name)));
		end_recording(recorder);
	}
	else if (wanted && node->recorder == NULL)
		ereport(LOG,
				(errmsg("events of Raft node \"%s\" will be recorded after its next start",
						node->name),
				 errhint("Call raft_stop() and raft_start(), or restart the server.")));
}
