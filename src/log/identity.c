/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Whose log this is, which copy of it, and which starts it has seen.
 *
 * A copy of a node's directory (a base backup, a clone of the machine, a tar
 * archive) lacks what the node has voted and acknowledged since it was made.
 * Three marks tell it from the original:
 *
 *	- What a copy cannot keep: number and birth time of the file itself.  Block 0
 *	  knows those of the file it was written to, so a copy is recognised by
 *	  itself, whoever else is up.
 *	- What a base backup brings along: whoever restores one starts the server
 *	  with its backup_label, which recovery renames to backup_label.old and
 *	  leaves there.  Block 0 knows the one that lay there when the identity was
 *	  set, so a base backup is recognised also when it was written over
 *	  the files that were there.
 *	- What a copy cannot know: the random numbers of the later starts.  Each
 *	  peer keeps the last one that it has met, and wants to find it in the history of whoever
 *	  comes in the node's name (net/peer_log.c).  That serves where the file
 *	  is the same one: a machine set back to an earlier state of its disk.
 *
 * The history is bounded.  When it is full, the oldest start is dropped that is
 * not the last one of which a peer is known to have taken a stream.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "access/xlog.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "log/writer.h"

#define RESET_HINT \
	"If this is the newest state of the node and the only server that will ever start with it (moved to another disk, upgraded by pg_upgrade), a superuser can vouch for that: call raft_reset_identity(), then raft_start()."

uint64
raft_log_random(void)
{
	uint64		number;

	if (!pg_strong_random(&number, sizeof(number)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	return number == 0 ? 1 : number;	/* 0 stands for none */
}

/* --- the file --- */

/*
 * Number and birth time.  A file system that does not keep the latter may give a
 * copy the number of an original that was deleted: then the number alone has to do.
 */
static void
look_at_file(RaftRelFile file, uint64 *number, int64 *birth)
{
	char	   *path = raft_rel_path(file);

#ifdef STATX_BTIME
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	*number = st.stx_ino;
	*birth = (st.stx_mask & STATX_BTIME) == 0 ? 0 :
		(int64) st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
#else
	struct stat st;

	if (stat(path, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	*number = st.st_ino;
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__)
	*birth = (int64) st.st_birthtimespec.tv_sec * 1000000000 + st.st_birthtimespec.tv_nsec;
#else
	*birth = 0;
#endif
#endif
	pfree(path);
}

static const char *
describe_file(uint64 number, int64 birth)
{
	if (birth == 0)
		return psprintf("inode %llu", (unsigned long long) number);
	return psprintf("inode %llu, made at %s", (unsigned long long) number,
					timestamptz_to_str(time_t_to_timestamptz((pg_time_t) (birth / 1000000000))));
}

/* --- the base backup --- */

/* What is left of the backup that this directory was restored from; "" = none. */
static void
read_backup_label(StringInfo label)
{
	FILE	   *file = AllocateFile(BACKUP_LABEL_OLD, PG_BINARY_R);
	char		bytes[1024];
	size_t		n;

	initStringInfo(label);
	if (file == NULL && errno == ENOENT)
		return;
	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", BACKUP_LABEL_OLD)));
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		appendBinaryStringInfo(label, bytes, (int) n);
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", BACKUP_LABEL_OLD)));
	FreeFile(file);
}

static uint64
hash_backup_label(const StringInfo label)
{
	uint64		hash;

	if (label->len == 0)
		return 0;
	hash = hash_bytes_extended((const unsigned char *) label->data, label->len, 0);
	return hash == 0 ? 1 : hash;	/* 0 stands for none */
}

/* Its line about this, without the line's name; NULL when there is none. */
static char *
backup_start_time(const StringInfo label)
{
	const char *name = "START TIME: ";
	const char *line = strstr(label->data, name);

	if (line == NULL)
		return NULL;
	line += strlen(name);
	return pnstrdup(line, strcspn(line, "\r\n"));
}

/* --- checks --- */

static void
refuse_copy(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this copy of the Raft log cannot act as its node"),
			 errdetail("%s A copy may lack votes and entries that the node has acknowledged since.", detail),
			 errhint("%s", RESET_HINT)));
}

static void
refuse_other_server(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this copy of the Raft log was made by another server"),
			 errdetail_internal("%s", detail),
			 errhint("%s", RESET_HINT)));
}

static void
check_server(const RaftLogMeta *meta, const RaftLogIdentity *identity)
{
	if (meta->system_identifier != identity->system_identifier)
		refuse_other_server(psprintf("The log was last written by the server with system identifier %llu; this server's is %llu.",
									 (unsigned long long) meta->system_identifier,
									 (unsigned long long) identity->system_identifier));
	if (meta->timeline != identity->timeline)
		refuse_other_server(psprintf("The log was last written on timeline %u; this server, promoted or recovered from an archive, is on timeline %u.",
									 meta->timeline, identity->timeline));
	if (meta->database != identity->database)
		refuse_other_server(psprintf("The log was last written in the database with OID %u; this one's is %u.",
									 meta->database, identity->database));
}

static void
check_file(const RaftLogMeta *meta, RaftRelFile file)
{
	uint64		number;
	int64		birth;

	look_at_file(file, &number, &birth);
	if (meta->file_number != number || meta->file_birth != birth)
		refuse_copy(psprintf("The node has written its log to another file (%s) than \"%s\" (%s): its directory was copied or restored from a backup.",
							 describe_file(meta->file_number, meta->file_birth),
							 raft_rel_path(file), describe_file(number, birth)));
}

/*
 * Only a restore puts another label there.  One that is gone was removed by hand,
 * which says nothing about the rest; what block 0 knows of it stays.
 */
static void
check_backup(const RaftLogMeta *meta)
{
	StringInfoData label;
	uint64		hash;
	char	   *time;

	read_backup_label(&label);
	hash = hash_backup_label(&label);
	if (hash == 0 || hash == meta->backup_label)
		return;
	time = backup_start_time(&label);
	refuse_copy(psprintf("The data directory was restored from a base backup%s%s.",
						 time ? " that was begun at " : "", time ? time : ""));
}

void
raft_log_set_identity(RaftLogMeta *meta, RaftRelFile file, const RaftLogIdentity *identity)
{
	StringInfoData label;

	meta->system_identifier = identity->system_identifier;
	meta->timeline = identity->timeline;
	meta->database = identity->database;
	look_at_file(file, &meta->file_number, &meta->file_birth);
	read_backup_label(&label);
	meta->backup_label = hash_backup_label(&label);
	if (meta->file_birth == 0)
		ereport(LOG,
				(errmsg("file system does not report when a file was created"),
				 errdetail("Copies of this directory are recognized by inode numbers alone.")));
}

/*
 * What a superuser has vouched for holds for the state he has seen: the start
 * that uses it makes another one of it.
 */
void
raft_log_check_identity(RaftLogMeta *meta, RaftRelFile file, const RaftLogIdentity *identity)
{
	if (memcmp(meta->group, identity->group, RAFT_GROUP_ID_BYTES) != 0 ||
		(identity->node != 0 && meta->node != identity->node))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Raft log in this database belongs to another node"),
				 errdetail("It belongs to node %u, but table \"%s.node\" names node %u or another group.",
						   meta->node, RAFT_SCHEMA, identity->node),
				 errhint("DROP EXTENSION raft_pg frees this database for another group.")));

	if (identity->vouched_for != 0 && identity->vouched_for == meta->incarnation)
	{
		raft_log_set_identity(meta, file, identity);
		ereport(LOG,
				(errmsg("accepting this copy of the Raft log because of raft_reset_identity()")));
		return;
	}
	check_server(meta, identity);
	check_file(meta, file);
	check_backup(meta);
}

/* --- starts --- */

static bool
is_last_met(const RaftLogHistory *history, uint64 incarnation)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (history->met[i].peer != 0 && history->met[i].incarnation == incarnation)
			return true;
	}
	return false;
}

static void
add_start(RaftLogHistory *history, uint64 incarnation)
{
	uint32		drop = 0;

	if (history->n_starts == RAFT_LOG_MAX_STARTS)
	{
		while (is_last_met(history, history->starts[drop]))
			drop++;				/* fewer peers than starts: one is found */
		history->n_starts--;
		memmove(&history->starts[drop], &history->starts[drop + 1],
				(history->n_starts - drop) * sizeof(uint64));
	}
	history->starts[history->n_starts++] = incarnation;
}

/* Undamaged, and of the same write as block 0: both end with the last start. */
static bool
read_history(RaftRelFile file, const RaftLogMeta *meta, RaftLogHistory *history)
{
	return raft_pages_read_history(file, history) && history->n_starts > 0 &&
		history->starts[history->n_starts - 1] == meta->incarnation;
}

/* The caller flushes before anything of this start leaves the process. */
void
raft_log_begin_incarnation(RaftLogWriter *writer, RaftLogRecovery *recovery)
{
	RaftLogMeta *meta = &writer->meta;
	RaftLogHistory *history = &writer->history;

	memset(history, 0, sizeof(RaftLogHistory));
	if (meta->boot_count > 0 && !read_history(writer->pages->file, meta, history))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %d of the Raft log is damaged", (int) RAFT_HISTORY_BLOCK)));

	recovery->n_former_starts = history->n_starts;
	recovery->former_starts = palloc(Max(history->n_starts, 1) * sizeof(uint64));
	memcpy(recovery->former_starts, history->starts, history->n_starts * sizeof(uint64));

	meta->incarnation = raft_log_random();
	meta->boot_count++;
	add_start(history, meta->incarnation);
	recovery->incarnation = meta->incarnation;
	recovery->boot_count = meta->boot_count;

	raft_meta_seal(meta);
	writer->lsn = raft_pages_write_history(writer->pages, meta, history);
}

/* The place of this peer, else a free one, else that of the peer met longest ago. */
static int
place_of_peer(const RaftLogHistory *history, RaftNodeId peer)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (history->met[i].peer == peer)
			return i;
	}
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (history->met[i].peer == 0)
			return i;
	}
	for (uint32 start = 0; start < history->n_starts; start++)
	{
		for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
		{
			if (history->met[i].incarnation == history->starts[start])
				return i;
		}
	}
	return 0;
}

void
raft_log_note_met(RaftLogWriter *writer, RaftNodeId peer)
{
	RaftLogHistory *history = &writer->history;
	ResourceOwner saved;
	int			place = place_of_peer(history, peer);

	if (history->met[place].peer == peer &&
		history->met[place].incarnation == writer->meta.incarnation)
		return;
	history->met[place].peer = peer;
	history->met[place].incarnation = writer->meta.incarnation;

	saved = raft_pages_begin();
	writer->lsn = raft_pages_write_history(writer->pages, &writer->meta, history);
	raft_pages_end(saved);
	XLogSetAsyncXactLSN(writer->lsn);
}

uint64
raft_log_last_incarnation(RaftRelFile file)
{
	ResourceOwner saved = raft_pages_begin();
	RaftLogMeta meta;
	RaftMetaResult result = raft_pages_read_meta(file, &meta);

	raft_pages_end(saved);
	return result == RAFT_META_OK ? meta.incarnation : 0;
}
