/*-------------------------------------------------------------------------
 *
 * pages.h
 *	  Layout of the table raft.log on disk, and the functions that read and
 *	  write its pages.  For the files of this folder only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_LOG_PAGES_H
#define RAFT_LOG_PAGES_H

#include "access/xlogdefs.h"
#include "log/log.h"
#include "storage/buf.h"
#include "storage/bufpage.h"
#include "storage/bufmgr.h"
#include "utils/resowner.h"

/*
 * Raise RAFT_LOG_FORMAT whenever a byte on these pages changes its meaning:
 * a server that finds another number refuses the log.  See README.md.
 */
#define RAFT_LOG_MAGIC			0x54464152	/* "RAFT" */
#define RAFT_LOG_FORMAT			3

/* The end of every page. */
typedef struct RaftPageSpecial
{
	uint64		page_no;		/* ring page: number in the growing address */
	uint64		first_index;	/* lowest index whose record starts on or after this page */
	uint16		first_offset;	/* where in the payload it starts, or RAFT_PAGE_NO_START */
	uint16		kind;			/* RaftPageKind */
	uint32		magic;			/* RAFT_LOG_MAGIC */
} RaftPageSpecial;

#define RAFT_PAGE_NO_START		0xFFFF

typedef enum RaftPageKind
{
	RAFT_PAGE_META = 1,
	RAFT_PAGE_CONFIG = 2,
	RAFT_PAGE_RING = 3,
	RAFT_PAGE_HISTORY = 4
} RaftPageKind;

#define RAFT_PAGE_HEADER		MAXALIGN(SizeOfPageHeaderData)
#define RAFT_PAGE_PAYLOAD		(BLCKSZ - RAFT_PAGE_HEADER - MAXALIGN(sizeof(RaftPageSpecial)))

/* Blocks: the meta page, the base configuration, the history of starts, the ring. */
#define RAFT_META_BLOCK			0
#define RAFT_CONFIG_BLOCK		1
#define RAFT_CONFIG_BLOCKS		((RAFT_MAX_CONFIG_BYTES + RAFT_PAGE_PAYLOAD - 1) / RAFT_PAGE_PAYLOAD)
#define RAFT_HISTORY_BLOCK		(RAFT_CONFIG_BLOCK + RAFT_CONFIG_BLOCKS)
#define RAFT_RING_BLOCK			(RAFT_HISTORY_BLOCK + 1)

/* Payload of block 0.  Positions and page_no count payload bytes from 0 on. */
typedef struct RaftLogMeta
{
	uint32		magic;
	uint32		format;
	uint32		n_pages;		/* pages of the ring */
	uint32		page_payload;	/* RAFT_PAGE_PAYLOAD of the server that created it */

	/* whose log this is */
	uint8		group[RAFT_GROUP_ID_BYTES];
	uint64		system_identifier;
	RaftNodeId	node;
	uint32		timeline;
	uint32		database;		/* oid */
	uint32		reserved;		/* 0 */
	uint64		boot_count;
	uint64		log_id;			/* random, of this log and no other */

	/* which copy of it this is: see identity.h */
	uint64		incarnation;	/* random, of the last start */
	uint64		file_number;	/* inode of the log's first file */
	int64		file_birth;		/* when that was made, ns since 1970; 0 = not known */
	uint64		backup_label;	/* hash of the backup the directory came from; 0 = none */

	/* the newest configuration below first_index, in the configuration blocks */
	RaftIndex	config_index;
	uint32		config_size;	/* 0 = none */
	uint32		config_crc;

	/* below here changes with almost every write */
	RaftIndex	first_index;	/* last_index + 1 when empty */
	uint64		first_pos;		/* where its record starts */
	RaftTerm	base_term;		/* term of entry first_index - 1 */
	RaftTerm	term;
	RaftNodeId	vote;
	uint32		truncations;	/* lets readers notice that a tail was replaced */
	RaftIndex	commit;			/* a hint: committed at least up to here */
	RaftIndex	last_index;
	uint64		tail;			/* position after the last record */
	uint32		crc;			/* CRC-32C of everything above */
	uint32		unused;
} RaftLogMeta;

/* Payload of the history block. */
typedef struct RaftLogHistory
{
	uint32		crc;			/* CRC-32C of everything below */
	uint32		n_starts;

	/* the start at which each peer last took a stream of ours, as far as we know */
	struct
	{
		RaftNodeId	peer;		/* 0 = none */
		uint32		unused;
		uint64		incarnation;
	}			met[RAFT_MAX_MEMBERS];

	uint64		starts[RAFT_LOG_MAX_STARTS];	/* their incarnations, oldest first */
} RaftLogHistory;

typedef enum RaftMetaResult
{
	RAFT_META_OK,
	RAFT_META_EMPTY,			/* no log was created in this table yet */
	RAFT_META_FORMAT,			/* another format version or page size */
	RAFT_META_DAMAGED
} RaftMetaResult;

/* What the writer keeps about its table. */
typedef struct RaftLogPages
{
	RaftRelFile file;
	Relation	relation;		/* a fake one: all that GenericXLogStart() looks at */
	MemoryContext context;		/* GenericXLogStart()'s memory, used again each time */
} RaftLogPages;

static inline uint64
raft_page_of(uint64 pos)
{
	return pos / RAFT_PAGE_PAYLOAD;
}

static inline uint64
raft_page_start(uint64 page_no)
{
	return page_no * RAFT_PAGE_PAYLOAD;
}

/* Buffers are pinned for an owner of our own when no transaction has one. */
extern ResourceOwner raft_pages_begin(void);
extern void raft_pages_end(ResourceOwner saved);

/* pages.c: layout, space on disk, reading */
extern void raft_page_init(Page page, RaftPageKind kind, uint64 page_no);
extern RaftPageSpecial *raft_page_check(Page page, RaftPageKind kind, uint64 page_no);
extern void raft_pages_reserve(RaftRelFile file, uint32 n_pages, bool creating);
extern RaftMetaResult raft_pages_read_meta(RaftRelFile file, RaftLogMeta *meta);
extern void raft_meta_seal(RaftLogMeta *meta);
extern uint32 raft_history_crc(const RaftLogHistory *history);
extern bool raft_pages_read_config(RaftRelFile file, const RaftLogMeta *meta, uint8 *out);
extern bool raft_pages_read_history(RaftRelFile file, RaftLogHistory *history);
extern bool raft_pages_copy(RaftRelFile file, uint32 n_pages, uint64 pos, Size size,
							char *out, BufferAccessStrategy strategy);
extern bool raft_pages_locate(RaftRelFile file, uint32 n_pages, uint64 first_pos,
							  uint64 tail, RaftIndex index, uint64 *pos);
extern bool raft_pages_first_from(RaftRelFile file, uint32 n_pages, uint64 page_no,
								  RaftIndex *index);

/* page_write.c: every change, WAL-logged */
extern RaftLogPages *raft_pages_open(RaftRelFile file);
extern XLogRecPtr raft_pages_write(RaftLogPages *pages, const RaftLogMeta *meta,
								   uint64 pos, RaftIndex first,
								   const char *records, Size size);
extern bool raft_pages_write_is_atomic(uint64 pos, Size size);
extern XLogRecPtr raft_pages_write_config(RaftLogPages *pages, const RaftLogMeta *meta,
										  const uint8 *config);
extern XLogRecPtr raft_pages_write_history(RaftLogPages *pages, const RaftLogMeta *meta,
										   RaftLogHistory *history);

#endif							/* RAFT_LOG_PAGES_H */
