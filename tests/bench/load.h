#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>

#include "bench_util.h"
#include "rpc/method.h"
#include "tls/tls.h"

/*
 * The load generator, shared by its files. One thread, plain sockets, many connections; the same
 * loop for every protocol, so that the client costs the same whoever is measured. A wire writes
 * requests into the output of a connection and counts the answers in its input.
 */

#define LOAD_VALUE_BYTES_MAX (64u * 1024)
#define LOAD_ENTRIES_MAX 1024u
/* Scores are whole numbers below this. */
#define LOAD_SCORES 1000000u

enum load_op {
	LOAD_SET,
	LOAD_GET,
	LOAD_VERIFIED_SET,
	LOAD_VERIFIED_GET,
	LOAD_SCAN,
	LOAD_REWRITE, /* Set of the one key number first, again and again */
	LOAD_ZADD,    /* keys that are there, in order, to one set */
	LOAD_EXEC,    /* ExecAll: a third each values, references to them, and members of a set */
	LOAD_DELETE,  /* keys that are there, in order */
	LOAD_ZSCAN,   /* from a random score */
	LOAD_HISTORY  /* of the key number first */
};

struct load_options {
	const char *wire; /* immudb, redis or echo */
	const char *host;
	uint64_t port;
	const char *op_name; /* as in enum load_op */
	enum load_op op;
	uint64_t connections;
	uint64_t in_flight; /* requests of each connection */
	uint64_t entries;   /* of a transaction, a scan or a page */
	uint64_t value_bytes;
	uint64_t first;   /* number of the first key */
	uint64_t keys;    /* gets and scans take keys from first to first + keys */
	uint64_t ordered; /* keys in order instead of random ones */
	uint64_t milliseconds;
	uint64_t warm_milliseconds; /* not measured, before that */
	uint64_t count;             /* requests instead of time; nothing is warmed up then */
	uint64_t answer_bytes;      /* echo: what to ask for */
	uint64_t pid;               /* whose processor time to tell, 0: nobody's */
	const char
	    *authorities; /* PEM: speak TLS with a server whose certificate they have signed */
};

struct load;

struct load_conn {
	int fd;
	bool want_write;    /* the socket took less than there was */
	uint32_t last_id;   /* of a request */
	uint64_t in_flight; /* requests not yet answered */
	struct buf out;
	size_t sent;          /* of out, or of what TLS has made of it */
	struct tls_conn *tls; /* NULL: plain */
	uint8_t *in;
	size_t in_len;
};

struct load_wire {
	const char *name;
	/* Before any connection: logs in, learns the state. May be NULL. */
	void (*prepare)(struct load *l);
	/* A new connection, its socket still blocking: says hello. May be NULL. */
	void (*greet)(struct load *l, struct load_conn *c);
	/* Appends one request to c->out. */
	void (*request)(struct load *l, struct load_conn *c);
	/* Takes complete answers off the data; returns the bytes used and counts the answers. */
	size_t (*answers)(struct load *l, struct bytes in, uint64_t *count);
};

struct load {
	struct load_options options;
	struct tls_context *tls; /* NULL: plain */
	const struct load_wire *wire;
	uint64_t next_key; /* number of the next key to write */
	uint64_t random;
	uint64_t newest_tx; /* the client's state, for proofs */
	uint8_t *value;
	uint64_t answers, answer_bytes; /* while measured */
};

/* The wires. */
extern const struct load_wire load_wire_immudb;
extern const struct load_wire load_wire_echo;
extern const struct load_wire load_wire_redis;

/* Ends the program with the text, for answers that are not what was asked for. */
_Noreturn void load_refused(const char *what, struct bytes text);

/* Queues a request of the immudb wire, in chunks when it does not fit one frame. */
void load_immudb_put(struct load_conn *c, uint16_t method, const ProtobufCMessage *message);

/* load_operations.c: a request of one of the kinds from LOAD_REWRITE on. */
void load_operation(struct load *l, struct load_conn *c);

/* Key number i by the options. */
void load_key_make(const struct load *l, uint64_t i, uint8_t key[BENCH_KEY_BYTES]);

/* A random one of the keys that are there. */
void load_key_pick(struct load *l, uint8_t key[BENCH_KEY_BYTES]);

/* Sends all of it and receives at least need bytes (0: whatever comes); blocking sockets only. */
void load_send_all(struct load_conn *c, struct bytes data);
size_t load_receive(struct load_conn *c);

/* Room for what comes in on a connection. */
#define LOAD_IN_BYTES ((size_t)256 * 1024)

#endif
