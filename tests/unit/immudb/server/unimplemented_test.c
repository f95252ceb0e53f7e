/* Request fields that are not implemented: refused when set, at any depth; nothing else is. */
#include "server/unimplemented.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE(name, NAME) Immudb__Schema__##name name = IMMUDB__SCHEMA__##NAME##__INIT

/* Whether a message, or one inside it, has such a field. */
static bool
has_field(const ProtobufCMessageDescriptor *d, const struct unimplemented_field *row)
{
	unsigned i;

	if (strcmp(d->short_name, row->message) == 0 &&
	    protobuf_c_message_descriptor_get_field_by_name(d, row->field))
		return true;
	for (i = 0; i < d->n_fields; i++)
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
		    has_field(d->fields[i].descriptor, row))
			return true;
	return false;
}

static void
fields_exist(void **state)
{
	char name[64];
	size_t i, j;
	bool found;

	(void)state;
	for (i = 0; i < unimplemented_field_count; i++) {
		found = false;
		for (j = 0; j < RPC_METHOD_COUNT; j++)
			found |= has_field(rpc_methods[j].request, &unimplemented_fields[i]);
		snprintf(name, sizeof name, "%s.%s", unimplemented_fields[i].message,
		    unimplemented_fields[i].field);
		if (!found)
			fail_msg("no method takes %s", name);
	}
}

/* The empty message of every method passes. */
static void
defaults_pass(void **state)
{
	union {
		ProtobufCMessage base;
		uint8_t room[512];
	} message;
	size_t i;

	(void)state;
	for (i = 0; i < RPC_METHOD_COUNT; i++) {
		assert_true(rpc_methods[i].request->sizeof_message <= sizeof message);
		protobuf_c_message_init(rpc_methods[i].request, &message);
		assert_int_equal(unimplemented_check(&message.base), IM_OK);
	}
}

static void
implemented_fields_pass(void **state)
{
	MESSAGE(KeyRequest, KEY_REQUEST);
	MESSAGE(KeyValue, KEY_VALUE);
	MESSAGE(KVMetadata, KVMETADATA);
	MESSAGE(SetRequest, SET_REQUEST);
	MESSAGE(Precondition, PRECONDITION);
	Immudb__Schema__Precondition *preconditions[1] = {&Precondition};
	Immudb__Schema__KeyValue *kvs[2] = {&KeyValue, &KeyValue};

	(void)state;
	KeyRequest.attx = 1;
	KeyRequest.nowait = 1;
	KeyRequest.atrevision = -1;
	assert_int_equal(unimplemented_check(&KeyRequest.base), IM_OK);
	KVMetadata.deleted = 1;
	KeyValue.metadata = &KVMetadata;
	SetRequest.n_kvs = 2;
	SetRequest.kvs = kvs;
	SetRequest.n_preconditions = 1;
	SetRequest.preconditions = preconditions;
	assert_int_equal(unimplemented_check(&SetRequest.base), IM_OK);
}

static void
set_fields_are_refused(void **state)
{
	MESSAGE(ExportTxRequest, EXPORT_TX_REQUEST);
	MESSAGE(ReplicaState, REPLICA_STATE);

	(void)state;
	ExportTxRequest.skipintegritycheck = 1;
	assert_int_equal(unimplemented_check(&ExportTxRequest.base), IM_ERR_UNIMPLEMENTED);
	assert_string_equal(err_detail(IM_ERR_UNIMPLEMENTED),
	    "not implemented: ExportTxRequest.skipIntegrityCheck");
	ExportTxRequest.skipintegritycheck = 0;
	assert_int_equal(unimplemented_check(&ExportTxRequest.base), IM_OK);
	ExportTxRequest.replicastate = &ReplicaState;
	assert_int_equal(unimplemented_check(&ExportTxRequest.base), IM_ERR_UNIMPLEMENTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_exist),
	    cmocka_unit_test(defaults_pass),
	    cmocka_unit_test(implemented_fields_pass),
	    cmocka_unit_test(set_fields_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
