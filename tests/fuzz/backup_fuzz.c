/*
 * Backups of a stopped server. First byte: 0 a manifest, 1 the name of a file in an archive, 2 what
 * "immudb verify" says, else the words that a server was started with. A manifest that can be read
 * is written as the same bytes; a name that is accepted lies below the folder and stays what it is.
 */
#include <assert.h>
#include <stdlib.h>

#include "cold_server.h"
#include "cold_states.h"
#include "fuzz.h"

static void
check_manifest(struct bytes text)
{
	struct cold_manifest m;
	struct buf again;
	enum im_err err;

	cold_manifest_init(&m);
	err = cold_manifest_read(text, &m);
	assert(
	    err == IM_OK || err == IM_ERR_FORMAT || err == IM_ERR_VERSION || err == IM_ERR_LIMIT);
	if (err == IM_OK) {
		buf_init(&again, COLD_MANIFEST_BYTES_MAX);
		assert(cold_manifest_write(&m, &again) == IM_OK);
		assert(bytes_equal(buf_bytes(&again), text));
		assert(cold_list_sort(&m.files) == IM_OK);
		assert(cold_manifest_check(&m, &m.files) == IM_OK);
		assert(cold_states_compare(&m.states, &m.states) == IM_OK);
		buf_free(&again);
	}
	cold_manifest_free(&m);
}

/* Lines with the digest that belongs to them, so that the reader gets past it. */
static void
check_lines(struct bytes lines)
{
	struct hash digest;
	struct buf text;

	buf_init(&text, COLD_MANIFEST_BYTES_MAX);
	hash_sha256(lines, &digest);
	buf_append_bytes(&text, lines);
	buf_append_str(&text, "end ");
	for (size_t i = 0; i < HASH_SIZE; i++)
		buf_printf(&text, "%02x", digest.b[i]);
	buf_append_u8(&text, '\n');
	assert(text.err == IM_OK);
	check_manifest(buf_bytes(&text));
	buf_free(&text);
}

static void
check_name(struct bytes name)
{
	char clean[COLD_PATH_MAX], again[COLD_PATH_MAX];
	size_t n;

	if (cold_name_clean(name, clean) != IM_OK)
		return;
	n = strlen(clean);
	assert(n < COLD_PATH_MAX && clean[0] != '/');
	assert(strcmp(clean, "..") != 0 && strncmp(clean, "../", 3) != 0 && !strstr(clean, "/../"));
	assert(n < 3 || strcmp(clean + n - 3, "/..") != 0);
	assert(!strstr(clean, "//") && (n == 0 || clean[n - 1] != '/'));
	if (n == 0)
		return;
	assert(cold_name_clean(bytes_str(clean), again) == IM_OK);
	assert(strcmp(clean, again) == 0);
}

static void
check_states(struct bytes json)
{
	struct cold_states states = {0};
	enum im_err err = cold_states_parse(json, &states);

	assert(err == IM_OK || err == IM_ERR_FORMAT || err == IM_ERR_CORRUPT);
	for (size_t i = 1; err == IM_OK && i < states.count; i++)
		assert(strcmp(states.items[i - 1].database, states.items[i].database) <= 0);
	cold_states_free(&states);
}

static void
check_words(struct bytes words)
{
	struct buf command, env;

	buf_init(&command, COLD_COMMAND_MAX);
	buf_init(&env, COLD_COMMAND_MAX);
	buf_append_bytes(&command, words);
	buf_append_bytes(&env, words);
	cold_server_clean_command(&command);
	cold_server_clean_env(&env);
	assert(command.len <= words.len && env.len <= words.len);
	assert(command.len == 0 || command.data[command.len - 1] == '\0');
	buf_free(&env);
	buf_free(&command);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	switch (fuzz_number(&in, 1)) {
	case 0:
		check_manifest(in);
		check_lines(in);
		break;
	case 1:
		check_name(in);
		break;
	case 2:
		check_states(in);
		break;
	default:
		check_words(in);
		break;
	}
	return 0;
}
