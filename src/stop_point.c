/*-------------------------------------------------------------------------
 *
 * stop_point.c
 *	  Places where a test can hold a process or make it fail (stop_point.h).
 *
 * Files are the switch, since they need no shared memory, no setting and no
 * connection, and work in every kind of process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "stop_point.h"

#ifdef RAFT_STOP_POINTS

#define STOP_DIRECTORY	"raft_pg_stop"

#define LOOK_AGAIN_US	1000

/* Was the point cleared, and set again, between two looks at its file? */
static bool
is_another(const struct stat *now, const struct stat *before)
{
	return now->st_ino != before->st_ino ||
		now->st_ctim.tv_sec != before->st_ctim.tv_sec || now->st_ctim.tv_nsec != before->st_ctim.tv_nsec;
}

/* What the point's file asks this process for, in "action"; false when nothing. */
static bool
is_set(const char *name, char action[16], struct stat *which)
{
	char		path[MAXPGPATH];
	FILE	   *file;
	int			pid = 0;
	int			words;

	/* every process of a server works in the data directory */
	snprintf(path, sizeof(path), STOP_DIRECTORY "/%s", name);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	words = fscanf(file, "%15s %d", action, &pid);
	if (fstat(fileno(file), which) != 0)
		words = 0;
	fclose(file);
	return words == 1 || (words == 2 && pid == MyProcPid);
}

/* The test sees that somebody is there. */
static void
announce(const char *name)
{
	char		path[MAXPGPATH];
	FILE	   *file;

	snprintf(path, sizeof(path), STOP_DIRECTORY "/%s.reached", name);
	file = fopen(path, "w");
	if (file != NULL)
	{
		fprintf(file, "%d\n", MyProcPid);
		fclose(file);
	}
}

void
raft_stop_point(const char *name)
{
	int			saved_errno = errno;
	char		action[16];
	struct stat now;
	struct stat first;
	bool		announced = false;

	while (is_set(name, action, &now))
	{
		if (announced && is_another(&now, &first))
			break;				/* for whoever comes next, or this process the next time */
		if (!announced)
			announce(name);
		announced = true;
		first = now;
		if (strcmp(action, "error") == 0)
			ereport(ERROR, (errmsg("stop point \"%s\"", name)));
		if (strcmp(action, "damage") == 0)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("stop point \"%s\"", name)));
		if (strcmp(action, "fatal") == 0)
			ereport(FATAL, (errmsg("stop point \"%s\"", name)));
		if (strcmp(action, "crash") == 0)
			kill(MyProcPid, SIGKILL);
		if (strcmp(action, "wait") != 0)
			break;
		pg_usleep(LOOK_AGAIN_US);
	}
	errno = saved_errno;
}

bool
raft_mutant(const char *name)
{
	char		action[16];
	struct stat which;

	return is_set(name, action, &which) && strcmp(action, "mutant") == 0;
}

#endif							/* RAFT_STOP_POINTS */
