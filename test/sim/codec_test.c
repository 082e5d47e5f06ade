/*-------------------------------------------------------------------------
 *
 * codec_test.c
 *	  The byte formats: round trips, and bytes that nobody meant.
 *
 * Every input stands in an allocation of exactly its size, so that under
 * AddressSanitizer one byte read too many ends the run.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "lab.h"

#define MAX_RECORD		(RAFT_RECORD_HEADER + 4096)
#define MAX_ENTRIES		16

static const uint8_t group[RAFT_GROUP_ID_BYTES] = "a codec group";

/* ------------------------------------------------------- what is encoded */

static RaftEntry
random_entry(Rng *rng, RaftTerm term, uint32_t max_size)
{
	RaftEntry	entry = {
		.term = term, .clock = rng_next(rng), .size = (uint32_t) rng_below(rng, max_size + 1),
		.kind = (uint8_t) rng_between(rng, 1, UINT8_MAX),
		.origin = {.node = (RaftNodeId) rng_next(rng), .slot = (uint32_t) rng_next(rng), .serial = rng_next(rng)}
	};
	uint8_t    *data = run_alloc(entry.size);

	for (uint32_t i = 0; i < entry.size; i++)
		data[i] = (uint8_t) rng_next(rng);
	entry.data = data;
	return entry;
}

static uint8_t *
encode_record(RaftIndex index, const RaftEntry *entry, uint32_t *size)
{
	uint8_t    *bytes;

	*size = RAFT_RECORD_HEADER + entry->size;
	bytes = run_alloc(*size);
	raft_record_header(bytes, index, entry);
	if (entry->size > 0)
		memcpy(bytes + RAFT_RECORD_HEADER, entry->data, entry->size);
	return bytes;
}

static RaftMessage
random_message(Rng *rng)
{
	RaftMessage message = {
		.type = (RaftMessageType) rng_between(rng, 1, RAFT_MSG_TYPE_MAX),
		.from = (RaftNodeId) rng_between(rng, 1, 1000), .to = (RaftNodeId) rng_between(rng, 1001, 2000),
		.boot = rng_between(rng, 1, 1000), .term = rng_between(rng, 20, 1000), .round = rng_next(rng),
		.log_index = rng_between(rng, 1, 100000), .log_term = rng_between(rng, 1, 10),
		.commit = rng_below(rng, 100000), .floor = rng_below(rng, 1000),
		.rejected = rng_below(rng, 1000)
	};

	message.granted = (message.type == RAFT_MSG_PREVOTE_REPLY || message.type == RAFT_MSG_VOTE_REPLY ||
					   message.type == RAFT_MSG_APPEND_REPLY) && rng_percent(rng, 50);
	if (message.type == RAFT_MSG_APPEND_REPLY && message.granted)
		message.log_term = 0;	/* "match" is an index alone */
	return message;
}

/* Encodes a message; an append gets n entries with terms that ascend. */
static uint8_t *
encode_frame(Rng *rng, RaftMessage *message, uint32_t n, RaftEntry *entries, uint32_t *size)
{
	uint8_t    *records[MAX_ENTRIES];
	uint32_t	sizes[MAX_ENTRIES];
	uint32_t	total = 0;
	RaftTerm	term = message->log_term + 1;
	uint8_t    *frame;

	message->n_entries = message->type == RAFT_MSG_APPEND ? n : 0;
	for (uint32_t i = 0; i < message->n_entries; i++)
	{
		term += rng_below(rng, 2);
		if (term > message->term)
			term = message->term;
		entries[i] = random_entry(rng, term, 40);
		records[i] = encode_record(message->log_index + 1 + i, &entries[i], &sizes[i]);
		total += sizes[i];
	}
	*size = RAFT_FRAME_HEADER + total;
	frame = run_alloc(*size);
	raft_frame_header(frame, group, message, total);
	total = RAFT_FRAME_HEADER;
	for (uint32_t i = 0; i < message->n_entries; i++)
	{
		memcpy(frame + total, records[i], sizes[i]);
		total += sizes[i];
	}
	return frame;
}

static RaftDecodeResult
decode_frame(const uint8_t *bytes, size_t size, RaftMessage *message, RaftEntry *scratch)
{
	uint8_t		got[RAFT_GROUP_ID_BYTES];

	return raft_frame_decode(bytes, size, got, message, scratch, MAX_ENTRIES);
}

static bool
same_entry(const RaftEntry *a, const RaftEntry *b)
{
	return a->term == b->term && a->clock == b->clock && a->kind == b->kind && a->size == b->size &&
		a->origin.node == b->origin.node && a->origin.slot == b->origin.slot &&
		a->origin.serial == b->origin.serial &&
		(a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static void
put_u32(uint8_t *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t) (value >> (8 * i));
}

/* Makes the checksum of a header right: of bytes 8 .. end, then of the length. */
static void
sign(uint8_t *bytes, size_t end)
{
	uint32_t	crc = raft_host_crc32c(0, bytes + 8, end - 8);

	put_u32(bytes + 4, raft_host_crc32c(crc, bytes, 4));
}

/* ------------------------------------------------------------- the tests */

/* The check value of CRC-32C, and that pieces chain. */
static void
codec_crc(Lab *lab)
{
	const char *text = "123456789";

	lab_check(lab, raft_host_crc32c(0, text, 9) == 0xE3069283, "not CRC-32C");
	for (size_t i = 0; i <= 9; i++)
		lab_check(lab, raft_host_crc32c(raft_host_crc32c(0, text, i), text + i, 9 - i) == 0xE3069283,
				  "pieces of %zu and %zu bytes do not chain", i, 9 - i);
}

static void
codec_record_round_trip(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	for (int i = 0; i < 50; i++)
	{
		RaftEntry	entry = random_entry(rng, rng_between(rng, 1, UINT64_MAX - 1), i == 0 ? 0 : 4096);
		RaftIndex	index = rng_between(rng, 1, UINT64_MAX - 1);
		uint32_t	size,
					length;
		uint8_t    *bytes = encode_record(index, &entry, &size);
		RaftEntry	decoded;
		RaftIndex	decoded_index;
		RaftDecodeResult result = raft_record_decode(bytes, size, MAX_RECORD, &decoded_index, &decoded, &length);

		lab_check(lab, result == RAFT_DECODE_OK, "a record is refused: %s", raft_decode_message(result));
		lab_check(lab, decoded_index == index && length == size && same_entry(&entry, &decoded) &&
				  raft_record_length(bytes) == size, "a record came back changed");
		lab_check(lab, raft_record_decode(bytes, size, size - 1, &decoded_index, &decoded, &length) ==
				  RAFT_DECODE_LENGTH, "a record over the limit is accepted");
	}
}

/* A torn or flipped record is never taken for a record. */
static void
codec_record_damage(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	RaftEntry	entry = random_entry(rng, 5, 60);
	RaftEntry	decoded;
	RaftIndex	index;
	uint32_t	size,
				length;
	uint8_t    *bytes = encode_record(7, &entry, &size);

	for (uint32_t n = 0; n < size; n++)
		lab_check(lab, raft_record_decode(run_copy(bytes, n), n, MAX_RECORD, &index, &decoded, &length) ==
				  RAFT_DECODE_SHORT, "a record torn after %u bytes is not short", n);
	for (uint32_t bit = 0; bit < size * 8; bit++)
	{
		uint8_t    *bad = run_copy(bytes, size);

		bad[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		lab_check(lab, raft_record_decode(bad, size, MAX_RECORD, &index, &decoded, &length) !=
				  RAFT_DECODE_OK, "a record with bit %u flipped is accepted", bit);
	}
}

static void
codec_frame_round_trip(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	for (int i = 0; i < 50; i++)
	{
		RaftEntry	entries[MAX_ENTRIES],
					scratch[MAX_ENTRIES];
		RaftMessage message = random_message(rng),
					decoded;
		uint8_t		got[RAFT_GROUP_ID_BYTES];
		uint32_t	size;
		uint8_t    *frame = encode_frame(rng, &message, (uint32_t) rng_below(rng, MAX_ENTRIES + 1), entries, &size);
		RaftDecodeResult result = raft_frame_decode(frame, size, got, &decoded, scratch, MAX_ENTRIES);

		lab_check(lab, result == RAFT_DECODE_OK, "a frame is refused: %s", raft_decode_message(result));
		lab_check(lab, memcmp(got, group, sizeof(group)) == 0 && raft_frame_length(frame) == size,
				  "a frame's group or length came back changed");
		lab_check(lab, decoded.type == message.type && decoded.from == message.from &&
				  decoded.to == message.to && decoded.boot == message.boot &&
				  decoded.term == message.term && decoded.round == message.round &&
				  decoded.log_index == message.log_index && decoded.log_term == message.log_term &&
				  decoded.commit == message.commit && decoded.floor == message.floor &&
				  decoded.rejected == message.rejected && decoded.granted == message.granted &&
				  decoded.n_entries == message.n_entries, "a message came back changed");
		for (uint32_t k = 0; k < message.n_entries; k++)
			lab_check(lab, same_entry(&decoded.entries[k], &entries[k]), "an entry came back changed");
	}
}

/* Truncated, flipped, or with bytes behind its end: no frame. */
static void
codec_frame_damage(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	RaftEntry	entries[MAX_ENTRIES],
				scratch[MAX_ENTRIES];
	RaftMessage message = random_message(rng),
				decoded;
	uint32_t	size;
	uint8_t    *frame;
	uint8_t    *longer;

	message.type = RAFT_MSG_APPEND;
	message.granted = false;
	frame = encode_frame(rng, &message, 3, entries, &size);
	for (uint32_t n = 0; n < size; n++)
		lab_check(lab, decode_frame(run_copy(frame, n), n, &decoded, scratch) != RAFT_DECODE_OK,
				  "a frame cut after %u bytes is accepted", n);
	for (uint32_t bit = 0; bit < size * 8; bit++)
	{
		uint8_t    *bad = run_copy(frame, size);

		bad[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		lab_check(lab, decode_frame(bad, size, &decoded, scratch) != RAFT_DECODE_OK,
				  "a frame with bit %u flipped is accepted", bit);
	}
	longer = run_alloc(size + 1);
	memcpy(longer, frame, size);
	lab_check(lab, decode_frame(longer, size + 1, &decoded, scratch) != RAFT_DECODE_OK,
			  "a frame with a byte behind its end is accepted");
}

/* An append of two entries, of which one field is wrong though all checksums are right. */
static RaftDecodeResult
decode_wrong_append(Rng *rng, RaftIndex second_index, RaftTerm first_term, RaftTerm second_term,
					uint32_t count, uint16_t version)
{
	RaftMessage message = random_message(rng),
				decoded;
	RaftEntry	entries[2],
				scratch[MAX_ENTRIES];
	uint8_t    *records[2];
	uint32_t	sizes[2];
	uint8_t    *frame;

	message.type = RAFT_MSG_APPEND;
	message.granted = false;
	message.log_index = 10;
	message.log_term = 2;
	message.term = 5;
	message.n_entries = count;
	entries[0] = random_entry(rng, first_term, 20);
	entries[1] = random_entry(rng, second_term, 20);
	records[0] = encode_record(11, &entries[0], &sizes[0]);
	records[1] = encode_record(second_index, &entries[1], &sizes[1]);
	frame = run_alloc(RAFT_FRAME_HEADER + sizes[0] + sizes[1]);
	raft_frame_header(frame, group, &message, sizes[0] + sizes[1]);
	frame[8] = (uint8_t) version;
	frame[9] = (uint8_t) (version >> 8);
	sign(frame, RAFT_FRAME_HEADER);
	memcpy(frame + RAFT_FRAME_HEADER, records[0], sizes[0]);
	memcpy(frame + RAFT_FRAME_HEADER + sizes[0], records[1], sizes[1]);
	return decode_frame(frame, RAFT_FRAME_HEADER + sizes[0] + sizes[1], &decoded, scratch);
}

/* Right checksums do not make a wrong frame right. */
static void
codec_frame_rules(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, 2, 1) == RAFT_DECODE_OK, "a right append is refused");
	lab_check(lab, decode_wrong_append(rng, 13, 3, 5, 2, 1) != RAFT_DECODE_OK, "a gap in the indexes is accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 4, 3, 2, 1) != RAFT_DECODE_OK, "terms that go back are accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 1, 3, 2, 1) != RAFT_DECODE_OK, "a term before the previous one is accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 6, 2, 1) != RAFT_DECODE_OK, "a term above the sender's is accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, 1, 1) != RAFT_DECODE_OK, "a record too many is accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, 3, 1) != RAFT_DECODE_OK, "a record too few is accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, UINT32_MAX, 1) != RAFT_DECODE_OK, "four billion records are accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, MAX_ENTRIES + 1, 1) != RAFT_DECODE_OK,
			  "more entries than the receiver has room for are accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, 2, 2) == RAFT_DECODE_VERSION, "a frame of version 2 is accepted");
	lab_check(lab, decode_wrong_append(rng, 12, 3, 5, 2, 0) == RAFT_DECODE_VERSION, "a frame of version 0 is accepted");
}

/* Any header at all, with its checksum made right: whatever comes out is in its domain. */
static void
codec_random_headers(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	for (int i = 0; i < 3000; i++)
	{
		uint32_t	size = RAFT_FRAME_HEADER + (uint32_t) rng_below(rng, 200);
		uint8_t    *bytes = run_alloc(size);
		RaftMessage message;
		RaftEntry	scratch[MAX_ENTRIES];

		for (uint32_t k = 0; k < size; k++)
			bytes[k] = rng_percent(rng, 50) ? 0 : (uint8_t) rng_next(rng);
		put_u32(bytes, rng_percent(rng, 80) ? size : (uint32_t) rng_next(rng));
		if (rng_percent(rng, 90))
		{
			bytes[8] = 1;
			bytes[9] = 0;
			bytes[10] = (uint8_t) rng_below(rng, RAFT_MSG_TYPE_MAX + 2);
			bytes[11] = (uint8_t) rng_below(rng, 3);
			put_u32(bytes + 20, (uint32_t) rng_below(rng, 3));
		}
		sign(bytes, RAFT_FRAME_HEADER);
		if (decode_frame(bytes, size, &message, scratch) != RAFT_DECODE_OK)
			continue;
		lab_check(lab, message.type >= 1 && message.type <= RAFT_MSG_TYPE_MAX &&
				  message.n_entries <= MAX_ENTRIES &&
				  (message.n_entries == 0 || message.type == RAFT_MSG_APPEND) &&
				  (message.n_entries == 0) == (size == RAFT_FRAME_HEADER),
				  "a frame of random bytes decodes to a message outside of its domain");
	}
}

/* Any bytes at all. */
static void
codec_random_bytes(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	for (int i = 0; i < 3000; i++)
	{
		uint32_t	size = (uint32_t) rng_below(rng, 400);
		uint8_t    *bytes = run_alloc(size);
		RaftMessage message;
		RaftEntry	scratch[MAX_ENTRIES],
					entry;
		RaftConfig	config;
		RaftMemberInfo info[RAFT_MAX_MEMBERS];
		RaftIndex	index;
		uint32_t	length;

		for (uint32_t k = 0; k < size; k++)
			bytes[k] = (uint8_t) rng_next(rng);
		if (size >= 4 && rng_percent(rng, 50))
			put_u32(bytes, (uint32_t) rng_below(rng, 2 * size));
		lab_check(lab, decode_frame(bytes, size, &message, scratch) != RAFT_DECODE_OK,
				  "random bytes are a frame");
		lab_check(lab, raft_record_decode(bytes, size, MAX_RECORD, &index, &entry, &length) !=
				  RAFT_DECODE_OK, "random bytes are a record");
		(void) raft_config_decode(bytes, size, &config, info);
	}
}

/* ------------------------------------------------------- configurations */

static size_t
random_config(Rng *rng, uint8_t *out, size_t out_size, RaftMemberInfo *members, uint32_t n)
{
	static const char letters[RAFT_MAX_CONNINFO] = "host=";
	RaftNodeId	id = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		id += (RaftNodeId) rng_between(rng, 1, 50);
		members[i] = (RaftMemberInfo) {
			.id = id, .flags = i == 0 ? RAFT_MEMBER_VOTER : (uint8_t) rng_between(rng, 1, 4),
			.name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
			.name_size = (uint8_t) rng_between(rng, 1, RAFT_MAX_NODE_NAME),
			.conninfo = letters, .conninfo_size = (uint16_t) rng_below(rng, 40),
			.log_id = rng_percent(rng, 80) ? rng_next(rng) : 0
		};
	}
	return raft_config_encode(out, out_size, members, n);
}

/* A configuration that came out of the decoder is one that the core can take. */
static void
check_config_domain(Lab *lab, const RaftConfig *config)
{
	uint32_t	voters = 0;

	lab_check(lab, config->n_members >= 1 && config->n_members <= RAFT_MAX_MEMBERS,
			  "a configuration of %u members", config->n_members);
	for (uint32_t i = 0; i < config->n_members; i++)
	{
		uint8_t		flags = config->members[i].flags;

		lab_check(lab, config->members[i].id != 0 &&
				  (i == 0 || config->members[i].id > config->members[i - 1].id), "ids do not ascend");
		lab_check(lab, flags != 0 &&
				  (flags & ~(RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING | RAFT_MEMBER_LEARNER)) == 0,
				  "unknown flags");
		voters += (flags & RAFT_MEMBER_VOTER) != 0;
	}
	lab_check(lab, voters > 0, "a configuration without voters");
}

static void
codec_config(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	uint8_t		buffer[RAFT_MAX_CONFIG_BYTES];
	RaftMemberInfo members[RAFT_MAX_MEMBERS],
				info[RAFT_MAX_MEMBERS];
	RaftConfig	config;
	uint32_t	n = (uint32_t) rng_between(rng, 1, RAFT_MAX_MEMBERS);
	uint32_t	unknown = 0;
	size_t		size = random_config(rng, buffer, sizeof(buffer), members, n);

	lab_check(lab, size > 0, "a configuration is not encoded");
	lab_check(lab, raft_config_decode(run_copy(buffer, size), size, &config, NULL) == RAFT_DECODE_OK &&
			  raft_config_decode(buffer, size, &config, info) == RAFT_DECODE_OK, "a configuration is refused");
	lab_check(lab, config.n_members == n, "the number of members came back changed");
	check_config_domain(lab, &config);
	for (uint32_t i = 0; i < n; i++)
		unknown += members[i].log_id == 0 && members[i].flags != RAFT_MEMBER_LEARNER;
	lab_check(lab, config.identified == (unknown == 0), "%u voters' logs are not known", unknown);
	for (uint32_t i = 0; i < n; i++)
		lab_check(lab, config.members[i].id == members[i].id && info[i].id == members[i].id &&
				  info[i].log_id == members[i].log_id &&
				  config.members[i].flags == members[i].flags && info[i].flags == members[i].flags &&
				  info[i].name_size == members[i].name_size &&
				  info[i].conninfo_size == members[i].conninfo_size &&
				  memcmp(info[i].name, members[i].name, info[i].name_size) == 0 &&
				  memcmp(info[i].conninfo, members[i].conninfo, info[i].conninfo_size) == 0,
				  "member %u came back changed", i);

	for (size_t cut = 0; cut < size; cut++)
		lab_check(lab, raft_config_decode(run_copy(buffer, cut), cut, &config, info) != RAFT_DECODE_OK,
				  "a configuration cut after %zu bytes is accepted", cut);
	for (size_t bit = 0; bit < size * 8; bit++)
	{
		uint8_t    *bad = run_copy(buffer, size);

		bad[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		if (raft_config_decode(bad, size, &config, info) == RAFT_DECODE_OK)
			check_config_domain(lab, &config);
	}
	lab_check(lab, random_config(rng, buffer, size / 2, members, RAFT_MAX_MEMBERS) == 0 ||
			  size / 2 > 100, "a configuration is encoded into too small a place");
}

/* What must not be encoded. */
static void
codec_config_refused(Lab *lab)
{
	uint8_t		buffer[RAFT_MAX_CONFIG_BYTES];
	const RaftMemberInfo good = {.id = 1, .flags = RAFT_MEMBER_VOTER, .name_size = 1, .name = "a", .conninfo = ""};
	RaftMemberInfo members[RAFT_MAX_MEMBERS + 1];

	for (uint32_t i = 0; i < lengthof(members); i++)
	{
		members[i] = good;
		members[i].id = i + 1;
	}
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, RAFT_MAX_MEMBERS) > 0, "the largest is refused");
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, RAFT_MAX_MEMBERS + 1) == 0, "16 members");
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 0) == 0, "no members");
	members[1].id = 1;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 2) == 0, "an id twice");
	members[1].id = 2;
	members[1].flags = 0;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 2) == 0, "a member without a flag");
	members[1].flags = 0x80;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 2) == 0, "an unknown flag");
	members[1] = good;
	members[1].id = 2;
	members[1].name_size = 0;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 2) == 0, "an empty name");
	members[0].flags = RAFT_MEMBER_LEARNER;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 1) == 0, "no voter");
}

/* Fields out of their domain in a record whose checksum is right. */
static void
codec_record_domain(Lab *lab)
{
	static const struct
	{
		size_t		at;
		uint8_t		value;
		bool		eight;			/* of them: the number is cleared */
	}			cases[] = {
		{8, 0, true}, {16, 0, true}, {48, 0, false},
		{49, 1, false}, {50, 1, false}, {51, 1, false}
	};
	RaftEntry	entry = {.term = 3, .kind = RAFT_ENTRY_COMMAND};
	RaftEntry	read;
	RaftIndex	index;
	uint32_t	size,
				length;

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		uint8_t    *record = encode_record(7, &entry, &size);

		lab_check(lab, raft_record_kind(record) == RAFT_ENTRY_COMMAND, "the kind is elsewhere");
		memset(record + cases[i].at, cases[i].value, cases[i].eight ? 8 : 1);
		sign(record, RAFT_RECORD_HEADER);
		lab_check(lab, raft_record_decode(record, size, size, &index, &read, &length) ==
				  RAFT_DECODE_MALFORMED, "a record with %u at %zu is taken", cases[i].value, cases[i].at);
	}
}

/* Configurations that the encoder refuses to write, and the decoder to read. */
static void
codec_config_domain(Lab *lab)
{
	RaftMemberInfo members[2] = {
		{.id = 1, .flags = RAFT_MEMBER_VOTER, .name = "a", .name_size = 1, .conninfo = ""},
		{.id = 2, .flags = RAFT_MEMBER_VOTER, .name = "b", .name_size = 1, .conninfo = ""}
	};
	uint8_t		buffer[RAFT_MAX_CONFIG_BYTES];
	RaftConfig	config;
	size_t		size = raft_config_encode(buffer, sizeof(buffer), members, 2);

	lab_check(lab, raft_config_decode(buffer, size, &config, NULL) == RAFT_DECODE_OK, "two voters");
	buffer[4 + 4] = RAFT_MEMBER_LEARNER;
	lab_check(lab, raft_config_decode(buffer, size, &config, NULL) == RAFT_DECODE_OK, "a learner first");
	buffer[4 + 17 + 4] = RAFT_MEMBER_OUTGOING;
	lab_check(lab, raft_config_decode(buffer, size, &config, NULL) == RAFT_DECODE_MALFORMED, "no voter");
	lab_check(lab, raft_config_encode(buffer, 3, members, 1) == 0, "no room for the header");
	members[0].conninfo_size = RAFT_MAX_CONNINFO + 1;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 1) == 0, "a long conninfo");
	members[0].conninfo_size = 0;
	members[0].name_size = RAFT_MAX_NODE_NAME + 1;
	lab_check(lab, raft_config_encode(buffer, sizeof(buffer), members, 1) == 0, "a long name");
}

const LabTest codec_tests[] = {
	{"codec_crc", "unit", 0, 1, codec_crc},
	{"codec_record_round_trip", "unit", 0, 0, codec_record_round_trip},
	{"codec_record_damage", "unit", 0, 50, codec_record_damage},
	{"codec_frame_round_trip", "unit", 0, 0, codec_frame_round_trip},
	{"codec_frame_damage", "unit", 0, 20, codec_frame_damage},
	{"codec_frame_rules", "unit", 0, 50, codec_frame_rules},
	{"codec_random_headers", "unit", 0, 20, codec_random_headers},
	{"codec_random_bytes", "unit", 0, 20, codec_random_bytes},
	{"codec_config", "unit", 0, 20, codec_config},
	{"codec_record_domain", "unit", 0, 1, codec_record_domain},
	{"codec_config_domain", "unit", 0, 1, codec_config_domain},
	{"codec_config_refused", "unit", 0, 1, codec_config_refused},
	{0}
};
