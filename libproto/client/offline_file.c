/*
 * Offline proofs on disk: reading one to check it, writing one that an answer made.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/immu_proof.h"
#include "util/file.h"

enum im_err
immu_proof_check_file(
    const char *path, const struct immu_proof_options *options, struct immu_proof_report **out)
{
	struct buf file;
	enum im_err err;

	*out = NULL;
	buf_init(&file, IMMU_PROOF_MAX);
	err = file_read(path, IMMU_PROOF_MAX, &file);
	if (!err)
		err = immu_proof_check((struct immu_bytes){file.data, file.len}, options, out);
	buf_free(&file);
	return err;
}

/* Whether there is something that takes bytes and is not replaced: a pipe, a device, a link. */
static bool
is_sink(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static enum im_err
write_into(const char *path, struct immu_bytes content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, FILE_MODE_PRIVATE);
	enum im_err err;

	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "open", path);
	err = immu_write_fd(&fd, content);
	if (close(fd) != 0 && !err)
		err = err_set_errno(IM_ERR_IO, "close", path);
	return err;
}

enum im_err
immu_proof_save(const struct immu_result *result, const char *path)
{
	if (result->proof.len == 0)
		return err_set(IM_ERR_ARGUMENT, "no proof was kept of this answer");
	if (is_sink(path))
		return write_into(path, result->proof);
	return file_replace(path, bytes_of(result->proof.data, result->proof.len));
}
