/* Seeds of backups: manifests, names in archives, what is asked of the daemon, command lines. */
#include <assert.h>

#include "cold_manifest.h"
#include "seeds.h"

#define SERVER "dc1kg0k0e9h5ub0dfat0"
#define ALH "0000000000000000000000000000000000000000000000000000000000000001"
#define LINES_END_LEN 69 /* "end ", the digits, a newline */
#define TEXTS(literal) bytes_of(literal, sizeof literal - 1)

static void
seed_manifest(void)
{
	static const char *const paths[] = {
	    "defaultdb/00000000.log", "immudb.sqlite", "z with blank"};
	struct cold_state state = {.database = "defaultdb", .tx = 3, .alh = {{1, 2, 3}}};
	struct cold_manifest m;
	struct buf text;

	cold_manifest_init(&m);
	strcpy(m.created, "2024-02-29T12:00:00Z");
	strcpy(m.states.server, SERVER);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct cold_file file = {
		    .path = paths[i], .size = 1000 * i, .digest = {{(uint8_t)i}}};

		assert(cold_list_add(&m.files, &file) == IM_OK);
	}
	assert(cold_states_add(&m.states, &state) == IM_OK);
	buf_init(&text, COLD_MANIFEST_BYTES_MAX);
	assert(cold_manifest_write(&m, &text) == IM_OK);
	seed_put("backup", "manifest", 0, buf_bytes(&text));
	seed_put("backup", "manifest-lines", 0, bytes_of(text.data, text.len - LINES_END_LEN));
	buf_free(&text);
	cold_manifest_free(&m);
}

void
seed_backups(void)
{
	seed_manifest();
	seed_put("backup", "name", 1, bytes_str("./data//defaultdb/00000000.log/"));
	seed_put("backup", "name-out", 1, bytes_str("data/../../etc/passwd"));
	seed_put("backup", "states", 2,
	    bytes_str("[{\"database\":\"a\",\"fault\":\"can be rebuilt\",\"what\":\"x\"},"
		      "{\"database\":\"a\",\"result\":\"whole\",\"transactions\":7,\"alh\":\"" ALH
		      "\"},{\"server\":\"" SERVER "\"}]"));
	seed_put("backup", "words", 3,
	    TEXTS("immudb\0-d\0--admin-password\0\0\0\0--force-admin-password\0SUPERVISE_FD=3\0"));
}
