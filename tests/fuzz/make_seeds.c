/*
 * Writes the seeds of all corpora: usage make_seeds FOLDER. A seed is what the code under test
 * itself writes, or text of a kind that users do. To be run again when a format gets new parts;
 * inputs that fuzzing found stay beside the seeds (tests/fuzz/run).
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "seeds.h"

#define PATH_BYTES_MAX 512

static const char *root;

void
seed_put(const char *target, const char *name, int first, struct bytes content)
{
	char path[PATH_BYTES_MAX];
	FILE *f;
	bool ok;

	snprintf(path, sizeof path, "%s/%s", root, target);
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s/seed-%s", root, target, name);
	f = fopen(path, "w");
	ok = f && (first < 0 || fputc(first, f) == first) &&
	    fwrite(content.data, 1, content.len, f) == content.len;
	if (!f || fclose(f) != 0 || !ok) {
		perror(path);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_seeds FOLDER\n");
		return 2;
	}
	root = argv[1];
	mkdir(root, 0777);
	fuzz_quiet();
	seed_formats();
	seed_store();
	seed_messages();
	seed_offline();
	seed_writes();
	seed_rest();
	seed_archives();
	seed_backups();
	return 0;
}
