/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Reading raft.log with SQL: what tableam.c takes from scan.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOG_SCAN_H
#define RAFT_LOG_SCAN_H

#include "access/relscan.h"
#include "access/tableam.h"
#include "log/reader.h"

/* A reader of the table; from shared memory when its group runs here. */
extern RaftLogReader *raft_log_reader_for(Relation rel);

extern TableScanDesc raft_scan_begin(Relation rel, Snapshot snapshot, int nkeys,
									 struct ScanKeyData *key,
									 ParallelTableScanDesc pscan, uint32 flags);
extern void raft_scan_end(TableScanDesc sscan);
extern void raft_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key,
							 bool set_params, bool allow_strat, bool allow_sync,
							 bool allow_pagemode);
extern bool raft_scan_getnextslot(TableScanDesc sscan, ScanDirection direction,
								  TupleTableSlot *slot);
extern bool raft_fetch_row(Relation rel, ItemPointer tid, Snapshot snapshot,
						   TupleTableSlot *slot);

#endif							/* RAFT_LOG_SCAN_H */
