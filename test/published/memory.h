/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  Memory of a machine that orders as little as PostgreSQL's barriers allow,
 *	  and processes that take turns at every access.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The words of shared memory that are copied, beside the atomics. */
#define MODEL_WORDS		64
extern uint64_t model_shared[MODEL_WORDS];

/* What is broken on purpose. */
typedef enum ModelFault
{
	FAULT_NONE,
	FAULT_WRITER_FIRST_BARRIER,
	FAULT_WRITER_SECOND_BARRIER,
	FAULT_READER_FIRST_BARRIER,
	FAULT_READER_SECOND_BARRIER,
	FAULT_READER_LOOKS_NOT,		/* nothing has ever been begun, for a reader */
	N_FAULTS
} ModelFault;

/* Forgets everything; what follows is drawn from this seed. */
extern void model_begin(uint64_t seed, ModelFault fault);

extern uint32_t model_draw(uint32_t below);

/* The atomic that a reader looks at a second time. */
extern void model_set_looked_at(const void *atomic);

/*
 * A process that runs main(arg).  A successor sees all that its predecessor did, as a
 * lock would have it; -1 = none.  Returns its number.
 */
extern int	model_process(void (*main) (void *arg), void *arg, bool reader, int predecessor);

/* Runs one step of a process; false when it has ended. */
extern bool model_step(int process);

#endif							/* MEMORY_H */
