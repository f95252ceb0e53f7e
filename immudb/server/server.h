#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "util/bytes.h"

/*
 * The daemon without its command line: data folder, metadata, databases, sessions, transport and
 * HTTP, started and stopped together.
 */
struct server;
struct metrics;

/* In the data folder, held by the process that works in it. */
#define SERVER_LOCK_NAME "immudb.lock"

/* Whether the certificate of a client says which user it is, and where in it. */
enum server_cert_user { SERVER_CERT_USER_OFF, SERVER_CERT_USER_CN, SERVER_CERT_USER_SAN };

struct server_options {
	const char *dir;            /* data folder; made when absent */
	const char *dbname;         /* NULL or "": not asked for */
	bool synced;                /* answer a write after it is on disk */
	const char *address;        /* host name or address to listen on; "" is every address */
	uint16_t port;              /* 0: the system picks a free one, see server_port() */
	const char *unix_path;      /* additional unix socket; NULL or "": none */
	const char *signing_key;    /* PEM file; NULL or "": states are not signed */
	const char *admin_password; /* of the first user of a new folder */
	bool force_admin_password;  /* admin_password also replaces the one of an old folder */
	bool
	    require_password_change; /* before anything else, while the password is the known one */
	bool auth;
	bool devmode;
	bool access_log;  /* a line in the log for each request */
	bool maintenance; /* local clients only, nothing but reading and repair of users */
	size_t max_message_bytes;
	size_t max_sessions;
	uint32_t max_connection_rate; /* that begin in a second; 0: any number */
	size_t max_active_databases;  /* open at a time; 0: DATABASES_OPEN_DEFAULT */
	int64_t database_idle_ms;     /* closed after so long; 0: DATABASES_IDLE_MS_DEFAULT */
	int64_t token_life_ms;
	int64_t session_idle_ms;
	int64_t scrub_interval_s; /* databases are scrubbed so often; 0: only when asked for */
	uint64_t scrub_rate;      /* bytes a second; 0: SCRUB_RATE_DEFAULT */
	bool histograms;
	const char *metrics_address; /* "": as address */
	uint16_t metrics_port;       /* 0: no HTTP */
	bool metrics_ephemeral;      /* the system picks the HTTP port; for tests */
	/* TLS; without tls and mtls the files are not looked at. Unix sockets never speak it. */
	bool tls;                /* we show a certificate */
	bool mtls;               /* clients show one, too; includes tls */
	bool auto_cert;          /* one of our own making, in the data folder */
	const char *certificate; /* PEM, followed by those up to its authority */
	const char *pkey;        /* its private key, PEM */
	const char *clientcas;   /* who signs clients' certificates, PEM; for mtls */
	enum server_cert_user client_cert_user;
};

/*
 * Whether options contradict each other or lack something; reads no files. IM_ERR_CONFIG, and in
 * *option the name of the option to which the detail is put down. server_start() does it, too.
 */
enum im_err server_check_options(const struct server_options *options, const char **option);

/*
 * Starts everything in order and serves. Everything in options is copied or not kept. On failure
 * nothing is left running, and err_detail() is one line fit for the user: IM_ERR_LOCKED for a data
 * folder that another process uses and for a port in use, IM_ERR_KEY_FILE, IM_ERR_CERTIFICATE,
 * IM_ERR_CONFIG, IM_ERR_IO, and the errors of meta_open() and store_open().
 */
enum im_err server_start(const struct server_options *options, struct server **out);

/*
 * Stops in reverse: no new requests, the ones under way are answered, databases are closed. NULL is
 * accepted.
 */
void server_stop(struct server *s);

/*
 * Reads the signing key from a file: states are signed with it from then on; the log says so when
 * it is another key than before. Errors of keyfile_load_private(): the key stays. A server that
 * does not sign goes on so. Not while server_stop() runs.
 */
enum im_err server_reload_key(struct server *s, const char *path);

/* Whether a read would be answered within timeout_ms: what the readers do is done. */
bool server_answers(struct server *s, unsigned int timeout_ms);

/* The port of the transport and of HTTP (0 without HTTP). */
uint16_t server_port(const struct server *s);
uint16_t server_metrics_port(const struct server *s);

/*
 * Reads certificate, key and authorities again: new connections use them. When they cannot be used
 * the old ones stay, and the error says why: IM_ERR_CERTIFICATE, IM_ERR_NOMEM. IM_OK without TLS.
 * Any thread.
 */
enum im_err server_reload_tls(struct server *s);

/* Of server_fingerprint(), with the NUL. */
#define SERVER_FINGERPRINT_SIZE 96

/* The SHA-256 of the certificate, "AB:CD:..."; false without TLS. */
bool server_fingerprint(const struct server *s, char out[SERVER_FINGERPRINT_SIZE]);

/* The name of the default database. */
const char *server_default_database(const struct server *s);

/* Whether the superadmin still has the password that everybody knows. */
bool server_has_default_password(const struct server *s);

/* The superadmin and the password that a new folder gives it. */
#define SERVER_ADMIN "immudb"
#define SERVER_ADMIN_PASSWORD "immudb"

#endif
