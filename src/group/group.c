/*-------------------------------------------------------------------------
 *
 * group.c
 *	  The table of groups in shared memory: slots, their workers' places, and
 *	  copies of what they publish.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include <signal.h>

#include "group/group.h"
#include "group/shared.h"
#include "group/workers.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"

#define GROUPS_TRANCHE		"raft_pg_groups"
#define PROPOSALS_TRANCHE	"raft_pg_proposals"

RaftShared *raft_shared = NULL;

/* Of each group's memory; set in the postmaster, before any other process exists. */
static const RaftGroupPart *group_parts = NULL;
static int	n_group_parts = 0;

/* --- set-up --- */

/* For what a group publishes. */
static Size
published_size(void)
{
	Size		size = raft_published_shmem_size(sizeof(RaftGroupStatus));

	size = add_size(size, raft_published_shmem_size(sizeof(RaftGroupLinks)));
	size = add_size(size, raft_published_shmem_size(sizeof(RaftGroupConfig)));
	return add_size(size, raft_published_shmem_size(sizeof(RaftApplierStatus)));
}

static Size
groups_size(void)
{
	return MAXALIGN(add_size(offsetof(RaftShared, groups),
							 mul_size(raft_max_groups, sizeof(RaftGroup))));
}

static Size
shmem_size(void)
{
	Size		per_group = 0;

	for (int i = 0; i < n_group_parts; i++)
		per_group = add_size(per_group, CACHELINEALIGN(group_parts[i].size()));
	per_group = add_size(per_group, published_size());
	return add_size(CACHELINEALIGN(groups_size()),
					add_size(PG_CACHE_LINE_SIZE, mul_size(raft_max_groups, per_group)));
}

void
raft_group_shmem_request(const RaftGroupPart *parts, int n_parts)
{
	group_parts = parts;
	n_group_parts = n_parts;
	RequestAddinShmemSpace(shmem_size());
	RequestNamedLWLockTranche(GROUPS_TRANCHE, 1);
	RequestNamedLWLockTranche(PROPOSALS_TRANCHE, raft_max_groups);
}

static void
init_published(RaftPublished *block, Size size, char **memory)
{
	raft_published_init(block, *memory, size);
	*memory += raft_published_shmem_size(size);
}

static void
init_group(RaftGroup *group, LWLock *proposal_lock, char **memory)
{
	SpinLockInit(&group->mutex);
	group->proposal_lock = proposal_lock;

	pg_atomic_init_u64(&group->ready, 0);
	pg_atomic_init_u64(&group->skips_end, 0);
	pg_atomic_init_u64(&group->visible, 0);
	pg_atomic_init_u64(&group->apply_since, 0);
	pg_atomic_init_u64(&group->durable_applied, 0);
	pg_atomic_init_u64(&group->term, 0);
	pg_atomic_init_u32(&group->role, RAFT_FOLLOWER);
	pg_atomic_init_u32(&group->leader, 0);
	pg_atomic_init_u64(&group->flush_wanted, 0);
	pg_atomic_init_u64(&group->contact, 0);
	pg_atomic_init_u64(&group->due, PG_UINT64_MAX);
	ConditionVariableInit(&group->state_cv);
	ConditionVariableInit(&group->applied_cv);

	init_published(&group->status, sizeof(RaftGroupStatus), memory);
	init_published(&group->links, sizeof(RaftGroupLinks), memory);
	init_published(&group->config, sizeof(RaftGroupConfig), memory);
	init_published(&group->applier, sizeof(RaftApplierStatus), memory);

	for (int i = 0; i < n_group_parts; i++)
	{
		const RaftGroupPart *part = &group_parts[i];


		*(void **) ((char *) group + part->pointer) = *memory;
		part->init(*memory);
		*memory += CACHELINEALIGN(part->size());
	}
}

void
raft_group_shmem_startup(const RaftGroupPart *parts, int n_parts)
{
	bool		found;

	group_parts = parts;
	n_group_parts = n_parts;

	raft_shared = ShmemInitStruct("raft_pg", shmem_size(), &found);
	if (!found)
	{
		LWLockPadded *proposal_locks = GetNamedLWLockTranche(PROPOSALS_TRANCHE);
		char	   *memory = (char *) raft_shared + groups_size();

		MemSet(raft_shared, 0, groups_size());
		raft_shared->lock = &GetNamedLWLockTranche(GROUPS_TRANCHE)->lock;
		SpinLockInit(&raft_shared->launcher_mutex);
		raft_shared->n_groups = raft_max_groups;

		memory = (char *) CACHELINEALIGN(memory);
		for (int i = 0; i < raft_max_groups; i++)
			init_group(&raft_shared->groups[i], &proposal_locks[i].lock, &memory);
	}
}

/* --- slots --- */

RaftGroup *
raft_group_slot(Oid database)
{
	for (int i = 0; i < raft_shared->n_groups; i++)
	{
		RaftGroup  *group = &raft_shared->groups[i];

		if (group->state != RAFT_GROUP_FREE && group->database == database)
			return group;
	}
	return NULL;
}

void
raft_group_reset_slot(RaftGroup *group, Oid database)
{
	SpinLockAcquire(&group->mutex);
	group->log_relation = InvalidOid;
	group->node_id = 0;
	group->node_name[0] = '\0';
	group->boot_count = 0;
	memset(group->group_id, 0, sizeof(group->group_id));
	SpinLockRelease(&group->mutex);

	raft_publish(&group->status, NULL);
	raft_publish(&group->links, NULL);
	raft_publish(&group->config, NULL);
	raft_publish(&group->applier, NULL);
	memset(&group->baseline, 0, sizeof(group->baseline));
	group->error[0] = '\0';
	group->error_hint[0] = '\0';

	pg_atomic_write_u64(&group->ready, 0);
	pg_atomic_write_u64(&group->skips_end, 0);
	pg_atomic_write_u64(&group->visible, 0);
	pg_atomic_write_u64(&group->apply_since, 0);
	pg_atomic_write_u64(&group->durable_applied, 0);
	pg_atomic_write_u64(&group->term, 0);
	pg_atomic_write_u32(&group->role, RAFT_FOLLOWER);
	pg_atomic_write_u32(&group->leader, 0);
	pg_atomic_write_u64(&group->contact, 0);
	pg_atomic_write_u64(&group->due, PG_UINT64_MAX);

	group->database = database;
	group->drop_pending = false;
	group->hurry = false;
}

bool
raft_group_take(Oid database)
{
	RaftGroup  *group;
	bool		taken = true;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);

	group = raft_group_slot(database);
	if (group != NULL)
	{
		bool		failed = (group->state == RAFT_GROUP_FAILED);

		group->hurry = true;
		if (raft_life_event(group, RAFT_LIFE_START) && failed)
		{
			group->error[0] = '\0';
			group->error_hint[0] = '\0';
		}
	}
	else
	{
		for (int i = 0; i < raft_shared->n_groups && group == NULL; i++)
		{
			if (raft_shared->groups[i].state == RAFT_GROUP_FREE)
				group = &raft_shared->groups[i];
		}
		if (group != NULL)
		{
			raft_group_reset_slot(group, database);
			(void) raft_life_event(group, RAFT_LIFE_START);
		}
		else
			taken = false;
	}

	LWLockRelease(raft_shared->lock);
	return taken;
}

void
raft_group_stop(RaftGroup *group)
{
	(void) raft_life_event(group, RAFT_LIFE_STOP);
	(void) raft_group_terminate_workers(group);
	ConditionVariableBroadcast(&group->applied_cv);	/* whoever waits there waits in vain */
}

RaftGroup *
raft_group_find(Oid database)
{
	RaftGroup  *group;

	if (raft_shared == NULL)
		return NULL;

	LWLockAcquire(raft_shared->lock, LW_SHARED);
	group = raft_group_slot(database);
	if (group != NULL && group->state == RAFT_GROUP_STOPPING)
		group = NULL;
	LWLockRelease(raft_shared->lock);
	return group;
}

RaftGroup *
raft_group_require(void)
{
	RaftGroup  *group;

	raft_require_preload();

	group = raft_group_find(MyDatabaseId);
	if (group == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft is not running in this database"),
				 errhint("Start it with raft_start().")));
	return group;
}

/* --- places of the workers --- */

/* The node worker's last word: it has no role and no peers any more. */
static void
publish_absence(RaftGroup *group)
{
	RaftGroupStatus status;

	raft_group_get_status(group, &status);
	status.role = RAFT_FOLLOWER;
	status.leader = 0;
	status.n_peers = 0;
	raft_publish(&group->status, &status);
	raft_publish(&group->links, NULL);
}

/*
 * The worker ends, in whatever way.  Nobody may take this node for a leader or
 * wait for its answers any longer.
 */
static void
detach_worker(int code, Datum arg)
{
	RaftGroup  *group = &raft_shared->groups[DatumGetInt32(arg) / RAFT_WORKER_KINDS];
	int			kind = DatumGetInt32(arg) % RAFT_WORKER_KINDS;
	bool		is_node = (kind == RAFT_WORKER_NODE);

	/* after an ERROR outside a transaction, locks may still be held */
	LWLockReleaseAll();

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&group->mutex);
	group->worker_pid[kind] = 0;
	group->worker_latch[kind] = NULL;
	SpinLockRelease(&group->mutex);

	if (is_node)
	{
		publish_absence(group);
		pg_atomic_write_u32(&group->role, RAFT_FOLLOWER);
		pg_atomic_write_u32(&group->leader, 0);
		pg_atomic_write_u64(&group->contact, 0);
		pg_atomic_write_u64(&group->due, PG_UINT64_MAX);
		(void) raft_life_event(group, RAFT_LIFE_NODE_ENDED);
	}
	LWLockRelease(raft_shared->lock);

	for (int i = 0; is_node && i < n_group_parts; i++)
	{
		if (group_parts[i].node_ended != NULL)
			group_parts[i].node_ended(group);
	}
	ConditionVariableBroadcast(&group->state_cv);
	ConditionVariableBroadcast(&group->applied_cv);
	raft_launcher_wake();
}

RaftGroup *
raft_group_attach(Oid database, RaftWorkerKind kind)
{
	RaftGroup  *group;
	bool		wanted = false;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	group = raft_group_slot(database);
	if (group != NULL &&
		(group->state == RAFT_GROUP_STARTING || group->state == RAFT_GROUP_RUNNING))
	{
		SpinLockAcquire(&group->mutex);
		if (group->worker_pid[kind] == 0)
		{
			group->worker_pid[kind] = MyProcPid;
			group->worker_latch[kind] = MyLatch;
			wanted = true;
		}
		SpinLockRelease(&group->mutex);
	}
	LWLockRelease(raft_shared->lock);

	if (!wanted)
		return NULL;

	before_shmem_exit(detach_worker,
					  Int32GetDatum((int) (group - raft_shared->groups) * RAFT_WORKER_KINDS + (int) kind));
	return group;
}

void
raft_group_error_context(void *arg)
{
	const RaftGroup *group = arg;
	char		id[2 * RAFT_GROUP_ID_BYTES + 1];

	for (int i = 0; i < RAFT_GROUP_ID_BYTES; i++)
		snprintf(id + 2 * i, 3, "%02x", group->group_id[i]);
	errcontext("Raft node \"%s\" in database \"%s\", group %s",
			   group->node_name, group->database_name, id);
}

bool
raft_group_terminate_workers(RaftGroup *group)
{
	pid_t		pids[RAFT_WORKER_KINDS];
	bool		any = false;

	SpinLockAcquire(&group->mutex);
	memcpy(pids, group->worker_pid, sizeof(pids));
	SpinLockRelease(&group->mutex);

	for (int kind = 0; kind < RAFT_WORKER_KINDS; kind++)
	{
		if (pids[kind] == 0)
			continue;
		kill(pids[kind], SIGTERM);
		any = true;
	}
	return any;
}

static void
wake(RaftGroup *group, RaftWorkerKind kind)
{
	Latch	   *latch;

	/* a latch of PGPROC stays valid memory when its owner ends meanwhile */
	SpinLockAcquire(&group->mutex);
	latch = group->worker_latch[kind];
	SpinLockRelease(&group->mutex);

	if (latch != NULL)
		SetLatch(latch);
}

void
raft_group_wake_node(RaftGroup *group)
{
	wake(group, RAFT_WORKER_NODE);
}

void
raft_group_wake_applier(RaftGroup *group)
{
	wake(group, RAFT_WORKER_APPLIER);
}

void
raft_group_wake_flusher(RaftGroup *group)
{
	wake(group, RAFT_WORKER_FLUSHER);
}

/* --- what the workers publish --- */

void
raft_group_set_error(RaftGroup *group, const char *error, const char *hint)
{
	char		error_copy[sizeof(group->error)];
	char		hint_copy[sizeof(group->error_hint)];

	/* cut at a character's boundary */
	error = error ? error : "";
	hint = hint ? hint : "";
	strlcpy(error_copy, error, pg_mbcliplen(error, strlen(error), sizeof(error_copy) - 1) + 1);
	strlcpy(hint_copy, hint, pg_mbcliplen(hint, strlen(hint), sizeof(hint_copy) - 1) + 1);

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	memcpy(group->error, error_copy, sizeof(error_copy));
	memcpy(group->error_hint, hint_copy, sizeof(hint_copy));
	LWLockRelease(raft_shared->lock);
}

void
raft_group_get_standing(RaftGroup *group, RaftStanding *standing)
{
	RaftTime	patience = raft_election_timeout();
	RaftTime	contact = pg_atomic_read_u64(&group->contact);
	RaftTime	due = pg_atomic_read_u64(&group->due);
	RaftTime	now;

	/* a contact that is recent at the end of all this was so at its beginning */
	pg_read_barrier();
	standing->role = pg_atomic_read_u32(&group->role);
	standing->leader = pg_atomic_read_u32(&group->leader);
	pg_read_barrier();
	now = raft_now();

	standing->has_quorum = standing->leader != 0 && (contact > now || now - contact < patience);
	standing->is_leader = standing->has_quorum && standing->role == RAFT_LEADER;
	standing->stale = now > due && now - due > patience;
	if (!standing->has_quorum)
		standing->leader = 0;
}

void
raft_group_get_status(RaftGroup *group, RaftGroupStatus *status)
{
	raft_published_read(&group->status, status);
}

void
raft_group_get_links(RaftGroup *group, RaftGroupLinks *links)
{
	raft_published_read(&group->links, links);
}

void
raft_group_get_applier(RaftGroup *group, RaftApplierStatus *status)
{
	raft_published_read(&group->applier, status);
	status->visible = pg_atomic_read_u64(&group->visible);
	status->durable = pg_atomic_read_u64(&group->durable_applied);
}

void
raft_group_get_baseline(RaftGroup *group, RaftStatsBaseline *baseline)
{
	LWLockAcquire(raft_shared->lock, LW_SHARED);
	*baseline = group->baseline;
	LWLockRelease(raft_shared->lock);
}

void
raft_group_set_baseline(RaftGroup *group, const RaftStatsBaseline *baseline)
{
	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	group->baseline = *baseline;
	LWLockRelease(raft_shared->lock);
}

RaftGroupState
raft_group_get_state(RaftGroup *group, char error[512], char hint[256])
{
	RaftGroupState state;

	StaticAssertStmt(sizeof(group->error) == 512 && sizeof(group->error_hint) == 256,
					 "callers provide buffers of these sizes");

	LWLockAcquire(raft_shared->lock, LW_SHARED);
	state = group->state == RAFT_GROUP_RESTARTING ? RAFT_GROUP_STARTING : group->state;
	if (error != NULL)
		memcpy(error, group->error, sizeof(group->error));
	if (hint != NULL)
		memcpy(hint, group->error_hint, sizeof(group->error_hint));
	LWLockRelease(raft_shared->lock);
	return state;
}

RaftGroupState
raft_group_check_failed(RaftGroup *group)
{
	char		error[512];
	char		hint[256];
	RaftGroupState state = raft_group_get_state(group, error, hint);

	if (state == RAFT_GROUP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft has failed in this database"),
				 errdetail_internal("%s", error),
				 hint[0] ? errhint("%s", hint) : 0));
	return state;
}

int
raft_group_decode_members(const uint8 *data, uint32 size, RaftGroupMember **members)
{
	RaftConfig	config;
	RaftMemberInfo *info = palloc(sizeof(RaftMemberInfo) * RAFT_MAX_MEMBERS);

	if (raft_config_decode(data, size, &config, info) != RAFT_DECODE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the stored members of the Raft group are damaged")));

	*members = palloc(config.n_members * sizeof(RaftGroupMember));
	for (uint32 i = 0; i < config.n_members; i++)
	{
		RaftGroupMember *member = &(*members)[i];

		member->id = info[i].id;
		member->flags = info[i].flags;
		member->log_id = info[i].log_id;
		member->name = pnstrdup(info[i].name, info[i].name_size);
		member->conninfo = pnstrdup(info[i].conninfo, info[i].conninfo_size);
	}
	pfree(info);
	return (int) config.n_members;
}

int
raft_group_get_members(RaftGroup *group, RaftGroupMember **members)
{
	RaftGroupConfig *config = palloc(sizeof(RaftGroupConfig));
	int			n = 0;

	raft_published_read(&group->config, config);
	*members = NULL;
	if (config->size > 0)		/* else not yet known: the group is starting */
		n = raft_group_decode_members(config->data, config->size, members);
	pfree(config);
	return n;
}

char *
raft_group_member_name(RaftGroup *group, RaftNodeId id)
{
	RaftGroupMember *members;
	int			n_members = raft_group_get_members(group, &members);

	for (int i = 0; i < n_members; i++)
	{
		if (members[i].id == id)
			return members[i].name;
	}
	return NULL;
}
