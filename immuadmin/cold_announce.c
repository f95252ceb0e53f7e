/* Announcing a restore. Neighbours: admin_cold_restore.c, immudb_program.c. */
#include "cold_announce.h"

#include <inttypes.h>
#include <stdio.h>

#include "immudb_program.h"
#include "util/hex.h"

#define OUTPUT_BYTES_MAX (64u * 1024)
#define NUMBER_SIZE 24
#define DIGITS_SIZE (2 * HASH_SIZE + 1)

static const struct cold_state *
find(const struct cold_states *states, const char *database)
{
	for (size_t i = 0; i < states->count; i++)
		if (strcmp(states->items[i].database, database) == 0)
			return &states->items[i];
	return NULL;
}

static enum im_err
run(const char *const *args)
{
	struct buf out, errors;
	struct immudb_run run = {args, &out, &errors, 0};
	enum im_err err;

	buf_init(&out, OUTPUT_BYTES_MAX);
	buf_init(&errors, OUTPUT_BYTES_MAX);
	err = immudb_program_run(&run);
	if (err == IM_OK && run.code != IM_EXIT_OK) {
		while (errors.len && errors.data[errors.len - 1] == '\n')
			errors.len--;
		err = err_set(IM_ERR_IO, "the restore cannot be announced: %.*s", (int)errors.len,
		    errors.len ? (const char *)errors.data : "");
	}
	buf_free(&errors);
	buf_free(&out);
	return err;
}

static enum im_err
announce(const char *dir, const struct cold_state *from, const struct cold_state *to)
{
	char to_tx[NUMBER_SIZE], to_hash[DIGITS_SIZE], from_tx[NUMBER_SIZE], from_hash[DIGITS_SIZE];
	const char *args[] = {"announce-restore", "--dir", dir, "--database", to->database,
	    "--to-tx", to_tx, "--to-hash", to_hash, from ? "--from-tx" : NULL, from_tx,
	    "--from-hash", from_hash, NULL};

	snprintf(to_tx, sizeof to_tx, "%" PRIu64, to->tx);
	hex_encode(hash_bytes(&to->alh), to_hash);
	if (from) {
		snprintf(from_tx, sizeof from_tx, "%" PRIu64, from->tx);
		hex_encode(hash_bytes(&from->alh), from_hash);
	}
	return run(args);
}

enum im_err
cold_announce(const struct cold_announcement *a)
{
	enum im_err err = IM_OK;

	for (size_t i = 0; err == IM_OK && i < a->after->count; i++) {
		const struct cold_state *to = &a->after->items[i];
		const struct cold_state *from = find(a->before, to->database);

		if (!from || from->tx != to->tx || !hash_equal(&from->alh, &to->alh))
			err = announce(a->dir, from, to);
	}
	return err;
}
