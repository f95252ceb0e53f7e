/*
 * Reading archives from files, and telling of them. Neighbours: crypto/archive.h verifies, the
 * commands in admin_hot_backup.c and admin_hot_restore.c decide.
 */
#include "archive_source.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/keyfile.h"

#define SOURCE_BUFFER_BYTES ((size_t)1024 * 1024)
#define PROGRESS_EVERY_NS (250 * CLOCK_NS_PER_MS)
#define MEGABYTE 1000000

void
archive_show_progress(struct session *s, const struct archive_reader *reader)
{
	static int64_t shown_ns, began_ns;
	int64_t now_ns = clock_monotonic_ns();
	struct archive_status status;
	double seconds;

	if (began_ns == 0)
		began_ns = now_ns;
	if (now_ns - shown_ns < PROGRESS_EVERY_NS || !options_bool(s->options, "progress-bar"))
		return;
	shown_ns = now_ns;
	archive_reader_status(reader, &status);
	seconds = (double)(now_ns - began_ns) / (double)CLOCK_NS_PER_S;
	output_progress(s->out, "transaction %llu of %llu, %.0f MB, %.0f MB/s",
	    (unsigned long long)status.tx, (unsigned long long)status.to_tx,
	    (double)status.bytes / MEGABYTE,
	    seconds > 0 ? (double)status.bytes / MEGABYTE / seconds : 0.0);
}

enum im_err
archive_source_read(struct session *s, int fd, const char *name, struct archive_reader *reader)
{
	uint8_t *buffer = malloc(SOURCE_BUFFER_BYTES);
	enum im_err err = buffer ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");
	ssize_t n = 1;

	while (!err && n > 0) {
		n = read(fd, buffer, SOURCE_BUFFER_BYTES);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			err = err_set_errno(IM_ERR_IO, "read", name);
		else
			err = archive_reader_feed(reader, bytes_of(buffer, (size_t)n));
		archive_show_progress(s, reader);
	}
	if (!err)
		err = archive_reader_finish(reader);
	output_progress(s->out, "%s", "");
	free(buffer);
	return err;
}

static void
show_fields(struct output *o, const struct archive_reader *reader)
{
	const struct archive_header *h = archive_reader_header(reader);
	const struct archive_trailer *t = archive_reader_trailer(reader);
	struct archive_status status;

	archive_reader_status(reader, &status);
	output_string(o, "database", h->database);
	output_string(o, "server", h->server);
	output_u64(o, "from tx", status.from_tx);
	output_u64(o, "to tx", t->tx);
	output_hex(o, "alh", hash_bytes(&t->alh));
	output_u64(o, "entries", status.entries);
	output_u64(o, "bytes", status.whole_bytes);
	output_u64(o, "parts", status.parts);
	output_bool(o, "signed", t->has_public_key);
	output_time(o, "made at", h->made_at_s);
}

void
archive_show(struct session *s, const struct archive_reader *reader)
{
	struct archive_status status;

	archive_reader_status(reader, &status);
	if (status.is_unfinished)
		output_warn(s->out,
		    "behind byte %llu stands a part that was not finished; it does not count",
		    (unsigned long long)status.whole_bytes);
	output_record_begin(s->out, NULL);
	show_fields(s->out, reader);
	output_record_end(s->out);
}

enum im_err
archive_check_key(
    const struct session *s, const struct archive_header *h, const struct archive_trailer *t)
{
	const char *path = options_string(s->options, "server-signing-pub-key");
	struct sign_state state = {bytes_str(h->database), t->tx, t->alh};
	struct sign_public_key *key;
	enum im_err err;

	if (!path || !*path)
		return IM_OK;
	if (!t->has_public_key)
		return IM_ERR_SIGNATURE_MISSING;
	err = keyfile_load_public(path, &key);
	if (err)
		return err;
	err = sign_check(key, &state, bytes_of(t->signature, t->signature_len));
	sign_public_key_free(key);
	return err;
}
