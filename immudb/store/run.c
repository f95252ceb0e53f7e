/*
 * Open runs: what is kept of a run in memory, finding and reading its blocks.
 *
 * Neighbours: run_write.c makes the files, run_cursor.c walks them, index_version.c holds the runs
 * in use, FORMAT.md ("Index") has the bytes.
 *
 * Invariants:
 * 1. Everything read is checked by a CRC and then against its bounds before it is used.
 * 2. An open run never changes; only the marks damaged and doomed are set, once.
 * 3. separators ascend, and each begins with the first `skip` bytes of first_key.
 */
#include "store/run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/index_key.h"
#include "store/run_format.h"
#include "util/crc32c.h"

#define NAME_DIGITS 16u
#define NAME_SUFFIX ".run"

void
run_name(char name[RUN_NAME_MAX], uint64_t number)
{
	snprintf(name, RUN_NAME_MAX, "%016" PRIx64 NAME_SUFFIX, number);
}

bool
run_name_parse(const char *name, uint64_t *number)
{
	char again[RUN_NAME_MAX];

	if (strlen(name) != RUN_NAME_MAX - 1 || strspn(name, "0123456789abcdef") != NAME_DIGITS)
		return false;
	*number = strtoull(name, NULL, 16);
	run_name(again, *number);
	return strcmp(name, again) == 0;
}

enum im_err
run_damage(struct run *r, uint64_t block, const char *what)
{
	atomic_store(&r->damaged, true);
	return err_set(IM_ERR_CORRUPT, "%s: offset %" PRIu64 ": %s", r->file.path,
	    r->offsets ? r->offsets[block] : 0, what);
}

static enum im_err
file_damage(const struct run *r, const char *what)
{
	return err_set(IM_ERR_CORRUPT, "%s: %s", r->file.path, what);
}

/* Whether the parts lie one behind the other and are big enough for what they should hold. */
static bool
footer_fits(const struct run_footer *f, const struct run_id *id)
{
	uint64_t blocks_min, left = id->size - RUN_HEADER_BYTES - RUN_FOOTER_BYTES;

	if (f->first_tx != id->first_tx || f->last_tx != id->last_tx || f->crc != id->footer_crc ||
	    f->first_tx == 0 || f->first_tx > f->last_tx)
		return false;
	if (f->index_len > left || f->filter_len > left - f->index_len ||
	    f->filter_len % BLOOM_LINE_BYTES != 0 || f->filter_len == 0 ||
	    f->filter_len / BLOOM_LINE_BYTES > BLOOM_LINES_MAX)
		return false;
	left -= f->index_len + f->filter_len;
	if (f->index_offset != RUN_HEADER_BYTES + left ||
	    f->filter_offset != f->index_offset + f->index_len)
		return false;
	return f->blocks > 0 && f->blocks <= f->entries && f->keys > 0 && f->keys <= f->entries &&
	    !__builtin_mul_overflow(f->blocks, RUN_BLOCK_MIN, &blocks_min) && blocks_min <= left;
}

static enum im_err
footer_read(struct run *r, struct run_footer *f)
{
	uint8_t header[RUN_HEADER_BYTES], footer[RUN_FOOTER_BYTES];
	enum im_err err = vfs_read(&r->file, header, sizeof header, 0);
	uint64_t size;

	if (err == IM_OK)
		err = index_header_check(header, RUN_MAGIC, RUN_VERSION, r->file.path);
	if (err == IM_OK)
		err = vfs_size(&r->file, &size);
	if (err != IM_OK)
		return err;
	if (size != r->id.size || size < RUN_HEADER_BYTES + RUN_FOOTER_BYTES)
		return file_damage(r, "wrong size");
	err = vfs_read(&r->file, footer, sizeof footer, size - sizeof footer);
	if (err != IM_OK)
		return err;
	if (!run_footer_decode(footer, f) || !footer_fits(f, &r->id))
		return file_damage(r, "damaged footer");
	r->base = (struct run_base){f->first_tx, f->last_tx, f->pos_base};
	r->entries = f->entries;
	r->keys = f->keys;
	r->blocks = f->blocks;
	return IM_OK;
}

/* Moves a separator or key down to *to, which is at or before where it was read. */
static struct bytes
compact(uint8_t **to, struct bytes v)
{
	struct bytes moved = bytes_of(*to, v.len);

	if (v.len > 0)
		memmove(*to, v.data, v.len);
	*to += v.len;
	return moved;
}

static bool
separators_ordered(const struct run *r, uint64_t i)
{
	struct bytes separator = run_separator(r, i);

	if (index_key_shared(separator, r->first_key) < r->skip)
		return false;
	return i == 0 ||
	    index_place_compare(run_separator(r, i - 1), r->txs[i - 1], separator, r->txs[i]) < 0;
}

/* Reads one row of the sparse index. False when it is malformed. */
static bool
row_parse(struct run *r, struct reader *in, uint64_t i, uint8_t **to)
{
	uint64_t length = run_varint_read(in), separator_len = run_varint_read(in);
	struct bytes separator = reader_bytes(in, separator_len);

	if (in->failed || length < RUN_BLOCK_MIN || length > RUN_BLOCK_MAX || separator.len == 0 ||
	    separator.len > INDEX_KEY_MAX || separator.len < r->skip)
		return false;
	/* Before the separator moves: what is read next lies behind it. */
	compact(to, separator);
	r->separators[i + 1] = (uint64_t)(*to - r->separator_bytes);
	r->txs[i] = run_varint_read(in);
	if (r->txs[i] == 0)
		r->txs[i] = INDEX_TX_NEWEST;
	r->offsets[i + 1] = r->offsets[i] + length;
	separator = run_separator(r, i);
	r->prefixes[i] =
	    index_key_prefix(bytes_of(separator.data + r->skip, separator.len - r->skip));
	if (i % RUN_SAMPLE == 0)
		r->samples[i / RUN_SAMPLE] = r->prefixes[i];
	return !in->failed && separators_ordered(r, i);
}

static bool
index_parse(struct run *r, struct bytes section, uint64_t blocks_end)
{
	struct reader in = reader_of(section);
	uint8_t *to = (uint8_t *)r->memory;

	r->first_key = compact(&to, reader_bytes(&in, reader_be16(&in)));
	r->last_key = compact(&to, reader_bytes(&in, reader_be16(&in)));
	r->separator_bytes = to;
	if (in.failed || r->first_key.len == 0 || r->first_key.len > INDEX_KEY_MAX ||
	    r->last_key.len > INDEX_KEY_MAX || bytes_compare(r->first_key, r->last_key) > 0)
		return false;
	r->skip = index_key_shared(r->first_key, r->last_key);
	r->offsets[0] = RUN_HEADER_BYTES;
	for (uint64_t i = 0; i < r->blocks; i++) {
		if (!row_parse(r, &in, i, &to))
			return false;
	}
	return reader_left(&in) == 0 && r->offsets[r->blocks] == blocks_end;
}

static enum im_err
index_read(struct run *r, const struct run_footer *f)
{
	size_t n = (size_t)r->blocks;
	enum im_err err;

	r->memory = malloc((size_t)f->index_len + 1);
	r->offsets = (uint64_t *)calloc(n + 1, sizeof *r->offsets);
	r->separators = (uint64_t *)calloc(n + 1, sizeof *r->separators);
	r->prefixes = (uint64_t *)calloc(n, sizeof *r->prefixes);
	r->samples = (uint64_t *)calloc(n / RUN_SAMPLE + 1, sizeof *r->samples);
	r->txs = (uint64_t *)calloc(n, sizeof *r->txs);
	if (!r->memory || !r->offsets || !r->separators || !r->prefixes || !r->samples || !r->txs)
		return IM_ERR_NOMEM;
	err = vfs_read(&r->file, r->memory, (size_t)f->index_len, f->index_offset);
	if (err != IM_OK)
		return err;
	if (crc32c(0, r->memory, (size_t)f->index_len) != f->index_crc ||
	    !index_parse(r, bytes_of(r->memory, (size_t)f->index_len), f->index_offset))
		return file_damage(r, "damaged sparse index");
	r->resident_bytes += (size_t)f->index_len + n * 4 * sizeof(uint64_t);
	return IM_OK;
}

static enum im_err
filter_read(struct run *r, const struct run_footer *f)
{
	size_t n = (size_t)f->filter_len;
	enum im_err err;

	r->filter.data = (uint8_t *)aligned_alloc(BLOOM_LINE_BYTES, n);
	if (!r->filter.data)
		return IM_ERR_NOMEM;
	r->filter.lines = f->filter_len / BLOOM_LINE_BYTES;
	err = vfs_read(&r->file, r->filter.data, n, f->filter_offset);
	if (err != IM_OK)
		return err;
	if (crc32c(0, r->filter.data, n) != f->filter_crc)
		return file_damage(r, "damaged filter");
	r->resident_bytes += n;
	return IM_OK;
}

enum im_err
run_open(const struct vfs *vfs, const char *dir, const struct run_id *id, struct run **out)
{
	struct run *r = (struct run *)calloc(1, sizeof *r);
	struct run_footer footer;
	char name[RUN_NAME_MAX];
	enum im_err err;

	*out = NULL;
	if (!r)
		return IM_ERR_NOMEM;
	r->id = *id;
	r->vfs = vfs;
	r->refs = 1;
	run_name(name, id->number);
	err = vfs_file_open(&r->file, vfs, dir, name, O_RDONLY);
	if (err == IM_ERR_NOT_FOUND)
		err = err_set(IM_ERR_CORRUPT, "%s/%s: missing", dir, name);
	if (err == IM_OK)
		err = footer_read(r, &footer);
	if (err == IM_OK)
		err = index_read(r, &footer);
	if (err == IM_OK)
		err = filter_read(r, &footer);
	if (err != IM_OK) {
		run_unref(r);
		return err;
	}
	*out = r;
	return IM_OK;
}

void
run_ref(struct run *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

void
run_unref(struct run *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
		return;
	/* A file that cannot be removed is left over, and removed by the next open of the index. */
	if (atomic_load(&r->doomed))
		r->vfs->unlink(r->vfs->ctx, r->file.path);
	vfs_file_close(&r->file);
	free(r->filter.data);
	free(r->txs);
	free(r->samples);
	free(r->prefixes);
	free(r->separators);
	free(r->offsets);
	free(r->memory);
	free(r);
}

/* A place as the sparse index is searched for it. */
struct place {
	struct bytes key;
	uint64_t tx;
	uint64_t prefix; /* behind the bytes that all separators share */
};

static bool
separator_at_or_before(const struct run *r, uint64_t i, const struct place *p)
{
	if (r->prefixes[i] != p->prefix)
		return r->prefixes[i] < p->prefix;
	return index_place_compare(run_separator(r, i), r->txs[i], p->key, p->tx) <= 0;
}

/* The first sample that is not smaller than the prefix (greater, with `behind`). */
static uint64_t
sample_find(const struct run *r, uint64_t prefix, bool behind)
{
	uint64_t low = 0, high = (r->blocks - 1) / RUN_SAMPLE + 1;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (r->samples[middle] < prefix || (behind && r->samples[middle] == prefix))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Narrows a search down to between two samples, and fetches the prefixes that are there. */
static void
range_narrow(const struct run *r, uint64_t prefix, uint64_t *low, uint64_t *high)
{
	uint64_t first = sample_find(r, prefix, false), last = first;

	if (last * RUN_SAMPLE < r->blocks && r->samples[last] == prefix)
		last = sample_find(r, prefix, true);
	*low = first > 0 ? (first - 1) * RUN_SAMPLE : 0;
	*high = last * RUN_SAMPLE < r->blocks ? last * RUN_SAMPLE : r->blocks;
	for (uint64_t i = *low; i < *high && i < *low + RUN_SAMPLE; i += 8)
		__builtin_prefetch(&r->prefixes[i]);
}

uint64_t
run_find_block(const struct run *r, struct bytes key, uint64_t tx)
{
	size_t shared = index_key_shared(key, r->first_key);
	uint64_t low, high;
	struct place p = {key, tx, 0};

	/* Outside of what all keys share, the place is before or behind everything. */
	if (shared < r->skip)
		return bytes_compare(key, r->first_key) < 0 ? 0 : r->blocks - 1;
	p.prefix = index_key_prefix(bytes_of(key.data + r->skip, key.len - r->skip));
	range_narrow(r, p.prefix, &low, &high);
	/* The last separator at or before the place; block 0 when there is none. */
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (separator_at_or_before(r, middle, &p))
			low = middle;
		else
			high = middle;
	}
	return low;
}

enum im_err
run_read_block(struct run *r, uint64_t i, bool nowait, uint8_t *data, struct run_block *out)
{
	size_t n = (size_t)(r->offsets[i + 1] - r->offsets[i]);
	enum im_err err = nowait ? vfs_read_nowait(&r->file, data, n, r->offsets[i])
				 : vfs_read(&r->file, data, n, r->offsets[i]);

	if (err == IM_ERR_CORRUPT)
		return run_damage(r, i, "the file ends here");
	if (err != IM_OK)
		return err;
	if (!run_block_open(out, bytes_of(data, n), r->offsets[i]))
		return run_damage(r, i, "damaged block");
	return IM_OK;
}
