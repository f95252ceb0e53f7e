/*
 * The files of trusted states and pinned identities; what is done with them is in trust.c.
 *
 * Invariants: a file is only replaced under the lock of its folder, by content that was compared
 * with the old one under that same lock, so that no writer ever undoes another one's work. The text
 * is canonical: a file is accepted only if writing what was read from it gives the same bytes.
 */
#include "client/trust_file.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/file.h"
#include "util/hex.h"

#define STATE_TITLE "immudb-trusted-state 1"
#define IDENTITY_TITLE "immudb-server-identity 1"
/* A name in front of a value, the value, and a NUL. */
#define LINE_MAX_BYTES (TRUST_FILE_MAX / 2)

bool
trust_file_is_database(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return len > 0 && len <= TRUST_DATABASE_MAX && name[len] == '\0';
}

bool
trust_file_is_server_id(const char *id)
{
	return strlen(id) == XID_TEXT_LEN &&
	    strspn(id, "abcdefghijklmnopqrstuv0123456789") == XID_TEXT_LEN;
}

/* Appends the SHA-256 of what out holds as its last line. */
static void
append_sum(struct buf *out)
{
	struct hash sum;

	hash_sha256(buf_bytes(out), &sum);
	buf_append_str(out, "sum ");
	hex_append(out, hash_bytes(&sum));
	buf_append_u8(out, '\n');
}

static enum im_err
encode_state(const struct trust_name *name, const struct trust_state *state, struct buf *out)
{
	buf_printf(out, STATE_TITLE "\nserver %s\ndatabase %s\ntx %" PRIu64 "\nhash ",
	    name->server_id, name->database, state->point.id);
	hex_append(out, hash_bytes(&state->point.alh));
	buf_append_str(out, "\nsignature ");
	if (state->signature_len == 0)
		buf_append_u8(out, '-');
	hex_append(out, bytes_of(state->signature, state->signature_len));
	buf_append_u8(out, '\n');
	append_sum(out);
	return out->err;
}

static enum im_err
encode_identity(const struct trust_address *address, const char *server_id, struct buf *out)
{
	buf_printf(out, IDENTITY_TITLE "\naddress %s\nserver %s\n", address->address, server_id);
	append_sum(out);
	return out->err;
}

/* The value of the line "NAME VALUE" of text; empty when there is none. */
static struct bytes
find_value(struct bytes text, const char *name)
{
	size_t name_len = strlen(name);

	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;

		if (len > name_len && memcmp(text.data, name, name_len) == 0 &&
		    text.data[name_len] == ' ')
			return bytes_of(text.data + name_len + 1, len - name_len - 1);
		len += end != NULL;
		text = bytes_of(text.data + len, text.len - len);
	}
	return bytes_of(NULL, 0);
}

static bool
parse_tx(struct bytes text, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text.data[i] - '0'), &n))
			return false;
	}
	*out = n;
	return text.len > 0;
}

static bool
parse_state(struct bytes text, struct trust_state *out)
{
	struct bytes signature = find_value(text, "signature");

	*out = (struct trust_state){0};
	if (!bytes_equal(signature, bytes_str("-"))) {
		out->signature_len = signature.len / 2;
		if (out->signature_len == 0 || out->signature_len > SIGN_DER_MAX ||
		    hex_decode(signature, out->signature, out->signature_len))
			return false;
	}
	return parse_tx(find_value(text, "tx"), &out->point.id) &&
	    hex_decode(find_value(text, "hash"), out->point.alh.b, HASH_SIZE) == IM_OK;
}

enum im_err
trust_file_text(const char *path, struct buf *out)
{
	enum im_err err = file_read(path, TRUST_FILE_MAX, out);

	if (err == IM_ERR_LIMIT)
		return err_set(
		    IM_ERR_STATE_CORRUPT, "%s: %s: too long", err_text(IM_ERR_STATE_CORRUPT), path);
	return err;
}

static enum im_err
corrupt(const char *path)
{
	return err_set(IM_ERR_STATE_CORRUPT,
	    "%s: %s: damaged, or written for another server or database",
	    err_text(IM_ERR_STATE_CORRUPT), path);
}

static enum im_err
read_state(const char *path, const struct trust_name *name, struct trust_state *out)
{
	struct buf text, again;
	enum im_err err;

	buf_init(&text, TRUST_FILE_MAX);
	buf_init(&again, 2 * TRUST_FILE_MAX);
	err = trust_file_text(path, &text);
	if (err)
		goto out;
	if (!parse_state(buf_bytes(&text), out)) {
		err = corrupt(path);
		goto out;
	}
	err = encode_state(name, out, &again);
	if (!err && !bytes_equal(buf_bytes(&text), buf_bytes(&again)))
		err = corrupt(path);
out:
	buf_free(&again);
	buf_free(&text);
	return err;
}

enum im_err
trust_file_state_path(const struct trust_name *name, struct buf *out)
{
	char file[16 + XID_TEXT_LEN + TRUST_DATABASE_MAX];

	if (!trust_file_is_server_id(name->server_id))
		return err_set(IM_ERR_ARGUMENT, "bad server id");
	if (!trust_file_is_database(name->database))
		return err_set(IM_ERR_ARGUMENT, "bad database name");
	snprintf(file, sizeof file, "state-%s-%s", name->server_id, name->database);
	return file_join(out, name->folder, file);
}

enum im_err
trust_file_identity_path(const struct trust_address *address, struct buf *out)
{
	char file[16 + 2 * HASH_SIZE];
	struct hash hash;
	char hex[2 * HASH_SIZE + 1];

	if (strchr(address->address, '\n') || strlen(address->address) > LINE_MAX_BYTES)
		return err_set(IM_ERR_ARGUMENT, "bad server address");
	hash_sha256(bytes_str(address->address), &hash);
	/* Half of the hash is enough for a file name; the file itself holds the address. */
	hex_encode(bytes_of(hash.b, HASH_SIZE / 2), hex);
	snprintf(file, sizeof file, "identity-%s", hex);
	return file_join(out, address->folder, file);
}

enum im_err
trust_file_lock(const char *folder, int *fd)
{
	struct buf path;
	enum im_err err;

	buf_init(&path, TRUST_FILE_MAX * 4);
	err = file_make_folder(folder);
	if (!err)
		err = file_join(&path, folder, TRUST_LOCK_NAME);
	if (!err)
		err = file_lock((const char *)path.data, true, fd);
	buf_free(&path);
	return err;
}

enum im_err
trust_file_read(const struct trust_name *name, struct trust_state *out)
{
	struct buf path;
	enum im_err err;

	buf_init(&path, TRUST_FILE_MAX * 4);
	err = trust_file_state_path(name, &path);
	if (!err)
		err = read_state((const char *)path.data, name, out);
	buf_free(&path);
	return err;
}

static enum im_err
replace_state(const char *path, const struct trust_name *name, const struct trust_state *desired)
{
	struct buf text;
	enum im_err err;

	buf_init(&text, TRUST_FILE_MAX);
	err = encode_state(name, desired, &text);
	if (!err)
		err = file_replace(path, buf_bytes(&text));
	buf_free(&text);
	return err;
}

static bool
is_same_point(const struct tx_point *a, const struct tx_point *b)
{
	return a->id == b->id && hash_equal(&a->alh, &b->alh);
}

enum im_err
trust_file_swap(const struct trust_name *name, const struct trust_state *expected,
    const struct trust_state *desired, struct trust_state *found, bool *swapped)
{
	struct buf path;
	int lock = -1;
	enum im_err err;

	assert(!expected || desired->point.id >= expected->point.id);
	*swapped = false;
	buf_init(&path, TRUST_FILE_MAX * 4);
	err = trust_file_state_path(name, &path);
	if (!err)
		err = trust_file_lock(name->folder, &lock);
	if (err)
		goto out;
	err = read_state((const char *)path.data, name, found);
	if (err == IM_ERR_NOT_FOUND)
		*swapped = true;
	else if (!err && expected)
		*swapped = is_same_point(&found->point, &expected->point);
	if (*swapped)
		err = replace_state((const char *)path.data, name, desired);
out:
	if (err)
		*swapped = false;
	file_unlock(&lock);
	buf_free(&path);
	return err;
}

/* Copies a value that fits with its NUL; an empty text when it does not. */
static void
copy_value(struct bytes value, char *out, size_t size)
{
	bool fits = value.len < size && (value.len == 0 || !memchr(value.data, '\0', value.len));

	if (fits && value.len > 0)
		memcpy(out, value.data, value.len);
	out[fits ? value.len : 0] = '\0';
}

enum im_err
trust_file_encode(const struct trust_record *record, struct buf *out)
{
	struct trust_name name = {.server_id = record->server_id, .database = record->database};

	return encode_state(&name, &record->state, out);
}

/* Damaged text is nobody's: the error names no file. */
static enum im_err
corrupt_text(void)
{
	return err_set(
	    IM_ERR_STATE_CORRUPT, "%s: the text is damaged", err_text(IM_ERR_STATE_CORRUPT));
}

enum im_err
trust_file_decode(struct bytes text, struct trust_record *out)
{
	struct buf again;
	enum im_err err;

	*out = (struct trust_record){0};
	copy_value(find_value(text, "server"), out->server_id, sizeof out->server_id);
	copy_value(find_value(text, "database"), out->database, sizeof out->database);
	if (text.len > TRUST_FILE_MAX || !trust_file_is_server_id(out->server_id) ||
	    !trust_file_is_database(out->database) || !parse_state(text, &out->state))
		return corrupt_text();
	buf_init(&again, 2 * TRUST_FILE_MAX);
	err = trust_file_encode(out, &again);
	if (!err && !bytes_equal(text, buf_bytes(&again)))
		err = corrupt_text();
	buf_free(&again);
	return err;
}

enum im_err
trust_file_decode_pin(struct bytes text, char server_id[XID_TEXT_LEN + 1], struct buf *address)
{
	struct bytes value = find_value(text, "address");
	struct trust_address name;
	struct buf again;
	enum im_err err;

	copy_value(find_value(text, "server"), server_id, XID_TEXT_LEN + 1);
	if (text.len > TRUST_FILE_MAX || !trust_file_is_server_id(server_id) || value.len == 0 ||
	    memchr(value.data, '\0', value.len))
		return corrupt_text();
	buf_append_bytes(address, value);
	buf_append_u8(address, '\0');
	if (address->err)
		return err_set(address->err, "%s", err_text(address->err));
	name = (struct trust_address){.address = (const char *)address->data};
	buf_init(&again, 2 * TRUST_FILE_MAX);
	err = encode_identity(&name, server_id, &again);
	if (!err && !bytes_equal(text, buf_bytes(&again)))
		err = corrupt_text();
	buf_free(&again);
	return err;
}

/* Compares the pinned identity with server_id, or pins it. Under the lock. */
static enum im_err
check_pin(const char *path, const struct trust_address *address, const char *server_id, bool *first)
{
	struct buf text, expected;
	struct bytes pinned;
	enum im_err err;

	buf_init(&text, TRUST_FILE_MAX);
	buf_init(&expected, TRUST_FILE_MAX * 2);
	err = trust_file_text(path, &text);
	*first = err == IM_ERR_NOT_FOUND;
	if (err && !*first)
		goto out;
	err = encode_identity(address, server_id, &expected);
	if (err || bytes_equal(buf_bytes(&text), buf_bytes(&expected)))
		goto out;
	if (*first) {
		err = file_replace(path, buf_bytes(&expected));
		goto out;
	}
	/* Tell another server from a damaged file: the file must be right for the id it names. */
	pinned = find_value(buf_bytes(&text), "server");
	char id[XID_TEXT_LEN + 1] = {0};
	memcpy(id, pinned.data ? pinned.data : (const uint8_t *)"",
	    pinned.len < XID_TEXT_LEN ? pinned.len : XID_TEXT_LEN);
	buf_clear(&expected);
	err = encode_identity(address, id, &expected);
	if (!err && trust_file_is_server_id(id) &&
	    bytes_equal(buf_bytes(&text), buf_bytes(&expected)))
		err = err_set(IM_ERR_IDENTITY_CHANGED,
		    "server identity changed: %s was server %s and now says it is %s; if that is "
		    "right, remove %s",
		    address->address, id, server_id, path);
	else if (!err)
		err = corrupt(path);
out:
	buf_free(&expected);
	buf_free(&text);
	return err;
}

enum im_err
trust_file_pin(const struct trust_address *address, const char *server_id, bool *first)
{
	struct buf path;
	int lock = -1;
	enum im_err err;

	*first = false;
	if (!trust_file_is_server_id(server_id))
		return err_set(IM_ERR_PROTOCOL, "the server's identity is malformed");
	buf_init(&path, TRUST_FILE_MAX * 4);
	err = trust_file_identity_path(address, &path);
	if (!err)
		err = trust_file_lock(address->folder, &lock);
	if (!err)
		err = check_pin((const char *)path.data, address, server_id, first);
	file_unlock(&lock);
	buf_free(&path);
	return err;
}
