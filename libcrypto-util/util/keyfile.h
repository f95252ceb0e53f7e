#ifndef UTIL_KEYFILE_H
#define UTIL_KEYFILE_H

#include <stdbool.h>

#include "crypto/sign.h"
#include "util/err.h"

/*
 * Key files: reads PEM files for crypto/sign.h, which does no input or output itself. Nothing of
 * the file is left in memory afterwards.
 */
#define KEYFILE_MAX_BYTES (64 * 1024)

/*
 * keyfile_load_private: the private key in the file at path. world_readable is set when others than
 * owner and group may read it, so that the program can warn. Release with sign_private_key_free().
 * IM_ERR_KEY_FILE with path and reason (also when the file cannot be read), IM_ERR_NOMEM.
 */
enum im_err
keyfile_load_private(const char *path, bool *world_readable, struct sign_private_key **out);

/* keyfile_load_public: the public key in the file at path. Release with sign_public_key_free(). */
enum im_err keyfile_load_public(const char *path, struct sign_public_key **out);

#endif
