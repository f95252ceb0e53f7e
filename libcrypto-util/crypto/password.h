#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include "util/bytes.h"

/*
 * Password hashes: scrypt (RFC 7914) with N = 2^15, r = 8, p = 1, in the self-describing text form
 * "$scrypt$ln=15,r=8,p=1$SALT$HASH" (salt and hash in unpadded base64), so that a hash made with
 * other parameters stays checkable. One call takes about 0.1 s and 32 MiB by intention: call it
 * from a thread that may be busy that long. Every function here is thread-safe.
 */

/* Room for any encoded hash, its NUL included. */
#define PASSWORD_ENCODED_MAX 128
/* Longest password that is accepted; the bound keeps a request from buying more hashing work. */
#define PASSWORD_LEN_MAX 1024

/*
 * Sets up what hashing needs of OpenSSL. A program that hashes in one thread while another one uses
 * OpenSSL as well calls this first, alone: a set-up that fails is told to one of them only.
 * IM_ERR_INTERNAL.
 */
enum im_err password_prepare(void);

/*
 * Hashes password with a fresh random salt into encoded. IM_ERR_LIMIT when it is longer than
 * PASSWORD_LEN_MAX, IM_ERR_NOMEM, IM_ERR_INTERNAL when the random generator or scrypt fails.
 */
enum im_err password_hash(struct bytes password, char encoded[PASSWORD_ENCODED_MAX]);

/*
 * IM_OK when password is the one that encoded was made from, IM_ERR_CREDENTIALS when it is not.
 * The hashes are compared in constant time. IM_ERR_FORMAT when encoded is not a hash of this form
 * or its parameters ask for more than 256 MiB, IM_ERR_NOMEM.
 */
enum im_err password_check(struct bytes password, const char *encoded);

/*
 * Does the work of one password_check() and always fails with IM_ERR_CREDENTIALS (or IM_ERR_NOMEM):
 * called for a user that does not exist, so that the time taken does not tell.
 */
enum im_err password_check_dummy(struct bytes password);

/* Times scrypt has run in this process, for metrics and for tests of what an attempt costs. */
uint64_t password_runs(void);

/* What a new password must be. */
#define PASSWORD_CHOSEN_MIN 8
#define PASSWORD_CHOSEN_MAX 32

/*
 * Whether somebody may choose this password: PASSWORD_CHOSEN_MIN to PASSWORD_CHOSEN_MAX ASCII
 * letters, digits and punctuation marks, one or more of them an upper-case letter, one a digit and
 * one a mark. IM_OK or IM_ERR_WEAK_PASSWORD. Pure.
 */
enum im_err password_check_choice(struct bytes password);

#endif
