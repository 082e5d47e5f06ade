/*-------------------------------------------------------------------------
 *
 * config.c
 *	  The payload of a configuration entry.  Layout: config.h.
 *
 *-------------------------------------------------------------------------
 */
#include "wire/bytes.h"
#include "wire/config.h"

#include <string.h>

#define CONFIG_FORMAT			2
#define CONFIG_HEADER			4
#define CONFIG_MEMBER_HEADER	16

static bool
is_valid_member(const RaftMemberInfo *member, RaftNodeId previous)
{
	uint8_t		votes = RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING;

	return member->id > previous &&
		member->flags != 0 &&
		(member->flags & ~(votes | RAFT_MEMBER_LEARNER)) == 0 &&
	/* a learner may still vote in the outgoing half, never in the incoming one */
		(member->flags & (RAFT_MEMBER_LEARNER | RAFT_MEMBER_VOTER)) !=
		(RAFT_MEMBER_LEARNER | RAFT_MEMBER_VOTER) &&
		member->name_size >= 1 && member->name_size <= RAFT_MAX_NODE_NAME &&
		member->conninfo_size <= RAFT_MAX_CONNINFO;
}

size_t
raft_config_encode(uint8_t *out, size_t out_size, const RaftMemberInfo *members,
				   uint32_t n_members)
{
	size_t		at = CONFIG_HEADER;
	RaftNodeId	previous = 0;
	bool		has_voter = false;

	if (n_members < 1 || n_members > RAFT_MAX_MEMBERS || out_size < at)
		return 0;
	put_u16(out, CONFIG_FORMAT);
	put_u16(out + 2, (uint16_t) n_members);
	for (uint32_t i = 0; i < n_members; i++)
	{
		const RaftMemberInfo *member = &members[i];

		if (!is_valid_member(member, previous) ||
			out_size - at < (size_t) CONFIG_MEMBER_HEADER + member->name_size + member->conninfo_size)
			return 0;
		put_u32(out + at, member->id);
		out[at + 4] = member->flags;
		out[at + 5] = member->name_size;
		put_u16(out + at + 6, member->conninfo_size);
		put_u64(out + at + 8, member->log_id);
		at += CONFIG_MEMBER_HEADER;
		memcpy(out + at, member->name, member->name_size);
		at += member->name_size;
		if (member->conninfo_size > 0)
			memcpy(out + at, member->conninfo, member->conninfo_size);
		at += member->conninfo_size;
		previous = member->id;
		has_voter = has_voter || (member->flags & RAFT_MEMBER_VOTER) != 0;
	}
	return has_voter ? at : 0;
}

RaftDecodeResult
raft_config_decode(const uint8_t *data, size_t size, RaftConfig *config,
				   RaftMemberInfo info[RAFT_MAX_MEMBERS])
{
	size_t		at = CONFIG_HEADER;
	RaftNodeId	previous = 0;
	bool		has_voter = false;
	bool		identified = true;
	uint32_t	n_members;

	if (size < CONFIG_HEADER)
		return RAFT_DECODE_SHORT;
	n_members = get_u16(data + 2);
	if (get_u16(data) != CONFIG_FORMAT || n_members < 1 || n_members > RAFT_MAX_MEMBERS)
		return RAFT_DECODE_MALFORMED;
	for (uint32_t i = 0; i < n_members; i++)
	{
		RaftMemberInfo member;

		if (size - at < CONFIG_MEMBER_HEADER)
			return RAFT_DECODE_SHORT;
		member.id = get_u32(data + at);
		member.flags = data[at + 4];
		member.name_size = data[at + 5];
		member.conninfo_size = get_u16(data + at + 6);
		member.log_id = get_u64(data + at + 8);
		at += CONFIG_MEMBER_HEADER;
		if (size - at < (size_t) member.name_size + member.conninfo_size)
			return RAFT_DECODE_SHORT;
		if (!is_valid_member(&member, previous))
			return RAFT_DECODE_MALFORMED;
		member.name = (const char *) data + at;
		at += member.name_size;
		member.conninfo = (const char *) data + at;
		at += member.conninfo_size;

		config->members[i].id = member.id;
		config->members[i].flags = member.flags;
		if (info != NULL)
			info[i] = member;
		if ((member.flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING)) != 0 && member.log_id == 0)
			identified = false;
		previous = member.id;
		has_voter = has_voter || (member.flags & RAFT_MEMBER_VOTER) != 0;
	}
	if (at != size)
		return RAFT_DECODE_LENGTH;
	if (!has_voter)
		return RAFT_DECODE_MALFORMED;
	config->n_members = n_members;
	config->index = 0;			/* the caller knows it */
	config->term = 0;
	config->identified = identified;
	return RAFT_DECODE_OK;
}

bool
raft_host_decode_config(const uint8_t *data, size_t size, RaftConfig *config)
{
	return raft_config_decode(data, size, config, NULL) == RAFT_DECODE_OK;
}
