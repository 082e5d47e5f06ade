/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Addresses of a host name, without waiting for them.
 *
 * getaddrinfo() blocks, for many seconds when no name server answers, and
 * cannot be broken off.  So a thread calls it, and writes the answer into a
 * pipe that the process waits for together with its sockets:
 *
 *	 raft_lookup_begin() --creates--> thread: getaddrinfo() --pipe--> raft_lookup_answer()
 *
 * Nothing in PostgreSQL may be called by a second thread.  Therefore this file
 * includes none of its headers, the thread takes no signals, and shares no
 * memory with the process: it owns its copy of the name and its end of the
 * pipe.  It need not be stopped.  When nobody wants the answer any more, the
 * pipe has no reader and the answer gets lost; when the process ends, however
 * it does, the thread ends with it.
 *
 *-------------------------------------------------------------------------
 */
#include "net/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The answer is written in one piece: all of it can be read, or nothing. */
_Static_assert(sizeof(RaftAddresses) <= PIPE_BUF, "an answer must not be torn");

typedef struct Question
{
	int			answer_to;		/* pipe */
	char		name[];
} Question;

static void
resolve(const char *name, RaftAddresses *addresses)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	addresses->error = getaddrinfo(name, NULL, &hints, &list);
	addresses->system_error = errno;
	if (addresses->error != 0)
		return;

	for (struct addrinfo *item = list; item != NULL; item = item->ai_next)
	{
		if (addresses->n < RAFT_MAX_ADDRESSES &&
			getnameinfo(item->ai_addr, item->ai_addrlen, addresses->address[addresses->n],
						RAFT_MAX_ADDRESS_TEXT, NULL, 0, NI_NUMERICHOST) == 0)
			addresses->n++;
	}
	freeaddrinfo(list);
	if (addresses->n == 0)
		addresses->error = EAI_NONAME;
}

static void *
lookup_thread(void *arg)
{
	Question   *question = arg;
	RaftAddresses addresses = {0};
	ssize_t		written;

	resolve(question->name, &addresses);
	do
		written = write(question->answer_to, &addresses, sizeof(addresses));
	while (written < 0 && errno == EINTR);
	close(question->answer_to);
	free(question);
	return NULL;
}

/* An error number; 0 = the thread runs, and owns the question. */
static int
start_thread(Question *question)
{
	sigset_t	all;
	sigset_t	before;
	pthread_t	thread;
	int			error;

	/* it inherits the mask: signals are for the process's own thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, lookup_thread, question);
	pthread_sigmask(SIG_SETMASK, &before, NULL);

	if (error == 0)
		pthread_detach(thread);
	return error;
}

int
raft_lookup_begin(const char *name)
{
	Question   *question = malloc(sizeof(Question) + strlen(name) + 1);
	int			ends[2];
	int			error;

	if (question == NULL || pipe(ends) != 0)
	{
		free(question);
		return -1;
	}
	question->answer_to = ends[1];
	strcpy(question->name, name);

	error = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? start_thread(question) : errno;
	if (error != 0)
	{
		close(ends[0]);
		close(ends[1]);
		free(question);
		errno = error;
		return -1;
	}
	return ends[0];
}

bool
raft_lookup_answer(int lookup, RaftAddresses *addresses)
{
	ssize_t		size = read(lookup, addresses, sizeof(*addresses));

	if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	if (size != (ssize_t) sizeof(*addresses))
	{
		addresses->error = EAI_SYSTEM;
		addresses->system_error = size < 0 ? errno : EIO;
		addresses->n = 0;
	}
	return true;
}

void
raft_lookup_end(int lookup)
{
	close(lookup);
}
