#ifndef SERVER_THROTTLE_H
#define SERVER_THROTTLE_H

#include "util/bytes.h"

/*
 * Slows down guessing of passwords: failed logins are counted per user and address together, and
 * per address alone. After some free failures each further one closes the door for a while, twice
 * as long each time up to a minute. A success opens it. The table is bounded; when it is full the
 * entry that failed longest ago gives way.
 *
 * All functions are safe from any thread and never wait.
 */
struct throttle;

/* Failures before the door closes: of one user from one address, and of one address in all. */
#define THROTTLE_FREE_USER 5
#define THROTTLE_FREE_ADDRESS 100

/* A table for max entries; now_ns NULL is the monotonic clock. NULL without memory. */
struct throttle *throttle_new(size_t max, int64_t (*now_ns)(void));

/* NULL is accepted. */
void throttle_free(struct throttle *t);

/*
 * A number for where an address is, never 0; all of an IPv6 network of 64 bits counts as one place
 * here and below, because one peer has as many of its addresses as it likes.
 */
uint64_t throttle_source(const char *address);

/*
 * May this address ("1.2.3.4:5678", "[::1]:5678" or "unix"; the port does not count) try a password
 * of user now? IM_OK or IM_ERR_THROTTLED.
 */
enum im_err throttle_check(struct throttle *t, struct bytes user, const char *address);

/* The password was wrong (or the user unknown). */
void throttle_failed(struct throttle *t, struct bytes user, const char *address);

/* The password was right: forgets the failures of this user from this address. */
void throttle_succeeded(struct throttle *t, struct bytes user, const char *address);

#endif
