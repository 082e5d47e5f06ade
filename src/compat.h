/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the PostgreSQL versions that raft_pg supports.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_COMPAT_H
#define RAFT_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "raft_pg needs PostgreSQL 15 or later"
#endif

/* The physical identity of a relation got a new name in 16. */
#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
typedef RelFileLocator RaftRelFile;
#define raft_rel_file(relation)		((relation)->rd_locator)
#else
#include "storage/relfilenode.h"
typedef RelFileNode RaftRelFile;
#define raft_rel_file(relation)		((relation)->rd_node)
#endif

/* Backends are numbered by MyBackendId (from 1) until 16, by MyProcNumber (from 0) since. */
#if PG_VERSION_NUM >= 170000
#define raft_my_backend_slot()		((int) MyProcNumber)
#else
#define raft_my_backend_slot()		((int) MyBackendId - 1)
#endif

#endif							/* RAFT_COMPAT_H */
