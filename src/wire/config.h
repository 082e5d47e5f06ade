/*-------------------------------------------------------------------------
 *
 * config.h
 *	  The payload of a configuration entry.
 *
 *		0	uint16	format, 2
 *		2	uint16	number of members
 *		4	per member: uint32 id, uint8 flags, uint8 name size, uint16 conninfo size,
 *			uint64 log id, name, conninfo
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_CONFIG_H
#define RAFT_WIRE_CONFIG_H

#include "core/raft.h"
#include "wire/record.h"

#define RAFT_MAX_NODE_NAME		63		/* bytes */
#define RAFT_MAX_CONNINFO		1023	/* bytes */
#define RAFT_MAX_CONFIG_BYTES	(8 + RAFT_MAX_MEMBERS * (16 + RAFT_MAX_NODE_NAME + RAFT_MAX_CONNINFO))

/* A member as the host sees it: name and conninfo are not NUL-terminated. */
typedef struct RaftMemberInfo
{
	RaftNodeId	id;
	uint64_t	log_id;			/* of the log that it votes with; 0 = not known yet */
	uint8_t		flags;			/* RAFT_MEMBER_* */
	uint8_t		name_size;		/* 1..RAFT_MAX_NODE_NAME */
	uint16_t	conninfo_size;	/* 0..RAFT_MAX_CONNINFO */
	const char *name;
	const char *conninfo;
} RaftMemberInfo;

/* Returns the bytes written, 0 when out is too small or a member is invalid. */
extern size_t raft_config_encode(uint8_t *out, size_t out_size,
								 const RaftMemberInfo *members, uint32_t n_members);

/* info may be NULL.  Ids must ascend, at least one voter, no unknown flags. */
extern RaftDecodeResult raft_config_decode(const uint8_t *data, size_t size,
										   RaftConfig *config,
										   RaftMemberInfo info[RAFT_MAX_MEMBERS]);

#endif							/* RAFT_WIRE_CONFIG_H */
