/*
 * The method table as an array, and the ways to find a row.
 *
 * Invariants: rows stand in the order of methods.def; ids are unique (a test checks it).
 */
#include "rpc/method.h"

#include <string.h>

const struct rpc_method rpc_methods[RPC_METHOD_COUNT] = {
#define X(id_, Name, Request, request_, Answer, answer_, permission_, flags_) \
	[RPC_INDEX_##Name] = {.id = id_, \
	    .index = RPC_INDEX_##Name, \
	    .name = #Name, \
	    .request = &immudb__schema__##request_##__descriptor, \
	    .answer = &immudb__schema__##answer_##__descriptor, \
	    .permission = permission_, \
	    .flags = flags_},
#include "rpc/methods.def"
#undef X
};

const struct rpc_method *
rpc_method_find(uint16_t id)
{
	switch (id) {
#define X(id_, Name, Request, request, Answer, answer, permission, flags) \
	case id_: \
		return &rpc_methods[RPC_INDEX_##Name];
#include "rpc/methods.def"
#undef X
	default:
		return NULL;
	}
}

const struct rpc_method *
rpc_method_find_name(const char *name)
{
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++)
		if (strcmp(rpc_methods[i].name, name) == 0)
			return &rpc_methods[i];
	return NULL;
}
