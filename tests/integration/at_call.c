/*
 * Does something to a program at a moment that a test chooses: to be preloaded. Of all calls that
 * make or name folders, or sync, in the program AT_PROGRAM, each has a number from 1 on. At number
 * AT_CALL, before the call, the process kills itself, or runs the shell command AT_DO. At its end
 * it writes how many there were to the file AT_COUNT. What the program runs is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long number;

static int
is_meant(void)
{
	const char *program = getenv("AT_PROGRAM");

	return program && strcmp(program, program_invocation_short_name) == 0;
}

static void
count(void)
{
	const char *at = getenv("AT_CALL"), *what = getenv("AT_DO");

	if (!is_meant() || ++number != (at ? strtoul(at, NULL, 10) : 0))
		return;
	if (!what)
		(void)raise(SIGKILL);
	else if (system(what) != 0)
		_exit(99);
}

static void __attribute__((destructor)) tell(void)
{
	const char *path = getenv("AT_COUNT");
	FILE *f = path && is_meant() ? fopen(path, "w") : NULL;

	if (!f)
		return;
	fprintf(f, "%lu\n", number);
	fclose(f);
}

int
mkdir(const char *path, mode_t mode)
{
	int (*real)(const char *, mode_t);

	*(void **)&real = dlsym(RTLD_NEXT, "mkdir");
	count();
	return real(path, mode);
}

int
rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "rename");
	count();
	return real(from, to);
}

int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	int (*real)(int, const char *, int, const char *, unsigned);

	*(void **)&real = dlsym(RTLD_NEXT, "renameat2");
	count();
	return real(from_fd, from, to_fd, to, flags);
}

int
fsync(int fd)
{
	int (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	count();
	return real(fd);
}

int
syncfs(int fd)
{
	int (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, "syncfs");
	count();
	return real(fd);
}

int
rmdir(const char *path)
{
	int (*real)(const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "rmdir");
	count();
	return real(path);
}
