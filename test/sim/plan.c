/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  A plan as data: its knobs, its steps, its text.
 *
 * The text has one line per fact, so that a reduced plan can be read, kept in
 * a file, changed by hand and run again:
 *
 *		test random_faults_of_3
 *		seed 17
 *		servers 3
 *		knob disk_latency_us 3000
 *		at 120.250 crash 2
 *		end 4000.000
 *		then 1 well
 *		then 2 deaf
 *		then 3 well
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

/* ---------------------------------------------------------------- knobs */

/* A number of the world that a plan fixes; the lab has it in its own place. */
typedef struct Knob
{
	const char *name;
	size_t		offset;			/* in Lab */
	size_t		size;
	uint64_t	calm;			/* the value that makes the least trouble */
} Knob;

#define KNOB(name, field, calm) {name, offsetof(Lab, field), sizeof(((Lab *) NULL)->field), calm}

static const Knob knobs[] = {
	KNOB("heartbeat_us", settings.core.heartbeat_interval, 100 * MS),
	KNOB("election_timeout_us", settings.core.election_timeout, 300 * MS),
	KNOB("commit_notice_us", settings.core.commit_notice, 10 * MS),
	KNOB("max_batch_bytes", settings.core.max_batch_bytes, 64 * 1024),
	KNOB("max_inflight", settings.core.max_inflight, 8),
	KNOB("max_inflight_bytes", settings.core.max_inflight_bytes, 1024 * 1024),
	KNOB("disk_timeout_us", settings.core.disk_timeout, 0),
	KNOB("disk_latency_us", settings.disk_latency, 0),
	KNOB("crash_keeps_some", settings.crash_keeps_some, 0),
	KNOB("apply_delay_us", settings.apply_delay, 0),
	KNOB("apply_durable_delay_us", settings.apply_durable_delay, 0),
	KNOB("tick_lateness_us", settings.tick_lateness, 0),
	KNOB("early_tick_percent", settings.early_tick_percent, 0),
	KNOB("compact", settings.compact, 0),
	KNOB("compact_to_tip", settings.compact_to_tip, 0),
	KNOB("max_pending", settings.max_pending, RAFT_MAX_PENDING),
	KNOB("max_held", settings.max_held, RAFT_MAX_HELD),
	KNOB("max_runs", settings.max_runs, RAFT_MAX_RUNS),
	KNOB("voters", settings.voters, 0),
	KNOB("outgoing", settings.outgoing, 0),
	KNOB("forming", settings.forming, 0),
	KNOB("bridge", settings.bridge, 0),
	KNOB("one_way", settings.one_way, 0),
	KNOB("clients", settings.clients, 0),
	KNOB("client_pause_us", settings.client_pause, 100 * MS),
	KNOB("client_timeout_us", settings.client_timeout, 500 * MS),
	KNOB("client_keys", settings.client_keys, 1),
	KNOB("client_bytes", settings.client_bytes, 0),
	KNOB("client_gives_up_percent", settings.client_gives_up_percent, 0),
	KNOB("unreliable", network.unreliable, 0),
	KNOB("unordered", network.unordered, 0),
	KNOB("long_reordering", network.long_reordering, 0),
	KNOB("long_delays", network.long_delays, 0),
	KNOB("loss_percent", network.loss_percent, 0),
	KNOB("request_delay_us", network.request_delay, 1 * MS),
	KNOB("reply_delay_us", network.reply_delay, 1 * MS),
	KNOB("duplicate_percent", network.duplicate_percent, 0),
	KNOB("corrupt_percent", network.corrupt_percent, 0),
	KNOB("replay_percent", network.replay_percent, 0),
};

_Static_assert(lengthof(knobs) <= PLAN_MAX_KNOBS, "a plan has room for all knobs");

void
plan_take_knobs(Plan *plan, const Lab *lab)
{
	for (size_t i = 0; i < lengthof(knobs); i++)
	{
		const void *field = (const char *) lab + knobs[i].offset;

		if (knobs[i].size == sizeof(bool))
			plan->knobs[i] = *(const bool *) field;
		else if (knobs[i].size == sizeof(uint32_t))
			plan->knobs[i] = *(const uint32_t *) field;
		else
			plan->knobs[i] = *(const uint64_t *) field;
	}
}

void
plan_give_knobs(const Plan *plan, Lab *lab)
{
	for (size_t i = 0; i < lengthof(knobs); i++)
	{
		void	   *field = (char *) lab + knobs[i].offset;

		if (knobs[i].size == sizeof(bool))
			*(bool *) field = plan->knobs[i] != 0;
		else if (knobs[i].size == sizeof(uint32_t))
			*(uint32_t *) field = (uint32_t) plan->knobs[i];
		else
			*(uint64_t *) field = plan->knobs[i];
	}
}

size_t
plan_n_knobs(void)
{
	return lengthof(knobs);
}

/* Sets a knob to where it makes the least trouble; false when it is there. */
bool
plan_calm_knob(Plan *plan, size_t knob)
{
	if (plan->knobs[knob] == knobs[knob].calm)
		return false;
	plan->knobs[knob] = knobs[knob].calm;
	return true;
}

/* -------------------------------------------------------------- drawing */

/* Forgets everything but the memory for steps. */
void
plan_reset(Plan *plan, const char *test, uint64_t seed)
{
	PlanStep   *steps = plan->steps;
	size_t		capacity = plan->capacity;

	memset(plan, 0, sizeof(*plan));
	plan->steps = steps;
	plan->capacity = capacity;
	plan->seed = seed;
	snprintf(plan->test, sizeof(plan->test), "%s", test);
}

static void
reserve(Plan *plan, size_t n)
{
	if (n <= plan->capacity)
		return;
	plan->capacity = n * 2;
	plan->steps = realloc(plan->steps, plan->capacity * sizeof(PlanStep));
	if (plan->steps == NULL)
		abort();
}

void
plan_copy(Plan *to, const Plan *from)
{
	PlanStep   *steps;
	size_t		capacity;

	reserve(to, from->n_steps);
	steps = to->steps;
	capacity = to->capacity;
	*to = *from;
	to->steps = steps;
	to->capacity = capacity;
	if (from->n_steps > 0)
		memcpy(to->steps, from->steps, from->n_steps * sizeof(PlanStep));
}

/* So many servers, in the ladder's world; the caller changes it as it likes. */
void
plan_world(Lab *lab, Plan *plan, uint32_t n)
{
	plan->n = n;
	cluster_prepare(lab, n);
}

static const PlanVerb *
find_verb(const char *name)
{
	for (const PlanVerb *verb = plan_verbs; verb->name != NULL; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	for (const PlanVerb *verb = fault_verbs; verb->name != NULL; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}

void
plan_add(Plan *plan, RaftTime at, const char *verb, uint64_t a, uint64_t b, uint64_t c)
{
	reserve(plan, plan->n_steps + 1);
	plan->steps[plan->n_steps] = (PlanStep) {
		.at = at, .verb = find_verb(verb), .args = {a, b, c}
	};
	if (plan->steps[plan->n_steps].verb == NULL)
		lab_fail(current_lab, 0, "a plan has no verb \"%s\"", verb);
	plan->n_steps++;
}

/* Brings steps that were drawn one purpose after another into the order of time. */
void
plan_sort(Plan *plan)
{
	PlanStep   *sorted = run_alloc((plan->n_steps + 1) * sizeof(PlanStep));
	size_t		n = plan->n_steps;

	/* bottom-up merge sort: steps at the same time keep their order */
	for (size_t width = 1; width < n; width *= 2)
	{
		for (size_t begin = 0; begin < n; begin += 2 * width)
		{
			size_t		middle = begin + width < n ? begin + width : n;
			size_t		end = begin + 2 * width < n ? begin + 2 * width : n;
			size_t		left = begin,
						right = middle;

			for (size_t i = begin; i < end; i++)
				sorted[i] = left < middle &&
					(right == end || plan->steps[left].at <= plan->steps[right].at) ?
					plan->steps[left++] : plan->steps[right++];
		}
		memcpy(plan->steps, sorted, n * sizeof(PlanStep));
	}
}

/* How many servers are well in the end. */
uint32_t
plan_well(const Plan *plan)
{
	uint32_t	well = 0;

	for (RaftNodeId i = 1; i <= plan->n; i++)
		well += plan->fate[i] == PLAN_WELL;
	return well;
}

/* ----------------------------------------------------------------- text */

static const char *const fate_names[PLAN_FATES] = {
	"well", "down", "cut-off", "deaf", "mute", "one-friend", "paused", "crashing", "comes-and-goes",
	"stuck-disk", "starved", "no-applier"
};

static void
print_step(const PlanStep *step, const char *indent, FILE *out)
{
	fprintf(out, "%sat %llu.%03llu %s", indent, (unsigned long long) (step->at / MS),
			(unsigned long long) (step->at % MS), step->verb->name);
	for (size_t i = 0; step->verb->args[i] != '\0'; i++)
		fprintf(out, " %llu", (unsigned long long) step->args[i]);
	fputc('\n', out);
}

/* Knobs at rest are not mentioned. */
void
plan_print(const Plan *plan, const char *indent, FILE *out)
{
	fprintf(out, "%stest %s\n%sseed %llu\n%sservers %u\n", indent, plan->test, indent,
			(unsigned long long) plan->seed, indent, plan->n);
	for (size_t i = 0; i < lengthof(knobs); i++)
		if (plan->knobs[i] != knobs[i].calm)
			fprintf(out, "%sknob %s %llu\n", indent, knobs[i].name,
					(unsigned long long) plan->knobs[i]);
	for (size_t i = 0; i < plan->n_steps; i++)
		print_step(&plan->steps[i], indent, out);
	fprintf(out, "%send %llu.%03llu\n", indent, (unsigned long long) (plan->end / MS),
			(unsigned long long) (plan->end % MS));
	for (RaftNodeId i = 1; plan->heals && i <= plan->n; i++)
	{
		fprintf(out, "%sthen %u %s", indent, i, fate_names[plan->fate[i]]);
		if (plan->fate[i] == PLAN_ONE_FRIEND)
			fprintf(out, " %u", plan->friend[i]);
		fputc('\n', out);
	}
}

/* The next word of a line; NULL at its end. */
static char *
next_word(char **line)
{
	char	   *word = *line + strspn(*line, " \t\r\n");

	if (*word == '\0')
		return NULL;
	*line = word + strcspn(word, " \t\r\n");
	if (**line != '\0')
		*(*line)++ = '\0';
	return word;
}

static bool
read_number(char **line, uint64_t *number)
{
	char	   *word = next_word(line);
	char	   *end;

	if (word == NULL)
		return false;
	*number = strtoull(word, &end, 10);
	return end != word && *end == '\0';
}

/* A time in milliseconds, with at most three decimals. */
static bool
read_time(char **line, RaftTime *time)
{
	char	   *word = next_word(line);
	unsigned long long ms = 0,
				us = 0;
	int			end = 0;

	if (word == NULL)
		return false;
	if (sscanf(word, "%llu.%3llu%n", &ms, &us, &end) < 2 || word[end] != '\0' ||
		strlen(strchr(word, '.')) != 4)
		return false;
	*time = ms * MS + us;
	return true;
}

static bool
read_knob(Plan *plan, char **line)
{
	char	   *name = next_word(line);

	for (size_t i = 0; name != NULL && i < lengthof(knobs); i++)
		if (strcmp(knobs[i].name, name) == 0)
			return read_number(line, &plan->knobs[i]);
	return false;
}

static bool
read_step(Plan *plan, char **line)
{
	PlanStep	step = {0};
	char	   *name;

	if (!read_time(line, &step.at) || (name = next_word(line)) == NULL ||
		(step.verb = find_verb(name)) == NULL ||
		(plan->n_steps > 0 && step.at < plan->steps[plan->n_steps - 1].at))
		return false;
	for (size_t i = 0; step.verb->args[i] != '\0'; i++)
	{
		if (!read_number(line, &step.args[i]) ||
			(step.verb->args[i] == 'n' && (step.args[i] < 1 || step.args[i] > plan->n)))
			return false;
	}
	reserve(plan, plan->n_steps + 1);
	plan->steps[plan->n_steps++] = step;
	return true;
}

static bool
read_fate(Plan *plan, char **line)
{
	uint64_t	node,
				friend;
	char	   *name;

	if (!read_number(line, &node) || node < 1 || node > plan->n ||
		(name = next_word(line)) == NULL)
		return false;
	plan->heals = true;
	for (int fate = 0; fate < PLAN_FATES; fate++)
	{
		if (strcmp(fate_names[fate], name) != 0)
			continue;
		plan->fate[node] = (PlanFate) fate;
		if (fate != PLAN_ONE_FRIEND)
			return true;
		if (!read_number(line, &friend) || friend < 1 || friend > plan->n)
			return false;
		plan->friend[node] = (RaftNodeId) friend;
		return true;
	}
	return false;
}

static bool
read_line(Plan *plan, char *line)
{
	char	   *word = next_word(&line);
	uint64_t	number;

	if (word == NULL || word[0] == '#')
		return true;
	if (strcmp(word, "test") == 0)
	{
		if ((word = next_word(&line)) == NULL)
			return false;
		snprintf(plan->test, sizeof(plan->test), "%s", word);
		return true;
	}
	if (strcmp(word, "seed") == 0)
		return read_number(&line, &plan->seed);
	if (strcmp(word, "servers") == 0)
	{
		if (!read_number(&line, &number) || number < 1 || number > LAB_MAX_NODES)
			return false;
		plan->n = (uint32_t) number;
		return true;
	}
	if (strcmp(word, "knob") == 0)
		return read_knob(plan, &line);
	if (strcmp(word, "at") == 0)
		return read_step(plan, &line);
	if (strcmp(word, "end") == 0)
		return read_time(&line, &plan->end);
	if (strcmp(word, "then") == 0)
		return read_fate(plan, &line);
	return false;
}

/* Reads a plan; false, and the line that is wrong, when it is none. */
bool
plan_read(Plan *plan, FILE *in, const char **error)
{
	static char line[1000],
				copy[1000];

	plan_reset(plan, "plan", 1);
	for (size_t i = 0; i < lengthof(knobs); i++)
		plan->knobs[i] = knobs[i].calm;
	*error = copy;
	while (fgets(line, sizeof(line), in) != NULL)
	{
		memcpy(copy, line, sizeof(copy));
		copy[strcspn(copy, "\n")] = '\0';
		if (!read_line(plan, line))
			return false;
	}
	snprintf(copy, sizeof(copy), "no servers");
	return plan->n > 0;
}
