#ifndef TORTURE_SERVER_H
#define TORTURE_SERVER_H

#include "client/immu.h"
#include "scratch.h"
#include "torture_run.h"

/*
 * A real server of the torture tests, with or without the preloaded library, and a session with it
 * through the client library in this process. One thread.
 */

#define SERVER_PATH_MAX (SCRATCH_PATH_MAX + 32)

struct torture_server {
	const char *immudb;         /* the program */
	const char *key;            /* file of the key that signs states; NULL: none */
	const char *pub_key;        /* and of the one that clients check them with */
	char dir[SCRATCH_PATH_MAX]; /* of the test */
	char data[SERVER_PATH_MAX];
	char socket[SERVER_PATH_MAX];
	char states[SERVER_PATH_MAX]; /* of the clients */
	char out[SERVER_PATH_MAX];
	char err[SERVER_PATH_MAX];
	pid_t pid;
	int status; /* how it ended while it was waited for */
};

/* Names in a new folder; nothing is started. False when there is no folder. */
bool server_prepare(struct torture_server *s, const char *immudb);
/* Removes the folder. */
void server_clean(struct torture_server *s);
/* Forgets what is stored. */
void server_forget(struct torture_server *s);

/* Starts it with a page (-1: none); true when clients can connect, false when it ended: status. */
bool server_start(struct torture_server *s, int page_fd);
/* SIGTERM; its exit status, or minus the signal that ended it, or TORTURE_HUNG. */
int server_stop(struct torture_server *s);
/* Sockets that the running server has open. */
unsigned server_sockets(const struct torture_server *s);
/* Lines of a file that begin with text. */
unsigned lines_with(const char *path, const char *text);

/* Connects as a client of its own, which waits so long for the server. */
enum im_err server_connect(const struct torture_server *s, unsigned timeout_ms, struct immu **out);

#endif
