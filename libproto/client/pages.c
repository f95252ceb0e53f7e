/*
 * Long lists: one page after the other, the next one on its way while the caller looks at this one.
 *
 * Invariants: at most two pages are in memory; each item stands behind the one before it, so that
 * no server can make a walk go round in circles; the request of the next page is made from the last
 * item of this one, never from a count of items that others may have changed (but for histories,
 * where nothing is ever taken out).
 */
#include "client/client.h"
#include "crypto/rawkey.h"

/*
 * Items asked for at a time. A page too large for an answer is asked for again in smaller pieces.
 */
#define PAGE_ITEMS 1000u
#define PAGE_SHRINK 8u

struct walk;

/* How a walk goes over one kind of list. */
struct walk_kind {
	size_t (*count)(const struct immu_result *page);
	/* Appends where item i stands, as bytes that sort as the items do when ascending. */
	enum im_err (*place)(
	    const struct walk *w, const struct immu_result *page, size_t i, struct buf *out);
	/* Gives item i to the caller; false to stop. */
	bool (*give)(const struct walk *w, const struct immu_result *page, size_t i);
	/* Makes the next page begin behind the last item; false when nothing can be there. */
	bool (*go_on)(struct walk *w, const struct immu_result *page);
	uint64_t *(*limit)(struct immu_request *r);
	bool (*is_descending)(const struct immu_request *r);
};

struct walk {
	struct immu *c;
	const struct walk_kind *kind;
	struct immu_request request; /* of the next page */
	uint64_t left;               /* items that the caller still wants */
	uint64_t page_items;
	uint64_t asked; /* items asked for in the request on its way */
	struct waiter waiter;
	struct buf place; /* of the last item seen; empty at first */
	struct buf next_place;
	struct buf seek; /* what the request borrows */
	immu_entry_fn *entry_fn;
	immu_zentry_fn *zentry_fn;
	immu_tx_fn *tx_fn;
	void *arg;
};

/* ---- Keys ---- */

static size_t
count_entries(const struct immu_result *page)
{
	return page->entries_len;
}

/* The key that was scanned, which is not the one whose value it shows when it is a reference. */
static struct immu_bytes
scanned_key(const struct immu_entry *e)
{
	return e->via ? e->via->key : e->key;
}

static enum im_err
place_key(const struct walk *w, const struct immu_result *page, size_t i, struct buf *out)
{
	struct immu_bytes key = scanned_key(&page->entries[i]);

	(void)w;
	/*
	 * An item without a place would stand behind any other one, and so would the same one
	 * again.
	 */
	if (key.len == 0)
		return IM_ERR_PROTOCOL;
	buf_append(out, key.data, key.len);
	return out->err;
}

static bool
give_entry(const struct walk *w, const struct immu_result *page, size_t i)
{
	return w->entry_fn(w->arg, &page->entries[i]);
}

static bool
go_on_key(struct walk *w, const struct immu_result *page)
{
	struct immu_bytes key = scanned_key(&page->entries[page->entries_len - 1]);

	buf_clear(&w->seek);
	buf_append(&w->seek, key.data, key.len);
	w->request.scan.seek = (struct immu_bytes){w->seek.data, w->seek.len};
	w->request.scan.inclusive_seek = false;
	w->request.scan.offset = 0;
	return true;
}

static uint64_t *
limit_scan(struct immu_request *r)
{
	return &r->scan.limit;
}

static bool
descends_scan(const struct immu_request *r)
{
	return r->scan.descending;
}

static const struct walk_kind keys_walk = {
    count_entries, place_key, give_entry, go_on_key, limit_scan, descends_scan};

/* ---- Members of sets ---- */

static size_t
count_zentries(const struct immu_result *page)
{
	return page->zentries_len;
}

static enum im_err
place_member(const struct walk *w, const struct immu_result *page, size_t i, struct buf *out)
{
	const struct immu_zentry *z = &page->zentries[i];
	struct immu_bytes set = w->request.zscan.set;
	struct zset_member member = {
	    bytes_of(set.data, set.len), z->score, bytes_of(z->key.data, z->key.len), z->at_tx};
	struct arena arena;
	struct bytes raw;
	enum im_err err;

	arena_init(&arena, 4 * RAW_KEY_MAX + 4096);
	err = raw_key_make_zadd(&arena, &member, &raw);
	if (!err && buf_append_bytes(out, raw))
		raw_key_to_index(out->data, out->len);
	arena_free(&arena);
	return err ? err : out->err;
}

static bool
give_zentry(const struct walk *w, const struct immu_result *page, size_t i)
{
	return w->zentry_fn(w->arg, &page->zentries[i]);
}

static bool
go_on_member(struct walk *w, const struct immu_result *page)
{
	const struct immu_zentry *z = &page->zentries[page->zentries_len - 1];
	struct immu_zscan *scan = &w->request.zscan;

	buf_clear(&w->seek);
	buf_append(&w->seek, z->key.data, z->key.len);
	scan->seek_key = (struct immu_bytes){w->seek.data, w->seek.len};
	scan->seek_score = z->score;
	scan->seek_at_tx = z->at_tx;
	scan->inclusive_seek = false;
	scan->offset = 0;
	return true;
}

static uint64_t *
limit_zscan(struct immu_request *r)
{
	return &r->zscan.limit;
}

static bool
descends_zscan(const struct immu_request *r)
{
	return r->zscan.descending;
}

static const struct walk_kind members_walk = {
    count_zentries, place_member, give_zentry, go_on_member, limit_zscan, descends_zscan};

/* ---- Versions ---- */

/* The transaction that wrote the version: that of the reference where it is one. */
static enum im_err
place_version(const struct walk *w, const struct immu_result *page, size_t i, struct buf *out)
{
	(void)w;
	buf_append_be64(out, page->entries[i].tx);
	return out->err;
}

static bool
go_on_version(struct walk *w, const struct immu_result *page)
{
	w->request.history.offset += page->entries_len;
	return true;
}

static uint64_t *
limit_history(struct immu_request *r)
{
	return &r->history.limit;
}

static bool
descends_history(const struct immu_request *r)
{
	return r->history.descending;
}

static const struct walk_kind versions_walk = {
    count_entries, place_version, give_entry, go_on_version, limit_history, descends_history};

/* ---- Transactions ---- */

static size_t
count_txs(const struct immu_result *page)
{
	return page->txs_len;
}

static enum im_err
place_tx(const struct walk *w, const struct immu_result *page, size_t i, struct buf *out)
{
	(void)w;
	buf_append_be64(out, page->txs[i].header.id);
	return out->err;
}

static bool
give_tx(const struct walk *w, const struct immu_result *page, size_t i)
{
	return w->tx_fn(w->arg, &page->txs[i]);
}

static bool
go_on_tx(struct walk *w, const struct immu_result *page)
{
	struct immu_tx_scan *scan = &w->request.tx_scan;
	uint64_t last = page->txs[page->txs_len - 1].header.id;

	if (scan->descending ? last <= 1 : last == UINT64_MAX)
		return false;
	scan->initial_tx = scan->descending ? last - 1 : last + 1;
	return true;
}

static uint64_t *
limit_tx_scan(struct immu_request *r)
{
	return &r->tx_scan.limit;
}

static bool
descends_tx_scan(const struct immu_request *r)
{
	return r->tx_scan.descending;
}

static const struct walk_kind txs_walk = {
    count_txs, place_tx, give_tx, go_on_tx, limit_tx_scan, descends_tx_scan};

/* ---- Walking ---- */

static enum im_err
ask(struct walk *w)
{
	w->asked = w->left < w->page_items ? w->left : w->page_items;
	*w->kind->limit(&w->request) = w->asked;
	w->waiter = (struct waiter){0};
	return call_begin(w->c, &w->request, &w->waiter);
}

static bool
is_too_large(enum im_err err)
{
	return err == IM_ERR_MESSAGE_SIZE || err == IM_ERR_LIMIT;
}

/* Waits for the page on its way; asks again for less of it as long as it is too large. */
static enum im_err
take_page(struct walk *w, struct immu_result **page)
{
	enum im_err err = call_await(w->c, &w->waiter, page);

	while (is_too_large(err) && w->asked > 1) {
		w->page_items = w->asked / PAGE_SHRINK > 0 ? w->asked / PAGE_SHRINK : 1;
		err = ask(w);
		if (!err)
			err = call_await(w->c, &w->waiter, page);
	}
	if (!err && w->page_items < PAGE_ITEMS && w->asked == w->page_items)
		w->page_items = 2 * w->page_items < PAGE_ITEMS ? 2 * w->page_items : PAGE_ITEMS;
	return err;
}

/* Whether item i stands behind the last one seen; then it is the last one seen. */
static enum im_err
step(struct walk *w, const struct immu_result *page, size_t i, bool *is_new)
{
	struct buf swap;
	int order;
	enum im_err err;

	buf_clear(&w->next_place);
	err = w->kind->place(w, page, i, &w->next_place);
	if (err)
		return err_set(err, "an item of the list: %s", err_text(err));
	order = bytes_compare(buf_bytes(&w->next_place), buf_bytes(&w->place));
	*is_new =
	    w->place.len == 0 || (w->kind->is_descending(&w->request) ? order < 0 : order > 0);
	if (!*is_new)
		return IM_OK;
	swap = w->place;
	w->place = w->next_place;
	w->next_place = swap;
	return IM_OK;
}

static enum im_err
out_of_order(void)
{
	return err_set(IM_ERR_PROTOCOL, "the server's list does not go on where it ended");
}

/*
 * Gives the items of a page. In a history from its end, versions written meanwhile push others from
 * one page to the next: those are passed over.
 */
static enum im_err
give_page(struct walk *w, const struct immu_result *page, bool *stopped)
{
	size_t len = w->kind->count(page), given = 0;
	bool may_repeat = w->kind == &versions_walk && w->kind->is_descending(&w->request);
	enum im_err err = IM_OK;

	for (size_t i = 0; i < len && !err && !*stopped; i++) {
		bool is_new;

		err = step(w, page, i, &is_new);
		if (!err && !is_new && !may_repeat)
			err = out_of_order();
		if (err || !is_new)
			continue;
		given++;
		w->left -= w->left < UINT64_MAX;
		*stopped = !w->kind->give(w, page, i);
	}
	if (!err && !*stopped && len > 0 && given == 0)
		err = out_of_order();
	return err;
}

/* Whether there may be more behind a page. */
static bool
is_full(const struct walk *w, const struct immu_result *page)
{
	return w->kind->count(page) >= w->asked;
}

/* Ends a request that nobody wants the answer of any more. */
static void
drop_page(struct walk *w)
{
	struct immu_result *page;

	(void)call_await(w->c, &w->waiter, &page);
	immu_result_free(page);
}

/* Handles a page while the next one is on its way; *done when that was the last one. */
static enum im_err
handle_page(struct walk *w, struct immu_result *page, bool *done)
{
	uint64_t len = w->kind->count(page);
	uint64_t left = w->left;
	bool more, stopped = false;
	enum im_err err = IM_OK, ask_err = IM_OK;

	if (len > w->asked)
		return err_set(IM_ERR_PROTOCOL, "the server's list is longer than asked for");
	more = len > 0 && is_full(w, page) && (left == UINT64_MAX || left > len) &&
	    w->kind->go_on(w, page);
	if (more) {
		/* What is asked for now is what will be left when this page is done. */
		w->left -= left < UINT64_MAX ? len : 0;
		ask_err = ask(w);
		w->left = left;
	}
	err = give_page(w, page, &stopped);
	if (more && !ask_err && (err || stopped))
		drop_page(w);
	*done = !more || stopped;
	return err ? err : (stopped ? IM_OK : ask_err);
}

static enum im_err
walk_pages(struct walk *w)
{
	struct immu_result *page = NULL;
	bool done = false, is_first = true;
	enum im_err err = ask(w);

	while (!err && !done) {
		err = take_page(w, &page);
		/* The newest transaction was the last one of a full page. */
		if (err == IM_ERR_TX_NOT_FOUND && !is_first)
			return IM_OK;
		if (!err)
			err = handle_page(w, page, &done);
		immu_result_free(page);
		page = NULL;
		is_first = false;
	}
	return err;
}

/* Walks with the request, functions and arg that are set. */
static enum im_err
walk(struct walk *w, struct immu *c, const struct walk_kind *kind)
{
	uint64_t limit = *kind->limit(&w->request);
	enum im_err err;

	w->c = c;
	w->kind = kind;
	w->left = limit > 0 ? limit : UINT64_MAX;
	w->page_items = PAGE_ITEMS;
	buf_init(&w->place, 2 * RAW_KEY_MAX);
	buf_init(&w->next_place, 2 * RAW_KEY_MAX);
	buf_init(&w->seek, 2 * RAW_KEY_MAX);
	err = walk_pages(w);
	buf_free(&w->seek);
	buf_free(&w->next_place);
	buf_free(&w->place);
	return err;
}

enum im_err
immu_each(struct immu *c, const struct immu_scan *scan, immu_entry_fn *fn, void *arg)
{
	struct walk w = {
	    .request = {.op = IMMU_OP_SCAN, .scan = *scan}, .entry_fn = fn, .arg = arg};

	return walk(&w, c, &keys_walk);
}

enum im_err
immu_each_z(struct immu *c, const struct immu_zscan *scan, immu_zentry_fn *fn, void *arg)
{
	struct walk w = {
	    .request = {.op = IMMU_OP_ZSCAN, .zscan = *scan}, .zentry_fn = fn, .arg = arg};

	return walk(&w, c, &members_walk);
}

enum im_err
immu_each_version(struct immu *c, const struct immu_history *history, immu_entry_fn *fn, void *arg)
{
	struct walk w = {
	    .request = {.op = IMMU_OP_HISTORY, .history = *history}, .entry_fn = fn, .arg = arg};

	return walk(&w, c, &versions_walk);
}

enum im_err
immu_each_tx(struct immu *c, const struct immu_tx_scan *scan, immu_tx_fn *fn, void *arg)
{
	struct walk w = {
	    .request = {.op = IMMU_OP_TX_SCAN, .tx_scan = *scan}, .tx_fn = fn, .arg = arg};

	return walk(&w, c, &txs_walk);
}
