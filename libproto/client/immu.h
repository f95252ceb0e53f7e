#ifndef IMMU_H
#define IMMU_H

/*
 * The C client library of the immutable database.
 *
 * What it proves. A verified call returns only what the server has proven: that the entry (or all
 * entries of the transaction) hash to the entries' root in a transaction header, that this header
 * and the trusted state of this server and database belong to one history that was only ever
 * appended to, and that the answer is for the key, transaction, score or referenced key that were
 * asked for. Through a reference both are proven: that the key refers to the other key, and the
 * other key's value. Not proven, because no proof of them exists: that a value is the latest one,
 * `revision`, and the value length of a `struct immu_tx_entry` without its value. Calls without
 * "verified" in their name prove nothing.
 *
 * Neighbours. immu_trust.h manages the files of trusted states; immu_proof.h checks offline proofs,
 * which any verified read or write makes when asked to (keep_proof).
 *
 * Trusted state. One per server identity and database: the number and hash of the newest
 * transaction that was proven. Without one, the first verified call trusts the server's current
 * state (trust on first use; immu_first_contact() tells). The state of an empty database binds the
 * server to nothing; its first proven transaction does. It lives in files of the state folder:
 *     state-SERVER-DATABASE   the trusted state
 *     identity-HASH           the server identity that was first seen at an address
 * Both are text with a checksum, mode 0600, replaced atomically, and written under a lock, so that
 * any number of processes can share one folder. A state never goes backwards, and two states are
 * merged only when the server proves that the older one is part of the newer one's history.
 *
 * Errors. Calls return IM_OK or a code of util/err_code.h; immu_error_text() says more about the
 * last one in the calling thread. Codes whose immu_exit_code() is IM_EXIT_VERIFICATION mean that
 * the server, or the local state file, cannot be trusted:
 *     IM_ERR_PROOF              an answer does not follow from its proof, or is not what was asked
 *     IM_ERR_STATE_FORKED       two proven states do not belong to one history
 *     IM_ERR_STATE_OLDER        the server knows less than was proven before
 *     IM_ERR_IDENTITY_CHANGED   another server answers at this address
 *     IM_ERR_STATE_CORRUPT      a local state or identity file is damaged
 *     IM_ERR_SIGNATURE_MISSING  a public key is configured and a state is not signed
 *     IM_ERR_SIGNATURE          a state is signed by someone else
 * The trusted state is never changed by a call that fails. After IM_ERR_STATE_FORKED the connection
 * answers every verified call on this database with that error.
 *
 * Threads. A connection may be used by one thread at a time; different connections are independent.
 * Callbacks run inside immu_poll() or any other call on the same connection that waits, in the
 * thread that made it. They may submit more requests; they must not wait, poll or close.
 *
 * Memory. Arguments are borrowed for the duration of the call. A `struct immu_result` owns all it
 * points to; a callback's result lives until the callback returns.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err_code.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IMMU_HASH_SIZE 32
#define IMMU_SIGNATURE_MAX 72
#define IMMU_DEFAULT_PORT 3322
#define IMMU_DEFAULT_IN_FLIGHT 64
#define IMMU_MAX_IN_FLIGHT 1024

/* A connection: transport, session, selected database and trusted state. */
struct immu;

/* Bytes owned by someone else; not NUL-terminated. Keys and values may hold any byte. */
struct immu_bytes {
	const void *data;
	size_t len;
};

/* How to connect. Start from all zero: zero or NULL means the default. */
struct immu_options {
	const char *address;      /* host name or IP address; 127.0.0.1 */
	unsigned int port;        /* IMMU_DEFAULT_PORT */
	const char *unix_path;    /* socket file; when set, address and port are not used */
	const char *database;     /* selected at login; the server's default database */
	const char *state_dir;    /* $XDG_STATE_HOME/immudb, else $HOME/.local/state/immudb */
	const char *pub_key_file; /* PEM public key that must have signed every state; none */
	unsigned int connect_timeout_ms; /* 10,000 */
	unsigned int request_timeout_ms; /* 60,000; from submit to completion */
	size_t max_message_bytes;        /* largest answer accepted; 32 MiB */
	size_t max_in_flight;            /* IMMU_DEFAULT_IN_FLIGHT, at most IMMU_MAX_IN_FLIGHT */
	/*
	 * TLS 1.3, not over unix_path. With tls the server must show a certificate, with mtls we
	 * show one, too; without either the files are not looked at. All are PEM.
	 */
	bool tls;
	bool mtls;
	const char *certificate; /* ours, followed by those up to its authority; for mtls */
	const char *pkey;        /* its private key; for mtls */
	const char *clientcas;   /* who may have signed the server's; the system's authorities */
	const char *servername;  /* whom the server's certificate must be for; address */
};

/* Attributes of one version of a key. */
struct immu_metadata {
	bool deleted;
	bool non_indexable;
	bool expires;
	int64_t expires_at; /* Unix seconds; meaningful if expires */
};

/* A key and value to write. */
struct immu_kv {
	struct immu_bytes key;
	struct immu_bytes value;
	struct immu_metadata metadata; /* deleted is refused: immu_delete() does that */
};

/* In place of a transaction's number: the one that is being written. Only in immu_exec_all(). */
#define IMMU_THIS_TX UINT64_MAX

/*
 * A key that stands for another key, which must exist and must not be a reference itself. A key
 * that holds a value cannot become a reference.
 */
struct immu_reference {
	struct immu_bytes key;
	struct immu_bytes target;
	uint64_t at_tx; /* 0: the target's latest value; else the one that this transaction wrote */
};

/* A member of a sorted set: an existing key that is not a reference, under a score. */
struct immu_zadd {
	struct immu_bytes set;
	double score; /* not NaN; -0 and 0 are two scores that sort side by side */
	struct immu_bytes key;
	uint64_t at_tx; /* as in struct immu_reference */
};

/* One of the things that immu_exec_all() does in one transaction. */
enum immu_write_kind { IMMU_WRITE_KV, IMMU_WRITE_REFERENCE, IMMU_WRITE_ZADD };

struct immu_write {
	enum immu_write_kind kind;
	struct immu_kv kv;               /* of IMMU_WRITE_KV */
	struct immu_reference reference; /* of IMMU_WRITE_REFERENCE */
	struct immu_zadd zadd;           /* of IMMU_WRITE_ZADD */
};

/* What must be so when a write is committed, or else nothing is written (IM_ERR_PRECONDITION). */
enum immu_condition {
	IMMU_KEY_MUST_EXIST, /* deleted and expired keys do not */
	IMMU_KEY_MUST_NOT_EXIST,
	IMMU_KEY_NOT_MODIFIED_AFTER /* no version of the key is newer than tx */
};

struct immu_precondition {
	enum immu_condition condition;
	struct immu_bytes key;
	uint64_t tx; /* of IMMU_KEY_NOT_MODIFIED_AFTER; from 1 */
};

/* The reference through which a value was found. */
struct immu_via {
	struct immu_bytes key;
	uint64_t tx;       /* the transaction that wrote the reference */
	uint64_t revision; /* 0 when unknown; never proven */
	uint64_t at_tx;    /* that the reference is bound to; 0: none */
	struct immu_metadata metadata;
};

/*
 * One version of a key, as read. Read through a reference, key and all the rest are those of the
 * key that it stands for. In a history a version that is a reference is not followed: via says
 * that it is one, key is what it stood for, tx and revision are its own, and value is empty.
 */
struct immu_entry {
	uint64_t tx;       /* the transaction that wrote it */
	uint64_t revision; /* 1 for the first version; 0 when unknown; never proven */
	struct immu_bytes key;
	struct immu_bytes value;
	struct immu_metadata metadata;
	bool expired;               /* in a history: it has expired, and its value is not shown */
	const struct immu_via *via; /* NULL: no reference */
};

/* A member of a sorted set, as read. */
struct immu_zentry {
	struct immu_bytes set;
	double score;
	struct immu_bytes key;
	uint64_t at_tx;          /* that it is bound to; 0: none */
	struct immu_entry entry; /* the key's value */
};

/* What the raw key of an entry, and its raw value where there is one, say. */
enum immu_kind {
	IMMU_KIND_KEY,       /* key: set, deleted or a reference; the value would tell */
	IMMU_KIND_VALUE,     /* key and value: set, or deleted (see metadata) */
	IMMU_KIND_REFERENCE, /* key, target, at_tx */
	IMMU_KIND_ZADD,      /* set, score, key, at_tx */
	IMMU_KIND_OTHER      /* an SQL row or a document: opaque here */
};

/*
 * An entry of a transaction. raw_key and raw_value are as they are hashed (a plain key and a plain
 * value have a 0 byte in front); the other views are taken from them.
 */
struct immu_tx_entry {
	struct immu_bytes raw_key;
	struct immu_metadata metadata;
	uint8_t value_hash[IMMU_HASH_SIZE]; /* of the raw value */
	uint32_t value_len;                 /* of the raw value; not proven unless has_value */
	bool has_value;                     /* raw_value was asked for and hashes to value_hash */
	struct immu_bytes raw_value;
	enum immu_kind kind;
	struct immu_bytes key;
	struct immu_bytes value;
	struct immu_bytes target;
	struct immu_bytes set;
	double score;
	uint64_t at_tx;
};

/* A transaction header. */
struct immu_header {
	uint64_t id;
	int64_t ts; /* Unix seconds */
	uint32_t entries;
	uint16_t version;
	uint64_t bl_tx_id;
	uint8_t prev_alh[IMMU_HASH_SIZE];
	uint8_t eh[IMMU_HASH_SIZE];
	uint8_t bl_root[IMMU_HASH_SIZE];
	uint8_t alh[IMMU_HASH_SIZE]; /* computed here from the other fields */
};

/* The state of a database: its newest transaction. tx 0: it is empty. */
struct immu_state {
	uint64_t tx;
	uint8_t hash[IMMU_HASH_SIZE];
	const char *database;
	bool is_signed; /* carries a signature; checked if a public key is configured */
	/* Of a state that was asked of the server: the signature, DER. */
	uint8_t signature[IMMU_SIGNATURE_MAX];
	size_t signature_len;
};

/* What a server says about itself. */
struct immu_info {
	const char *version;
	int64_t started_at; /* Unix seconds */
	uint64_t transactions;
	uint32_t databases;
	uint64_t disk_bytes;
	bool healthy;
	uint32_t pending_requests;  /* of the database */
	int64_t last_request_at_ms; /* when one was last completed; Unix milliseconds */
};

/* A transaction in a list of them. */
struct immu_tx_view {
	struct immu_header header;
	const struct immu_tx_entry *tx_entries; /* as digests or with their values */
	size_t tx_entries_len;
	const struct immu_entry *entries; /* keys, resolved */
	size_t entries_len;
	const struct immu_zentry *zentries; /* members of sorted sets, resolved */
	size_t zentries_len;
};

/* The outcome of a request. Which parts are set depends on its operation (enum immu_op). */
struct immu_result {
	enum im_err err;
	const char *error_text; /* never NULL */
	bool verified;          /* header, entries, tx_entries and state are proven */
	struct immu_header header;
	const struct immu_entry *entries;
	size_t entries_len;
	const struct immu_zentry *zentries;
	size_t zentries_len;
	const struct immu_tx_entry *tx_entries;
	size_t tx_entries_len;
	const struct immu_tx_view *txs;
	size_t txs_len;
	uint64_t count;
	struct immu_state state;
	struct immu_info info;
	struct immu_bytes exported;
	struct immu_bytes proof; /* an offline proof (immu_proof.h), if keep_proof was set */
};

/* ---- Connection and session --------------------------------------------------------------- */

/*
 * Connects, and checks that the server is the one first seen at this address. On success *out is
 * a connection to release with immu_close().
 * IM_ERR_UNREACHABLE, IM_ERR_TIMEOUT, IM_ERR_TLS, IM_ERR_PROTOCOL, IM_ERR_IDENTITY_CHANGED,
 * IM_ERR_STATE_CORRUPT, IM_ERR_KEY_FILE, IM_ERR_CERTIFICATE, IM_ERR_CONFIG, IM_ERR_ARGUMENT,
 * IM_ERR_IO.
 */
enum im_err immu_connect(const struct immu_options *options, struct immu **out);

/*
 * Persists the trusted state, closes the connection and releases everything. Requests in flight
 * are completed with IM_ERR_CANCELLED. The session stays open on the server (immu_logout() ends
 * it). Returns what immu_persist() would; the connection is gone in any case. NULL is accepted.
 */
enum im_err immu_close(struct immu *c);

/*
 * Logs in and selects the database of the options, or else the server's default one; a user
 * without access to the default one is logged in without a database. *warning (may be NULL) is set
 * to the server's warning, "" if there is none; it lives until the next login or close.
 * IM_ERR_CREDENTIALS, IM_ERR_THROTTLED, IM_ERR_DATABASE_NOT_FOUND and others of the server.
 */
enum im_err
immu_login(struct immu *c, const char *user, const char *password, const char **warning);

/* Ends the session on the server. The connection stays and can log in again. */
enum im_err immu_logout(struct immu *c);

/*
 * Selects a database. That begins a session of its own with a token of its own; the one before
 * stays valid for whoever else uses it. Waits for requests in flight first.
 * IM_ERR_DATABASE_NOT_FOUND, IM_ERR_DATABASE_PERMISSION.
 */
enum im_err immu_use(struct immu *c, const char *database);

/*
 * The session token, "" before login; keep it secret. With the name of its database it lets
 * another connection go on with the session: immu_resume(). Valid until login, use, logout, close.
 */
const char *immu_token(const struct immu *c);

/*
 * Goes on with a session by its token and database. Does not ask the server; the next call does. An
 * empty token is for servers that run without authentication, on their default database.
 */
enum im_err immu_resume(struct immu *c, const char *token, const char *database);

/* The selected database, "" if none. Valid until login, use, close. */
const char *immu_database(const struct immu *c);

/* False once the connection is lost or the server asked for its end: further requests fail. */
bool immu_is_connected(struct immu *c);

/* The server's identity, 20 characters. Valid until close. */
const char *immu_server_id(const struct immu *c);

/* ---- Synchronous calls ---------------------------------------------------------------------- */

/*
 * Each sends one request, waits, and on success gives a result in *out, to release with
 * immu_result_free(). On failure *out is NULL. Any of them may also fail with a transport error
 * (IM_ERR_CONNECTION_LOST, IM_ERR_TIMEOUT), a session error (IM_ERR_NOT_LOGGED_IN,
 * IM_ERR_TOKEN_EXPIRED, IM_ERR_NO_DATABASE, IM_ERR_PERMISSION) or IM_ERR_NOMEM. Requests in flight
 * make progress, and their callbacks run, while a synchronous call waits.
 */

/*
 * Writes all kvs in one transaction: 1 to 1,024, no key twice. out->header is the header of the
 * transaction. IM_ERR_NO_ENTRIES, IM_ERR_DUPLICATE_KEY, IM_ERR_KEY_LENGTH, IM_ERR_VALUE_LENGTH.
 */
enum im_err
immu_set(struct immu *c, const struct immu_kv *kvs, size_t kvs_len, struct immu_result **out);

/* Like immu_set(), and proves that the transaction holds exactly these entries. */
enum im_err immu_verified_set(
    struct immu *c, const struct immu_kv *kvs, size_t kvs_len, struct immu_result **out);

/* Which version of a key to read; NULL or all zero: the latest. At most one of them is set. */
struct immu_version {
	uint64_t at_tx;    /* the version that this very transaction wrote */
	uint64_t since_tx; /* the latest, in an index that includes this transaction */
	int64_t revision; /* from 1; negative: counted back from the latest, -1 the one before it */
};

/* Reads one key; out->entries[0]. IM_ERR_KEY_NOT_FOUND, IM_ERR_REVISION. */
enum im_err immu_get(struct immu *c, struct immu_bytes key, const struct immu_version *version,
    struct immu_result **out);

/* Like immu_get(), and proves key, value, metadata and transaction. */
enum im_err immu_verified_get(struct immu *c, struct immu_bytes key,
    const struct immu_version *version, struct immu_result **out);

/* Reads several keys; keys that do not exist are left out. */
enum im_err immu_get_all(
    struct immu *c, const struct immu_bytes *keys, size_t keys_len, struct immu_result **out);

/*
 * Writes a reference: out->header. IM_ERR_KEY_NOT_FOUND (no such target), IM_ERR_REFERENCE_TARGET
 * (the target is a reference), IM_ERR_REFERENCE_KEY (the key holds a value).
 */
enum im_err immu_set_reference(
    struct immu *c, const struct immu_reference *reference, struct immu_result **out);

/* Like immu_set_reference(), and proves that the transaction holds exactly this reference. */
enum im_err immu_verified_set_reference(
    struct immu *c, const struct immu_reference *reference, struct immu_result **out);

/*
 * Adds a member to a sorted set: out->header. A key may be in a set under any number of scores.
 * IM_ERR_KEY_NOT_FOUND, IM_ERR_REFERENCE_TARGET (the key is a reference).
 */
enum im_err immu_zadd(struct immu *c, const struct immu_zadd *zadd, struct immu_result **out);

/* Like immu_zadd(), and proves that the transaction holds exactly this member. */
enum im_err
immu_verified_zadd(struct immu *c, const struct immu_zadd *zadd, struct immu_result **out);

/*
 * Does all writes in one transaction or none of them: 1 to 1,024, out->header. A reference or
 * member may name a key that an earlier one of them sets, and be bound to it with IMMU_THIS_TX.
 * Errors of immu_set(), immu_set_reference() and immu_zadd().
 */
enum im_err immu_exec_all(
    struct immu *c, const struct immu_write *writes, size_t writes_len, struct immu_result **out);

/*
 * Marks keys as deleted, all or none: out->header. Their history stays readable, and setting a key
 * brings it back. IM_ERR_KEY_NOT_FOUND when one of them does not exist.
 */
enum im_err immu_delete(
    struct immu *c, const struct immu_bytes *keys, size_t keys_len, struct immu_result **out);

/* Which keys to list. All zero: the first ones, in ascending order, up to the server's maximum. */
struct immu_scan {
	struct immu_bytes prefix;
	struct immu_bytes seek; /* start after this key, or at it */
	struct immu_bytes end;  /* stop before this key, or at it */
	bool inclusive_seek;
	bool inclusive_end;
	bool descending;
	uint64_t limit; /* 0: the server's maximum */
	uint64_t offset;
	uint64_t since_tx;
};

/* Lists the latest versions of keys; out->entries. IM_ERR_RESULT_LIMIT. */
enum im_err immu_list(struct immu *c, const struct immu_scan *scan, struct immu_result **out);

/*
 * Which members of a set to list: those with min_score <= score <= max_score, in numeric order,
 * then by key. With a seek_key the list starts after the member (seek_score, seek_key, seek_at_tx),
 * or at it; that member need not exist.
 */
struct immu_zscan {
	struct immu_bytes set;
	struct immu_bytes seek_key;
	double seek_score;
	uint64_t seek_at_tx;
	bool inclusive_seek;
	bool descending;
	bool has_min_score;
	bool has_max_score;
	double min_score;
	double max_score;
	uint64_t limit; /* 0: the server's maximum */
	uint64_t offset;
	uint64_t since_tx;
};

/* Lists members of a sorted set: out->zentries. IM_ERR_RESULT_LIMIT. */
enum im_err immu_zlist(struct immu *c, const struct immu_zscan *scan, struct immu_result **out);

/* Which versions of a key to list: from the first one on, or descending from the latest. */
struct immu_history {
	struct immu_bytes key;
	uint64_t offset;
	uint64_t limit; /* 0: the server's maximum */
	bool descending;
	uint64_t since_tx;
};

/*
 * Lists versions of a key with their revisions, deletions (metadata.deleted) and expired ones
 * included: out->entries. IM_ERR_KEY_NOT_FOUND, IM_ERR_RESULT_LIMIT.
 */
enum im_err
immu_list_history(struct immu *c, const struct immu_history *history, struct immu_result **out);

/*
 * Counts the keys with a prefix, those that a scan would list and references that lead nowhere:
 * out->count.
 */
enum im_err immu_count(struct immu *c, struct immu_bytes prefix, struct immu_result **out);

/* Counts all keys: out->count. */
enum im_err immu_count_all(struct immu *c, struct immu_result **out);

/* How the entries of one kind are shown. */
enum immu_show {
	IMMU_SHOW_NONE,    /* not at all */
	IMMU_SHOW_DIGEST,  /* as tx_entries */
	IMMU_SHOW_VALUE,   /* as tx_entries with their values */
	IMMU_SHOW_RESOLVED /* as entries or zentries; not in verified requests */
};

/*
 * Which entries of a transaction are shown, and how. All zero: all of them as digests. A verified
 * answer covers all entries of the transaction, whichever are shown.
 */
struct immu_tx_spec {
	bool is_set; /* kv, z and other count */
	enum immu_show kv;
	enum immu_show z;
	enum immu_show other; /* SQL rows; not RESOLVED */
};

/* Reads a transaction: out->header and out->tx_entries. IM_ERR_TX_NOT_FOUND. */
enum im_err immu_tx(struct immu *c, uint64_t tx, struct immu_result **out);

/* Like immu_tx(), and proves header and entries. */
enum im_err immu_verified_tx(struct immu *c, uint64_t tx, struct immu_result **out);

/* Which transactions to list: initial_tx and those after it, or before it. */
struct immu_tx_scan {
	uint64_t initial_tx; /* from 1 */
	uint64_t limit;      /* 0: the server's maximum */
	bool descending;
	struct immu_tx_spec spec;
	uint64_t since_tx;
};

/* Lists transactions: out->txs. IM_ERR_TX_NOT_FOUND, IM_ERR_RESULT_LIMIT. */
enum im_err
immu_list_txs(struct immu *c, const struct immu_tx_scan *scan, struct immu_result **out);

/* The server's current state of the database: out->state. */
enum im_err immu_current_state(struct immu *c, struct immu_result **out);

/* Like immu_current_state(), and proves that it extends the trusted state, which it becomes. */
enum im_err immu_verified_state(struct immu *c, struct immu_result **out);

/* What the server says about itself: out->info. Needs no login. */
enum im_err immu_server_info(struct immu *c, struct immu_result **out);

/* Whether the server is in service: out->info.healthy and version. Needs no login. */
enum im_err immu_health(struct immu *c, struct immu_result **out);

/* How busy the selected database is: out->info.pending_requests and last_request_at_ms. */
enum im_err immu_database_health(struct immu *c, struct immu_result **out);

/* A transaction in the form that replicas and backups read: out->exported. */
enum im_err immu_export_tx(struct immu *c, uint64_t tx, struct immu_result **out);

/* Releases a result. NULL is accepted. */
void immu_result_free(struct immu_result *result);

/* ---- Many requests in flight ---------------------------------------------------------------- */

/* Operations, the fields of struct immu_request they use, and the parts of the result they set. */
enum immu_op {
	IMMU_OP_SET,            /* kvs, preconditions; header */
	IMMU_OP_GET,            /* keys[0], version; entries[0], and header if verified */
	IMMU_OP_GET_ALL,        /* keys, since_tx; entries */
	IMMU_OP_SCAN,           /* scan; entries */
	IMMU_OP_TX,             /* tx, tx_spec, since_tx; header, tx_entries, entries, zentries */
	IMMU_OP_STATE,          /* state */
	IMMU_OP_SERVER_INFO,    /* info */
	IMMU_OP_HEALTH,         /* info */
	IMMU_OP_EXPORT_TX,      /* tx; exported */
	IMMU_OP_REFERENCE,      /* reference, preconditions; header */
	IMMU_OP_ZADD,           /* zadd; header */
	IMMU_OP_EXEC_ALL,       /* writes, preconditions; header */
	IMMU_OP_DELETE,         /* keys, since_tx; header */
	IMMU_OP_ZSCAN,          /* zscan; zentries */
	IMMU_OP_HISTORY,        /* history; entries */
	IMMU_OP_COUNT,          /* scan.prefix; count */
	IMMU_OP_COUNT_ALL,      /* count */
	IMMU_OP_TX_SCAN,        /* tx_scan; txs */
	IMMU_OP_DATABASE_HEALTH /* info */
};

/*
 * A request. Start from all zero and set op and the fields that it uses; immu_run() sends it and
 * waits, immu_submit() sends it. What the calls above do not offer is here: preconditions, no_wait,
 * since_tx, how a transaction's entries are shown, keep_proof.
 */
struct immu_request {
	enum immu_op op;
	bool verified;     /* for SET, GET, TX, STATE, REFERENCE and ZADD */
	bool keep_proof;   /* verified only, not STATE: makes result->proof */
	bool no_wait;      /* the server need not wait for its index */
	uint64_t since_tx; /* the server's index must include this transaction; 0: what it has */
	const struct immu_kv *kvs;
	size_t kvs_len;
	const struct immu_bytes *keys;
	size_t keys_len;
	const struct immu_write *writes;
	size_t writes_len;
	const struct immu_precondition *preconditions; /* all must hold */
	size_t preconditions_len;
	struct immu_reference reference;
	struct immu_zadd zadd;
	struct immu_version version;
	struct immu_scan scan;
	struct immu_zscan zscan;
	struct immu_history history;
	uint64_t tx;
	struct immu_tx_spec tx_spec;
	struct immu_tx_scan tx_scan;
};

/* Sends a request and waits, as every synchronous call above does. */
enum im_err immu_run(struct immu *c, const struct immu_request *request, struct immu_result **out);

/* Told once how a request ended; result->err and, if that is IM_OK, the rest of result. */
typedef void immu_done_fn(void *arg, const struct immu_result *result);

/*
 * Sends a request without waiting; done(arg, result) is called exactly once, unless immu_submit()
 * itself fails. Requests are sent in this order and writes are committed in it; they complete in
 * any order. IM_ERR_WOULD_BLOCK when max_in_flight requests are in flight: poll, then try again.
 *
 * A verified result is proven from the state that was trusted when it was submitted. If another
 * state is trusted by the time its answer comes, the two may be on different branches of a forked
 * history, though both extend the same older state. Such a result is held back until it is linked:
 * the answer itself shows that its transaction directly follows the trusted one, or the transaction
 * is older than the state it was proven from, or else one more proof is asked for between the two.
 * Only then is it reported.
 */
enum im_err
immu_submit(struct immu *c, const struct immu_request *request, immu_done_fn *done, void *arg);

/*
 * Waits up to timeout_ms (0: does not wait; -1: no limit) until at least one request is complete,
 * and runs the callbacks of all that are. Returns at once when nothing is in flight. An error of a
 * request goes to its callback; the errors returned here are of the connection and the state file.
 */
enum im_err immu_poll(struct immu *c, int timeout_ms);

/* Polls until nothing is in flight; returns the first error that immu_poll() returned. */
enum im_err immu_wait(struct immu *c);

/* Requests submitted and not yet reported. */
size_t immu_in_flight(const struct immu *c);

/* ---- Long lists and large values ------------------------------------------------------------ */

/*
 * Each walks through any number of results in constant memory: it asks for one page after the
 * other, the next one while fn is given the one before. limit is that of the whole walk here, 0 for
 * none; a page that would be too large for an answer is asked for in smaller pieces. fn returns
 * false to stop, which is no error. What it is given lives until it returns. It may make other
 * calls on the connection, but not log in or out, select a database or close. Each page shows the
 * database as it is when it is read: what is written meanwhile may be seen or not. A server whose
 * pages do not go on where the last one ended is IM_ERR_PROTOCOL.
 */
typedef bool immu_entry_fn(void *arg, const struct immu_entry *entry);
typedef bool immu_zentry_fn(void *arg, const struct immu_zentry *entry);
typedef bool immu_tx_fn(void *arg, const struct immu_tx_view *tx);

enum im_err immu_each(struct immu *c, const struct immu_scan *scan, immu_entry_fn *fn, void *arg);
enum im_err
immu_each_z(struct immu *c, const struct immu_zscan *scan, immu_zentry_fn *fn, void *arg);
enum im_err
immu_each_version(struct immu *c, const struct immu_history *history, immu_entry_fn *fn, void *arg);
enum im_err
immu_each_tx(struct immu *c, const struct immu_tx_scan *scan, immu_tx_fn *fn, void *arg);

/*
 * Gives the next bytes of a value: up to size of them to `to`, and in *len how many; 0 is the end.
 * An error ends the call that asked, with that error.
 */
typedef enum im_err immu_source_fn(void *arg, void *to, size_t size, size_t *len);

/* Takes the next bytes of a value. An error ends the call that gave them, with that error. */
typedef enum im_err immu_sink_fn(void *arg, struct immu_bytes part);

/* A source and a sink for a file: arg points to its descriptor (int *). IM_ERR_IO. */
immu_source_fn immu_read_fd;
immu_sink_fn immu_write_fd;

/* A value to write that comes from a source. It is held in memory once: at most 32 MiB. */
struct immu_inflow {
	struct immu_bytes key;
	struct immu_metadata metadata;
	bool verified;
	immu_source_fn *read;
	void *arg;
};

/*
 * A value to read that goes to a sink: as it comes, whatever its size; a verified one is held in
 * memory until it is proven.
 */
struct immu_outflow {
	struct immu_bytes key;
	struct immu_version version;
	bool verified; /* the sink is given nothing before all of the value is proven */
	immu_sink_fn *write;
	void *arg;
};

/* Like immu_set() or immu_verified_set() of one key. IM_ERR_VALUE_LENGTH, errors of the source. */
enum im_err immu_set_from(struct immu *c, const struct immu_inflow *flow, struct immu_result **out);

/*
 * Like immu_get() or immu_verified_get(), but the value goes to the sink: value.len of
 * out->entries[0] is its length, value.data is NULL. Unless it is verified nothing but the key and
 * the length is known of the entry; its tx is 0. Errors of the sink.
 */
enum im_err
immu_get_into(struct immu *c, const struct immu_outflow *flow, struct immu_result **out);

/* ---- Trusted state -------------------------------------------------------------------------- */

/*
 * Makes the trusted state of the selected database known: reads it, or at first contact trusts the
 * server's current state and writes it. Verified calls do this by themselves; a program that wants
 * first contact at a moment of its choice, such as login, calls it there. IM_ERR_NO_DATABASE,
 * IM_ERR_STATE_CORRUPT, IM_ERR_SIGNATURE_MISSING, IM_ERR_SIGNATURE, IM_ERR_IO, transport errors.
 */
enum im_err immu_trust(struct immu *c);

/*
 * Writes the trusted state to its file, merged with what other processes wrote there meanwhile.
 * Done by immu_close(), and by any call that finds a state that was not written for a second. Call
 * it before telling someone that a result is verified, if that must survive a crash. May ask the
 * server for the proof that a merge needs, and wait for it. IM_ERR_STATE_FORKED,
 * IM_ERR_STATE_CORRUPT, IM_ERR_IO.
 */
enum im_err immu_persist(struct immu *c);

/* The trusted state of the selected database; false if there is none yet. */
bool immu_trusted_state(const struct immu *c, struct immu_state *out);

/* True if this connection met server or database for the first time and trusted what it saw. */
bool immu_first_contact(const struct immu *c);

/* ---- Errors and values ---------------------------------------------------------------------- */

/* What went wrong last in this thread with this code; the code's fixed text if nothing is known. */
const char *immu_error_text(enum im_err err);

/* The name of a code, such as "IM_ERR_PROOF". */
const char *immu_error_name(enum im_err err);

/* The exit code with which a command should end on this error. */
enum im_exit immu_exit_code(enum im_err err);

/* The bytes of a NUL-terminated string, without its NUL. */
struct immu_bytes immu_str(const char *s);

/* The version of this library, such as "0.1.0". */
const char *immu_version(void);

#ifdef __cplusplus
}
#endif

#endif
