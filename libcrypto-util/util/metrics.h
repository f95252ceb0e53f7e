#ifndef UTIL_METRICS_H
#define UTIL_METRICS_H

#include "util/bytes.h"

/*
 * A registry of counters, gauges and histograms, shown in the Prometheus text format (0.0.4)
 * and as JSON.
 *
 * A family has a name, a help text, a type and label names; a series is one set of label values.
 * Updating a series takes no lock, and looking one up takes none once it exists; callers on hot
 * paths keep the pointer. Series live as long as the registry. All functions are safe from any
 * thread, except metrics_free().
 */
struct metrics;
struct metric_family;
struct metric;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_MAX_LABELS 4
#define METRIC_MAX_BUCKETS 32
/* Series a family may have unless its description says otherwise. */
#define METRIC_DEFAULT_SERIES 1000
/* Label values are cut to this many bytes. */
#define METRIC_MAX_LABEL_BYTES 256
/*
 * Every label of the series that takes the updates of those beyond the limit; no name looks like
 * it.
 */
#define METRIC_OVERFLOW "(other)"

struct metric_desc {
	const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]*; counters end in _total where we choose */
	const char *help;
	enum metric_type type;
	const char *labels[METRIC_MAX_LABELS]; /* names, NULL from the first unused on */
	const double *bounds; /* histogram: upper bounds, rising, +Inf not included; copied */
	size_t bound_count;
	size_t max_series; /* 0: METRIC_DEFAULT_SERIES */
};

/* Bounds for latencies in seconds, 100 us to 10 s. */
extern const double metric_latency_bounds[];
extern const size_t metric_latency_bound_count;

/* A new, empty registry; NULL without memory. */
struct metrics *metrics_new(void);

/* Releases the registry with all families and series. No other thread may use them any more. */
void metrics_free(struct metrics *m);

/*
 * Adds a family; name, help and labels are copied. A description that breaks the rules above, or a
 * name already taken, is a bug and asserted. NULL without memory. All functions below accept a NULL
 * family or series and then do nothing, so that a caller need not check.
 */
struct metric_family *metrics_family(struct metrics *m, const struct metric_desc *desc);

/*
 * The series with these label values, as many as the family has label names (NULL for none); made
 * on first use. Beyond the family's limit it is the overflow series. NULL without memory.
 */
struct metric *metric_series(struct metric_family *f, const char *const *values);

/* Short forms of metric_series() for no label and for one. */
struct metric *metric_single(struct metric_family *f);
struct metric *metric_labelled(struct metric_family *f, const char *value);

/* Adds to a counter. */
void metric_add(struct metric *s, uint64_t n);

static inline void
metric_inc(struct metric *s)
{
	metric_add(s, 1);
}

/* Sets a gauge; adds to a gauge (delta may be negative). */
void metric_set(struct metric *s, double v);
void metric_shift(struct metric *s, double delta);

/* Counts one observation of a histogram. */
void metric_observe(struct metric *s, double v);

/* What a counter or gauge says; the number of observations of a histogram. */
double metric_value(const struct metric *s);

/*
 * Lets a function say the value of a counter or gauge whenever it is shown; NULL takes it away.
 * When the call returns, the former function is not running and will not run.
 */
void metric_set_callback(struct metric *s, double (*read)(void *arg), void *arg);

/*
 * Takes a series out of what is shown, with its value and callback (a database was deleted). It
 * comes back, from zero, at the next metric_series() with its labels. The pointer stays valid.
 */
void metric_retire(struct metric *s);

/*
 * Calls collect(arg) before every rendering, from the thread that renders; it may set gauges and
 * make series but must not render. IM_ERR_LIMIT when there are too many, IM_ERR_NOMEM.
 */
enum im_err metrics_on_collect(struct metrics *m, void (*collect)(void *arg), void *arg);

/*
 * Takes away what metrics_on_collect() added with the same two values. It is not running
 * afterwards.
 */
void metrics_off_collect(struct metrics *m, void (*collect)(void *arg), void *arg);

/*
 * Calls render(arg, out) at the end of every rendering: it appends families of its own, whose
 * figures it has when they are asked for, and whose names no other family has. IM_ERR_LIMIT when
 * there is one.
 */
enum im_err
metrics_on_render(struct metrics *m, void (*render)(void *arg, struct buf *out), void *arg);

/* Adds process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
 * process_open_fds, process_max_fds, process_start_time_seconds and process_threads. */
enum im_err metrics_add_process(struct metrics *m);

/* Appends everything in the Prometheus text format; families in the order they were added. */
enum im_err metrics_render(struct metrics *m, struct buf *out);

/*
 * Appends what metrics_render() has made, and others of their own, as one JSON object for those who
 * read it as that of Go's expvar: "cmdline", a list of nothing but program, and a member for each
 * family. That is a number; with labels a list of {"labels":{...},"value":number}, "[]" while there
 * is no series; a histogram is {"buckets":{"bound":number,...},"sum":number,"count":number}, with
 * labels a list of these and their "labels". Figures are those of the text, digit by digit; what is
 * no number in JSON is the string "NaN", "+Inf" or "-Inf". IM_ERR_FORMAT for what is no such text;
 * the errors of out.
 */
enum im_err metrics_text_to_json(struct bytes text, const char *program, struct buf *out);

/*
 * For those who render figures of their own: appends a text as it stands in a HELP line or, with
 * quote, as a label value between its quotes. Bytes that are not UTF-8 become U+FFFD.
 */
void metrics_append_escaped(struct buf *out, const char *text, bool quote);

#endif
