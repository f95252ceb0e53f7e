#ifndef RPC_LINK_TLS_H
#define RPC_LINK_TLS_H

#include "rpc/link.h"
#include "tls/tls.h"

/*
 * The cipher of a link (internal to rpc/): between the plaintext that link.c gathers and cuts into
 * frames, and the bytes on its stream. A link without one has l->tls NULL; these functions are for
 * links with one unless they say otherwise.
 */

/* Encrypted at once, and so much is held encrypted until it is written. */
#define LINK_TLS_SEAL_BYTES ((size_t)128 * 1024)
/* For reading while a connection is quiet. */
#define LINK_TLS_SMALL_BYTES 1024u

struct link_tls {
	/* Under lock, which is taken after the link's: both chains use it at the same time. */
	pthread_mutex_t lock;
	struct tls_conn *conn;

	/* Of the write chain. */
	struct buf wire; /* being written */
	size_t sealed;   /* of the link's wire: in here, or written */

	/* Of the read chain. */
	uint8_t *in; /* small, or allocated */
	size_t in_cap;
	struct bytes pending; /* of in: not decrypted yet */
	bool begun;           /* something has come */
	bool filled;          /* all of in at once */
	bool opened;          /* the handshake is complete */
	bool ended;           /* the peer has said that nothing more will come */
	uint8_t small[LINK_TLS_SMALL_BYTES];

	/* Under the link's lock. */
	bool open;    /* plaintext may be sent */
	bool broken;  /* no more */
	bool replies; /* the conn has something to say of its own */
	bool bye;     /* close-notify has been said, or will be with what is being written */
};

/* A cipher, to be set as tls of a link before it starts; name and errors as of tls_conn_new(). */
enum im_err link_tls_new(struct tls_context *context, const char *name, struct link_tls **out);
/* With the link's memory, by link_unref(). NULL is fine. */
void link_tls_free(struct link_tls *t);

/* ---- Of the read chain. ---- */

/* A client begins to speak. */
enum im_err link_tls_start(struct link *l);
/* Where to read to. */
nng_iov link_tls_room(const struct link *l);
/* So many bytes have come there. */
void link_tls_take(struct link *l, size_t n);
/*
 * Decrypts what has come into what room there is behind in_len. IM_ERR_TLS, IM_ERR_NOMEM; the
 * detail says what the peer did. *told: something has changed that link_tls_tell() is to be called
 * for.
 */
enum im_err link_tls_open(struct link *l, bool *told);
/*
 * Locked: notes what link_tls_open() has brought about, so that the write chain can be claimed for
 * it.
 */
void link_tls_tell(struct link *l, bool broken);
/* Something is left to be decrypted. */
bool link_tls_has_more(struct link *l);
/* A record has begun and is not complete. */
bool link_tls_is_mid_record(struct link *l);
/* Bigger buffers, false without memory; or the smallest. */
bool link_tls_grow(struct link *l, size_t size);
void link_tls_shrink(struct link *l);
/* The stream has ended. IM_ERR_TLS when that was not the time for it. */
enum im_err link_tls_end(struct link *l);

/* ---- Locked. ---- */

/* Whether plaintext may be sent. */
bool link_tls_is_open(const struct link *l);
/* Whether there is something to send besides plaintext. */
bool link_tls_wants(const struct link *l);
/* The write chain is claimed: for all that there is. */
void link_tls_claim(struct link *l);
/* Nothing is being written: gives back buffers of more than keep bytes. */
void link_tls_trim(struct link *l, size_t keep);

/* ---- Of the write chain. ---- */

/*
 * Encrypts the next part of the link's wire and what there is to say besides, into wire. False when
 * there is nothing; *failed when it could not be done.
 */
bool link_tls_seal(struct link *l, bool *failed);

#endif
