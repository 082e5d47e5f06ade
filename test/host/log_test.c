/*-------------------------------------------------------------------------
 *
 * log_test.c
 *	  src/log by itself, against a model: random writes, truncations, compactions
 *	  and starts, on a ring of pages that comes round all the time.
 *
 * Writer and readers take turns in one process.  A reader that the writer overtakes in the
 * middle of its copy is played by one that has looked at the positions earlier.
 *
 *-------------------------------------------------------------------------
 */
#include "log_model.h"

#include <fcntl.h>
#include <unistd.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* --- random steps --- */

static void
reopen(LogTest *test)
{
	log_test_open(test);
	log_test_check_recovery(test);
	test->has_view = false;
}

static void
take_step(LogTest *test)
{
	log_test_change(test);
	log_test_check_positions(test);
	log_test_check_view(test);
	log_test_check_read(test, test->warm);
	if (log_test_draw(test, 3) == 0)
		log_test_check_read(test, test->cold);
	if (log_test_draw(test, 8) == 0)
		log_test_check_freeing(test);
	if (log_test_draw(test, 100) == 0)
		raft_log_note_met(test->writer, 1 + log_test_draw(test, 20));
	if (log_test_draw(test, 80) == 0)
	{
		log_test_check_all(test, test->warm);
		log_test_check_all(test, test->cold);
	}
	if (log_test_draw(test, 60) == 0)
		reopen(test);
	CHECK_FOR_INTERRUPTS();
}

/* raft_test_log(table, seed, steps): what broke, NULL when nothing did. */
PG_FUNCTION_INFO_V1(raft_test_log);
extern PGDLLEXPORT Datum raft_test_log(PG_FUNCTION_ARGS);

Datum
raft_test_log(PG_FUNCTION_ARGS)
{
	LogTest    *test = log_test_create(PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));
	int			steps = PG_GETARG_INT32(2);

	log_test_begin(test);
	for (int step = 0; step < steps && test->wrong == NULL; step++)
	{
		take_step(test);
		if (test->wrong != NULL)
			test->wrong = psprintf("step %d: %s", step, test->wrong);
	}
	log_test_expect(test, raft_page_of(test->model.tail) / test->model.n_pages >= (uint64) steps / 200,
					"the ring of pages has hardly come round: this run shows little");
	LOG_TEST_RETURN(test);
}
