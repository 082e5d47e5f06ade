/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Memory of a machine that orders as little as PostgreSQL's barriers allow,
 *	  and processes that take turns at every access.
 *
 * Each word keeps every value that was stored to it.  A load may return any of them that
 * is not older than what the process has seen of that word: what a processor has
 * in its cache, or has loaded before its time.  Order between two words comes from
 * barriers alone: a store carries what its process had seen at its last write
 * barrier, and a process that has loaded the store has seen that much, too, from its next
 * read barrier on.
 *
 *-------------------------------------------------------------------------
 */
#define _XOPEN_SOURCE 600

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "memory.h"
#include "model/postgres.h"

#undef memcpy
#undef memset

#define MAX_ATOMICS		4
#define MAX_PLACES		(MODEL_WORDS + MAX_ATOMICS)
#define MAX_STORES		64
#define MAX_PROCESSES	8
#define STACK_BYTES		(64 * 1024)

/* Of each word, the number of the oldest store that may still be loaded. */
typedef struct View
{
	int			store[MAX_PLACES];
} View;

typedef struct Store
{
	uint64		value;
	View		carried;
} Store;

typedef struct Place
{
	int			n;
	Store		stores[MAX_STORES];
} Place;

typedef struct Process
{
	ucontext_t	context;
	void		(*main) (void *arg);
	void	   *arg;
	bool		reader;
	bool		ended;
	int			barriers;		/* in this publication, or read */
	View		seen;
	View		loaded;			/* seen from the next read barrier on */
	View		released;		/* seen at the last write barrier */
	char		stack[STACK_BYTES];
} Process;

uint64_t	model_shared[MODEL_WORDS];

static Place places[MAX_PLACES];
static int	n_atomics;
static Process processes[MAX_PROCESSES];
static int	n_processes;
static Process *running;		/* NULL: set-up, which everybody has seen */
static ucontext_t scheduler;
static ModelFault fault;
static int	looked_at;
static uint64 state;

uint32_t
model_draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t) ((state >> 33) % below);
}

void
model_begin(uint64_t seed, ModelFault broken)
{
	state = seed * 2654435761u + 1;
	fault = broken;
	n_atomics = n_processes = 0;
	running = NULL;
	for (int i = 0; i < MAX_PLACES; i++)
	{
		places[i].n = 1;
		memset(&places[i].stores[0], 0, sizeof(Store));
	}
}

static void
join(View *view, const View *other)
{
	for (int i = 0; i < MAX_PLACES; i++)
	{
		if (view->store[i] < other->store[i])
			view->store[i] = other->store[i];
	}
}

/* --- accesses --- */

/* Another process may come in between. */
static void
yield(void)
{
	if (running != NULL)
		swapcontext(&running->context, &scheduler);
}

static uint64
load(int number)
{
	Place	   *place = &places[number];
	int			oldest = running->seen.store[number];
	int			chosen = place->n - 1;

	if (model_draw(2) == 0)
		chosen = oldest + (int) model_draw((uint32_t) (place->n - oldest));
	running->seen.store[number] = chosen;
	join(&running->loaded, &place->stores[chosen].carried);
	yield();
	return place->stores[chosen].value;
}

static void
store(int number, uint64 value)
{
	Place	   *place = &places[number];

	if (running == NULL)
	{
		place->stores[0].value = value;
		return;
	}
	if (place->n == MAX_STORES)
		abort();
	place->stores[place->n].value = value;
	place->stores[place->n].carried = running->released;
	place->stores[place->n].carried.store[number] = place->n;
	running->seen.store[number] = place->n++;
	yield();
}

void
model_atomic_init(pg_atomic_uint64 *atomic, uint64 value)
{
	if (n_atomics == MAX_ATOMICS)
		abort();
	atomic->place = MODEL_WORDS + n_atomics++;
	store(atomic->place, value);
}

uint64
model_atomic_read(pg_atomic_uint64 *atomic)
{
	if (fault == FAULT_READER_LOOKS_NOT && running->reader && atomic->place == looked_at)
		return 0;
	return load(atomic->place);
}

void
model_atomic_write(pg_atomic_uint64 *atomic, uint64 value)
{
	store(atomic->place, value);
}

void
model_set_looked_at(const void *atomic)
{
	looked_at = ((const pg_atomic_uint64 *) atomic)->place;
}

/* Each side has two barriers. */
static bool
broken(ModelFault first)
{
	bool		is_first = running->barriers++ % 2 == 0;

	return fault == (is_first ? first : first + 1);
}

void
model_read_barrier(void)
{
	if (!broken(FAULT_READER_FIRST_BARRIER))
		join(&running->seen, &running->loaded);
}

void
model_write_barrier(void)
{
	if (!broken(FAULT_WRITER_FIRST_BARRIER))
		running->released = running->seen;
}

static bool
is_shared(const void *address)
{
	return (const uint64_t *) address >= model_shared &&
		(const uint64_t *) address < model_shared + MODEL_WORDS;
}

void
model_copy(void *to, const void *from, Size size)
{
	for (Size i = 0; i < size / sizeof(uint64); i++)
	{
		if (is_shared(to))
			store((int) ((uint64_t *) to - model_shared + i), ((const uint64 *) from)[i]);
		else
			((uint64 *) to)[i] = load((int) ((const uint64_t *) from - model_shared + i));
	}
}

void
model_clear(void *to, Size size)
{
	for (Size i = 0; i < size / sizeof(uint64); i++)
		store((int) ((uint64_t *) to - model_shared + i), 0);
}

void
model_interrupts(void)
{
	yield();
}

/* --- processes --- */

static void
run(void)
{
	running->main(running->arg);
	running->ended = true;
	swapcontext(&running->context, &scheduler);
}

int
model_process(void (*main) (void *arg), void *arg, bool reader, int predecessor)
{
	Process    *process = &processes[n_processes];

	if (n_processes == MAX_PROCESSES)
		abort();
	memset(process, 0, offsetof(Process, stack));
	process->main = main;
	process->arg = arg;
	process->reader = reader;
	if (predecessor >= 0)
		process->seen = process->released = processes[predecessor].seen;
	getcontext(&process->context);
	process->context.uc_stack.ss_sp = process->stack;
	process->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&process->context, run, 0);
	return n_processes++;
}

bool
model_step(int process)
{
	running = &processes[process];
	if (!running->ended)
		swapcontext(&scheduler, &running->context);
	return !running->ended;
}
