/*-------------------------------------------------------------------------
 *
 * recording.c
 *	  Records the nodes of a run as a server records its own (src/node/recorder.c),
 *	  so that replays can be tried on runs that have every kind of fault.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "replay.h"

static uint8_t *
enlarge(Recording *recording, size_t bytes)
{
	uint8_t    *place;

	while (recording->capacity - recording->size < bytes)
	{
		recording->capacity = recording->capacity == 0 ? 64 * 1024 : recording->capacity * 2;
		recording->bytes = realloc(recording->bytes, recording->capacity);
		if (recording->bytes == NULL)
			abort();
	}
	place = recording->bytes + recording->size;
	recording->size += bytes;
	return place;
}

/* A node starts. */
void
recording_begin(Lab *lab, const RaftInit *init)
{
	Recordings *recordings = lab->recordings;
	RaftEventLogHeader header = {
		.self = init->self, .boot = init->boot, .seed = init->seed, .settings = init->settings
	};
	Recording  *recording;

	if (recordings->n == lengthof(recordings->item))
		lab_fail(lab, 0, "more than %zu starts of a node", recordings->n);
	recordings->of_node[init->self] = recordings->n;
	recording = &recordings->item[recordings->n++];
	recording->size = 0;
	recording->open = 0;
	recording->digest = 0;
	recording->losses = lab->nodes[init->self].losses;
	memcpy(header.group, lab_group, sizeof(header.group));
	raft_eventlog_header(enlarge(recording, RAFT_EVENTLOG_HEADER), &header);
}

static Recording *
recording_of(Lab *lab, RaftNodeId node)
{
	return &lab->recordings->item[lab->recordings->of_node[node]];
}

/* The frame of a message, in memory of the run. */
uint8_t *
recording_frame(const RaftMessage *message, size_t *size)
{
	uint8_t    *frame;
	size_t		at = RAFT_FRAME_HEADER;

	*size = RAFT_FRAME_HEADER;
	for (uint32_t i = 0; i < message->n_entries; i++)
		*size += RAFT_RECORD_HEADER + message->entries[i].size;
	frame = run_alloc(*size);
	raft_frame_header(frame, lab_group, message, (uint32_t) (*size - RAFT_FRAME_HEADER));
	for (uint32_t i = 0; i < message->n_entries; i++)
	{
		const RaftEntry *entry = &message->entries[i];

		raft_record_header(frame + at, message->log_index + 1 + i, entry);
		if (entry->size > 0)
			memcpy(frame + at + RAFT_RECORD_HEADER, entry->data, entry->size);
		at += RAFT_RECORD_HEADER + entry->size;
	}
	return frame;
}

/* Ends the open record; digest: NULL when the step does not return. */
static void
finish(Recording *recording, const uint64_t *digest)
{
	size_t		size = recording->size - recording->open;

	enlarge(recording, RAFT_EVENTLOG_DIGEST);
	recording->size = recording->open +
		raft_eventlog_finish(recording->bytes + recording->open, size, recording->n_answers, digest);
	recording->open = 0;
}

/* raft_step(), recorded. */
const RaftActions *
recording_step(Lab *lab, Node *node, const RaftEvent *event)
{
	Recording  *recording = recording_of(lab, node->id);
	size_t		frame_size = 0;
	uint8_t    *frame = event->type == RAFT_EVENT_RECEIVE ?
		recording_frame(event->u.receive.message, &frame_size) : NULL;
	const RaftActions *actions;

	recording->open = recording->size;
	recording->n_answers = 0;
	raft_eventlog_event(enlarge(recording, raft_eventlog_event_size(event, frame_size)), event,
						frame, frame_size);
	actions = raft_step(node->core, event);
	recording->digest = raft_eventlog_digest(recording->digest, event, actions);
	finish(recording, &recording->digest);
	return actions;
}

/* The run has ended, maybe within a step. */
void
recordings_close(Recordings *recordings)
{
	for (size_t i = 0; i < recordings->n; i++)
		if (recordings->item[i].open != 0)
			finish(&recordings->item[i], NULL);
}

/* The node's log answers the core. */
void
recording_answer(Lab *lab, RaftNodeId node, const RaftBatchAnswer *answer)
{
	Recording  *recording = recording_of(lab, node);

	raft_eventlog_answer(enlarge(recording, RAFT_EVENTLOG_ANSWER), answer);
	recording->n_answers++;
}

void
recordings_free(Recordings *recordings)
{
	for (size_t i = 0; i < lengthof(recordings->item); i++)
		free(recordings->item[i].bytes);
	memset(recordings, 0, sizeof(*recordings));
}
