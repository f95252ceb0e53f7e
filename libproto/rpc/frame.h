#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include <stdbool.h>

#include "util/bytes.h"

/*
 * The frames of PROTOCOL.md as pure functions: what is on the wire, in one place, both ways. All
 * integers are big-endian. Readers take untrusted bytes; they return views into them.
 */

#define FRAME_HEADER_BYTES 10
/* Payload of one frame, once the connection has logged in, and before. */
#define FRAME_PAYLOAD_MAX 65536u
#define FRAME_PAYLOAD_MAX_BEFORE_LOGIN 16384u
/* In front of a request's body: method, timeout, token length, token, total length. */
#define FRAME_REQUEST_HEAD_MAX (2 + 4 + 1 + 255 + 4)
#define FRAME_SESSION_MAX 255u
/* Text of errors and hellos; longer ones are cut by the sender and refused by the reader. */
#define FRAME_TEXT_MAX 4096u

#define FRAME_VERSION 1
#define FRAME_MAGIC "immudb\r\n"
#define FRAME_MAGIC_BYTES 8

enum frame_kind {
	FRAME_HELLO = 1,
	FRAME_REQUEST = 2,
	FRAME_ANSWER = 3,
	FRAME_ERROR = 4,
	FRAME_DATA = 5,
	FRAME_END = 6,
	FRAME_CREDIT = 7,
	FRAME_CANCEL = 8,
	FRAME_GOAWAY = 9
};

/* Of REQUEST and ANSWER: the body follows in DATA frames, closed by END. */
#define FRAME_FLAG_MORE 1
/* Of ANSWER: a stream follows in DATA frames, closed by END. */
#define FRAME_FLAG_STREAM 2

struct frame {
	uint8_t kind; /* enum frame_kind */
	uint8_t flags;
	uint32_t id;
	struct bytes payload;
};

/*
 * The frame at the start of in. IM_OK and *size, all its bytes; IM_ERR_WOULD_BLOCK when it is not
 * complete, *size then being what it will take (0 while even that is unknown); IM_ERR_PROTOCOL for
 * what can never become a frame: unknown kind or flag, an id where none belongs or the reverse, a
 * payload over payload_max.
 */
enum im_err frame_next(struct bytes in, size_t payload_max, struct frame *f, size_t *size);

/* Writes the header of a frame with that many payload bytes. */
void frame_put_header(
    uint8_t head[FRAME_HEADER_BYTES], uint8_t kind, uint8_t flags, uint32_t id, size_t len);

/* First frame of a client. */
struct frame_client_hello {
	uint16_t version_low, version_high; /* versions it speaks */
	uint32_t max_message_bytes;         /* largest answer body it takes */
	uint32_t window;                    /* credit of each answer at the start */
	struct bytes name;                  /* who it is, for the log */
	bool for_others;                    /* it passes on what clients elsewhere ask */
};

/* First frame of a server. */
struct frame_server_hello {
	uint16_t version;           /* the one used from now on */
	uint32_t max_message_bytes; /* largest request body it takes */
	uint32_t window;            /* credit of each request at the start */
	uint32_t frame_max_before_login, frame_max;
	uint32_t max_outstanding; /* unanswered requests of a connection */
	struct bytes version_text, server_id, default_database;
};

struct frame_request {
	uint16_t method;
	uint32_t timeout_ms; /* 0 for none */
	struct bytes session;
	uint32_t total;    /* bytes of the whole body */
	struct bytes body; /* what of it is in this frame */
};

struct frame_error {
	uint16_t status; /* enum im_status */
	struct bytes text;
	struct bytes detail; /* for later; may be empty */
};

/* Append a whole frame; false and b->err set on failure. */
bool frame_put_client_hello(struct buf *b, const struct frame_client_hello *h);
bool frame_put_server_hello(struct buf *b, const struct frame_server_hello *h);
/* A request whose body (of total bytes) the caller appends: body_len bytes of it in this frame. */
bool frame_put_request(
    struct buf *b, uint32_t id, bool more, const struct frame_request *r, size_t body_len);
/* The head of an answer, likewise. */
bool frame_put_answer(struct buf *b, uint32_t id, bool more, uint32_t total, size_t body_len);
/* An answer that is a stream. */
bool frame_put_stream(struct buf *b, uint32_t id);
bool frame_put_error(struct buf *b, uint32_t id, uint16_t status, struct bytes text);
bool frame_put_data(struct buf *b, uint32_t id, struct bytes data);
bool frame_put_credit(struct buf *b, uint32_t id, uint32_t bytes);
bool frame_put_empty(struct buf *b, uint8_t kind, uint32_t id); /* END, CANCEL */
bool frame_put_goaway(struct buf *b, struct bytes text);

/* Read the payload of a frame of that kind. IM_ERR_PROTOCOL; the detail says what is wrong. */
enum im_err frame_read_client_hello(const struct frame *f, struct frame_client_hello *h);
enum im_err frame_read_server_hello(const struct frame *f, struct frame_server_hello *h);
enum im_err frame_read_request(const struct frame *f, struct frame_request *r);
enum im_err frame_read_stream(const struct frame *f);
enum im_err frame_read_answer(const struct frame *f, uint32_t *total, struct bytes *body);
enum im_err frame_read_error(const struct frame *f, struct frame_error *e);
enum im_err frame_read_credit(const struct frame *f, uint32_t *bytes);
enum im_err frame_read_goaway(const struct frame *f, struct bytes *text);

#endif
