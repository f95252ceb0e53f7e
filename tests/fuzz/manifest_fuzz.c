/*
 * The manifest of an index. What is accepted is written again, byte for byte. First byte 01: the
 * checksums of the input are put right first.
 */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "memory_vfs.h"
#include "store/manifest.h"
#include "util/crc32c.h"

#define FOLDER "db/index"
#define PATH FOLDER "/" MANIFEST_NAME
#define HEADER_CRC_AT 12u

/* A copy in memory of its own; to be freed. */
static uint8_t *
repaired(struct bytes in)
{
	uint8_t *copy = malloc(in.len + 1);

	assert(copy);
	memcpy(copy, in.len ? in.data : copy, in.len);
	if (in.len >= RUN_HEADER_BYTES + 4) {
		be32_put(copy + HEADER_CRC_AT, crc32c(0, copy, HEADER_CRC_AT));
		be32_put(copy + in.len - 4, crc32c(0, copy, in.len - 4));
	}
	return copy;
}

static void
check_manifest(struct memory_vfs *files, struct bytes in)
{
	struct manifest m;
	enum im_err err;

	memory_vfs_put(files, PATH, in);
	err = manifest_load(memory_vfs_table(files), FOLDER, &m);
	assert(err == IM_OK || err == IM_ERR_CORRUPT || err == IM_ERR_VERSION);
	if (err != IM_OK)
		return;
	assert(manifest_store(memory_vfs_table(files), FOLDER, &m) == IM_OK);
	assert(bytes_equal(memory_vfs_content(files, PATH), in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	bool repair = fuzz_number(&in, 1) & 1;
	struct memory_vfs *files = memory_vfs_new();
	uint8_t *copy = repair ? repaired(in) : NULL;

	check_manifest(files, repair ? bytes_of(copy, in.len) : in);
	memory_vfs_free(files);
	free(copy);
	return 0;
}
