/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  What a peer's server says when it says no.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "net/answer.h"

#include "mb/pg_wchar.h"

#define SQLSTATE_LENGTH		5

void
raft_copy_one_line(char *to, Size size, const char *from)
{
	Size		n = 0;

	for (; *from && n < size - 1; from++)
	{
		char		c = *from;

		if (c == '\n' || c == '\t' || c == '\r')
			c = ' ';
		if (c == ' ' && (n == 0 || to[n - 1] == ' '))
			continue;
		to[n++] = c;
	}
	while (n > 0 && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
	to[pg_mbcliplen(to, n, n)] = '\0';
}

void
raft_answer_of_result(const PGresult *result, RaftAnswer *answer)
{
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (primary == NULL)
		return;
	snprintf(answer->reason, sizeof(answer->reason), detail ? "%s (%s)" : "%s", primary, detail);
	strlcpy(answer->sqlstate, sqlstate ? sqlstate : "", sizeof(answer->sqlstate));
}

/*
 * libpq tells the SQLSTATE of a connection that was refused in the text alone, and only in
 * verbose mode: "FATAL:  28000: no pg_hba.conf entry ..".
 */
static void
take_out_sqlstate(char *text, RaftAnswer *answer)
{
	answer->sqlstate[0] = '\0';
	for (char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  "))
	{
		char	   *code = at + 3;

		if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != SQLSTATE_LENGTH ||
			strncmp(code + SQLSTATE_LENGTH, ": ", 2) != 0)
			continue;
		strlcpy(answer->sqlstate, code, sizeof(answer->sqlstate));
		code += SQLSTATE_LENGTH + 2;
		memmove(at + 3, code, strlen(code) + 1);
	}
}

/* And a line with the place in the server's source: "LOCATION:  ClientAuthentication, auth.c:500". */
static void
take_out_location(char *text)
{
	for (char *line = text; *line != '\0';)
	{
		char	   *end = line + strcspn(line, "\n");
		char	   *next = *end == '\n' ? end + 1 : end;
		char	   *file = strstr(line, ".c:");

		if (file != NULL && file < end && file + 3 + strspn(file + 3, "0123456789") == end)
			memmove(line, next, strlen(next) + 1);
		else
			line = next;
	}
}

void
raft_answer_of_connection(const PGconn *conn, RaftAnswer *answer)
{
	char	   *text = pstrdup(PQerrorMessage(conn));

	take_out_sqlstate(text, answer);
	if (answer->sqlstate[0] != '\0')
		take_out_location(text);
	strlcpy(answer->reason, text, sizeof(answer->reason));
	pfree(text);
}

/*
 * The server starts or ends, it has no connection or memory left, a lock is in the way.
 */
bool
raft_answer_passes(const RaftAnswer *answer)
{
	return strncmp(answer->sqlstate, "53", 2) == 0 ||
		strncmp(answer->sqlstate, "57", 2) == 0 ||
		strcmp(answer->sqlstate, "55P03") == 0;
}
