/*-------------------------------------------------------------------------
 *
 * mutants.h
 *	  Old bugs that the laboratory can put back, to prove that it finds them.
 *
 * In a normal build MUTANT() is constant false and the compiler removes the
 * branch.  With -DRAFT_MUTANTS the laboratory sets raft_mutant to one of the
 * names below (make mutants); each must then be found within its stated number
 * of seeds.  The number behind a name is its class in the list of bugs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_CORE_MUTANTS_H
#define RAFT_CORE_MUTANTS_H

typedef enum RaftMutant
{
	MUTANT_NONE,
	/* elections */
	MUTANT_VOTE_BEFORE_DURABLE, /* 1: vote sent before it is durable */
	MUTANT_VOTE_CLEARED,		/* 3: stepping down within a term clears the vote */
	MUTANT_VOTE_TWICE,			/* 3: a second vote in the same term */
	MUTANT_VOTE_FORGOTTEN,		/* 4: a start does not remember the vote */
	MUTANT_GRANT_TWICE,			/* 5: two grants of one voter count */
	MUTANT_LATE_VOTE,			/* 6: a late vote reply counts in a newer campaign */
	MUTANT_VOTE_ANY_LOG,		/* 7: vote without comparing the logs (§5.4.1) */
	MUTANT_VOTE_LONGER_LOG,		/* 7: the longer log wins, whatever its last term */
	MUTANT_REQUEST_BEFORE_DURABLE,	/* 9, 10: campaign before one's own vote is durable */
	MUTANT_TIMER_ON_REFUSAL,	/* 13: a refused request restarts the timer */
	MUTANT_NO_PREVOTE,			/* 16: a campaign without asking first */
	MUTANT_NO_CHECK_QUORUM,		/* 17: a leader without a quorum goes on */
	MUTANT_SILENT_TO_OLD_TERM,	/* 19: a message of an old term is not answered */
	MUTANT_CONTACT_BY_ANYTHING, /* 17: check quorum counts messages that are no answers */
	MUTANT_NOT_STICKY,			/* 21: who hears its leader votes for others all the same */
	/* replication */
	MUTANT_TRUNCATE_ALWAYS,		/* 24: an append truncates also where the logs agree */
	MUTANT_TRUNCATE_NEVER,		/* 24: conflicting entries stay */
	MUTANT_COMMIT_UNVERIFIED,	/* 25: follower commits past what the leader confirmed */
	MUTANT_HEARTBEAT_UNCHECKED, /* 26: a heartbeat skips the check of the previous entry */
	MUTANT_ACK_LAST_INDEX,		/* 27: acknowledge one's own last index */
	MUTANT_ACK_BEFORE_DURABLE,	/* 28: acknowledge before the write is durable */
	MUTANT_ACK_NAMES_TERM,		/* 28: an acknowledgement does not name the write it depends on */
	MUTANT_COMMIT_OLD_TERM,		/* 29: commit an older term's entry by counting (figure 8) */
	MUTANT_SELF_COUNT_EARLY,	/* 30: the leader counts its own unsynced entries */
	MUTANT_QUORUM_SHORT,		/* 31: quorum one short for even sizes */
	MUTANT_MATCH_FROM_NEXT,		/* 33: what was sent counts as being there */
	MUTANT_REJECTION_ACCEPTED,	/* 35: a rejection is taken for success */
	MUTANT_BACKUP_BY_ONE,		/* 36: back up one entry per message */
	MUTANT_WINDOW_STAYS_FULL,	/* 37: answers do not free the window */
	MUTANT_PROBE_STUCK,			/* 38: a heartbeat's answer does not end probing */
	MUTANT_VERIFIED_KEPT,		/* 41: a new term's leader did not confirm it */
	MUTANT_DURABLE_KEPT,		/* 42: truncation leaves the durable mark (append ABA) */
	MUTANT_ACK_IN_OTHER_ROLE,	/* 44: a write ends in another role than it began in */
	MUTANT_COMPACTED_ONE_MORE,	/* 45: one entry too many is taken for compacted */
	MUTANT_OLDER_OP_VOUCHES,	/* 46: with many writes under way one vouches for a later one */
	MUTANT_FORMED_BY_MAJORITY,	/* 83: a majority decides before the logs are known */
	MUTANT_STUCK_DISK_LEADS,	/* 54: a disk that is stuck costs no leadership */
	MUTANT_OUTGOING_IGNORED,	/* 84: the outgoing half of a joint quorum is ignored */
	MUTANT_ROOM_IGNORED,		/* 80: entries are sent to a peer without room for them */
	MUTANT_COUNT
} RaftMutant;

#ifdef RAFT_MUTANTS
extern RaftMutant raft_mutant;
#define MUTANT(name)	(raft_mutant == MUTANT_##name)
#else
#define MUTANT(name)	0
#endif

#endif							/* RAFT_CORE_MUTANTS_H */
