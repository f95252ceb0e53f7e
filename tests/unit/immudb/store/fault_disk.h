#ifndef TEST_FAULT_DISK_H
#define TEST_FAULT_DISK_H

/*
 * One file system in memory for all tests of a program, and the fixtures that make, empty and free
 * it.
 */
#include "fault_vfs.h"

static struct fault_vfs *disk;

/* Fixtures of the group. */
static inline int
disk_make(void **state)
{
	(void)state;
	disk = fault_vfs_new();
	return disk ? 0 : -1;
}

static inline int
disk_free(void **state)
{
	(void)state;
	fault_vfs_free(disk);
	return 0;
}

/* Fixture of a test that starts from an empty disk. */
static inline int
disk_empty(void **state)
{
	(void)state;
	fault_vfs_reset(disk);
	return 0;
}

#endif
