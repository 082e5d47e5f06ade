/*-------------------------------------------------------------------------
 *
 * threads_test.c
 *	  src/group/published.c with the server's own atomics and barriers: one writer
 *	  and several readers at full speed get no torn copy; readers that do not look a
 *	  second time do.
 *
 *	  Ends with "N passed, N failed".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pthread.h>

#include "miscadmin.h"
#include "port/atomics.h"

/* While readers are blind, nothing has ever been begun. */
static bool blind;
static _Thread_local bool is_reader;

static inline uint64
read_u64(pg_atomic_uint64 *atomic, bool second_look)
{
	return blind && is_reader && second_look ? 0 : pg_atomic_read_u64(atomic);
}

#define pg_atomic_read_u64(atomic)	read_u64(atomic, strcmp(#atomic, "&block->begun") == 0)
#include "../../src/group/published.c"
#undef pg_atomic_read_u64

#define WORDS		1024
#define READERS		2
#define VERSIONS	300000
#define BLIND_VERSIONS	UINT64CONST(1000000000)	/* at most: until a copy is torn */

/* what the server has, and this program has not */
volatile sig_atomic_t InterruptPending = false;

void
ProcessInterrupts(void)
{
}

Size
mul_size(Size a, Size b)
{
	return a * b;
}

#ifdef USE_ASSERT_CHECKING
#if PG_VERSION_NUM >= 160000
void
ExceptionalCondition(const char *condition, const char *file, int line)
#else
void
ExceptionalCondition(const char *condition, const char *kind, const char *file, int line)
#endif
{
	abort();
}
#endif

static RaftPublished block;
static uint64 copies[2][WORDS];
static volatile bool ended;
static pg_atomic_uint64 torn;
static pg_atomic_uint64 reads;

static void *
reader(void *arg)
{
	uint64		data[WORDS];
	uint64		before = 0;

	is_reader = true;
	while (!ended)
	{
		raft_published_read(&block, data);
		for (int i = 1; i < WORDS; i++)
		{
			if (data[i] != data[0] || data[0] < before)
			{
				pg_atomic_fetch_add_u64(&torn, 1);
				break;
			}
		}
		before = data[0];
		pg_atomic_fetch_add_u64(&reads, 1);
	}
	return NULL;
}

/* Publishes so often, or until a copy was torn. */
static void
run(uint64 versions)
{
	pthread_t	threads[READERS];
	static uint64 data[WORDS];

	raft_published_init(&block, copies, sizeof(copies[0]));
	pg_atomic_init_u64(&torn, 0);
	pg_atomic_init_u64(&reads, 0);
	ended = false;
	for (int i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, reader, NULL);
	for (uint64 version = 1; version <= versions && pg_atomic_read_u64(&torn) == 0; version++)
	{
		for (int i = 0; i < WORDS; i++)
			data[i] = version;
		raft_publish(&block, data);
	}
	ended = true;
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
}

int
main(void)
{
	int			failed = 0;

	run(VERSIONS);
	if (pg_atomic_read_u64(&torn) != 0 || pg_atomic_read_u64(&reads) == 0)
	{
		failed++;
		printf("failed: readers at full speed get whole copies\n");
	}

	blind = true;
	run(BLIND_VERSIONS);
	if (pg_atomic_read_u64(&torn) == 0)
	{
		failed++;
		printf("failed: a reader that looks only once gets a torn copy\n");
	}
	printf("%d passed, %d failed\n", 2 - failed, failed);
	return failed;
}
