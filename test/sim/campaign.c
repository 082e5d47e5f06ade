/*-------------------------------------------------------------------------
 *
 * campaign.c
 *	  One test with very many seeds: "make simulate".
 *
 * Runs share nothing, so processes share the seeds: each takes every n-th one and
 * says now and then, through a pipe, how far it has come.  A process that dies has
 * failed.  A campaign that is ended ends its processes.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"
#include "progress.h"

#define MAX_JOBS			64
#define REPORT_EVERY		64		/* runs of a process */
#define TWICE_EVERY			500		/* such a seed runs twice, for invariant 20 */
#define SHOWN_FAILURES		5		/* by each process */

/* What a process has done since its last report. */
typedef struct Report
{
	uint64_t	runs;
	uint64_t	failed;
	uint64_t	events;
	RaftTime	time;			/* simulated */
} Report;

typedef struct Job
{
	pid_t		pid;
	int			pipe;			/* -1 = it has ended */
} Job;

static void
add_report(Report *to, const Report *from)
{
	to->runs += from->runs;
	to->failed += from->failed;
	to->events += from->events;
	to->time += from->time;
}

/* One seed; a failure is reported at once. */
static void
run_seed(Lab *lab, const LabTest *test, uint64_t seed, const char *shrink, uint64_t *shown,
		 Report *report)
{
	bool		passed = lab_run(lab, test, seed);

	report->runs++;
	report->events += lab->sched.handled;
	report->time += lab->now;
	if (passed && seed % TWICE_EVERY == 0)
		passed = lab_same_trace_twice(lab, test, seed);
	if (passed)
		return;
	report->failed++;
	if (++*shown <= SHOWN_FAILURES)
	{
		lab_report_failure(lab, test, seed, *shown == 1 ? shrink : "");
		fflush(stdout);
	}
}

/* The life of a process. */
static void
work(Lab *lab, const LabTest *test, uint64_t first, uint64_t end, uint32_t stride,
	 const char *shrink, int out)
{
	Report		report = {0};
	uint64_t	shown = 0;

	for (uint64_t seed = first; seed < end; seed += stride)
	{
		run_seed(lab, test, seed, shrink, &shown, &report);
		if (report.runs < REPORT_EVERY && seed + stride < end)
			continue;
		if (write(out, &report, sizeof(report)) != sizeof(report))
			exit(2);
		report = (Report) {0};
	}
	exit(0);
}

/* The processes of this campaign; 0 = none, or it has ended. */
static volatile pid_t working_pids[MAX_JOBS];

/* The campaign is to end, and with it its processes. */
static void
end_jobs(int number)
{
	for (uint32_t i = 0; i < MAX_JOBS; i++)
		if (working_pids[i] != 0)
			kill(working_pids[i], SIGTERM);
	signal(number, SIG_DFL);
	raise(number);
}

static void
catch_signals(void (*handler) (int))
{
	signal(SIGTERM, handler);
	signal(SIGINT, handler);
	signal(SIGHUP, handler);
}

/* Starts the processes; false when that cannot be done. */
static bool
start_jobs(Lab *lab, const LabTest *test, uint64_t first, uint64_t seeds, const char *shrink,
		   Job *jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		int			ends[2];

		fflush(stdout);
		if (pipe(ends) != 0 || (jobs[i].pid = fork()) < 0)
			return false;
		if (jobs[i].pid == 0)
		{
			catch_signals(SIG_DFL);
			close(ends[0]);
			work(lab, test, first + i, first + seeds, n, shrink, ends[1]);
		}
		close(ends[1]);
		jobs[i].pipe = ends[0];
		working_pids[i] = jobs[i].pid;
	}
	return true;
}

/* Takes what a process says; when it says nothing more, how it ended. */
static void
hear(Job *job, Report *total)
{
	Report		report;
	int			status;
	ssize_t		size = read(job->pipe, &report, sizeof(report));

	if (size == (ssize_t) sizeof(report))
	{
		add_report(total, &report);
		return;
	}
	if (size < 0 && errno == EINTR)
		return;
	close(job->pipe);
	job->pipe = -1;
	for (uint32_t i = 0; i < MAX_JOBS; i++)
		if (working_pids[i] == job->pid)
			working_pids[i] = 0;
	if (waitpid(job->pid, &status, 0) == job->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	printf("  a process of the laboratory died\n");
	total->runs++;
	total->failed++;
}

int
campaign_run(Lab *lab, const LabTest *test, uint64_t first, uint64_t seeds, uint32_t n,
			 const char *shrink)
{
	Job			jobs[MAX_JOBS];
	Report		total = {0};
	double		start = progress_clock(),
				took;
	uint32_t	working;

	if (n > MAX_JOBS)
		n = MAX_JOBS;
	catch_signals(end_jobs);
	if (!start_jobs(lab, test, first, seeds, shrink, jobs, n))
	{
		perror("lab");
		return 2;
	}
	do
	{
		struct pollfd fds[MAX_JOBS];

		working = 0;
		for (uint32_t i = 0; i < n; i++)
		{
			fds[i] = (struct pollfd) {.fd = jobs[i].pipe, .events = POLLIN};
			working += jobs[i].pipe >= 0;
		}
		if (working > 0 && poll(fds, n, 1000) > 0)
			for (uint32_t i = 0; i < n; i++)
				if (jobs[i].pipe >= 0 && fds[i].revents != 0)
					hear(&jobs[i], &total);
		if (progress_is_due())
			progress_tell("%10llu of %llu seeds, %llu failed, %.0f s", (unsigned long long) total.runs,
						  (unsigned long long) seeds, (unsigned long long) total.failed,
						  progress_clock() - start);
	} while (working > 0);

	took = progress_clock() - start;
	printf("%s: %llu seeds from %llu, %.0f simulated s, %llu events in %.1f s: %.0f simulated s/s, %.0f events/s\n",
		   test->name, (unsigned long long) seeds, (unsigned long long) first,
		   (double) total.time / (double) T, (unsigned long long) total.events, took,
		   (double) total.time / (double) T / took, (double) total.events / took);
	printf("%llu passed, %llu failed\n", (unsigned long long) (total.runs - total.failed),
		   (unsigned long long) total.failed);
	return total.failed == 0 && total.runs >= seeds ? 0 : 1;
}
