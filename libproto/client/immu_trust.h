#ifndef IMMU_TRUST_H
#define IMMU_TRUST_H

/*
 * The files of trusted states (see immu.h), looked at and changed by hand: which servers and
 * databases this user trusts and how far, a state taken to or from another machine, and how to go
 * on after a server was legitimately restored from a backup or replaced. Nothing here connects to a
 * server. Verified calls of connections that are open meanwhile go on with what they have in
 * memory.
 *
 * folder is the state folder of struct immu_options; NULL or "" is the default one. Functions may
 * be called from any thread and any number of processes.
 */
#include "immu.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One file of the state folder. Strings live until the callback that is given it returns. Of a
 * damaged state server and database are those that its file's name says.
 */
struct immu_trusted {
	const char *path;
	const char *server_id; /* NULL of a damaged identity */
	const char *database;  /* of a trusted state, else NULL */
	const char *address;   /* of a pinned identity ("host:port" or "unix:PATH"), else NULL */
	uint64_t tx;           /* of a trusted state; 0: the database was empty */
	uint8_t hash[IMMU_HASH_SIZE];
	bool is_signed;
	int64_t changed_at; /* Unix seconds */
	enum im_err err;    /* IM_ERR_STATE_CORRUPT: damaged; IM_ERR_IO: cannot be read */
	const char *error_text;
};

/* Returns false to stop. */
typedef bool immu_trusted_fn(void *arg, const struct immu_trusted *trusted);

/*
 * Gives every pinned identity, then every trusted state, each sorted by file name, damaged ones
 * included. A folder that does not exist holds nothing. IM_ERR_IO, IM_ERR_LIMIT (more files than
 * IMMU_TRUST_FILES_MAX).
 */
#define IMMU_TRUST_FILES_MAX 100000
enum im_err immu_trust_each(const char *folder, immu_trusted_fn *fn, void *arg);

/* Whose state. */
struct immu_trust_name {
	const char *folder;
	const char *server_id; /* 20 characters, or an address that is pinned: "host:port" */
	const char *database;
};

/* Gives one trusted state. IM_ERR_NOT_FOUND, IM_ERR_STATE_CORRUPT, IM_ERR_ARGUMENT, IM_ERR_IO. */
enum im_err immu_trust_show(const struct immu_trust_name *name, immu_trusted_fn *fn, void *arg);

/*
 * Writes a trusted state as text to buffer and its length to *len: the bytes of its file, which
 * carry a checksum. At most IMMU_TRUST_TEXT_MAX bytes. Errors as immu_trust_show().
 */
#define IMMU_TRUST_TEXT_MAX 2048
enum im_err immu_trust_export(
    const struct immu_trust_name *name, char buffer[IMMU_TRUST_TEXT_MAX], size_t *len);

/*
 * What a state that is imported may replace. Nothing else than a missing state, or the same one,
 * unless asked: without the server nobody can tell whether another one belongs to the same history.
 */
enum immu_trust_replace {
	IMMU_TRUST_KEEP,  /* IM_ERR_EXISTS when another state is there */
	IMMU_TRUST_NEWER, /* takes the place of an older one; IM_ERR_STATE_OLDER of a newer one */
	IMMU_TRUST_ANY    /* takes the place of any, a damaged one included */
};

/*
 * Trusts a state that immu_trust_export() wrote; server and database are those in the text. fn (may
 * be NULL) is given what is trusted now. IM_ERR_STATE_CORRUPT (the text is damaged), IM_ERR_EXISTS,
 * IM_ERR_STATE_OLDER, IM_ERR_STATE_FORKED (the same transaction with another hash), IM_ERR_IO.
 */
struct immu_trust_import {
	const char *folder;
	struct immu_bytes text;
	enum immu_trust_replace replace;
};
enum im_err
immu_trust_import(const struct immu_trust_import *import, immu_trusted_fn *fn, void *arg);

/*
 * Forgets a trusted state, a damaged one too: the next verified call trusts what the server shows
 * then. That is the way on after a restore that is known to be right. IM_ERR_NOT_FOUND.
 */
enum im_err immu_trust_forget(const struct immu_trust_name *name);

/*
 * Forgets which server was first seen at an address ("host:port" or "unix:PATH"), as when a server
 * was set up anew. States stay. IM_ERR_NOT_FOUND.
 */
enum im_err immu_trust_forget_address(const char *folder, const char *address);

#ifdef __cplusplus
}
#endif

#endif
