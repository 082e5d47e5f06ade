/*-------------------------------------------------------------------------
 *
 * ring.c
 *	  The hot tail of the log: a byte ring in shared memory, and a ring with the
 *	  position of each of its records.
 *
 * One process writes, the node worker; any process reads, without locks.  A
 * reader copies first and asks afterwards whether what it copied was still
 * there.  Three fields answer:
 *
 *	bytes_low		positions below it may have been overwritten
 *	slots_low		indexes below it have lost their place among the positions
 *	generation		grows after each truncation: what lies behind the new tail
 *					will be overwritten by other records at the same positions
 *
 * The writer moves them, then overwrites, then raises last_index, with a write
 * barrier between each two; a reader goes the opposite way.  So a reader that
 * caught a single overwritten byte finds one of the three moved.
 *
 * A truncation first takes the tail back and only then raises the generation:
 * in the other order a reader could take the new generation together with the
 * old last index, and would trust what the next append overwrites.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "host_mutants.h"
#include "log/ring.h"
#include "utils/memutils.h"

/*
 * One position per this many bytes of ring: records are at least
 * RAFT_RECORD_HEADER long, and an application's hardly below this.
 */
#define BYTES_PER_SLOT		64

StaticAssertDecl(UINT64CONST(1024) * RAFT_MAX_RING_SIZE_KB * 2 < PG_UINT32_MAX &&
				 sizeof(pg_atomic_uint64) <= BYTES_PER_SLOT,
				 "a length within the ring is a Size, also where that has 32 bits");

struct RaftLogShared
{
	/* changed only while not ready */
	pg_atomic_uint32 ready;
	uint32		n_pages;
	RaftRelFile file;
	uint64		ring_bytes;
	uint64		n_slots;

	pg_atomic_uint64 generation;
	pg_atomic_uint64 first_index;
	pg_atomic_uint64 first_pos;
	pg_atomic_uint64 last_index;
	pg_atomic_uint64 tail;
	pg_atomic_uint64 bytes_low;
	pg_atomic_uint64 slots_low;

	/* start of record i in slot i % n_slots, for slots_low .. last_index + 1 */
	pg_atomic_uint64 slots[FLEXIBLE_ARRAY_MEMBER];
	/* then the ring: byte at position p in p % ring_bytes */
};

static uint64
configured_ring_bytes(void)
{
	return (uint64) raft_ring_size_kb * 1024;
}

static uint64
configured_slots(void)
{
	return configured_ring_bytes() / BYTES_PER_SLOT;
}

Size
raft_log_shmem_size(void)
{
	Size		size = offsetof(RaftLogShared, slots);

	size = add_size(size, mul_size(configured_slots(), sizeof(pg_atomic_uint64)));
	return add_size(size, configured_ring_bytes());
}

void
raft_log_shmem_init(void *memory)
{
	RaftLogShared *shared = memory;

	memset(shared, 0, offsetof(RaftLogShared, slots));
	shared->ring_bytes = configured_ring_bytes();
	shared->n_slots = configured_slots();
	pg_atomic_init_u32(&shared->ready, 0);
	pg_atomic_init_u64(&shared->generation, 0);
	pg_atomic_init_u64(&shared->first_index, 1);
	pg_atomic_init_u64(&shared->first_pos, 0);
	pg_atomic_init_u64(&shared->last_index, 0);
	pg_atomic_init_u64(&shared->tail, 0);
	pg_atomic_init_u64(&shared->bytes_low, 0);
	pg_atomic_init_u64(&shared->slots_low, 1);
	for (uint64 i = 0; i < shared->n_slots; i++)
		pg_atomic_init_u64(&shared->slots[i], 0);
}

static inline pg_atomic_uint64 *
slot_of(RaftLogShared *shared, RaftIndex index)
{
	return &shared->slots[index % shared->n_slots];
}

static inline char *
ring_of(RaftLogShared *shared)
{
	return (char *) &shared->slots[shared->n_slots];
}

/* Grows only; returns whether it did. */
static bool
advance(pg_atomic_uint64 *field, uint64 value)
{
	if (pg_atomic_read_u64(field) >= value)
		return false;
	pg_atomic_write_u64(field, value);
	return true;
}

/* --- the writer --- */

static void
next_generation(RaftLogShared *shared)
{
	pg_write_barrier();
	pg_atomic_write_u64(&shared->generation,
						pg_atomic_read_u64(&shared->generation) + 1);
	pg_write_barrier();
}

void
raft_ring_reset(RaftLogShared *shared, RaftRelFile file, uint32 n_pages,
				RaftIndex first_index, uint64 first_pos)
{
	pg_atomic_write_u32(&shared->ready, 0);
	next_generation(shared);

	shared->file = file;
	shared->n_pages = n_pages;
	pg_atomic_write_u64(&shared->first_index, first_index);
	pg_atomic_write_u64(&shared->first_pos, first_pos);
	pg_atomic_write_u64(&shared->last_index, first_index - 1);
	pg_atomic_write_u64(&shared->tail, first_pos);
	pg_atomic_write_u64(&shared->bytes_low, first_pos);
	pg_atomic_write_u64(&shared->slots_low, first_index);
	pg_atomic_write_u64(slot_of(shared, first_index), first_pos);
}

void
raft_ring_set_ready(RaftLogShared *shared)
{
	pg_write_barrier();
	pg_atomic_write_u32(&shared->ready, 1);
}

/* Copies bytes to pos; of more than the ring holds only the end. */
static void
copy_in(RaftLogShared *shared, uint64 pos, const char *data, Size size)
{
	uint64		offset;
	Size		part;

	if (size > shared->ring_bytes)
	{
		Size		skip = size - shared->ring_bytes;

		pos += skip;
		data += skip;
		size -= skip;
	}
	offset = pos % shared->ring_bytes;
	part = Min(size, shared->ring_bytes - offset);
	memcpy(ring_of(shared) + offset, data, part);
	memcpy(ring_of(shared), data + part, size - part);
}

void
raft_ring_append(RaftLogShared *shared, RaftIndex first, uint32 n,
				 const char *records, Size size)
{
	uint64		pos = pg_atomic_read_u64(&shared->tail);
	uint64		end = pos + size;
	RaftIndex	next = first + n;
	const char *record = records;

	Assert(first == pg_atomic_read_u64(&shared->last_index) + 1);

	if (end > shared->ring_bytes && !RAFT_HOST_MUTANT(LOG_RING_LOW_KEPT))
		advance(&shared->bytes_low, end - shared->ring_bytes);
	if (next >= shared->n_slots && !RAFT_HOST_MUTANT(LOG_SLOTS_LOW_KEPT))
		advance(&shared->slots_low, next - shared->n_slots + 1);
	pg_write_barrier();

	copy_in(shared, pos, records, size);
	for (RaftIndex i = first; i < next; i++)
	{
		pg_atomic_write_u64(slot_of(shared, i), pos + (record - records));
		record += raft_record_length((const uint8 *) record);
	}
	pg_atomic_write_u64(slot_of(shared, next), end);
	pg_atomic_write_u64(&shared->tail, end);
	pg_write_barrier();

	pg_atomic_write_u64(&shared->last_index, next - 1);
}

void
raft_ring_truncate(RaftLogShared *shared, RaftIndex index, uint64 pos)
{
	pg_atomic_write_u64(&shared->last_index, index - 1);
	pg_atomic_write_u64(&shared->tail, pos);
	if (!RAFT_HOST_MUTANT(LOG_GENERATION_KEPT))
		next_generation(shared);

	/* cut below what the ring holds: it begins anew, empty */
	if (pg_atomic_read_u64(&shared->bytes_low) > pos)
		pg_atomic_write_u64(&shared->bytes_low, pos);
	if (pg_atomic_read_u64(&shared->slots_low) > index)
		pg_atomic_write_u64(&shared->slots_low, index);
	pg_atomic_write_u64(slot_of(shared, index), pos);
	pg_write_barrier();
}

void
raft_ring_compact(RaftLogShared *shared, RaftIndex first_index, uint64 first_pos)
{
	pg_atomic_write_u64(&shared->first_pos, first_pos);
	pg_write_barrier();
	pg_atomic_write_u64(&shared->first_index, first_index);
	pg_write_barrier();
}

/* --- readers --- */

bool
raft_ring_view(RaftLogShared *shared, RaftRelFile file, RaftLogView *view)
{
	view->shared = true;
	view->generation = pg_atomic_read_u64(&shared->generation);
	pg_read_barrier();
	if (pg_atomic_read_u32(&shared->ready) == 0)
		return false;
	pg_read_barrier();
	if (memcmp(&shared->file, &file, sizeof(RaftRelFile)) != 0)
		return false;
	view->n_pages = shared->n_pages;

	/* each bound before the position that belongs to it: see pages.c */
	view->first_index = pg_atomic_read_u64(&shared->first_index);
	view->last_index = pg_atomic_read_u64(&shared->last_index);
	pg_read_barrier();
	view->first_pos = pg_atomic_read_u64(&shared->first_pos);
	view->tail = pg_atomic_read_u64(&shared->tail);
	return true;
}

bool
raft_ring_unchanged(RaftLogShared *shared, const RaftLogView *view)
{
	pg_read_barrier();
	return pg_atomic_read_u64(&shared->generation) == view->generation;
}

bool
raft_ring_position(RaftLogShared *shared, RaftIndex index, uint64 *pos)
{
	*pos = pg_atomic_read_u64(slot_of(shared, index));
	pg_read_barrier();
	return index >= pg_atomic_read_u64(&shared->slots_low);
}

/* Copies bytes at pos; they may be overwritten meanwhile. */
static void
copy_out(RaftLogShared *shared, uint64 pos, char *out, Size size)
{
	uint64		offset = pos % shared->ring_bytes;
	Size		part = Min(size, shared->ring_bytes - offset);

	memcpy(out, ring_of(shared) + offset, part);
	memcpy(out + part, ring_of(shared), size - part);
}

RaftIndex
raft_ring_read(RaftLogShared *shared, RaftIndex first, RaftIndex last,
			   Size max_bytes, Size *bytes, StringInfo out)
{
	uint64		start = pg_atomic_read_u64(slot_of(shared, first));
	RaftIndex	low = first;
	RaftIndex	high = last;
	uint64		size;

	if (first < pg_atomic_read_u64(&shared->slots_low))
		return 0;

	/* the last record that still ends within max_bytes */
	while (low < high)
	{
		RaftIndex	middle = low + (high - low + 1) / 2;

		if (pg_atomic_read_u64(slot_of(shared, middle + 1)) - start <= max_bytes)
			low = middle;
		else
			high = middle - 1;
	}
	size = pg_atomic_read_u64(slot_of(shared, low + 1)) - start;

	/* also when the writer has overwritten a slot: any size, even a negative one */
	if (size > Min(shared->ring_bytes, MaxAllocSize / 2))
		return 0;
	if (out != NULL)
	{
		enlargeStringInfo(out, size);
		copy_out(shared, start, out->data + out->len, size);
	}

	pg_read_barrier();
	if (first < pg_atomic_read_u64(&shared->slots_low) ||
		start < pg_atomic_read_u64(&shared->bytes_low))
		return 0;
	if (out != NULL)
		out->len += size;
	*bytes = size;
	return low;
}
