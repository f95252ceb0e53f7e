#ifndef HOSTILE_PEER_H
#define HOSTILE_PEER_H

#include "rpc/frame.h"
#include "rpc/method.h"
#include "target.h"
#include "util/bytes.h"

/*
 * One connection to the server on a plain socket, so that anything can be sent on it. What is said
 * here for a peer holds for one thread; peers are independent.
 */
#define PEER_WAIT_MS 120000

struct peer {
	int fd;
	struct buf in;
	size_t pos;   /* of in, taken */
	size_t taken; /* the frame that was last given out ends here */
	uint32_t last_id;
};

enum peer_event { PEER_FRAME, PEER_CLOSED, PEER_LATE };

/* Where connections come from: 127.0.0.0/8 has many addresses. */
#define PEER_HOME 1u

/* Connects from 127.0.x.y, where host is x * 256 + y; blocks. The socket, or -1. */
int peer_connect(const struct target *t, unsigned host);

/* Closes a socket with a reset. */
void peer_reset_fd(int fd);

/* Sends all of it, waiting for room at most PEER_WAIT_MS. */
bool peer_send_fd(int fd, struct bytes b);

/* Connects; false with a message when that fails. End with peer_close(). */
bool peer_open(struct peer *p, const struct target *t, unsigned host);
void peer_close(struct peer *p);
bool peer_send(struct peer *p, const struct buf *b);

/* The next frame of the server, valid until the next call; waits at most timeout_ms. */
enum peer_event peer_next(struct peer *p, struct frame *f, int timeout_ms);

/* Opens and exchanges hellos; the window is wide, or so many bytes. */
bool peer_greet(struct peer *p, const struct target *t, unsigned host);
bool peer_greet_with(struct peer *p, const struct target *t, unsigned host, uint32_t window);

/*
 * Calls and waits for the one answer: 0 and its body, the status of the error (its text in body),
 * or -1 when the connection ended or the answer is late. Large answers are put together.
 */
int peer_call(struct peer *p, const struct frame_request *r, struct buf *body);

/* Logs in. 0 and the token, else as peer_call(). */
#define TOKEN_MAX 64
int peer_login(struct peer *p, const char *user, const char *password, char token[TOKEN_MAX]);

/* ---- What to send. ---- */

void put_hello(struct buf *b, uint32_t window);
/* A whole request. */
void put_request(struct buf *b, uint32_t id, const struct frame_request *r);
/* A field of a protobuf message: bytes or a string. */
void put_field(struct buf *b, unsigned number, struct bytes value);
/* Bodies: SetRequest with one pair, KeyRequest, LoginRequest. */
void body_set(struct buf *b, struct bytes key, struct bytes value);
void body_key(struct buf *b, struct bytes key);
void body_login(struct buf *b, const char *user, const char *password);

#endif
