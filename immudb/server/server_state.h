#ifndef SERVER_SERVER_STATE_H
#define SERVER_SERVER_STATE_H

#include <pthread.h>

#include "crypto/sign.h"
#include "http/http_server.h"
#include "rpc/rpc_server.h"
#include "server/databases.h"
#include "server/journal.h"
#include "server/scrub.h"
#include "server/server.h"
#include "server/sessions.h"
#include "server/throttle.h"
#include "server/workers.h"
#include "util/metrics.h"
#include "util/xid.h"

/* Private to server/: what a running server consists of. Constant between start and stop. */

/*
 * Databases with rows of their own in the metrics; the others together have the row
 * METRIC_OVERFLOW.
 */
#define SERVER_METRIC_DATABASES 100

/* The series of dispatch; by method, so that no look-up is needed on the way. */
struct server_metrics {
	struct metric_family *requests;           /* by method and code */
	struct metric *ok[RPC_METHOD_COUNT];      /* of requests, code OK */
	struct metric *seconds[RPC_METHOD_COUNT]; /* latency; NULL without histograms */
	struct metric *in_flight;
	struct metric_family *commit_seconds, *commit_txs,
	    *sync_seconds; /* by database; NULL without histograms */
	struct metric_family *waiting, *auth_failures;
	size_t databases_shown; /* SERVER_METRIC_DATABASES */
	struct metric *uptime, *sessions, *databases;
};

struct server {
	struct server_options options; /* strings are only valid while starting */
	int lock_fd;
	struct meta *meta;
	struct databases *databases;
	struct journal *journal;
	struct scrubber *scrubber;
	struct sessions *sessions;
	struct throttle *throttle;
	struct workers *readers;
	struct workers *passwords;
	struct workers *compactors;     /* flush and merge indexes */
	struct workers *exporters;      /* read whole databases for backups */
	struct workers *administrators; /* creates, loads, unloads, deletes databases */
	bool is_signing;                /* states are signed; never changes while serving */
	pthread_rwlock_t key_lock;      /* of key, which may be replaced while serving */
	struct sign_private_key *key;
	struct server_probe *probe; /* server_running.c */
	struct metrics *metrics;
	struct server_metrics series;
	struct rpc_server *rpc;
	struct server_tls *tls; /* NULL: without */
	struct http_server *http;
	char identity[XID_TEXT_LEN + 1];
	bool default_password; /* found at start; see server_has_default_password() */
	struct restoring *restoring;
	_Atomic bool stopping;
	int64_t started_s;  /* wall clock */
	int64_t started_ns; /* monotonic */
};

/*
 * server_admin.c: the superadmin at start. Hashing the first password takes as long as everything
 * else, so it is done beside it: begin once the metadata is open, end once the databases are. err
 * is what went wrong in between; then nothing is changed and err is returned.
 */
struct server_admin {
	pthread_t thread;
	bool is_first; /* the folder has no users */
	bool is_hashing;
	const char *password;
	char hash[META_HASH_MAX];
	enum im_err err; /* of hashing */
};
enum im_err server_admin_begin(struct server *s, struct server_admin *a);
enum im_err server_admin_end(struct server *s, struct server_admin *a, enum im_err err);

/* server_running.c: the signing key of the options, and what server_answers() needs. At start. */
enum im_err server_running_begin(struct server *s);
void server_running_end(struct server *s);

/* A signature and whose it is. */
struct server_signature {
	uint8_t point[SIGN_POINT_SIZE]; /* of the public key */
	uint8_t der[SIGN_DER_MAX];
	size_t der_len;
};

/*
 * Signs a state with the key of this moment. Only when is_signing. Errors of sign_make(). From any
 * thread.
 */
enum im_err
server_sign(struct server *s, const struct sign_state *state, struct server_signature *out);

/*
 * server.c: takes the lock of a data folder that is there, to be given back with file_unlock().
 * IM_ERR_LOCKED when another process has it, IM_ERR_IO.
 */
enum im_err server_lock_folder(const char *dir, int *fd);

/* dispatch.c: the entry of every request, for rpc_server_options. */
void dispatch_request(void *ctx, struct rpc_request *request);
enum im_err dispatch_authenticate(
    void *ctx, struct bytes session, const struct rpc_method *method, const struct rpc_peer *peer);

/* server_metrics.c: adds all series of the server. IM_ERR_NOMEM. */
enum im_err server_metrics_add(struct server *s);

/*
 * server_tls.c: checks the options, before anything is made, and reads the files but for those that
 * are made in the data folder. IM_ERR_CONFIG, IM_ERR_CERTIFICATE, IM_ERR_NOMEM. Then, with the
 * folder: those; and when there are metrics: the date of expiry, in the log as well, now and daily.
 */
enum im_err server_tls_prepare(struct server *s);
enum im_err server_tls_start(struct server *s);
void server_tls_stop(struct server *s);
/* For rpc_server_options; NULL without TLS. */
struct tls_context *server_tls_context(const struct server *s);

/* A database was deleted: what was shown of it alone goes. */
void server_metrics_forget(struct server *s, const char *database);

/* database_metrics.c: shows the figures of databases, for metrics_on_render(). */
void database_metrics_render(void *arg, struct buf *out);

/* Counts one finished request; gives the time it was finished, of clock_monotonic_ns(). */
int64_t server_metrics_count(struct server *s, const struct rpc_request *request, enum im_err err);

#endif
