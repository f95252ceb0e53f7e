#ifndef SAMPLE_DATA_H
#define SAMPLE_DATA_H

#include <stdbool.h>

#include "client/immu.h"

/*
 * What the model test writes: few keys and sets, so that operations meet; awkward bytes in all of
 * them; values that follow from a number. One thread.
 */

/*
 * Keys by number: SAMPLE_KEYS good ones in no order, then one that is too long, then the empty one.
 */
#define SAMPLE_KEYS 18u
#define SAMPLE_KEY_LONG SAMPLE_KEYS
#define SAMPLE_KEY_EMPTY (SAMPLE_KEYS + 1)
#define SAMPLE_SETS 5u
/* Scores by number: SAMPLE_SCORES good ones, ascending, then one that is not a number. */
#define SAMPLE_SCORES 12u
/* The largest value that sample_value_fill() is asked for at once. */
#define SAMPLE_VALUE_MAX 70000u

/* Number of a value that only streams write: up to a megabyte. */
#define SAMPLE_LARGE ((uint64_t)1 << 62)
/* Number of the largest value there is. */
#define SAMPLE_LARGEST ((uint64_t)1 << 63)

/* The state of the random numbers; all that happens in a run follows from it. */
void sample_seed(uint64_t seed);
/* A number below `below`, which is not 0. */
uint64_t sample_draw(uint64_t below);
/* True once in so many times. */
bool sample_once_in(unsigned times);

struct immu_bytes sample_key(unsigned number);
struct immu_bytes sample_set(unsigned number);
double sample_score(unsigned number);

/* Where a list may begin or end: a key, or other bytes that may be empty or too long for a key. */
struct immu_bytes sample_bound(void);

size_t sample_value_size(uint64_t number);
/* Bytes of a value from a multiple of 8 on. */
void sample_value_fill(uint64_t number, size_t from, void *to, size_t len);

/* By bytes; a beginning of something sorts before it. */
int sample_compare(struct immu_bytes a, struct immu_bytes b);
bool sample_equal(struct immu_bytes a, struct immu_bytes b);
bool sample_begins(struct immu_bytes a, struct immu_bytes prefix);

#endif
