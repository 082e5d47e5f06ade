/*-------------------------------------------------------------------------
 *
 * log_model.h
 *	  What a log is to hold, in memory, and changes drawn from a seed; for the tests of
 *	  src/log.
 *
 * A change is drawn before it is made, from the model alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_LOG_MODEL_H
#define RAFT_TEST_LOG_MODEL_H

#include "raft_pg.h"

#include "common/pg_prng.h"
#include "log/pages.h"
#include "log/ring.h"
#include "log/writer.h"

#define MODEL_ENTRIES	8192	/* more than the largest ring of pages holds */
#define MAX_CHANGE		200		/* entries of one change */

/* The data of an entry follow from its serial number, kind and size. */
typedef struct ModelEntry
{
	RaftTerm	term;
	uint64		serial;
	uint64		pos;
	uint32		size;
	uint8		kind;
} ModelEntry;

typedef struct LogModel
{
	pg_prng_state random;
	uint64		next_serial;
	uint32		n_pages;

	RaftTerm	term;
	RaftNodeId	vote;
	RaftIndex	first;
	RaftIndex	last;
	RaftIndex	commit;
	RaftTerm	base_term;
	uint64		first_pos;
	uint64		tail;
	RaftIndex	base_config;	/* the newest configuration below first; 0 = none */
	ModelEntry	entries[MODEL_ENTRIES]; /* entry i in i % MODEL_ENTRIES, also what was dropped */
	ModelEntry	base_config_entry;
} LogModel;

typedef struct LogChange
{
	RaftIndex	compact;		/* drop entries up to here; 0 = "write" is meant */
	RaftWrite	write;
	RaftIndex	commit;
	ModelEntry	entries[MAX_CHANGE];
} LogChange;

extern void log_model_init(LogModel *model, uint64 seed);
extern void log_model_draw(LogModel *model, LogChange *change);
extern void log_model_apply(LogModel *model, const LogChange *change);

extern uint64 log_model_free(const LogModel *model);
extern const ModelEntry *log_model_entry(const LogModel *model, RaftIndex index);
extern RaftIndex log_model_config_below(const LogModel *model, RaftIndex index);

/* Appends the entry's data, or its record. */
extern void log_model_data(StringInfo out, const ModelEntry *entry);
extern void log_model_record(StringInfo out, RaftIndex index, const ModelEntry *entry);

/* --- log_harness.c: a log beside its model --- */

typedef struct LogTest
{
	LogModel	model;
	LogChange	change;			/* the last one drawn */
	pg_prng_state random;		/* for everything but the model's changes */
	RaftRelFile file;
	RaftLogIdentity identity;
	int			ring_kb;
	RaftLogShared *shared;
	MemoryContext context;		/* of what is open */
	RaftLogWriter *writer;
	RaftLogReader *warm;		/* with the ring */
	RaftLogReader *cold;		/* without */
	RaftLogRecovery recovery;
	uint64		boot_count;		/* of the last start; 0 = not known */
	bool		has_view;
	RaftLogView view;			/* seen by a reader that has not copied yet */
	StringInfoData records;
	StringInfoData copy;
	char	   *wrong;			/* what broke first; NULL = nothing */
} LogTest;

/* table is empty, but for a log that the caller makes the model of. */
extern LogTest *log_test_create(Oid table, uint64 seed);
extern void log_test_begin(LogTest *test);
extern void log_test_open(LogTest *test);
extern void log_test_change(LogTest *test);
extern void log_test_check_recovery(LogTest *test);
extern void log_test_check_positions(LogTest *test);
extern void log_test_check_all(LogTest *test, RaftLogReader *reader);
extern void log_test_check_read(LogTest *test, RaftLogReader *reader);
extern void log_test_check_view(LogTest *test);
extern void log_test_check_freeing(LogTest *test);
extern uint32 log_test_draw(LogTest *test, uint32 n);
extern void log_test_expect(LogTest *test, bool holds, const char *what);

#define LOG_TEST_RETURN(test) \
	do { \
		if ((test)->wrong == NULL) \
			PG_RETURN_NULL(); \
		PG_RETURN_TEXT_P(cstring_to_text((test)->wrong)); \
	} while (0)

#endif							/* RAFT_TEST_LOG_MODEL_H */
