/*-------------------------------------------------------------------------
 *
 * bytes.h
 *	  Little-endian integers in byte arrays, on any machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_WIRE_BYTES_H
#define RAFT_WIRE_BYTES_H

#include <stdint.h>

static inline void
put_u16(uint8_t *out, uint16_t v)
{
	out[0] = (uint8_t) v;
	out[1] = (uint8_t) (v >> 8);
}

static inline void
put_u32(uint8_t *out, uint32_t v)
{
	put_u16(out, (uint16_t) v);
	put_u16(out + 2, (uint16_t) (v >> 16));
}

static inline void
put_u64(uint8_t *out, uint64_t v)
{
	put_u32(out, (uint32_t) v);
	put_u32(out + 4, (uint32_t) (v >> 32));
}

static inline uint16_t
get_u16(const uint8_t *in)
{
	return (uint16_t) (in[0] | in[1] << 8);
}

static inline uint32_t
get_u32(const uint8_t *in)
{
	return (uint32_t) get_u16(in) | (uint32_t) get_u16(in + 2) << 16;
}

static inline uint64_t
get_u64(const uint8_t *in)
{
	return (uint64_t) get_u32(in) | (uint64_t) get_u32(in + 4) << 32;
}

#endif							/* RAFT_WIRE_BYTES_H */
