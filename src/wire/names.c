/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names of the enumerations of core and wire, for traces, logs and status views.
 *
 *-------------------------------------------------------------------------
 */
#include "wire/names.h"

const char *
raft_role_name(RaftRole role)
{
	switch (role)
	{
		case RAFT_FOLLOWER:
			return "follower";
		case RAFT_PRECANDIDATE:
			return "pre-candidate";
		case RAFT_CANDIDATE:
			return "candidate";
		case RAFT_LEADER:
			return "leader";
	}
	return "?";
}

const char *
raft_message_name(RaftMessageType type)
{
	switch (type)
	{
		case RAFT_MSG_PREVOTE:
			return "pre-vote";
		case RAFT_MSG_PREVOTE_REPLY:
			return "pre-vote reply";
		case RAFT_MSG_VOTE:
			return "vote";
		case RAFT_MSG_VOTE_REPLY:
			return "vote reply";
		case RAFT_MSG_APPEND:
			return "append";
		case RAFT_MSG_APPEND_REPLY:
			return "append reply";
	}
	return "?";
}

const char *
raft_entry_kind_name(uint8_t kind)
{
	static const char *const names[RAFT_ENTRY_KIND_MAX + 1] = {
		[RAFT_ENTRY_NOOP] = "no-op",
		[RAFT_ENTRY_CONFIG] = "configuration",
		[RAFT_ENTRY_COMMAND] = "command",
		[RAFT_ENTRY_SET_APPLY] = "set-apply",
		[RAFT_ENTRY_SKIP] = "skip"
	};

	return kind <= RAFT_ENTRY_KIND_MAX ? names[kind] : NULL;
}
