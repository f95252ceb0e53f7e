#ifndef SERVER_WALKS_H
#define SERVER_WALKS_H

#include "server/entries.h"

/*
 * Walks over keys, members of a sorted set and versions of a key, as the requests for them say. The
 * handlers of Scan, ZScan and History take a page of one, those of the streams take all of it.
 * Always in the read pool.
 */

/* So many entries may be passed over before looking whether the answer is still wanted. */
#define WALK_SLICE 1024u

/* Zero is a walk that is over, and needs no walk_close(). */
struct walk {
	struct store_cursor *cursor; /* NULL: nothing is there */
	uint64_t as_of;
	uint64_t passed; /* entries read from the cursor */
};

/*
 * Starts walks for a request and leaves out its offset: the limit is the caller's business. The
 * errors are those of what the request says. End with walk_close(), after an error too.
 */
enum im_err scan_open(struct call *c, const Immudb__Schema__ScanRequest *in, struct walk *w);
enum im_err zscan_open(struct call *c, const Immudb__Schema__ZScanRequest *in, struct walk *w);
enum im_err history_open(struct call *c, const Immudb__Schema__HistoryRequest *in, struct walk *w);

/*
 * The next entry, in the arena of the call. IM_ERR_NOT_FOUND at the end, IM_ERR_CANCELLED when
 * nobody wants it any more. Keys and members that lead nowhere are passed over; versions never are.
 */
enum im_err scan_next(struct call *c, struct walk *w, Immudb__Schema__Entry **out);
enum im_err zscan_next(struct call *c, struct walk *w, Immudb__Schema__ZEntry **out);
enum im_err history_next(struct call *c, struct walk *w, Immudb__Schema__Entry **out);

/* For the walks above: over a range, over raw entries. */
enum im_err
walk_open(struct call *c, const struct store_range *range, uint64_t offset, struct walk *w);
enum im_err walk_next_raw(struct call *c, struct walk *w, struct store_value *raw);

void walk_close(struct walk *w);

/* One of the functions above that give an entry. */
typedef enum im_err walk_next_fn(struct call *c, struct walk *w, Immudb__Schema__Entry **out);

/*
 * A page: at most limit entries, to the end of the walk, into out. IM_ERR_NOMEM,
 * IM_ERR_MESSAGE_SIZE as entries_room(), and those of next besides the end.
 */
enum im_err walk_page(
    struct call *c, struct walk *w, walk_next_fn *next, size_t limit, Immudb__Schema__Entries *out);

#endif
