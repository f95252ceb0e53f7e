/*
 * The sections of a file, packed and put together. What they mean is the business of offline_make.c
 * and evidence.c; offline_container.c has the form of the file.
 *
 * Invariant: messages are packed without unknown fields, so that packing what was read from them
 * gives the same bytes; the checker insists on that.
 */
#include "client/offline_sections.h"

/* Messages of the schema nest six deep. */
#define STRIP_DEPTH_MAX 16

void
offline_add(struct offline_sections *s, uint16_t type, struct bytes content)
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

void
offline_add_message(struct offline_sections *s, uint16_t type, const ProtobufCMessage *m)
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
		offline_add(s, type, bytes_of(packed, protobuf_c_message_pack(m, packed)));
}

void
offline_add_point(struct offline_sections *s, uint16_t type, const struct tx_point *point)
{
	struct hash alh = point->id == 0 ? hash_empty() : point->alh;
	uint8_t *content = arena_alloc(s->arena, 8 + HASH_SIZE);

	if (!content) {
		s->err = s->err ? s->err : IM_ERR_NOMEM;
		return;
	}
	be64_put(content, point->id);
	memcpy(content + 8, alh.b, HASH_SIZE);
	offline_add(s, type, bytes_of(content, 8 + HASH_SIZE));
}

void
offline_add_time(struct offline_sections *s, uint16_t type, int64_t seconds)
{
	uint8_t *content = arena_alloc(s->arena, 8);

	if (!content) {
		s->err = s->err ? s->err : IM_ERR_NOMEM;
		return;
	}
	be64_put(content, (uint64_t)seconds);
	offline_add(s, type, bytes_of(content, 8));
}

enum im_err
offline_assemble(const struct offline_sections *s, enum immu_proof_kind kind, struct arena *arena,
    struct immu_bytes *out)
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
		copy = arena_copy(arena, buf_bytes(&file));
		*out = (struct immu_bytes){copy.data, copy.len};
		err = copy.data ? IM_OK : IM_ERR_NOMEM;
	}
	buf_free(&file);
	return err;
}
