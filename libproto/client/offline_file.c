/*
 * Offline proofs on disk: reading one to check it, writing one that an answer made.
 */
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

enum im_err
immu_proof_save(const struct immu_result *result, const char *path)
{
	if (result->proof.len == 0)
		return err_set(IM_ERR_ARGUMENT, "no proof was kept of this answer");
	return file_replace(path, bytes_of(result->proof.data, result->proof.len));
}
