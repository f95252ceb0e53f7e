/*
 * The library that a process under torture has preloaded: it stands in for the calls by which the
 * process gets memory, threads and descriptors, and fails those that the page of torture.h names.
 *
 * Neighbours: torture.h, and the tests that start processes with it. torture_spared.def lists the
 * calls that are never failed, with reasons.
 *
 * Invariants:
 * 1. Without a page nothing fails and nothing is counted.
 * 2. What is failed here was not done: no memory, thread or descriptor is lost by it.
 * 3. Finding out where a call comes from allocates; such calls are neither counted nor failed.
 * 4. With a page nothing is synced: no power fails in these tests, and thousands of them are run.
 */
#include "torture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unwind.h>

#define DEPTH 48
/* What dlsym() itself asks for before malloc was found. */
#define EARLY_BYTES 16384
#define EARLY_ALIGN 16

/* A kind of call that is let through although it was to fail. */
struct spared {
	const char *library; /* part of the name of its file */
	const char
	    *function; /* a pattern of its exported functions; NULL: calls that it makes itself */
};

static const struct spared spared[] = {
#define CALLER(library, reason) {library, NULL},
#define FUNCTION(library, pattern, reason) {library, pattern},
#include "torture_spared.def"
#undef CALLER
#undef FUNCTION
};

static struct {
	struct torture_control *control;
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*memalign)(size_t, size_t);
	void (*free)(void *);
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*open)(const char *, int, ...);
	int (*openat)(int, const char *, int, ...);
	int (*socket)(int, int, int);
	int (*accept)(int, struct sockaddr *, socklen_t *);
	int (*accept4)(int, struct sockaddr *, socklen_t *, int);
	int (*pipe)(int[2]);
	int (*pipe2)(int[2], int);
	int (*eventfd)(unsigned, int);
	int (*epoll_create1)(int);
	int (*fsync)(int);
	int (*fdatasync)(int);
} real;

static _Thread_local unsigned inside __attribute__((tls_model("initial-exec")));
static _Alignas(EARLY_ALIGN) char early[EARLY_BYTES];
static size_t early_used;
static bool resolving;

/* ---- Finding what stands behind ---- */

static void
find(void *to, const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	memcpy(to, &p, sizeof p);
}

static void
resolve_memory(void)
{
	resolving = true;
	find(&real.calloc, "calloc");
	find(&real.malloc, "malloc");
	find(&real.realloc, "realloc");
	find(&real.memalign, "memalign");
	find(&real.free, "free");
	find(&real.mmap, "mmap");
	resolving = false;
}

static void *
early_take(size_t n)
{
	void *p = early + early_used;

	n = (n + EARLY_ALIGN - 1) / EARLY_ALIGN * EARLY_ALIGN;
	if (n > sizeof early - early_used)
		abort();
	early_used += n;
	return p;
}

static bool
is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + sizeof early;
}

/* Before any thread: the process's first allocation, at the latest its constructors. */
static bool
is_ready(void)
{
	if (!real.free && !resolving)
		resolve_memory();
	return !resolving;
}

__attribute__((constructor)) static void
torture_begin(void)
{
	const char *text = getenv(TORTURE_VARIABLE);
	void *page;

	is_ready();
	find(&real.pthread_create, "pthread_create");
	find(&real.open, "open");
	find(&real.openat, "openat");
	find(&real.socket, "socket");
	find(&real.accept, "accept");
	find(&real.accept4, "accept4");
	find(&real.pipe, "pipe");
	find(&real.pipe2, "pipe2");
	find(&real.eventfd, "eventfd");
	find(&real.epoll_create1, "epoll_create1");
	find(&real.fsync, "fsync");
	find(&real.fdatasync, "fdatasync");
	if (!text)
		return;
	page = real.mmap(
	    NULL, sizeof *real.control, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(text), 0);
	if (page != MAP_FAILED)
		real.control = (struct torture_control *)page;
}

/* ---- Where a call comes from ---- */

/* Return addresses, innermost first. */
struct trace {
	void *frames[DEPTH];
	unsigned n;
};

static _Unwind_Reason_Code
trace_frame(struct _Unwind_Context *context, void *arg)
{
	struct trace *t = arg;
	/* Of the call, so that the line and not the one behind it is named. */
	uintptr_t at = _Unwind_GetIP(context);

	if (at == 0 || t->n == DEPTH)
		return _URC_END_OF_STACK;
	t->frames[t->n++] = (void *)(at - 1);
	return _URC_NO_REASON;
}

/* The C library, and this one, do what others ask of them. */
static bool
is_between(const Dl_info *info)
{
	return strstr(info->dli_fname, "/libc.so") || strstr(info->dli_fname, "/ld-linux") ||
	    strstr(info->dli_fname, "/libtorture_preload.so");
}

/* What a descriptor is asked for by is no matter: there every library can tell. */
static bool
is_in(const Dl_info *info, const struct spared *s, bool is_caller)
{
	if (!strstr(info->dli_fname, s->library) || real.control->kind == TORTURE_FILE)
		return false;
	return s->function ? info->dli_sname && fnmatch(s->function, info->dli_sname, 0) == 0
			   : is_caller;
}

static bool
is_of_program(void *frame)
{
	Dl_info info, program;

	return dladdr((void *)getauxval(AT_ENTRY), &program) && dladdr(frame, &info) &&
	    info.dli_fbase == program.dli_fbase;
}

static bool
is_spared(const struct trace *t)
{
	bool is_caller = true;
	Dl_info info;

	for (unsigned i = 0; i < t->n; i++) {
		if (!dladdr(t->frames[i], &info) || !info.dli_fname)
			continue;
		for (size_t k = 0; k < sizeof spared / sizeof spared[0]; k++) {
			if (is_in(&info, &spared[k], is_caller))
				return true;
		}
		is_caller = is_caller && is_between(&info);
	}
	return false;
}

/* One line a frame, as addr2line(1) takes them: file, offset, exported function. */
static void
describe(const struct trace *t, char *to, size_t size)
{
	Dl_info info;
	size_t at = 0;

	for (unsigned i = 0; i < t->n && at < size; i++) {
		const char *file;
		int len;

		if (!dladdr(t->frames[i], &info) || !info.dli_fname)
			continue;
		file = strrchr(info.dli_fname, '/');
		len = snprintf(to + at, size - at, "  %s+0x%lx %s\n",
		    file ? file + 1 : info.dli_fname,
		    (unsigned long)((char *)t->frames[i] - (char *)info.dli_fbase),
		    info.dli_sname ? info.dli_sname : "");
		at += len > 0 ? (size_t)len : 0;
	}
}

/* ---- Failing ---- */

/* A call that is within the range; its backtrace decides. */
static bool
fail_here(struct torture_control *c)
{
	struct trace t = {.n = 0};
	bool fails;

	inside++;
	_Unwind_Backtrace(trace_frame, &t);
	fails = !is_spared(&t);
	if (!fails)
		atomic_fetch_add(&c->spared, 1);
	else if (atomic_fetch_add(&c->failed, 1) == 0)
		describe(&t, c->site, sizeof c->site);
	inside--;
	return fails;
}

/* Counts a call of a kind; whether it has to fail. */
static bool
must_fail(enum torture_kind kind)
{
	struct torture_control *c = real.control;
	uint64_t number, first;

	if (!c || inside)
		return false;
	number = atomic_fetch_add(&c->calls[kind], 1) + 1;
	first = c->first;
	if (first == 0 || c->kind != (uint32_t)kind || number < first || number > c->last)
		return false;
	return fail_here(c);
}

/* Whether the program made a call itself, or had the C library make it. */
static bool
is_own(void *caller)
{
	struct trace t = {.n = 0};
	Dl_info info;
	bool own = false;

	if (is_of_program(caller))
		return true;
	if (!dladdr(caller, &info) || !info.dli_fname || !is_between(&info))
		return false;
	inside++;
	_Unwind_Backtrace(trace_frame, &t);
	for (unsigned i = 0; i < t.n && !own; i++) {
		own = is_of_program(t.frames[i]);
		if (!own && (!dladdr(t.frames[i], &info) || !info.dli_fname || !is_between(&info)))
			break;
	}
	inside--;
	return own;
}

static bool
no_memory(void *caller)
{
	bool fails;

	if (!real.control || inside)
		return false;
	if (real.control->kind == TORTURE_OWN && is_own(caller))
		fails = must_fail(TORTURE_OWN);
	else
		fails = must_fail(TORTURE_MEMORY);
	if (fails)
		errno = ENOMEM;
	return fails;
}

static bool
no_descriptor(void)
{
	if (!must_fail(TORTURE_FILE))
		return false;
	errno = EMFILE;
	return true;
}

/* ---- Memory ---- */

#define CALLER_ADDRESS __builtin_return_address(0)

void *
malloc(size_t n)
{
	if (!is_ready())
		return early_take(n);
	return no_memory(CALLER_ADDRESS) ? NULL : real.malloc(n);
}

void *
calloc(size_t count, size_t n)
{
	/* Fresh: the early bytes are given out once. */
	if (!is_ready())
		return early_take(count * n);
	return no_memory(CALLER_ADDRESS) ? NULL : real.calloc(count, n);
}

void *
realloc(void *old, size_t n)
{
	void *p;

	if (is_ready() && !is_early(old))
		return n && no_memory(CALLER_ADDRESS) ? NULL : real.realloc(old, n);
	p = malloc(n);
	if (p && old)
		memcpy(p, old,
		    (size_t)(early + sizeof early - (char *)old) < n
			? (size_t)(early + sizeof early - (char *)old)
			: n);
	return p;
}

void *
reallocarray(void *old, size_t count, size_t n)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, n, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, bytes);
}

void *
memalign(size_t align, size_t n)
{
	if (!is_ready())
		abort();
	return no_memory(CALLER_ADDRESS) ? NULL : real.memalign(align, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int
posix_memalign(void **out, size_t align, size_t n)
{
	int before = errno;
	void *p = memalign(align, n);

	errno = before;
	if (p)
		*out = p;
	return p ? 0 : ENOMEM;
}

void
free(void *p)
{
	if (is_ready() && !is_early(p))
		real.free(p);
}

void *
mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	if (!is_ready())
		abort();
	return no_memory(CALLER_ADDRESS) ? MAP_FAILED
					 : real.mmap(at, n, protection, flags, fd, offset);
}

void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

/* ---- Threads ---- */

int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	return must_fail(TORTURE_THREAD) ? EAGAIN : real.pthread_create(thread, attr, start, arg);
}

/* ---- Descriptors ---- */

static mode_t
mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int
open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return no_descriptor() ? -1 : real.open(path, flags, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));

int
openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return no_descriptor() ? -1 : real.openat(dir, path, flags, mode);
}

int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

int
socket(int domain, int type, int protocol)
{
	return no_descriptor() ? -1 : real.socket(domain, type, protocol);
}

int
accept(int fd, struct sockaddr *address, socklen_t *len)
{
	return no_descriptor() ? -1 : real.accept(fd, address, len);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	return no_descriptor() ? -1 : real.accept4(fd, address, len, flags);
}

int
pipe(int fds[2])
{
	return no_descriptor() ? -1 : real.pipe(fds);
}

int
pipe2(int fds[2], int flags)
{
	return no_descriptor() ? -1 : real.pipe2(fds, flags);
}

int
eventfd(unsigned initial, int flags)
{
	return no_descriptor() ? -1 : real.eventfd(initial, flags);
}

int
epoll_create1(int flags)
{
	return no_descriptor() ? -1 : real.epoll_create1(flags);
}

/* ---- Invariant 4 ---- */

int
fsync(int fd)
{
	return real.control ? 0 : real.fsync(fd);
}

int
fdatasync(int fd)
{
	return real.control ? 0 : real.fdatasync(fd);
}
