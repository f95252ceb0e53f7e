/*
 * The table of request fields that are not implemented, and the walk over a message that finds
 * them. dispatch.c calls it for every request. Whoever implements a field takes its row out.
 *
 * Invariant: every row names a field of immudb.proto; the unit test checks it.
 */
#include "server/unimplemented.h"

#include <stdbool.h>
#include <string.h>

/* The wire format allows deeper nesting than any message of ours has. */
#define UNIMPLEMENTED_DEPTH_MAX 16

const struct unimplemented_field unimplemented_fields[] = {
    {"Chunk", "metadata"},
    {"DatabaseNullableSettings", "ahtSettings"},
    {"DatabaseNullableSettings", "autoload"},
    {"DatabaseNullableSettings", "commitLogMaxOpenedFiles"},
    {"DatabaseNullableSettings", "embeddedValues"},
    {"DatabaseNullableSettings", "excludeCommitTime"},
    {"DatabaseNullableSettings", "fileSize"},
    {"DatabaseNullableSettings", "indexSettings"},
    {"DatabaseNullableSettings", "maxActiveTransactions"},
    {"DatabaseNullableSettings", "maxConcurrency"},
    {"DatabaseNullableSettings", "maxIOConcurrency"},
    {"DatabaseNullableSettings", "maxKeyLen"},
    {"DatabaseNullableSettings", "maxTxEntries"},
    {"DatabaseNullableSettings", "maxValueLen"},
    {"DatabaseNullableSettings", "mvccReadSetLimit"},
    {"DatabaseNullableSettings", "preallocFiles"},
    {"DatabaseNullableSettings", "readTxPoolSize"},
    {"DatabaseNullableSettings", "replicationSettings"},
    {"DatabaseNullableSettings", "truncationSettings"},
    {"DatabaseNullableSettings", "txLogCacheSize"},
    {"DatabaseNullableSettings", "txLogMaxOpenedFiles"},
    {"DatabaseNullableSettings", "vLogCacheSize"},
    {"DatabaseNullableSettings", "vLogMaxOpenedFiles"},
    {"DatabaseNullableSettings", "writeBufferSize"},
    {"ExportTxRequest", "allowPreCommitted"},
    {"ExportTxRequest", "replicaState"},
    {"ExportTxRequest", "skipIntegrityCheck"},
    {"FlushIndexRequest", "cleanupPercentage"},
};

const size_t unimplemented_field_count = sizeof unimplemented_fields / sizeof *unimplemented_fields;

static bool
unimplemented_listed(const ProtobufCMessageDescriptor *message, const char *field)
{
	size_t i;

	for (i = 0; i < unimplemented_field_count; i++)
		if (strcmp(unimplemented_fields[i].message, message->short_name) == 0 &&
		    strcmp(unimplemented_fields[i].field, field) == 0)
			return true;
	return false;
}

/* Whether a singular member that is not a message, text or bytes differs from zero. */
static bool
unimplemented_number_set(const ProtobufCFieldDescriptor *field, const void *member)
{
	static const uint8_t zero[8];

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return memcmp(member, zero, 8) != 0;
	default:
		return memcmp(member, zero, 4) != 0;
	}
}

/* How many values a repeated field has; of any other one, whether it has a value. */
static size_t
unimplemented_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const void *member = (const uint8_t *)message + field->offset;
	const void *quantifier = (const uint8_t *)message + field->quantifier_offset;
	const char *const *text = member;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == field->id ? 1 : 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return *text && **text;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(const ProtobufCMessage *const *)member != NULL;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)member)->len > 0;
	default:
		return unimplemented_number_set(field, member);
	}
}

static enum im_err
unimplemented_walk(const ProtobufCMessage *message, unsigned depth)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	enum im_err err = IM_OK;
	size_t count, j;
	unsigned i;

	if (depth > UNIMPLEMENTED_DEPTH_MAX)
		return err_set(IM_ERR_FORMAT, "message is nested too deep");
	for (i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &d->fields[i];
		const void *member = (const uint8_t *)message + field->offset;
		const ProtobufCMessage *const *items = member;

		count = unimplemented_count(message, field);
		if (count && unimplemented_listed(d, field->name))
			return err_set(IM_ERR_UNIMPLEMENTED, "not implemented: %s.%s",
			    d->short_name, field->name);
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			items = *(const ProtobufCMessage *const *const *)member;
		for (j = 0; j < count && err == IM_OK; j++)
			err = unimplemented_walk(items[j], depth + 1);
		if (err != IM_OK)
			return err;
	}
	return IM_OK;
}

enum im_err
unimplemented_check(const ProtobufCMessage *message)
{
	return unimplemented_walk(message, 0);
}
