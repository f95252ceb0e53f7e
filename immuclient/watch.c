/* "immuclient watch": what is written to keys with a prefix, as it is written. */
#include <poll.h>

#include "cli/session.h"
#include "cli/show.h"
#include "commands.h"
#include "input.h"
#include "interrupt.h"

/* Signals are seen at least this often. */
#define NAP_MS 100

struct watch {
	struct session *s;
	struct bytes prefix;
	uint64_t next; /* the first transaction that was not looked at */
};

/* A member of a sorted set is written about its key. */
static void
watch_entry(struct watch *w, const struct immu_tx_view *tx, const struct immu_tx_entry *e)
{
	struct output *o = w->s->out;

	if (e->kind == IMMU_KIND_OTHER || !bytes_has_prefix(show_bytes(e->key), w->prefix))
		return;
	if (options_bool(w->s->options, "value-only")) {
		output_value(o, show_bytes(e->value));
		return;
	}
	output_label_width(o, 0);
	if (output_format(o) == OUTPUT_TEXT)
		output_message(o, "tx %llu:", (unsigned long long)tx->header.id);
	show_tx_entry(o, e);
	if (output_format(o) == OUTPUT_TEXT)
		output_message(o, "%s", "");
}

static bool
watch_tx(void *arg, const struct immu_tx_view *tx)
{
	struct watch *w = (struct watch *)arg;

	for (size_t i = 0; i < tx->tx_entries_len; i++)
		watch_entry(w, tx, &tx->tx_entries[i]);
	w->next = tx->header.id + 1;
	return interrupt_count() == 0 && !output_is_broken(w->s->out);
}

/* Shows all transactions from w->next on. */
static enum im_err
watch_news(struct watch *w)
{
	struct immu_tx_scan scan = {.initial_tx = w->next,
	    .spec = {true, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE, IMMU_SHOW_NONE}};
	struct immu_result *state;
	enum im_err err = immu_current_state(w->s->c, &state);
	bool has_news = !err && state->state.tx >= w->next;

	immu_result_free(state);
	if (has_news)
		err = immu_each_tx(w->s->c, &scan, watch_tx, w);
	return err ? err : output_flush(w->s->out);
}

static void
watch_pause(const struct watch *w)
{
	int64_t left_ms = options_duration_ms(w->s->options, "interval");

	for (; left_ms > 0 && interrupt_count() == 0; left_ms -= NAP_MS)
		(void)poll(NULL, 0, left_ms < NAP_MS ? (int)left_ms : NAP_MS);
}

static enum im_err
watch_begin(struct watch *w)
{
	uint64_t from = (uint64_t)options_int(w->s->options, "from-tx");
	struct immu_bytes prefix = {"", 0};
	struct immu_result *state;
	enum im_err err = IM_OK;

	if (w->s->call->arg_count > 0)
		err = input_key(w->s, w->s->call->args[0], &prefix);
	w->prefix = show_bytes(prefix);
	w->next = from;
	if (err || from > 0)
		return err;
	err = immu_current_state(w->s->c, &state);
	if (!err)
		w->next = state->state.tx + 1;
	immu_result_free(state);
	return err;
}

static enum im_err
watch(struct session *s)
{
	struct watch w = {.s = s};
	enum im_err err = watch_begin(&w);

	interrupt_catch();
	s->may_login_again = s->may_login_again && err;
	while (!err && interrupt_count() == 0 && !output_is_broken(s->out)) {
		err = watch_news(&w);
		if (!err)
			watch_pause(&w);
	}
	if (!err && interrupt_count() > 0)
		err = err_set(IM_ERR_INTERRUPTED, "interrupted");
	if (!s->link->is_shell)
		interrupt_release();
	return err;
}

int
command_watch(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, watch);
}
