#ifndef COLD_MANIFEST_H
#define COLD_MANIFEST_H

#include "cold_names.h"
#include "crypto/sign.h"
#include "util/arena.h"
#include "util/clock.h"
#include "util/xid.h"

/*
 * What is in a backup: its files with their digests, and the state of each database. The text form
 * is in BACKUP_FORMAT.md. One owner at a time.
 */

/* The first file of a backup and the last one. */
#define COLD_BEGIN_NAME ".immudb-backup"
#define COLD_MANIFEST_NAME ".immudb-manifest"

#define COLD_FILES_MAX (1u << 20)
#define COLD_STATES_MAX (1u << 16)
#define COLD_MANIFEST_BYTES_MAX (256u * 1024 * 1024)
#define COLD_DATABASE_MAX 128

struct cold_file {
	const char *path; /* as of cold_name_clean() */
	bool is_folder;
	uint64_t size;
	struct hash digest;
};

/* Files by path, in memory of the list. */
struct cold_list {
	struct cold_file *items;
	size_t count;
	size_t room;
	struct arena names;
};

void cold_list_init(struct cold_list *l);
void cold_list_free(struct cold_list *l);

/* Appends a copy of file. IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err cold_list_add(struct cold_list *l, const struct cold_file *file);

/* Sorts by path. IM_ERR_FORMAT when one path is there twice. */
enum im_err cold_list_sort(struct cold_list *l);

/* The newest transaction of a database; tx 0: empty. */
struct cold_state {
	char database[COLD_DATABASE_MAX + 1];
	uint64_t tx;
	struct hash alh;
	/* By the server, crypto/sign.h; none: it does not sign, or wrote on after it was asked. */
	uint8_t signature[SIGN_DER_MAX];
	size_t signature_len;
};

struct cold_states {
	struct cold_state *items;
	size_t count;
	size_t room;
	char server[XID_TEXT_LEN + 1]; /* identity of the folder; "" when not known */
};

void cold_states_free(struct cold_states *s);

/*
 * Appends a copy. IM_ERR_LIMIT, IM_ERR_NOMEM; IM_ERR_FORMAT for a name that no database can have.
 */
enum im_err cold_states_add(struct cold_states *s, const struct cold_state *state);

/*
 * Whether the states that were found are those that were written down: IM_ERR_PROOF with the first
 * difference, also for a database more or less, or another server.
 */
enum im_err cold_states_compare(const struct cold_states *written, const struct cold_states *found);

/* Takes the signatures of those states that are the same in signed_states. */
void cold_states_sign(struct cold_states *s, const struct cold_states *signed_states);

/*
 * Whether every state is signed by the key: IM_ERR_SIGNATURE_MISSING, IM_ERR_SIGNATURE, with the
 * database. IM_ERR_NOMEM.
 */
enum im_err cold_states_check(const struct cold_states *s, const struct sign_public_key *key);

struct cold_manifest {
	char created[CLOCK_TEXT_SIZE];
	struct cold_states states;
	struct cold_list files; /* no folders */
};

void cold_manifest_init(struct cold_manifest *m);
void cold_manifest_free(struct cold_manifest *m);

/* Appends the text; the list of files must be sorted. IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err cold_manifest_write(const struct cold_manifest *m, struct buf *out);

/*
 * Reads untrusted text into an empty manifest. IM_ERR_FORMAT for anything that
 * cold_manifest_write() does not write, with the line; IM_ERR_VERSION for a newer format;
 * IM_ERR_LIMIT, IM_ERR_NOMEM.
 */
enum im_err cold_manifest_read(struct bytes text, struct cold_manifest *m);

/*
 * Whether the files found, sorted, folders among them, are those of the manifest: IM_ERR_FORMAT
 * with the first that is missing, different or too many.
 */
enum im_err cold_manifest_check(const struct cold_manifest *m, const struct cold_list *found);

#endif
