/*-------------------------------------------------------------------------
 *
 * raft_pg.c
 *	  The library is loaded: settings, hooks and the launcher.
 *
 * Everything here happens in the postmaster, while shared_preload_libraries is
 * being loaded; a backend that loads the library later gets the SQL functions
 * alone, and each of them says what is missing (raft_require_preload).
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "api/api.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "client/proposals.h"
#include "client/queue.h"
#include "client/slots.h"
#include "client/waiting.h"
#include "group/group.h"
#include "group/shared.h"
#include "group/workers.h"
#include "guard.h"
#include "log/log.h"
#include "miscadmin.h"
#include "net/inbox.h"
#include "net/refusals.h"
#include "storage/ipc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

bool		raft_preloaded = false;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;
static object_access_hook_type prev_object_access_hook = NULL;

static void
close_inboxes(RaftGroup *group)
{
	raft_inboxes_close(group->inboxes);
}

/* What the shared memory of each group is made of, besides the group itself. */
static const RaftGroupPart group_parts[] = {
	{offsetof(RaftGroup, log), raft_log_shmem_size, raft_log_shmem_init, NULL},
	{offsetof(RaftGroup, inboxes), raft_inboxes_shmem_size, raft_inboxes_shmem_init, close_inboxes},
	{offsetof(RaftGroup, slots), raft_slots_shmem_size, raft_slots_shmem_init, NULL},
	{offsetof(RaftGroup, queue), raft_queue_shmem_size, raft_queue_shmem_init, raft_proposals_abandon},
};

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	raft_settings_fix_sizes();
	raft_refusals_shmem_request();
	raft_waiting_shmem_request();
	raft_group_shmem_request(group_parts, lengthof(group_parts));
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	raft_refusals_shmem_startup();
	raft_waiting_shmem_startup();
	raft_group_shmem_startup(group_parts, lengthof(group_parts));
	LWLockRelease(AddinShmemInitLock);
}

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, class_id, object_id, sub_id, arg);

	raft_guard_object_access(access, class_id, object_id, sub_id, arg);
	if (access != OAT_DROP || sub_id != 0)
		return;
	if (class_id == RelationRelationId && raft_log_is_relation(object_id))
		raft_lifecycle_log_dropped();
	else
		raft_lifecycle_object_dropped(class_id, object_id);
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	raft_settings_define();

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	prev_object_access_hook = object_access_hook;
	object_access_hook = object_access;

	raft_guard_init();
	raft_statement_init();
	raft_lifecycle_init();

	/* pg_upgrade wants its servers for itself: no group runs in them */
	if (!IsBinaryUpgrade)
		raft_launcher_register();

	raft_preloaded = true;
}

void
raft_require_preload(void)
{
	if (!raft_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("raft_pg must be loaded via \"shared_preload_libraries\""),
				 errhint("Add raft_pg to \"shared_preload_libraries\" in postgresql.conf and restart the server.")));
}
