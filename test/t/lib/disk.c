/*-------------------------------------------------------------------------
 *
 * disk.c
 *	  A disk for tests that stands still when it is told to, loaded before the C
 *	  library (LD_PRELOAD).
 *
 * The file "disk" in the data directory, in which every process of a server works,
 * begins with two 32-bit numbers: while the first is not zero, whoever wants WAL on
 * disk waits; the second says how many are waiting.  Without the file, all is well.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef struct Disk
{
	volatile int32_t stands_still;
	int32_t		waiting;
} Disk;

static Disk *
find_disk(void)
{
	static Disk *disk = NULL;
	int			file;
	void	   *memory;

	if (disk != NULL || (file = open("disk", O_RDWR)) < 0)
		return disk;
	memory = mmap(NULL, sizeof(Disk), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (memory == MAP_FAILED)
		abort();
	return disk = memory;
}

static void
wait_for_disk(int fd)
{
	struct timespec moment = {.tv_nsec = 1000000};
	char		link[64];
	char		path[4096];
	ssize_t		length;
	Disk	   *disk;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	if (strstr(path, "/pg_wal/") == NULL || (disk = find_disk()) == NULL || !disk->stands_still)
		return;

	__atomic_fetch_add(&disk->waiting, 1, __ATOMIC_SEQ_CST);
	while (disk->stands_still)
		nanosleep(&moment, NULL);
	__atomic_fetch_sub(&disk->waiting, 1, __ATOMIC_SEQ_CST);
}

int
fdatasync(int fd)
{
	int			(*real) (int) = (int (*) (int)) dlsym(RTLD_NEXT, "fdatasync");

	wait_for_disk(fd);
	return real(fd);
}

int
fsync(int fd)
{
	int			(*real) (int) = (int (*) (int)) dlsym(RTLD_NEXT, "fsync");

	wait_for_disk(fd);
	return real(fd);
}
