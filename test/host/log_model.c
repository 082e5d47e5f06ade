/*-------------------------------------------------------------------------
 *
 * log_model.c
 *	  What a log is to hold, in memory, and changes drawn from a seed.
 *
 *-------------------------------------------------------------------------
 */
#include "log_model.h"

static uint32
draw(LogModel *model, uint32 n)
{
	return (uint32) pg_prng_uint64_range(&model->random, 0, n - 1);
}

const ModelEntry *
log_model_entry(const LogModel *model, RaftIndex index)
{
	return &model->entries[index % MODEL_ENTRIES];
}

uint64
log_model_free(const LogModel *model)
{
	return (uint64) model->n_pages * RAFT_PAGE_PAYLOAD -
		(model->tail - raft_page_start(raft_page_of(model->first_pos)));
}

RaftIndex
log_model_config_below(const LogModel *model, RaftIndex index)
{
	while (index >= model->first && log_model_entry(model, index)->kind != RAFT_ENTRY_CONFIG)
		index--;
	return index >= model->first ? index : model->base_config;
}

/* --- entries --- */

static uint32
build_config(uint8 *out, uint64 serial)
{
	static const char conninfo[RAFT_MAX_CONNINFO];
	RaftMemberInfo members[RAFT_MAX_MEMBERS] = {0};
	uint32		n = 1 + (serial + 1) % RAFT_MAX_MEMBERS;	/* a new log changes one of a single member */
	char		names[RAFT_MAX_MEMBERS][16];

	for (uint32 i = 0; i < n; i++)
	{
		snprintf(names[i], sizeof(names[i]), "n%u", (uint32) (serial * 100 + i) % 1000000);
		members[i].id = i + 1;
		members[i].log_id = serial + 1;
		members[i].flags = RAFT_MEMBER_VOTER;
		members[i].name = names[i];
		members[i].name_size = strlen(names[i]);
		members[i].conninfo = conninfo;
		members[i].conninfo_size = (serial * 37 + i * 11) % (RAFT_MAX_CONNINFO + 1);
	}
	return (uint32) raft_config_encode(out, RAFT_MAX_CONFIG_BYTES, members, n);
}

void
log_model_data(StringInfo out, const ModelEntry *entry)
{
	uint8		config[RAFT_MAX_CONFIG_BYTES];

	if (entry->kind == RAFT_ENTRY_CONFIG)
	{
		(void) build_config(config, entry->serial);
		appendBinaryStringInfo(out, (char *) config, entry->size);
		return;
	}
	enlargeStringInfo(out, entry->size);
	for (uint32 i = 0; i < entry->size; i++)
		out->data[out->len + i] = (char) (entry->serial * 31 + i * 7 + (i >> 8));
	out->len += entry->size;
	out->data[out->len] = '\0';
}

void
log_model_record(StringInfo out, RaftIndex index, const ModelEntry *entry)
{
	RaftEntry	decoded = {.term = entry->term,.kind = entry->kind,.size = entry->size};
	int			start = out->len;

	/* a new log has made its first one itself */
	if (entry->serial != 0)
	{
		decoded.clock = 1000000 + entry->serial;
		decoded.origin.node = 1;
		decoded.origin.serial = entry->serial;
		decoded.origin.slot = entry->serial % 7;
	}
	enlargeStringInfo(out, RAFT_RECORD_HEADER + entry->size);
	out->len += RAFT_RECORD_HEADER;
	log_model_data(out, entry);
	decoded.data = (uint8 *) out->data + start + RAFT_RECORD_HEADER;
	raft_record_header((uint8 *) out->data + start, index, &decoded);
}

void
log_model_init(LogModel *model, uint64 seed)
{
	uint8		config[RAFT_MAX_CONFIG_BYTES];
	ModelEntry *entry = &model->entries[1];

	memset(model, 0, sizeof(*model));
	pg_prng_seed(&model->random, seed);
	model->n_pages = 6 + draw(model, 20);
	model->term = 1;
	model->first = model->last = 1;
	model->next_serial = 1;
	entry->term = 1;
	entry->kind = RAFT_ENTRY_CONFIG;
	entry->size = build_config(config, 0);
	model->tail = RAFT_RECORD_HEADER + entry->size;
}

/* --- changes --- */

/* Bytes of data of a record that begins at pos and may take room bytes altogether. */
static uint32
draw_size(LogModel *model, uint64 pos, uint64 room)
{
	uint64		to_boundary = RAFT_PAGE_PAYLOAD - (pos + RAFT_RECORD_HEADER) % RAFT_PAGE_PAYLOAD;
	uint64		most = room - RAFT_RECORD_HEADER;
	uint64		size;

	switch (draw(model, 32))
	{
		case 0:
			size = most;		/* all there is */
			break;
		case 1:
			size = draw(model, 4 * RAFT_PAGE_PAYLOAD);
			break;
		case 2:
			size = to_boundary; /* the next record begins a page */
			break;
		case 3:
			size = to_boundary + draw(model, 9) - Min(to_boundary, 4);	/* or nearly so */
			break;
		case 4:
		case 5:
		case 6:
		case 7:
			size = draw(model, 3000);
			break;
		default:
			size = draw(model, 200);
			break;
	}
	return (uint32) Min(size, most);
}

static void
draw_entries(LogModel *model, LogChange *change, RaftTerm low, uint64 pos, uint64 room)
{
	uint8		config[RAFT_MAX_CONFIG_BYTES];
	uint32		n = draw(model, 8) == 0 ? draw(model, MAX_CHANGE + 1) : draw(model, 8);
	RaftWrite  *write = &change->write;

	while (write->n_entries < n && room >= RAFT_RECORD_HEADER)
	{
		ModelEntry *entry = &change->entries[write->n_entries];

		entry->serial = model->next_serial++;
		entry->kind = RAFT_ENTRY_COMMAND;
		entry->size = draw_size(model, pos, room);
		if (draw(model, 25) == 0)
		{
			uint32		size = build_config(config, entry->serial);

			if (RAFT_RECORD_HEADER + size <= room)
			{
				entry->kind = RAFT_ENTRY_CONFIG;
				entry->size = size;
			}
		}
		/* mostly of this term, else of one that a new leader had met before */
		entry->term = draw(model, 4) == 0 ? low + draw(model, (uint32) (write->term - low + 1)) : write->term;
		low = entry->term;
		entry->pos = pos;
		pos += RAFT_RECORD_HEADER + entry->size;
		room -= RAFT_RECORD_HEADER + entry->size;
		write->n_entries++;
	}
}

static void
draw_write(LogModel *model, LogChange *change)
{
	RaftWrite  *write = &change->write;
	RaftIndex	low = Max(model->commit + 1, model->first);
	uint64		pos = model->tail;
	uint64		room = log_model_free(model);

	write->term = model->term + (draw(model, 4) == 0 ? 1 + draw(model, 3) : 0);
	write->vote = write->term > model->term || draw(model, 10) == 0 ? draw(model, 4) : model->vote;
	write->first = model->last + 1;
	if (draw(model, 4) == 0 && low <= model->last)
	{
		write->truncate_from = write->first = model->last - draw(model, (uint32) Min(model->last - low + 1, 60));
		pos = log_model_entry(model, write->first)->pos;
		room += model->tail - pos;
	}
	else if (draw(model, 30) == 0)
		write->truncate_from = model->last + 1; /* there is nothing to cut off */

	if (draw(model, 6) > 0)
		draw_entries(model, change,
					 write->first > model->first ? log_model_entry(model, write->first - 1)->term : model->base_term,
					 pos, room);
	if (draw(model, 3) == 0)
		change->commit = model->commit + draw(model, 20);
}

void
log_model_draw(LogModel *model, LogChange *change)
{
	bool		full = log_model_free(model) < (uint64) model->n_pages * RAFT_PAGE_PAYLOAD / 4;

	change->compact = 0;
	change->commit = 0;
	memset(&change->write, 0, sizeof(change->write));
	if (model->first <= model->last && draw(model, full ? 3 : 40) == 0)
		change->compact = draw(model, 8) == 0 ? model->last :
			model->first + draw(model, (uint32) (model->last - model->first + 1));
	else
		draw_write(model, change);
}

static void
compact(LogModel *model, RaftIndex index)
{
	RaftIndex	config = log_model_config_below(model, index);
	const ModelEntry *entry = log_model_entry(model, index);

	if (config >= model->first)
	{
		model->base_config = config;
		model->base_config_entry = *log_model_entry(model, config);
	}
	model->base_term = entry->term;
	model->first_pos = entry->pos + RAFT_RECORD_HEADER + entry->size;
	model->first = index + 1;
	model->commit = Max(model->commit, index);
}

void
log_model_apply(LogModel *model, const LogChange *change)
{
	const RaftWrite *write = &change->write;

	if (change->compact != 0)
	{
		compact(model, change->compact);
		return;
	}
	model->term = write->term;
	model->vote = write->vote;
	if (write->truncate_from != 0 && write->truncate_from <= model->last)
	{
		model->tail = log_model_entry(model, write->truncate_from)->pos;
		model->last = write->truncate_from - 1;
	}
	for (uint32 i = 0; i < write->n_entries; i++)
	{
		const ModelEntry *entry = &change->entries[i];

		model->entries[++model->last % MODEL_ENTRIES] = *entry;
		model->tail = entry->pos + RAFT_RECORD_HEADER + entry->size;
	}
	model->commit = Max(model->commit, Min(change->commit, model->last));
}
