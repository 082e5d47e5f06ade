/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The extension's own objects stay as its script has made them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_GUARD_H
#define RAFT_GUARD_H

#include "catalog/objectaccess.h"

/* Chains ProcessUtility_hook and ExecutorCheckPerms_hook; in the postmaster. */
extern void raft_guard_init(void);

/* Object access hook: ERROR when a member of the extension is altered. */
extern void raft_guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
									 int sub_id, const void *arg);

#endif							/* RAFT_GUARD_H */
