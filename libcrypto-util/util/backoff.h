#ifndef UTIL_BACKOFF_H
#define UTIL_BACKOFF_H

/*
 * Pauses between attempts: each twice as long as the one before, up to a maximum, and each up to a
 * quarter shorter or longer at random, so that many who lost the same server do not return at the
 * same moment.
 */
struct backoff {
	unsigned int first_ms, max_ms;
	unsigned int next_ms; /* without the random part; 0: first_ms */
};

/* The next pause, at least 1 ms. */
unsigned int backoff_next(struct backoff *b);

/* After a success: the next pause is the first again. */
void backoff_reset(struct backoff *b);

/* A pause with its random part: between three and five quarters of ms, at least 1. Any thread. */
unsigned int backoff_jitter(unsigned int ms);

#endif
