/*
 * The server as a whole: what starts in which order, and stops in the reverse one. main.c is above;
 * below are the data folder with meta/ and store/, the transport of rpc/, HTTP, and dispatch.c.
 *
 * Invariants:
 * 1. One process works in a data folder: its lock file is held from before the first file is read
 *    until after the last one is closed.
 * 2. Nothing listens before everything that answers is there; nothing that answers goes away before
 *    the last answer was given.
 */
#include "server/server.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/restores.h"
#include "server/restoring.h"
#include "server/server_state.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/text.h"
#include "util/version.h"

#define SERVER_PASSWORD_THREADS 2
#define SERVER_PASSWORD_QUEUE 128
/*
 * Hashing takes a tenth of a second: whoever guesses passwords must not slow down reads and writes.
 */
#define SERVER_PASSWORD_NICE 10
#define SERVER_ADMIN_THREADS 2
#define SERVER_ADMIN_QUEUE 256
#define SERVER_COMPACT_THREADS 2
#define SERVER_COMPACT_QUEUE 64
#define SERVER_EXPORT_THREADS 2
#define SERVER_EXPORT_QUEUE 64
/* A backup takes what reads and writes leave. */
#define SERVER_EXPORT_NICE 15
#define SERVER_READ_THREADS_MIN 4
#define SERVER_READ_QUEUE 4096
#define SERVER_THROTTLE_ENTRIES 8192
/* Connections are at most the descriptors that are left beside these, or half of all. */
#define SERVER_DESCRIPTORS_RESERVED 256
#define SERVER_CONNECTIONS_MAX 16384
#define SERVER_DRAIN_MS 10000
#define SERVER_URL_MAX 512

/* Invariant 1. */
enum im_err
server_lock_folder(const char *dir, int *fd)
{
	struct buf path;
	enum im_err err;

	buf_init(&path, 4096);
	err = file_join(&path, dir, SERVER_LOCK_NAME);
	if (err == IM_OK)
		err = file_lock((const char *)path.data, false, fd);
	buf_free(&path);
	if (err == IM_ERR_LOCKED)
		err = err_set(err, "data folder %s is in use by another process", dir);
	return err;
}

static enum im_err
server_open_folder(struct server *s)
{
	struct databases_options options = {.dir = s->options.dir,
	    .default_name = s->options.dbname && s->options.dbname[0] ? s->options.dbname : NULL,
	    .unsynced = !s->options.synced,
	    .max_open = s->options.max_active_databases,
	    .idle_ms = s->options.database_idle_ms};
	struct server_admin admin = {0};
	struct xid id;
	enum im_err err = file_make_folder(s->options.dir);

	if (err == IM_OK)
		err = server_lock_folder(s->options.dir, &s->lock_fd);
	if (err == IM_OK)
		err = meta_open(s->options.dir, &s->meta);
	if (err == IM_OK)
		err = server_admin_begin(s, &admin);
	options.meta = s->meta;
	if (err == IM_OK)
		err = databases_open(&options, &s->databases);
	err = server_admin_end(s, &admin, err);
	if (err != IM_OK)
		return err;
	if (!s->options.auth && !s->options.maintenance && databases_client_count(s->databases) > 1)
		return err_set(IM_ERR_CONFIG, "auth should be on: there are other databases");
	memcpy(id.data, meta_identity(s->meta), sizeof id.data);
	xid_format(&id, s->identity);
	return IM_OK;
}

static enum im_err
server_start_workers(struct server *s)
{
	struct sessions_options options = {.max = s->options.max_sessions,
	    .token_life_ns = s->options.token_life_ms * CLOCK_NS_PER_MS,
	    .idle_ns = s->options.session_idle_ms * CLOCK_NS_PER_MS};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i, readers = cpus > SERVER_READ_THREADS_MIN ? (size_t)cpus : SERVER_READ_THREADS_MIN;
	const struct {
		struct workers_options options;
		struct workers **out;
	} pools[] = {{{"reader", readers, SERVER_READ_QUEUE, 0}, &s->readers},
	    {{"password", SERVER_PASSWORD_THREADS, SERVER_PASSWORD_QUEUE, SERVER_PASSWORD_NICE},
		&s->passwords},
	    {{"exporter", SERVER_EXPORT_THREADS, SERVER_EXPORT_QUEUE, SERVER_EXPORT_NICE},
		&s->exporters},
	    {{"admin", SERVER_ADMIN_THREADS, SERVER_ADMIN_QUEUE, 0}, &s->administrators},
	    {{"compactor", SERVER_COMPACT_THREADS, SERVER_COMPACT_QUEUE, 0}, &s->compactors}};
	enum im_err err = IM_OK;

	s->sessions = sessions_new(&options);
	s->restoring = restoring_new(s);
	s->throttle = throttle_new(SERVER_THROTTLE_ENTRIES, NULL);
	s->metrics = metrics_new();
	if (!s->sessions || !s->restoring || !s->throttle || !s->metrics)
		return IM_ERR_NOMEM;
	for (i = 0; err == IM_OK && i < sizeof pools / sizeof *pools; i++)
		err = workers_start(&pools[i].options, pools[i].out);
	if (err == IM_OK)
		err = metrics_add_process(s->metrics);
	return err == IM_OK ? server_metrics_add(s) : err;
}

/* It writes, so it comes after the metrics: what a store feeds is said before its first write. */
static enum im_err
server_start_journal(struct server *s)
{
	struct database *db = databases_find(s->databases, bytes_str(DATABASE_SYSTEM));
	enum im_err err = restores_take(s);

	return err == IM_OK ? journal_start(s->meta, db->store, &s->journal) : err;
}

/* Requests that wait for a thread go first. */
static bool
server_is_busy(void *ctx)
{
	struct server *s = ctx;

	return workers_waiting(s->readers) > 0;
}

static enum im_err
server_start_scrubber(struct server *s)
{
	struct scrub_options options = {.databases = s->databases,
	    .meta = s->meta,
	    .interval_s = s->options.scrub_interval_s,
	    .rate = s->options.scrub_rate,
	    .busy = server_is_busy,
	    .ctx = s};

	return scrubber_start(&options, &s->scrubber);
}

/* What the heaps kept for the next requests (main.c) goes back to the system. */
static void
server_give_back_memory(void *ctx)
{
	(void)ctx;
	malloc_trim(0);
}

static size_t
server_max_connections(void)
{
	long files = sysconf(_SC_OPEN_MAX), left = files - SERVER_DESCRIPTORS_RESERVED;

	if (files < 0)
		return SERVER_CONNECTIONS_MAX;
	if (left < files / 2)
		left = files / 2;
	return left < SERVER_CONNECTIONS_MAX ? (size_t)left : SERVER_CONNECTIONS_MAX;
}

static enum im_err
server_start_transport(struct server *s)
{
	const char *address = s->options.address[0] ? s->options.address : "::";
	bool is_v6 = strchr(address, ':') != NULL;
	char tcp[SERVER_URL_MAX], ipc[SERVER_URL_MAX];
	const char *urls[] = {tcp, ipc};
	struct rpc_server_options options = {.urls = urls,
	    .nurls = 1,
	    .version = "immudb " IMMUDB_VERSION,
	    .server_id = s->identity,
	    .default_database = databases_default(s->databases)->name,
	    .max_message_bytes = s->options.max_message_bytes,
	    .max_connections = server_max_connections(),
	    .max_connection_rate = s->options.max_connection_rate,
	    .metrics = s->metrics,
	    .tls = server_tls_context(s),
	    .certificate_name =
		s->options.client_cert_user == SERVER_CERT_USER_SAN ? TLS_NAME_SAN : TLS_NAME_CN,
	    .handle = dispatch_request,
	    .authenticate = dispatch_authenticate,
	    .quiet = server_give_back_memory,
	    .closed = restoring_closed,
	    .ctx = s};

	snprintf(tcp, sizeof tcp, is_v6 && address[0] != '[' ? "tcp://[%s]:%u" : "tcp://%s:%u",
	    address, (unsigned)s->options.port);
	if (s->options.unix_path && s->options.unix_path[0]) {
		snprintf(ipc, sizeof ipc, "ipc://%s", s->options.unix_path);
		options.nurls = 2;
	}
	return rpc_server_start(&options, &s->rpc);
}

/* A server that cannot take writes is not ready for its clients. */
static enum im_err
server_ready(void *arg)
{
	struct server *s = arg;
	struct database_info info;
	struct database *db = NULL;

	if (atomic_load(&s->stopping))
		return err_set(IM_ERR_CLOSED, "the server is stopping");
	while ((db = databases_next(s->databases, db)) != NULL) {
		database_info(db, &info);
		if (info.is_open && info.stats.read_only)
			return err_set(IM_ERR_READ_ONLY, "database %s is read-only", db->name);
	}
	return IM_OK;
}

/*
 * Databases that cannot be opened are named, but the server is ready without them: a load balancer
 * that turns away from it would take from their users all the others as well.
 */
static void
server_ready_notes(void *arg, struct buf *out)
{
	struct server *s = arg;
	struct database_info info;
	struct database *db = NULL;
	bool first = true;

	while ((db = databases_next(s->databases, db)) != NULL) {
		database_info(db, &info);
		if (info.state != DATABASE_BROKEN)
			continue;
		buf_append_str(out, first ? ",\"broken_databases\":[" : ",");
		text_append_json(out, bytes_str(db->name));
		first = false;
	}
	if (!first)
		buf_append_u8(out, ']');
}

static enum im_err
server_start_http(struct server *s)
{
	const char *address = s->options.metrics_address && s->options.metrics_address[0]
	    ? s->options.metrics_address
	    : s->options.address;
	struct http_options options = {.address = address,
	    .port = s->options.metrics_port,
	    .ephemeral = s->options.metrics_ephemeral,
	    .program = "immudb",
	    .metrics = s->metrics,
	    .ready = server_ready,
	    .ready_arg = s,
	    .ready_notes = server_ready_notes};

	return http_server_start(&options, &s->http);
}

enum im_err
server_start(const struct server_options *options, struct server **out)
{
	struct server *s = calloc(1, sizeof *s);
	enum im_err err;

	*out = NULL;
	if (!s)
		return IM_ERR_NOMEM;
	s->options = *options;
	s->lock_fd = -1;
	s->started_s = clock_wall_s();
	s->started_ns = clock_monotonic_ns();
	err = server_running_begin(s);
	if (err == IM_OK)
		err = server_tls_prepare(s);
	if (err == IM_OK)
		err = server_open_folder(s);
	if (err == IM_OK)
		err = server_start_workers(s);
	if (err == IM_OK)
		err = server_tls_start(s);
	if (err == IM_OK)
		err = server_start_journal(s);
	if (err == IM_OK)
		err = server_start_scrubber(s);
	if (err == IM_OK)
		err = server_start_http(s);
	if (err == IM_OK)
		err = server_start_transport(s);
	if (err != IM_OK) {
		server_stop(s);
		return err;
	}
	*out = s;
	return IM_OK;
}

/* Invariant 2: each of these may still be used by the ones stopped before it. */
void
server_stop(struct server *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	if (s->rpc)
		rpc_server_stop(s->rpc, SERVER_DRAIN_MS);
	http_server_stop(s->http);
	workers_stop(s->exporters);
	scrubber_stop(s->scrubber);
	workers_stop(s->compactors);
	workers_stop(s->administrators);
	restoring_stop(s->restoring);
	workers_stop(s->passwords);
	workers_stop(s->readers);
	databases_stop(s->databases);
	scrubber_free(s->scrubber);
	journal_stop(s->journal);
	/* Closing answers the writes under way, which may still ask for a pool and be told no. */
	databases_close(s->databases);
	rpc_server_free(s->rpc);
	restoring_free(s->restoring);
	server_tls_stop(s);
	workers_free(s->exporters);
	workers_free(s->compactors);
	workers_free(s->administrators);
	workers_free(s->passwords);
	workers_free(s->readers);
	if (s->metrics)
		metrics_free(s->metrics);
	throttle_free(s->throttle);
	sessions_free(s->sessions);
	meta_close(s->meta);
	server_running_end(s);
	file_unlock(&s->lock_fd);
	free(s);
}

uint16_t
server_port(const struct server *s)
{
	return rpc_server_port(s->rpc, 0);
}

uint16_t
server_metrics_port(const struct server *s)
{
	return s->http ? http_server_port(s->http) : 0;
}

const char *
server_default_database(const struct server *s)
{
	return databases_default(s->databases)->name;
}

bool
server_has_default_password(const struct server *s)
{
	return s->default_password;
}
