/*
 * Writing down in a stopped data folder that a database of it was restored.
 *
 * Neighbours: server/restores.c has what is written and takes it at the next start;
 * daemon_options.c has the table of commands.
 * Invariant: a folder that is in use, or is no data folder, is left as it is.
 */
#include "announce_restore.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "server/restores.h"
#include "util/file.h"
#include "util/hex.h"

/* "(local) " and a name: no user of the server has parentheses in its name. */
#define ANNOUNCE_ACTOR_SIZE (RESTORE_NOTICE_ACTOR_MAX + 1)
#define ANNOUNCE_USER_MEMORY 4096

/* A state of two options; of neither there is none. */
static enum im_err
state_of(const struct options *o, const char *tx_name, const char *hash_name, struct tx_point *out)
{
	const char *hash = options_string(o, hash_name);

	*out = (struct tx_point){.id = (uint64_t)options_int(o, tx_name)};
	if (options_is_set(o, tx_name) != options_is_set(o, hash_name))
		return err_set(IM_ERR_USAGE, "--%s and --%s belong together", tx_name, hash_name);
	if (!hash[0])
		return IM_OK;
	if (hex_decode(bytes_str(hash), out->alh.b, HASH_SIZE) != IM_OK)
		return err_set(IM_ERR_USAGE, "--%s: not 64 hexadecimal digits", hash_name);
	return IM_OK;
}

static void
actor_of(const struct options *o, char out[ANNOUNCE_ACTOR_SIZE])
{
	const char *given = options_string(o, "by");
	struct passwd entry, *user = NULL;
	char memory[ANNOUNCE_USER_MEMORY];

	if (getpwuid_r(getuid(), &entry, memory, sizeof memory, &user) != 0)
		user = NULL;
	if (given[0])
		snprintf(out, ANNOUNCE_ACTOR_SIZE, "(local) %s", given);
	else if (user)
		snprintf(out, ANNOUNCE_ACTOR_SIZE, "(local) %s", user->pw_name);
	else
		snprintf(out, ANNOUNCE_ACTOR_SIZE, "(local) uid %lu", (unsigned long)getuid());
}

static enum im_err
leave(const char *dir, const struct restores_new *new)
{
	char metadata[4096];
	struct meta *m = NULL;
	int lock = -1, n;
	enum im_err err;

	n = snprintf(metadata, sizeof metadata, "%s/" META_FILE_NAME, dir);
	if (n < 0 || (size_t)n >= sizeof metadata)
		return err_set(IM_ERR_CONFIG, "the path of the data folder is too long");
	if (access(metadata, F_OK) != 0)
		return err_set(
		    IM_ERR_CONFIG, "%s: no data folder: there is no " META_FILE_NAME " in it", dir);
	err = server_lock_folder(dir, &lock);
	if (err == IM_OK)
		err = meta_open(dir, &m);
	if (err == IM_OK)
		err = restores_leave(m, new);
	meta_close(m);
	file_unlock(&lock);
	return err;
}

int
announce_restore_run(struct command_call *call)
{
	const struct options *o = call->options;
	char actor[ANNOUNCE_ACTOR_SIZE];
	struct restores_new new = {.database = options_string(o, "database"), .actor = actor};
	enum im_err err = IM_OK;

	actor_of(o, actor);
	if (!new.database[0] || !options_is_set(o, "to-tx"))
		err = err_set(IM_ERR_USAGE, "--database, --to-tx and --to-hash are needed");
	if (err == IM_OK)
		err = state_of(o, "from-tx", "from-hash", &new.from);
	if (err == IM_OK)
		err = state_of(o, "to-tx", "to-hash", &new.to);
	if (err == IM_OK)
		err = leave(options_string(o, "dir"), &new);
	if (err == IM_OK)
		return IM_EXIT_OK;
	fprintf(stderr, "immudb: %s\n", err_detail(err));
	return err == IM_ERR_USAGE ? IM_EXIT_USAGE : IM_EXIT_ERROR;
}

const struct option_def announce_restore_options[ANNOUNCE_RESTORE_OPTIONS] = {
    {.name = "database",
	.type = OPTION_STRING,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "NAME",
	.help = "The database that was restored"},
    {.name = "from-tx",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.max = INT64_MAX,
	.help = "The newest transaction that was there before; left out when it is not known"},
    {.name = "from-hash",
	.type = OPTION_STRING,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "HEX",
	.help = "The hash of the history up to it"},
    {.name = "to-tx",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.max = INT64_MAX,
	.help = "The newest transaction that was restored"},
    {.name = "to-hash",
	.type = OPTION_STRING,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "HEX",
	.help = "The hash of the history up to it"},
    {.name = "by",
	.type = OPTION_STRING,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "WHO",
	.help = "Who restored; otherwise the user who runs this"},
};
