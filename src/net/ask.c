/*-------------------------------------------------------------------------
 *
 * ask.c
 *	  One query to other members, of all of them at once.
 *
 *	 (resolving) ---> connecting ---> querying ---> done
 *		 |				  |				 |			 ^
 *		 '----------------+--------------+-----------'	error, or the deadline
 *
 * Connections of their own, by the same connection strings and so with the same
 * credentials as the streams, opened for the question and closed after it: what comes
 * back is the truth at this moment, from the member itself, whatever the streams
 * are up to.  Each member is waited for as long as all of them together, so one that
 * is dead, paused or behind a firewall costs the deadline once.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <netdb.h>

#include "miscadmin.h"
#include "net/ask.h"
#include "net/link.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"

typedef enum QuestionState
{
	ASK_RESOLVING,
	ASK_CONNECTING,
	ASK_QUERYING,
	ASK_DONE
} QuestionState;

typedef struct Question
{
	RaftAnswer *answer;
	QuestionState state;
	RaftAddresses addresses;
	int			turn;			/* of the addresses */
	int			lookup;			/* -1 = none */
	PGconn	   *conn;
	PGresult   *result;
	uint32		wants;			/* WL_SOCKET_* */
} Question;

typedef struct Asking
{
	const char *self_name;
	const char *query;
	WaitEventSet *set;
	int			n;
	Question	questions[RAFT_MAX_MEMBERS];
} Asking;

/* --- ends --- */

static void
close_connection(Question *question)
{
	PQclear(question->result);
	question->result = NULL;
	if (question->conn == NULL)
		return;
	PQfinish(question->conn);
	question->conn = NULL;
	ReleaseExternalFD();
}

static void
close_lookup(Question *question)
{
	if (question->lookup < 0)
		return;
	raft_lookup_end(question->lookup);
	question->lookup = -1;
	ReleaseExternalFD();
}

static void
free_set(Asking *asking)
{
	if (asking->set != NULL)
		FreeWaitEventSet(asking->set);
	asking->set = NULL;
}

/* Whatever was open when it ended, by an ERROR perhaps. */
static void
close_all(Asking *asking)
{
	free_set(asking);
	for (int i = 0; i < asking->n; i++)
	{
		close_connection(&asking->questions[i]);
		close_lookup(&asking->questions[i]);
	}
}

/* The error in one line, without the line feed that libpq ends it with. */
static void
failed(Question *question, const char *error)
{
	char	   *text = pstrdup(error);
	Size		length = strlen(text);

	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	for (char *c = text; *c != '\0'; c++)
	{
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	}
	question->answer->error = text;
	question->state = ASK_DONE;
	close_connection(question);
	close_lookup(question);
}

/* --- connecting --- */

static void
connect_member(Asking *asking, Question *question)
{
	RaftAddresses *known = &question->addresses;
	RaftConnParams params;

	if (!AcquireExternalFD())
	{
		failed(question, "too many open files in this session");
		return;
	}
	raft_conninfo_params(&params, question->answer->conninfo,
						 known->n > 0 ? known->address[question->turn] : NULL,
						 asking->self_name, question->answer->name);
	question->conn = PQconnectStartParams(params.keywords, params.values, 1);
	if (question->conn == NULL)
	{
		ReleaseExternalFD();
		failed(question, "out of memory");
		return;
	}
	if (PQstatus(question->conn) == CONNECTION_BAD)
	{
		failed(question, PQerrorMessage(question->conn));
		return;
	}
	question->state = ASK_CONNECTING;
	question->wants = WL_SOCKET_WRITEABLE;
}

static void
begin(Asking *asking, Question *question)
{
	char		host[RAFT_MAX_CONNINFO + 1];

	raft_conninfo_host_name(question->answer->conninfo, host, sizeof(host));
	if (host[0] == '\0')
	{
		connect_member(asking, question);
		return;
	}

	if (AcquireExternalFD())
	{
		question->lookup = raft_lookup_begin(host);
		if (question->lookup < 0)
			ReleaseExternalFD();
	}
	if (question->lookup < 0)
	{
		failed(question, psprintf("could not look up host name \"%s\": %m", host));
		return;
	}
	question->state = ASK_RESOLVING;
	question->wants = WL_SOCKET_READABLE;
}

static void
advance_resolving(Asking *asking, Question *question)
{
	RaftAddresses *found = &question->addresses;

	if (!raft_lookup_answer(question->lookup, found))
		return;
	close_lookup(question);
	if (found->n > 0)
		connect_member(asking, question);
	else
		failed(question, psprintf("could not translate host name to address: %s",
								  found->error == EAI_SYSTEM ? strerror(found->system_error) :
								  gai_strerror(found->error)));
}

/* --- asking --- */

static void
send_query(Asking *asking, Question *question)
{
	question->answer->reached = true;
	if (PQsetnonblocking(question->conn, 1) != 0 ||
		PQsendQuery(question->conn, asking->query) != 1)
	{
		failed(question, PQerrorMessage(question->conn));
		return;
	}
	question->state = ASK_QUERYING;
	question->wants = WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE;
}

static void
advance_connecting(Asking *asking, Question *question)
{
	switch (PQconnectPoll(question->conn))
	{
		case PGRES_POLLING_READING:
			question->wants = WL_SOCKET_READABLE;
			break;
		case PGRES_POLLING_WRITING:
			question->wants = WL_SOCKET_WRITEABLE;
			break;
		case PGRES_POLLING_OK:
			send_query(asking, question);
			break;
		default:
			if (question->turn + 1 < question->addresses.n)
			{
				question->turn++;
				close_connection(question);
				connect_member(asking, question);
			}
			else
				failed(question, PQerrorMessage(question->conn));
			break;
	}
}

static void
keep_rows(RaftAnswer *answer, const PGresult *result)
{
	answer->n_rows = PQntuples(result);
	answer->n_columns = PQnfields(result);
	answer->values = palloc0(sizeof(char *) * Max(answer->n_rows * answer->n_columns, 1));
	for (int row = 0; row < answer->n_rows; row++)
	{
		for (int column = 0; column < answer->n_columns; column++)
		{
			if (!PQgetisnull(result, row, column))
				answer->values[row * answer->n_columns + column] =
					pstrdup(PQgetvalue(result, row, column));
		}
	}
}

static void
take_result(Question *question)
{
	const char *primary = PQresultErrorField(question->result, PG_DIAG_MESSAGE_PRIMARY);

	if (PQresultStatus(question->result) != PGRES_TUPLES_OK)
	{
		failed(question, primary ? primary : PQerrorMessage(question->conn));
		return;
	}
	keep_rows(question->answer, question->result);
	question->state = ASK_DONE;
	close_connection(question);
}

static void
advance_querying(Question *question)
{
	int			unsent = PQflush(question->conn);

	if (unsent < 0 || PQconsumeInput(question->conn) == 0)
	{
		failed(question, PQerrorMessage(question->conn));
		return;
	}
	question->wants = WL_SOCKET_READABLE | (unsent > 0 ? WL_SOCKET_WRITEABLE : 0);
	if (!PQisBusy(question->conn))
	{
		question->result = PQgetResult(question->conn);
		if (question->result == NULL)
			failed(question, "the server did not answer the query");
		else
			take_result(question);
	}
}

static void
advance(Asking *asking, Question *question)
{
	switch (question->state)
	{
		case ASK_RESOLVING:
			advance_resolving(asking, question);
			break;
		case ASK_CONNECTING:
			advance_connecting(asking, question);
			break;
		case ASK_QUERYING:
			advance_querying(question);
			break;
		case ASK_DONE:
			break;
	}
}

/* --- the wait --- */

/* False when all are done. */
static bool
wait_once(Asking *asking, long timeout_ms, uint32 wait_event)
{
	WaitEvent	events[RAFT_MAX_MEMBERS + 2];
	int			open = 0;
	int			n;

	for (int i = 0; i < asking->n; i++)
		open += asking->questions[i].state != ASK_DONE;
	if (open == 0)
		return false;

	/* libpq replaces sockets as it likes: a set for each wait, of which there are few */
	asking->set = raft_create_wait_event_set(RAFT_MAX_MEMBERS + 2);
	AddWaitEventToSet(asking->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(asking->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < asking->n; i++)
	{
		Question   *question = &asking->questions[i];

		if (question->state != ASK_DONE)
			AddWaitEventToSet(asking->set, question->wants,
							  question->conn ? PQsocket(question->conn) : question->lookup,
							  NULL, question);
	}
	n = WaitEventSetWait(asking->set, timeout_ms, events, lengthof(events), wait_event);
	free_set(asking);

	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else
			advance(asking, events[i].user_data);
	}
	CHECK_FOR_INTERRUPTS();
	return true;
}

static void
ask_until(Asking *asking, RaftTime deadline)
{
	static uint32 wait_event = 0;
	RaftTime	now;

	if (wait_event == 0)
		wait_event = raft_wait_event_new("RaftAskMembers");

	for (int i = 0; i < asking->n; i++)
		begin(asking, &asking->questions[i]);
	while ((now = raft_now()) < deadline &&
		   wait_once(asking, (long) ((deadline - now + 999) / 1000), wait_event))
		;
	for (int i = 0; i < asking->n; i++)
	{
		if (asking->questions[i].state != ASK_DONE)
			failed(&asking->questions[i], "no answer within raft_pg.connect_timeout");
	}
}

void
raft_ask_members(RaftAnswer *answers, int n, const char *self_name, const char *query,
				 int timeout_ms)
{
	Asking	   *asking = palloc0(sizeof(Asking));

	Assert(n <= RAFT_MAX_MEMBERS);
	asking->self_name = self_name;
	asking->query = query;
	asking->n = n;
	for (int i = 0; i < n; i++)
	{
		asking->questions[i].answer = &answers[i];
		asking->questions[i].lookup = -1;
	}

	PG_TRY();
	{
		ask_until(asking, raft_now() + (RaftTime) timeout_ms * 1000);
	}
	PG_FINALLY();
	{
		close_all(asking);
	}
	PG_END_TRY();
	pfree(asking);
}
