/*
 * Backups made by an enemy: every archive is written here, entry by entry, and unpacked. What is
 * refused leaves nothing outside the folder; what is accepted has our modes and our owner.
 */
#include "cold_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../temp_dir.h"
#include "cold_tree.h"
#include "util/file.h"

#define PATH_BYTES 512
#define OUTPUT_FD STDERR_FILENO

/* An entry of an archive as its maker wants it. */
struct entry {
	const char *name;
	mode_t type; /* AE_IFREG when 0 */
	const char *content;
	const char *link; /* of a symbolic link; of a file: a hard link */
	mode_t mode;
};

struct scene {
	char dir[TEMP_DIR_MAX];
	char archive[PATH_BYTES], target[PATH_BYTES], outside[PATH_BYTES];
	struct cold_folder to;
	struct output *out;
};

static int
setup(void **state)
{
	struct scene *s = (struct scene *)calloc(1, sizeof *s);

	assert_non_null(s);
	temp_dir_make(s->dir);
	snprintf(s->archive, sizeof s->archive, "%s/a.tar.gz", s->dir);
	snprintf(s->target, sizeof s->target, "%s/below/target", s->dir);
	snprintf(s->outside, sizeof s->outside, "%s/below", s->dir);
	assert_int_equal(mkdir(s->outside, 0700), 0);
	snprintf(s->outside, sizeof s->outside, "%s/below/outside", s->dir);
	s->out = output_new(OUTPUT_TEXT, OUTPUT_FD, OUTPUT_FD, "test");
	assert_non_null(s->out);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *s = (struct scene *)*state;

	output_close(s->out);
	temp_dir_remove(s->dir);
	free(s);
	return 0;
}

static void
put_entry(struct archive *a, const struct entry *e)
{
	struct archive_entry *h = archive_entry_new();
	size_t len = e->content ? strlen(e->content) : 0;

	archive_entry_set_pathname(h, e->name);
	archive_entry_set_filetype(h, e->type ? e->type : AE_IFREG);
	archive_entry_set_perm(h, e->mode ? e->mode : 0644);
	archive_entry_set_size(h, (la_int64_t)len);
	archive_entry_set_uid(h, 12345);
	archive_entry_set_gid(h, 12345);
	if (e->link && e->type == AE_IFLNK)
		archive_entry_set_symlink(h, e->link);
	else if (e->link)
		archive_entry_set_hardlink(h, e->link);
	assert_int_equal(archive_write_header(a, h), ARCHIVE_OK);
	if (len)
		assert_int_equal(archive_write_data(a, e->content, len), len);
	archive_entry_free(h);
}

static void
make_archive(struct scene *s, const struct entry *entries, size_t count)
{
	struct archive *a = archive_write_new();

	assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
	assert_int_equal(archive_write_add_filter_gzip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, s->archive), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++)
		put_entry(a, &entries[i]);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

/* Unpacks source into a new target, which stays. */
static enum im_err
unpack(struct scene *s, const char *source)
{
	enum im_err err;

	cold_folder_remove(s->target);
	assert_int_equal(cold_folder_begin(&s->to, s->target), IM_OK);
	err = cold_unpack(source, &s->to, s->out);
	return err;
}

static void
assert_refused(struct scene *s, const struct entry *entries, size_t count, const char *why)
{
	make_archive(s, entries, count);
	assert_int_equal(unpack(s, s->archive), IM_ERR_FORMAT);
	if (!strstr(err_detail(IM_ERR_FORMAT), why))
		fail_msg("%s\nis not about: %s", err_detail(IM_ERR_FORMAT), why);
	cold_folder_end(&s->to);
	assert_int_not_equal(access(s->outside, F_OK), 0);
}

static void
assert_one_refused(struct scene *s, struct entry entry, const char *why)
{
	const struct entry entries[] = {
	    {.name = "systemdb/", .type = AE_IFDIR, .mode = 0700}, entry};

	assert_refused(s, entries, 2, why);
}

static void
test_a_name_that_leads_out_is_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	char absolute[PATH_BYTES + 8];

	snprintf(absolute, sizeof absolute, "%s", s->outside);
	assert_one_refused(s, (struct entry){.name = "../outside", .content = "x"}, "leads out");
	assert_one_refused(
	    s, (struct entry){.name = "systemdb/../../outside", .content = "x"}, "leads out");
	assert_one_refused(s, (struct entry){.name = "..", .type = AE_IFDIR}, "leads out");
	assert_one_refused(s, (struct entry){.name = absolute, .content = "x"}, "absolute");
}

static void
test_links_devices_and_pipes_are_refused(void **state)
{
	struct scene *s = (struct scene *)*state;

	assert_one_refused(
	    s, (struct entry){.name = "l", .type = AE_IFLNK, .link = "../outside"}, "is a link");
	assert_one_refused(
	    s, (struct entry){.name = "l", .type = AE_IFLNK, .link = "systemdb"}, "is a link");
	assert_one_refused(s, (struct entry){.name = "l", .link = "/etc/passwd"}, "is a link");
	assert_one_refused(s, (struct entry){.name = "p", .type = AE_IFIFO}, "neither a file");
	assert_one_refused(s, (struct entry){.name = "c", .type = AE_IFCHR}, "neither a file");
	assert_one_refused(s, (struct entry){.name = "b", .type = AE_IFBLK}, "neither a file");
}

/* A link first, and then a file through it. */
static void
test_a_file_through_a_link_is_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	const struct entry entries[] = {
	    {.name = "l", .type = AE_IFLNK, .link = ".."}, {.name = "l/outside", .content = "x"}};

	assert_refused(s, entries, 2, "is a link");
}

static void
test_names_given_twice_are_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	const struct entry files[] = {
	    {.name = "a", .content = "1"}, {.name = "./a", .content = "2"}};
	const struct entry folders[] = {
	    {.name = "a/", .type = AE_IFDIR}, {.name = "a", .type = AE_IFDIR}};
	const struct entry mixed[] = {
	    {.name = "a", .content = "1"}, {.name = "a/b", .content = "2"}};
	const struct entry turned[] = {
	    {.name = "a/b", .content = "1"}, {.name = "a", .content = "2"}};
	const struct entry folder_over[] = {
	    {.name = "a", .content = "1"}, {.name = "a", .type = AE_IFDIR}};

	assert_refused(s, files, 2, "twice");
	assert_refused(s, folders, 2, "twice");
	assert_refused(s, mixed, 2, "");
	assert_refused(s, turned, 2, "twice");
	assert_refused(s, folder_over, 2, "twice");
}

static void
test_names_over_a_limit_are_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	char name[2 * COLD_PATH_MAX];

	memset(name, 'a', sizeof name);
	name[COLD_NAME_MAX + 1] = '\0';
	assert_one_refused(s, (struct entry){.name = name, .content = "x"}, "too long");
	for (size_t i = 0; i < sizeof name - 1; i++)
		name[i] = i % 100 == 99 ? '/' : 'a';
	name[sizeof name - 1] = '\0';
	assert_one_refused(s, (struct entry){.name = name, .content = "x"}, "too");
	assert_one_refused(s, (struct entry){.name = "a\nb", .content = "x"}, "control");
}

static void
test_modes_and_owners_are_ours(void **state)
{
	struct scene *s = (struct scene *)*state;
	const struct entry entries[] = {{.name = "d/", .type = AE_IFDIR, .mode = 06777},
	    {.name = "d/f", .content = "x", .mode = 06777}};
	char path[PATH_BYTES + 8];
	struct stat st;

	make_archive(s, entries, 2);
	assert_int_equal(unpack(s, s->archive), IM_OK);
	cold_folder_end(&s->to);
	snprintf(path, sizeof path, "%s/d", s->target);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, geteuid());
	snprintf(path, sizeof path, "%s/d/f", s->target);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
}

/* ---- Cut off, altered, no archive ---- */

static const struct entry sample[] = {{.name = "data/", .type = AE_IFDIR},
    {.name = "data/" COLD_BEGIN_NAME, .content = "immudb backup 1\n"},
    {.name = "data/systemdb/", .type = AE_IFDIR},
    {.name = "data/systemdb/00000000.log", .content = "the log of the system database"}};

static void
test_an_archive_that_is_cut_off_is_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	struct stat st;

	make_archive(s, sample, 4);
	assert_int_equal(stat(s->archive, &st), 0);
	for (off_t len = st.st_size - 1; len > 0; len -= 7) {
		assert_int_equal(truncate(s->archive, len), 0);
		assert_int_equal(unpack(s, s->archive), IM_ERR_FORMAT);
		cold_folder_end(&s->to);
	}
	assert_int_equal(truncate(s->archive, 0), 0);
	assert_int_equal(unpack(s, s->archive), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "unsupported format"));
	cold_folder_end(&s->to);
}

static void
test_what_is_no_archive_is_refused(void **state)
{
	struct scene *s = (struct scene *)*state;

	assert_int_equal(file_replace(s->archive, bytes_str("PK\003\004 a zip, perhaps")), IM_OK);
	assert_int_equal(unpack(s, s->archive), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "unsupported format"));
	cold_folder_end(&s->to);
	assert_int_equal(unpack(s, "/dev/zero"), IM_ERR_FORMAT);
	cold_folder_end(&s->to);
	assert_int_equal(unpack(s, s->outside), IM_ERR_NOT_FOUND);
	cold_folder_end(&s->to);
}

/* Begun by immudb, and without the manifest that is its last file. */
static void
test_a_backup_without_its_end_is_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	char root[COLD_PATH_MAX];
	struct cold_manifest m;
	bool has_manifest = true;

	make_archive(s, sample, 4);
	cold_manifest_init(&m);
	assert_int_equal(unpack(s, s->archive), IM_OK);
	assert_int_equal(cold_unpack_root(s->target, root), IM_OK);
	assert_string_equal(root, "data");
	assert_int_equal(cold_unpack_check(&s->to, root, &m, &has_manifest), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "cut off"));
	cold_folder_end(&s->to);
	cold_manifest_free(&m);
}

static void
test_a_backup_by_hand_has_no_manifest(void **state)
{
	struct scene *s = (struct scene *)*state;
	const struct entry entries[] = {{.name = "var/lib/immudb/systemdb/x", .content = "x"}};
	const struct entry other[] = {{.name = "home/x", .content = "x"}};
	char root[COLD_PATH_MAX];
	struct cold_manifest m;
	bool has_manifest = true;

	make_archive(s, entries, 1);
	cold_manifest_init(&m);
	assert_int_equal(unpack(s, s->archive), IM_OK);
	assert_int_equal(cold_unpack_root(s->target, root), IM_OK);
	assert_string_equal(root, "var/lib/immudb");
	assert_int_equal(cold_unpack_check(&s->to, root, &m, &has_manifest), IM_OK);
	assert_false(has_manifest);
	cold_folder_end(&s->to);
	cold_manifest_free(&m);
	make_archive(s, other, 1);
	assert_int_equal(unpack(s, s->archive), IM_OK);
	assert_int_equal(cold_unpack_root(s->target, root), IM_ERR_FORMAT);
	cold_folder_end(&s->to);
}

/* ---- A backup that is a folder ---- */

static void
make_folder_backup(struct scene *s, char path[PATH_BYTES])
{
	char below[PATH_BYTES + 32];

	snprintf(path, PATH_BYTES, "%s/source", s->dir);
	snprintf(below, sizeof below, "%s/systemdb", path);
	assert_int_equal(file_make_folder(below), IM_OK);
	snprintf(below, sizeof below, "%s/systemdb/log", path);
	assert_int_equal(file_replace(below, bytes_str("content")), IM_OK);
}

static void
test_a_folder_is_copied(void **state)
{
	struct scene *s = (struct scene *)*state;
	char source[PATH_BYTES];

	make_folder_backup(s, source);
	assert_int_equal(unpack(s, source), IM_OK);
	assert_int_equal(s->to.list.count, 2);
	assert_string_equal(s->to.list.items[1].path, "systemdb/log");
	assert_int_equal(s->to.list.items[1].size, 7);
	cold_folder_end(&s->to);
}

static void
test_links_and_pipes_in_a_folder_are_refused(void **state)
{
	struct scene *s = (struct scene *)*state;
	char source[PATH_BYTES], path[PATH_BYTES + 32];

	make_folder_backup(s, source);
	snprintf(path, sizeof path, "%s/systemdb/other", source);
	assert_int_equal(symlink("log", path), 0);
	assert_int_equal(unpack(s, source), IM_ERR_FORMAT);
	cold_folder_end(&s->to);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(unpack(s, source), IM_ERR_FORMAT);
	cold_folder_end(&s->to);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unpack(s, source), IM_OK);
	cold_folder_end(&s->to);
}

/* Zeros are not written but kept: sizes and digests are those of the whole. */
static void
test_zeros_are_kept(void **state)
{
	struct scene *s = (struct scene *)*state;
	static uint8_t zeros[300000];
	struct hash expected;
	struct buf content;
	char path[PATH_BYTES + 8];

	zeros[sizeof zeros - 1] = 1;
	hash_sha256(bytes_of(zeros, sizeof zeros), &expected);
	assert_int_equal(cold_folder_begin(&s->to, s->target), IM_OK);
	assert_int_equal(cold_folder_open(&s->to, "f", sizeof zeros), IM_OK);
	assert_int_equal(cold_folder_write(&s->to, sizeof zeros - 1, bytes_of("\1", 1)), IM_OK);
	assert_int_equal(cold_folder_write(&s->to, 0, bytes_of("x", 1)), IM_ERR_FORMAT);
	assert_int_equal(cold_folder_write(&s->to, sizeof zeros, bytes_of("x", 1)), IM_ERR_FORMAT);
	assert_int_equal(cold_folder_close(&s->to), IM_OK);
	assert_true(hash_equal(&s->to.list.items[0].digest, &expected));
	cold_folder_end(&s->to);
	buf_init(&content, sizeof zeros);
	snprintf(path, sizeof path, "%s/f", s->target);
	assert_int_equal(file_read(path, sizeof zeros, &content), IM_OK);
	assert_true(bytes_equal(buf_bytes(&content), bytes_of(zeros, sizeof zeros)));
	buf_free(&content);
	zeros[sizeof zeros - 1] = 0;
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SCENE(test_a_name_that_leads_out_is_refused),
	    SCENE(test_links_devices_and_pipes_are_refused),
	    SCENE(test_a_file_through_a_link_is_refused),
	    SCENE(test_names_given_twice_are_refused),
	    SCENE(test_names_over_a_limit_are_refused),
	    SCENE(test_modes_and_owners_are_ours),
	    SCENE(test_an_archive_that_is_cut_off_is_refused),
	    SCENE(test_what_is_no_archive_is_refused),
	    SCENE(test_a_backup_without_its_end_is_refused),
	    SCENE(test_a_backup_by_hand_has_no_manifest),
	    SCENE(test_a_folder_is_copied),
	    SCENE(test_links_and_pipes_in_a_folder_are_refused),
	    SCENE(test_zeros_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
