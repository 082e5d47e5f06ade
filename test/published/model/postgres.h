/*-------------------------------------------------------------------------
 *
 * postgres.h
 *	  What src/group/published.c uses of PostgreSQL, over the memory of memory.c:
 *	  each access and each barrier is a step of the model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef POSTGRES_H
#define POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t uint64;
typedef size_t Size;

#define CACHELINEALIGN(size)	(((size) + 127) & ~(Size) 127)

static inline Size
mul_size(Size a, Size b)
{
	return a * b;
}

typedef struct pg_atomic_uint64
{
	int			place;
} pg_atomic_uint64;

extern void model_atomic_init(pg_atomic_uint64 *atomic, uint64 value);
extern uint64 model_atomic_read(pg_atomic_uint64 *atomic);
extern void model_atomic_write(pg_atomic_uint64 *atomic, uint64 value);
extern void model_read_barrier(void);
extern void model_write_barrier(void);
extern void model_copy(void *to, const void *from, Size size);
extern void model_clear(void *to, Size size);
extern void model_interrupts(void);

#define pg_atomic_init_u64(atomic, value)	model_atomic_init(atomic, value)
#define pg_atomic_read_u64(atomic)			model_atomic_read(atomic)
#define pg_atomic_write_u64(atomic, value)	model_atomic_write(atomic, value)
#define pg_read_barrier()					model_read_barrier()
#define pg_write_barrier()					model_write_barrier()
#define memcpy(to, from, size)				model_copy(to, from, size)
#define memset(to, value, size)				model_clear(to, size)
#define CHECK_FOR_INTERRUPTS()				model_interrupts()

#endif							/* POSTGRES_H */
