/*-------------------------------------------------------------------------
 *
 * conninfo.c
 *	  Connection strings of the members: what is refused at raft_start(), and
 *	  what raft_pg adds to them when it dials.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <arpa/inet.h>

#include "net/link.h"
#include "net/peer.h"

#include "lib/stringinfo.h"
#include "libpq-fe.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* What raft_pg sets itself on every stream. */
static const char *const reserved_keywords[] = {
	"application_name", "client_encoding", "options", "replication"
};

/*
 * Connection strings are stored in the log, and shown: no place for secrets, nor for
 * what makes a server write one to a file.  libpq marks options: passwords and the like
 * as secret, and others, keys and key logs among them, as meant for debugging.
 */
#define SECRET_DISPLAY		'*'
#define DEBUG_DISPLAY		'D'

/* What tells where a member is, in contrast to how one gets in there. */
static const char *const place_keywords[] = {
	"host", "hostaddr", "port", "dbname", "service"
};

/*
 * Settings of the session that serves a stream.  The names must be known to
 * every supported version.  The keepalives let the other server notice that
 * this one has vanished.  The call waits for locks no longer than the caller
 * waits for it: else calls that were given up would pile up behind a lock until no
 * connection is left.
 */
#define SESSION_OPTIONS \
	"-c search_path= -c statement_timeout=0 -c lock_timeout=%d" \
	" -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0" \
	" -c client_min_messages=warning" \
	" -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"

static bool
is_one_of(const char *keyword, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(keyword, list[i]) == 0)
			return true;
	}
	return false;
}

static const char *
option_value(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		if (strcmp(option->keyword, keyword) == 0)
			return option->val && option->val[0] ? option->val : NULL;
	}
	return NULL;
}

/* Does connecting to this host need a name service? */
static bool
is_host_name(const char *host)
{
	struct in6_addr address;

	if (host[0] == '\0' || host[0] == '/' || host[0] == '@')
		return false;			/* a socket directory */
	return inet_pton(AF_INET, host, &address) != 1 &&
		inet_pton(AF_INET6, host, &address) != 1;
}

/*
 * libpq would go through a list of hosts, and look up the second name, in the
 * foreground.
 */
static void
check_single_host(const char *node, const PQconninfoOption *options)
{
	const char *host = option_value(options, "host");
	const char *hostaddr = option_value(options, "hostaddr");

	if ((host && strchr(host, ',')) || (hostaddr && strchr(hostaddr, ',')))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("connection string of Raft node \"%s\" gives more than one host", node),
				 errdetail("A node is one server."),
				 errhint("If the server has several addresses, give a host name that stands for them.")));
}

/* By libpq's marks, not by names: those of later versions are not known here. */
static void
refuse_secret(const char *node, const PQconninfoOption *option)
{
	if (strchr(option->dispchar, SECRET_DISPLAY) == NULL &&
		strchr(option->dispchar, DEBUG_DISPLAY) == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 strstr(option->keyword, "password") != NULL ?
			 errmsg("connection string of Raft node \"%s\" contains a password", node) :
			 errmsg("connection string of Raft node \"%s\" must not set \"%s\"",
					node, option->keyword),
			 strchr(option->dispchar, SECRET_DISPLAY) != NULL ?
			 errdetail("Connection strings are stored in the log of every node and shown to its readers.") :
			 errdetail("It is meant for debugging: it could hold a key, or make every node write its keys to a file."),
			 errhint("Use a password file (passfile), a service file (service) or a client certificate (sslcert).")));
}

static void
check_options(const char *node, const PQconninfoOption *options)
{
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		if (option->val == NULL)
			continue;
		if (is_one_of(option->keyword, reserved_keywords, lengthof(reserved_keywords)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("connection string of Raft node \"%s\" must not set \"%s\"",
							node, option->keyword),
					 errdetail("raft_pg sets it itself.")));
		refuse_secret(node, option);
	}
	check_single_host(node, options);
}

void
raft_check_conninfo(const char *node, const char *conninfo)
{
	PQconninfoOption *options;
	char	   *error = NULL;

	if (strlen(conninfo) > RAFT_MAX_CONNINFO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("connection string of Raft node \"%s\" is too long", node),
				 errdetail("It has %zu bytes; at most %d are allowed.",
						   strlen(conninfo), RAFT_MAX_CONNINFO)));

	options = PQconninfoParse(conninfo, &error);
	if (options == NULL)
	{
		char	   *reason = pchomp(error ? error : "out of memory");

		PQfreemem(error);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid connection string of Raft node \"%s\"", node),
				 errdetail_internal("%s", reason)));
	}

	PG_TRY();
	{
		check_options(node, options);
	}
	PG_FINALLY();
	{
		PQconninfoFree(options);
	}
	PG_END_TRY();
}

static int
compare_keywords(const void *a, const void *b)
{
	return strcmp((*(PQconninfoOption *const *) a)->keyword,
				  (*(PQconninfoOption *const *) b)->keyword);
}

/* keyword='value', as libpq reads it */
static void
append_option(StringInfo text, const char *keyword, const char *value)
{
	if (text->len > 0)
		appendStringInfoChar(text, ' ');
	appendStringInfo(text, "%s=", keyword);

	/* most values need no quotes, and people read them */
	if (value[0] != '\0' && value[strcspn(value, " \t\n\r\v\f'\\=")] == '\0')
	{
		appendStringInfoString(text, value);
		return;
	}
	appendStringInfoChar(text, '\'');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '\'' || *c == '\\')
			appendStringInfoChar(text, '\\');
		appendStringInfoChar(text, *c);
	}
	appendStringInfoChar(text, '\'');
}

/*
 * By keywords, not by libpq's order of its options: that one is another in each
 * version, and every node has to come to the same text.
 */
char *
raft_conninfo_normalize(const char *conninfo, bool place_only)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	PQconninfoOption **sorted;
	StringInfoData text;
	int			n = 0;

	if (options == NULL)
		elog(ERROR, "connection string \"%s\" was not checked", conninfo);

	while (options[n].keyword != NULL)
		n++;
	sorted = palloc(n * sizeof(*sorted));
	for (int i = 0; i < n; i++)
		sorted[i] = &options[i];
	qsort(sorted, n, sizeof(*sorted), compare_keywords);

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
	{
		if (sorted[i]->val != NULL &&
			(!place_only || is_one_of(sorted[i]->keyword, place_keywords, lengthof(place_keywords))))
			append_option(&text, sorted[i]->keyword, sorted[i]->val);
	}
	PQconninfoFree(options);
	return text.data;
}

/*
 * Service files and the environment have a say in what the host is, and only
 * libpq knows how.  So it is asked: a connection that is refused for a wrong
 * setting, before anything is done for it, still tells all its settings.
 */
void
raft_conninfo_host_name(const char *conninfo, char *name, Size size)
{
	const char *keywords[] = {"dbname", "sslmode", NULL};
	const char *values[] = {conninfo, "none", NULL};
	PGconn	   *conn = PQconnectStartParams(keywords, values, 1);
	PQconninfoOption *options = conn ? PQconninfo(conn) : NULL;
	const char *host = options ? option_value(options, "host") : NULL;

	Assert(conn == NULL || PQstatus(conn) == CONNECTION_BAD);

	/* a list, which only a service file can bring, is a name that nobody has */
	name[0] = '\0';
	if (host != NULL && option_value(options, "hostaddr") == NULL &&
		(is_host_name(host) || strchr(host, ',') != NULL))
		strlcpy(name, host, size);
	PQconninfoFree(options);
	PQfinish(conn);
}

/*
 * The later of two equal keywords wins: what stands before the connection
 * string is a default, what stands after it is not negotiable.
 *
 * tcp_user_timeout: after a partition TCP itself would probe again only after
 * minutes; a stream that is stuck for a few seconds is better dialled anew.
 */
void
raft_conninfo_params(RaftConnParams *params, const char *conninfo, const char *address,
					 const char *self_name, const char *peer_name)
{
	int			n = 0;

	/* ASCII: the server would replace anything else */
	snprintf(params->application_name, sizeof(params->application_name),
			 "raft_pg: %s -> %s", self_name, peer_name);

	snprintf(params->options, sizeof(params->options), SESSION_OPTIONS, raft_connect_timeout_ms);

#define PARAM(keyword, value) \
	(params->keywords[n] = (keyword), params->values[n] = (value), n++)
	PARAM("keepalives_idle", "5");
	PARAM("keepalives_interval", "2");
	PARAM("keepalives_count", "3");
	PARAM("tcp_user_timeout", "5000");
	PARAM("dbname", conninfo);
	PARAM("hostaddr", address); /* "host" stays, for certificates and password files */
	PARAM("application_name", params->application_name);
	PARAM("options", params->options);
	PARAM("client_encoding", GetDatabaseEncodingName());
	PARAM(NULL, NULL);
#undef PARAM
}
