#ifndef CLIENT_TRUST_FILE_H
#define CLIENT_TRUST_FILE_H

#include <stdbool.h>

#include "crypto/proof.h"
#include "crypto/sign.h"
#include "util/bytes.h"

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
 * Reads a state. IM_ERR_NOT_FOUND; IM_ERR_STATE_CORRUPT (damaged, or of another server or database);
 * IM_ERR_ARGUMENT for names that cannot be part of a file name; IM_ERR_IO.
 */
enum im_err trust_file_read(const struct trust_name *name, struct trust_state *out);

/*
 * Compare and swap under the lock: if the file holds expected's point (NULL: if there is no file), it
 * is replaced by desired, which must not be older; *swapped is then true. Otherwise nothing changes,
 * *swapped is false and *found is what the file holds. A file that somebody removed is written
 * again. Errors as trust_file_read().
 */
enum im_err trust_file_swap(const struct trust_name *name, const struct trust_state *expected,
    const struct trust_state *desired, struct trust_state *found, bool *swapped);

/*
 * Checks that server_id is the server that was first seen at this address, and remembers it when
 * none was (*first is then true). IM_ERR_IDENTITY_CHANGED with the file to remove if that is wanted;
 * IM_ERR_STATE_CORRUPT, IM_ERR_IO.
 */
enum im_err trust_file_pin(const struct trust_address *address, const char *server_id, bool *first);

#endif
