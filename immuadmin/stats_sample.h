#ifndef STATS_SAMPLE_H
#define STATS_SAMPLE_H

#include "util/arena.h"

/*
 * What a server's /metrics say, as far as the statistics show it. Pure: taken from the text. Names
 * that are not known are left alone, values that are missing are 0.
 */
#define STATS_METHODS_MAX 128
#define STATS_DATABASES_MAX 1024

struct stats_method {
	const char *name;
	double count;   /* requests answered, whatever the outcome */
	double seconds; /* that they took together */
};

struct stats_database {
	const char *name;
	double transactions;
	double size_bytes;
	double log_bytes;
	double index_runs;
};

struct stats_sample {
	double uptime_hours;
	double sessions;
	double connections;
	double in_flight;
	double received_bytes, sent_bytes; /* since the start */
	double cpu_seconds;                /* since the start */
	double resident_bytes;
	double open_files;
	struct stats_method *methods; /* those that were called, in the order of the text */
	size_t methods_len;
	struct stats_database *databases;
	size_t databases_len;
};

/*
 * Reads the text; names are from the arena. IM_ERR_NOMEM; IM_ERR_FORMAT when nothing of it is
 * known.
 */
enum im_err stats_sample_parse(struct bytes text, struct arena *arena, struct stats_sample *out);

/* The method of a sample, NULL if it was not called. */
const struct stats_method *stats_method_find(const struct stats_sample *s, const char *name);

#endif
