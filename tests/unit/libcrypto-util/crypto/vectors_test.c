/*
 * Vector files: "vectors_test [DIR]" checks every *.json of a folder, by default that of the tree.
 * What a file says is made here again and compared, and what the file says is checked. The kind of
 * a file is its name; its key how_to_read says what is in it.
 */
#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "vectors.h"

static const struct {
	const char *prefix;
	void (*check)(struct vectors *v, struct json_object *file);
} kinds[] = {
    {"htree", vectors_check_htree},
    {"ahtree", vectors_check_ahtree},
    {"headers", vectors_check_headers},
    {"entries", vectors_check_entries},
    {"encodings", vectors_check_encodings},
    {"history_", vectors_check_history},
    {"state_signature", vectors_check_signature},
};

static int
is_json(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 5 && strcmp(e->d_name + len - 5, ".json") == 0;
}

static bool
check_file(struct vectors *v, const char *dir, const char *name)
{
	char path[4096];
	struct json_object *file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	file = json_object_from_file(path);
	*v = (struct vectors){.file = name};
	arena_init(&v->arena, VECTORS_ARENA_MAX);
	if (!file)
		vectors_fail(v, "not readable", json_util_get_last_err());
	for (size_t i = 0; file && i < sizeof kinds / sizeof *kinds; i++) {
		if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			kinds[i].check(v, file);
	}
	json_object_put(file);
	arena_free(&v->arena);
	if (v->checks == 0 && v->failures == 0)
		printf("%-24s (unknown kind, not checked)\n", name);
	else
		printf("%-24s %6zu checks, %zu failed\n", name, v->checks, v->failures);
	return v->failures == 0;
}

int
main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : TEST_VECTORS_DIR;
	struct dirent **files = NULL;
	int n = scandir(dir, &files, is_json, alphasort);
	size_t checks = 0;
	bool ok = true;

	for (int i = 0; i < n; i++) {
		struct vectors v;

		ok = check_file(&v, dir, files[i]->d_name) && ok;
		checks += v.checks;
		free(files[i]);
	}
	free(files);
	if (checks == 0)
		printf("no vectors in %s\n", dir);
	return ok && checks > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
