/*-------------------------------------------------------------------------
 *
 * api.h
 *	  What the SQL-callable functions share.
 *
 * start.c		raft_start, raft_stop
 * identity.c	raft_reset_identity
 * members.c	the members given to raft_start: checks, group id, first configuration
 * propose.c	raft_propose, raft_propose_async, raft_set_apply
 * skip.c		raft_skip, raft_skip_undone
 * statement.c	errors of a statement that has proposed something
 * wait.c		raft_wait, and timeouts
 * state.c		raft_state, raft_is_leader, raft_leader, raft.members
 * stats.c		pg_stat_raft, pg_stat_raft_replication
 * cluster.c	raft_cluster
 * sessions.c	pg_stat_raft_sessions
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_API_H
#define RAFT_API_H

#include "raft_pg.h"
#include "client/outcome.h"
#include "group/group.h"
#include "tables/node.h"

/* --- members.c --- */

/* A member as it was given to raft_start(). */
typedef struct RaftGivenMember
{
	char	   *name;
	char	   *conninfo;		/* normalized; "" for a group of one */
	char	   *place;			/* of it, what tells where the member is */
} RaftGivenMember;

/* Members in the order of their ids: member i has id i + 1. */
typedef struct RaftGivenMembers
{
	int			n;
	RaftGivenMember item[RAFT_MAX_MEMBERS];
} RaftGivenMembers;

/* ERROR 22023 when no node can have this name. */
extern void raft_check_node_name(const char *name);

/* Parses and checks the members object; ERROR with the reason. */
extern void raft_members_parse(Datum json, RaftGivenMembers *members);

/* Id of the member with this name; 0 when there is none. */
extern RaftNodeId raft_members_find(const RaftGivenMembers *members, const char *name);

/* The same on every node that is given the same members and cluster name. */
extern void raft_members_group_id(const RaftGivenMembers *members, const char *cluster_name,
								  uint8 group_id[RAFT_GROUP_ID_BYTES]);

/* Payload of the first configuration entry: all members are voters. */
extern bytea *raft_members_bootstrap(const RaftGivenMembers *members);

extern Datum raft_members_jsonb(const RaftGivenMembers *members);

/* --- wait.c --- */

/*
 * Milliseconds of an interval argument; the setting raft_pg.propose_timeout when it
 * is NULL; 0 = for ever.
 */
extern long raft_timeout_arg(FunctionCallInfo fcinfo, int argument);

/* --- propose.c --- */

/* ERROR 25001 where a rollback is still possible, 25006 where nothing may be written. */
extern void raft_check_may_propose(const char *function);

/* Hands an entry over and waits; ERROR unless it was applied without an error.  Returns its index. */
extern RaftIndex raft_propose_applied(RaftGroup *group, uint8 kind, const char *data,
									  Size size, long timeout_ms);

/* --- statement.c --- */

/* Hooks of the executor, from _PG_init. */
extern void raft_statement_init(void);

/* The statement being executed has put a command into the log, at this index. */
extern void raft_statement_proposed(RaftIndex index);

/* The same, and the error that is raised next is the recorded result of that command. */
extern void raft_statement_failed(RaftIndex index);

/* --- state.c --- */

extern Datum raft_group_id_datum(const uint8 group_id[RAFT_GROUP_ID_BYTES]);
extern const char *raft_member_role_name(uint8 flags);

/* Members of the active configuration; of the first one while that is not known. */
extern int	raft_members_now(const RaftNodeRow *row, RaftGroupMember **members);

/* The group's state; "stale" while its node worker is overdue. */
extern const char *raft_state_name(RaftGroupState state, const RaftStanding *standing);

#endif							/* RAFT_API_H */
