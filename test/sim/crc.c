/*-------------------------------------------------------------------------
 *
 * crc.c
 *	  CRC-32C for the codec: PostgreSQL's own, from libpgport.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "port/pg_crc32c.h"

extern uint32_t raft_host_crc32c(uint32_t crc, const void *data, size_t size);

uint32_t
raft_host_crc32c(uint32_t crc, const void *data, size_t size)
{
	pg_crc32c	running = crc ^ 0xFFFFFFFF;

	COMP_CRC32C(running, data, size);
	return running ^ 0xFFFFFFFF;
}
