/*
 * The metrics registry. Neighbours: dispatch and commit path (which update), libproto/http (which
 * shows); metrics_process adds the process's own figures.
 *
 * Invariants: families and series are only ever added, and their pointers are published with
 * release stores after they are complete, so readers and updaters take no lock; the family's lock
 * orders adders; the registry's lock orders renderings, callbacks and the list of families. A
 * histogram's count is the sum of its buckets as read, so the two always agree in what is shown.
 */
#include "util/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "util/text.h"

#define METRIC_MAX_COLLECTORS 16
#define METRIC_MIN_SLOTS 16u
#define METRIC_HASH_START UINT64_C(0xcbf29ce484222325)
#define METRIC_HASH_STEP UINT64_C(0x100000001b3)

struct metric {
	struct metric_family *family;
	struct metric *_Atomic next_slot;   /* chain of the hash slot */
	struct metric *_Atomic next_series; /* in order of creation */
	char *values[METRIC_MAX_LABELS];
	bool is_overflow; /* shared by all series beyond the limit */
	_Atomic bool retired;
	_Atomic uint64_t value; /* counter: a number; gauge: bits of a double */
	_Atomic uint64_t sum;   /* histogram: bits of a double */
	_Atomic uint64_t *buckets;
	double (*read)(void *arg); /* under the registry's lock */
	void *arg;
};

struct metric_family {
	struct metrics *registry;
	struct metric_family *next;
	char *name;
	char *help;
	enum metric_type type;
	char *labels[METRIC_MAX_LABELS];
	size_t label_count;
	double bounds[METRIC_MAX_BUCKETS];
	size_t bound_count;
	pthread_mutex_t lock; /* for adding series */
	size_t series_count;  /* under lock */
	size_t max_series;
	struct metric *_Atomic first;
	struct metric *last;     /* under lock */
	struct metric *overflow; /* under lock */
	size_t slot_count;       /* a power of two */
	struct metric *_Atomic *slots;
};

struct metrics {
	pthread_mutex_t lock; /* recursive: a collector may set callbacks */
	struct metric_family *first, *last;
	struct {
		void (*collect)(void *arg);
		void *arg;
	} collectors[METRIC_MAX_COLLECTORS];
	size_t collector_count;
	void (*render)(void *arg, struct buf *out);
	void *render_arg;
};

const double metric_latency_bounds[] = {
    .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
const size_t metric_latency_bound_count =
    sizeof metric_latency_bounds / sizeof *metric_latency_bounds;

static double
metric_double(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static uint64_t
metric_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

struct metrics *
metrics_new(void)
{
	struct metrics *m = (struct metrics *)calloc(1, sizeof *m);
	pthread_mutexattr_t attr;

	if (!m)
		return NULL;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return m;
}

static void
metric_series_free(struct metric *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
		free(s->values[i]);
	free(s->buckets);
	free(s);
}

static void
metric_family_free(struct metric_family *f)
{
	struct metric *s = f->first, *next;

	for (; s; s = next) {
		next = s->next_series;
		metric_series_free(s);
	}
	for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
		free(f->labels[i]);
	pthread_mutex_destroy(&f->lock);
	free(f->name);
	free(f->help);
	free(f->slots);
	free(f);
}

void
metrics_free(struct metrics *m)
{
	struct metric_family *next;

	if (!m)
		return;
	for (struct metric_family *f = m->first; f; f = next) {
		next = f->next;
		metric_family_free(f);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Whether s is a metric name, or a label name, which may have no colon. */
static bool
metric_name_valid(const char *s, bool colon)
{
	for (size_t i = 0; s[i]; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		    s[i] == '_' || (s[i] == ':' && colon);

		if (!letter && (i == 0 || s[i] < '0' || s[i] > '9'))
			return false;
	}
	return s[0] != '\0';
}

/* A wrong description is a bug of ours. */
static void
metric_desc_check(const struct metric_desc *d)
{
	assert(metric_name_valid(d->name, true) && d->help);
	assert((d->type == METRIC_HISTOGRAM) == (d->bound_count > 0));
	assert(d->bound_count <= METRIC_MAX_BUCKETS);
	for (size_t i = 0; i < METRIC_MAX_LABELS && d->labels[i]; i++)
		assert(metric_name_valid(d->labels[i], false) && strcmp(d->labels[i], "le") != 0);
	for (size_t i = 0; i < d->bound_count; i++)
		assert(isfinite(d->bounds[i]) && (i == 0 || d->bounds[i] > d->bounds[i - 1]));
}

/* Fills a cleared family from its description; false without memory. */
static bool
metric_family_fill(struct metric_family *f, const struct metric_desc *d)
{
	bool ok;

	pthread_mutex_init(&f->lock, NULL);
	f->type = d->type;
	f->max_series = d->max_series ? d->max_series : METRIC_DEFAULT_SERIES;
	for (f->slot_count = METRIC_MIN_SLOTS; f->slot_count < f->max_series;)
		f->slot_count *= 2;
	f->name = strdup(d->name);
	f->help = strdup(d->help);
	f->slots = (struct metric * _Atomic *)calloc(f->slot_count, sizeof *f->slots);
	ok = f->name && f->help && f->slots;
	for (; f->label_count < METRIC_MAX_LABELS && d->labels[f->label_count]; f->label_count++) {
		f->labels[f->label_count] = strdup(d->labels[f->label_count]);
		ok = ok && f->labels[f->label_count];
	}
	f->bound_count = d->bound_count;
	for (size_t i = 0; i < d->bound_count; i++)
		f->bounds[i] = d->bounds[i];
	return ok;
}

struct metric_family *
metrics_family(struct metrics *m, const struct metric_desc *desc)
{
	struct metric_family *f;

	metric_desc_check(desc);
	if (!m)
		return NULL;
	f = (struct metric_family *)calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->registry = m;
	if (!metric_family_fill(f, desc)) {
		metric_family_free(f);
		return NULL;
	}
	pthread_mutex_lock(&m->lock);
	for (struct metric_family *other = m->first; other; other = other->next)
		assert(strcmp(other->name, f->name) != 0);
	if (m->last)
		m->last->next = f;
	else
		m->first = f;
	m->last = f;
	pthread_mutex_unlock(&m->lock);
	return f;
}

/* The length of a label value that is kept: at most the maximum, and no half character. */
static size_t
metric_value_len(const char *v)
{
	size_t len = strnlen(v, METRIC_MAX_LABEL_BYTES + 1);

	if (len <= METRIC_MAX_LABEL_BYTES)
		return len;
	len = METRIC_MAX_LABEL_BYTES;
	while (len && ((unsigned char)v[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static uint64_t
metric_hash(const struct metric_family *f, const char *const *values)
{
	uint64_t h = METRIC_HASH_START;

	for (size_t i = 0; i < f->label_count; i++) {
		size_t len = metric_value_len(values[i]);

		for (size_t k = 0; k < len; k++)
			h = (h ^ (uint8_t)values[i][k]) * METRIC_HASH_STEP;
		h *= METRIC_HASH_STEP;
	}
	return h ^ h >> 32;
}

static bool
metric_has_values(const struct metric *s, const char *const *values)
{
	for (size_t i = 0; i < s->family->label_count; i++) {
		size_t len = metric_value_len(values[i]);

		if (strlen(s->values[i]) != len || memcmp(s->values[i], values[i], len) != 0)
			return false;
	}
	return true;
}

static struct metric *
metric_find(struct metric_family *f, const char *const *values, uint64_t hash)
{
	struct metric *s =
	    atomic_load_explicit(&f->slots[hash & (f->slot_count - 1)], memory_order_acquire);

	while (s && !metric_has_values(s, values))
		s = atomic_load_explicit(&s->next_slot, memory_order_acquire);
	return s;
}

static struct metric *
metric_series_new(struct metric_family *f, const char *const *values)
{
	struct metric *s = (struct metric *)calloc(1, sizeof *s);
	bool ok = true;

	if (!s)
		return NULL;
	s->family = f;
	for (size_t i = 0; i < f->label_count; i++) {
		s->values[i] = strndup(values[i], metric_value_len(values[i]));
		ok = ok && s->values[i];
	}
	if (f->type == METRIC_HISTOGRAM) {
		s->buckets = (_Atomic uint64_t *)calloc(f->bound_count + 1, sizeof *s->buckets);
		ok = ok && s->buckets;
	}
	if (ok)
		return s;
	metric_series_free(s);
	return NULL;
}

/* Appends a complete series to the list that is shown. Under the family's lock. */
static void
metric_publish(struct metric_family *f, struct metric *s)
{
	if (f->last)
		atomic_store_explicit(&f->last->next_series, s, memory_order_release);
	else
		atomic_store_explicit(&f->first, s, memory_order_release);
	f->last = s;
}

/* The series for everything beyond the limit. Under the family's lock. */
static struct metric *
metric_overflow(struct metric_family *f)
{
	static const char *const values[METRIC_MAX_LABELS] = {
	    METRIC_OVERFLOW, METRIC_OVERFLOW, METRIC_OVERFLOW, METRIC_OVERFLOW};

	if (!f->overflow) {
		f->overflow = metric_series_new(f, values);
		if (f->overflow) {
			f->overflow->is_overflow = true;
			metric_publish(f, f->overflow);
		}
	}
	return f->overflow;
}

static struct metric *
metric_insert(struct metric_family *f, const char *const *values, uint64_t hash)
{
	struct metric *_Atomic *slot = &f->slots[hash & (f->slot_count - 1)];
	struct metric *s;

	pthread_mutex_lock(&f->lock);
	s = metric_find(f, values, hash);
	if (!s && f->series_count >= f->max_series) {
		s = metric_overflow(f);
	} else if (!s) {
		s = metric_series_new(f, values);
		if (s) {
			f->series_count++;
			atomic_store(&s->next_slot, atomic_load(slot));
			atomic_store_explicit(slot, s, memory_order_release);
			metric_publish(f, s);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return s;
}

struct metric *
metric_series(struct metric_family *f, const char *const *values)
{
	uint64_t hash;
	struct metric *s;

	if (!f)
		return NULL;
	assert(f->label_count == 0 || values);
	hash = metric_hash(f, values);
	s = metric_find(f, values, hash);
	if (!s)
		s = metric_insert(f, values, hash);
	if (s && atomic_load_explicit(&s->retired, memory_order_relaxed))
		atomic_store(&s->retired, false);
	return s;
}

struct metric *
metric_single(struct metric_family *f)
{
	assert(!f || f->label_count == 0);
	return metric_series(f, NULL);
}

struct metric *
metric_labelled(struct metric_family *f, const char *value)
{
	assert(!f || f->label_count == 1);
	return metric_series(f, &value);
}

void
metric_add(struct metric *s, uint64_t n)
{
	if (!s)
		return;
	assert(s->family->type == METRIC_COUNTER);
	atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}

static void
metric_add_double(_Atomic uint64_t *at, double delta)
{
	uint64_t seen = atomic_load_explicit(at, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(at, &seen,
	    metric_bits(metric_double(seen) + delta), memory_order_relaxed, memory_order_relaxed))
		;
}

void
metric_set(struct metric *s, double v)
{
	if (!s)
		return;
	assert(s->family->type == METRIC_GAUGE);
	atomic_store_explicit(&s->value, metric_bits(v), memory_order_relaxed);
}

void
metric_shift(struct metric *s, double delta)
{
	if (!s)
		return;
	assert(s->family->type == METRIC_GAUGE);
	metric_add_double(&s->value, delta);
}

void
metric_observe(struct metric *s, double v)
{
	size_t i = 0;

	if (!s || isnan(v))
		return;
	assert(s->family->type == METRIC_HISTOGRAM);
	while (i < s->family->bound_count && v > s->family->bounds[i])
		i++;
	atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
	metric_add_double(&s->sum, v);
}

double
metric_value(const struct metric *s)
{
	uint64_t v = 0;
	double read;

	if (!s)
		return 0;
	if (s->family->type == METRIC_HISTOGRAM) {
		for (size_t i = 0; i <= s->family->bound_count; i++)
			v += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
		return (double)v;
	}
	pthread_mutex_lock(&s->family->registry->lock);
	v = atomic_load_explicit(&s->value, memory_order_relaxed);
	read = s->read                          ? s->read(s->arg)
	    : s->family->type == METRIC_COUNTER ? (double)v
						: metric_double(v);
	pthread_mutex_unlock(&s->family->registry->lock);
	return read;
}

void
metric_set_callback(struct metric *s, double (*read)(void *arg), void *arg)
{
	if (!s)
		return;
	assert(s->family->type != METRIC_HISTOGRAM);
	pthread_mutex_lock(&s->family->registry->lock);
	s->read = read;
	s->arg = arg;
	pthread_mutex_unlock(&s->family->registry->lock);
}

void
metric_retire(struct metric *s)
{
	if (!s || s->is_overflow)
		return;
	pthread_mutex_lock(&s->family->registry->lock);
	s->read = NULL;
	s->arg = NULL;
	atomic_store(&s->retired, true);
	atomic_store(&s->value, 0);
	atomic_store(&s->sum, 0);
	for (size_t i = 0; s->buckets && i <= s->family->bound_count; i++)
		atomic_store(&s->buckets[i], 0);
	pthread_mutex_unlock(&s->family->registry->lock);
}

enum im_err
metrics_on_collect(struct metrics *m, void (*collect)(void *arg), void *arg)
{
	enum im_err err = IM_OK;

	pthread_mutex_lock(&m->lock);
	if (m->collector_count == METRIC_MAX_COLLECTORS) {
		err = err_set(IM_ERR_LIMIT, "too many metric collectors");
	} else {
		m->collectors[m->collector_count].collect = collect;
		m->collectors[m->collector_count].arg = arg;
		m->collector_count++;
	}
	pthread_mutex_unlock(&m->lock);
	return err;
}

void
metrics_off_collect(struct metrics *m, void (*collect)(void *arg), void *arg)
{
	size_t kept = 0;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->collector_count; i++)
		if (m->collectors[i].collect != collect || m->collectors[i].arg != arg)
			m->collectors[kept++] = m->collectors[i];
	m->collector_count = kept;
	pthread_mutex_unlock(&m->lock);
}

enum im_err
metrics_on_render(struct metrics *m, void (*render)(void *arg, struct buf *out), void *arg)
{
	enum im_err err = IM_OK;

	pthread_mutex_lock(&m->lock);
	if (m->render) {
		err = err_set(IM_ERR_LIMIT, "metrics are rendered by somebody already");
	} else {
		m->render = render;
		m->render_arg = arg;
	}
	pthread_mutex_unlock(&m->lock);
	return err;
}

void
metrics_append_escaped(struct buf *out, const char *text, bool quote)
{
	struct bytes left = bytes_str(text);
	size_t n;

	for (; left.len; left = bytes_of(left.data + (n ? n : 1), left.len - (n ? n : 1))) {
		n = text_utf8_char(left);
		if (n == 0)
			buf_append_str(out, "\xef\xbf\xbd");
		else if (left.data[0] == '\n')
			buf_append_str(out, "\\n");
		else if (left.data[0] == '\\' || (quote && left.data[0] == '"'))
			buf_printf(out, "\\%c", left.data[0]);
		else
			buf_append(out, left.data, n);
	}
}

/* "name_suffix{labels,le="bound"} "; le is NULL but for buckets. */
static void
metric_append_name(struct buf *out, const struct metric *s, const char *suffix, const char *le)
{
	const struct metric_family *f = s->family;

	buf_append_str(out, f->name);
	buf_append_str(out, suffix);
	for (size_t i = 0; i < f->label_count; i++) {
		buf_printf(out, "%s%s=\"", i ? "," : "{", f->labels[i]);
		metrics_append_escaped(out, s->values[i], true);
		buf_append_u8(out, '"');
	}
	if (le)
		buf_printf(out, "%sle=\"%s\"", f->label_count ? "," : "{", le);
	buf_append_str(out, f->label_count || le ? "} " : " ");
}

static void
metric_append_le(struct buf *out, const struct metric *s, size_t i)
{
	struct buf le;

	buf_init(&le, 64);
	text_append_double(&le, i < s->family->bound_count ? s->family->bounds[i] : INFINITY);
	buf_append_u8(&le, 0);
	metric_append_name(out, s, "_bucket", le.err ? "" : (const char *)le.data);
	if (le.err)
		out->err = le.err;
	buf_free(&le);
}

static void
metric_render_histogram(struct buf *out, const struct metric *s)
{
	uint64_t total = 0;

	for (size_t i = 0; i <= s->family->bound_count; i++) {
		total += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
		metric_append_le(out, s, i);
		buf_printf(out, "%" PRIu64 "\n", total);
	}
	metric_append_name(out, s, "_sum", NULL);
	text_append_double(out, metric_double(atomic_load_explicit(&s->sum, memory_order_relaxed)));
	buf_append_u8(out, '\n');
	metric_append_name(out, s, "_count", NULL);
	buf_printf(out, "%" PRIu64 "\n", total);
}

static void
metric_render_value(struct buf *out, const struct metric *s)
{
	uint64_t v = atomic_load_explicit(&s->value, memory_order_relaxed);

	metric_append_name(out, s, "", NULL);
	if (s->read)
		text_append_double(out, s->read(s->arg));
	else if (s->family->type == METRIC_COUNTER)
		buf_printf(out, "%" PRIu64, v);
	else
		text_append_double(out, metric_double(v));
	buf_append_u8(out, '\n');
}

static void
metric_render_family(struct buf *out, struct metric_family *f)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	struct metric *s = atomic_load_explicit(&f->first, memory_order_acquire);

	buf_printf(out, "# HELP %s ", f->name);
	metrics_append_escaped(out, f->help, false);
	buf_printf(out, "\n# TYPE %s %s\n", f->name, types[f->type]);
	for (; s; s = atomic_load_explicit(&s->next_series, memory_order_acquire)) {
		if (atomic_load(&s->retired))
			continue;
		if (f->type == METRIC_HISTOGRAM)
			metric_render_histogram(out, s);
		else
			metric_render_value(out, s);
	}
}

enum im_err
metrics_render(struct metrics *m, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->collector_count; i++)
		m->collectors[i].collect(m->collectors[i].arg);
	for (struct metric_family *f = m->first; f; f = f->next)
		metric_render_family(out, f);
	if (m->render)
		m->render(m->render_arg, out);
	pthread_mutex_unlock(&m->lock);
	return out->err;
}
