/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names of the enumerations of core and wire, for traces, logs and status views, in
 *	  lower case.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_NAMES_H
#define RAFT_WIRE_NAMES_H

#include "wire/kinds.h"

extern const char *raft_role_name(RaftRole role);
extern const char *raft_message_name(RaftMessageType type);
extern const char *raft_entry_kind_name(uint8_t kind);	/* NULL when unknown */

#endif							/* RAFT_WIRE_NAMES_H */
