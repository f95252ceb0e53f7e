#ifndef CLIENT_TRUST_FILE_H
#define CLIENT_TRUST_FILE_H

#include <stdbool.h>

#include "crypto/proof.h"
#include "crypto/sign.h"
#include "util/bytes.h"
#include "util/xid.h"

/*
 * What a client remembers between runs, in one folder:
 *
 *	state-SERVER-DATABASE   the trusted state of a database of a server
 *	identity-HASH           the server that was first seen at an address; HASH is of the address
 *	lock                    held while one of them is read and replaced
 *
 * Both are text: one "name value" a line, and last the SHA-256 of the lines before. A file that is
 * not exactly what would be written is corrupt. Files are 0600 and replaced in one durable step.
 * Functions may be called from any thread and any number of processes.
 */

/* Longest file; real ones take a third of it. */
#define TRUST_FILE_MAX 2048
#define TRUST_DATABASE_MAX 128

/* A state that was proven, or trusted at first contact. id 0: the database was empty. */
struct trust_state {
	struct tx_point point;
	uint8_t signature[SIGN_DER_MAX];
	size_t signature_len; /* 0: not signed */
};

/* Whose state. All strings are borrowed. */
struct trust_name {
	const char *folder;
	const char *server_id;
	const char *database;
};

/* The server's address as it is pinned: "host:port" in lower case, or "unix:PATH". */
struct trust_address {
	const char *folder;
	const char *address;
};

/*
 * Reads a state. IM_ERR_NOT_FOUND; IM_ERR_STATE_CORRUPT (damaged, or of another server or
 * database); IM_ERR_ARGUMENT for names that cannot be part of a file name; IM_ERR_IO.
 */
enum im_err trust_file_read(const struct trust_name *name, struct trust_state *out);

/*
 * Compare and swap under the lock: if the file holds expected's point (NULL: if there is no file),
 * it is replaced by desired, which must not be older; *swapped is then true. Otherwise nothing
 * changes, *swapped is false and *found is what the file holds. A file that somebody removed is
 * written again. Errors as trust_file_read().
 */
enum im_err trust_file_swap(const struct trust_name *name, const struct trust_state *expected,
    const struct trust_state *desired, struct trust_state *found, bool *swapped);

/*
 * Checks that server_id is the server that was first seen at this address, and remembers it when
 * none was (*first is then true). IM_ERR_IDENTITY_CHANGED with the file to remove if that is
 * wanted; IM_ERR_STATE_CORRUPT, IM_ERR_IO.
 */
enum im_err trust_file_pin(const struct trust_address *address, const char *server_id, bool *first);

/*
 * The rest is for looking at a folder: files as they are found, and the steps of those above.
 */

/* A state file that says itself whose it is. */
struct trust_record {
	char server_id[XID_TEXT_LEN + 1];
	char database[TRUST_DATABASE_MAX + 1];
	struct trust_state state;
};

/* The text of a state file; IM_ERR_STATE_CORRUPT when it is not exactly what would be written. */
enum im_err trust_file_decode(struct bytes text, struct trust_record *out);
enum im_err trust_file_encode(const struct trust_record *record, struct buf *out);

/* The text of an identity file; address is NUL-terminated in out. IM_ERR_STATE_CORRUPT. */
enum im_err
trust_file_decode_pin(struct bytes text, char server_id[XID_TEXT_LEN + 1], struct buf *address);

/* Whether names can be part of a file name: 20 characters of an id; a database's name. */
bool trust_file_is_server_id(const char *id);
bool trust_file_is_database(const char *name);

/* Appends FOLDER/NAME and a NUL. IM_ERR_ARGUMENT. */
enum im_err trust_file_state_path(const struct trust_name *name, struct buf *out);
enum im_err trust_file_identity_path(const struct trust_address *address, struct buf *out);

/*
 * Appends a file's text; one that is too long is IM_ERR_STATE_CORRUPT. IM_ERR_NOT_FOUND, IM_ERR_IO.
 */
enum im_err trust_file_text(const char *path, struct buf *out);

#define TRUST_LOCK_NAME "lock"

/* Makes the folder and takes its lock; release with file_unlock(). IM_ERR_IO. */
enum im_err trust_file_lock(const char *folder, int *fd);

#endif
