/*
 * Replays the inputs of a corpus through one fuzz target, so that every build tests them without a
 * fuzzer: usage NAME_fuzz FOLDER-OR-FILE... Each input stands in memory of exactly its size, as
 * under the fuzzer, so that a sanitizer sees a read past its end. Fails when there is no input.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "util/file.h"

#define INPUT_MAX (1u << 20)
#define PATH_BYTES_MAX 4096

#pragma weak LLVMFuzzerInitialize

static size_t replayed;

static void
replay_file(const char *path)
{
	struct buf content;
	uint8_t *exact;

	buf_init(&content, INPUT_MAX);
	if (file_read(path, INPUT_MAX, &content) != IM_OK) {
		fprintf(stderr, "%s\n", err_detail(IM_ERR_IO));
		exit(1);
	}
	exact = malloc(content.len);
	if (content.len && !exact)
		abort();
	if (content.len)
		memcpy(exact, content.data, content.len);
	/* What is on the screen last is the input that broke the target. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, content.len);
	free(exact);
	buf_free(&content);
	replayed++;
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
replay_folder(const char *folder, struct dirent **names, int count)
{
	char path[PATH_BYTES_MAX];

	for (int i = 0; i < count; i++) {
		if (snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name) >=
		    (int)sizeof path)
			abort();
		replay_file(path);
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char **argv)
{
	struct dirent **names;
	int count;

	if (LLVMFuzzerInitialize && LLVMFuzzerInitialize(&argc, &argv) != 0)
		return 1;
	for (int i = 1; i < argc; i++) {
		count = scandir(argv[i], &names, is_visible, alphasort);
		if (count >= 0)
			replay_folder(argv[i], names, count);
		else
			replay_file(argv[i]);
	}
	printf("%zu inputs\n", replayed);
	return replayed ? 0 : 1;
}
