#ifndef SAMPLE_SERVER_H
#define SAMPLE_SERVER_H

#include "rpc/method.h"
#include "util/bytes.h"

/*
 * The server's dispatch without network and threads: transport, pools and files are replaced when
 * linking (CMakeLists.txt names the functions), so that a request is answered before the call
 * returns and answers depend on the request alone. Without authentication; its default database
 * holds the transactions of sample_store.h; states are signed with the key of sample_key.h. A write
 * is checked and then refused, so that nothing ever changes.
 */
#define SAMPLE_DATABASE "defaultdb"
#define SAMPLE_SESSION "session"

/*
 * Starts the server; it is stopped when the process ends. False, with a line on stderr, on failure.
 */
bool sample_server_start(void);

/*
 * Hands the server a request. The answer, packed, or the text of the error is put into out. Ends
 * the process when there was not exactly one answer.
 */
enum im_err sample_server_ask(const struct rpc_method *method, struct bytes body, struct buf *out);

#endif
