#ifndef RPC_METHOD_H
#define RPC_METHOD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/immudb.pb-c.h"

/*
 * What may be asked of a server, as data: methods.def is the table, this is how programs read it.
 * Everything here is constant and may be used from any thread.
 */

/* Permissions on a database; the numbers are stored and travel on the wire. */
enum rpc_permission {
	RPC_PERMISSION_NONE = 0,
	RPC_PERMISSION_READ = 1,
	RPC_PERMISSION_READ_WRITE = 2,
	RPC_PERMISSION_ADMIN = 254,
	RPC_PERMISSION_SYSADMIN = 255
};

enum rpc_method_flag {
	RPC_NO_LOGIN = 1,       /* allowed without a session */
	RPC_MAINTENANCE = 2,    /* allowed in maintenance mode */
	RPC_NEEDS_DATABASE = 4, /* runs on the database that the session has selected */
	RPC_WRITES = 8, /* changes data: answered in commit order per session and connection */
	RPC_STREAM = 16 /* the answer is a stream of messages, not one body */
};

/* The ids on the wire: RPC_METHOD_Get and so on. */
enum rpc_method_id {
#define X(id, Name, Request, request, Answer, answer, permission, flags) RPC_METHOD_##Name = id,
#include "rpc/methods.def"
#undef X
};

/* Places in a dense array, for tables of handlers and counters: RPC_INDEX_Get and so on. */
enum rpc_method_index {
#define X(id, Name, Request, request, Answer, answer, permission, flags) RPC_INDEX_##Name,
#include "rpc/methods.def"
#undef X
	RPC_METHOD_COUNT
};

struct rpc_method {
	uint16_t id;
	uint16_t index; /* enum rpc_method_index */
	const char *name;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *answer;
	uint8_t permission; /* enum rpc_permission */
	uint8_t flags;      /* enum rpc_method_flag, or-ed */
};

/* All methods, by rpc_method_index. */
extern const struct rpc_method rpc_methods[RPC_METHOD_COUNT];

/* The method of that id, or NULL when there is none. */
const struct rpc_method *rpc_method_find(uint16_t id);

/* The method of that name (exact case), or NULL. */
const struct rpc_method *rpc_method_find_name(const char *name);

#endif
