/*
 * From verified answers to offline proof files: which sections there are, and the messages in them.
 * PROOF_FORMAT.md is the description; offline_check.c reads what is written here.
 *
 * Invariant: messages are packed without unknown fields, so that packing what was read from them
 * gives the same bytes; the checker insists on that.
 */
#include "client/offline.h"

#include "client/offline_container.h"
#include "util/clock.h"
#include "util/version.h"

/* Messages of the schema nest six deep. */
#define STRIP_DEPTH_MAX 16

/* The sections to write, in order; contents come from the arena or the source. */
struct sections {
	struct arena *arena;
	enum im_err err;
	size_t len;
	struct offline_section items[OFFLINE_SECTIONS_MAX];
};

static void
add(struct sections *s, uint16_t type, struct bytes content)
{
	if (s->len == OFFLINE_SECTIONS_MAX) {
		s->err = s->err ? s->err : IM_ERR_LIMIT;
		return;
	}
	s->items[s->len++] = (struct offline_section){.type = type, .content = content};
}

static void strip(ProtobufCMessage *m, unsigned depth);

/* The messages in one field of a message. */
static void
strip_field(const ProtobufCFieldDescriptor *f, void *message, unsigned depth)
{
	void *member = (uint8_t *)message + f->offset;
	const void *quantifier = (uint8_t *)message + f->quantifier_offset;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return;
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)quantifier != f->id)
		return;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		strip(*(ProtobufCMessage **)member, depth);
		return;
	}
	for (size_t i = 0; i < *(const size_t *)quantifier; i++)
		strip((*(ProtobufCMessage ***)member)[i], depth);
}

/* Takes out of a message and those inside it what its type does not know. */
static void
strip(ProtobufCMessage *m, unsigned depth)
{
	if (!m || depth == STRIP_DEPTH_MAX)
		return;
	m->n_unknown_fields = 0;
	m->unknown_fields = NULL;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		strip_field(&m->descriptor->fields[i], m, depth + 1);
}

static void
add_message(struct sections *s, uint16_t type, const ProtobufCMessage *m)
{
	size_t len;
	uint8_t *packed;

	if (!m)
		return;
	/* The answer is ours; what it holds beyond its type has been of no use to anyone. */
	strip((ProtobufCMessage *)(uintptr_t)m, 0);
	len = protobuf_c_message_get_packed_size(m);
	packed = arena_alloc(s->arena, len + 1);
	if (!packed)
		s->err = s->err ? s->err : IM_ERR_NOMEM;
	else
		add(s, type, bytes_of(packed, protobuf_c_message_pack(m, packed)));
}

static void
add_point(struct sections *s, uint16_t type, const struct tx_point *point)
{
	struct hash alh = point->id == 0 ? hash_empty() : point->alh;
	uint8_t *content = arena_alloc(s->arena, 8 + HASH_SIZE);

	if (!content) {
		s->err = s->err ? s->err : IM_ERR_NOMEM;
		return;
	}
	be64_put(content, point->id);
	memcpy(content + 8, alh.b, HASH_SIZE);
	add(s, type, bytes_of(content, 8 + HASH_SIZE));
}

static void
add_time(struct sections *s, uint16_t type, int64_t seconds)
{
	uint8_t *content = arena_alloc(s->arena, 8);

	if (!content) {
		s->err = s->err ? s->err : IM_ERR_NOMEM;
		return;
	}
	be64_put(content, (uint64_t)seconds);
	add(s, type, bytes_of(content, 8));
}

/* The four sections of an entry or reference, from its type on. */
static void
add_entry(struct sections *s, uint16_t type, const Immudb__Schema__VerifiableEntry *m)
{
	Immudb__Schema__Entry entry = *m->entry;

	/* Behind a reference nothing but the key is in its proof. */
	if (entry.referencedby) {
		entry.value = (ProtobufCBinaryData){0, NULL};
		entry.metadata = NULL;
		entry.revision = 0;
	}
	add_message(s, type, &entry.base);
	add_message(s, (uint16_t)(type + 1), &m->verifiabletx->tx->header->base);
	add_message(s, (uint16_t)(type + 2), &m->inclusionproof->base);
	add_message(s, (uint16_t)(type + 3), &m->verifiabletx->dualproof->base);
}

static void
add_tx(struct sections *s, const Immudb__Schema__VerifiableTx *m)
{
	add_message(s, OFFLINE_TX_HEADER, &m->tx->header->base);
	add_message(s, OFFLINE_TX_HISTORY, &m->dualproof->base);
	for (size_t i = 0; i < m->tx->n_entries; i++)
		add_message(s, OFFLINE_TX_ENTRY, &m->tx->entries[i]->base);
}

static void
add_signature(struct sections *s, const Immudb__Schema__Signature *m)
{
	if (m && m->signature.len > 0)
		add_message(s, OFFLINE_SIGNATURE, &m->base);
}

static void
collect(struct sections *s, const struct offline_source *source)
{
	add(s, OFFLINE_SERVER, bytes_str(source->server_id));
	add(s, OFFLINE_DATABASE, bytes_str(source->database));
	add(s, OFFLINE_ADDRESS, bytes_str(source->address));
	add(s, OFFLINE_PROGRAM, bytes_str("libimmu " IMMUDB_VERSION));
	add_time(s, OFFLINE_WRITTEN, clock_wall_s());
	add_point(s, OFFLINE_TRUSTED, &source->trusted);
	if (source->kind == IMMU_PROOF_TX) {
		add_signature(s, source->tx->signature);
		add_tx(s, source->tx);
		return;
	}
	add_signature(s, source->entry->verifiabletx->signature);
	if (source->via)
		add_entry(s, OFFLINE_REFERENCE, source->via);
	add_entry(s, OFFLINE_ENTRY, source->entry);
}

/* Writes the sections into the arena. */
static enum im_err
assemble(const struct sections *s, enum immu_proof_kind kind, struct immu_bytes *out)
{
	struct buf file;
	struct bytes copy;
	enum im_err err;

	buf_init(&file, IMMU_PROOF_MAX);
	offline_put_head(&file, (uint16_t)kind, s->len);
	for (size_t i = 0; i < s->len; i++)
		offline_put(&file, s->items[i].type, s->items[i].content);
	err = file.err;
	if (!err) {
		copy = arena_copy(s->arena, buf_bytes(&file));
		*out = (struct immu_bytes){copy.data, copy.len};
		err = copy.data ? IM_OK : IM_ERR_NOMEM;
	}
	buf_free(&file);
	return err;
}

enum im_err
offline_make(const struct offline_source *source, struct arena *arena, struct immu_bytes *out)
{
	struct sections *s = arena_calloc(arena, 1, sizeof *s);
	enum im_err err = s ? IM_OK : IM_ERR_NOMEM;

	if (!err) {
		s->arena = arena;
		collect(s, source);
		err = s->err;
	}
	if (!err)
		err = assemble(s, source->kind, out);
	return err ? err_set(err, "the offline proof: %s", err_text(err)) : IM_OK;
}
