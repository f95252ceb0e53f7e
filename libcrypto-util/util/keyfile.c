/*
 * Key files: reads a whole small file into a buffer that is wiped, and hands it to crypto/sign.c.
 */
#include "util/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/bytes.h"

#define READ_STEP 4096

static enum im_err
keyfile_fail(const char *path, const char *reason)
{
	return err_set(IM_ERR_KEY_FILE, "%s: %s", path, reason);
}

static enum im_err
keyfile_drain(int fd, const char *path, struct buf *out)
{
	for (;;) {
		uint8_t *p = buf_reserve(out, READ_STEP);
		ssize_t n;

		if (!p && out->err == IM_ERR_LIMIT)
			return keyfile_fail(path, "too large for a key file");
		if (!p)
			return out->err;
		n = read(fd, p, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return keyfile_fail(path, strerror(errno));
		if (n == 0)
			return IM_OK;
		out->len += (size_t)n;
	}
}

static enum im_err
keyfile_read(const char *path, mode_t *mode, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	enum im_err err;

	if (fd < 0)
		return keyfile_fail(path, strerror(errno));
	if (fstat(fd, &st) != 0)
		err = keyfile_fail(path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		err = keyfile_fail(path, strerror(EISDIR));
	else
		err = keyfile_drain(fd, path, out);
	if (err == IM_OK)
		*mode = st.st_mode;
	close(fd);
	return err;
}

enum im_err
keyfile_load_private(const char *path, bool *world_readable, struct sign_private_key **out)
{
	struct buf pem;
	mode_t mode = 0;
	enum im_err err;

	buf_init(&pem, KEYFILE_MAX_BYTES + READ_STEP);
	/* One piece from the start, so that growing leaves no copy behind. */
	buf_reserve(&pem, KEYFILE_MAX_BYTES + READ_STEP);
	err = keyfile_read(path, &mode, &pem);
	if (err == IM_OK)
		err = sign_private_key_load(buf_bytes(&pem), path, out);
	if (err == IM_OK)
		*world_readable = (mode & S_IROTH) != 0;
	buf_wipe(&pem);
	return err;
}

enum im_err
keyfile_load_public(const char *path, struct sign_public_key **out)
{
	struct buf pem;
	mode_t mode = 0;
	enum im_err err;

	buf_init(&pem, KEYFILE_MAX_BYTES + READ_STEP);
	err = keyfile_read(path, &mode, &pem);
	if (err == IM_OK)
		err = sign_public_key_load(buf_bytes(&pem), path, out);
	buf_free(&pem);
	return err;
}
