/*
 * Offline proof files as sequences of sections: writing and taking apart. What sections mean is in
 * offline_make.c and offline_check.c.
 *
 * Invariants: each byte of a file is under exactly one checksum, so that a changed byte is found
 * and the part that it belongs to is named; heads have sums of their own, so that a changed type or
 * length is not mistaken for a change of what follows. The sums find accidents; what somebody
 * changes together with its sum is found by the proof.
 */
#include "client/offline_container.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/crc32c.h"

static const uint8_t magic[8] = {0x89, 'i', 'm', 'p', 'r', '\r', '\n', 0x1a};

static const struct {
	uint16_t type;
	const char *name;
} names[] = {
    {OFFLINE_SERVER, "the identity of the server"},
    {OFFLINE_DATABASE, "the name of the database"},
    {OFFLINE_ADDRESS, "the address of the server"},
    {OFFLINE_PROGRAM, "the program that wrote the file"},
    {OFFLINE_WRITTEN, "the time of writing"},
    {OFFLINE_TRUSTED, "the state that was trusted"},
    {OFFLINE_SIGNATURE, "the signature of the newer state"},
    {OFFLINE_REFERENCE, "the reference"},
    {OFFLINE_REFERENCE_HEADER, "the header of the reference's transaction"},
    {OFFLINE_REFERENCE_INCLUSION, "the inclusion proof of the reference"},
    {OFFLINE_REFERENCE_HISTORY, "the history proof of the reference's transaction"},
    {OFFLINE_ENTRY, "the entry"},
    {OFFLINE_ENTRY_HEADER, "the header of the entry's transaction"},
    {OFFLINE_ENTRY_INCLUSION, "the inclusion proof of the entry"},
    {OFFLINE_ENTRY_HISTORY, "the history proof of the entry's transaction"},
    {OFFLINE_TX_HEADER, "the header of the transaction"},
    {OFFLINE_TX_HISTORY, "the history proof of the transaction"},
    {OFFLINE_TX_ENTRY, "an entry of the transaction"},
    {OFFLINE_VERDICT, "the verdict"},
    {OFFLINE_REASON, "the reason of the verdict"},
    {OFFLINE_TRUSTED_SIGNATURE, "the signature of the trusted state"},
    {OFFLINE_SEEN, "the state that the server showed"},
    {OFFLINE_SEEN_SIGNATURE, "the signature of the state that the server showed"},
    {OFFLINE_TRUSTED_AT, "the time of the trusted state"},
    {OFFLINE_SEEN_AT, "the time of the state that the server showed"},
    {OFFLINE_OTHER_SERVER, "the other identity of the server"},
    {OFFLINE_SUSPECTS, "the transactions in question"},
    {OFFLINE_LINK_HEADER, "the header of the linking transaction"},
    {OFFLINE_LINK_HISTORY, "the history proof of the linking transaction"},
    {OFFLINE_NOTICE, "the notice of a restore"},
};

const char *
offline_type_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].type == type)
			return names[i].name;
	}
	return "a section of unknown type";
}

void
offline_name(const struct offline_section *section, struct offline_fault *out)
{
	out->offset = section->offset;
	if (section->type == OFFLINE_TX_ENTRY)
		snprintf(out->name, sizeof out->name, "entry %u of the transaction",
		    (unsigned)section->number);
	else
		snprintf(out->name, sizeof out->name, "%s", offline_type_name(section->type));
}

static enum im_err
parse_head(struct reader *r, struct bytes file, uint16_t *kind, size_t *sections)
{
	struct bytes start = reader_bytes(r, sizeof magic);
	uint16_t version = reader_be16(r);
	uint32_t sum;

	*kind = reader_be16(r);
	*sections = reader_be32(r);
	sum = reader_be32(r);
	if (!bytes_equal(start, bytes_of(magic, sizeof magic)))
		return err_set(IM_ERR_FORMAT, "not an offline proof: the first bytes are others");
	if (r->failed)
		return err_set(IM_ERR_PROOF, "cut within the head of the file");
	if (sum != crc32c(0, file.data, OFFLINE_HEAD_SIZE - OFFLINE_SUM_SIZE))
		return err_set(IM_ERR_PROOF, "damaged: its checksum does not match");
	if (version != OFFLINE_VERSION)
		return err_set(IM_ERR_VERSION, "written by a newer version: format %u, not %u",
		    (unsigned)version, OFFLINE_VERSION);
	if (*sections == 0 || *sections > OFFLINE_SECTIONS_MAX)
		return err_set(IM_ERR_PROOF, "%zu sections", *sections);
	return IM_OK;
}

/* The head of a section: type, nothing, length. */
static enum im_err
parse_section_head(struct reader *r, struct offline_section *out, uint32_t *len)
{
	const uint8_t *start = r->data + r->pos;
	uint16_t unused;
	uint32_t sum;

	out->offset = r->pos;
	if (reader_left(r) < OFFLINE_SECTION_HEAD_SIZE)
		return err_set(IM_ERR_PROOF, "cut: the head of a section is missing");
	out->type = reader_be16(r);
	unused = reader_be16(r);
	*len = reader_be32(r);
	sum = reader_be32(r);
	if (sum != crc32c(0, start, OFFLINE_SECTION_HEAD_SIZE - OFFLINE_SUM_SIZE))
		return err_set(IM_ERR_PROOF, "damaged: its checksum does not match");
	if (unused != 0)
		return err_set(IM_ERR_PROOF, "an unused field is set");
	return IM_OK;
}

/* The content of a section whose head was right. */
static enum im_err
parse_content(struct reader *r, uint32_t len, struct offline_section *out)
{
	if (reader_left(r) < (size_t)len + OFFLINE_SUM_SIZE)
		return err_set(IM_ERR_PROOF, "cut: %" PRIu32 " bytes should follow", len);
	out->content = reader_bytes(r, len);
	if (reader_be32(r) != crc32c(0, out->content.data, out->content.len))
		return err_set(IM_ERR_PROOF, "damaged: its checksum does not match");
	return IM_OK;
}

static enum im_err
check_order(const struct offline_section *before, struct offline_section *section)
{
	section->number = 1;
	if (!before || section->type > before->type)
		return IM_OK;
	if (section->type != OFFLINE_TX_ENTRY || before->type != OFFLINE_TX_ENTRY)
		return err_set(IM_ERR_PROOF, "out of order, or there twice");
	section->number = (uint16_t)(before->number + 1);
	return IM_OK;
}

static enum im_err
parse_section(struct reader *r, const struct offline_section *before,
    struct offline_section *section, struct offline_fault *fault)
{
	uint32_t len;
	enum im_err err = parse_section_head(r, section, &len);

	if (err) {
		fault->offset = section->offset;
		snprintf(fault->name, sizeof fault->name, "the head of the section behind %s",
		    before ? offline_type_name(before->type) : "the head of the file");
		return err;
	}
	err = check_order(before, section);
	if (!err)
		err = parse_content(r, len, section);
	if (err)
		offline_name(section, fault);
	return err;
}

enum im_err
offline_parse(struct bytes file, struct arena *arena, struct offline_container *out,
    struct offline_fault *fault)
{
	struct reader r = reader_of(file);
	struct offline_section *sections;
	size_t len;
	enum im_err err = parse_head(&r, file, &out->kind, &len);

	*fault = (struct offline_fault){.name = "the head of the file"};
	out->sections = NULL;
	out->len = 0;
	if (err)
		return err;
	sections = arena_calloc(arena, len, sizeof *sections);
	if (!sections)
		return err_set(IM_ERR_NOMEM, "out of memory");
	out->sections = sections;
	for (size_t i = 0; i < len && !err; i++) {
		err = parse_section(&r, i > 0 ? &sections[i - 1] : NULL, &sections[i], fault);
		if (!err)
			out->len++;
	}
	if (err)
		return err;
	*fault = (struct offline_fault){.offset = r.pos};
	if (reader_left(&r) == 0)
		return IM_OK;
	snprintf(fault->name, sizeof fault->name, "what follows the last section");
	return err_set(IM_ERR_PROOF, "%zu bytes too many", reader_left(&r));
}

const struct offline_section *
offline_find(const struct offline_container *container, uint16_t type)
{
	for (size_t i = 0; i < container->len; i++) {
		if (container->sections[i].type == type)
			return &container->sections[i];
	}
	return NULL;
}

void
offline_put_head(struct buf *out, uint16_t kind, size_t sections)
{
	size_t start = out->len;

	buf_append(out, magic, sizeof magic);
	buf_append_be16(out, OFFLINE_VERSION);
	buf_append_be16(out, kind);
	buf_append_be32(out, (uint32_t)sections);
	if (!out->err)
		buf_append_be32(out, crc32c(0, out->data + start, out->len - start));
}

void
offline_put(struct buf *out, uint16_t type, struct bytes content)
{
	size_t start = out->len;

	if (content.len > UINT32_MAX) {
		out->err = out->err ? out->err : IM_ERR_LIMIT;
		return;
	}
	buf_append_be16(out, type);
	buf_append_be16(out, 0);
	buf_append_be32(out, (uint32_t)content.len);
	if (!out->err)
		buf_append_be32(out, crc32c(0, out->data + start, out->len - start));
	buf_append_bytes(out, content);
	buf_append_be32(out, crc32c(0, content.data, content.len));
}
