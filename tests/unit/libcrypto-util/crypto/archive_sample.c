/* Archives made by hand; see archive_sample.h. */
#include "archive_sample.h"

#include <assert.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "util/crc32c.h"

#define SAMPLE_BYTES_MAX (1u << 20)
#define SAMPLE_LONG_VALUE (RECORD_INLINE_MAX + 1)
#define SAMPLE_TIME 1700000000

static uint8_t long_value[SAMPLE_LONG_VALUE];

void
sample_begin(struct sample *s)
{
	*s = (struct sample){.format = ARCHIVE_FORMAT, .alh = hash_empty()};
	buf_init(&s->out, SAMPLE_BYTES_MAX);
	s->digest = hash_stream_new();
	assert(s->digest);
	memset(long_value, 'v', sizeof long_value);
}

void
sample_end(struct sample *s)
{
	hash_stream_free(s->digest);
	buf_free(&s->out);
}

static void
put_undigested(struct sample *s, const void *data, size_t n)
{
	bool ok = buf_append(&s->out, data, n);

	assert(ok);
	(void)ok;
}

static void
put(struct sample *s, const void *data, size_t n)
{
	put_undigested(s, data, n);
	hash_stream_add(s->digest, bytes_of(data, n));
}

static bool
lies(const struct sample *s, enum sample_lie lie)
{
	return s->lie == lie && s->tx + 1 == s->lie_tx;
}

/* The entries section and the long value; returns the length of the section. */
static size_t
make_entries(const struct sample *s, uint32_t n, uint8_t *out, struct record_tx *r)
{
	char keys[2][8], small[] = "small";
	struct entry_parts parts[2];
	struct hash digests[2];
	size_t at = 0, second;

	for (uint32_t i = 0; i < n; i++) {
		struct bytes value = i == 0 ? bytes_of(small, sizeof small)
					    : bytes_of(long_value, sizeof long_value);
		struct record_entry e = {.value_len = (uint32_t)value.len};
		size_t covered;

		keys[i][0] = 0;
		keys[i][1] = (char)('a' + (char)i);
		keys[i][2] = (char)s->tx;
		keys[i][3] = (char)s->salt;
		e.key = bytes_of(keys[i], 4);
		hash_sha256(value, &e.hval);
		covered = RECORD_ENTRY_FIXED + e.key.len;
		second = RECORD_ENTRY_FIXED + e.key.len;
		e.value_offset = (uint32_t)(i == 0 ? covered : second);
		r->entries_crc = 0;
		parts[i] = (struct entry_parts){e.key, {NULL, 0}, e.hval};
		record_entry_put(out + at, &e);
		out[at + 3] ^= lies(s, SAMPLE_LIE_ENTRY_ZERO);
		at += covered;
		if (i == 0) {
			memcpy(out + at, value.data, value.len);
			at += value.len;
		}
	}
	if (entry_digests(1, parts, n, digests) != IM_OK)
		assert(false);
	htree_root(digests, n, digests, &r->header.eh);
	r->header.nentries = n;
	return at;
}

/* The checksum of a section of such entries. */
static uint32_t
section_crc(const uint8_t *section, uint32_t n)
{
	uint32_t crc = crc32c(0, section, RECORD_ENTRY_FIXED + 4);

	return n == 1 ? crc
		      : crc32c(crc, section + RECORD_ENTRY_FIXED + 4 + sizeof "small",
			    RECORD_ENTRY_FIXED + 4);
}

static void
put_tx(struct sample *s)
{
	static uint8_t record[RECORD_TX_FIXED + 256 + SAMPLE_LONG_VALUE];
	uint32_t n = s->tx % 2 ? 2 : 1;
	struct record_tx r = {.header = {.id = s->tx + 1 + lies(s, SAMPLE_LIE_ID),
				  .prev_alh = s->alh,
				  .ts = SAMPLE_TIME,
				  .version = 1,
				  .bl_tx_id = s->tx}};
	struct hash leaf, completed[AHTREE_NODES_MAX];
	size_t section, total;

	ahtree_edge_root(&s->edge, &r.header.bl_root);
	section = make_entries(s, n, record + RECORD_TX_FIXED, &r);
	total = RECORD_TX_FIXED + section;
	if (n == 2) {
		memcpy(record + total, long_value, sizeof long_value);
		total += sizeof long_value;
	}
	r.entries_len = (uint32_t)section;
	r.entries_crc = section_crc(record + RECORD_TX_FIXED, n);
	r.length = (uint32_t)total;
	r.header.prev_alh.b[0] ^= lies(s, SAMPLE_LIE_PREV);
	r.header.bl_root.b[0] ^= lies(s, SAMPLE_LIE_ROOT);
	r.header.eh.b[0] ^= lies(s, SAMPLE_LIE_EH);
	record[total - 1] ^= lies(s, SAMPLE_LIE_VALUE);
	record_tx_put(record, &r, 0);
	record[9] ^= lies(s, SAMPLE_LIE_HEAD_ZERO);
	record[55] ^= lies(s, SAMPLE_LIE_HEAD_ZEROES);
	record_tx_reseal(record, RECORD_TX_FIXED, 0);
	if (s->format == ARCHIVE_FORMAT_ALL_DIGESTED)
		put(s, record, total);
	else
		put_undigested(s, record, total);
	tx_header_alh(&r.header, &s->alh);
	hash_leaf(&s->alh, &leaf);
	ahtree_edge_append(&s->edge, &leaf, completed);
	s->tx++;
}

static void
put_header(struct sample *s, uint64_t txs)
{
	uint8_t raw[ARCHIVE_HEADER_SIZE];
	struct archive_header h = {.format = s->format,
	    .from_tx = s->tx + 1,
	    .to_tx = s->tx + txs,
	    .prev_alh = s->alh,
	    .made_at_s = SAMPLE_TIME,
	    .header_version = 1,
	    .synced = true,
	    .server = "c0ffee00c0ffee00c0ff",
	    .database = SAMPLE_DATABASE};

	archive_header_put(raw, &h);
	put(s, raw, sizeof raw);
}

static void
put_trailer(struct sample *s, uint64_t txs, size_t start)
{
	uint8_t raw[ARCHIVE_TRAILER_SIZE];
	struct archive_trailer t = {.tx = s->tx,
	    .alh = s->alh,
	    .txs = txs,
	    .bytes = s->out.len - start + sizeof raw,
	    .entries = txs + (s->lie == SAMPLE_LIE_COUNT)};

	for (uint64_t tx = s->tx - txs; tx < s->tx; tx++)
		t.entries += tx % 2;
	t.alh.b[0] ^= s->lie == SAMPLE_LIE_ALH;
	if (s->lie == SAMPLE_LIE_SIGNATURE) {
		t.signature_len = SIGN_DER_MAX;
		t.has_public_key = true;
	}
	archive_trailer_put(raw, &t);
	put(s, raw, ARCHIVE_DIGEST_AT);
	if (hash_stream_get(s->digest, &t.digest) != IM_OK)
		assert(false);
	put(s, t.digest.b, HASH_SIZE);
}

void
sample_part(struct sample *s, uint64_t txs)
{
	size_t start = s->out.len;

	put_header(s, txs);
	for (uint64_t i = 0; i < txs; i++)
		put_tx(s);
	put_trailer(s, txs, start);
}
