/*-------------------------------------------------------------------------
 *
 * ladder_c.c
 *	  Ladder C: what survives crashes, bad networks, and both without end.
 *
 * Where the ladder has clients that run beside the test, they are small state
 * machines here: each says when it wants to be looked at next.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "lab.h"

#define RETRY		true
#define ROUNDS		1000		/* of figure 8 */
#define LONG_FROM	200			/* replies come seconds late from this round on */

static uint64_t
one(Lab *lab, uint64_t number, uint32_t n)
{
	return cluster_one(lab, cluster_number(number), n, RETRY);
}

static RaftNodeId
random_server(Lab *lab)
{
	return (RaftNodeId) rng_between(&lab->rng_test, 1, lab->n);
}

static void
crash_nth(Lab *lab, RaftNodeId node, uint32_t distance)
{
	cluster_crash(lab, cluster_nth(lab, node, distance));
}

static void
restart_nth(Lab *lab, RaftNodeId node, uint32_t distance)
{
	cluster_restart(lab, cluster_nth(lab, node, distance));
}

/* Those that are down start, and all are connected. */
static void
heal_all(Lab *lab)
{
	for (RaftNodeId i = 1; i <= lab->n; i++)
		if (!lab->nodes[i].up)
			node_start(lab, &lab->nodes[i]);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_connect(lab, i);
}

/* ---------------------------------------------------------- persistence */

/* All, the leader, a follower: whoever crashes comes back with its log. */
static void
persist1(Lab *lab)
{
	RaftNodeId	server;

	one(lab, 11, 3);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_crash(lab, i);
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_restart(lab, i);
	one(lab, 12, 3);

	server = cluster_one_leader(lab);
	cluster_crash(lab, server);
	cluster_restart(lab, server);
	one(lab, 13, 3);

	server = cluster_one_leader(lab);
	cluster_crash(lab, server);
	one(lab, 14, 2);
	cluster_restart(lab, server);
	cluster_wait(lab, 4, 3, 0, NULL);

	server = cluster_nth(lab, cluster_one_leader(lab), 1);
	cluster_crash(lab, server);
	one(lab, 15, 2);
	cluster_restart(lab, server);
	one(lab, 16, 3);
}

/* Majorities that overlap in one server take turns. */
static void
persist2(Lab *lab)
{
	uint64_t	number = 10;

	for (int i = 0; i < 5; i++)
	{
		RaftNodeId	leader;

		one(lab, ++number, 5);
		leader = cluster_one_leader(lab);
		crash_nth(lab, leader, 1);
		crash_nth(lab, leader, 2);
		one(lab, ++number, 3);

		cluster_crash(lab, leader);
		crash_nth(lab, leader, 3);
		crash_nth(lab, leader, 4);
		restart_nth(lab, leader, 1);
		restart_nth(lab, leader, 2);
		cluster_sleep(lab, T);
		restart_nth(lab, leader, 3);
		one(lab, ++number, 3);

		restart_nth(lab, leader, 4);
		cluster_restart(lab, leader);
	}
	one(lab, 1000, 5);
}

/* A leader and a follower crash; the leader meets one that was away. */
static void
persist3(Lab *lab)
{
	RaftNodeId	leader;

	one(lab, 101, 3);
	leader = cluster_one_leader(lab);
	cluster_disconnect(lab, cluster_nth(lab, leader, 2));
	one(lab, 102, 2);

	cluster_crash(lab, leader);
	crash_nth(lab, leader, 1);
	cluster_connect(lab, cluster_nth(lab, leader, 2));
	cluster_restart(lab, leader);
	one(lab, 103, 2);
	restart_nth(lab, leader, 1);
	one(lab, 104, 3);
}

/* ------------------------------------------------------------- figure 8 */

/* Mostly shorter than a message travels, sometimes long enough for an election. */
static void
figure8_pause(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;

	cluster_sleep(lab, rng_percent(rng, 10) ? rng_below(rng, 500) * MS : rng_below(rng, 13) * MS);
}

/*
 * Figure 8 of the paper, again and again: leaders crash soon after they took a
 * command, so that logs end in entries of many terms that few servers have.
 */
static void
figure8(Lab *lab)
{
	uint32_t	up = lab->n;

	one(lab, rng_next(&lab->rng_test), 1);
	for (int i = 0; i < ROUNDS; i++)
	{
		RaftNodeId	leader = 0;

		for (RaftNodeId k = 1; k <= lab->n; k++)
			if (lab->nodes[k].up &&
				cluster_start(lab, k, cluster_number(rng_next(&lab->rng_test))).leader)
				leader = k;
		figure8_pause(lab);
		if (leader != 0)
		{
			cluster_crash(lab, leader);
			up--;
		}
		if (up < 3)
		{
			RaftNodeId	server = random_server(lab);

			if (!lab->nodes[server].up)
			{
				cluster_restart(lab, server);
				up++;
			}
		}
	}
	heal_all(lab);
	one(lab, rng_next(&lab->rng_test), 5);
}

/* The same with servers that are cut off, and a network that loses and delays. */
static void
figure8_unreliable(Lab *lab)
{
	Rng		   *rng = &lab->rng_test;
	uint32_t	connected = lab->n;

	lab->network.unreliable = true;
	one(lab, rng_next(rng), 1);
	for (int i = 0; i < ROUNDS; i++)
	{
		RaftNodeId	leader = 0;

		if (i == LONG_FROM)
			lab->network.long_reordering = true;
		for (RaftNodeId k = 1; k <= lab->n; k++)
			if (cluster_start(lab, k, cluster_number(rng_next(rng))).leader &&
				lab->nodes[k].connected)
				leader = k;
		figure8_pause(lab);
		if (leader != 0 && rng_percent(rng, 50))
		{
			cluster_disconnect(lab, leader);
			connected--;
		}
		if (connected < 3)
		{
			RaftNodeId	server = random_server(lab);

			if (!lab->nodes[server].connected)
			{
				cluster_connect(lab, server);
				connected++;
			}
		}
	}
	for (RaftNodeId i = 1; i <= lab->n; i++)
		cluster_connect(lab, i);
	one(lab, rng_next(rng), 5);
}

/* ------------------------------------------------------ unreliable agree */

/* An agreement that is being reached beside others. */
typedef struct Agreement
{
	Command		command;
	uint64_t	number;			/* its place among the commands; 0 = nobody took it yet */
	RaftTime	offered;
	RaftTime	begun;
	bool		reached;
} Agreement;

/* Looks at an agreement; offers the command again when it did not come through. */
static void
pursue(Lab *lab, Agreement *agreement)
{
	Command		there;

	if (agreement->reached)
		return;
	if (agreement->number != 0 && cluster_committed(lab, agreement->number, &there) >= 1 &&
		there.size == agreement->command.size &&
		memcmp(there.data, agreement->command.data, there.size) == 0)
	{
		agreement->reached = true;
		return;
	}
	lab_check(lab, lab->now < agreement->begun + 10 * T, "no agreement within 10 s");
	if (agreement->number != 0 && lab->now < agreement->offered + 2 * T)
		return;
	agreement->number = cluster_start_anywhere(lab, agreement->command);
	agreement->offered = lab->now;
}

/* Many agreements at a time, while messages are lost. */
static void
unreliable_agree(Lab *lab)
{
	Agreement	agreements[49 * 5] = {0};
	size_t		n = 0,
				reached = 0;

	lab->network.unreliable = true;
	for (uint64_t i = 1; reached < lengthof(agreements); i++)
	{
		Agreement  *own = NULL;

		for (uint64_t k = 0; k < 5 && n < lengthof(agreements); k++)
		{
			own = &agreements[n++];
			own->command = cluster_number(k < 4 ? 100 * i + k : i);
			own->begun = lab->now;
		}

		/* the next five are offered when the last of these is agreed upon */
		do
		{
			reached = 0;
			for (size_t k = 0; k < n; k++)
			{
				pursue(lab, &agreements[k]);
				reached += agreements[k].reached;
			}
			cluster_sleep(lab, 20 * MS);
		} while (own != NULL ? !own->reached : reached < n);
	}
	lab->network.unreliable = false;
	one(lab, 100, 5);
}

/* ---------------------------------------------------------------- churn */

#define CHURN_CLIENTS	3
#define CHURN_LOOKS		5

/* A client of the churn tests: offers, looks five times, remembers what it saw. */
typedef struct ChurnClient
{
	RaftTime	wake;
	uint64_t	x;
	uint64_t	number;			/* its place among the commands; 0 = to offer the next */
	int			looks;
} ChurnClient;

typedef struct Churn
{
	ChurnClient clients[CHURN_CLIENTS];
	uint64_t   *remembered;
	size_t		n;
	size_t		capacity;
} Churn;

static void
remember(Churn *churn, uint64_t x)
{
	if (churn->n == churn->capacity)
	{
		size_t		capacity = churn->capacity * 2 + 64;
		uint64_t   *remembered = run_alloc(capacity * sizeof(uint64_t));

		if (churn->n > 0)
			memcpy(remembered, churn->remembered, churn->n * sizeof(uint64_t));
		churn->remembered = remembered;
		churn->capacity = capacity;
	}
	churn->remembered[churn->n++] = x;
}

static bool
is_number(Command command, uint64_t number)
{
	return command.size == sizeof(number) && memcmp(command.data, &number, sizeof(number)) == 0;
}

static void
churn_offer(Lab *lab, ChurnClient *client, uint64_t me)
{
	client->x = rng_next(&lab->rng_test);
	client->looks = 0;
	for (RaftNodeId i = 1; i <= lab->n; i++)
	{
		Started		started = cluster_start(lab, i, cluster_number(client->x));

		if (started.leader)
			client->number = started.command;
	}
	if (client->number == 0)
		client->wake = lab->now + (79 + 17 * me) * MS;
}

static void
churn_client(Lab *lab, Churn *churn, uint64_t me)
{
	static const RaftTime pauses[CHURN_LOOKS] = {10 * MS, 20 * MS, 50 * MS, 100 * MS, 200 * MS};
	ChurnClient *client = &churn->clients[me];
	Command		there;

	if (client->number == 0)
		churn_offer(lab, client, me);
	if (client->number == 0)
		return;
	if (cluster_committed(lab, client->number, &there) > 0)
	{
		if (is_number(there, client->x))
			remember(churn, client->x);
		client->number = 0;
		client->wake = lab->now + 1;
	}
	else if (client->looks == CHURN_LOOKS)
		client->number = 0;
	else
		client->wake = lab->now + pauses[client->looks++];
}

/* Time passes while the clients work. */
static void
churn_sleep(Lab *lab, Churn *churn, RaftTime duration)
{
	RaftTime	until = lab->now + duration;

	for (;;)
	{
		uint64_t	next = 0;

		for (uint64_t i = 1; i < CHURN_CLIENTS; i++)
			if (churn->clients[i].wake < churn->clients[next].wake)
				next = i;
		if (churn->clients[next].wake >= until)
			break;
		if (churn->clients[next].wake > lab->now)
			cluster_sleep(lab, churn->clients[next].wake - lab->now);
		churn_client(lab, churn, next);
	}
	cluster_sleep(lab, until - lab->now);
}

/* Every remembered command stands in everyone's log. */
static void
check_remembered(Lab *lab, const Churn *churn, uint64_t last)
{
	bool	   *found = run_alloc(churn->n + 1);

	for (uint64_t i = 1; i <= last; i++)
	{
		Command		there;

		cluster_wait(lab, i, lab->n, 0, &there);
		for (size_t k = 0; k < churn->n; k++)
			found[k] = found[k] || is_number(there, churn->remembered[k]);
	}
	for (size_t k = 0; k < churn->n; k++)
		if (!found[k])
			lab_fail(lab, 17, "a command that a client saw applied is lost");
}

static void
churn(Lab *lab, bool unreliable)
{
	Rng		   *rng = &lab->rng_test;
	Churn		churn = {0};

	lab->network.unreliable = unreliable;
	for (int i = 0; i < 20; i++)
	{
		RaftNodeId	server;

		if (rng_percent(rng, 20))
			cluster_disconnect(lab, random_server(lab));
		if (rng_percent(rng, 50))
		{
			server = random_server(lab);
			if (!lab->nodes[server].up)
				node_start(lab, &lab->nodes[server]);
			cluster_connect(lab, server);
		}
		if (rng_percent(rng, 20))
			cluster_crash(lab, random_server(lab));
		churn_sleep(lab, &churn, 700 * MS);
	}
	churn_sleep(lab, &churn, T);
	lab->network.unreliable = false;
	heal_all(lab);
	cluster_sleep(lab, T);
	check_remembered(lab, &churn, one(lab, rng_next(rng), 5));
}

static void
reliable_churn(Lab *lab)
{
	churn(lab, false);
}

static void
unreliable_churn(Lab *lab)
{
	churn(lab, true);
}

const LabTest ladder_c_tests[] = {
	{"persist1", "C", 3, 0, persist1},
	{"persist2", "C", 5, 0, persist2},
	{"persist3", "C", 3, 0, persist3},
	{"figure8", "C", 5, 0, figure8},
	{"unreliable_agree", "C", 5, 0, unreliable_agree},
	{"figure8_unreliable", "C", 5, 0, figure8_unreliable},
	{"reliable_churn", "C", 5, 0, reliable_churn},
	{"unreliable_churn", "C", 5, 0, unreliable_churn},
	{0}
};
