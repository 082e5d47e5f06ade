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
	MUTANT_COMMIT_OLD_TERM,		/* 29: commit an older term's entry by counting (figure 8) */
	MUTANT_VOTE_ANY_LOG,		/* 7: vote without comparing the logs (§5.4.1) */
	MUTANT_VOTE_TWICE,			/* 3, 4: a second vote in the same term */
	MUTANT_TRUNCATE_ALWAYS,		/* 24: an append truncates also where the logs agree */
	MUTANT_TRUNCATE_NEVER,		/* conflicting entries stay */
	MUTANT_ACK_LAST_INDEX,		/* 27: acknowledge one's own last index */
	MUTANT_COMMIT_UNVERIFIED,	/* 25: follower commits past what the leader confirmed */
	MUTANT_ACK_BEFORE_DURABLE,	/* 28: acknowledge before the write is durable */
	MUTANT_VOTE_BEFORE_DURABLE, /* 1: vote sent before it is durable */
	MUTANT_SELF_COUNT_EARLY,	/* 30: the leader counts its own unsynced entries */
	MUTANT_QUORUM_SHORT,		/* 31: quorum one short for even sizes */
	MUTANT_BACKUP_BY_ONE,		/* 36: back up one entry per message */
	MUTANT_LATE_VOTE,			/* 6: a late vote reply counts in a newer campaign */
	MUTANT_COUNT
} RaftMutant;

#ifdef RAFT_MUTANTS
extern RaftMutant raft_mutant;
#define MUTANT(name)	(raft_mutant == MUTANT_##name)
#else
#define MUTANT(name)	0
#endif

#endif							/* RAFT_CORE_MUTANTS_H */
