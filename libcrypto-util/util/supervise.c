/*
 * Keeping a child program running. Neighbours: spawn (starts it), backoff (pauses), daemon (the
 * child's side of the socket).
 *
 *	STARTING --ready: supervise_take_word()--> RUNNING
 *	    |                                         |
 *	    +---ends, or is not ready in time---------+--> PAUSING --supervise_pause()--> STARTING
 *	any, by supervise_stop() --> STOPPED
 *
 * Invariants: the thread that forks lives as long as the child, or the kernel would kill the child
 * with it; the state is written by that thread only and read under the lock; a child is always
 * reaped before the next is started and before the thread ends.
 */
#include "util/supervise.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/backoff.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/spawn.h"

#define SUPERVISE_NO_FD (-1)
#define SUPERVISE_PAUSE_FIRST_MS 1000u
#define SUPERVISE_PAUSE_MAX_MS 60000u
#define SUPERVISE_STABLE_MS 60000u
#define SUPERVISE_READY_TIMEOUT_MS 60000u
#define SUPERVISE_STOP_TIMEOUT_MS 10000u
/* Behind the greatest number of a signal that is passed on. */
#define SUPERVISE_SIGNALS_END 32

struct supervise {
	char *name;
	char **argv, **env;
	struct supervise_input inputs[SUPERVISE_INPUTS_MAX]; /* contents are ours */
	size_t inputs_len;
	struct backoff pauses;
	unsigned int stable_ms, ready_timeout_ms, stop_timeout_ms;
	bool is_mute;
	int stop_fd;   /* eventfd: readable once the thread is to end */
	int signal_fd; /* eventfd: readable while there are signals */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct supervise_state state; /* under the lock */
	uint64_t signals; /* to be passed on, a bit each by its number; under the lock */
	/* The thread's own. */
	struct spawned child;
	int word_fd; /* our end of the socket; -1 when the child closed its own */
	int64_t started_ns;
};

static void
supervise_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = SUPERVISE_NO_FD;
}

static void
supervise_free_texts(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		free(texts[i]);
	free(texts);
}

static void
supervise_free(struct supervise *s)
{
	for (size_t i = 0; i < s->inputs_len; i++) {
		struct bytes *content = &s->inputs[i].content;

		if (content->data)
			explicit_bzero((void *)content->data, content->len);
		free((void *)content->data);
	}
	supervise_free_texts(s->argv);
	supervise_free_texts(s->env);
	supervise_close(&s->stop_fd);
	supervise_close(&s->signal_fd);
	free(s->name);
	free(s);
}

/* Variables of ours that are about us and not about the child. */
static bool
supervise_is_own_variable(const char *variable)
{
	static const char assignment[] = SUPERVISE_FD_NAME "=";
	static const char *const own[] = {
	    "NOTIFY_SOCKET=", "SYSTEMD_EXEC_PID=", "WATCHDOG_PID=", "WATCHDOG_USEC=", assignment};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strncmp(variable, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

/* A copy of a NULL-terminated list, with room for one more text at its end. */
static char **
supervise_copy_texts(const char *const *from, bool (*leave_out)(const char *text))
{
	size_t n = 0, len = 0;
	char **texts;

	while (from[n])
		n++;
	texts = (char **)calloc(n + 2, sizeof *texts);
	for (size_t i = 0; texts && i < n; i++) {
		if (leave_out && leave_out(from[i]))
			continue;
		texts[len] = strdup(from[i]);
		if (!texts[len++]) {
			supervise_free_texts(texts);
			return NULL;
		}
	}
	return texts;
}

static bool
supervise_copy_env(struct supervise *s)
{
	size_t n = 0;

	s->env = supervise_copy_texts((const char *const *)environ, supervise_is_own_variable);
	if (!s->env)
		return false;
	while (s->env[n])
		n++;
	s->env[n] = strdup(SUPERVISE_FD_NAME "=" SUPERVISE_FD_TEXT);
	return s->env[n] != NULL;
}

static enum im_err
supervise_copy_inputs(struct supervise *s, const struct supervise_options *o)
{
	if (o->inputs_len > SUPERVISE_INPUTS_MAX)
		return err_set(IM_ERR_ARGUMENT, "too many inputs of a child");
	for (size_t i = 0; i < o->inputs_len; i++) {
		struct bytes from = o->inputs[i].content;
		uint8_t *copy;

		if (o->inputs[i].fd <= SUPERVISE_FD || o->inputs[i].fd >= SPAWN_FD_LIMIT ||
		    from.len > SPAWN_CONTENT_MAX)
			return err_set(IM_ERR_ARGUMENT, "input %d of a child", o->inputs[i].fd);
		copy = (uint8_t *)malloc(from.len + 1);
		if (!copy)
			return err_set(IM_ERR_NOMEM, "out of memory");
		if (from.len)
			memcpy(copy, from.data, from.len);
		s->inputs[s->inputs_len++] =
		    (struct supervise_input){o->inputs[i].fd, bytes_of(copy, from.len)};
	}
	return IM_OK;
}

static unsigned int
supervise_or(unsigned int given, unsigned int standard)
{
	return given ? given : standard;
}

static enum im_err
supervise_copy(struct supervise *s, const struct supervise_options *o)
{
	s->is_mute = o->is_mute;
	s->name = strdup(o->name);
	s->argv = supervise_copy_texts(o->argv, NULL);
	if (!s->name || !s->argv || !supervise_copy_env(s))
		return err_set(IM_ERR_NOMEM, "out of memory");
	s->pauses = (struct backoff){supervise_or(o->pause_first_ms, SUPERVISE_PAUSE_FIRST_MS),
	    supervise_or(o->pause_max_ms, SUPERVISE_PAUSE_MAX_MS), 0};
	s->stable_ms = supervise_or(o->stable_ms, SUPERVISE_STABLE_MS);
	s->ready_timeout_ms = supervise_or(o->ready_timeout_ms, SUPERVISE_READY_TIMEOUT_MS);
	s->stop_timeout_ms = supervise_or(o->stop_timeout_ms, SUPERVISE_STOP_TIMEOUT_MS);
	return supervise_copy_inputs(s, o);
}

static void
supervise_set_phase(struct supervise *s, enum supervise_phase phase)
{
	pthread_mutex_lock(&s->lock);
	s->state.phase = phase;
	s->state.pid = s->child.pidfd >= 0 ? s->child.pid : 0;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Adds a descriptor of ours, if it is open. */
static void
supervise_pass(struct spawn_fd *fds, size_t *len, struct spawn_fd fd)
{
	if (fcntl(fd.from, F_GETFD) >= 0)
		fds[(*len)++] = fd;
}

/* The child with its descriptors: the socket, our output, and the inputs. */
static enum im_err
supervise_spawn_with(struct supervise *s, int child_end)
{
	struct spawn_fd fds[SUPERVISE_INPUTS_MAX + 3];
	struct spawn_options o = {.argv = (const char *const *)s->argv,
	    .env = (const char *const *)s->env,
	    .fds = fds,
	    .new_group = true,
	    .death_signal = SIGKILL};
	int inputs[SUPERVISE_INPUTS_MAX];
	size_t n = 0;
	enum im_err err = IM_OK;

	supervise_pass(fds, &o.fds_len, (struct spawn_fd){child_end, SUPERVISE_FD});
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && !s->is_mute; fd++)
		supervise_pass(fds, &o.fds_len, (struct spawn_fd){fd, fd});
	for (; n < s->inputs_len && !err; n++) {
		err = spawn_content_fd(s->inputs[n].content, &inputs[n]);
		fds[o.fds_len++] = (struct spawn_fd){inputs[n], s->inputs[n].fd};
	}
	if (!err)
		err = spawn_start(&o, &s->child);
	while (n-- > 0)
		supervise_close(&inputs[n]);
	return err;
}

static enum im_err
supervise_spawn(struct supervise *s)
{
	int ends[2];
	enum im_err err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set_errno(IM_ERR_IO, "socketpair", s->name);
	err = supervise_spawn_with(s, ends[1]);
	close(ends[1]);
	s->word_fd = ends[0];
	if (err)
		supervise_close(&s->word_fd);
	return err;
}

/* The signals that are to be passed on; there are none any more. */
static uint64_t
supervise_take_signals(struct supervise *s)
{
	uint64_t count, signals;

	pthread_mutex_lock(&s->lock);
	signals = s->signals;
	s->signals = 0;
	/* Without signals there is nothing to read, which is no error. */
	if (read(s->signal_fd, &count, sizeof count) < 0 && errno != EAGAIN)
		log_warn("%s: signals: %s", s->name, strerror(errno));
	pthread_mutex_unlock(&s->lock);
	return signals;
}

/* Starts the child; a failure is remembered and logged. */
static bool
supervise_begin(struct supervise *s)
{
	enum im_err err;

	s->started_ns = clock_monotonic_ns();
	(void)supervise_take_signals(s);
	err = supervise_spawn(s);
	pthread_mutex_lock(&s->lock);
	snprintf(s->state.last_error, sizeof s->state.last_error, "%s", err ? err_detail(err) : "");
	pthread_mutex_unlock(&s->lock);
	if (err) {
		s->child.pidfd = SUPERVISE_NO_FD;
		log_error("%s: %s", s->name, err_detail(err));
		return false;
	}
	supervise_set_phase(s, SUPERVISE_STARTING);
	log_info("%s has been started with PID %ld", s->name, (long)s->child.pid);
	return true;
}

/* What the child said by the socket: that it is ready, or, by closing it, that it says no more. */
static void
supervise_take_word(struct supervise *s)
{
	char word = 0;
	ssize_t n = recv(s->word_fd, &word, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		supervise_close(&s->word_fd);
	else if (word == SUPERVISE_READY)
		supervise_set_phase(s, SUPERVISE_RUNNING);
}

static void
supervise_note_end(struct supervise *s, int status)
{
	char text[SPAWN_STATUS_TEXT_SIZE];
	bool was_ready;

	pthread_mutex_lock(&s->lock);
	was_ready = s->state.phase == SUPERVISE_RUNNING;
	s->state.has_ended = true;
	s->state.last_status = status;
	pthread_mutex_unlock(&s->lock);
	supervise_close(&s->word_fd);
	log_write(status ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "%s has ended: %s", s->name,
	    spawn_status_text(status, text));
	if (was_ready && clock_monotonic_ns() - s->started_ns >= s->stable_ms * CLOCK_NS_PER_MS)
		backoff_reset(&s->pauses);
}

/*
 * Asks the child to end, then makes it. Closing the socket is the second way of asking. Whatever
 * ended the child, what it leaves running in its group goes with it.
 */
static void
supervise_end_child(struct supervise *s)
{
	(void)pidfd_send_signal(s->child.pidfd, SIGTERM, NULL, 0);
	supervise_close(&s->word_fd);
	if (spawn_await(&s->child, (int)s->stop_timeout_ms, SUPERVISE_NO_FD) != IM_OK)
		log_warn("%s does not stop: it is killed", s->name);
	supervise_note_end(s, spawn_kill(&s->child, true));
}

/* Milliseconds until a child that is not ready has to be; -1 for one that is. */
static int
supervise_ready_left_ms(struct supervise *s)
{
	int64_t left;

	if (s->state.phase == SUPERVISE_RUNNING)
		return -1;
	left = s->ready_timeout_ms - (clock_monotonic_ns() - s->started_ns) / CLOCK_NS_PER_MS;
	return left > 0 ? (int)left : 0;
}

/* To the child that is ready: it does not die of them. */
static void
supervise_pass_signals(struct supervise *s)
{
	uint64_t signals = supervise_take_signals(s);

	for (int number = 1; number < SUPERVISE_SIGNALS_END; number++)
		if (signals & (UINT64_C(1) << number))
			(void)pidfd_send_signal(s->child.pidfd, number, NULL, 0);
}

/* Until the child has ended; true when it was because we are to stop. */
static bool
supervise_watch(struct supervise *s)
{
	int n, left;

	for (;;) {
		bool is_ready = s->state.phase == SUPERVISE_RUNNING;
		struct pollfd wait[4] = {{.fd = s->child.pidfd, .events = POLLIN},
		    {.fd = s->stop_fd, .events = POLLIN}, {.fd = s->word_fd, .events = POLLIN},
		    {.fd = is_ready ? s->signal_fd : SUPERVISE_NO_FD, .events = POLLIN}};

		left = supervise_ready_left_ms(s);
		n = poll(wait, 4, left);
		if (n < 0)
			continue;
		if (wait[1].revents) {
			supervise_end_child(s);
			return true;
		}
		if (wait[2].revents)
			supervise_take_word(s);
		if (wait[3].revents)
			supervise_pass_signals(s);
		if (wait[0].revents) {
			supervise_note_end(s, spawn_kill(&s->child, true));
			return false;
		}
		if (n == 0 && left == 0) {
			log_error("%s was not ready in time", s->name);
			supervise_end_child(s);
			return false;
		}
	}
}

/* Waits before the next start; true when we are to stop instead. */
static bool
supervise_pause(struct supervise *s)
{
	unsigned int pause_ms = backoff_next(&s->pauses);
	struct pollfd wait = {.fd = s->stop_fd, .events = POLLIN};
	int64_t end = clock_monotonic_ns() + pause_ms * CLOCK_NS_PER_MS, left;
	int n;

	supervise_set_phase(s, SUPERVISE_PAUSING);
	log_info("%s will be started again in %u ms", s->name, pause_ms);
	do {
		left = (end - clock_monotonic_ns() + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
		n = poll(&wait, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static void *
supervise_main(void *arg)
{
	struct supervise *s = (struct supervise *)arg;

	for (;;) {
		if (supervise_begin(s) && supervise_watch(s))
			break;
		if (supervise_pause(s))
			break;
		pthread_mutex_lock(&s->lock);
		s->state.restarts++;
		pthread_mutex_unlock(&s->lock);
	}
	supervise_set_phase(s, SUPERVISE_STOPPED);
	return NULL;
}

/* The signals of the process are for its other threads. */
static enum im_err
supervise_start_thread(struct supervise *s)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&s->thread, NULL, supervise_main, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e ? err_set(IM_ERR_NOMEM, "cannot start a thread: %s", strerror(e)) : IM_OK;
}

static enum im_err
supervise_init_sync(struct supervise *s)
{
	pthread_condattr_t attr;
	bool ok = pthread_condattr_init(&attr) == 0 &&
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
	    pthread_cond_init(&s->changed, &attr) == 0;

	(void)pthread_condattr_destroy(&attr);
	return ok && pthread_mutex_init(&s->lock, NULL) == 0 ? IM_OK
							     : err_set(IM_ERR_NOMEM, "a lock");
}

enum im_err
supervise_start(const struct supervise_options *options, struct supervise **out)
{
	struct supervise *s = (struct supervise *)calloc(1, sizeof *s);
	enum im_err err;

	*out = NULL;
	if (!s)
		return err_set(IM_ERR_NOMEM, "out of memory");
	s->child.pidfd = s->word_fd = SUPERVISE_NO_FD;
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->stop_fd < 0 || s->signal_fd < 0
	    ? err_set_errno(IM_ERR_IO, "eventfd", options->name)
	    : IM_OK;
	if (!err)
		err = supervise_copy(s, options);
	if (!err)
		err = supervise_init_sync(s);
	if (!err)
		err = supervise_start_thread(s);
	if (err)
		supervise_free(s);
	else
		*out = s;
	return err;
}

void
supervise_get_state(struct supervise *s, struct supervise_state *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->state;
	pthread_mutex_unlock(&s->lock);
}

bool
supervise_wait_ready(struct supervise *s, unsigned int timeout_ms)
{
	int64_t at = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	struct timespec end = {at / CLOCK_NS_PER_S, at % CLOCK_NS_PER_S};
	bool is_ready;
	int e = 0;

	pthread_mutex_lock(&s->lock);
	while (!e && s->state.phase != SUPERVISE_RUNNING && s->state.phase != SUPERVISE_STOPPED)
		e = pthread_cond_timedwait(&s->changed, &s->lock, &end);
	is_ready = s->state.phase == SUPERVISE_RUNNING;
	pthread_mutex_unlock(&s->lock);
	return is_ready;
}

void
supervise_signal(struct supervise *s, int number)
{
	uint64_t one = 1;

	assert(number > 0 && number < SUPERVISE_SIGNALS_END);
	pthread_mutex_lock(&s->lock);
	s->signals |= UINT64_C(1) << number;
	/* The thread takes the count with the signals. */
	if (write(s->signal_fd, &one, sizeof one) < 0)
		log_warn("%s: signals: %s", s->name, strerror(errno));
	pthread_mutex_unlock(&s->lock);
}

void
supervise_stop(struct supervise *s)
{
	uint64_t one = 1;

	if (!s)
		return;
	/* An eventfd that was never written to takes this. */
	while (write(s->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
		continue;
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	supervise_free(s);
}
