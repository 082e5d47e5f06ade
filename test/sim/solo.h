/*-------------------------------------------------------------------------
 *
 * solo.h
 *	  One core with hand-made messages, for tests that are about a single step.
 *
 * The core under test is node 1.  Its log is a list of terms; index 1 is the
 * configuration, of term 1, committed.  Each helper is one step of the core, and
 * leaves its actions and the status for the test to look at.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_SOLO_H
#define RAFT_TEST_SIM_SOLO_H

#include "lab.h"

#define SOLO_TIMEOUT	(300 * MS)

typedef struct Solo
{
	Lab		   *lab;
	RaftCore   *core;
	const RaftActions *actions; /* of the last step */
	RaftStatus	status;
	RaftTime	now;
	RaftOp		written;
	uint64_t	room;			/* for received entries */
} Solo;

extern RaftIndex solo_batch_end(void *arg, RaftIndex first, RaftIndex last, uint32_t max_bytes,
								uint32_t *bytes);
extern void solo_step(Solo *solo, RaftEvent event);
extern Solo solo_boot_from(Lab *lab, const RaftBoot *boot);
extern Solo solo_boot(Lab *lab, uint32_t n, RaftTerm term, RaftNodeId vote,
					  const RaftTerm *terms, uint32_t n_terms);
/* Of two voters; what is left of its log are the entries 5 and 6, of term 2. */
extern Solo solo_boot_compacted(Lab *lab);
extern void solo_receive(Solo *solo, RaftMessage message);
extern void solo_tick(Solo *solo);
extern void solo_durable(Solo *solo);
extern void solo_propose(Solo *solo, uint32_t n);
extern RaftEntry solo_config(RaftTerm term, const RaftMember *members, uint32_t n, uint64_t log_id);
extern const RaftAction *solo_action(const Solo *solo, RaftActionType type);
extern const RaftMessage *solo_sent(const Solo *solo, RaftMessageType type, RaftNodeId to);
extern const RaftMessage *solo_must_send(const Solo *solo, RaftMessageType type, RaftNodeId to);

/* Messages; appends are of node 2. */
extern RaftMessage solo_append(RaftTerm term, RaftIndex previous, RaftTerm previous_term,
							   RaftIndex commit, const RaftTerm *terms, uint32_t n);
extern RaftMessage solo_ack(RaftNodeId from, RaftTerm term, RaftIndex match);
/* An append was refused that was to follow "rejected"; the log there ends at "last". */
extern RaftMessage solo_rejection(RaftNodeId from, RaftTerm term, RaftIndex last, RaftIndex rejected);
extern RaftMessage solo_vote_request(RaftNodeId from, RaftTerm term, RaftIndex last,
									 RaftTerm last_term);
extern RaftMessage solo_vote_reply(RaftMessageType type, RaftNodeId from, RaftTerm term,
								   uint64_t round, bool granted);

extern uint64_t solo_begin_prevote(Solo *solo);
extern uint64_t solo_begin_vote(Solo *solo, RaftTerm term, uint32_t n);
extern void solo_become_leader(Solo *solo, RaftTerm term, uint32_t n);

/* A leader hears this and nothing else, until it gives up: for four election timeouts at most. */
extern void solo_hear_only(Solo *solo, RaftMessage answer);

#endif							/* RAFT_TEST_SIM_SOLO_H */
