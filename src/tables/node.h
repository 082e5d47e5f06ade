/*-------------------------------------------------------------------------
 *
 * node.h
 *	  The row of raft.node: the identity that raft_start() gave this database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_NODE_ROW_H
#define RAFT_NODE_ROW_H

#include "raft_pg.h"

typedef struct RaftNodeRow
{
	char	   *node;
	RaftNodeId	node_id;
	uint8		group_id[RAFT_GROUP_ID_BYTES];
	bytea	   *bootstrap;
} RaftNodeRow;

/* Keeps other sessions from starting or stopping until the end of the transaction. */
extern void raft_node_row_lock(void);

/* False when raft_start() was never called.  Needs no right on the table. */
extern bool raft_node_row_read(RaftNodeRow *row);

/* Of a table that is about to be dropped: false, too, when it has an unexpected shape. */
extern bool raft_node_row_read_dropped(Oid table, RaftNodeRow *row);

/* The caller holds the lock, and there is no row. */
extern void raft_node_row_insert(const RaftNodeRow *row, Datum members);

#endif							/* RAFT_NODE_ROW_H */
