/*
 * Small files that clients keep: first byte 0 a trusted state, 1 the pinned identity of a server, 2
 * a stored session; with 0x80 added the sum at the end is put right first. A file is accepted only
 * if it is what would be written.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/session_file.h"
#include "client/trust_file.h"
#include "fuzz.h"
#include "util/file.h"
#include "util/hex.h"

#define SERVER "cf2u7q8e2bo0ub3v1v40"
#define OTHER_SERVER "cf2u7q8e2bo0ub3v1v41"
#define DATABASE "defaultdb"
#define ADDRESS "127.0.0.1:3322"
#define FOLDER_MAX 64
#define PATH_BYTES_MAX 256
#define FILES 3
#define REPAIR 0x80
#define SUM_LINE (4 + 2 * HASH_SIZE + 1)

static char folder[FOLDER_MAX];
static char paths[FILES][PATH_BYTES_MAX];

static void
remove_folder(void)
{
	char lock[PATH_BYTES_MAX];

	for (size_t i = 0; i < FILES; i++)
		unlink(paths[i]);
	snprintf(lock, sizeof lock, "%s/lock", folder);
	unlink(lock);
	rmdir(folder);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct hash h;
	char hex[2 * HASH_SIZE + 1];
	bool in_memory = access("/dev/shm", W_OK) == 0;

	(void)argc;
	(void)argv;
	/* In memory when that is possible: files are synced. */
	snprintf(folder, sizeof folder, "%s/state_fuzz.XXXXXX", in_memory ? "/dev/shm" : "/tmp");
	if (!mkdtemp(folder))
		return 1;
	hash_sha256(bytes_str(ADDRESS), &h);
	hex_encode(bytes_of(h.b, HASH_SIZE / 2), hex);
	snprintf(paths[0], PATH_BYTES_MAX, "%s/state-%s-%s", folder, SERVER, DATABASE);
	snprintf(paths[1], PATH_BYTES_MAX, "%s/identity-%s", folder, hex);
	snprintf(paths[2], PATH_BYTES_MAX, "%s/session", folder);
	return atexit(remove_folder);
}

static void
put_file(const char *path, struct bytes content, bool repair)
{
	FILE *f = fopen(path, "w");
	struct bytes body = content;
	char hex[2 * HASH_SIZE + 1];
	struct hash sum;

	assert(f);
	if (repair && content.len >= SUM_LINE)
		body.len -= SUM_LINE;
	assert(fwrite(body.data, 1, body.len, f) == body.len);
	if (repair) {
		hash_sha256(body, &sum);
		hex_encode(hash_bytes(&sum), hex);
		fprintf(f, "sum %s\n", hex);
	}
	assert(fclose(f) == 0);
}

static void
check_unchanged(const char *path, struct bytes content)
{
	struct buf now;

	buf_init(&now, TRUST_FILE_MAX);
	assert(file_read(path, TRUST_FILE_MAX, &now) == IM_OK);
	assert(bytes_equal(buf_bytes(&now), content));
	buf_free(&now);
}

static void
check_state(struct bytes content, bool repair)
{
	struct trust_name name = {folder, SERVER, DATABASE};
	struct trust_state state, found, wrong;
	bool swapped = true;
	enum im_err err;

	put_file(paths[0], content, repair);
	err = trust_file_read(&name, &state);
	assert(err == IM_OK || err == IM_ERR_STATE_CORRUPT);
	if (err != IM_OK)
		return;
	assert(state.signature_len <= SIGN_DER_MAX);
	/* Who expected another state changes nothing and is told this one. */
	wrong = state;
	wrong.point.id++;
	assert(trust_file_swap(&name, &wrong, &wrong, &found, &swapped) == IM_OK);
	assert(!swapped && found.point.id == state.point.id);
	if (!repair)
		check_unchanged(paths[0], content);
}

static void
check_identity(struct bytes content, bool repair)
{
	struct trust_address address = {folder, ADDRESS};
	bool first = true;
	enum im_err err;

	put_file(paths[1], content, repair);
	err = trust_file_pin(&address, SERVER, &first);
	assert(err == IM_OK || err == IM_ERR_STATE_CORRUPT || err == IM_ERR_IDENTITY_CHANGED);
	assert(!first);
	if (err == IM_OK)
		assert(trust_file_pin(&address, OTHER_SERVER, &first) == IM_ERR_IDENTITY_CHANGED);
	if (!repair)
		check_unchanged(paths[1], bytes_of(content.data, content.len));
}

static void
check_session(struct bytes content)
{
	struct session_record r, again;
	enum im_err err;

	put_file(paths[2], content, false);
	session_record_init(&r);
	session_record_init(&again);
	err = session_record_read(paths[2], &r);
	assert(err == IM_OK || err == IM_ERR_FORMAT);
	if (err == IM_OK) {
		assert(session_record_write(paths[2], &r) == IM_OK);
		assert(session_record_read(paths[2], &again) == IM_OK);
		assert(bytes_equal(buf_bytes(&r.token), buf_bytes(&again.token)));
		assert(bytes_equal(buf_bytes(&r.address), buf_bytes(&again.address)));
	}
	session_record_free(&again);
	session_record_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint8_t how = (uint8_t)fuzz_number(&in, 1);

	if (in.len > TRUST_FILE_MAX)
		in.len = TRUST_FILE_MAX;
	switch (how & ~REPAIR) {
	case 0:
		check_state(in, how & REPAIR);
		break;
	case 1:
		check_identity(in, how & REPAIR);
		break;
	default:
		check_session(in);
		break;
	}
	return 0;
}
