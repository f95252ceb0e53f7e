/*
 * The server without network and threads. Neighbours: immudb/server is used as it is, down to its
 * calls of the transport (rpc/rpc_server.h), of the pools (server/workers.h) and of the engine,
 * which the linker redirects to the __wrap_ functions here.
 *
 * Invariant: one request at a time, answered in the same thread.
 */
#include "sample_server.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample_key.h"
#include "sample_store.h"
#include "server/server.h"
#include "server/server_state.h"
#include "server/workers.h"
#include "store/engine.h"
#include "util/file.h"

#define REQUEST_ARENA_MAX (64u << 20)
#define FOLDER_MAX 64
#define PATH_BYTES_MAX 256
#define WALK_DESCRIPTORS 8

static struct memory_vfs *files;
static struct server *server;
static char folder[FOLDER_MAX];

/* Of the request under way. */
static struct {
	struct buf *out;
	enum im_err err;
	unsigned answers;
} answered;

/* ---- In place of the engine's files and writes. ---- */

enum im_err __real_store_open(const struct store_options *options, struct store **out);
enum im_err __wrap_store_open(const struct store_options *options, struct store **out);
enum im_err __wrap_store_write(struct store *s, struct store_write *w);

/* The server looks for itself whether a database has a folder, and does not ask the engine. */
static void
mark_folder(const char *dir)
{
	char path[PATH_BYTES_MAX];
	int len = snprintf(path, sizeof path, "%s/%s", dir, STORE_MARKER_NAME);

	enum im_err err = IM_ERR_IO;

	if (len > 0 && (size_t)len < sizeof path && (mkdir(dir, 0700) == 0 || errno == EEXIST))
		err = file_replace(path, bytes_str(""));
	assert(!err);
}

enum im_err
__wrap_store_open(const struct store_options *options, struct store **out)
{
	struct store_options mine = *options;

	/* Other stores of the process are not the server's. */
	if (server || !files)
		return __real_store_open(options, out);
	sample_store_mark(files, options->dir);
	sample_store_options(files, &mine);
	mark_folder(options->dir);
	return __real_store_open(&mine, out);
}

enum im_err
__wrap_store_write(struct store *s, struct store_write *w)
{
	enum im_err err = engine_prepare(s, w);

	return err == IM_OK ? err_set(IM_ERR_READ_ONLY, "nothing is written here") : err;
}

/* ---- In place of the transport. ---- */

enum im_err
__wrap_rpc_server_start(const struct rpc_server_options *options, struct rpc_server **out);
void __wrap_rpc_server_stop(struct rpc_server *s, uint32_t drain_ms);
void __wrap_rpc_server_free(struct rpc_server *s);
void __wrap_rpc_reply(struct rpc_request *req, const ProtobufCMessage *answer);
void __wrap_rpc_fail(struct rpc_request *req, enum im_err err, const char *text);
void __wrap_rpc_request_set_authenticated(struct rpc_request *req);
bool __wrap_rpc_request_is_abandoned(const struct rpc_request *req);
void __wrap_rpc_request_set_conn_user(struct rpc_request *req, void *conn_user);
void *__wrap_rpc_request_conn_user(const struct rpc_request *req);

enum im_err
__wrap_rpc_server_start(const struct rpc_server_options *options, struct rpc_server **out)
{
	assert(options->handle == dispatch_request);
	*out = NULL;
	return IM_OK;
}

void
__wrap_rpc_server_stop(struct rpc_server *s, uint32_t drain_ms)
{
	(void)s;
	(void)drain_ms;
}

void
__wrap_rpc_server_free(struct rpc_server *s)
{
	(void)s;
}

void
__wrap_rpc_reply(struct rpc_request *req, const ProtobufCMessage *answer)
{
	size_t size = protobuf_c_message_get_packed_size(answer);
	uint8_t *p = buf_reserve(answered.out, size);

	assert(answer->descriptor == req->method->answer && p);
	answered.out->len += protobuf_c_message_pack(answer, p);
	answered.err = IM_OK;
	answered.answers++;
}

void
__wrap_rpc_fail(struct rpc_request *req, enum im_err err, const char *text)
{
	(void)req;
	assert(err != IM_OK && err != IM_ERR_WOULD_BLOCK);
	buf_append_str(answered.out, text ? text : err_text(err));
	answered.err = err;
	answered.answers++;
}

void
__wrap_rpc_request_set_authenticated(struct rpc_request *req)
{
	(void)req;
}

bool
__wrap_rpc_request_is_abandoned(const struct rpc_request *req)
{
	(void)req;
	return false;
}

/* Each request comes by a connection of its own. */
void
__wrap_rpc_request_set_conn_user(struct rpc_request *req, void *conn_user)
{
	(void)req;
	(void)conn_user;
}

void *
__wrap_rpc_request_conn_user(const struct rpc_request *req)
{
	(void)req;
	return NULL;
}

/* ---- In place of the pools. ---- */

enum im_err __wrap_workers_start(const struct workers_options *options, struct workers **out);
void __wrap_workers_stop(struct workers *w);
void __wrap_workers_free(struct workers *w);
enum im_err __wrap_workers_submit(struct workers *w, struct job *job);
enum im_err __wrap_workers_submit_always(struct workers *w, struct job *job);

enum im_err
__wrap_workers_start(const struct workers_options *options, struct workers **out)
{
	(void)options;
	*out = NULL;
	return IM_OK;
}

void
__wrap_workers_stop(struct workers *w)
{
	(void)w;
}

void
__wrap_workers_free(struct workers *w)
{
	(void)w;
}

enum im_err
__wrap_workers_submit(struct workers *w, struct job *job)
{
	(void)w;
	job->run(job);
	return IM_OK;
}

enum im_err
__wrap_workers_submit_always(struct workers *w, struct job *job)
{
	return __wrap_workers_submit(w, job);
}

/* ---- Start and end. ---- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void
stop_server(void)
{
	server_stop(server);
	nftw(folder, remove_one, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
	memory_vfs_free(files);
}

/* The folder is for the metadata and the key only, and for marks: databases are in memory. */
static bool
make_folder(char key[PATH_BYTES_MAX])
{
	bool in_memory = access("/dev/shm", W_OK) == 0;

	snprintf(folder, sizeof folder, "%s/sample_server.XXXXXX", in_memory ? "/dev/shm" : "/tmp");
	if (!mkdtemp(folder))
		return false;
	snprintf(key, PATH_BYTES_MAX, "%s/key.pem", folder);
	return file_replace(key, bytes_str(SAMPLE_PRIVATE_KEY)) == IM_OK;
}

bool
sample_server_start(void)
{
	char key[PATH_BYTES_MAX];
	struct server_options options = {.dir = folder,
	    .address = "127.0.0.1",
	    .signing_key = key,
	    .admin_password = SERVER_ADMIN_PASSWORD,
	    .max_message_bytes = 8u << 20,
	    .max_sessions = 8,
	    .token_life_ms = 60000,
	    .session_idle_ms = 60000,
	    .metrics_address = ""};
	enum im_err err;

	files = memory_vfs_new();
	if (!make_folder(key)) {
		perror(folder);
		return false;
	}
	err = server_start(&options, &server);
	if (err != IM_OK) {
		fprintf(stderr, "%s\n", err_detail(err));
		return false;
	}
	sample_store_fill(databases_default(server->databases)->store, SAMPLE_TXS);
	return atexit(stop_server) == 0;
}

enum im_err
sample_server_ask(const struct rpc_method *method, struct bytes body, struct buf *out)
{
	static const struct rpc_peer peer = {
	    .address = "unix", .is_unix = true, .is_loopback = true};
	struct rpc_request request = {
	    .method = method, .session = bytes_str(SAMPLE_SESSION), .body = body, .peer = &peer};

	arena_init(&request.arena, REQUEST_ARENA_MAX);
	buf_clear(out);
	answered.out = out;
	answered.answers = 0;
	dispatch_request(server, &request);
	assert(answered.answers == 1);
	arena_free(&request.arena);
	return answered.err;
}
