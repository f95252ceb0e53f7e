#ifndef IMMUGW_ROUTES_H
#define IMMUGW_ROUTES_H

#include "json.h"
#include "rpc/method.h"

/*
 * Every path that the gateway answers, as data: routes.def is the table, this is how programs read
 * it and how a request finds its row. Pure; nothing is allocated; any thread.
 */

#define ROUTE_PATH_MAX 8192 /* bytes of a path as it stands in the request line */
#define ROUTE_SEGMENTS_MAX 8
#define ROUTE_FIELDS_MAX 2 /* names in braces in one path */
#define ROUTE_OLD_PREFIX "/v1/immurestproxy"

enum route_verb { ROUTE_GET = 1, ROUTE_POST = 2 };

enum route_flag {
	ROUTE_VERIFIED = 1, /* the gateway proves the answer before it gives it */
	ROUTE_DATABASE = 2, /* the first name in braces selects the database; it is no field */
	ROUTE_OLD = 4,      /* also under ROUTE_OLD_PREFIX */
	ROUTE_ABSENT = 8,   /* a known path of the original whose function is not here: 501 */
	ROUTE_LOCAL = 16    /* answered by the gateway itself; no method */
};

struct route {
	const char *path; /* "/db/get/{key}": what is in braces is a field of the request */
	const struct rpc_method *method; /* NULL for ROUTE_ABSENT and ROUTE_LOCAL */
	/*
	 * What is written: for ROUTE_VERIFIED the thing proven, not the proof. NULL without a
	 * method.
	 */
	const ProtobufCMessageDescriptor *answer;
	const char
	    *summary;  /* a phrase for the documentation; for ROUTE_ABSENT: what is not here */
	uint8_t verb;  /* enum route_verb */
	uint8_t style; /* enum json_style, of the answer */
	uint8_t flags; /* enum route_flag */
};

extern const struct route routes[];
extern const size_t route_count;

/* A name in braces and what stands for it in the path, decoded. */
struct route_field {
	struct bytes name;
	struct bytes value;
};

struct route_match {
	const struct route *route;                   /* NULL unless ROUTE_FOUND */
	struct route_field fields[ROUTE_FIELDS_MAX]; /* without the database */
	size_t field_count;
	struct bytes database; /* of a path with ROUTE_DATABASE; otherwise empty */
	bool is_old;           /* came under ROUTE_OLD_PREFIX */
	unsigned verbs;        /* enum route_verb, or-ed: what this path may be asked with */
	uint8_t memory[ROUTE_PATH_MAX]; /* the decoded path; the values above point into it */
};

enum route_result {
	ROUTE_FOUND,
	ROUTE_NO_PATH,  /* 404 */
	ROUTE_NO_VERB,  /* 405, or an OPTIONS request; m->verbs says what is allowed */
	ROUTE_BAD_PATH, /* 400: broken escape, NUL or control character, "." or ".." as a segment */
	ROUTE_TOO_LONG  /* 414 */
};

/*
 * Finds the row for a request. verb as in the request line ("HEAD" finds what "GET" finds). path as
 * in the request line, without the query: it is split first and decoded once, so that %2F in a key
 * is a part of the key. Where two rows fit, that with the earlier literal segment wins, so that a
 * database called "verified" is reached by the paths without a database only. m->memory must stay
 * in place.
 */
enum route_result route_find(const char *verb, struct bytes path, struct route_match *m);

/* Whether the answer is a list of any length, which can be had item by item, one a line. */
bool route_has_lines(const struct route *route);

/* Appends what the header Allow says: "GET, HEAD, OPTIONS". */
void route_append_allow(struct buf *out, unsigned verbs);

/*
 * Decodes percent-escapes of in to out, which has room for in.len bytes; + is a blank if
 * plus_is_blank (queries). Returns the length, or SIZE_MAX for a broken escape or a NUL.
 */
size_t route_decode(struct bytes in, bool plus_is_blank, uint8_t *out);

#endif
