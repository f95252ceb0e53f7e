/*
 * Checking the metadata file of a stopped data folder. SQLite may write to what it opens, if only
 * to take in its log, so that it gets a copy.
 *
 * Neighbours: verify_folder.c checks the databases; meta/ reads the copy.
 * Invariant: the copy is removed, whatever happens.
 */
#include "verify_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store.h"

#define METADATA_BYTES_MAX (256u * 1024 * 1024)
#define METADATA_FIRST_ROOM 64u

struct metadata_check {
	const char *dir;
	struct verify_metadata *out;
	void (*fault)(void *ctx, const char *what);
	void *ctx;
};

/* The file, its write-ahead log, and what SQLite makes beside them. */
static const char *const metadata_files[] = {
    META_FILE_NAME, META_FILE_NAME "-wal", META_FILE_NAME "-shm", META_FILE_NAME "-journal"};
#define METADATA_FILES (sizeof metadata_files / sizeof *metadata_files)
#define METADATA_COPIED 2u

static enum im_err
copy_file(const char *from, const char *to, const char *name)
{
	struct buf content;
	enum im_err err;

	buf_init(&content, METADATA_BYTES_MAX);
	err = vfs_read_file(&vfs_posix, from, name, &content);
	if (err == IM_OK)
		err = vfs_replace_file(&vfs_posix, to, name, buf_bytes(&content));
	buf_free(&content);
	return err;
}

static void
remove_copy(const char *dir)
{
	char path[VFS_PATH_MAX];

	for (size_t i = 0; i < METADATA_FILES; i++) {
		if (vfs_path(path, dir, metadata_files[i]) == IM_OK)
			(void)unlink(path);
	}
	(void)rmdir(dir);
}

static enum im_err
keep(struct verify_metadata *m, const struct meta_database *database)
{
	size_t room = m->room ? 2 * m->room : METADATA_FIRST_ROOM;
	struct meta_database *moved;

	if (m->count == m->room) {
		moved = reallocarray(m->databases, room, sizeof *moved);
		if (!moved)
			return IM_ERR_NOMEM;
		m->databases = moved;
		m->room = room;
	}
	m->databases[m->count++] = *database;
	return IM_OK;
}

bool
verify_metadata_has_database(const char *dir, const char *folder)
{
	static const char *const names[] = {STORE_MARKER_NAME, "00000000.log"};
	char path[VFS_PATH_MAX], file[VFS_PATH_MAX];
	bool found = false;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		found |= vfs_path(path, dir, folder) == IM_OK &&
		    vfs_path(file, path, names[i]) == IM_OK && access(file, F_OK) == 0;
	return found;
}

/* Called for each database of the file. */
static enum im_err
check_named(void *arg, const struct meta_database *database)
{
	struct metadata_check *c = (struct metadata_check *)arg;
	char path[VFS_PATH_MAX] = "", text[VFS_PATH_MAX + META_DATABASE_MAX + 64];
	enum im_err err = keep(c->out, database);

	if (err == IM_OK)
		err = vfs_path(path, c->dir, database->folder);
	/* What a crash left half made or half removed is finished by the next start. */
	if (err != IM_OK || database->state != META_DATABASE_READY ||
	    verify_metadata_has_database(c->dir, database->folder))
		return err;
	snprintf(text, sizeof text, "%s: the folder of database %s %s", path, database->name,
	    access(path, F_OK) == 0 ? "has no database in it" : "is missing");
	c->fault(c->ctx, text);
	return IM_OK;
}

static enum im_err
check_copy(struct metadata_check *c, const char *copy)
{
	char text[VFS_PATH_MAX + 512];
	struct meta *m = NULL;
	struct xid identity;
	enum im_err err = meta_open(copy, &m);

	if (err == IM_OK)
		err = meta_database_list(m, check_named, c);
	/* A row is there before its folder is made: no row at all is a file that lost them. */
	if (err == IM_OK && c->out->count == 0)
		err = err_set(IM_ERR_CORRUPT, "it names no database");
	if (err == IM_OK) {
		memcpy(identity.data, meta_identity(m), sizeof identity.data);
		xid_format(&identity, c->out->identity);
	}
	meta_close(m);
	c->out->is_known = err == IM_OK;
	if (err != IM_ERR_CORRUPT)
		return err;
	snprintf(
	    text, sizeof text, "%s/%s: damaged: %.400s", c->dir, META_FILE_NAME, err_detail(err));
	c->fault(c->ctx, text);
	return IM_OK;
}

enum im_err
verify_metadata_read(const char *dir, struct verify_metadata *out,
    void (*fault)(void *ctx, const char *what), void *ctx)
{
	struct metadata_check c = {dir, out, fault, ctx};
	const char *temporary = getenv("TMPDIR");
	char copy[VFS_PATH_MAX], text[VFS_PATH_MAX + 128];
	enum im_err err;

	*out = (struct verify_metadata){0};
	snprintf(copy, sizeof copy, "%s/immudb-verify-XXXXXX",
	    temporary && temporary[0] ? temporary : "/tmp");
	if (!mkdtemp(copy))
		return err_set_errno(IM_ERR_IO, "cannot make a folder", copy);
	err = copy_file(dir, copy, metadata_files[0]);
	if (err == IM_ERR_NOT_FOUND) {
		snprintf(text, sizeof text,
		    "%s/%s: is missing: users, permissions, the list of databases", dir,
		    META_FILE_NAME);
		fault(ctx, text);
		remove_copy(copy);
		return IM_OK;
	}
	for (size_t i = 1; err == IM_OK && i < METADATA_COPIED; i++) {
		err = copy_file(dir, copy, metadata_files[i]);
		err = err == IM_ERR_NOT_FOUND ? IM_OK : err;
	}
	if (err == IM_OK)
		err = check_copy(&c, copy);
	remove_copy(copy);
	return err;
}

void
verify_metadata_free(struct verify_metadata *m)
{
	free(m->databases);
	*m = (struct verify_metadata){0};
}

const struct meta_database *
verify_metadata_find(const struct verify_metadata *m, const char *folder)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->databases[i].folder, folder) == 0)
			return &m->databases[i];
	return NULL;
}
