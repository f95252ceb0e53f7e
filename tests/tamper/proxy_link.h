#ifndef TAMPER_PROXY_LINK_H
#define TAMPER_PROXY_LINK_H

#include <poll.h>

#include "proxy_answer.h"
#include "rpc/frame.h"

/*
 * One client's connection through the proxy and the connection to the server that belongs to it.
 * What the client says is passed on as it is; answers that are whole go through the rules.
 */
#define LINK_CALLS_MAX 2048

struct side {
	int fd;
	struct buf in, out;
	size_t in_pos, out_pos;
};

/* A request that is not answered yet. */
struct open_call {
	uint32_t id;
	const struct rpc_method *method;
	bool collecting; /* its large answer, into body */
	struct buf body;
};

struct link {
	struct side client, server;
	uint32_t window; /* of the client's hello: longer answers pass as they are */
	struct open_call calls[LINK_CALLS_MAX];
	size_t calls_len;
	int64_t hold_until_ms; /* nothing is sent to the client before; INT64_MAX: never */
	bool server_is_over;
	bool ends; /* when all has been sent to the client */
	bool is_over;
};

/* Takes over both sockets, which do not block. NULL without memory. */
struct link *link_new(int client_fd, int server_fd);
void link_free(struct link *l);

/* What to wait for: the client's socket, the server's. */
void link_poll(const struct link *l, int64_t now_ms, struct pollfd out[2]);

/* Goes on after poll(); l->is_over tells when it is to be freed. */
void link_run(struct link *l, struct tamper *t, int64_t now_ms, const struct pollfd polled[2]);

#endif
