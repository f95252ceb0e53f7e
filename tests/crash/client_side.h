#ifndef CLIENT_SIDE_H
#define CLIENT_SIDE_H

#include "workload.h"

/*
 * What the clients of client_crash_test do, each in a child of its own: write through the client
 * library until the server dies, and check a restarted server against what was acknowledged.
 */
struct client_side {
	const char *socket;    /* of the server */
	const char *state_dir; /* trusted states */
	struct workload_record *record;
	_Atomic bool *ready; /* set by the writer when it is logged in */
};

/*
 * Logs in and writes transactions, verified and not, many in flight, until the connection is lost.
 * Says on stderr what else went wrong. WORKLOAD_OK when it wrote until the server went away,
 * WORKLOAD_REFUSED when that was before it was logged in, WORKLOAD_WRONG otherwise.
 */
enum workload_exit client_write(const struct client_side *c);

/*
 * Logs in with the trusted state of state_dir and checks: the server proves that its state extends
 * that one and is not before anything acknowledged, and transactions from from_tx on are whole, in
 * order, and the ones acknowledged. Unacknowledged ones that are there count from then on.
 * WORKLOAD_OK or WORKLOAD_WRONG.
 */
enum workload_exit client_check(const struct client_side *c, uint64_t from_tx);

/*
 * With the server stopped: opens the folder of the database itself, recomputes everything in it,
 * and proves from each acknowledged transaction on. WORKLOAD_OK or WORKLOAD_WRONG.
 */
enum workload_exit client_check_folder(const struct client_side *c, const char *dir);

#endif
