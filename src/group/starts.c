/*-------------------------------------------------------------------------
 *
 * starts.c
 *	  Starts of groups that may have crashed the server.
 *
 * Shared memory does not survive a crash, and the launcher would start the
 * group that has caused it again at once, for ever: the server, with all its
 * other databases, would spend its time in recovery.  So the launcher, before it
 * starts a node worker, notes that in a file, and takes the note back when the
 * worker has ended without a crash or has lived for a while.  Notes that
 * it finds when it starts tell of crashes.
 *
 * The file lies where neither a base backup nor the start of another
 * postmaster cares for it; losing it costs nothing but the knowledge.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <unistd.h>

#include "group/shared.h"
#include "pgstat.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define NOTES_FILE		PG_STAT_TMP_DIR "/raft_pg_starts"
#define NOTES_FILE_NEW	NOTES_FILE ".new"

/* Crashes that may have any cause; after them the pauses begin. */
#define FREE_CRASHES		2
#define FIRST_PAUSE_S		5
#define LONGEST_PAUSE_S		3600

typedef struct StartNote
{
	Oid			database;
	int			starts;			/* in a row, and none of them has been taken back */
} StartNote;

static StartNote *notes = NULL;
static int	n_notes = 0;

static StartNote *
find_note(Oid database)
{
	for (int i = 0; i < n_notes; i++)
	{
		if (notes[i].database == database)
			return &notes[i];
	}
	return NULL;
}

static void
complain(const char *what)
{
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", what, NOTES_FILE)));
}

/* A server whose postmaster was killed, or that was started anew, tells nothing of a group. */
static bool
same_postmaster(TimestampTz start_time)
{
	return start_time == PgStartTime || !restart_after_crash;
}

void
raft_starts_load(void)
{
	FILE	   *file;
	TimestampTz start_time;
	StartNote	note;

	notes = MemoryContextAllocZero(TopMemoryContext, raft_max_groups * sizeof(StartNote));
	file = AllocateFile(NOTES_FILE, "r");
	if (file == NULL)
	{
		if (errno != ENOENT)
			complain("open");
		return;
	}
	if (fscanf(file, INT64_FORMAT, &start_time) == 1 && same_postmaster(start_time))
	{
		while (n_notes < raft_max_groups &&
			   fscanf(file, "%u %d", &note.database, &note.starts) == 2)
			notes[n_notes++] = note;
	}
	FreeFile(file);
}

/* Not flushed: the file is for crashes that the operating system survives. */
static void
write_notes(void)
{
	FILE	   *file = AllocateFile(NOTES_FILE_NEW, "w");

	if (file == NULL)
	{
		complain("create");
		return;
	}
	fprintf(file, INT64_FORMAT "\n", PgStartTime);
	for (int i = 0; i < n_notes; i++)
		fprintf(file, "%u %d\n", notes[i].database, notes[i].starts);
	if (FreeFile(file) != 0 || rename(NOTES_FILE_NEW, NOTES_FILE) != 0)
		complain("write");
}

int
raft_starts_crashes(Oid database)
{
	StartNote  *note = find_note(database);

	return note != NULL ? note->starts : 0;
}

int
raft_starts_pause_s(Oid database)
{
	int			beyond = raft_starts_crashes(database) - FREE_CRASHES;

	if (beyond <= 0)
		return 0;
	return beyond > 10 ? LONGEST_PAUSE_S : Min(FIRST_PAUSE_S << (beyond - 1), LONGEST_PAUSE_S);
}

void
raft_starts_note(Oid database)
{
	StartNote  *note = find_note(database);

	/* when all places are taken, one is of a database that is gone */
	if (note == NULL)
	{
		note = &notes[n_notes < raft_max_groups ? n_notes++ : 0];
		note->database = database;
		note->starts = 0;
	}
	note->starts++;
	write_notes();
}

void
raft_starts_forget(Oid database)
{
	StartNote  *note = find_note(database);

	if (note == NULL)
		return;
	*note = notes[--n_notes];
	write_notes();
}

void
raft_starts_forget_all(void)
{
	if (unlink(NOTES_FILE) != 0 && errno != ENOENT)
		complain("remove");
}
